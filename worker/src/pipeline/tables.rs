//! A config with a table for each file. A run finds the tables, lets a run of its own load each of them, and ends when these
//! have ended. A plan and a check look at one table after the other.

use std::collections::{HashMap, HashSet};

use elt_shared::explained::{Code, Explained};
use elt_shared::runs::lifecycle::NewPart;
use elt_shared::runs::report::{RunReport, TableReport};
use elt_shared::runs::{RunKind, RunState};
use elt_shared::store::runs::{self, Run};
use uuid::Uuid;

use super::work_folder::WorkFolder;
use super::{check, connections};
use crate::error::{PipelineError, Result};
use crate::extract::tables::{self, Tables};
use crate::extract::{self, ExtractContext, WantedFiles};
use crate::load::session::Session;
use crate::run_context::RunContext;

/// Failed tables that the message of a run names.
const NAMED: usize = 5;
/// Files and left-out files of one table that a plan lists.
const LISTED_FILES: usize = 20;
/// Columns of all tables up to which a plan has the reports of further tables, so that its own report stays small.
const LISTED_COLUMNS: usize = 20_000;

/// Executes one attempt of a run whose config has a table for each file.
///
/// # Errors
/// [`PipelineError::WaitsForTables`] until the runs of the tables have ended; `tables_failed` when some tables were not loaded,
/// or could not be.
pub async fn run(context: &RunContext) -> Result<RunReport> {
    match context.run.kind {
        RunKind::Run if context.run.divided_at.is_some() => gather(context).await,
        RunKind::Run => divide(context).await,
        RunKind::Plan | RunKind::Check => look_at_each(context).await,
        RunKind::TestConnection => connections::test(context).await,
        kind @ (RunKind::Replay | RunKind::Undo | RunKind::Verify) => Err(PipelineError::Contract(Explained {
            code: Code::RunOfTables,
            message: format!("a {kind} is about one table, and this config has a table for each file"),
            next_step: "Choose the run that loaded the table; the report of the whole run names it.".into(),
        })),
    }
}

/// Refuses a table that its pipeline has not made, because the name of a file must not decide which table of others gets rows.
///
/// # Errors
/// `target_of_others` when another pipeline has loaded into the table, or elt has not made it.
pub async fn refuse_table_of_others(context: &RunContext, session: &mut Session) -> Result<()> {
    if context.config.target.pattern.is_none() {
        return Ok(());
    }
    let other = runs::other_pipeline_of(&context.control, session.target_key(), &context.config.name).await;
    let other = other.map_err(|source| PipelineError::Control { doing: "look whose table it is", source })?;
    let because = match (other, session.table_state().await?) {
        (Some(other), _) => format!("the pipeline `{other}` has loaded into this table"),
        (None, Some(state)) if !state.has_elt_columns() => "elt has not made this table".to_owned(),
        (None, _) => return Ok(()),
    };
    Err(PipelineError::Target(Explained {
        code: Code::TargetOfOthers,
        message: format!("could not load into {}: {because}", session.table),
        next_step: "Rename the file, write another pattern under `target.table`, or load into the table with a pipeline that names \
                    it."
            .into(),
    }))
}

/// Finds the tables, and asks for a run of each that the runs which this one repeats have not loaded.
async fn divide(context: &RunContext) -> Result<RunReport> {
    let found = find(context).await?;
    let mut report = base(context, &found);
    let repeated = loaded_before(context).await?;
    let mut new = Vec::new();
    let mut loaded = 0;
    for name in &found.names {
        let table = context.config.target.with_table(name).table.to_string();
        match repeated.get(&table) {
            Some(Before::Loaded) => loaded += 1,
            Some(Before::Failed(run)) => new.push(NewPart { table, repeats: Some(*run) }),
            None => new.push(NewPart { table, repeats: None }),
        }
    }
    if loaded > 0 {
        let tables = counted(loaded, "table");
        report
            .warnings
            .push(format!("{tables} had been loaded by runs that this one repeats: nothing was loaded again"));
    }
    if new.is_empty() {
        return Ok(RunReport { partial: false, ..report });
    }
    Err(PipelineError::WaitsForTables { tables: new, report: Some(Box::new(report)) })
}

/// What became of a table in the runs that a run repeats.
enum Before {
    /// It was loaded, and not undone.
    Loaded,
    /// This run has not loaded it.
    Failed(Uuid),
}

/// The tables of the runs that this one repeats.
async fn loaded_before(context: &RunContext) -> Result<HashMap<String, Before>> {
    let control = &context.control;
    let asking = |source| PipelineError::Control { doing: "find the tables of the runs that this one repeats", source };
    let repeated = runs::repeated(control, context.run.id).await.map_err(asking)?;
    let parts = runs::parts(control, &repeated).await.map_err(asking)?;
    let ids: Vec<Uuid> = parts.iter().map(|part| part.id).collect();
    let undone: HashSet<Uuid> = runs::undone(control, &ids).await.map_err(asking)?.into_iter().collect();
    let before = parts.into_iter().filter(|part| !undone.contains(&part.id)).map(|part| {
        let before = if part.state == RunState::Succeeded { Before::Loaded } else { Before::Failed(part.id) };
        (part.target_table, before)
    });
    Ok(before.collect())
}

