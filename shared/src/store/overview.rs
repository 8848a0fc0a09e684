//! Numbers about the whole installation for the dashboard's first page.

use sqlx::{FromRow, PgExecutor};

use super::gauges::waits_for;
use crate::runs::leases::LEASE;

/// Counts for the dashboard's first page.
#[derive(Debug, Clone, FromRow)]
pub struct Numbers {
    /// Runs that could start now.
    pub queued: i64,
    /// How long the oldest of them has been waiting.
    pub oldest_queued_seconds: f64,
    /// The other queued runs: they wait for their time, another attempt, a pause, a limit, their server or their table.
    pub waiting: i64,
    /// Number of runs that workers execute now.
    pub running: i64,
    /// Ended well in the last 24 hours.
    pub succeeded_24h: i64,
    /// Of these, the runs with rejected rows, files left out or warnings.
    pub warned_24h: i64,
    /// Of these, the runs that had rows or files to load and loaded none of them.
    pub nothing_loaded_24h: i64,
    /// Failed in the last 24 hours.
    pub failed_24h: i64,
    /// Rows rejected in the last 24 hours.
    pub rows_quarantined_24h: i64,
    /// Rows inserted in the last 24 hours.
    pub rows_inserted_24h: i64,
    /// Workers whose heartbeat is fresh.
    pub workers_alive: i64,
    /// Runs that those which are not drained, and whose machines are well, can execute at the same time.
    pub slots: i64,
    /// Host keys an admin should look at.
    pub host_keys_waiting: i64,
    /// Live schedules whose last look failed.
    pub failing_schedules: i64,
}

/// The numbers of the dashboard's first page.
pub async fn numbers(db: impl PgExecutor<'_>) -> sqlx::Result<Numbers> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "with queued as materialized (
             select greatest(r.created_at, r.not_before) as since, {waits_for} as waits_for from runs r where r.state = 'queued'
         ), due as (
             select since from queued where waits_for = 'worker'
         ), finished as (
             select state, outcome, rows_inserted, rows_quarantined from runs where finished_at > now() - interval '24 hours' and kind in ('run', 'replay')
         ), alive as (
             select concurrency, drain_asked_at is null and takes_nothing_because is null as takes_runs from workers
             where stopped_at is null and not stopping and heartbeat_at > now() - make_interval(secs => $1)
         )
         select (select count(*) from due) as queued,
                (select coalesce(max(extract(epoch from now() - since)), 0)::float8 from due) as oldest_queued_seconds,
                (select count(*) from queued where waits_for <> 'worker') as waiting,
                (select count(*) from runs where state = 'running') as running,
                (select count(*) from finished where state = 'succeeded') as succeeded_24h,
                (select count(*) from finished where outcome = 'with_warnings') as warned_24h,
                (select count(*) from finished where outcome = 'nothing_loaded') as nothing_loaded_24h,
                (select count(*) from finished where state = 'failed') as failed_24h,
                (select coalesce(sum(rows_quarantined), 0)::bigint from finished) as rows_quarantined_24h,
                (select coalesce(sum(rows_inserted), 0)::bigint from finished) as rows_inserted_24h,
                (select count(*) from alive) as workers_alive,
                (select coalesce(sum(concurrency), 0)::bigint from alive where takes_runs) as slots,
                (select count(*) from known_hosts where not trusted) as host_keys_waiting,
                (select count(*) from schedules
                 where state in ('waiting', 'active') and last_tick_error is not null) as failing_schedules",
        waits_for = waits_for(),
    )))
    .bind(LEASE.as_secs_f64())
    .fetch_one(db)
    .await
}
