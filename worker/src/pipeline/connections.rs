//! A test of the connections to every source and the target. Nothing is loaded, and the trial write to the target is rolled
//! back. Asked for a preview, it shows the beginning of the sources instead, and leaves the target alone.

use std::time::Instant;

use elt_shared::runs::ProbeReport;
use elt_shared::runs::report::RunReport;
use elt_shared::trigger::{OPTION_PREVIEW, PREVIEW_OF_URL};

use super::combined_csv_owner;
use super::work_folder::WorkFolder;
use crate::error::{PipelineError, Result};
use crate::extract::{ExtractContext, YoungFiles, preview, probe};
use crate::load::session::Session;
use crate::load::trial_write;
use crate::run_context::RunContext;

/// Name of a table that no pattern makes.
const OF_NO_FILE: &str = "_elt_of_no_file";

/// Tests every source, one after the other, and then the target. A connection that is not usable is part of the report, not an
/// error.
pub async fn test(context: &RunContext) -> Result<RunReport> {
    let _folder = WorkFolder::create(context)?;
    // Only the names and the beginnings of files are read, so a file may still be being written.
    let extract = ExtractContext { never: Vec::new(), young: YoungFiles::Take, ..context.extract_context() };
    let mut report = RunReport { table: context.config.target.table.to_string(), ..RunReport::default() };
    if let Some(of) = context.run.options.get(OPTION_PREVIEW) {
        return Box::pin(show(context, &extract, of == PREVIEW_OF_URL, report)).await;
    }
    for (index, source) in context.config.sources.iter().enumerate() {
        if context.stop.is_cancelled() {
            return Err(PipelineError::Stopped);
        }
        report.connections.push(Box::pin(probe::probe(index, source, &extract)).await);
    }
    report.connections.push(try_target(context).await);
    // A run would fail before it reads anything.
    if let Err(error) = combined_csv_owner::check(context, &extract).await {
        let what = "combined CSV".to_owned();
        report.connections.push(ProbeReport { what, ..probe::failed(error.explained()) });
    }
    for connection in &report.connections {
        match &connection.problem {
            None => tracing::info!("{} can be used: {}", connection.what, connection.found),
            Some(problem) => tracing::warn!(code = problem.code.as_str(), "{}: {}", connection.what, problem.message),
        }
    }
    Ok(report)
}

/// Shows the beginning of every source. `propose`: with a config for it.
async fn show(
    context: &RunContext,
    extract: &ExtractContext,
    propose: bool,
    mut report: RunReport,
) -> Result<RunReport> {
    for (index, source) in context.config.sources.iter().enumerate() {
        if context.stop.is_cancelled() {
            return Err(PipelineError::Stopped);
        }
        let preview = Box::pin(preview::preview(index, source, &report.table, propose, extract)).await;
        match &preview.problem {
            None => tracing::info!("{} was looked at with {} requests", preview.what, preview.requests),
            Some(problem) => tracing::warn!(code = problem.code.as_str(), "{}: {}", preview.what, problem.message),
        }
        report.previews.push(preview);
    }
    Ok(report)
}

async fn try_target(context: &RunContext) -> ProbeReport {
    let started = Instant::now();
    match describe_target(context).await {
        Ok(found) => ProbeReport::usable("target", found, started.elapsed().as_secs_f64()),
        Err(error) => ProbeReport {
            what: "target".into(),
            seconds: started.elapsed().as_secs_f64(),
            ..probe::failed(error.explained())
        },
    }
}

async fn describe_target(context: &RunContext) -> Result<String> {
    let pattern = context.config.target.pattern.as_ref().filter(|_| context.config.target.has_tables());
    let mut context = context.clone();
    if pattern.is_some() {
        // The tables are found by the names of the files, so a name that no file can have stands for all of them.
        context.config.target = context.config.target.with_table(OF_NO_FILE);
    }
    let context = &context;
    let mut session = Session::open(context).await?;
    let before = session.table_state().await?;
    let warning = trial_write::try_writing(&mut session, before.as_ref()).await?;
    let found = match &before {
        _ if pattern.is_some() => {
            let pattern = pattern.map(ToString::to_string).unwrap_or_default();
            format!("a table {pattern} for each file: a plan shows them")
        }
        Some(before) => {
            let own = before.existing.columns.iter().filter(|column| !column.is_internal()).count();
            format!("the table {} with {own} columns", session.table)
        }
        None if session.makes_schema.is_some() => {
            format!("no table {} yet: the first run creates it and its schema", session.table)
        }
        None => format!("no table {} yet: the first run creates it", session.table),
    };
    session.close().await;
    Ok(match warning {
        Some(warning) => format!("{found}; {warning}"),
        None => found,
    })
}
