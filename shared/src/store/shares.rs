//! Shares: which users read the table of which pipeline, and who has granted it.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection, PgExecutor};
use uuid::Uuid;

use super::users::Role;

/// A user who reads the table of a pipeline.
#[derive(Debug, Clone, FromRow)]
pub struct Share {
    /// Username.
    pub username: String,
    /// What else the user may do.
    pub role: Role,
    /// Locked out: the user reads nothing at the moment.
    pub disabled: bool,
    /// The admin, or `token:` and the name of an API token.
    pub granted_by: String,
    /// When it was granted first.
    pub granted_at: DateTime<Utc>,
}

const SELECT: &str = "select u.username, u.role, u.disabled, s.granted_by, s.granted_at
                      from shares s join users u on u.id = s.user_id";

/// The shares of a pipeline in the order of the usernames, those after `after` when given.
pub async fn list(
    db: impl PgExecutor<'_>,
    pipeline: &str,
    after: Option<&str>,
    limit: i64,
) -> sqlx::Result<Vec<Share>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        r#"{SELECT} where s.pipeline = $1 and ($2::text is null or u.username collate "C" > $2)
           order by u.username collate "C" limit $3"#
    )))
    .bind(pipeline)
    .bind(after)
    .bind(limit)
    .fetch_all(db)
    .await
}

/// Grants a share, or finds the one that is there. The bool says whether it is new.
pub async fn grant(tx: &mut PgConnection, pipeline: &str, user: Uuid, by: &str) -> sqlx::Result<(Share, bool)> {
    let granted = sqlx::query(
        "insert into shares (user_id, pipeline, granted_by) values ($1, $2, $3) on conflict (user_id, pipeline) do nothing",
    )
    .bind(user)
    .bind(pipeline)
    .bind(by)
    .execute(&mut *tx)
    .await?;
    let sql = sqlx::AssertSqlSafe(format!("{SELECT} where s.user_id = $1 and s.pipeline = $2"));
    let share = sqlx::query_as(sql).bind(user).bind(pipeline).fetch_one(tx).await?;
    Ok((share, granted.rows_affected() == 1))
}

/// Revokes a share, and with it the user's saved filters. False: there is no such share.
pub async fn revoke(db: impl PgExecutor<'_>, pipeline: &str, user: Uuid) -> sqlx::Result<bool> {
    let revoked = sqlx::query("delete from shares where user_id = $1 and pipeline = $2").bind(user).bind(pipeline);
    Ok(revoked.execute(db).await?.rows_affected() == 1)
}
