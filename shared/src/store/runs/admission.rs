//! Whether the run of a ticket may begin on a worker: drained workers, pauses and limits.
//! [`lifecycle::take`](crate::runs::lifecycle::take) puts these statements together.

use std::cmp::min;

use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::runs::leases::LEASE;
use crate::store::pauses::{HOLDS, Pause};
use crate::text_enum::text_enum;

text_enum! {
    /// Why a queued run that is due does not begin.
    pub enum Hold {
        /// Its pipeline, its queue or everything is paused.
        Paused = "paused",
        /// As many runs of its pipeline are at work as its config allows.
        PipelineLimit = "pipeline_limit",
        /// As many runs of its queue are at work as the limit of the queue allows.
        QueueLimit = "queue_limit",
    }
}

/// SQL condition: the run `w` counts against the limit of its pipeline. Plans, checks and connection tests do not, because
/// people wait for them.
const LOADS: &str = "w.kind in ('run', 'replay', 'undo')";

/// Whether the worker should take nothing new. Keeps it from being drained until the caller's transaction ends.
pub(crate) async fn is_drained(db: &mut PgConnection, worker_id: &str) -> sqlx::Result<bool> {
    // The lock orders this transaction and the request to drain, which locks the row `for update`: an attempt begins before
    // the worker counts as drained, or not at all. The worker's own heartbeat may write the row meanwhile, because a
    // transaction that waits here for its turn must not make the worker look lost.
    let drained: Option<bool> =
        sqlx::query_scalar("select drain_asked_at is not null from workers where id = $1 for key share")
            .bind(worker_id)
            .fetch_optional(db)
            .await?;
    Ok(drained.unwrap_or(false))
}

/// What decides whether a queued run that is due may begin.
#[derive(Debug, FromRow)]
pub(crate) struct Application {
    pub name: String,
    pub queue: String,
    /// Why its ticket before this one did not begin an attempt.
    pub held: Option<Hold>,
    /// The pause that keeps it from starting.
    pub pause: Option<Json<Pause>>,
    /// Whether a version of its pipeline has a limit that the run counts against.
    pub is_limited: bool,
    /// The limit of its queue.
    pub queue_limit: Option<i32>,
}

/// The application of a run. `None`: the run is not queued, or not due.
pub(crate) async fn application(db: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<Application>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select r.name, r.queue, r.held, l.concurrency as queue_limit,
                (select to_jsonb(p) from pauses p where {HOLDS} order by p.scope limit 1) as pause,
                r.kind in ('run', 'replay', 'undo')
                    and exists (select from config_history v where v.name = r.name and v.concurrency is not null) as is_limited
         from runs r left join queue_limits l on l.queue = r.queue
         where r.id = $1 and r.state = 'queued' and coalesce(r.not_before, now()) <= now()"
    )))
    .bind(id)
    .fetch_optional(db)
    .await
}

/// Waits until no other transaction counts the runs of this queue or this pipeline, and keeps others from it until this
/// one ends.
pub(crate) async fn lock_counts(db: &mut PgConnection, queue: &str, pipeline: &str) -> sqlx::Result<()> {
    // All callers take the two locks in this order. A statement of its own, because the counts after it must see what the
    // transaction that had the lock before has written.
    for place in [format!("elt.queue {queue}"), format!("elt.pipeline {pipeline}")] {
        sqlx::query("select pg_advisory_xact_lock(hashtextextended($1, 0))").bind(place).execute(&mut *db).await?;
    }
    Ok(())
}

/// How many runs are at work beside one that wants to begin, and how many wait in front of it.
#[derive(Debug, FromRow)]
pub(crate) struct Counts {
    /// Runs of its pipeline at work.
    of_pipeline: i64,
    /// The smallest limit that its own config and those of the runs at work name.
    pipeline_limit: Option<i32>,
    /// Runs that the same limit holds and whose place is before this one's.
    before_in_pipeline: i64,
    on_queue: i64,
    before_on_queue: i64,
}

impl Application {
    /// Whether a limit counts the run.
    pub fn has_limits(&self) -> bool {
        self.is_limited || self.queue_limit.is_some()
    }

    /// Whether a limit held the run, and others may wait behind it.
    pub fn was_limited(&self) -> bool {
        matches!(self.held, Some(Hold::PipelineLimit | Hold::QueueLimit))
    }
}

impl Counts {
    /// The limit that holds the run, and its number. `None`: the run may begin.
    pub fn hold(&self, application: &Application) -> Option<(Hold, i32)> {
        let free = |limit: i32, at_work: i64, before: i64| at_work + before < i64::from(limit);
        let of_pipeline = self.pipeline_limit.filter(|_| application.is_limited);
        if let Some(limit) = of_pipeline.filter(|limit| !free(*limit, self.of_pipeline, self.before_in_pipeline)) {
            return Some((Hold::PipelineLimit, limit));
        }
        let of_queue = application.queue_limit.filter(|limit| !free(*limit, self.on_queue, self.before_on_queue));
        of_queue.map(|limit| (Hold::QueueLimit, limit))
    }
}

