//! Statements about runs that wait in the queue: for something that is away, or for the run that has their table.
//! [`lifecycle`](crate::runs::lifecycle) says what else belongs to each.

use std::time::Duration;

use sqlx::{FromRow, PgConnection, PgExecutor};
use uuid::Uuid;

use super::requeue::Released;
use crate::runs::Failure;

/// A run that was queued to wait for something that is away.
#[derive(Debug, FromRow)]
pub(crate) struct QueuedWait {
    #[sqlx(flatten)]
    pub released: Released,
    /// Seconds until it tries again, by the database's clock; `None`: another run tries for it.
    pub pause_seconds: Option<f64>,
}

/// What a run waits for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WaitsFor<'a> {
    /// What is away, for people.
    pub shown: &'a str,
    /// The server of `target_outages`; `None`: something else is away.
    pub server: Option<&'a str>,
    /// Longest time from when the run first met an outage.
    pub longest: Duration,
}

/// Queues the run until it tries again after `pause`, or until another run has reached the server. The attempt does not
/// count.
pub(crate) async fn queue_wait(
    db: impl PgExecutor<'_>,
    (id, epoch): (Uuid, i64),
    waits_for: WaitsFor<'_>,
    failure: Failure<'_>,
    pause: Option<f64>,
) -> sqlx::Result<Option<QueuedWait>> {
    // The last try is made when the time is over, and not a whole pause later. Without a pause, `not_before` stays null,
    // which least() alone would not do, because it ignores nulls.
    sqlx::query_as(
        "update runs set state = 'queued', attempt = attempt - 1, stage = null, progress = null, worker_id = null,
                lease_expires_at = null, unknown_since = null, verdict = null, outages = outages + 1,
                outage_since = coalesce(outage_since, now()), waiting_since = coalesce(outage_since, now()),
                waits_until = coalesce(outage_since, now()) + make_interval(secs => $6),
                waiting_code = $4, waits_for = $3, waits_on = $5,
                not_before = case when $7::float8 is not null
                                  then least(now() + make_interval(secs => $7),
                                             greatest(coalesce(outage_since, now()) + make_interval(secs => $6), now())) end
         where id = $1 and epoch = $2 and state = 'running'
         returning queue, target_key, target_name, schedule_id, extract(epoch from not_before - now())::float8 as pause_seconds",
    )
    .bind(id)
    .bind(epoch)
    .bind(waits_for.shown)
    .bind(failure.code)
    .bind(waits_for.server)
    .bind(waits_for.longest.as_secs_f64())
    .bind(pause)
    .fetch_optional(db)
    .await
}

/// Whether a queued run is due, and whether its time to wait is over. `None`: it is not queued, or not due.
pub(crate) async fn is_due(db: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<bool>> {
    sqlx::query_scalar(
        "select coalesce(waits_until <= now(), false) from runs
         where id = $1 and state = 'queued' and coalesce(not_before, now()) <= now()",
    )
    .bind(id)
    .fetch_optional(db)
    .await
}

/// Lets a queued run wait for a server that is away, without an attempt.
pub(crate) async fn park_for_server(
    db: &mut PgConnection,
    id: Uuid,
    waits_for: WaitsFor<'_>,
    code: &str,
) -> sqlx::Result<()> {
    sqlx::query(
        "update runs set waits_on = $2, waiting_code = $4, not_before = null,
                waits_for = case when unknown_since is null then $3 else waits_for end,
                outage_since = coalesce(outage_since, now()), waiting_since = coalesce(outage_since, now()),
                waits_until = coalesce(waits_until, now() + make_interval(secs => $5))
         where id = $1 and state = 'queued'",
    )
    .bind(id)
    .bind(waits_for.server)
    .bind(waits_for.shown)
    .bind(code)
    .bind(waits_for.longest.as_secs_f64())
    .execute(db)
    .await?;
    Ok(())
}

/// Makes starts of runs into one table wait for each other until the transaction ends, so that each sees which run is at
/// work.
pub(crate) async fn lock_table(db: &mut PgConnection, table: &str) -> sqlx::Result<()> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('elt start ' || $1, 0))")
        .bind(table)
        .execute(db)
        .await?;
    Ok(())
}

