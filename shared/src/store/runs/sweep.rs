//! What the sweeper looks for: runs that no process takes care of any more. It goes by the database's clock.

use sqlx::types::Json;
use sqlx::{FromRow, PgExecutor};
use uuid::Uuid;

use super::admission::TICKET_IS_GONE;
use crate::runs::End;
use crate::runs::leases::LEASE;

/// A run whose lease is over.
#[derive(Debug, Clone, FromRow)]
pub struct LostRun {
    /// The run.
    pub id: Uuid,
    /// Epoch of the attempt that was lost.
    pub epoch: i64,
    /// Number of that attempt.
    pub attempt: i32,
    /// Attempts after which a failure that may pass fails the run for good.
    pub max_attempts: i32,
    /// The worker that had it.
    pub worker_id: Option<String>,
    /// The queue it came from.
    pub queue: String,
    /// Whether a stop was asked for, or the run's window is over.
    pub stop: bool,
    /// Whether the lost attempt only asked the target whether the run had loaded.
    pub unknown: bool,
    /// Whether the lost attempt may have sent its COMMIT.
    pub commit_sent: bool,
}

/// Runs whose worker said nothing for longer than their lease; locked until the caller's transaction ends.
pub async fn lost(db: impl PgExecutor<'_>, limit: i64) -> sqlx::Result<Vec<LostRun>> {
    // An attempt without a row is taken for one that sent its COMMIT, because asking once too often does no harm.
    sqlx::query_as(
        "select r.id, r.epoch, r.attempt, r.max_attempts, r.worker_id, r.queue,
                r.stop_requested_at is not null or coalesce(r.not_after <= now(), false) as stop,
                r.unknown_since is not null as unknown,
                coalesce((select a.commit_sent from run_attempts a where a.run_id = r.id and a.epoch = r.epoch), true)
                    as commit_sent
         from runs r where r.state = 'running' and r.lease_expires_at < now()
         order by r.lease_expires_at limit $1 for update of r skip locked",
    )
    .bind(limit)
    .fetch_all(db)
    .await
}

/// Queued runs on the queue of a process of `elt run` that is gone. Unknown ones are left out: another worker
/// [adopts](crate::runs::lifecycle::adopt) them.
pub async fn abandoned(db: impl PgExecutor<'_>, limit: i64) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar(
        "select r.id from runs r
         where r.state = 'queued' and r.unknown_since is null and r.queue like 'elt-run-%' and r.created_at < now() - interval '1 minute'
           and not exists (select from workers w where w.queue = r.queue and w.stopped_at is null
                                                    and w.heartbeat_at > now() - interval '1 minute')
         order by r.id limit $1",
    )
    .bind(limit)
    .fetch_all(db)
    .await
}

/// Moves the unknown runs of processes of `elt run` that are gone to `queue`, with this verdict unless they have one.
/// Their old tickets are withdrawn. Returns the runs moved.
pub(crate) async fn move_unknown(db: impl PgExecutor<'_>, queue: &str, verdict: &End) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar(
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
    .bind(Json(verdict))
    .fetch_all(db)
    .await
}

/// Queued runs whose window is over. Unknown runs with a verdict are left out, because they end once the target
/// answers.
pub async fn overdue(db: impl PgExecutor<'_>, limit: i64) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar(
        "select id from runs where state = 'queued' and not_after <= now() and verdict is null order by id limit $1",
    )
    .bind(limit)
    .fetch_all(db)
    .await
}

/// A queued run without a ticket that could wake a worker for it.
#[derive(Debug, Clone, FromRow)]
pub struct WithoutTicket {
    /// The run.
    pub id: Uuid,
    /// The queue it waits on.
    pub queue: String,
    /// Whether it waits for the run that had its target, which is not at work any more.
    pub waits_for_run: bool,
}

/// Queued runs that are due, but whose ticket was consumed, killed, lost with its worker, or never there; locked until
/// the caller's transaction ends.
pub async fn without_ticket(db: impl PgExecutor<'_>, limit: i64) -> sqlx::Result<Vec<WithoutTicket>> {
    // A held run is left out, because it gets a ticket when its pause ends or its limit allows it.
    // Left out are runs that something else will wake: one that waits for the holder of its target, by the holder's end;
    // one that waits for a server, by the run that tries to reach it. Of the runs that wait for one target, only the
    // first of each queue is taken, because only one can load. A run that waits for the runs of its tables is woken by the
    // end of the last of them, and here if that worker was lost.
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select r.id, r.queue, r.waits_for_run is not null as waits_for_run from runs r
         where r.state = 'queued' and r.held is null and coalesce(r.not_before, now()) <= now()
           and (r.waits_on is null or r.not_before is not null or r.waits_until <= now()
                or not exists (select from target_outages o where o.server = r.waits_on))
           and (r.waits_for_run is null
                or (not exists (select from runs holder where holder.state = 'running'
                                   and (holder.id = r.waits_for_run or holder.target_name = r.target_name
                                        or holder.target_key = r.target_key))
                    and not exists (select from runs first where first.state = 'queued' and first.waits_for_run is not null
                                       and first.queue = r.queue and first.id < r.id
                                       and (first.target_name = r.target_name or first.target_key = r.target_key))))
           and (r.divided_at is null
                or not exists (select from runs part where part.part_of = r.id and part.finished_at is null))
           and {TICKET_IS_GONE}
         order by r.id limit $2 for update of r skip locked"
    )))
    .bind(LEASE.as_secs_f64())
    .bind(limit)
    .fetch_all(db)
    .await
}

/// Puts tickets away that the queue itself would keep for ever: held after their handler ended, or delivered too often.
pub async fn put_away_dead_tickets(db: impl PgExecutor<'_>) -> sqlx::Result<()> {
    sqlx::query(
        "update apalis.jobs set status = 'Killed', done_at = now()
         where (status = 'Running' and done_at >= lock_at) or (status = 'Pending' and attempts >= max_attempts)",
    )
    .execute(db)
    .await?;
    Ok(())
}
