//! Pipelines: everything that shares one name, whichever version of its config it comes from.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::types::Json;
use sqlx::{FromRow, PgExecutor};
use uuid::Uuid;

use super::pauses::Pause;
use crate::runs::{Outcome, Priority, RunState};

/// One pipeline: its newest config version, its newest run and its live schedule.
#[derive(Debug, Clone, FromRow)]
pub struct Pipeline {
    /// Pipeline name.
    pub name: String,
    /// Row id of the newest config version.
    pub config_id: i64,
    /// Number of that version, counted over all configs.
    pub version: i32,
    /// When that version was uploaded.
    pub uploaded_at: DateTime<Utc>,
    /// Username of the person who uploaded it.
    pub uploaded_by: String,
    /// Whether a run can be made of that version.
    pub runnable: bool,
    /// Target table as the newest run names it; `None` before the first run.
    pub target_table: Option<String>,
    /// The newest run of kind `run`.
    pub last_run_id: Option<Uuid>,
    /// State of the newest run. `None`: the pipeline has no run.
    pub last_run_state: Option<RunState>,
    /// Its outcome: `clean`, `with_warnings` or `nothing_loaded`. `None` unless it succeeded.
    pub last_run_outcome: Option<Outcome>,
    /// When it was requested.
    pub last_run_at: Option<DateTime<Utc>>,
    /// Runs of it that may be at work at the same time, as the newest version says; `None`: any number.
    pub concurrency: Option<i32>,
    /// How early its runs start; `None`: an older release stored the newest version, which is as good as `normal`.
    pub priority: Option<Priority>,
    /// Its own pause; without one, that of everything.
    pub pause: Option<Json<Pause>>,
    /// The live schedule.
    pub schedule_id: Option<Uuid>,
    /// When its cron expression fires next; `None` without a cron expression and while it is paused.
    pub next_run_at: Option<DateTime<Utc>>,
    /// The newest run that loaded.
    pub loaded_run_id: Option<Uuid>,
    /// When it ended.
    pub loaded_at: Option<DateTime<Utc>>,
    /// `freshness` of the newest version: seconds without a run that loaded after which the pipeline is stale.
    pub freshness_seconds: Option<i64>,
    /// Whether more time than that has passed since `loaded_at`, or since the upload; `None` without `freshness`.
    pub stale: Option<bool>,
    /// Rows that the newest run which succeeded rejected; `None` before the first one.
    pub rejected_rows: Option<i64>,
    /// Its newest runs, the oldest first.
    pub recent_runs: Json<Vec<RecentRun>>,
}

/// A run as the list of pipelines shows it.
#[derive(Debug, Clone, Deserialize)]
pub struct RecentRun {
    /// Id of the run.
    pub id: Uuid,
    /// Waiting, at work, or how it ended.
    pub state: RunState,
    /// What it achieved; `None` unless it succeeded.
    pub outcome: Option<Outcome>,
    /// Rows that it added; `None` before its end.
    pub rows_inserted: Option<i64>,
    /// When it was requested.
    pub created_at: DateTime<Utc>,
}

/// Which pipelines, and how much of each.
#[derive(Debug, Clone, Copy, Default)]
pub struct PipelineFilter<'a> {
    /// Only those whose name contains it; upper and lower case are the same.
    pub search: Option<&'a str>,
    /// Only pipelines of these names. `None`: all.
    pub names: Option<&'a [String]>,
    /// Number of newest runs of each.
    pub recent_runs: i64,
}

/// Pipelines in the order of their names, those after `after` when given.
pub async fn list(
    db: impl PgExecutor<'_>,
    only: PipelineFilter<'_>,
    after: Option<&str>,
    limit: i64,
) -> sqlx::Result<Vec<Pipeline>> {
    // The collation "C" makes the order and the cursor agree with the index, whatever locale the database has.
    sqlx::query_as(
        r#"select config.name, config.id as config_id, config.version, config."timestamp" as uploaded_at,
                  config.created_by as uploaded_by, config.runnable, run.target_table, run.id as last_run_id,
                  run.state as last_run_state, run.outcome as last_run_outcome, run.created_at as last_run_at,
                  schedule.id as schedule_id,
                  case when not schedule.paused then schedule.next_run_at end as next_run_at,
                  config.concurrency, config.priority,
                  (select to_jsonb(p) from pauses p where p.scope = 'all' or (p.scope = 'pipeline' and p.name = config.name)
                   order by p.scope desc limit 1) as pause,
                  loaded.id as loaded_run_id, loaded.at as loaded_at, config.freshness_seconds,
                  coalesce(loaded.at, config."timestamp") < now() - make_interval(secs => config.freshness_seconds) as stale,
                  succeeded.rows_quarantined as rejected_rows, recent.runs as recent_runs
           from (select distinct on (name collate "C") name, id, version, "timestamp", created_by, runnable, concurrency, priority,
                        (notify ->> 'freshness_seconds')::bigint as freshness_seconds
                 from config_history
                 where ($1::text is null or strpos(lower(name), lower($1)) > 0)
                   and ($2::text is null or name collate "C" > $2)
                   and ($4::text[] is null or name = any($4))
                 order by name collate "C", version desc limit $3) config
           left join lateral (select id, state, outcome, target_table, created_at from runs
                              where runs.name = config.name and kind = 'run' and part_of is null order by id desc limit 1) run on true
           left join lateral (select id, finished_at as at from runs
                              where runs.name = config.name and kind = 'run' and part_of is null and state = 'succeeded'
                                and outcome is distinct from 'nothing_loaded'
                              order by id desc limit 1) loaded on true
           left join lateral (select coalesce(rows_quarantined, 0) as rows_quarantined from runs
                              where runs.name = config.name and kind = 'run' and part_of is null and state = 'succeeded'
                              order by id desc limit 1) succeeded on true
           cross join lateral (select coalesce(jsonb_agg(to_jsonb(newest) order by newest.id), '[]') as runs
                               from (select id, state, outcome, rows_inserted, created_at from runs
                                     where runs.name = config.name and kind = 'run' and part_of is null
                                     order by id desc limit $5) newest) recent
           left join schedules schedule on schedule.name = config.name
                                       and schedule.state in ('waiting', 'active', 'stopping')
           order by config.name collate "C""#,
    )
    .bind(only.search)
    .bind(after)
    .bind(limit)
    .bind(only.names)
    .bind(only.recent_runs)
    .fetch_all(db)
    .await
}

/// The pipeline of a name, without runs in `recent_runs`.
pub async fn find(db: impl PgExecutor<'_>, name: &str) -> sqlx::Result<Option<Pipeline>> {
    let names = [name.to_owned()];
    let only = PipelineFilter { names: Some(&names), ..PipelineFilter::default() };
    Ok(list(db, only, None, 1).await?.pop())
}

/// Names of pipelines that contain a text, in their order; upper and lower case are the same. `names` keeps only these.
pub async fn names(
    db: impl PgExecutor<'_>,
    search: &str,
    names: Option<&[String]>,
    limit: i64,
) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar(
        r#"select distinct name collate "C" from config_history
           where strpos(lower(name), lower($1)) > 0 and ($2::text[] is null or name = any($2))
           order by 1 limit $3"#,
    )
    .bind(search)
    .bind(names)
    .bind(limit)
    .fetch_all(db)
    .await
}

/// Whether a config of this pipeline was ever stored.
pub async fn exists(db: impl PgExecutor<'_>, name: &str) -> sqlx::Result<bool> {
    sqlx::query_scalar("select exists (select from config_history where name = $1)").bind(name).fetch_one(db).await
}
