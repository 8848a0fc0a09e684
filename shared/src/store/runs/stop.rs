//! Stopping and retrying on request.

use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::end::{End, wake_next};
use super::verdict::{WAITS_FOR, can_ask};
use super::{COLUMNS, NewRun, Run, create, find};
use crate::job::{ExecuteRun, QUEUE, is_private};
use crate::queue::STOP_CHANNEL;

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
pub async fn request_stop(db: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<StopAnswer>> {
    if let Some(run) = ask_first(db, id).await? {
        return Ok(Some(StopAnswer::Stopping(run)));
    }
    let asked: Option<Run> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "update runs set
             stop_requested_at = coalesce(stop_requested_at, now()),
             finished_at = case when state = 'queued' and verdict is null then now() end,
             waits_for = case when state = 'queued' and verdict is null then null else waits_for end,
             state = case when state = 'queued' and verdict is null then 'stopped' else state end
         where id = $1 and state in ('queued', 'running')
         returning {COLUMNS}"
    )))
    .bind(id)
    .fetch_optional(&mut *db)
    .await?;
    let Some(run) = asked else {
        return Ok(find(db, id).await?.map(StopAnswer::AlreadyFinished));
    };
    if run.state != "stopped" {
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

/// A queued run whose last attempt may have loaded has not simply stopped: its target is asked.
async fn ask_first(db: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<Run>> {
    let Some(run) = find(&mut *db, id).await?.filter(|run| can_ask(&run.kind, &run.queue)) else { return Ok(None) };
    let asked: Option<Run> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "update runs r set stop_requested_at = coalesce(stop_requested_at, now()), verdict = $2, waits_for = $3,
                waits_for_run = null, not_before = null
         where id = $1 and state = 'queued' and verdict is null
           and (select a.outcome in ('worker_lost', 'retry') from run_attempts a
                where a.run_id = r.id order by a.epoch desc limit 1)
         returning {COLUMNS}"
    )))
    .bind(id)
    .bind(Json(End::Stopped))
    .bind(WAITS_FOR)
    .fetch_optional(&mut *db)
    .await?;
    if asked.is_some() {
        ExecuteRun { run_id: id }.enqueue(db, &run.queue).await?;
    }
    Ok(asked)
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

/// Runs a finished run's config version once more, as a new run. `None`: it has not finished, or there is none.
pub async fn retry(
    db: &mut PgConnection,
    id: Uuid,
    traceparent: Option<String>,
    created_by: &str,
) -> sqlx::Result<Option<Run>> {
    let Some(old) = find(&mut *db, id).await?.filter(|run| run.finished_at.is_some()) else { return Ok(None) };
    // The process behind a private queue is gone, or soon will be.
    let queue = if is_private(&old.queue) { QUEUE } else { &old.queue };
    let new = NewRun {
        kind: &old.kind,
        config_id: old.config_id,
        name: &old.name,
        target_table: &old.target_table,
        trigger: "retry",
        schedule_id: None,
        parent_id: Some(old.id),
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
    Ok(Some(run))
}