/// Ends the run as the runs of its tables have ended.
async fn gather(context: &RunContext) -> Result<RunReport> {
    let parts = runs::parts(&context.control, &[context.run.id]).await;
    let mut parts = parts.map_err(|source| PipelineError::Control { doing: "find the runs of the tables", source })?;
    // The database may sort by the rules of a language.
    parts.sort_by(|one, other| one.target_table.cmp(&other.target_table));
    if parts.iter().any(|part| !part.state.is_final()) {
        return Err(PipelineError::WaitsForTables { tables: Vec::new(), report: None });
    }
    let noted = context.run.report.clone().and_then(|report| serde_json::from_value(report).ok());
    let mut report = RunReport { partial: false, ..noted.unwrap_or_default() };
    for part in parts {
        report.add_table(table_of(part));
    }
    finish(context, report)
}

/// What a run of a table did.
fn table_of(part: Run) -> TableReport {
    let report: RunReport = part.report.and_then(|report| serde_json::from_value(report).ok()).unwrap_or_default();
    TableReport {
        table: part.target_table,
        run_id: Some(part.id),
        state: Some(part.state),
        outcome: part.outcome,
        error: part.error.or_else(|| (part.state == RunState::Stopped).then(|| "it was stopped".to_owned())),
        error_code: part.error_code,
        ..TableReport::of(&report)
    }
}

/// Plans or checks each table by itself. A table that cannot be loaded does not hide what is to be said about the others.
async fn look_at_each(context: &RunContext) -> Result<RunReport> {
    let found = find(context).await?;
    let mut report = base(context, &found);
    let mut columns = 0;
    for name in &found.names {
        if context.stop.is_cancelled() {
            return Err(PipelineError::Stopped);
        }
        let mut of_table = context.clone();
        of_table.config.target = context.config.target.with_table(name);
        let looked = match context.run.kind {
            RunKind::Plan => super::run::plan(&of_table).await,
            _ => check::check(&of_table).await,
        };
        match looked {
            Ok(mut looked) => {
                looked.outcome = Some(looked.judge());
                let table = TableReport::of(&looked);
                looked.files.truncate(LISTED_FILES);
                looked.left_out.truncate(LISTED_FILES);
                columns += looked.columns.len();
                let shown = (columns <= LISTED_COLUMNS).then(|| Box::new(looked));
                report.add_table(TableReport { report: shown, ..table });
            }
            // What passes by itself ends the whole attempt, which is made again.
            Err(error) if error.is_retryable() || matches!(error, PipelineError::Stopped | PipelineError::Fenced) => {
                return Err(error);
            }
            Err(error) => report.add_table(TableReport {
                table: of_table.config.target.table.to_string(),
                error_code: Some(error.code().as_str().to_owned()),
                error: Some(error.explained().message),
                ..TableReport::default()
            }),
        }
    }
    finish(context, report)
}

/// The report of a run whose tables are done.
///
/// # Errors
/// `tables_failed` when one of them is not.
fn finish(context: &RunContext, report: RunReport) -> Result<RunReport> {
    let failed: Vec<String> =
        report.tables.iter().filter_map(|table| Some(format!("{}: {}", table.table, table.error.as_ref()?))).collect();
    if failed.is_empty() {
        return Ok(report);
    }
    let more = failed.len().saturating_sub(NAMED);
    let and_more = if more > 0 { format!("; and {more} more") } else { String::new() };
    let were = if context.run.kind == RunKind::Run { "were not loaded" } else { "cannot be loaded" };
    let message = format!(
        "{} of {} {were}: {}{and_more}",
        failed.len(),
        counted(report.tables.len(), "table"),
        failed[..failed.len() - more].join("; ")
    );
    let next_step = match context.run.kind {
        RunKind::Run => {
            "Correct what is said about each table, then retry this run: it loads only the tables that are missing. The other \
             tables are loaded."
        }
        _ => "Correct what is said about each table.",
    };
    context.progress.keep_report(&report);
    Err(PipelineError::Contract(Explained::new(Code::TablesFailed, message, next_step)))
}

/// Finds the tables of the files that the sources have now.
async fn find(context: &RunContext) -> Result<Tables> {
    let Some(pattern) = &context.config.target.pattern else {
        return Err(PipelineError::Internal("a config with one table was asked for its tables".into()));
    };
    let _folder = WorkFolder::create(context)?;
    let names = ExtractContext { files: WantedFiles::Names(pattern.clone()), ..context.extract_context() };
    tables::of_files(pattern, extract::extract(&context.config, &names).await?)
}

/// A report about the sources alone. It is partial until the tables are done.
fn base(context: &RunContext, found: &Tables) -> RunReport {
    let mut report = RunReport {
        partial: context.run.kind == RunKind::Run && !found.names.is_empty(),
        table: context.config.target.table.to_string(),
        left_out: found.left_out.clone(),
        warnings: found.warnings.clone(),
        ..RunReport::default()
    };
    report.bound();
    report
}

fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