/// Counts for one run. The caller holds [`lock_counts`].
pub(crate) async fn count(db: &mut PgConnection, id: Uuid) -> sqlx::Result<Counts> {
    // Every run in state `running` counts, also one whose lease is over: its worker may be frozen and go on. Runs in front
    // that are paused, or on another queue, do not count: they may wait much longer than this one has to.
    let before = |hold: Hold, same: &str| {
        format!(
            "(select count(*) from (select from runs h where h.state = 'queued' and h.held = '{hold}' and {same}
                  and h.queue = r.queue and (h.place, h.id) < (r.place, r.id)
                  and not exists (select from pauses p where {}) limit 10000) before)",
            HOLDS.replace("r.", "h.")
        )
    };
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select (select count(*) from runs w where w.state = 'running' and w.name = r.name and {LOADS}) as of_pipeline,
                least(c.concurrency,
                      (select min(v.concurrency) from runs w join config_history v on v.id = w.config_id
                       where w.state = 'running' and w.name = r.name and {LOADS})) as pipeline_limit,
                {} as before_in_pipeline,
                (select count(*) from runs w where w.state = 'running' and w.queue = r.queue) as on_queue,
                {} as before_on_queue
         from runs r left join config_history c on c.id = r.config_id where r.id = $1",
        before(Hold::PipelineLimit, "h.name = r.name"),
        before(Hold::QueueLimit, "true"),
    )))
    .bind(id)
    .fetch_one(db)
    .await
}

/// Notes why a queued run does not begin. Its ticket is used up.
pub(crate) async fn hold(db: &mut PgConnection, id: Uuid, hold: Hold, waits_for: &str) -> sqlx::Result<()> {
    // An unknown run goes on saying that it waits for its target.
    sqlx::query(
        "update runs set held = $2, ticket_id = null, waits_for = case when unknown_since is null then $3 else waits_for end,
                waiting_since = coalesce(waiting_since, now()),
                waiting_code = case when unknown_since is not null then waiting_code end
         where id = $1 and state = 'queued'",
    )
    .bind(id)
    .bind(hold)
    .bind(waits_for)
    .execute(db)
    .await?;
    Ok(())
}

/// Notes that neither a pause nor a limit keeps a run from beginning any more, because it waits for something else.
pub(crate) async fn take_off_hold(db: &mut PgConnection, id: Uuid) -> sqlx::Result<()> {
    sqlx::query("update runs set held = null where id = $1 and held is not null").bind(id).execute(db).await?;
    Ok(())
}

/// SQL condition: no ticket of the run `r` is on its way to a live worker. The parameter `$1` is the lease in seconds.
pub(in crate::store) const TICKET_IS_GONE: &str = "not exists (
    select from apalis.jobs j left join apalis.workers w on w.id = j.lock_by
    where j.id = r.ticket_id
      and (j.status = 'Pending' or (j.status = 'Failed' and j.attempts < j.max_attempts)
           or (j.status in ('Queued', 'Running') and w.last_seen >= now() - make_interval(secs => $1))))";

/// Takes runs off their hold whose pause has ended, the first in the queue first. Returns them with their queues.
pub(crate) async fn take_resumed(db: &mut PgConnection, limit: i64) -> sqlx::Result<Vec<(Uuid, String)>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "with resumed as (
             select r.id from runs r
             where r.state = 'queued' and r.held = 'paused' and not exists (select from pauses p where {HOLDS})
             order by r.place, r.id limit $1 for update of r skip locked
         )
         update runs set held = null, waits_for = case when unknown_since is null then null else waits_for end,
                waiting_since = case when unknown_since is null then null else waiting_since end
         from resumed where runs.id = resumed.id returning runs.id, runs.queue"
    )))
    .bind(limit)
    .fetch_all(db)
    .await
}

/// The runs of a pipeline and of a queue that a limit held and that may begin now, with their queues. They stay held
/// until they begin, so that runs which arrive later do not pass them. Those of a pipeline are numbered on each queue by
/// itself, as [`count`] does, because runs on a queue without a worker must not keep the others waiting. The caller holds
/// [`lock_counts`].
pub(crate) async fn free_to_begin(
    db: &mut PgConnection,
    queue: &str,
    pipeline: &str,
) -> sqlx::Result<Vec<(Uuid, String)>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "with at_work as (
             select count(*) as runs, min(v.concurrency) as least
             from runs w left join config_history v on v.id = w.config_id
             where w.state = 'running' and w.name = $3 and {LOADS}
         ), of_pipeline as (
             select r.*, row_number() over (partition by r.queue order by r.place, r.id) as nth
             from (select * from runs r where r.state = 'queued' and r.held = 'pipeline_limit' and r.name = $3
                     and not exists (select from pauses p where {HOLDS})
                   order by r.place, r.id limit {most}) r
         ), on_queue as (
             select r.*, row_number() over (order by r.place, r.id) as nth
             from (select * from runs r where r.state = 'queued' and r.held = 'queue_limit' and r.queue = $2
                     and not exists (select from pauses p where {HOLDS})
                   order by r.place, r.id limit {most}) r
         )
         select r.id, r.queue from of_pipeline r join at_work on true left join config_history c on c.id = r.config_id
         where at_work.runs + r.nth <= coalesce(least(c.concurrency, at_work.least), {most}) and {TICKET_IS_GONE}
         union all
         select r.id, r.queue from on_queue r left join queue_limits l on l.queue = r.queue
         where (select count(*) from runs w where w.state = 'running' and w.queue = $2) + r.nth
               <= coalesce(l.concurrency, {most}) and {TICKET_IS_GONE}",
        most = WOKEN_AT_ONCE,
    )))
    .bind(LEASE.as_secs_f64())
    .bind(queue)
    .bind(pipeline)
    .fetch_all(db)
    .await
}

/// Held runs that are looked at to find those that may begin. A limit that was removed frees no more at once.
const WOKEN_AT_ONCE: i64 = 500;

/// Pipelines and queues of which a limit holds runs.
pub(crate) async fn with_held(db: &mut PgConnection, most: i64) -> sqlx::Result<Vec<(String, String)>> {
    sqlx::query_as(
        "select distinct queue, name from runs where state = 'queued' and held in ('pipeline_limit', 'queue_limit') limit $1",
    )
    .bind(min(most, 10_000))
    .fetch_all(db)
    .await
}
