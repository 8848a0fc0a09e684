//! Users: who may log in, and as what.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgExecutor};
use uuid::Uuid;

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum Role {
    /// An admin: owns pipelines, users and secrets.
    Admin,
    /// An analyst: reads the tables that were shared with them.
    User,
}

impl Role {
    /// As it is written in tokens and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::User => "user",
        }
    }
}

/// Someone who may log in.
#[derive(Debug, Clone, FromRow)]
pub struct User {
    /// UUIDv7.
    pub id: Uuid,
    /// Unique whatever its case.
    pub username: String,
    /// What they may do.
    pub role: Role,
    /// Whether the user is locked out: logins, sessions and tokens are refused.
    pub disabled: bool,
    /// A service account: only programs act as it, with API tokens.
    pub is_service: bool,
    /// Tokens issued before this instant are void.
    pub tokens_after: DateTime<Utc>,
    /// When they were added.
    pub created_at: DateTime<Utc>,
    /// The identity provider where they log in; `None` for a user with a password.
    pub issuer: Option<String>,
    /// Whether a login also needs a code of the user's authenticator app.
    pub second_factor: bool,
}

/// Who a user is at an identity provider.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// The provider's issuer URL.
    pub issuer: &'a str,
    /// The provider's id of the user.
    pub subject: &'a str,
}

/// A user together with what a login needs.
#[derive(Debug, FromRow)]
pub struct Login {
    /// The user.
    #[sqlx(flatten)]
    pub user: User,
    /// PHC string; `None` for a user who logs in at an identity provider.
    pub password_hash: Option<String>,
    /// The database's clock: a token issued now is newer than every `tokens_after` already written.
    pub now: DateTime<Utc>,
}

/// What changes about a user; `None` leaves a thing as it is. Any change voids the tokens issued so far.
#[derive(Debug, Default)]
pub struct Change {
    /// The new role. `None`: it stays.
    pub role: Option<Role>,
    /// Lock out, or let in again.
    pub disabled: Option<bool>,
    /// PHC string of a new password.
    pub password_hash: Option<String>,
}

/// `-infinity` has no place in chrono: the year 1 says the same.
macro_rules! columns {
    () => {
        "id, username, role, disabled, is_service, greatest(tokens_after, '0001-01-01Z') as tokens_after, created_at, issuer,
         exists (select from second_factors where user_id = users.id and confirmed_at is not null) as second_factor"
    };
}

/// Adds a user. Fails on constraint `users_username` when the name is taken. Tokens issued before are void: they are those
/// of a removed user who had the same name.
pub async fn create(db: impl PgExecutor<'_>, username: &str, password_hash: &str, role: Role) -> sqlx::Result<User> {
    sqlx::query_as(concat!(
        "insert into users (id, username, password_hash, role, tokens_after)
         values ($1, $2, $3, $4, clock_timestamp()) returning ",
        columns!()
    ))
    .bind(Uuid::now_v7())
    .bind(username)
    .bind(password_hash)
    .bind(role)
    .fetch_one(db)
    .await
}

/// Whether no user may have this name, because the audit names API tokens `token:…` and the command line `cli:…`.
pub fn is_reserved(username: &str) -> bool {
    let lower = username.to_lowercase();
    ["token:", "cli:"].iter().any(|prefix| lower.starts_with(prefix))
}

/// Adds a service account: a user without a password. Fails on constraint `users_username` when the name is taken.
pub async fn create_service(db: impl PgExecutor<'_>, username: &str, role: Role) -> sqlx::Result<User> {
    sqlx::query_as(concat!(
        "insert into users (id, username, role, is_service) values ($1, $2, $3, true) returning ",
        columns!()
    ))
    .bind(Uuid::now_v7())
    .bind(username)
    .bind(role)
    .fetch_one(db)
    .await
}

/// Adds a user who logs in at an identity provider. Fails on constraint `users_username` when the name is taken.
pub async fn create_external(
    db: impl PgExecutor<'_>,
    identity: Identity<'_>,
    username: &str,
    role: Role,
) -> sqlx::Result<User> {
    sqlx::query_as(concat!(
        "insert into users (id, username, issuer, subject, role, tokens_after)
         values ($1, $2, $3, $4, $5, clock_timestamp()) returning ",
        columns!()
    ))
    .bind(Uuid::now_v7())
    .bind(username)
    .bind(identity.issuer)
    .bind(identity.subject)
    .bind(role)
    .fetch_one(db)
    .await
}

