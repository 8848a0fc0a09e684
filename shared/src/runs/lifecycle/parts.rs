//! A run that makes a run for each of its tables, waits for them, and ends as they did.
//!
//! The run is queued while it waits, so it occupies no slot of a worker. When a run of a table has ended, its worker calls
//! [`wake_whole`]; the ticket of the last one lets the first run end. If that worker was lost, the sweeper does it.

use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::attempt::stop_instead;
use super::finish::wake_next;
use crate::job::ExecuteRun;
use crate::redaction;
use crate::runs::{AttemptEnd, RunKind, RunState, Trigger};
use crate::store::runs::{self, NewRun, Run};
use crate::trigger;

/// A table that gets a run of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPart {
    /// The table as a config names it.
    pub table: String,
    /// The run that was to load it before and did not. `None`: no earlier run was to load it.
    pub repeats: Option<Uuid>,
}

/// Makes a run for each of these tables, and lets the run wait for them and for those it has already. The attempt does not
/// count. A run that was asked to stop meanwhile ends stopped instead. `report`: what it found out about its sources. Returns
/// the run's new state, queued or stopped; `None`: the attempt was fenced off.
pub async fn wait_for_parts(
    db: &mut PgConnection,
    run: &Run,
    tables: &[NewPart],
    report: Option<&Value>,
) -> sqlx::Result<Option<RunState>> {
    if runs::is_stopping(db, run.id, run.epoch).await? {
        return stop_instead(db, run.id, run.epoch).await;
    }
    let mut report = report.cloned();
    if let Some(report) = &mut report {
        redaction::hide_in(report);
    }
    let queued = runs::queue_for_parts(&mut *db, run.id, run.epoch, report.as_ref()).await?;
    let Some(released) = queued else { return Ok(None) };
    runs::end_attempt(db, run.id, run.epoch, AttemptEnd::WaitsForTables, None).await?;
    for table in tables {
        let part = trigger::enqueue(db, run_of(run, table)).await?;
        runs::note_part(&mut *db, part.id, run.id).await?;
    }
    if runs::unfinished_parts(&mut *db, run.id).await?.is_empty() {
        ExecuteRun { run_id: run.id }.enqueue(db, &released.queue).await?;
    }
    wake_next(db, &released).await?;
    Ok(Some(RunState::Queued))
}

/// Lets a run end if the runs of all of its tables have ended. It is called after the end of one of these was committed.
pub async fn wake_whole(db: &PgPool, id: Uuid) -> sqlx::Result<()> {
    let mut tx = db.begin().await?;
    if let Some(queue) = runs::lock_if_parts_ended(&mut tx, id).await? {
        ExecuteRun { run_id: id }.enqueue(&mut tx, &queue).await?;
    }
    tx.commit().await
}

/// The run of a table.
fn run_of<'a>(whole: &'a Run, part: &'a NewPart) -> NewRun<'a> {
    NewRun {
        kind: RunKind::Run,
        config_id: whole.config_id,
        name: &whole.name,
        target_table: &part.table,
        trigger: if part.repeats.is_some() { Trigger::Retry } else { whole.trigger },
        // The schedule waits for the whole run, and stops these with it.
        schedule_id: None,
        subject_id: None,
        // The markers of the runs that it repeats are read before anything is loaded again.
        retry_of: part.repeats,
        window: None,
        queue: &whole.queue,
        options: whole.options.clone(),
        not_before: None,
        not_after: whole.not_after,
        priority: Some(whole.priority),
        waits_for: None,
        max_attempts: whole.max_attempts.unsigned_abs(),
        traceparent: whole.traceparent.clone(),
        created_by: &whole.created_by,
    }
}
