//! Failed runs that may be retried together.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgExecutor};
use uuid::Uuid;

use crate::runs::RunKind;

/// Filters of failed runs. A run must match all of them.
#[derive(Debug, Clone, Default)]
pub struct FailedFilter<'a> {
    /// Only runs that failed at this instant or later.
    pub since: Option<DateTime<Utc>>,
    /// Only runs that failed before this instant.
    pub until: Option<DateTime<Utc>>,
    /// Only of this pipeline.
    pub name: Option<&'a str>,
    /// Only runs that failed with this code.
    pub code: Option<&'a str>,
    /// Only of these pipelines.
    pub names: Option<&'a [String]>,
}

/// A failed run that may be retried with others.
#[derive(Debug, Clone, FromRow)]
pub struct FailedRun {
    /// The run.
    pub id: Uuid,
    /// What the run does: a run, replay or undo.
    pub kind: RunKind,
    /// The run whose rejected rows it loads, or whose rows it deletes.
    pub subject_id: Option<Uuid>,
    /// Pipeline name.
    pub name: String,
    /// Stable code of the failure.
    pub error_code: Option<String>,
    /// When it failed.
    pub finished_at: Option<DateTime<Utc>>,
    /// The backfill that made it.
    pub backfill_id: Option<Uuid>,
    /// The run that made it for one of its tables.
    pub part_of: Option<Uuid>,
    /// The newest retry of it, unless that retry was stopped.
    pub retried_by: Option<Uuid>,
    /// Another undo of the same run that is unfinished or has succeeded; `None` unless this is an undo.
    pub undone_by: Option<Uuid>,
}

/// Makes transactions that retry or undo runs wait for each other until they end. A statement of its own, so that the next
/// one sees the runs that the others have made.
pub async fn lock_retries(db: impl PgExecutor<'_>) -> sqlx::Result<()> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('elt.retry_failed', 0))").execute(db).await?;
    Ok(())
}

/// Failed runs that change their target, the oldest first. Those that must be left alone come last, so that a request that
/// is repeated gets on.
pub(crate) async fn failed(
    db: impl PgExecutor<'_>,
    filter: &FailedFilter<'_>,
    limit: i64,
) -> sqlx::Result<Vec<FailedRun>> {
    // A retry that was stopped counts as none: a person did not want it then, and asks for another now.
    sqlx::query_as(
        "select * from (
         select r.id, r.kind, r.subject_id, r.name, r.error_code, r.finished_at, r.backfill_id, r.part_of,
                (select later.id from runs later where later.retry_of = r.id and later.state <> 'stopped'
                 order by later.id desc limit 1) as retried_by,
                case when r.kind = 'undo' then
                    (select other.id from runs other where other.subject_id = r.subject_id and other.kind = 'undo'
                        and other.state not in ('failed', 'stopped') limit 1) end as undone_by
         from runs r
         where r.state = 'failed' and r.kind in ('run', 'replay', 'undo')
           and ($1::timestamptz is null or r.finished_at >= $1) and ($2::timestamptz is null or r.finished_at < $2)
           and ($3::text is null or r.name = $3) and ($4::text is null or r.error_code = $4)
           and ($5::text[] is null or r.name = any($5))
         ) found order by retried_by is not null or undone_by is not null or backfill_id is not null
                  or part_of is not null, id limit $6",
    )
    .bind(filter.since)
    .bind(filter.until)
    .bind(filter.name)
    .bind(filter.code)
    .bind(filter.names)
    .bind(limit)
    .fetch_all(db)
    .await
}
