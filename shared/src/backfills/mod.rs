//! Backfills: a range of time is loaded in windows, each by a run of its own in the normal queue.
//!
//! ```text
//!   running ──▶ succeeded   every window has succeeded
//!   │  ▲  └───▶ failed      windows have failed or were stopped, and no other one is left to load
//!   │  └─────── failed, canceled: resume
//!   └─────────▶ canceling ─▶ canceled   once the runs at work have ended
//! ```
//!
//! A backfill makes the run of a window only when there is room for it, so never more than `parallel` of its runs are
//! unfinished, over all workers. When one has ended, its worker calls [`advance`] at once; if that worker was lost, the sweeper
//! does so some seconds later. The windows are rows, and what has become of each is written there before the
//! next run is made, so a window that has succeeded is never loaded again, also when its run has been deleted since.
//!
//! # Layout
//! - [`plan`]: from what a person asks for to windows
//! - [`windows`]: dividing a range of time
//! - [`suitable`]: which configs can be loaded in windows

mod plan;
mod suitable;
mod windows;

use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

pub use self::plan::{Asked, MOST_PARALLEL, Plan};
pub use self::windows::{MOST_WINDOWS, Window, WindowSize, instant};
use crate::config::PipelineConfig;
use crate::runs::lifecycle;
use crate::runs::{Priority, RunKind, Trigger};
use crate::store::backfills::{self as store, Backfill, BackfillState, NewBackfill, WaitingWindow};
use crate::store::configs::ConfigVersion;
use crate::store::runs::NewRun;
use crate::trigger;

/// Windows that may fail before no more are started, because whatever is wrong then concerns them all.
pub const MOST_FAILED: i64 = 10;

/// Backfills that one sweep looks at.
const PER_SWEEP: i64 = 500;

/// Creates a backfill and the runs of its first windows.
pub async fn start(
    db: &mut PgConnection,
    config: &ConfigVersion,
    pipeline: &PipelineConfig,
    plan: &Plan,
    (queue, created_by): (&str, &str),
) -> sqlx::Result<Backfill> {
    let new = NewBackfill {
        config_id: config.id,
        name: &pipeline.name,
        target_table: &pipeline.target.table.to_string(),
        range: plan.range,
        window_size: &plan.size.to_string(),
        parallel: i32::from(plan.parallel),
        max_attempts: pipeline.retry.max_attempts as i32,
        queue,
        created_by,
    };
    let backfill = store::create(&mut *db, new).await?;
    store::insert_windows(&mut *db, backfill.id, &plan.windows).await?;
    advance(db, backfill.id).await?;
    Ok(backfill)
}

/// Notes which runs of a backfill have ended, makes those of the next windows, and ends the backfill when nothing is left.
/// Others who do the same wait until the caller's transaction ends.
pub async fn advance(db: &mut PgConnection, id: Uuid) -> sqlx::Result<()> {
    let Some(backfill) = store::lock(&mut *db, id).await? else { return Ok(()) };
    if backfill.finished_at.is_some() {
        return Ok(());
    }
    store::settle(&mut *db, id).await?;
    let counts = store::counts(&mut *db, id).await?;
    let goes_on = backfill.state == BackfillState::Running && counts.failed < MOST_FAILED;
    let room = if goes_on { i64::from(backfill.parallel) - counts.running } else { 0 };
    let next = if room > 0 { store::next_waiting(&mut *db, id, room).await? } else { Vec::new() };
    for window in &next {
        let run = trigger::enqueue(db, run_of(&backfill, window)).await?;
        store::note_run(&mut *db, id, window.number, run.id).await?;
    }
    if counts.running == 0 && next.is_empty() {
        let state = match backfill.state {
            BackfillState::Canceling => BackfillState::Canceled,
            _ if counts.succeeded == counts.windows => BackfillState::Succeeded,
            _ => BackfillState::Failed,
        };
        store::end(&mut *db, id, state).await?;
        tracing::info!(backfill.id = %id, succeeded = counts.succeeded, failed = counts.failed, "the backfill {}", state.in_words());
    }
    Ok(())
}

