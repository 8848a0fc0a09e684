//! A run: extract, validate, load. A plan takes the same way and rolls back in the end.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use elt_shared::config::{LoadMode, OnBadRow};
use tracing::{Instrument, info_span};

use super::folder::{self, WorkFolder};
use super::{RunContext, replay};
use crate::contract::decide::{self, Decision};
use crate::error::{PipelineError, Result};
use crate::extract::{self, ExtractContext, Extracted, InputFile, LeftOut, LeftOutKind};
use crate::frame::combined::CombinedCsv;
use crate::frame::profile::{self, Expectation, Profile};
use crate::load::marker::Begun;
use crate::load::refused::Refused;
use crate::load::seen::HashSet;
use crate::load::session::{Before, Session};
use crate::load::{self, Loaded, Work, known_rows, transform};
use crate::progress::Stage;
use crate::report::{RunReport, Stages};

/// A file that keeps changing is read this often before it is left for the next run.
const TRIES_PER_FILE: usize = 3;
/// A table that keeps changing under us is looked at this often.
const TRIES_PER_TABLE: usize = 5;

/// A load that the table refuses rows of is tried this often, each time without the rows found so far.
const TRIES_PER_REFUSAL: usize = 8;

/// What is read, and what comes of it.
struct Purpose<'a> {
    /// The files, when they are not to be extracted from the config's sources.
    given: Option<Vec<InputFile>>,
    /// Rejected rows that are in them.
    replayed: Vec<i64>,
    /// Where the combined CSV goes.
    csv: Option<&'a Path>,
    /// Everything is rolled back in the end.
    dry: bool,
}

/// Extracts, validates and loads.
pub async fn run(context: &RunContext) -> Result<RunReport> {
    let mut session = Session::open(context).await?;
    session.claim(context).await?;
    let path = folder::combined_path(context);
    if let Begun::Loaded { report, unfinished_csv } = session.begin().await? {
        let report = finish_from_marker(*report, unfinished_csv.as_deref(), &path);
        return transform(context, session, report).await;
    }
    only_asked(context)?;
    folder::open_combined(context, &path)?;
    let folder = WorkFolder::create(context)?;
    let purpose = Purpose { given: None, replayed: Vec::new(), csv: Some(&path), dry: false };
    let executing = Executing { context, folder: folder.path(), purpose };
    folder::refuse_input(context, &path, &executing.extract_context()).await?;
    let report = executing.execute(&mut session).await?;
    transform(context, session, report).await
}

/// Does what a run would do, and rolls it back.
pub async fn plan(context: &RunContext) -> Result<RunReport> {
    let mut session = Session::open(context).await?;
    let folder = WorkFolder::create(context)?;
    let report = Executing::dry(context, folder.path()).execute(&mut session).await?;
    session.close().await;
    Ok(report)
}

/// Loads rows that were rejected, as the config says now. A row that was loaded since is a duplicate.
pub async fn replay(context: &RunContext) -> Result<RunReport> {
    let mut session = Session::open(context).await?;
    session.claim(context).await?;
    if let Begun::Loaded { report, .. } = session.begin().await? {
        return Ok(finish_from_marker(*report, None, Path::new("")));
    }
    only_asked(context)?;
    let folder = WorkFolder::create(context)?;
    let replayed = replay::rejected_rows(context, &mut session, folder.path()).await?;
    let purpose = Purpose { given: Some(replayed.files), replayed: replayed.ids, csv: None, dry: false };
    let mut report = Executing { context, folder: folder.path(), purpose }.execute(&mut session).await?;
    report.warnings.extend(replayed.warning);
    session.close().await;
    Ok(report)
}

/// An attempt that only asks what an earlier one did ends here. Its marker keeps that one from loading later.
fn only_asked(context: &RunContext) -> Result<()> {
    match context.run.verdict {
        Some(_) => Err(PipelineError::NotLoaded),
        None => Ok(()),
    }
}

/// The acknowledgement of an earlier attempt was lost, its work was not.
fn finish_from_marker(mut report: RunReport, unfinished_csv: Option<&Path>, path: &Path) -> RunReport {
    tracing::info!(rows = report.rows_inserted, "already loaded by an earlier attempt: nothing is loaded again");
    report.finished_from_marker = true;
    // Its worker may have been killed before or after it gave the file its name, or on another machine.
    let published = unfinished_csv.map(|unfinished| CombinedCsv::publish_left_behind(unfinished, path));
    if let Some(Ok(false) | Err(_)) = published {
        report
            .warnings
            .push("the combined CSV may be an older run's: the worker that wrote this run's was lost".into());
    }
    report
}

/// Makes the models, also when an earlier attempt loaded: it may have been lost before it came to them.
async fn transform(context: &RunContext, mut session: Session, mut report: RunReport) -> Result<RunReport> {
    let started = Instant::now();
    report.models = transform::run(&mut session, &context.config.transform).await?;
    report.stages.transform = started.elapsed().as_secs_f64();
    session.close().await;
    Ok(report)
}

/// A source that is one file, or an API's answer, has failed when that cannot be read.
fn refuse_failed_source(files: &[InputFile], profile: &Profile) -> Result<()> {
    let failed = profile.files.iter().filter(|file| files[file.index].required).find_map(|file| file.error.as_ref());
    match failed {
        Some(error) => Err(PipelineError::Extract {
            code: error.code,
            message: error.message.clone(),
            next_step: error.next_step.to_owned(),
        }),
        None => Ok(()),
    }
}

