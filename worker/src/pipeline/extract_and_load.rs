//! The steps that a run, a plan and a replay share: extract, validate, load.

use std::sync::Arc;
use std::time::Instant;

use elt_shared::explained::{Code, Explained};
use elt_shared::runs::Stage;
use elt_shared::runs::report::RunReport;
use elt_shared::target::TableRef;
use tracing::{Instrument, info_span};

use super::after_commit::wholly_rejected;
use super::combined_csv_owner;
use super::delivery::{Delivery, Extraction};
use super::early_load::Early;
use super::first_pass::{Findings, Target, bytes_to_read};
use super::work_folder::WorkFolder;
use crate::contract::{Layout, decide};
use crate::error::{PipelineError, Result};
use crate::extract;
use crate::frame::profile::Profile;
use crate::input::InputFile;
use crate::load::checks::names;
use crate::load::combined_csv::CombinedCsv;
use crate::load::dedupe::hash_digest::HashDigest;
use crate::load::dedupe::table_hashes::{self, Limits, TableHashes};
use crate::load::first_pass::{Decided, FirstPass};
use crate::load::partitions;
use crate::load::quarantine::refused::Refused;
use crate::load::session::Session;
use crate::load::{self, LoadTask, Loaded};
use crate::progress::Expected;
use crate::roots::OutputPlace;
use crate::run_context::RunContext;

/// Number of times that a load starts over because the table was altered meanwhile.
const RESTARTS_PER_TABLE: usize = 5;
/// Number of times that a load is tried when the table refuses rows, each time without the rows found so far.
const TRIES_PER_REFUSAL: usize = 8;

/// What an execution is for.
pub(super) enum Purpose {
    /// The sources are loaded, and written into the combined CSV at this place. `None`: no combined CSV is written.
    Run { csv: Option<Arc<OutputPlace>> },
    /// Rejected rows are loaded again.
    Replay {
        /// The rejected rows as files.
        files: Vec<InputFile>,
        /// Their ids in the quarantine table.
        ids: Vec<i64>,
    },
    /// The sources are read, and everything is rolled back.
    DryRun,
}

/// One attempt at a run, plan, replay or check.
pub struct Execution<'a> {
    pub(super) context: &'a RunContext,
    folder: WorkFolder,
    pub(super) purpose: Purpose,
}

/// What a [`LoadTask`] is made of, beside the delivery.
pub(super) struct LoadPlan<'t> {
    /// The columns to load.
    pub layout: Layout,
    /// Indexes of the files to load.
    pub readable: Vec<usize>,
    /// Number of their rows, or an estimate of it.
    pub rows: u64,
    /// The hashes of the table's rows, where it was worth fetching them.
    pub hashes: Option<TableHashes>,
    /// Rows the table is known to refuse.
    pub refused: Refused,
    /// The attempt at the run that loads.
    pub context: &'t RunContext,
    /// Begin of the load.
    pub started: Instant,
}

impl<'a> Execution<'a> {
    /// An attempt that keeps what it spools in this folder.
    pub(super) fn new(context: &'a RunContext, folder: WorkFolder, purpose: Purpose) -> Self {
        Self { context, folder, purpose }
    }

    /// An attempt that leaves nothing behind.
    ///
    /// # Errors
    /// [`PipelineError::Io`] when the work folder cannot be created.
    pub fn dry_run(context: &'a RunContext) -> Result<Self> {
        Ok(Self { context, folder: WorkFolder::create(context)?, purpose: Purpose::DryRun })
    }

