//! The steps that a run, a plan and a replay share: extract, validate, load.

use std::sync::Arc;
use std::time::Instant;

use elt_shared::config::LoadMode;
use elt_shared::explained::{Code, Explained};
use elt_shared::runs::Stage;
use elt_shared::runs::report::{RunReport, Stages};
use elt_shared::target::TableRef;
use tracing::{Instrument, info_span};

use super::after_commit::wholly_rejected;
use super::combined_csv_owner;
use super::incremental::Asking;
use super::locate_json_rows::{self, Located};
use super::refuse_input::{refuse_failed_source, refuse_incomplete_replace};
use super::unchanged;
use super::work_folder::WorkFolder;
use crate::contract::decide;
use crate::error::{PipelineError, Result};
use crate::extract::{self, ExtractContext, Extracted, LeftOut, LeftOutKind};
use crate::frame::profile::{self, Expectation, Profile};
use crate::input::{Compression, Format, InputFile};
use crate::load::checks::names;
use crate::load::combined_csv::CombinedCsv;
use crate::load::cursors::NewCursor;
use crate::load::dedupe::hash_digest::HashDigest;
use crate::load::dedupe::table_hashes::{self, Limits, TableHashes};
use crate::load::partitions;
use crate::load::quarantine::refused::Refused;
use crate::load::records_path::{self, RecordsPath};
use crate::load::session::{Session, TableState};
use crate::load::{self, LoadTask, Loaded, left_behind};
use crate::progress::Expected;
use crate::roots::OutputPlace;
use crate::run_context::RunContext;
use crate::shape;

/// Number of reads after which a file that changed during each of them is left for the next run.
const READS_PER_FILE: usize = 3;
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

/// A sentence about a file, with the file's name in front unless the sentence begins with it.
fn about(file: &str, sentence: &str) -> String {
    if sentence.starts_with(file) { sentence.to_owned() } else { format!("{file}: {sentence}") }
}

/// One attempt at a run, plan, replay or check.
pub struct Execution<'a> {
    context: &'a RunContext,
    folder: WorkFolder,
    purpose: Purpose,
}

/// The result of the extraction and of the first pass over the files.
enum Preparation {
    /// The rows are to be loaded.
    Done(Box<Prepared>),
    /// Nothing has changed since an earlier run, and this one has committed.
    Unchanged { report: Box<RunReport>, files: Vec<InputFile> },
}

/// What the extraction and the first pass over the files found: everything that the load is decided by.
struct Prepared {
    extracted: Extracted,
    profile: Profile,
    /// The table before the load. `None`: it does not exist.
    before: Option<TableState>,
    /// The hashes of the table's rows, where it was worth fetching them. The first try of the load takes them.
    known: Option<TableHashes>,
    /// Places of the rows of JSON documents that no earlier run had found.
    records_paths: Vec<RecordsPath>,
    /// The cursors of incremental sources after this run.
    cursors: Vec<NewCursor>,
    report: RunReport,
}

impl Prepared {
    /// The digest of the rows that the table has. `None`: their hashes were not fetched, or were given away.
    fn digest(&self) -> Option<HashDigest> {
        match (&self.before, &self.known) {
            (None, _) => Some(HashDigest::default()),
            (Some(_), known) => known.as_ref().map(|hashes| hashes.digest),
        }
    }
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

