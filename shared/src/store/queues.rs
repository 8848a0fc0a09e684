//! Queues: what waits and runs on each, and how many runs may be at work at the same time.

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, FromRow, PgExecutor};

use super::pauses::Pause;
use crate::job::QUEUE;
use crate::runs::leases::LEASE;

/// Largest number of runs that a limit may name.
pub const LARGEST_LIMIT: u16 = 10_000;

/// The condition that a worker takes runs, apart from its lease.
pub(super) const TAKES_RUNS: &str =
    "stopped_at is null and not stopping and drain_asked_at is null and takes_nothing_because is null";

/// A queue, with its runs and its workers.
#[derive(Debug, Clone, FromRow)]
pub struct Queue {
    /// Name of the queue.
    pub name: String,
    /// Runs that wait and are due, also for a pause, a limit, their server or their table.
    pub queued: i64,
    /// Of these, the runs that a pause or a limit keeps from starting.
    pub held: i64,
    /// Number of runs that workers execute now.
    pub running: i64,
    /// Workers that take runs from it: they are alive, not drained, and their machines are well.
    pub workers: i64,
    /// Runs that those execute at the same time.
    pub slots: i64,
    /// Runs that may be at work at the same time, over all workers; `None`: as many as there are slots.
    pub concurrency: Option<i32>,
    /// When that was set.
    pub limit_set_at: Option<DateTime<Utc>>,
    /// The user who set it.
    pub limit_set_by: Option<String>,
    /// Its own pause; without one, that of everything.
    pub pause: Option<Json<Pause>>,
}

/// The queues that are in use, paused or limited, in the order of their names. Queues of single processes of `elt run` are
/// left out.
pub async fn list(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<Queue>> {
    sqlx::query_as(AssertSqlSafe(format!(
        "with alive as (
             select queue, concurrency from workers
             where {TAKES_RUNS}
               and heartbeat_at > now() - make_interval(secs => $1)
         ), names as (
             select $2 as name union select queue from alive union select queue from queue_limits
             union select name from pauses where scope = 'queue'
             union select queue from runs where state in ('queued', 'running')
         )
         select names.name,
                (select count(*) from runs r where r.queue = names.name and r.state = 'queued'
                                               and coalesce(r.not_before, now()) <= now()) as queued,
                (select count(*) from runs r where r.queue = names.name and r.state = 'queued'
                                               and r.held is not null) as held,
                (select count(*) from runs r where r.queue = names.name and r.state = 'running') as running,
                (select count(*) from alive where queue = names.name) as workers,
                (select coalesce(sum(concurrency), 0)::bigint from alive where queue = names.name) as slots,
                l.concurrency, l.set_at as limit_set_at, l.set_by as limit_set_by,
                (select to_jsonb(p) from pauses p where p.scope = 'all' or (p.scope = 'queue' and p.name = names.name)
                 order by p.scope desc limit 1) as pause
         from names left join queue_limits l on l.queue = names.name
         where names.name not like 'elt-run-%' order by names.name limit 1000",
    )))
    .bind(LEASE.as_secs_f64())
    .bind(QUEUE)
    .fetch_all(db)
    .await
}

/// Whether a worker, a run, a limit or a pause names this queue.
pub async fn is_known(db: impl PgExecutor<'_>, name: &str) -> sqlx::Result<bool> {
    let known: bool = sqlx::query_scalar(
        "select $1 = $2 or exists (select from workers where queue = $1) or exists (select from queue_limits where queue = $1)
                or exists (select from pauses where scope = 'queue' and name = $1)
                or exists (select from runs where queue = $1 and state in ('queued', 'running'))",
    )
    .bind(name)
    .bind(QUEUE)
    .fetch_one(db)
    .await?;
    Ok(known)
}

/// Sets how many runs of a queue may be at work at the same time; `None` removes the limit. Runs at work go on, also when
/// they are more.
pub async fn set_limit(db: impl PgExecutor<'_>, queue: &str, concurrency: Option<u16>, by: &str) -> sqlx::Result<()> {
    sqlx::query(
        "with removed as (delete from queue_limits where queue = $1 and $2::integer is null)
         insert into queue_limits (queue, concurrency, set_by) select $1, $2, $3 where $2 is not null
         on conflict (queue) do update set concurrency = excluded.concurrency, set_by = excluded.set_by, set_at = now()",
    )
    .bind(queue)
    .bind(concurrency.map(i32::from))
    .bind(by)
    .execute(db)
    .await?;
    Ok(())
}
