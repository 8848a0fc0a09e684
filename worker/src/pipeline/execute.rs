//! A run: extract, validate, load. A plan takes the same way and rolls back in the end.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use elt_shared::config::{LoadMode, OnBadRow};
use elt_shared::explained::{Code, Explained};
use elt_shared::runs::{Outcome, Stage, Trigger};
use tracing::{Instrument, info_span};

use super::after_commit::{make_models, publish_left_behind, wholly_rejected};
use super::begin::{Beginning, Finished, begin};
use super::folder::{self, WorkFolder};
use super::json_rows::{self, Located};
use super::refuse::{refuse_failed_source, refuse_incomplete_replace};
use super::{RunContext, output, replay};
use crate::contract::decide::{self, Decision};
use crate::error::{PipelineError, Result};
use crate::extract::{self, ExtractContext, Extracted, InputFile, LeftOut, LeftOutKind, YoungFiles};
use crate::frame::combined::CombinedCsv;
use crate::frame::profile::{self, Expectation, Profile};
use crate::load::commit::Commit;
use crate::load::refused::Refused;
use crate::load::seen::HashSet;
use crate::load::session::{Before, Session};
use crate::load::{self, Loaded, Work, known_rows, rows_at};
use crate::report::{RunReport, Stages};
use crate::roots::OutputPlace;

/// A file that keeps changing is read this often before it is left for the next run.
const TRIES_PER_FILE: usize = 3;
/// A table that keeps changing under us is looked at this often.
const TRIES_PER_TABLE: usize = 5;

/// Number of times that a load is tried when the table refuses rows, each time without the rows found so far.
const TRIES_PER_REFUSAL: usize = 8;
/// What is read, and what comes of it.
struct Purpose {
    /// The files, when they are not to be extracted from the config's sources.
    given: Option<Vec<InputFile>>,
    /// Rejected rows that are in them.
    replayed: Vec<i64>,
    /// Where the combined CSV goes.
    csv: Option<Arc<OutputPlace>>,
    /// Everything is rolled back in the end.
    dry: bool,
}

/// Extracts, validates and loads.
pub async fn run(context: &RunContext) -> Result<RunReport> {
    let (mut session, report) = match begin(context).await? {
        Beginning::Loaded(Finished { session, mut report, unfinished_csv }) => {
            publish_left_behind(context, &mut report, unfinished_csv.as_deref()).await;
            (session, *report)
        }
        Beginning::Nothing(mut session) => {
            let folder = WorkFolder::create(context)?;
            let place = output::claim(context, &Executing::dry(context, folder.path()).extract_context()).await?;
            let purpose = Purpose { given: None, replayed: Vec::new(), csv: Some(place), dry: false };
            let executing = Executing { context, folder: folder.path(), purpose };
            let report = executing.execute(&mut session).await?;
            (session, report)
        }
    };
    let report = make_models(context, &mut session, report).await;
    session.close().await;
    Ok(report)
}

/// Does what a run would do, and rolls it back.
pub async fn plan(context: &RunContext) -> Result<RunReport> {
    let mut session = Session::open(context).await?;
    let folder = WorkFolder::create(context)?;
    let executing = Executing::dry(context, folder.path());
    output::check(context, &executing.extract_context()).await?;
    let report = executing.execute(&mut session).await?;
    session.close().await;
    Ok(report)
}

/// Loads rows that were rejected, as the config says now. A row that was loaded since is a duplicate.
pub async fn replay(context: &RunContext) -> Result<RunReport> {
    let mut session = match begin(context).await? {
        // A replay writes no combined CSV, whatever the target says.
        Beginning::Loaded(finished) => return Ok(RunReport { combined_csv: None, ..*finished.report }),
        Beginning::Nothing(session) => session,
    };
    let folder = WorkFolder::create(context)?;
    let replayed = replay::rejected_rows(context, &mut session, folder.path()).await?;
    let purpose = Purpose { given: Some(replayed.files), replayed: replayed.ids, csv: None, dry: false };
    let mut report = Executing { context, folder: folder.path(), purpose }.execute(&mut session).await?;
    if replayed.warning.is_some() && report.rows_read == 0 {
        // A replay is asked for to load rows, so a replay that loads none is not clean.
        report.outcome = Some(Outcome::NothingLoaded);
    }
    report.warnings.extend(replayed.warning);
    session.close().await;
    Ok(report)
}

/// A sentence about a file, which may name it already.
fn about(file: &str, sentence: &str) -> String {
    if sentence.starts_with(file) { sentence.to_owned() } else { format!("{file}: {sentence}") }
}

/// One attempt.
pub struct Executing<'a> {
    context: &'a RunContext,
    folder: &'a Path,
    purpose: Purpose,
}

