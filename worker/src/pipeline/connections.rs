//! A test of the connections: every source and the target are tried. Nothing is loaded, and the trial write to the
//! target is rolled back.

use std::time::Instant;

use super::folder::WorkFolder;
use super::{RunContext, output};
use crate::error::{PipelineError, Result};
use crate::extract::probe::{ProbeReport, probe};
use crate::extract::{ExtractContext, YoungFiles};
use crate::load::session::Session;
use crate::load::trial;
use crate::report::RunReport;

/// Tries every source, one after the other, and then the target. What is not usable is in the report, not an error.
pub async fn test(context: &RunContext) -> Result<RunReport> {
    let folder = WorkFolder::create(context)?;
    let extract = ExtractContext {
        base: context.base.clone(),
        spool: folder.path().to_owned(),
        roots: context.roots.clone(),
        never: Vec::new(),
        network: context.network.clone(),
        control: context.control.clone(),
        stop: context.stop.clone(),
        young: YoungFiles::Take,
    };
    let mut report = RunReport { table: context.config.target.table.to_string(), ..RunReport::default() };
    for (index, source) in context.config.sources.iter().enumerate() {
        if context.stop.is_cancelled() {
            return Err(PipelineError::Stopped);
        }
        report.connections.push(probe(index, source, &extract).await);
    }
    report.connections.push(try_target(context).await);
    // A run would fail before it reads anything.
    if let Err(error) = output::check(context, &extract).await {
        let what = "combined CSV".to_owned();
        report.connections.push(ProbeReport { what, ..ProbeReport::failed(error.explained()) });
    }
    for connection in &report.connections {
        match &connection.problem {
            None => tracing::info!("{} can be used: {}", connection.what, connection.found),
            Some(problem) => tracing::warn!(code = problem.code.as_str(), "{}: {}", connection.what, problem.message),
        }
    }
    Ok(report)
}

async fn try_target(context: &RunContext) -> ProbeReport {
    let started = Instant::now();
    match look_at_target(context).await {
        Ok(found) => ProbeReport::usable("target", found, started.elapsed().as_secs_f64()),
        Err(error) => ProbeReport {
            what: "target".into(),
            seconds: started.elapsed().as_secs_f64(),
            ..ProbeReport::failed(error.explained())
        },
    }
}

async fn look_at_target(context: &RunContext) -> Result<String> {
    let mut session = Session::open(context).await?;
    let before = session.look().await?;
    let warning = trial::try_writing(&mut session, before.as_ref()).await?;
    let found = match &before {
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
