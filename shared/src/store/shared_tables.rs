//! Shared tables: what a user knows about the tables that admins share with them. Only config versions that an admin has
//! uploaded count, because a user's version of the same name could name another table.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgExecutor};
use uuid::Uuid;

use super::configs::{decides, decides_once_run};

/// The table of a pipeline, or its tables, as a user sees them in a list.
#[derive(Debug, Clone, FromRow)]
pub struct SharedTable {
    /// Pipeline name.
    pub pipeline: String,
    /// The table as the last run that loaded names it. `None`: no run has loaded, or there is a table for each file.
    pub table: Option<String>,
    /// Whether the last run that loaded made a table for each file.
    pub has_tables: bool,
    /// When that run ended.
    pub loaded_at: Option<DateTime<Utc>>,
    /// Whether the last load is older than the `freshness` of the config. `None`: the config has no `freshness`.
    pub stale: Option<bool>,
    /// Username of the admin who shared the table.
    pub granted_by: String,
    /// When the table was shared with the user.
    pub granted_at: DateTime<Utc>,
}

/// The tables that are shared with a user in the order of the pipelines' names, those after `after` when given. `names`
/// keeps only these pipelines.
pub async fn list(
    db: impl PgExecutor<'_>,
    user: Uuid,
    names: Option<&[String]>,
    after: Option<&str>,
    limit: i64,
) -> sqlx::Result<Vec<SharedTable>> {
    let (decides, once_run) = (decides("c"), decides_once_run("v"));
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        r#"select s.pipeline, case when loaded.divided_at is null then loaded.target_table end as "table",
                  loaded.divided_at is not null as has_tables, loaded.at as loaded_at, s.granted_by, s.granted_at,
                  case when c.notify ? 'freshness_seconds'
                       then coalesce(loaded.at, c."timestamp")
                            < now() - make_interval(secs => (c.notify ->> 'freshness_seconds')::float8) end as stale
           from shares s
           join lateral (select notify, "timestamp" from config_history c
                         where name = s.pipeline and {decides} order by version desc limit 1) c on true
           left join lateral (select r.target_table, r.divided_at, r.finished_at as at
                              from runs r join config_history v on v.id = r.config_id and {once_run}
                              where r.name = s.pipeline and r.kind = 'run' and r.state = 'succeeded' and r.part_of is null
                                and r.outcome is distinct from 'nothing_loaded'
                              order by r.id desc limit 1) loaded on true
           where s.user_id = $1 and ($2::text is null or s.pipeline collate "C" > $2)
             and ($3::text[] is null or s.pipeline = any($3))
           order by s.pipeline collate "C" limit $4"#
    )))
    .bind(user)
    .bind(after)
    .bind(names)
    .bind(limit)
    .fetch_all(db)
    .await
}

/// One of the tables of a pipeline with a table for each file.
#[derive(Debug, Clone, FromRow)]
pub struct LoadedTable {
    /// The table as its runs name it.
    pub table: String,
    /// When its last run that succeeded ended.
    pub loaded_at: DateTime<Utc>,
}

/// The tables that runs of a pipeline have loaded, in the order of their names, those after `after` when given.
pub async fn loaded(
    db: impl PgExecutor<'_>,
    pipeline: &str,
    after: Option<&str>,
    limit: i64,
) -> sqlx::Result<Vec<LoadedTable>> {
    let once_run = decides_once_run("v");
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        r#"select r.target_table collate "C" as "table", max(r.finished_at) as loaded_at
           from runs r join config_history v on v.id = r.config_id and {once_run}
           where r.name = $1 and r.kind = 'run' and r.state = 'succeeded' and r.part_of is not null
             and r.finished_at is not null and ($2::text is null or r.target_table collate "C" > $2)
           group by 1 order by 1 limit $3"#
    )))
    .bind(pipeline)
    .bind(after)
    .bind(limit)
    .fetch_all(db)
    .await
}

/// Whether a run of a pipeline with a table for each file has loaded this table.
pub async fn has_loaded(db: impl PgExecutor<'_>, pipeline: &str, table: &str) -> sqlx::Result<bool> {
    let once_run = decides_once_run("v");
    sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
        "select exists (select from runs r join config_history v on v.id = r.config_id and {once_run}
                        where r.name = $1 and r.target_table = $2 and r.kind = 'run' and r.state = 'succeeded'
                          and r.part_of is not null)"
    )))
    .bind(pipeline)
    .bind(table)
    .fetch_one(db)
    .await
}
