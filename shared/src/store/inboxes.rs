//! Inboxes: which pipelines take uploaded files, and from whom, as their configs say.

use sqlx::types::Json;
use sqlx::{FromRow, PgExecutor};

use super::configs::decides;
use crate::config::InboxRules;

/// The inbox of a pipeline, as one of its config versions describes it.
#[derive(Debug, Clone, FromRow)]
pub struct Inbox {
    /// Pipeline name.
    pub name: String,
    /// Row id of the config version.
    pub config_id: i64,
    /// Whose uploads and which files it takes. `None`: the version does not read an inbox.
    pub rules: Option<Json<InboxRules>>,
}

/// The versions that decide: the newest of each pipeline for admins; for users the newest that an admin has uploaded,
/// because a user's config must not open an inbox.
fn deciding() -> String {
    let by_admin = decides("v");
    format!(
        r#"select distinct on (name collate "C") name, id as config_id, inbox as rules
           from config_history v where (not $1 or {by_admin})"#
    )
}

/// The inbox of a pipeline. `None`: no config version of the pipeline decides. `by_admins`: only versions that an admin has
/// uploaded decide.
pub async fn find(db: impl PgExecutor<'_>, pipeline: &str, by_admins: bool) -> sqlx::Result<Option<Inbox>> {
    let deciding = deciding();
    sqlx::query_as(sqlx::AssertSqlSafe(format!(r#"{deciding} and name = $2 order by name collate "C", version desc"#)))
        .bind(by_admins)
        .bind(pipeline)
        .fetch_optional(db)
        .await
}

/// The pipelines with an inbox in the order of their names, those after `after` when given. `for_users`: those that users
/// who are not admins may upload to. `names` keeps only these.
pub async fn list(
    db: impl PgExecutor<'_>,
    for_users: bool,
    names: Option<&[String]>,
    after: Option<&str>,
    limit: i64,
) -> sqlx::Result<Vec<Inbox>> {
    let deciding = deciding();
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        r#"select name, config_id, rules from (
             {deciding} and ($2::text is null or name collate "C" > $2) and ($3::text[] is null or name = any($3))
             order by name collate "C", version desc
           ) deciding
           where rules is not null and (not $1 or (rules ->> 'users')::boolean)
           order by name collate "C" limit $4"#
    )))
    .bind(for_users)
    .bind(after)
    .bind(names)
    .bind(limit)
    .fetch_all(db)
    .await
}
