//! What `elt status` shows beside the numbers of [`gauges`](super::gauges): the pipelines and schedules that need somebody.
//!
//! Like those numbers, none of these queries depends on how long the installation is in use.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{FromRow, PgExecutor};
use uuid::Uuid;

/// A pipeline whose runs or replays failed in the last 24 hours.
#[derive(Debug, Clone, FromRow, Serialize)]
pub struct FailingPipeline {
    /// Name of the pipeline.
    pub name: String,
    /// Its failed runs of the last 24 hours.
    pub failed: i64,
    /// All its runs that ended in the last 24 hours.
    pub ended: i64,
    /// Whether a later run succeeded.
    pub recovered: bool,
    /// Its last failed run.
    pub run_id: Uuid,
    /// When that run failed.
    pub failed_at: DateTime<Utc>,
    /// The code of its error.
    pub error_code: Option<String>,
    /// Its error as a sentence.
    pub error: Option<String>,
}

/// Failing pipelines: first those that have not recovered, and among them the one that failed last.
pub async fn failing_pipelines(db: impl PgExecutor<'_>, limit: i64) -> sqlx::Result<Vec<FailingPipeline>> {
    sqlx::query_as(
        "with ended as materialized (
             select id, name, state, error_code, error, finished_at from runs
             where finished_at > now() - interval '24 hours' and kind in ('run', 'replay')
         ), last as (
             select distinct on (name) name, id, finished_at, error_code, error from ended
             where state = 'failed' order by name, finished_at desc
         )
         select last.name, last.id as run_id, last.finished_at as failed_at, last.error_code, last.error,
                count(*) filter (where ended.state = 'failed') as failed, count(*) as ended,
                bool_or(ended.state = 'succeeded' and ended.finished_at > last.finished_at) as recovered
         from last join ended using (name)
         group by last.name, last.id, last.finished_at, last.error_code, last.error
         order by recovered, last.finished_at desc limit $1",
    )
    .bind(limit)
    .fetch_all(db)
    .await
}

/// A live schedule that cannot look at its sources, or is late.
#[derive(Debug, Clone, FromRow, Serialize)]
pub struct ScheduleInNeed {
    /// Its id.
    pub id: Uuid,
    /// Name of its pipeline.
    pub name: String,
    /// The queue whose workers do its ticks.
    pub queue: String,
    /// Why its last look at its sources failed. `None`: it did not fail.
    pub error: Option<String>,
    /// Seconds since its next look was due; 0 when it is not due.
    pub late_by_seconds: f64,
}

/// Live schedules whose last look failed, or that are late by more than `late_after` seconds: the latest first.
pub async fn schedules_in_need(
    db: impl PgExecutor<'_>,
    late_after: f64,
    limit: i64,
) -> sqlx::Result<Vec<ScheduleInNeed>> {
    sqlx::query_as(
        "select id, name, queue, last_tick_error as error, late_by_seconds from (
             select *, greatest(extract(epoch from now() - next_tick_at), 0)::float8 as late_by_seconds
             from schedules where state in ('waiting', 'active') and not paused
         ) live
         where last_tick_error is not null or late_by_seconds > $1
         order by late_by_seconds desc, name limit $2",
    )
    .bind(late_after)
    .bind(limit)
    .fetch_all(db)
    .await
}

/// Old things whose last deletion failed or did not come to its end.
#[derive(Debug, Clone, FromRow, Serialize)]
pub struct RetentionBehind {
    /// Name of the kind of things that are behind.
    pub kind: String,
    /// Empty for the control database; else a target or a data folder, in words.
    pub place: String,
    /// Why the last deletion failed. `None`: it did not come to its end.
    pub failure: Option<String>,
}

/// What retention did not delete, although it is old.
pub async fn retention_behind(db: impl PgExecutor<'_>, limit: i64) -> sqlx::Result<Vec<RetentionBehind>> {
    sqlx::query_as(
        "select kind, place, failure from retention where behind or failure is not null order by kind, place limit $1",
    )
    .bind(limit)
    .fetch_all(db)
    .await
}

/// Version of the server, such as `17.6`.
pub async fn server_version(db: impl PgExecutor<'_>) -> sqlx::Result<String> {
    let version: String = sqlx::query_scalar("show server_version").fetch_one(db).await?;
    Ok(version.split_whitespace().next().unwrap_or_default().to_owned())
}