/// One attempt.
pub struct Executing<'a> {
    context: &'a RunContext,
    folder: &'a Path,
    purpose: Purpose<'a>,
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
            let started = Instant::now();
            let bytes = extracted.files.iter().map(|file| file.stamp.size).sum();
            let (profile, known) = tokio::join!(
                self.profile(&extracted.files, before.as_ref()).instrument(info_span!("validate")),
                known_rows::known(session, before.as_ref(), &self.context.config.load, bytes, self.context.memory.all),
            );
            let (profile, known) = (profile?, known?);
            refuse_failed_source(&extracted.files, &profile)?;
            let report = self.report(session, &extracted, &profile);
            let report = RunReport {
                stages: Stages {
                    extract: extract_seconds,
                    validate: started.elapsed().as_secs_f64(),
                    ..Stages::default()
                },
                ..report
            };
            self.refuse_incomplete_replace(&profile, &report)?;
            match self.load(session, &extracted.files, &profile, (before, known), report).await? {
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
                    return Err(PipelineError::Target {
                        code: "target_keeps_changing",
                        message: format!("the table {} was altered again and again during the run", session.table),
                        next_step: "Find out who alters the table, then retry the run.".into(),
                    });
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
    ) -> Result<Loaded> {
        let mut refused = Refused::default();
        for _ in 0..TRIES_PER_REFUSAL {
            let decision = decide::decide(profile, &self.context.config, before.as_ref().map(|before| &before.known))?;
            let work = Work {
                refused: Arc::new(refused.clone()),
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
        Err(PipelineError::Target {
            code: "too_many_refused",
            message: format!("{} refused other rows at each of {TRIES_PER_REFUSAL} tries", session.table),
            next_step:
                "Look at the table's constraints and triggers: which rows they refuse depends on the other rows.".into(),
        })
    }

    /// Gets the files. Those that changed too often while they were read are left for the next run.
    pub async fn extract(&self, changed: &[String]) -> Result<(Extracted, f64)> {
        let started = Instant::now();
        self.context.progress.enter(Stage::Extract, 0);
        let mut extracted = match &self.purpose.given {
            Some(files) => Extracted { files: files.clone(), left_out: Vec::new() },
            None => extract::extract(&self.context.config, &self.extract_context()).await?,
        };
        let restless = |file: &InputFile| changed.iter().filter(|name| **name == file.name).count() >= TRIES_PER_FILE;
        let (left, files): (Vec<_>, Vec<_>) = extracted.files.into_iter().partition(restless);
        extracted.files = files;
        extracted.left_out.extend(left.into_iter().map(|file| LeftOut {
            name: file.name,
            kind: LeftOutKind::Failed,
            reason: format!("it changed {TRIES_PER_FILE} times while it was read; the next run reads it again"),
        }));
        Ok((extracted, started.elapsed().as_secs_f64()))
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
            left_out: extracted.left_out.clone(),
            ..RunReport::default()
        };
        for file in &profile.files {
            let name = &extracted.files[file.index].name;
            if let Some(error) = &file.error {
                let reason = error.message.clone();
                report.left_out.push(LeftOut { name: name.clone(), kind: LeftOutKind::Failed, reason });
            }
            report.warnings.extend(file.summary.warnings.iter().map(|warning| format!("{name}: {warning}")));
        }
        for left_out in &report.left_out {
            match left_out.kind {
                LeftOutKind::Skipped => tracing::warn!("skipped {}: {}", left_out.name, left_out.reason),
                LeftOutKind::Failed => tracing::error!("left out {}: {}", left_out.name, left_out.reason),
            }
        }
        report
    }

    /// A replace takes away what is not delivered, so it must not run on half of it.
    fn refuse_incomplete_replace(&self, profile: &Profile, report: &RunReport) -> Result<()> {
        if self.context.config.load.mode != LoadMode::Replace {
            return Ok(());
        }
        let failed: Vec<_> = report
            .left_out
            .iter()
            .filter(|file| file.kind == LeftOutKind::Failed)
            .map(|file| file.name.as_str())
            .collect();
        if !failed.is_empty() {
            return Err(PipelineError::Contract {
                code: "replace_incomplete",
                message: format!("the table is not replaced because files could not be read: {}", failed.join(", ")),
                next_step: "Correct or remove the files named; the old rows are still there.".into(),
            });
        }
        if profile.files.iter().all(|file| file.rows == 0) {
            return Err(PipelineError::Contract {
                code: "replace_empty",
                message: "the table is not replaced because the sources have no rows".into(),
                next_step: "Check the sources; the old rows are still there. Empty the table by hand if that is meant."
                    .into(),
            });
        }
        Ok(())
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
            spool: self.folder,
            csv: self.purpose.csv.map(|path| folder::open_combined(context, path)).transpose()?,
            replayed: self.purpose.replayed.clone(),
            dry: self.purpose.dry,
            report,
            started: Instant::now(),
            stop: context.stop.clone(),
            progress: context.progress.clone(),
        })
    }

    /// What comes after the commit. Nothing here can undo it, so what fails is told as a warning.
    async fn finish(&self, mut report: RunReport, csv: Option<CombinedCsv>, loaded: &[InputFile]) -> RunReport {
        if self.purpose.dry {
            return report;
        }
        if let Some(csv) = csv
            && let Err(error) = csv.publish()
        {
            report.warnings.push(format!("the rows are loaded, but the combined CSV could not get its name: {error}"));
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