/// Another run that is at work on a table, by the hash of the table's name. `None` also for the run of a window, which
/// waits for its turn later.
pub(crate) async fn holder(db: &mut PgConnection, table: &str, but: Uuid) -> sqlx::Result<Option<Uuid>> {
    sqlx::query_scalar(
        "select id from runs where target_name = $1 and state = 'running' and id <> $2
            and not exists (select from runs mine where mine.id = $2 and mine.backfill_id is not null) limit 1",
    )
    .bind(table)
    .bind(but)
    .fetch_optional(db)
    .await
}

/// Lets a queued run wait until `holder` lets its table go, without an attempt. `key` is the identity of the table, if the
/// holder has found it.
pub(crate) async fn park_for_holder(
    db: &mut PgConnection,
    id: Uuid,
    table: &str,
    holder: Uuid,
    key: Option<&str>,
) -> sqlx::Result<()> {
    sqlx::query(
        "update runs set target_name = $2, waits_for_run = $3, target_key = $4, not_before = null, waits_on = null,
                waiting_since = coalesce(waiting_since, now()), waiting_code = 'target_busy',
                waits_for = format('run %s, which loads into the same table', $3)
                            || case when unknown_since is null then '' else '; whether it loaded is unknown' end
         where id = $1 and state = 'queued'",
    )
    .bind(id)
    .bind(table)
    .bind(holder)
    .bind(key)
    .execute(db)
    .await?;
    Ok(())
}

/// Ends the wait of at most `most` runs for a server that has been reached. Returns the first `wake` of them with their
/// queues, to be woken at once; the sweeper wakes the others.
pub(crate) async fn end_wait_for_server(
    db: &mut PgConnection,
    server: &str,
    (most, wake): (i64, i64),
) -> sqlx::Result<Vec<(Uuid, String)>> {
    // Locked rows are skipped: they are being stopped, or a worker looks at them.
    sqlx::query_as(
        "with waiting as (
             select id from runs where waits_on = $1 and state = 'queued' order by id limit $2 for update skip locked
         ), freed as (
             update runs r set waits_on = null, not_before = null, waiting_since = null,
                    waits_for = case when unknown_since is not null then waits_for end
             from waiting where r.id = waiting.id returning r.id, r.queue
         )
         select id, queue from freed order by id limit $3",
    )
    .bind(server)
    .bind(most)
    .bind(wake)
    .fetch_all(db)
    .await
}

/// Takes a run off its wait for the run that had its table, because the sweeper wakes it.
pub(crate) async fn end_wait_for_holder(db: &mut PgConnection, id: Uuid) -> sqlx::Result<()> {
    sqlx::query(
        "update runs set waits_for_run = null, waits_for = null, waiting_since = null
         where id = $1 and state = 'queued' and waits_for_run is not null",
    )
    .bind(id)
    .execute(db)
    .await?;
    Ok(())
}

/// Notes that the COMMIT of an attempt is unanswered because of an outage. The attempt counts only if it has loaded.
pub async fn note_outage_at_commit(db: &mut PgConnection, id: Uuid, epoch: i64) -> sqlx::Result<()> {
    sqlx::query(
        "update runs set commit_met_outage = true, outages = outages + 1, outage_since = coalesce(outage_since, now())
         where id = $1 and epoch = $2 and state = 'running'",
    )
    .bind(id)
    .bind(epoch)
    .execute(db)
    .await?;
    Ok(())
}

/// Most attempts of one wait that are kept, because a run may try a thousand times while something is away.
const KEPT_ATTEMPTS: i64 = 20;

/// Deletes attempts in the middle of a wait that failed with the same code: the first one and the newest stay.
pub(crate) async fn thin_out_attempts(db: &mut PgConnection, id: Uuid, epoch: i64, code: &str) -> sqlx::Result<()> {
    sqlx::query(
        "delete from run_attempts where run_id = $1 and outcome = 'retry' and error_code = $3 and epoch < $2 - $4
            and epoch > (select min(epoch) from run_attempts where run_id = $1 and outcome = 'retry' and error_code = $3)",
    )
    .bind(id)
    .bind(epoch)
    .bind(code)
    .bind(KEPT_ATTEMPTS)
    .execute(db)
    .await?;
    Ok(())
}
