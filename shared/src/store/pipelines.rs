//! Pipelines: everything that shares one name, whichever version of its config it comes from.

use chrono::{DateTime, Utc};
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
    /// Whether a run can be made of that version.
    pub runnable: bool,
    /// Target table as the newest run names it; `None` before the first run.
    pub target_table: Option<String>,
    /// The newest run of kind `run`.
    pub last_run_id: Option<Uuid>,
    /// Its state.
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
}

/// Pipelines in the order of their names, those after `after` when given.
///
/// `search` keeps the pipelines whose name contains it; upper and lower case are the same. `names` keeps only these.
pub async fn list(
    db: impl PgExecutor<'_>,
    search: Option<&str>,
    names: Option<&[String]>,
    after: Option<&str>,
    limit: i64,
) -> sqlx::Result<Vec<Pipeline>> {
    // The collation "C" makes the order and the cursor agree with the index, whatever locale the database has.
    sqlx::query_as(
        r#"select config.name, config.id as config_id, config.version, config."timestamp" as uploaded_at,
                  config.runnable, run.target_table, run.id as last_run_id, run.state as last_run_state, run.outcome as last_run_outcome,
                  run.created_at as last_run_at, schedule.id as schedule_id,
                  case when not schedule.paused then schedule.next_run_at end as next_run_at,
                  config.concurrency, config.priority,
                  (select to_jsonb(p) from pauses p where p.scope = 'all' or (p.scope = 'pipeline' and p.name = config.name)
                   order by p.scope desc limit 1) as pause
           from (select distinct on (name collate "C") name, id, version, "timestamp", runnable, concurrency, priority
                 from config_history
                 where ($1::text is null or strpos(lower(name), lower($1)) > 0)
                   and ($2::text is null or name collate "C" > $2)
                   and ($4::text[] is null or name = any($4))
                 order by name collate "C", version desc limit $3) config
           left join lateral (select id, state, outcome, target_table, created_at from runs
                              where runs.name = config.name and kind = 'run' and part_of is null order by id desc limit 1) run on true
           left join schedules schedule on schedule.name = config.name
                                       and schedule.state in ('waiting', 'active', 'stopping')
           order by config.name collate "C""#,
    )
    .bind(search)
    .bind(after)
    .bind(limit)
    .bind(names)
    .fetch_all(db)
    .await
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
