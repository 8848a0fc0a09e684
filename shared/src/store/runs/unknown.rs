//! Unknown runs: runs that may have loaded.
//!
//! An attempt that sent its COMMIT and got no answer may have loaded; only the run's marker in the target shows whether
//! it did. Such a run is unknown: it goes back to the queue, and its next attempts ask the target and load nothing.
//! They do not count against `max_attempts`, any worker may make them, and they go on until the target answers. Until
//! then the run neither ends nor is retried.

use std::time::Duration;

use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, PgExecutor};
use uuid::Uuid;

use super::end::{End, Released, end_attempt, wake_next};
use crate::explained::Code;
use crate::job::ExecuteRun;

/// Longest pause between two attempts to ask, in seconds. The pauses double from one second.
const LONGEST_PAUSE: f64 = 60.0;

/// SQL expression for the `waits_for` of an unknown run.
pub(super) const WAITS_FOR: &str = "format('the target %s since %s UTC: whether it loaded is unknown', target_table,
        to_char(coalesce(unknown_since, now()) at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS'))";

/// Notes that an attempt is about to send its COMMIT. False: the attempt was fenced off and must roll back.
///
/// An attempt without this note certainly did not load, also when its worker is lost: a worker that was frozen before it
/// could write the note finds itself fenced off when it wakes up.
pub async fn note_commit(db: impl PgExecutor<'_>, id: Uuid, epoch: i64) -> sqlx::Result<bool> {
    let noted = sqlx::query(
        "with mine as (select id from runs where id = $1 and epoch = $2 and state = 'running' for update)
         update run_attempts a set commit_sent = true from mine where a.run_id = mine.id and a.epoch = $2",
    )
    .bind(id)
    .bind(epoch)
    .execute(db)
    .await?;
    Ok(noted.rows_affected() == 1)
}

/// Sends a run whose attempt may have loaded back to the queue, as unknown. `if_not_loaded` is the run's end if the
/// target says that it did not load; `None`: it is tried again. `left` is the outcome of the attempt; `handed_back`
/// does not count against the run's attempts. False: the attempt was fenced off.
pub async fn leave_unknown(
    db: &mut PgConnection,
    id: Uuid,
    epoch: i64,
    if_not_loaded: Option<&End>,
    left: &str,
) -> sqlx::Result<bool> {
    let released: Option<Released> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "update runs set state = 'queued', unknown_since = coalesce(unknown_since, now()), asks = 0, not_before = null,
                verdict = case when stop_requested_at is not null then coalesce($3, $4) else $3 end,
                attempt = attempt - ($5 = 'handed_back')::int,
                waits_for = {WAITS_FOR}, worker_id = null, lease_expires_at = null
         where id = $1 and epoch = $2 and state = 'running'
         returning queue, target_key, schedule_id"
    )))
    .bind(id)
    .bind(epoch)
    .bind(if_not_loaded.map(Json))
    .bind(Json(End::Stopped))
    .bind(left)
    .fetch_optional(&mut *db)
    .await?;
    let Some(released) = released else { return Ok(false) };
    end_attempt(db, id, epoch, left, None).await?;
    ExecuteRun { run_id: id }.enqueue(db, &released.queue).await?;
    wake_next(db, released.target_key.as_deref()).await?;
    Ok(true)
}

/// Sends an unknown run back to the queue because its target did not answer. False: the attempt was fenced off.
pub async fn ask_again(db: &mut PgConnection, id: Uuid, epoch: i64, (code, error): (&str, &str)) -> sqlx::Result<bool> {
    #[derive(FromRow)]
    struct Asked {
        queue: String,
        target_key: Option<String>,
        pause: f64,
    }
    let asked: Option<Asked> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "update runs set state = 'queued', asks = asks + 1, worker_id = null, lease_expires_at = null, waits_for = {WAITS_FOR},
                not_before = now() + make_interval(secs => least(2 ^ least(asks, 10), $3) * (0.75 + random() / 4))
         where id = $1 and epoch = $2 and state = 'running'
         returning queue, target_key, extract(epoch from not_before - now())::float8 as pause"
    )))
    .bind(id)
    .bind(epoch)
    .bind(LONGEST_PAUSE)
    .fetch_optional(&mut *db)
    .await?;
    let Some(asked) = asked else { return Ok(false) };
    end_attempt(db, id, epoch, "unknown", Some((&code.to_owned(), &error.to_owned()))).await?;
    let pause = Duration::try_from_secs_f64(asked.pause).unwrap_or_default();
    ExecuteRun { run_id: id }.enqueue_after(db, &asked.queue, pause).await?;
    wake_next(db, asked.target_key.as_deref()).await?;
    Ok(true)
}

/// Moves unknown runs of a process of `elt run` that is gone to `queue`, because no other process takes tickets from
/// that process's own queue. A moved run is asked about but not tried again, because its sources may be out of reach
/// here. Returns the runs moved.
pub async fn adopt(db: &mut PgConnection, queue: &str) -> sqlx::Result<Vec<Uuid>> {
    let gone = End::Failed {
        code: Code::WorkerLost.as_str().into(),
        error: "the process that executed the run is gone".into(),
        next_step: "Nothing was loaded: run it again.".into(),
    };
    let adopted: Vec<Uuid> = sqlx::query_scalar(
        "with adopted as (update runs r set queue = $1, not_before = null, verdict = coalesce(verdict, $2)
         where r.state = 'queued' and r.unknown_since is not null and r.queue like 'elt-run-%' and r.queue <> $1
           and not exists (select from workers w where w.queue = r.queue and w.stopped_at is null
                                                    and w.heartbeat_at > now() - interval '1 minute')
         returning r.id, r.ticket_id
         ), tickets as (
             update apalis.jobs j set status = 'Killed', done_at = now()
             from adopted where j.id = adopted.ticket_id and j.status in ('Pending', 'Failed')
         )
         select id from adopted",
    )
    .bind(queue)
    .bind(Json(gone))
    .fetch_all(&mut *db)
    .await?;
    for run_id in &adopted {
        ExecuteRun { run_id: *run_id }.enqueue(db, queue).await?;
    }
    Ok(adopted)
}

/// The run that this one repeats, the run that it repeated in turn, and so on, up to the first run that is neither
/// failed nor stopped. Their markers are read before anything is loaded again, because one of them may have loaded all
/// the same. A run that succeeded ends the chain, because people repeat it on purpose.
pub async fn repeated(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar(
        "with recursive chain as (
             select id, retry_of, 0 as depth from runs where id = $1
             union all
             select earlier.id, earlier.retry_of, depth + 1 from runs earlier join chain on earlier.id = chain.retry_of
             where earlier.state in ('failed', 'stopped') and depth < 1000
         )
         select id from chain where depth > 0",
    )
    .bind(id)
    .fetch_all(db)
    .await
}
