//! Stopping a run on request, and repeating one that has ended.

use sqlx::PgConnection;
use uuid::Uuid;

use super::finish::{EndedBy, finish};
use crate::job::{ExecuteRun, QUEUE, is_private};
use crate::runs::{End, RunState, Trigger};
use crate::store::runs::{self, NewRun, Run};
use crate::store::schedules;

/// The answer to a request to stop a run.
#[derive(Debug, Clone)]
pub enum StopAnswer {
    /// It had not started and never will.
    Stopped(Run),
    /// Its worker stops it at the next batch boundary.
    Stopping(Run),
    /// It had already ended.
    AlreadyFinished(Run),
}

/// Asks a run to stop, and with it the runs of its tables. `None`: the run does not exist. Workers are notified when the
/// caller's transaction commits.
///
/// An unknown run cannot be stopped right away, because it may have loaded: it stays unknown, its target is asked at
/// once, and it ends stopped if the target says that it did not load.
pub async fn request_stop(db: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<StopAnswer>> {
    let answer = request_stop_of_one(db, id).await?;
    // They come last, because the run may have made them while this request waited for it.
    for part in runs::unfinished_parts(&mut *db, id).await? {
        request_stop_of_one(db, part).await?;
    }
    Ok(answer)
}

async fn request_stop_of_one(db: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<StopAnswer>> {
    schedules::lock_of_run(&mut *db, id).await?;
    let Some(run) = runs::note_stop_request(db, id).await? else {
        return Ok(runs::find(db, id).await?.map(StopAnswer::AlreadyFinished));
    };
    if run.state == RunState::Running {
        // Only its worker can end it, because only the worker knows whether it has sent its COMMIT. An attempt that asks
        // the target is not interrupted: its answer ends the run sooner than a stop would.
        if !run.is_unknown() {
            runs::notify_stop(&mut *db, id).await?;
        }
        return Ok(Some(StopAnswer::Stopping(run)));
    }
    if run.is_unknown() {
        // The ticket makes a worker ask the target now, because the run's own ticket may be due much later.
        ExecuteRun { run_id: id }.enqueue(db, &run.queue).await?;
        return Ok(Some(StopAnswer::Stopping(run)));
    }
    finish(db, id, EndedBy::StopBeforeStart, &End::Stopped, None).await?;
    Ok(runs::find(db, id).await?.map(StopAnswer::Stopped))
}

/// Asks all unfinished runs of a schedule to stop. Returns the number of those that are still running.
pub async fn stop_of_schedule(db: &mut PgConnection, schedule_id: Uuid) -> sqlx::Result<usize> {
    let mut running = 0;
    for id in runs::lock_unfinished(db, schedule_id).await? {
        if let Some(StopAnswer::Stopping(_)) = request_stop(db, id).await? {
            running += 1;
        }
    }
    Ok(running)
}

/// The answer to a request to repeat a run.
#[derive(Debug, Clone)]
pub enum RetryAnswer {
    /// The new run.
    Started(Box<Run>),
    /// The run has not finished, so it is not repeated.
    Unfinished(Box<Run>),
    /// It is not known yet whether the run loaded, so it is not repeated.
    Unknown(Box<Run>),
    /// It is the run of a window of this backfill, so the backfill repeats it when it is resumed.
    OfBackfill(Uuid),
    /// It is the run of a table of this run, which loads it again when it is retried.
    PartOf(Uuid),
}

/// Repeats a finished run as a new run of the same kind, config version and subject. `None`: the run does not exist.
///
/// Requests to retry runs wait for each other until their transactions end, so that one that retries many runs leaves alone
/// what another one has just retried.
pub async fn retry(
    db: &mut PgConnection,
    id: Uuid,
    traceparent: Option<String>,
    created_by: &str,
) -> sqlx::Result<Option<RetryAnswer>> {
    runs::lock_retries(&mut *db).await?;
    repeat(db, id, traceparent, created_by).await
}

/// [`retry`] for a caller that holds [`runs::lock_retries`].
pub(super) async fn repeat(
    db: &mut PgConnection,
    id: Uuid,
    traceparent: Option<String>,
    created_by: &str,
) -> sqlx::Result<Option<RetryAnswer>> {
    let Some(old) = runs::find(&mut *db, id).await? else { return Ok(None) };
    // A backfill counts its runs, so that no more than it may have are at work.
    if let Some(backfill) = old.backfill_id {
        return Ok(Some(RetryAnswer::OfBackfill(backfill)));
    }
    // A retry of the whole run finds out which tables are missing, so that none is loaded twice.
    if let Some(whole) = old.part_of {
        return Ok(Some(RetryAnswer::PartOf(whole)));
    }
    // An unknown run is unfinished, too. Its own answer says that its rows may be in the table already.
    if old.is_unknown() {
        return Ok(Some(RetryAnswer::Unknown(Box::new(old))));
    }
    if !old.state.is_final() {
        return Ok(Some(RetryAnswer::Unfinished(Box::new(old))));
    }
    // The run of a table may still load, although the run that made it was stopped.
    if let Some(part) = runs::unfinished_parts(&mut *db, id).await?.first()
        && let Some(part) = runs::find(&mut *db, *part).await?
    {
        let answer = if part.is_unknown() { RetryAnswer::Unknown } else { RetryAnswer::Unfinished };
        return Ok(Some(answer(Box::new(part))));
    }
    // The process behind a private queue is gone, or soon will be.
    let queue = if is_private(&old.queue) { QUEUE } else { &old.queue };
    let new = NewRun {
        kind: old.kind,
        config_id: old.config_id,
        name: &old.name,
        target_table: &old.target_table,
        trigger: Trigger::Retry,
        // A repeated run belongs to the person who asked for it: the schedule's end does not stop it.
        schedule_id: None,
        subject_id: old.subject_id,
        retry_of: Some(old.id),
        window: None,
        queue,
        options: old.options.clone(),
        not_before: None,
        not_after: None,
        priority: Some(old.priority),
        waits_for: None,
        max_attempts: old.max_attempts.unsigned_abs(),
        traceparent,
        created_by,
    };
    let run = runs::create(&mut *db, new).await?;
    ExecuteRun { run_id: run.id }.enqueue(db, queue).await?;
    Ok(Some(RetryAnswer::Started(Box::new(run))))
}
