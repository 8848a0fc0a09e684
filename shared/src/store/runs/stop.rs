//! Stopping and retrying on request.

use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::end::{End, wake_next};
use super::unknown::WAITS_FOR;
use super::{COLUMNS, NewRun, Run, create, find};
use crate::job::{ExecuteRun, QUEUE, is_private};
use crate::queue::STOP_CHANNEL;
use crate::runs::{RunState, Trigger};

/// What came of asking a run to stop.
#[derive(Debug, Clone)]
pub enum StopAnswer {
    /// It had not started and never will.
    Stopped(Run),
    /// Its worker stops it at the next batch boundary.
    Stopping(Run),
    /// It had already ended.
    AlreadyFinished(Run),
}

/// Asks a run to stop. `None`: there is no such run. Workers hear of it when the caller's transaction commits.
///
/// An unknown run cannot be stopped right away, because it may have loaded: it stays unknown, its target is asked at
/// once, and it ends stopped if the target says that it did not load.
pub async fn request_stop(db: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<StopAnswer>> {
    let asked: Option<Run> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "update runs set
             stop_requested_at = coalesce(stop_requested_at, now()),
             verdict = case when unknown_since is not null then coalesce(verdict, $2) end,
             not_before = case when unknown_since is null then not_before end,
             finished_at = case when state = 'queued' and unknown_since is null then now() end,
             waits_for = case when unknown_since is not null then {WAITS_FOR} || '; it ends stopped if it did not'
                              when state = 'queued' then null else waits_for end,
             state = case when state = 'queued' and unknown_since is null then 'stopped' else state end
         where id = $1 and state in ('queued', 'running')
         returning {COLUMNS}"
    )))
    .bind(id)
    .bind(Json(End::Stopped))
    .fetch_optional(&mut *db)
    .await?;
    let Some(run) = asked else {
        return Ok(find(db, id).await?.map(StopAnswer::AlreadyFinished));
    };
    if run.is_unknown() {
        if run.state == RunState::Queued {
            ExecuteRun { run_id: id }.enqueue(db, &run.queue).await?;
        }
        return Ok(Some(StopAnswer::Stopping(run)));
    }
    if run.state != RunState::Stopped {
        sqlx::query("select pg_notify($1, $2)").bind(STOP_CHANNEL).bind(id.to_string()).execute(&mut *db).await?;
        return Ok(Some(StopAnswer::Stopping(run)));
    }
    let key: Option<String> = sqlx::query_scalar(
        "with ticket as (
             update apalis.jobs j set status = 'Killed', done_at = now()
             from runs r where r.id = $1 and j.id = r.ticket_id and j.status in ('Pending', 'Failed')
         )
         select target_key from runs where id = $1",
    )
    .bind(id)
    .fetch_one(&mut *db)
    .await?;
    // It may have been the one chosen to load next into its target.
    wake_next(db, key.as_deref()).await?;
    Ok(Some(StopAnswer::Stopped(run)))
}

/// Asks all unfinished runs of a schedule to stop. Answers how many still run.
pub async fn stop_of_schedule(db: &mut PgConnection, schedule_id: Uuid) -> sqlx::Result<usize> {
    let live: Vec<Uuid> = sqlx::query_scalar(
        "select id from runs where schedule_id = $1 and state in ('queued', 'running') order by id for update",
    )
    .bind(schedule_id)
    .fetch_all(&mut *db)
    .await?;
    let mut running = 0;
    for id in live {
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
}

/// Repeats a finished run as a new run of the same kind, config version and subject. `None`: the run does not exist.
pub async fn retry(
    db: &mut PgConnection,
    id: Uuid,
    traceparent: Option<String>,
    created_by: &str,
) -> sqlx::Result<Option<RetryAnswer>> {
    let Some(old) = find(&mut *db, id).await? else { return Ok(None) };
    if old.is_unknown() {
        return Ok(Some(RetryAnswer::Unknown(Box::new(old))));
    }
    if old.finished_at.is_none() {
        return Ok(Some(RetryAnswer::Unfinished(Box::new(old))));
    }
    // The process behind a private queue is gone, or soon will be.
    let queue = if is_private(&old.queue) { QUEUE } else { &old.queue };
    let new = NewRun {
        kind: old.kind,
        config_id: old.config_id,
        name: &old.name,
        target_table: &old.target_table,
        trigger: Trigger::Retry,
        schedule_id: None,
        subject_id: old.subject_id,
        retry_of: Some(old.id),
        queue,
        options: old.options.clone(),
        not_before: None,
        not_after: None,
        waits_for: None,
        max_attempts: old.max_attempts.unsigned_abs(),
        traceparent,
        created_by,
    };
    let run = create(&mut *db, new).await?;
    ExecuteRun { run_id: run.id }.enqueue(db, queue).await?;
    Ok(Some(RetryAnswer::Started(Box::new(run))))
}