/// One user by name, in any case.
pub async fn find_by_name(db: impl PgExecutor<'_>, username: &str) -> sqlx::Result<Option<User>> {
    sqlx::query_as(concat!("select ", columns!(), " from users where lower(username) = lower($1)"))
        .bind(username)
        .fetch_optional(db)
        .await
}

/// The user with this identity, locked until the caller's transaction ends.
pub async fn lock_external(db: impl PgExecutor<'_>, identity: Identity<'_>) -> sqlx::Result<Option<User>> {
    sqlx::query_as(concat!("select ", columns!(), " from users where issuer = $1 and subject = $2 for update"))
        .bind(identity.issuer)
        .bind(identity.subject)
        .fetch_optional(db)
        .await
}

/// Whether there is a user with this name, whatever its case.
pub async fn is_taken(db: impl PgExecutor<'_>, username: &str) -> sqlx::Result<bool> {
    sqlx::query_scalar("select exists (select from users where lower(username) = lower($1))")
        .bind(username)
        .fetch_one(db)
        .await
}

/// The database's clock: a token issued now is newer than every `tokens_after` already written.
pub async fn now(db: impl PgExecutor<'_>) -> sqlx::Result<DateTime<Utc>> {
    sqlx::query_scalar("select clock_timestamp()").fetch_one(db).await
}

/// One user with a password by name, whatever its case.
pub async fn find_login(db: impl PgExecutor<'_>, username: &str) -> sqlx::Result<Option<Login>> {
    sqlx::query_as(concat!(
        "select ",
        columns!(),
        ", password_hash, clock_timestamp() as now from users where lower(username) = lower($1)
             and password_hash is not null"
    ))
    .bind(username)
    .fetch_optional(db)
    .await
}

/// A user who was found by the token of a session.
#[derive(Debug, sqlx::FromRow)]
pub struct SessionUser {
    /// The user.
    #[sqlx(flatten)]
    pub user: User,
    /// Whether it was noted more than a minute ago that the session was used.
    pub is_note_due: bool,
}

/// The user with this name whose session this is, unless the session ended. Changes nothing, so that a database that cannot
/// be written to can still be read.
pub async fn find_by_token(
    db: impl PgExecutor<'_>,
    username: &str,
    session: Uuid,
) -> sqlx::Result<Option<SessionUser>> {
    sqlx::query_as(concat!(
        "select ",
        columns!(),
        ", (select last_seen_at < now() - interval '1 minute' from sessions where sessions.id = $2) as is_note_due
         from users where lower(username) = lower($1) and exists (
             select from sessions where sessions.id = $2 and user_id = users.id and ended_at is null)"
    ))
    .bind(username)
    .bind(session)
    .fetch_optional(db)
    .await
}

/// A user by their id. `None`: they do not exist.
pub async fn find(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<Option<User>> {
    sqlx::query_as(concat!("select ", columns!(), " from users where id = $1")).bind(id).fetch_optional(db).await
}

/// Users by name, those after `after` when given.
pub async fn list(db: impl PgExecutor<'_>, after: Option<&str>, limit: i64) -> sqlx::Result<Vec<User>> {
    sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from users where $1::text is null or lower(username) > lower($1) order by lower(username) limit $2"
    ))
    .bind(after)
    .bind(limit)
    .fetch_all(db)
    .await
}

/// Changes a user. All sessions of the user end.
pub async fn change(db: impl PgExecutor<'_>, id: Uuid, change: &Change) -> sqlx::Result<Option<User>> {
    sqlx::query_as(concat!(
        "with ended as (
             update sessions set ended_at = now() where user_id = $1 and ended_at is null
         )
         update users set role = coalesce($2, role), disabled = coalesce($3, disabled),
                password_hash = coalesce($4, password_hash), tokens_after = clock_timestamp()
         where id = $1 returning ",
        columns!()
    ))
    .bind(id)
    .bind(change.role)
    .bind(change.disabled)
    .bind(&change.password_hash)
    .fetch_optional(db)
    .await
}

/// Removes a user and the user's sessions. Returns false when there is no such user.
pub async fn remove(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<bool> {
    Ok(sqlx::query("delete from users where id = $1").bind(id).execute(db).await?.rows_affected() == 1)
}

/// Admins who can log in, locked until the caller's transaction ends: two admins cannot disable each other at once.
pub async fn lock_admins(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar(
        "select id from users where role = 'admin' and not disabled and not is_service order by id for update",
    )
    .fetch_all(db)
    .await
}

/// Whether anyone was added yet.
pub async fn any(db: impl PgExecutor<'_>) -> sqlx::Result<bool> {
    sqlx::query_scalar("select exists (select from users)").fetch_one(db).await
}
