//! What people look at: pages of runs, and how many are in which state.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgExecutor};
use uuid::Uuid;

use super::{COLUMNS, Run};
use crate::runs::{AttemptEnd, Outcome, RunKind, RunState};

/// Which runs to list; an empty filter lists all.
#[derive(Debug, Clone, Default)]
pub struct RunFilter<'a> {
    /// Only in one of these states; an empty list means no run at all.
    pub states: Option<&'a [RunState]>,
    /// Only runs that succeeded with this outcome.
    pub outcome: Option<Outcome>,
    /// Only of this pipeline.
    pub name: Option<&'a str>,
    /// Only of one of these kinds; an empty list means no run at all.
    pub kinds: Option<&'a [RunKind]>,
    /// Only of this config version.
    pub config_id: Option<i64>,
    /// Only of this schedule.
    pub schedule_id: Option<Uuid>,
    /// Only retries, replays and undos of this run.
    pub parent_id: Option<Uuid>,
    /// Only replays and undos of this run.
    pub subject_id: Option<Uuid>,
    /// Only of these pipelines.
    pub names: Option<&'a [String]>,
}

/// Runs, newest first; those older than `before` when given.
pub async fn list(
    db: impl PgExecutor<'_>,
    filter: &RunFilter<'_>,
    before: Option<Uuid>,
    limit: i64,
) -> sqlx::Result<Vec<Run>> {
    let mut query = sqlx::QueryBuilder::new(format!("select {COLUMNS} from runs where true"));
    if let Some(states) = filter.states {
        query.push(" and state = any(").push_bind(states).push(")");
    }
    if let Some(outcome) = filter.outcome {
        query.push(" and outcome = ").push_bind(outcome);
    }
    if let Some(name) = filter.name {
        query.push(" and name = ").push_bind(name);
    }
    if let Some(kinds) = filter.kinds {
        query.push(" and kind = any(").push_bind(kinds).push(")");
    }
    if let Some(config_id) = filter.config_id {
        query.push(" and config_id = ").push_bind(config_id);
    }
    if let Some(schedule_id) = filter.schedule_id {
        query.push(" and schedule_id = ").push_bind(schedule_id);
    }
    if let Some(parent_id) = filter.parent_id {
        query.push(" and parent_id = ").push_bind(parent_id);
    }
    if let Some(subject_id) = filter.subject_id {
        query.push(" and subject_id = ").push_bind(subject_id);
    }
    if let Some(names) = filter.names {
        query.push(" and name = any(").push_bind(names).push(")");
    }
    if let Some(before) = before {
        query.push(" and id < ").push_bind(before);
    }
    query.push(" order by id desc limit ").push_bind(limit);
    query.build_query_as().fetch_all(db).await
}

/// How many runs are in which state, of all pipelines or of these. States without runs are left out.
pub async fn counts(db: impl PgExecutor<'_>, names: Option<&[String]>) -> sqlx::Result<Vec<(RunState, i64)>> {
    sqlx::query_as(
        "select state, count(*) from runs where $1::text[] is null or name = any($1) group by state order by state",
    )
    .bind(names)
    .fetch_all(db)
    .await
}

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
    /// At work.
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

/// One start of a run.
#[derive(Debug, Clone, FromRow)]
pub struct AttemptRow {
    /// Counts the starts.
    pub epoch: i64,
    /// Who worked on it.
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