    /// Prepares and loads. It starts over when a file or the table changed in between, because the columns and their
    /// types were decided from what they were before.
    pub(super) async fn execute(&self, session: &mut Session) -> Result<RunReport> {
        // A table that is partitioned in another way is refused before the sources are read, which may take hours.
        let partition = self.context.config.target.partition.as_ref();
        partitions::require(&mut session.connection, &session.table, partition).await?;
        let mut changed: Vec<String> = Vec::new();
        let mut table_changes = 0;
        loop {
            let mut prepared = match self.prepare(session, &changed).await? {
                Preparation::Done(prepared) => prepared,
                Preparation::Unchanged { report, files } => return Ok(self.finish(*report, None, &files).await),
            };
            match self.load(session, &mut prepared).await? {
                Loaded::Done { report, csv } => {
                    let files = &prepared.profile.files;
                    let is_loaded = |index: usize| files.get(index).is_some_and(|file| file.error.is_none());
                    let loaded = extract::loaded(&prepared.extracted.files, is_loaded);
                    return Ok(self.finish(*report, csv, &loaded).await);
                }
                Loaded::FileChanged { file } => {
                    let name = &prepared.extracted.files[file].name;
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

    /// Extracts the sources and makes the first pass over their files. `changed` names a file once for each time that
    /// it changed while it was read.
    async fn prepare(&self, session: &mut Session, changed: &[String]) -> Result<Preparation> {
        let context = self.context;
        let asking = self.ask(session).await?;
        let (extracted, extract_seconds) = self.extract(&asking, changed).instrument(info_span!("extract")).await?;
        if context.claims_when_fetched() {
            session.wait_for_turn(context).await?;
        }
        // The extraction may have taken hours, in which the connection to the target was idle.
        session.revive(context).await?;
        let before = session.table_state().await?;
        if let Some(report) = self.find_unchanged(session, before.as_ref(), &extracted, extract_seconds).await? {
            let files = extract::loaded(&extracted.files, |_| true);
            return Ok(Preparation::Unchanged { report: Box::new(report), files });
        }
        let (extracted, located) = self.locate_rows(session, before.as_ref(), extracted).await?;
        let started = Instant::now();
        let limits = Limits {
            delivered_bytes: extracted.files.iter().map(|file| file.stamp.size).sum(),
            text_bytes: bytes_to_read(&extracted.files),
            memory: context.memory.all,
            keep_free: context.unpack.keep_free,
            folder: self.folder.path(),
        };
        // The first pass reads files and the hashes come from the network, so that both take place at the same time.
        let (profile, known) = tokio::join!(
            self.profile(&extracted.files, before.as_ref()).instrument(info_span!("validate")),
            table_hashes::known(session, before.as_ref(), &context.config.load, limits),
        );
        let (profile, known) = (profile?, known?);
        // A replay is exempt, because rows that were rejected before may all be rejected again, and stay in quarantine.
        if !matches!(self.purpose, Purpose::Replay { .. }) {
            refuse_failed_source(&extracted.files, &profile)?;
        }
        let mut report = self.report(session, &extracted, &profile);
        report.warnings.extend(asking.warnings.iter().cloned().chain(located.warnings));
        let cursors = asking.new_cursors(&extracted.files, &mut report.warnings).await?;
        report.stages =
            Stages { extract: extract_seconds, validate: started.elapsed().as_secs_f64(), ..Stages::default() };
        if context.config.load.mode == LoadMode::Replace {
            refuse_incomplete_replace(&extracted, &profile, &report)?;
        }
        let records_paths = located.found;
        Ok(Preparation::Done(Box::new(Prepared { extracted, profile, before, known, records_paths, cursors, report })))
    }

    /// Commits a run that finds everything as an earlier run left it. `None`: the files are to be read.
    async fn find_unchanged(
        &self,
        session: &mut Session,
        before: Option<&TableState>,
        extracted: &Extracted,
        extract_seconds: f64,
    ) -> Result<Option<RunReport>> {
        let Purpose::Run { csv } = &self.purpose else { return Ok(None) };
        let comparing = unchanged::find(self.context, session, before, extracted, csv.as_ref());
        let Some(mut report) = comparing.instrument(info_span!("compare")).await? else { return Ok(None) };
        report.stages.extract = extract_seconds;
        left_behind::commit(session, self.context, report).instrument(info_span!("load")).await
    }

    /// Decides the columns and loads. Rows the table refuses are left out at the next try, with the same files.
    async fn load(&self, session: &mut Session, prepared: &mut Prepared) -> Result<Loaded> {
        let mut refused = Refused::default();
        // A table may refuse other rows once the first ones are left out, such as those that referred to them.
        for _ in 0..TRIES_PER_REFUSAL {
            let task = self.load_task(&session.table, prepared, refused.clone())?;
            match load::load(session, task).instrument(info_span!("load")).await? {
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

    /// One try of the load, without the rows that the table is known to refuse.
    fn load_task<'t>(&'t self, table: &TableRef, prepared: &'t mut Prepared, refused: Refused) -> Result<LoadTask<'t>> {
        let context = self.context;
        let known_columns = prepared.before.as_ref().map(|before| &before.known);
        let decision = decide::decide(&prepared.profile, &context.config, known_columns)?;
        names::require(&context.config, table, &decision.layout, prepared.before.as_ref())?;
        let readable = prepared.profile.files.iter().filter(|file| file.error.is_none());
        let rows = Some(readable.map(|file| file.rows).sum());
        context.progress.enter(Stage::Load, prepared.extracted.files.len(), Expected { rows, bytes: None });
        let mut report = prepared.report.clone();
        report.columns = decision.reports;
        report.drift = decision.drift.clone();
        report.warnings.extend(decision.warnings);
        let (csv, replayed) = match &self.purpose {
            Purpose::Run { csv } => {
                let open = |place| combined_csv_owner::open(place, &context.config.output);
                (csv.as_ref().map(open).transpose()?, &[][..])
            }
            Purpose::Replay { ids, .. } => (None, ids.as_slice()),
            Purpose::DryRun => (None, &[][..]),
        };
        Ok(LoadTask {
            context,
            files: &prepared.extracted.files,
            profile: &prepared.profile,
            layout: Arc::new(decision.layout),
            changes: decision.changes,
            drift: decision.drift,
            before: prepared.before.clone(),
            digest: prepared.digest(),
            known: prepared.known.take().map(|hashes| hashes.known),
            refused: Arc::new(refused),
            spool: self.folder.path(),
            csv,
            replayed,
            records_paths: &prepared.records_paths,
            cursors: &prepared.cursors,
            dry_run: matches!(self.purpose, Purpose::DryRun),
            report,
            started: Instant::now(),
        })
    }

    /// Decides what each incremental source is asked for.
    pub async fn ask(&self, session: &mut Session) -> Result<Asking> {
        match &self.purpose {
            Purpose::Replay { .. } => Ok(Asking::default()),
            Purpose::Run { .. } => Asking::read(self.context, session, true).await,
            Purpose::DryRun => Asking::read(self.context, session, false).await,
        }
    }

    /// Gets the files. Those that changed too often while they were read are left for the next run.
    pub async fn extract(&self, asking: &Asking, changed: &[String]) -> Result<(Extracted, f64)> {
        let started = Instant::now();
        self.context.progress.enter(Stage::Extract, 0, Expected::default());
        let mut extracted = match &self.purpose {
            Purpose::Replay { files, .. } => Extracted { files: files.clone(), ..Extracted::default() },
            Purpose::Run { .. } | Purpose::DryRun => {
                let mut context = self.context.extract_context();
                asking.set_values(&mut context.values);
                let (old_below, read_before) = (asking.old_below(), asking.read_before());
                let context = ExtractContext { old_below, read_before, ..context };
                extract::extract(&self.context.config, &context).await?
            }
        };
        let keeps_changing =
            |file: &InputFile| changed.iter().filter(|name| **name == file.name).count() >= READS_PER_FILE;
        let (left, files): (Vec<_>, Vec<_>) = extracted.files.into_iter().partition(keeps_changing);
        if let Some(required) = left.iter().find(|file| file.required) {
            return Err(PipelineError::Extract(Explained {
                code: Code::SourceChanged,
                message: format!("{} changed each of the {READS_PER_FILE} times it was read", required.name),
                next_step: "Wait until the file is written completely, then retry the run.".into(),
            }));
        }
        extracted.files = files;
        extracted.left_out.extend(left.into_iter().map(|file| LeftOut {
            name: file.name,
            kind: LeftOutKind::Failed,
            reason: format!("it changed {READS_PER_FILE} times while it was read; the next run reads it again"),
        }));
        Ok((extracted, started.elapsed().as_secs_f64()))
    }

    /// Finds the places of the rows in JSON documents, from earlier runs and from the documents.
    pub async fn locate_rows(
        &self,
        session: &mut Session,
        before: Option<&TableState>,
        extracted: Extracted,
    ) -> Result<(Extracted, Located)> {
        let context = self.context;
        let stored = records_path::stored(&mut session.connection, &session.table, before).await?;
        locate_json_rows::locate(extracted, &context.config, &context.base, stored, &context.stop).await
    }

    /// The first pass: reads every cell of every file, for the types of the columns.
    pub async fn profile(&self, files: &[InputFile], before: Option<&TableState>) -> Result<Profile> {
        let progress = Arc::clone(&self.context.progress);
        progress.enter(Stage::Validate, files.len(), Expected { rows: None, bytes: bytes_to_read(files) });
        let expectations: Vec<Expectation> =
            decide::expectations(&self.context.config, before.map(|before| &before.known));
        let (files, stop) = (files.to_vec(), self.context.stop.clone());
        let span = tracing::Span::current();
        tokio::task::spawn_blocking(move || {
            span.in_scope(|| profile::profile_opened(&files, &expectations, shape::open, &stop, &progress))
        })
        .await
        .map_err(|error| PipelineError::Internal(format!("looking at the files: {error}")))?
    }

    /// The report as far as it is known before the load. It also logs the files that are left out.
    pub fn report(&self, session: &Session, extracted: &Extracted, profile: &Profile) -> RunReport {
        let mut report = RunReport {
            table: session.table.to_string(),
            window: self.context.run.window(),
            ddl: session.makes_schema.iter().cloned().collect(),
            left_out: extracted.left_out.clone(),
            warnings: extracted.warnings.clone(),
            ..RunReport::default()
        };
        for file in &profile.files {
            let name = &extracted.files[file.index].name;
            if let Some(error) = &file.error {
                let reason = error.reason.clone();
                report.left_out.push(LeftOut { name: name.clone(), kind: LeftOutKind::Failed, reason });
            }
            report.warnings.extend(file.summary.warnings.iter().map(|warning| about(name, warning)));
        }
        for left_out in &report.left_out {
            match left_out.kind {
                LeftOutKind::Skipped => tracing::warn!("skipped {}: {}", left_out.name, left_out.reason),
                LeftOutKind::Failed => tracing::error!("left out {}: {}", left_out.name, left_out.reason),
            }
        }
        report
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

/// Number of bytes that a pass over the files reads. `None`: it is only known at the end, because a file is compressed, its
/// bytes are not its text, or its rows are shaped.
fn bytes_to_read(files: &[InputFile]) -> Option<u64> {
    let is_text = |file: &InputFile| {
        file.compression == Compression::None
            && !matches!(file.format, Format::Workbook | Format::Parquet | Format::Arrow)
            && file.options.shape.is_none()
    };
    files.iter().map(|file| is_text(file).then_some(file.stamp.size)).sum()
}