    /// Extracts, reads and loads. It starts over when a file or the table changed in between, because the columns and their
    /// types were decided from what they were before.
    pub(super) async fn execute(&self, session: &mut Session) -> Result<RunReport> {
        // A table that is partitioned in another way is refused before the sources are read, which may take hours.
        let partition = self.context.config.target.partition.as_ref();
        partitions::require(&mut session.connection, &session.table, partition).await?;
        let mut changed: Vec<String> = Vec::new();
        let mut table_changes = 0;
        loop {
            let delivery = match self.fetch(session, &changed).await? {
                Extraction::Done(delivery) => delivery,
                Extraction::Unchanged { report, files } => return Ok(self.finish(*report, None, &files).await),
            };
            let (loaded, profile) = self.read_and_load(session, &delivery).await?;
            match loaded {
                Loaded::Done { report, csv } => {
                    let is_loaded = |index: usize| profile.files.get(index).is_some_and(|file| file.error.is_none());
                    let loaded = extract::loaded(&delivery.extracted.files, is_loaded);
                    return Ok(self.finish(*report, csv, &loaded).await);
                }
                Loaded::FileChanged { file } => {
                    let name = &delivery.extracted.files[file].name;
                    tracing::warn!("{name} changed while it was read: starting over");
                    changed.push(name.clone());
                }
                Loaded::Refused(_) => return Err(PipelineError::Internal("refused rows were not left out".into())),
                Loaded::TableChanged if table_changes < RESTARTS_PER_TABLE => {
                    table_changes += 1;
                    tracing::warn!("{} changed meanwhile: starting over", session.table);
                }
                Loaded::TableChanged => {
                    return Err(PipelineError::Target(Explained {
                        code: Code::TargetKeepsChanging,
                        message: format!("the table {} was altered again and again during the run", session.table),
                        next_step: "Find out who alters the table, then retry the run.".into(),
                    }));
                }
            }
        }
    }

    /// Reads the files twice and loads their rows. The findings of the first pass are returned, too.
    async fn read_and_load(&self, session: &mut Session, delivery: &Delivery) -> Result<(Loaded, Arc<Profile>)> {
        let began = Instant::now();
        let (mut findings, hashes, loaded) = match self.load_early(session, delivery).await? {
            Some(Early { findings, loaded: Some(loaded) }) => (findings, None, Some(loaded)),
            Some(Early { findings, loaded: None }) => {
                // The early load may have failed because its connection was lost.
                session.revive(self.context).await?;
                (findings, self.fetch_hashes(session, delivery).await?, None)
            }
            None => {
                let target = Target::of(session);
                let first_pass = self.first_pass(&target, delivery, &self.context.progress);
                // The first pass reads files and the hashes come from the network, so that both take place at the same time.
                let (findings, hashes) = tokio::join!(first_pass, self.fetch_hashes(session, delivery));
                (findings?, hashes?, None)
            }
        };
        findings.report.stages.validate = began.elapsed().as_secs_f64();
        let loaded = self.load(session, delivery, &findings, hashes, loaded).await?;
        Ok((loaded, findings.profile))
    }

    /// The hashes of the table's rows, where it is worth fetching them.
    pub(super) async fn fetch_hashes(&self, session: &mut Session, delivery: &Delivery) -> Result<Option<TableHashes>> {
        let files = &delivery.extracted.files;
        let limits = Limits {
            delivered_bytes: files.iter().map(|file| file.stamp.size).sum(),
            text_bytes: bytes_to_read(files),
            memory: self.context.memory.all,
            keep_free: self.context.unpack.keep_free,
            folder: self.folder.path(),
        };
        table_hashes::known(session, delivery.before.as_ref(), &self.context.config.load, limits).await
    }

    /// Loads, and tries again without the rows that the table refuses. `first`: the result of an early load, which counts as the
    /// first try. `None`: nothing was tried yet.
    async fn load(
        &self,
        session: &mut Session,
        delivery: &Delivery,
        findings: &Findings,
        mut hashes: Option<TableHashes>,
        mut first: Option<Loaded>,
    ) -> Result<Loaded> {
        let mut refused = Refused::default();
        // A table may refuse other rows once the first ones are left out, such as those that referred to them.
        for _ in 0..TRIES_PER_REFUSAL {
            let loaded = match first.take() {
                Some(loaded) => loaded,
                None => self.try_load(session, delivery, findings, hashes.take(), refused.clone()).await?,
            };
            match loaded {
                Loaded::Refused(more) => {
                    if more.by_check.is_empty() {
                        let rows = more.len();
                        tracing::warn!(rows, "{} refuses {rows} rows: loading without them", session.table);
                    }
                    refused.extend(*more);
                }
                loaded => return Ok(loaded),
            }
        }
        Err(PipelineError::Target(Explained {
            code: Code::TooManyRefused,
            message: format!("{} refused other rows at each of {TRIES_PER_REFUSAL} tries", session.table),
            next_step:
                "Look at the table's constraints and triggers: which rows they refuse depends on the other rows.".into(),
        }))
    }

