//! Statements that send a run from its attempt back to the queue. Each carries the attempt's epoch and changes nothing
//! once a newer attempt began or the run ended. [`lifecycle`](crate::runs::lifecycle) says what else belongs to each.

use std::time::Duration;

use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, PgExecutor};
use uuid::Uuid;

use crate::runs::backoff::LONGEST_ASK_PAUSE;
use crate::runs::{AttemptEnd, End, Failure};

/// SQL expression for the `waits_for` of an unknown run.
pub(super) const WAITS_FOR_ANSWER: &str =
    "format('the target %s since %s UTC: whether it loaded is unknown', target_table,
        to_char(coalesce(unknown_since, now()) at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS'))";

/// Columns of a run that its attempt has just given up.
#[derive(Debug, FromRow)]
pub(crate) struct Released {
    /// The queue its next ticket goes to.
    pub queue: String,
    /// The target it had claimed.
    pub target_key: Option<String>,
    /// Hash of the target's name, by which runs find each other before they have claimed it.
    pub target_name: Option<String>,
    /// The schedule that made it.
    pub schedule_id: Option<Uuid>,
}

/// Queues the next attempt, due after `pause`. `error` is shown as what the run waits for.
pub(crate) async fn queue_retry(
    db: impl PgExecutor<'_>,
    id: Uuid,
    epoch: i64,
    pause: Duration,
    error: &str,
) -> sqlx::Result<Option<Released>> {
    // An unknown run that is tried again is certain: its target has said that it did not load.
    sqlx::query_as(
        "update runs set state = 'queued', not_before = now() + make_interval(secs => $3), stage = null, progress = null,
                worker_id = null, lease_expires_at = null, unknown_since = null, verdict = null, waits_on = null,
                attempt = attempt - commit_met_outage::int, commit_met_outage = false,
                waits_for = format('attempt %s of %s: %s', attempt - commit_met_outage::int + 1, max_attempts, $4)
         where id = $1 and epoch = $2 and state = 'running'
         returning queue, target_key, target_name, schedule_id",
    )
    .bind(id)
    .bind(epoch)
    .bind(pause.as_secs_f64())
    .bind(error)
    .fetch_optional(db)
    .await
}

/// Queues the next attempt after the worker of this one was lost.
pub(crate) async fn queue_after_loss(db: impl PgExecutor<'_>, id: Uuid, epoch: i64) -> sqlx::Result<Option<Released>> {
    sqlx::query_as(
        "update runs set state = 'queued', worker_id = null, lease_expires_at = null, stage = null, progress = null,
                waits_for = format('attempt %s of %s: its worker was lost', attempt + 1, max_attempts)
         where id = $1 and epoch = $2 and state = 'running'
         returning queue, target_key, target_name, schedule_id",
    )
    .bind(id)
    .bind(epoch)
    .fetch_optional(db)
    .await
}

/// Queues the run again with the attempt not counted. An unknown run keeps its stage and progress, because they are
/// those of the attempt that may have loaded.
pub(crate) async fn queue_handed_back(db: impl PgExecutor<'_>, id: Uuid, epoch: i64) -> sqlx::Result<Option<Released>> {
    sqlx::query_as(
        "update runs set state = 'queued', attempt = attempt - (unknown_since is null)::int, worker_id = null, lease_expires_at = null,
                stage = case when unknown_since is not null then stage end,
                progress = case when unknown_since is not null then progress end
         where id = $1 and epoch = $2 and state = 'running'
         returning queue, target_key, target_name, schedule_id",
    )
    .bind(id)
    .bind(epoch)
    .fetch_optional(db)
    .await
}

/// Whether a run holds its target now, and the key of that target. Locks the run until the transaction ends.
pub(crate) async fn lock_holder(db: &mut PgConnection, holder: Uuid) -> sqlx::Result<(bool, Option<String>)> {
    let found = sqlx::query_as("select state = 'running', target_key from runs where id = $1 for update")
        .bind(holder)
        .fetch_optional(db)
        .await?;
    Ok(found.unwrap_or((false, None)))
}

/// Queues the run until `holder` lets the target `key` go, with the attempt not counted.
pub(crate) async fn queue_for_target(
    db: impl PgExecutor<'_>,
    id: Uuid,
    epoch: i64,
    holder: Uuid,
    key: Option<&str>,
) -> sqlx::Result<Option<Released>> {
    sqlx::query_as(
        "update runs set state = 'queued', attempt = attempt - (unknown_since is null)::int, worker_id = null, lease_expires_at = null,
                stage = case when unknown_since is not null then stage end,
                progress = case when unknown_since is not null then progress end, target_key = $3, waits_for_run = $4,
                waits_on = null, waiting_since = now(), waiting_code = 'target_busy',
                waits_for = format('run %s, which loads into the same table', $4)
                            || case when unknown_since is null then '' else '; whether it loaded is unknown' end
         where id = $1 and epoch = $2 and state = 'running'
         returning queue, target_key, target_name, schedule_id",
    )
    .bind(id)
    .bind(epoch)
    .bind(key)
    .bind(holder)
    .fetch_optional(db)
    .await
}

/// Queues the run as unknown. `if_not_loaded` becomes its verdict; a stop that was asked for meanwhile adds one. The
/// attempt is not counted if it was handed back.
pub(crate) async fn queue_unknown(
    db: impl PgExecutor<'_>,
    id: Uuid,
    epoch: i64,
    if_not_loaded: Option<&End>,
    left: AttemptEnd,
) -> sqlx::Result<Option<Released>> {
    // The stop is read here and not by the caller, because it may be asked for until this statement locks the row.
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "update runs set state = 'queued', unknown_since = coalesce(unknown_since, now()), asks = 0, not_before = null,
                waiting_since = coalesce(unknown_since, now()), waiting_code = 'outcome_unknown', waits_on = null,
                verdict = case when stop_requested_at is not null then coalesce($3, $4) else $3 end,
                attempt = attempt - ($5 = 'handed_back')::int,
                waits_for = {WAITS_FOR_ANSWER}, worker_id = null, lease_expires_at = null
         where id = $1 and epoch = $2 and state = 'running'
         returning queue, target_key, target_name, schedule_id"
    )))
    .bind(id)
    .bind(epoch)
    .bind(if_not_loaded.map(Json))
    .bind(Json(End::Stopped))
    .bind(left)
    .fetch_optional(db)
    .await
}

