//! An undo: the rows that one run inserted are deleted, and every pipeline of the table checks its sources again.

use elt_shared::runs::report::RunReport;
use elt_shared::store::{runs, schedules};
use uuid::Uuid;

use super::begin::{Beginning, Finished, begin};
use crate::error::{PipelineError, Result};
use crate::load::commit::Commit;
use crate::load::undo;
use crate::run_context::RunContext;

/// Undoes the run that the undo is about.
pub async fn run(context: &RunContext) -> Result<RunReport> {
    let subject = context.run.subject_id;
    let subject = subject.ok_or_else(|| PipelineError::Internal("the undo does not say which run to undo".into()))?;
    let (session, report) = match begin(context).await? {
        Beginning::Loaded(Finished { session, report, .. }) => (session, *report),
        Beginning::Nothing(mut session) => {
            let undone = loaded_by(context, subject).await?;
            let report = undo::undo(&mut session, undone, &Commit::of(context)).await?;
            (session, report)
        }
    };
    // This runs also when an earlier attempt deleted the rows, because that attempt may have been lost before it came
    // to this step. A failure here does not fail the run, because its COMMIT was sent: the next attempt finds the run's
    // marker in the target and comes here again.
    schedules::forget_seen(&context.control, session.target_key()).await.map_err(|source| PipelineError::Control {
        doing: "let the table's pipelines look at their sources afresh",
        source,
    })?;
    tracing::info!(
        rows = report.rows_deleted,
        "undid the run {subject}: {} rows of {} are gone",
        report.rows_deleted,
        report.table
    );
    session.close().await;
    Ok(report)
}

/// The run whose rows are to be deleted: a run that found the rows of the run it repeats has none of its own.
async fn loaded_by(context: &RunContext, subject: Uuid) -> Result<Uuid> {
    let found = runs::find(&context.control, subject).await;
    let found = found.map_err(|source| PipelineError::Control { doing: "find the run to undo", source })?;
    let report = found.and_then(|run| run.report);
    let loaded_by = report.and_then(|report| serde_json::from_value(report["loaded_by"].clone()).ok());
    Ok(loaded_by.unwrap_or(subject))
}