impl<'a> Executing<'a> {
    /// An attempt that writes nothing.
    pub fn dry(context: &'a RunContext, folder: &'a Path) -> Self {
        let purpose = Purpose { given: None, replayed: Vec::new(), csv: None, dry: true };
        Self { context, folder, purpose }
    }

    async fn execute(&self, session: &mut Session) -> Result<RunReport> {
        let mut changed: Vec<String> = Vec::new();
        let mut table_changes = 0;
        loop {
            let (extracted, extract_seconds) = self.extract(&changed).instrument(info_span!("extract")).await?;
            session.revive(self.context).await?;
            let before = session.look().await?;
            let (extracted, located) = self.locate_rows(session, before.as_ref(), extracted).await?;
            let started = Instant::now();
            let bytes = extracted.files.iter().map(|file| file.stamp.size).sum();
            let (profile, known) = tokio::join!(
                self.profile(&extracted.files, before.as_ref()).instrument(info_span!("validate")),
                known_rows::known(session, before.as_ref(), &self.context.config.load, bytes, self.context.memory.all),
            );
            let (profile, known) = (profile?, known?);
            // A replay is exempt, because rows that were rejected before may all be rejected again, and stay in
            // quarantine.
            if self.purpose.given.is_none() {
                refuse_failed_source(&extracted.files, &profile)?;
            }
            let mut report = self.report(session, &extracted, &profile);
            report.warnings.extend(located.warnings);
            let report = RunReport {
                stages: Stages {
                    extract: extract_seconds,
                    validate: started.elapsed().as_secs_f64(),
                    ..Stages::default()
                },
                ..report
            };
            if self.context.config.load.mode == LoadMode::Replace {
                refuse_incomplete_replace(&extracted, &profile, &report)?;
            }
            match self.load(session, &extracted.files, &profile, (before, known), report, located.found).await? {
                Loaded::Done { report, csv } => {
                    let readable = profile.files.iter().filter(|file| file.error.is_none());
                    let loaded: Vec<_> = readable.map(|file| extracted.files[file.index].clone()).collect();
                    return Ok(self.finish(*report, csv, &loaded).await);
                }
                Loaded::FileChanged { file } => {
                    let name = &extracted.files[file].name;
                    tracing::warn!("{name} changed while it was read: starting over");
                    changed.push(name.clone());
                }
                Loaded::Refused(_) => return Err(PipelineError::Internal("refused rows were not left out".into())),
                Loaded::TableChanged if table_changes < TRIES_PER_TABLE => {
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

    /// Decides the columns and loads. Rows the table refuses are left out at the next try, with the same files.
    async fn load(
        &self,
        session: &mut Session,
        files: &[InputFile],
        profile: &Profile,
        (before, mut known): (Option<Before>, Option<HashSet>),
        report: RunReport,
        rows_at: Vec<rows_at::RowsAt>,
    ) -> Result<Loaded> {
        let mut refused = Refused::default();
        for _ in 0..TRIES_PER_REFUSAL {
            let decision = decide::decide(profile, &self.context.config, before.as_ref().map(|before| &before.known))?;
            let work = Work {
                refused: Arc::new(refused.clone()),
                rows_at: rows_at.clone(),
                ..self.work(files, profile, decision, (before.clone(), known.take()), report.clone())?
            };
            match load::load(session, work).instrument(info_span!("load")).await? {
                Loaded::Refused(more) => {
                    tracing::warn!(
                        rows = more.len(),
                        "{} refuses {} rows: loading without them",
                        session.table,
                        more.len()
                    );
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

    /// Gets the files. Those that changed too often while they were read are left for the next run.
    pub async fn extract(&self, changed: &[String]) -> Result<(Extracted, f64)> {
        let started = Instant::now();
        self.context.progress.enter(Stage::Extract, 0);
        let mut extracted = match &self.purpose.given {
            Some(files) => Extracted { files: files.clone(), ..Extracted::default() },
            None => extract::extract(&self.context.config, &self.extract_context()).await?,
        };
        let restless = |file: &InputFile| changed.iter().filter(|name| **name == file.name).count() >= TRIES_PER_FILE;
        let (left, files): (Vec<_>, Vec<_>) = extracted.files.into_iter().partition(restless);
        if let Some(required) = left.iter().find(|file| file.required) {
            return Err(PipelineError::Extract(Explained {
                code: Code::SourceChanged,
                message: format!("{} changed each of the {TRIES_PER_FILE} times it was read", required.name),
                next_step: "Wait until the file is written completely, then retry the run.".into(),
            }));
        }
        extracted.files = files;
        extracted.left_out.extend(left.into_iter().map(|file| LeftOut {
            name: file.name,
            kind: LeftOutKind::Failed,
            reason: format!("it changed {TRIES_PER_FILE} times while it was read; the next run reads it again"),
        }));
        Ok((extracted, started.elapsed().as_secs_f64()))
    }

    /// Finds the places of the rows in JSON documents, from earlier runs and from the documents.
    pub async fn locate_rows(
        &self,
        session: &mut Session,
        before: Option<&Before>,
        extracted: Extracted,
    ) -> Result<(Extracted, Located)> {
        let context = self.context;
        let kept = rows_at::kept(&mut session.connection, &session.table, before).await?;
        json_rows::locate(extracted, &context.config, &context.base, kept, &context.stop).await
    }

    /// What the extraction may touch.
    pub fn extract_context(&self) -> ExtractContext {
        let context = self.context;
        ExtractContext {
            base: context.base.clone(),
            spool: self.folder.to_owned(),
            roots: context.roots.clone(),
            never: vec![folder::combined_path(context)],
            network: context.network.clone(),
            control: context.control.clone(),
            stop: context.stop.clone(),
            young: self.young_files(),
        }
    }

    /// A run by hand takes a young file as far as it is written, when it ends with a whole record. A replace would lose
    /// the rows that are yet to come, and a run that a change or a schedule started has time to wait for them.
    fn young_files(&self) -> YoungFiles {
        let by_itself = matches!(self.context.run.trigger, Trigger::Schedule | Trigger::FileChange);
        match by_itself || self.context.config.load.mode == LoadMode::Replace {
            true => YoungFiles::Wait,
            false => YoungFiles::WaitForRecord,
        }
    }

    /// Looks at every cell of every file.
    pub async fn profile(&self, files: &[InputFile], before: Option<&Before>) -> Result<Profile> {
        self.context.progress.enter(Stage::Validate, files.len());
        let expectations: Vec<Expectation> =
            decide::expectations(&self.context.config, before.map(|before| &before.known));
        let (files, stop) = (files.to_vec(), self.context.stop.clone());
        let span = tracing::Span::current();
        tokio::task::spawn_blocking(move || span.in_scope(|| profile::profile(&files, &expectations, &stop)))
            .await
            .map_err(|error| PipelineError::Internal(format!("looking at the files: {error}")))?
    }

    /// What is known before the load.
    pub fn report(&self, session: &Session, extracted: &Extracted, profile: &Profile) -> RunReport {
        let mut report = RunReport {
            table: session.table.to_string(),
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

    fn work<'w>(
        &'w self,
        files: &'w [InputFile],
        profile: &'w Profile,
        decision: Decision,
        (before, known): (Option<Before>, Option<HashSet>),
        mut report: RunReport,
    ) -> Result<Work<'w>> {
        let context = self.context;
        context.progress.enter(Stage::Load, files.len());
        report.columns = decision.reports;
        report.drift = decision.drift.clone();
        report.warnings.extend(decision.warnings);
        Ok(Work {
            files,
            profile,
            layout: Arc::new(decision.layout),
            changes: decision.changes,
            drift: decision.drift,
            before,
            known,
            load: &context.config.load,
            on_bad_row: context.config.on_bad_row.unwrap_or(OnBadRow::Quarantine),
            refused: Arc::default(),
            max_rejected: context.config.schema.as_ref().and_then(|schema| schema.max_rejected),
            memory: context.memory,
            commit: Commit::of(context),
            spool: self.folder,
            csv: self.purpose.csv.as_ref().map(output::open).transpose()?,
            replayed: self.purpose.replayed.clone(),
            rows_at: Vec::new(),
            dry: self.purpose.dry,
            report,
            started: Instant::now(),
            stop: context.stop.clone(),
            progress: context.progress.clone(),
        })
    }

    /// What comes after the commit. Nothing here can undo it, so what fails is told as a warning.
    async fn finish(&self, mut report: RunReport, csv: Option<CombinedCsv>, loaded: &[InputFile]) -> RunReport {
        report.warnings.extend(report.files.iter().filter_map(wholly_rejected));
        if self.purpose.dry {
            return report;
        }
        if let (Some(csv), Some(place)) = (csv, &self.purpose.csv)
            && let Err(error) = output::publish(self.context, place, csv).await
        {
            let next_step = error.next_step();
            report.warnings.push(format!(
                "the rows are loaded, but the combined CSV could not get its name: {error}. {next_step}"
            ));
            report.combined_csv = None;
        }
        let moved = extract::sftp::after_load(&self.context.config.sources, loaded, &self.extract_context()).await;
        report.warnings.extend(moved);
        tracing::info!(
            rows = report.rows_inserted,
            "loaded {} new of {} rows into {}",
            report.rows_inserted,
            report.rows_read,
            report.table
        );
        report
    }
}
