//! Incidents of pipelines, and the pipelines whose incident no run can show: those that load too rarely or wait for a worker.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, FromRow, PgExecutor};
use uuid::Uuid;

use super::queues::TAKES_RUNS;
use crate::notifications::{Event, NotifyConfig};
use crate::runs::leases::LEASE;

/// Keeps other transactions from changing incidents of a pipeline until the caller's transaction ends.
pub(crate) async fn lock(db: impl PgExecutor<'_>, pipeline: &str) -> sqlx::Result<()> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('elt.incidents ' || $1, 0))")
        .bind(pipeline)
        .execute(db)
        .await?;
    Ok(())
}

/// A pipeline in which no run has loaded for longer than its newest config allows.
#[derive(Debug, FromRow)]
pub(crate) struct StalePipeline {
    pub pipeline: String,
    /// The config version that decides.
    pub config_id: i64,
    pub config: Json<NotifyConfig>,
    /// When the last run that loaded ended. `None`: there was none, and the config is that old.
    pub loaded_at: Option<DateTime<Utc>>,
    /// The queue of that run.
    pub queue: Option<String>,
}

/// Stale pipelines whose incident is not open yet. The newest config version that an admin has uploaded or started decides,
/// because a user's config has no effect before that.
pub(crate) async fn stale(db: impl PgExecutor<'_>, limit: i64) -> sqlx::Result<Vec<StalePipeline>> {
    sqlx::query_as(
        "select c.name as pipeline, c.id as config_id, c.notify as config, loaded.at as loaded_at,
                loaded.queue
         from (select distinct name from config_history where notify ? 'freshness_seconds') named
         join lateral (select v.id, v.name, v.notify, v.\"timestamp\" from config_history v
                       where v.name = named.name
                         and (v.by_admin and v.only_tried is null or exists (select from runs r where r.config_id = v.id and r.kind = 'run')
                              or exists (select from schedules s where s.config_id = v.id))
                       order by v.version desc limit 1) c
           on c.notify ? 'freshness_seconds' and jsonb_path_exists(c.notify, '$.rules[*].on[*] ? (@ == \"stale\")')
         left join lateral (select finished_at as at, queue from runs
                            where name = c.name and kind = 'run' and state = 'succeeded' and part_of is null
                              and outcome is distinct from 'nothing_loaded'
                            order by id desc limit 1) loaded on true
         where coalesce(loaded.at, c.\"timestamp\") < now() - make_interval(secs => (c.notify ->> 'freshness_seconds')::float8)
           and not exists (select from incidents i
                           where i.pipeline = c.name and i.event = 'stale' and i.closed_at is null)
         order by c.name limit $1",
    )
    .bind(limit)
    .fetch_all(db)
    .await
}

/// A pipeline whose run waits although no worker of its queue takes runs.
#[derive(Debug, FromRow)]
pub(crate) struct WaitingPipeline {
    pub pipeline: String,
    /// The config version of the run.
    pub config_id: i64,
    pub config: Json<NotifyConfig>,
    pub queue: String,
}

/// Pipelines whose runs have waited for `after` although no worker of their queue takes runs, and whose incident is not open
/// yet. Runs that are held or paused wait for something else.
pub(crate) async fn without_worker(
    db: impl PgExecutor<'_>,
    after: Duration,
    limit: i64,
) -> sqlx::Result<Vec<WaitingPipeline>> {
    sqlx::query_as(AssertSqlSafe(format!(
        "select distinct on (r.name) r.name as pipeline, r.config_id, c.notify as config, r.queue
         from runs r join config_history c on c.id = r.config_id
         where r.state = 'queued' and r.kind = 'run' and r.part_of is null and r.held is null
           and r.queue not like 'elt-run-%'
           and greatest(r.created_at, r.not_before) < now() - make_interval(secs => $1)
           and jsonb_path_exists(c.notify, '$.rules[*].on[*] ? (@ == \"no_worker\")')
           and not exists (select from workers w
                           where w.queue = r.queue and {TAKES_RUNS}
                             and w.heartbeat_at > now() - make_interval(secs => $2))
           and not exists (select from pauses p
                           where p.scope = 'all' or (p.scope = 'queue' and p.name = r.queue)
                              or (p.scope = 'pipeline' and p.name = r.name))
           and not exists (select from incidents i
                           where i.pipeline = r.name and i.event = 'no_worker' and i.closed_at is null)
         order by r.name, r.id limit $3",
    )))
    .bind(after.as_secs_f64())
    .bind(LEASE.as_secs_f64())
    .bind(limit)
    .fetch_all(db)
    .await
}

/// An incident that was opened or closed just now.
#[derive(Debug, FromRow)]
pub(crate) struct Incident {
    pub id: Uuid,
    pub opened_at: DateTime<Utc>,
}

/// An incident that is not over, as people see it.
#[derive(Debug, Clone, FromRow)]
pub struct OpenIncident {
    /// Kind of event that the incident is about.
    pub event: Event,
    /// When it began.
    pub opened_at: DateTime<Utc>,
    /// The run that showed it, which may have been deleted. `None`: no run did.
    pub opened_by: Option<Uuid>,
}

/// The incidents of a pipeline that are not over, the newest first.
pub async fn open_incidents(db: impl PgExecutor<'_>, pipeline: &str, limit: i64) -> sqlx::Result<Vec<OpenIncident>> {
    sqlx::query_as(
        "select event, opened_at, opened_by from incidents
         where pipeline = $1 and closed_at is null order by opened_at desc, id limit $2",
    )
    .bind(pipeline)
    .bind(limit)
    .fetch_all(db)
    .await
}

/// Opens an incident. `None`: it is open already.
pub(crate) async fn open(
    db: impl PgExecutor<'_>,
    pipeline: &str,
    event: Event,
    subject: &str,
    run_id: Option<Uuid>,
) -> sqlx::Result<Option<Incident>> {
    // The unique index decides, because two runs of a pipeline may end at the same moment.
    sqlx::query_as(
        "insert into incidents (id, pipeline, event, subject, opened_by) values ($1, $2, $3, $4, $5)
         on conflict (pipeline, event, subject) where closed_at is null do nothing
         returning id, opened_at",
    )
    .bind(Uuid::now_v7())
    .bind(pipeline)
    .bind(event)
    .bind(subject)
    .bind(run_id)
    .fetch_optional(db)
    .await
}

/// Closes an incident. `None`: it is not open.
pub(crate) async fn close(
    db: impl PgExecutor<'_>,
    pipeline: &str,
    event: Event,
    subject: &str,
    run_id: Uuid,
) -> sqlx::Result<Option<Incident>> {
    sqlx::query_as(
        "update incidents set closed_at = clock_timestamp(), closed_by = $4
         where pipeline = $1 and event = $2 and subject = $3 and closed_at is null
         returning id, opened_at",
    )
    .bind(pipeline)
    .bind(event)
    .bind(subject)
    .bind(run_id)
    .fetch_optional(db)
    .await
}

/// Closes the incidents about rows and columns that a run did not show, `kept` aside: differences of columns that are gone, and
/// limits that the config does not have any more. There is no message about it.
pub(crate) async fn close_others(
    db: impl PgExecutor<'_>,
    pipeline: &str,
    kept: &[String],
    run_id: Uuid,
) -> sqlx::Result<()> {
    sqlx::query(
        "update incidents set closed_at = clock_timestamp(), closed_by = $3
         where pipeline = $1 and event in ('rejects', 'drift') and closed_at is null
           and event || ' ' || subject <> all($2)",
    )
    .bind(pipeline)
    .bind(kept)
    .bind(run_id)
    .execute(db)
    .await?;
    Ok(())
}