/// An unknown run that was queued to ask its target again.
#[derive(Debug, FromRow)]
pub(crate) struct QueuedAsk {
    #[sqlx(flatten)]
    pub released: Released,
    /// Seconds until it asks again, by the database's clock.
    pub pause_seconds: f64,
}

/// Queues an unknown run to ask its target again, after a pause that doubles with every ask.
pub(crate) async fn queue_ask(db: impl PgExecutor<'_>, id: Uuid, epoch: i64) -> sqlx::Result<Option<QueuedAsk>> {
    // The pauses count asks and not attempts, because asks are not bounded and do not use attempts up.
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "update runs set state = 'queued', asks = asks + 1, worker_id = null, lease_expires_at = null, waits_for = {WAITS_FOR_ANSWER},
                waiting_since = unknown_since, waiting_code = 'outcome_unknown', waits_on = null,
                not_before = now() + make_interval(secs => least(2 ^ least(asks, 10), $3) * (0.75 + random() / 4))
         where id = $1 and epoch = $2 and state = 'running'
         returning queue, target_key, target_name, schedule_id, extract(epoch from not_before - now())::float8 as pause_seconds"
    )))
    .bind(id)
    .bind(epoch)
    .bind(LONGEST_ASK_PAUSE.as_secs_f64())
    .fetch_optional(db)
    .await
}

/// Takes the run that waits longest for a target off its wait. `None`: no run waits for it.
pub(crate) async fn take_next_for_target(
    db: &mut PgConnection,
    released: &Released,
) -> sqlx::Result<Option<(Uuid, String)>> {
    // One run is woken and not all that wait, because only one can claim the target. Locked rows are skipped: they are
    // being stopped, or woken by another transaction.
    sqlx::query_as(
        "update runs set waits_for_run = null, waits_for = null, waiting_since = null
         where id = (select id from runs where (target_key = $1 or target_name = $2) and state = 'queued'
                                           and waits_for_run is not null
                     order by id limit 1 for update skip locked)
         returning id, queue",
    )
    .bind(&released.target_key)
    .bind(&released.target_name)
    .fetch_optional(db)
    .await
}

/// Whether the attempt's run was asked to stop, or its window is over. Locks the run until the transaction ends, so that
/// a request that comes later finds what the caller wrote.
pub(crate) async fn is_stopping(db: &mut PgConnection, id: Uuid, epoch: i64) -> sqlx::Result<bool> {
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

/// Writes how an attempt ended.
pub(crate) async fn end_attempt(
    db: &mut PgConnection,
    id: Uuid,
    epoch: i64,
    end: AttemptEnd,
    failure: Option<Failure<'_>>,
) -> sqlx::Result<()> {
    sqlx::query(
        "update run_attempts set finished_at = now(), outcome = $3, error_code = $4, error = $5
         where run_id = $1 and epoch = $2",
    )
    .bind(id)
    .bind(epoch)
    .bind(end)
    .bind(failure.map(|failure| failure.code))
    .bind(failure.map(|failure| failure.error))
    .execute(db)
    .await?;
    Ok(())
}