    /// One try of the load, after the first pass. `refused`: rows that the table is known to refuse.
    async fn try_load(
        &self,
        session: &mut Session,
        delivery: &Delivery,
        findings: &Findings,
        hashes: Option<TableHashes>,
        refused: Refused,
    ) -> Result<Loaded> {
        let (layout, decided) = self.decide(&session.table, delivery, findings)?;
        let (context, readable, rows) = (self.context, findings.readable(), findings.rows());
        let expected = Expected { rows: Some(rows), bytes: None };
        context.progress.enter(Stage::Load, delivery.extracted.files.len(), expected);
        let plan = LoadPlan { layout, readable, rows, hashes, refused, context, started: Instant::now() };
        let task = self.load_task(delivery, plan)?;
        let first_pass = FirstPass::Ended(Box::new(decided));
        load::load(session, task, first_pass).instrument(info_span!("load")).await
    }

    /// The columns of the load, and what else the first pass decides.
    pub(super) fn decide(
        &self,
        table: &TableRef,
        delivery: &Delivery,
        findings: &Findings,
    ) -> Result<(Layout, Decided)> {
        let config = &self.context.config;
        let decision = decide::decide(&findings.profile, config, delivery.known_columns())?;
        names::require(config, table, &decision.layout, delivery.before.as_ref())?;
        let mut report = findings.report.clone();
        report.columns = decision.reports;
        report.drift = decision.drift.clone();
        report.warnings.extend(decision.warnings);
        let decided = Decided {
            profile: Arc::clone(&findings.profile),
            changes: decision.changes,
            drift: decision.drift,
            cursors: findings.cursors.clone(),
            report,
        };
        Ok((decision.layout, decided))
    }

    /// One try of the load.
    pub(super) fn load_task<'t>(&'t self, delivery: &'t Delivery, plan: LoadPlan<'t>) -> Result<LoadTask<'t>> {
        let (csv, replayed) = match &self.purpose {
            Purpose::Run { csv } => {
                let open = |place| combined_csv_owner::open(place, &self.context.config.output);
                (csv.as_ref().map(open).transpose()?, &[][..])
            }
            Purpose::Replay { ids, .. } => (None, ids.as_slice()),
            Purpose::DryRun => (None, &[][..]),
        };
        let digest = match (&delivery.before, &plan.hashes) {
            (None, _) => Some(HashDigest::default()),
            (Some(_), hashes) => hashes.as_ref().map(|hashes| hashes.digest),
        };
        Ok(LoadTask {
            context: plan.context,
            files: &delivery.extracted.files,
            readable: plan.readable,
            rows: plan.rows,
            layout: Arc::new(plan.layout),
            before: delivery.before.clone(),
            digest,
            known: plan.hashes.map(|hashes| hashes.known),
            refused: Arc::new(plan.refused),
            spool: self.folder.path(),
            csv,
            replayed,
            records_paths: &delivery.located.found,
            dry_run: matches!(self.purpose, Purpose::DryRun),
            started: plan.started,
        })
    }

    /// The steps after the commit. They cannot undo the load any more, so a failure of one is a warning in the report.
    async fn finish(&self, mut report: RunReport, csv: Option<CombinedCsv>, loaded: &[InputFile]) -> RunReport {
        report.warnings.extend(report.files.iter().filter_map(wholly_rejected));
        if matches!(self.purpose, Purpose::DryRun) {
            return report;
        }
        if let (Some(csv), Purpose::Run { csv: Some(place) }) = (csv, &self.purpose)
            && let Err(error) = combined_csv_owner::publish(self.context, place, csv).await
        {
            let next_step = error.next_step();
            report.warnings.push(format!(
                "the rows are loaded, but the combined CSV could not get its name: {error}. {next_step}"
            ));
            report.combined_csv = None;
        }
        let moved = extract::after_load(&self.context.config.sources, loaded, &self.context.extract_context()).await;
        report.warnings.extend(moved);
        if report.unchanged_since.is_none() {
            tracing::info!(
                rows = report.rows_inserted,
                "loaded {} new of {} rows into {}",
                report.rows_inserted,
                report.rows_read,
                report.table
            );
        }
        report
    }
}
