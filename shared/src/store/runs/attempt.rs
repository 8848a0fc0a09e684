//! What the worker that executes a run writes. Every write carries the epoch its attempt began with and changes
//! nothing once a newer attempt began or the run ended: an attempt that lost its run can do no harm.

use std::time::Duration;

use serde_json::Value;
use sqlx::{FromRow, PgConnection, PgExecutor, PgPool};
use uuid::Uuid;

use super::end::{End, Released, end_attempt, finish, wake_next};
use super::{COLUMNS, LEASE, Run};
use crate::job::ExecuteRun;
use crate::runs::Stage;

/// Starts an attempt: takes the run if it is queued and due, or if its worker lost it. `None`: nothing to do.
///
/// A start raises the epoch, so that whatever an older attempt still writes is fenced off. A run whose attempts
/// are used up, or whose window is over, is not taken: the sweeper ends it. An attempt at an unknown run only asks the
/// target, so it does not count, and neither bound keeps it from starting.
pub async fn begin(db: impl PgExecutor<'_>, id: Uuid, worker_id: &str) -> sqlx::Result<Option<Run>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "with taken as (
             update runs set state = 'running', epoch = epoch + 1, attempt = attempt + (unknown_since is null)::int, worker_id = $2,
                    lease_expires_at = now() + make_interval(secs => $3), not_before = null,
                    waits_for = case when unknown_since is not null then waits_for end,
                    waits_for_run = null, target_key = null,
                    stage = case when unknown_since is null then 'connect' else stage end,
                    progress = case when unknown_since is null then null else progress end,
                    started_at = coalesce(started_at, now())
             where id = $1 and (attempt < max_attempts or unknown_since is not null)
               and ((state = 'queued' and coalesce(not_before, now()) <= now())
                    or (state = 'running' and lease_expires_at < now()))
               and (coalesce(not_after, 'infinity') > now() or unknown_since is not null)
             returning *
         ), lost as (
             update run_attempts a set finished_at = now(), outcome = 'worker_lost'
             from taken where a.run_id = taken.id and a.epoch < taken.epoch and a.finished_at is null
         ), noted as (
             insert into run_attempts (run_id, epoch, worker_id, commit_sent) select id, epoch, worker_id, false from taken
         )
         select {COLUMNS} from taken"
    )))
    .bind(id)
    .bind(worker_id)
    .bind(LEASE.as_secs_f64())
    .fetch_optional(db)
    .await
}

/// A run whose lease was extended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct Renewed {
    /// Which.
    pub id: Uuid,
    /// By which attempt.
    pub epoch: i64,
    /// Someone asked it to stop, or its window is over.
    pub stop: bool,
}

/// Extends the leases of a worker's attempts, all at once. Those missing in the answer are lost.
pub async fn renew(db: impl PgExecutor<'_>, attempts: &[(Uuid, i64)]) -> sqlx::Result<Vec<Renewed>> {
    let (ids, epochs): (Vec<Uuid>, Vec<i64>) = attempts.iter().copied().unzip();
    sqlx::query_as(
        "update runs r set lease_expires_at = now() + make_interval(secs => $3)
         from unnest($1::uuid[], $2::bigint[]) as mine (id, epoch)
         where r.id = mine.id and r.epoch = mine.epoch and r.state = 'running'
         returning r.id, r.epoch, (r.stop_requested_at is not null or coalesce(r.not_after <= now(), false)) as stop",
    )
    .bind(ids)
    .bind(epochs)
    .bind(LEASE.as_secs_f64())
    .fetch_all(db)
    .await
}

/// Notes how far an attempt is. False: it is fenced off.
pub async fn note_progress(
    db: impl PgExecutor<'_>,
    id: Uuid,
    epoch: i64,
    stage: Stage,
    progress: &Value,
) -> sqlx::Result<bool> {
    let noted =
        sqlx::query("update runs set stage = $3, progress = $4 where id = $1 and epoch = $2 and state = 'running'")
            .bind(id)
            .bind(epoch)
            .bind(stage)
            .bind(progress)
            .execute(db)
            .await?;
    Ok(noted.rows_affected() == 1)
}

/// Whether a run may load into a target table now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// It is this run's until the run ends.
    Taken,
    /// Another run has it.
    Busy {
        /// Which.
        run: Uuid,
    },
    /// A newer attempt of this run began.
    Fenced,
}

/// Claims a target, named by its identity, for the rest of the run: one running run per target.
pub async fn claim_target(db: &PgPool, id: Uuid, epoch: i64, key: &str) -> sqlx::Result<Claim> {
    loop {
        let claimed = sqlx::query("update runs set target_key = $3 where id = $1 and epoch = $2 and state = 'running'")
            .bind(id)
            .bind(epoch)
            .bind(key)
            .execute(db)
            .await;
        match claimed {
            Ok(done) if done.rows_affected() == 1 => return Ok(Claim::Taken),
            Ok(_) => return Ok(Claim::Fenced),
            Err(error) if is_held(&error) => {}
            Err(error) => return Err(error),
        }
        let holder = sqlx::query_scalar("select id from runs where target_key = $1 and state = 'running'")
            .bind(key)
            .fetch_optional(db)
            .await?;
        // Without a holder it finished between the two statements: claim again.
        if let Some(run) = holder {
            return Ok(Claim::Busy { run });
        }
    }
}

