//! Runs that belong together: of a schedule, of a chain of retries, of a pipeline; and the starts of a run.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{FromRow, PgConnection, PgExecutor};
use uuid::Uuid;

use super::{COLUMNS, Run};
use crate::runs::AttemptEnd;

/// Combined CSVs of this file name that runs of a pipeline have written, wherever they are.
pub async fn combined_csvs(db: impl PgExecutor<'_>, pipeline: &str, file_name: &str) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar(
        "select distinct csv from (select report->>'combined_csv' csv from runs where name = $1) written
         where right(csv, char_length($2) + 1) = '/' || $2",
    )
    .bind(pipeline)
    .bind(file_name)
    .fetch_all(db)
    .await
}

/// The newest run that succeeded with the config version and table of this one: its id and report.
pub async fn newest_report(db: impl PgExecutor<'_>, run: &Run) -> sqlx::Result<Option<(Uuid, Value)>> {
    sqlx::query_as(
        "select id, report from runs
         where name = $1 and state = 'succeeded' and kind = 'run' and config_id = $2 and target_table = $3
           and report is not null
         order by id desc limit 1",
    )
    .bind(&run.name)
    .bind(run.config_id)
    .bind(&run.target_table)
    .fetch_optional(db)
    .await
}

/// These runs, as far as there are any.
pub async fn find_all(db: impl PgExecutor<'_>, ids: &[Uuid]) -> sqlx::Result<Vec<Run>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!("select {COLUMNS} from runs where id = any($1)")))
        .bind(ids)
        .fetch_all(db)
        .await
}

/// The unfinished runs of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct LiveRuns {
    /// Not started, or waiting for another attempt.
    pub queued: i64,
    /// Number of runs that a worker executes now.
    pub running: i64,
    /// Whether it ever had a run.
    pub had_any: bool,
}

impl LiveRuns {
    /// Whether any is unfinished.
    pub fn any(&self) -> bool {
        self.queued + self.running > 0
    }
}

/// How many runs of a schedule are unfinished.
pub async fn live_of_schedule(db: impl PgExecutor<'_>, schedule_id: Uuid) -> sqlx::Result<LiveRuns> {
    sqlx::query_as(
        "select count(*) filter (where state = 'queued') as queued, count(*) filter (where state = 'running') as running,
                exists (select from runs where schedule_id = $1) as had_any
         from runs where schedule_id = $1 and state in ('queued', 'running')",
    )
    .bind(schedule_id)
    .fetch_one(db)
    .await
}

/// Number of previews that a user has started and that have not ended. Other requests of the user wait here until the
/// caller's transaction ends, so that they count the preview that it starts.
pub async fn live_previews_of(db: &mut PgConnection, created_by: &str) -> sqlx::Result<i64> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('elt.previews ' || $1, 0))")
        .bind(created_by)
        .execute(&mut *db)
        .await?;
    sqlx::query_scalar(
        "select count(*) from runs
         where state in ('queued', 'running') and kind = 'test_connection'
           and options -> 'preview' is not null and created_by = $1",
    )
    .bind(created_by)
    .fetch_one(db)
    .await
}

/// One start of a run.
#[derive(Debug, Clone, FromRow)]
pub struct AttemptRow {
    /// Number of the attempt: every start of the run raises it by one.
    pub epoch: i64,
    /// Id of the worker that executed the attempt.
    pub worker_id: String,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// When it ended, however it did.
    pub finished_at: Option<DateTime<Utc>>,
    /// How it ended; `None` while it is going on.
    pub outcome: Option<AttemptEnd>,
    /// Stable code of a failure.
    pub error_code: Option<String>,
    /// The failure as a sentence.
    pub error: Option<String>,
}

/// The starts of a run, the first one first.
pub async fn attempts(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<Vec<AttemptRow>> {
    sqlx::query_as(
        "select epoch, worker_id, started_at, finished_at, outcome, error_code, error from run_attempts
         where run_id = $1 order by epoch",
    )
    .bind(id)
    .fetch_all(db)
    .await
}

/// The run that this one repeats, the run that it repeated in turn, and so on, up to the first run that is neither
/// failed nor stopped. Their markers are read before anything is loaded again, because one of them may have loaded all
/// the same. A run that succeeded ends the chain, because people repeat it on purpose.
pub async fn repeated(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar(
        "with recursive chain as (
             select id, retry_of, 0 as depth from runs where id = $1
             union all
             select earlier.id, earlier.retry_of, depth + 1 from runs earlier join chain on earlier.id = chain.retry_of
             where earlier.state in ('failed', 'stopped') and depth < 1000
         )
         select id from chain where depth > 0",
    )
    .bind(id)
    .fetch_all(db)
    .await
}
