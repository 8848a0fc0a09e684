//! An undo: what one run inserted is deleted, and every pipeline of the table looks at its sources afresh.

use elt_shared::store::schedules;

use super::RunContext;
use crate::error::{PipelineError, Result};
use crate::load::marker::Begun;
use crate::load::session::Session;
use crate::load::undo;
use crate::report::RunReport;

/// Undoes the run this one is about.
pub async fn run(context: &RunContext) -> Result<RunReport> {
    let undone = context
        .run
        .parent_id
        .ok_or_else(|| PipelineError::Internal("the undo does not say which run it is about".into()))?;
    let mut session = Session::open(context).await?;
    session.claim(context).await?;
    let report = match session.begin().await? {
        Begun::Loaded { report, .. } => *report,
        Begun::Mine => undo::undo(&mut session, undone).await?,
    };
    // Also when an earlier attempt deleted the rows: it may have been lost before it came to this.
    schedules::forget_seen(&context.control, session.target_key()).await.map_err(|source| PipelineError::Control {
        doing: "let the table's pipelines look at their sources afresh",
        source,
    })?;
    tracing::info!(
        rows = report.rows_deleted,
        "undid the run {undone}: {} rows of {} are gone",
        report.rows_deleted,
        report.table
    );
    session.close().await;
    Ok(report)
}
