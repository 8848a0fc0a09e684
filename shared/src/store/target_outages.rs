//! Servers of targets that are away: one row each, until a run reaches the server again.
//!
//! One run at a time tries to reach the server, with pauses that grow; the others wait for what it finds. The row says
//! which run tries, and that run's own lease says whether it still does. So a worker that is killed holds up the others no
//! longer than its lease.

use std::time::Duration;

use sqlx::{FromRow, PgConnection, PgExecutor};
use uuid::Uuid;

use super::runs::TICKET_IS_GONE;
use crate::runs::leases::LEASE;

/// Time after which a try that is due, and that no run makes, is given to another run.
const OVERDUE: Duration = Duration::from_secs(5);

/// A server that is away, as a run finds it that is about to start.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct TargetOutage {
    /// Code of the last failure.
    pub code: String,
    /// Whether the next try is due and no other run makes it.
    pub may_try: bool,
}

/// The outage of a server, locked until the transaction ends. `None`: the server is not known to be away.
pub(crate) async fn lock(db: &mut PgConnection, server: &str, run: Uuid) -> sqlx::Result<Option<TargetOutage>> {
    sqlx::query_as(
        "select code, next_try_at <= now()
                      and not exists (select from runs t where t.id = tried_by and t.id <> $2 and t.state = 'running'
                                                           and t.lease_expires_at > now()) as may_try
         from target_outages where server = $1 for update",
    )
    .bind(server)
    .bind(run)
    .fetch_optional(db)
    .await
}

/// Notes which run tries to reach a server.
pub(crate) async fn note_try(db: &mut PgConnection, server: &str, run: Uuid) -> sqlx::Result<()> {
    sqlx::query("update target_outages set tried_by = $2 where server = $1").bind(server).bind(run).execute(db).await?;
    Ok(())
}

/// Pauses between two tries: the first one, which doubles with each failure, and the longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pauses {
    /// The pause after one failure.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
}

/// Notes that a run did not reach a server. Returns the seconds until the run tries again; `None`: another run tries next,
/// and this one waits for its result.
pub(crate) async fn note_failure(
    db: &mut PgConnection,
    server: &str,
    run: Uuid,
    code: &str,
    pauses: Pauses,
) -> sqlx::Result<Option<f64>> {
    // A run that began before the outage was known changes nothing: the pause belongs to the run that tries.
    sqlx::query_scalar(
        "insert into target_outages as o (server, code, next_try_at)
         values ($1, $3, now() + make_interval(secs => $4 * (0.75 + random() / 2)))
         on conflict (server) do update set code = excluded.code, failures = o.failures + 1, tried_by = null,
                next_try_at = now() + make_interval(secs => least($4 * 2 ^ least(o.failures, 16), $5) * (0.75 + random() / 2))
                where o.tried_by = $2 or (o.tried_by is null and o.next_try_at <= now())
         returning extract(epoch from next_try_at - now())::float8",
    )
    .bind(server)
    .bind(run)
    .bind(code)
    .bind(pauses.first.as_secs_f64())
    .bind(pauses.longest.as_secs_f64())
    .fetch_optional(db)
    .await
}

/// Notes that the run that tried to reach a server did not, if it was this one. The server's pauses go on as before.
///
/// Does nothing while another transaction holds the server's row, because the caller may hold the run's row, and two
/// transactions that lock the same rows in different orders can end up waiting for each other. Another run may try then,
/// because the run that the row names is not at work any more.
pub(crate) async fn note_failed_try(db: &mut PgConnection, run: Uuid, longest: Duration) -> sqlx::Result<()> {
    sqlx::query(
        "update target_outages set tried_by = null, failures = failures + 1,
                next_try_at = now() + make_interval(secs => least(2 ^ least(failures, 16), $2) * (0.75 + random() / 2))
         where server in (select server from target_outages where tried_by = $1 for update skip locked)",
    )
    .bind(run)
    .bind(longest.as_secs_f64())
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets that a server is away. Returns the seconds that it was; `None`: another run was here first.
pub(crate) async fn end(db: &mut PgConnection, server: &str) -> sqlx::Result<Option<f64>> {
    sqlx::query_scalar(
        "delete from target_outages where server = $1 returning extract(epoch from now() - since)::float8",
    )
    .bind(server)
    .fetch_optional(db)
    .await
}

/// Runs to be woken because a try is overdue: the run that should make it was stopped, or its ticket was lost. One of each
/// queue, at random, because one of them may be kept from starting by something else. Held runs are left out, because they
/// could not try.
pub(crate) async fn overdue(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<(Uuid, String)>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "with servers as (
             select o.server from target_outages o where o.next_try_at < now() - make_interval(secs => $2)
                and not exists (select from runs t where t.id = o.tried_by and t.state = 'running' and t.lease_expires_at > now())
         ), waiting as (
             select r.id, r.queue, r.waits_on, not ({TICKET_IS_GONE}) as has_ticket
             from servers join runs r on r.waits_on = servers.server and r.state = 'queued' and r.held is null
         )
         select distinct on (waits_on, queue) id, queue from waiting w
         where not exists (select from waiting t where t.waits_on = w.waits_on and t.queue = w.queue and t.has_ticket)
         order by waits_on, queue, random()"
    )))
    .bind(LEASE.as_secs_f64())
    .bind(OVERDUE.as_secs_f64())
    .fetch_all(db)
    .await
}

/// Deletes outages that no run has cared about for an hour, because their runs were stopped or have failed. Locked rows are
/// skipped, because a run cares about them now.
pub(crate) async fn forget_old(db: impl PgExecutor<'_>) -> sqlx::Result<()> {
    sqlx::query(
        "delete from target_outages where server in (
             select o.server from target_outages o where o.next_try_at < now() - interval '1 hour'
                and not exists (select from runs r where r.waits_on = o.server and r.state in ('queued', 'running'))
             for update skip locked)",
    )
    .execute(db)
    .await?;
    Ok(())
}