/// [`advance`] in a transaction of its own, after the end of one of the backfill's runs was committed. Only for promptness:
/// the sweeper does the same every few seconds.
pub async fn advance_now(db: &PgPool, id: Uuid) -> sqlx::Result<()> {
    let mut tx = db.begin().await?;
    advance(&mut tx, id).await?;
    tx.commit().await
}

/// Advances every backfill that has a reason to. A failure keeps none of the others from it, and the first one is returned.
pub async fn advance_all(db: &PgPool) -> sqlx::Result<()> {
    let mut all = Ok(());
    for id in store::to_advance(db, PER_SWEEP).await? {
        all = all.and(advance_now(db, id).await);
    }
    all
}

/// The run of a window.
fn run_of<'a>(backfill: &'a Backfill, window: &WaitingWindow) -> NewRun<'a> {
    NewRun {
        kind: RunKind::Run,
        config_id: backfill.config_id,
        name: &backfill.name,
        target_table: &backfill.target_table,
        // The markers of the runs that it repeats are read before anything is loaded again.
        trigger: if window.repeats.is_some() { Trigger::Retry } else { Trigger::Manual },
        schedule_id: None,
        subject_id: None,
        retry_of: window.repeats,
        window: Some((backfill.id, window.window())),
        queue: &backfill.queue,
        options: serde_json::json!({}),
        not_before: None,
        not_after: None,
        // Runs that schedules and people ask for meanwhile come first.
        priority: Some(Priority::Low),
        waits_for: None,
        max_attempts: backfill.max_attempts.unsigned_abs(),
        traceparent: None,
        created_by: &backfill.created_by,
    }
}

/// The answer to a request to cancel or to resume a backfill.
#[derive(Debug, Clone)]
pub enum Answer {
    /// It was done; the backfill as it is now.
    Done(Box<Backfill>),
    /// There was nothing to do, because of the state of the backfill.
    Refused(Box<Backfill>),
}

/// Cancels a backfill: no further window is started, and its runs are asked to stop. `None`: it does not exist. Workers are
/// notified when the caller's transaction commits.
pub async fn cancel(db: &mut PgConnection, id: Uuid, by: &str) -> sqlx::Result<Option<Answer>> {
    let Some(backfill) = store::lock(&mut *db, id).await? else { return Ok(None) };
    if backfill.finished_at.is_some() {
        return Ok(Some(Answer::Refused(Box::new(backfill))));
    }
    if backfill.state == BackfillState::Running {
        store::begin_cancel(&mut *db, id, by).await?;
    }
    // In the order of the ids, as everybody does who stops several runs.
    for run in store::unfinished_runs(&mut *db, id).await? {
        lifecycle::request_stop(db, run).await?;
    }
    advance(db, id).await?;
    Ok(store::find(db, id).await?.map(|backfill| Answer::Done(Box::new(backfill))))
}

/// Lets a backfill go on where it stopped: windows that have failed or were stopped are loaded again, and those that have
/// not been loaded are started. `None`: it does not exist.
pub async fn resume(db: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<Answer>> {
    let Some(backfill) = store::lock(&mut *db, id).await? else { return Ok(None) };
    store::settle(&mut *db, id).await?;
    let counts = store::counts(&mut *db, id).await?;
    let is_over = matches!(backfill.state, BackfillState::Failed | BackfillState::Canceled);
    let has_failed = counts.failed + counts.stopped > 0;
    if !(is_over || backfill.state == BackfillState::Running && has_failed) {
        return Ok(Some(Answer::Refused(Box::new(backfill))));
    }
    store::begin_again(&mut *db, id).await?;
    store::wait_again(&mut *db, id).await?;
    advance(db, id).await?;
    Ok(store::find(db, id).await?.map(|backfill| Answer::Done(Box::new(backfill))))
}
