//! Sessions: one row for each login. The id of a session is the `jti` of its token.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection, PgExecutor};
use uuid::Uuid;

/// Most sessions of one user. When there are more, sessions that are over are removed first and then the oldest ones, so
/// that a program that logs in for every call cannot fill the table.
pub const MOST_OF_A_USER: i64 = 100;

/// Longest user agent that is kept, in characters.
const LONGEST_USER_AGENT: usize = 200;

/// How a user logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum Method {
    /// With name and password.
    Password,
    /// At the identity provider.
    Oidc,
}

impl Method {
    /// As it is written in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Oidc => "oidc",
        }
    }
}

/// A session whose token is valid.
#[derive(Debug, Clone, FromRow)]
pub struct Session {
    /// The `jti` of its token.
    pub id: Uuid,
    /// How the user logged in.
    pub method: Method,
    /// When the user logged in.
    pub created_at: DateTime<Utc>,
    /// When its token was last used, to the minute.
    pub last_seen_at: DateTime<Utc>,
    /// When its token expires.
    pub expires_at: DateTime<Utc>,
    /// Address of the login; `None` when it is unknown.
    pub ip: Option<String>,
    /// What the client called itself; `None` when it did not.
    pub user_agent: Option<String>,
}

/// A session that begins.
#[derive(Debug, Clone, Copy)]
pub struct NewSession<'a> {
    /// The `jti` of its token.
    pub id: Uuid,
    /// Who logged in.
    pub user_id: Uuid,
    /// How the user logged in.
    pub method: Method,
    /// When its token expires.
    pub expires_at: DateTime<Utc>,
    /// Address of the login.
    pub ip: &'a str,
    /// What the client calls itself; only the first 200 characters are kept.
    pub user_agent: Option<&'a str>,
}

/// Keeps a new session, and removes sessions of a user who has more than [`MOST_OF_A_USER`]: first those that are over,
/// then the oldest ones.
pub async fn begin(db: &mut PgConnection, session: &NewSession<'_>) -> sqlx::Result<()> {
    let user_agent: Option<String> = session.user_agent.map(|agent| agent.chars().take(LONGEST_USER_AGENT).collect());
    sqlx::query(
        "insert into sessions (id, user_id, method, expires_at, ip, user_agent) values ($1, $2, $3, $4, $5, $6)",
    )
    .bind(session.id)
    .bind(session.user_id)
    .bind(session.method)
    .bind(session.expires_at)
    .bind(session.ip)
    .bind(user_agent)
    .execute(&mut *db)
    .await?;
    sqlx::query(
        "delete from sessions where id in (
             select id from sessions where user_id = $1
             order by ended_at is null and expires_at > now() desc, created_at desc, id
             offset $2 for update skip locked)",
    )
    .bind(session.user_id)
    .bind(MOST_OF_A_USER)
    .execute(db)
    .await?;
    Ok(())
}

/// Notes that a session is in use, at most once a minute.
pub async fn note_use(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<()> {
    sqlx::query(
        "update sessions set last_seen_at = now()
         where id = $1 and ended_at is null and last_seen_at < now() - interval '1 minute'",
    )
    .bind(id)
    .execute(db)
    .await?;
    Ok(())
}

/// The sessions of a user whose tokens are valid, those used last first.
pub async fn list(db: impl PgExecutor<'_>, user_id: Uuid) -> sqlx::Result<Vec<Session>> {
    sqlx::query_as(
        "select id, method, created_at, last_seen_at, expires_at, ip, user_agent from sessions
         where user_id = $1 and ended_at is null and expires_at > now()
         order by last_seen_at desc, created_at desc, id",
    )
    .bind(user_id)
    .fetch_all(db)
    .await
}

/// Ends one session of a user. Returns false when the user has no such session.
pub async fn end(db: impl PgExecutor<'_>, user_id: Uuid, id: Uuid) -> sqlx::Result<bool> {
    let ended = sqlx::query("update sessions set ended_at = now() where id = $1 and user_id = $2 and ended_at is null")
        .bind(id)
        .bind(user_id)
        .execute(db)
        .await?;
    Ok(ended.rows_affected() == 1)
}

/// Ends all sessions of a user, except the one to `keep`. Returns how many.
pub async fn end_all(db: impl PgExecutor<'_>, user_id: Uuid, keep: Option<Uuid>) -> sqlx::Result<u64> {
    let ended = sqlx::query(
        "update sessions set ended_at = now()
         where user_id = $1 and ended_at is null and ($2::uuid is null or id <> $2)",
    )
    .bind(user_id)
    .bind(keep)
    .execute(db)
    .await?;
    Ok(ended.rows_affected())
}

/// Removes at most `limit` sessions whose tokens expired more than a day ago. Returns how many.
pub async fn remove_old(db: impl PgExecutor<'_>, limit: i64) -> sqlx::Result<u64> {
    let removed = sqlx::query(
        // Without a lock on the rows, which workers may only read and delete.
        "delete from sessions where id = any(array(
             select id from sessions where expires_at < now() - interval '1 day' order by expires_at limit $1))",
    )
    .bind(limit)
    .execute(db)
    .await?;
    Ok(removed.rows_affected())
}