fn is_held(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.constraint() == Some("runs_one_per_target"))
}

/// Sends a run back to wait `delay` for its next attempt. One that was asked to stop meanwhile ends stopped instead.
/// False: the attempt was fenced off.
pub async fn retry_later(
    db: &mut PgConnection,
    id: Uuid,
    epoch: i64,
    delay: Duration,
    (code, error): (&str, &str),
) -> sqlx::Result<bool> {
    if is_stopping(db, id, epoch).await? {
        return finish(db, id, epoch, &End::Stopped, None).await;
    }
    let released: Option<Released> = sqlx::query_as(
        "update runs set state = 'queued', not_before = now() + make_interval(secs => $3), stage = null, progress = null,
                worker_id = null, lease_expires_at = null, unknown_since = null, verdict = null,
                waits_for = format('attempt %s of %s: %s', attempt + 1, max_attempts, $4)
         where id = $1 and epoch = $2 and state = 'running'
         returning queue, target_key, schedule_id",
    )
    .bind(id)
    .bind(epoch)
    .bind(delay.as_secs_f64())
    .bind(error)
    .fetch_optional(&mut *db)
    .await?;
    let Some(released) = released else { return Ok(false) };
    end_attempt(db, id, epoch, "retry", Some((&code.to_owned(), &error.to_owned()))).await?;
    ExecuteRun { run_id: id }.enqueue_after(db, &released.queue, delay).await?;
    wake_next(db, released.target_key.as_deref()).await?;
    Ok(true)
}

/// Whether the attempt's run was asked to stop, or its window is over. Locks the run until the transaction ends, so that
/// a request that comes later finds what the caller wrote.
async fn is_stopping(db: &mut PgConnection, id: Uuid, epoch: i64) -> sqlx::Result<bool> {
    let stopping: Option<bool> = sqlx::query_scalar(
        "select stop_requested_at is not null or coalesce(not_after <= now(), false) from runs
         where id = $1 and epoch = $2 and state = 'running' for update",
    )
    .bind(id)
    .bind(epoch)
    .fetch_optional(db)
    .await?;
    Ok(stopping.unwrap_or(false))
}

/// Sends a run back to wait until `holder`, which loads into the same target, lets go. It costs no attempt.
/// False: the attempt was fenced off.
pub async fn wait_for_target(db: &mut PgConnection, id: Uuid, epoch: i64, holder: Uuid) -> sqlx::Result<bool> {
    // Locking the holder's row first orders this after or before its end: no wake-up falls in between.
    let (still_held, key): (bool, Option<String>) =
        sqlx::query_as("select state = 'running', target_key from runs where id = $1 for update")
            .bind(holder)
            .fetch_optional(&mut *db)
            .await?
            .unwrap_or((false, None));
    let released: Option<Released> = sqlx::query_as(
        "update runs set state = 'queued', attempt = attempt - (unknown_since is null)::int, worker_id = null, lease_expires_at = null,
                stage = case when unknown_since is not null then stage end,
                progress = case when unknown_since is not null then progress end, target_key = $3, waits_for_run = $4,
                waits_for = format('run %s, which loads into the same table', $4)
                            || case when unknown_since is null then '' else '; whether it loaded is unknown' end
         where id = $1 and epoch = $2 and state = 'running'
         returning queue, target_key, schedule_id",
    )
    .bind(id)
    .bind(epoch)
    .bind(key)
    .bind(holder)
    .fetch_optional(&mut *db)
    .await?;
    let Some(released) = released else { return Ok(false) };
    end_attempt(db, id, epoch, "target_busy", None).await?;
    if !still_held {
        ExecuteRun { run_id: id }.enqueue(db, &released.queue).await?;
    }
    Ok(true)
}

/// Gives a run back unfinished because its worker stops. It costs no attempt. False: the attempt was fenced off.
pub async fn hand_back(db: &mut PgConnection, id: Uuid, epoch: i64) -> sqlx::Result<bool> {
    let released: Option<Released> = sqlx::query_as(
        "update runs set state = 'queued', attempt = attempt - (unknown_since is null)::int, worker_id = null, lease_expires_at = null,
                stage = case when unknown_since is not null then stage end,
                progress = case when unknown_since is not null then progress end
         where id = $1 and epoch = $2 and state = 'running'
         returning queue, target_key, schedule_id",
    )
    .bind(id)
    .bind(epoch)
    .fetch_optional(&mut *db)
    .await?;
    let Some(released) = released else { return Ok(false) };
    end_attempt(db, id, epoch, "handed_back", None).await?;
    ExecuteRun { run_id: id }.enqueue(db, &released.queue).await?;
    Ok(true)
}
