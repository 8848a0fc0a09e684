//! Config versions: every YAML that was ever uploaded, once.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{FromRow, PgConnection, PgExecutor};

/// One version of a config.
#[derive(Debug, Clone, FromRow)]
pub struct ConfigVersion {
    /// Row id.
    pub id: i64,
    /// 1, 2, 3 … over all configs, without gaps.
    pub version: i32,
    /// When it was kept.
    pub timestamp: DateTime<Utc>,
    /// Pipeline name.
    pub name: String,
    /// The text exactly as uploaded.
    pub yaml_content: String,
    /// The first 100 characters, secrets masked.
    pub yaml_preview: String,
    /// Whether a run can be made of it.
    pub runnable: bool,
    /// Why not: a list of config problems.
    pub problems: Value,
    /// What to look at: a list of warnings.
    pub warnings: Value,
    /// Username.
    pub created_by: String,
}

/// What is kept of an uploaded text. Made by the config module's `Document`.
#[derive(Debug, Clone)]
pub struct NewConfig<'a> {
    /// Pipeline name.
    pub name: &'a str,
    /// The text exactly as uploaded.
    pub yaml_content: &'a str,
    /// Keyed hash that decides "the same YAML".
    pub content_key: &'a [u8],
    /// The first 100 characters, masked.
    pub yaml_preview: &'a str,
    /// Whether a run can be made of it.
    pub runnable: bool,
    /// Why not.
    pub problems: Value,
    /// Warnings.
    pub warnings: Value,
    /// Username.
    pub created_by: &'a str,
}

const COLUMNS: &str =
    r#"id, version, "timestamp", name, yaml_content, yaml_preview, runnable, problems, warnings, created_by"#;

/// Keeps a text as the next version, or finds the version it already is. The bool says whether it is new.
///
/// Takes a lock until the caller's transaction ends, so that fifty uploads at once get versions without gap or repeat.
pub async fn keep(tx: &mut PgConnection, new: NewConfig<'_>) -> sqlx::Result<(ConfigVersion, bool)> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('elt.config_history', 0))").execute(&mut *tx).await?;
    if let Some(known) = find_by_content(&mut *tx, new.content_key).await? {
        return Ok((known, false));
    }
    let kept = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "insert into config_history
             (version, name, yaml_content, content_key, yaml_preview, runnable, problems, warnings, created_by)
         values ((select coalesce(max(version), 0) + 1 from config_history), $1, $2, $3, $4, $5, $6, $7, $8)
         returning {COLUMNS}"
    )))
    .bind(new.name)
    .bind(new.yaml_content)
    .bind(new.content_key)
    .bind(new.yaml_preview)
    .bind(new.runnable)
    .bind(new.problems)
    .bind(new.warnings)
    .bind(new.created_by)
    .fetch_one(tx)
    .await?;
    Ok((kept, true))
}

/// The version with this keyed hash of its text.
pub async fn find_by_content(db: impl PgExecutor<'_>, content_key: &[u8]) -> sqlx::Result<Option<ConfigVersion>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!("select {COLUMNS} from config_history where content_key = $1")))
        .bind(content_key)
        .fetch_optional(db)
        .await
}

/// One version by its row id.
pub async fn find(db: impl PgExecutor<'_>, id: i64) -> sqlx::Result<Option<ConfigVersion>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!("select {COLUMNS} from config_history where id = $1")))
        .bind(id)
        .fetch_optional(db)
        .await
}

/// Versions that contain `search` in their name, their preview, their author's name or as their number, newest first.
///
/// Upper and lower case are the same. `names` keeps only versions of these pipelines.
pub async fn search(
    db: impl PgExecutor<'_>,
    search: &str,
    names: Option<&[String]>,
    before: Option<i32>,
    limit: i64,
) -> sqlx::Result<Vec<ConfigVersion>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {COLUMNS} from config_history
         where ($2::integer is null or version < $2)
           and (strpos(lower(name), lower($1)) > 0 or strpos(lower(yaml_preview), lower($1)) > 0
                or strpos(lower(created_by), lower($1)) > 0 or version::text = ltrim(lower($1), 'v'))
           and ($4::text[] is null or name = any($4))
         order by version desc limit $3"
    )))
    .bind(search)
    .bind(before)
    .bind(limit)
    .bind(names)
    .fetch_all(db)
    .await
}

/// A version as the history shows it, without its text: versions may be many, and a text 256 KiB.
#[derive(Debug, Clone, FromRow)]
pub struct HistoryRow {
    /// Row id.
    pub id: i64,
    /// 1, 2, 3 … over all configs, without gaps.
    pub version: i32,
    /// When it was kept.
    pub timestamp: DateTime<Utc>,
    /// The first 100 characters, secrets masked.
    pub yaml_preview: String,
}

/// Versions for the history, newest first, those before `before` when given.
pub async fn history(db: impl PgExecutor<'_>, before: Option<i32>, limit: i64) -> sqlx::Result<Vec<HistoryRow>> {
    sqlx::query_as(
        r#"select id, version, "timestamp", yaml_preview from config_history
           where $1::integer is null or version < $1 order by version desc limit $2"#,
    )
    .bind(before)
    .bind(limit)
    .fetch_all(db)
    .await
}

/// Versions, newest first, those before `before` when given. `names` keeps only versions of these pipelines.
pub async fn list(
    db: impl PgExecutor<'_>,
    names: Option<&[String]>,
    before: Option<i32>,
    limit: i64,
) -> sqlx::Result<Vec<ConfigVersion>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {COLUMNS} from config_history
         where ($1::integer is null or version < $1) and ($3::text[] is null or name = any($3))
         order by version desc limit $2"
    )))
    .bind(before)
    .bind(limit)
    .bind(names)
    .fetch_all(db)
    .await
}
