//! API tokens: what programs may do in the name of a user or a service account.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection, PgExecutor};
use uuid::Uuid;

use crate::api_token::{Grant, Scopes, TokenHash};

/// A token as it is listed. The token's text is not stored.
#[derive(Debug, Clone, FromRow)]
pub struct ApiToken {
    /// UUIDv7.
    pub id: Uuid,
    /// Unique among the tokens that are not revoked, in any case.
    pub name: String,
    /// The user in whose name it acts.
    pub owner_id: Uuid,
    /// Username of the owner.
    pub owner: String,
    /// What it may do, as far as its owner may.
    #[sqlx(try_from = "Vec<String>")]
    pub scopes: Scopes,
    /// Names of the pipelines it may touch; `None`: all of them.
    pub pipelines: Option<Vec<String>>,
    /// When it ends by itself.
    pub expires_at: DateTime<Utc>,
    /// Whether that was before the query, by the database's clock.
    pub expired: bool,
    /// When it was used last, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// From which address.
    pub last_used_ip: Option<String>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
    /// Who created it: a username, or `cli:` and an account of the operating system.
    pub created_by: String,
    /// When it was created.
    pub created_at: DateTime<Utc>,
}

/// What became of a token to create.
#[derive(Debug)]
pub enum Creation {
    /// It was created.
    Created(Box<ApiToken>),
    /// Another token that is not revoked has the name.
    NameTaken,
    /// The owner has as many live tokens as allowed.
    TooMany,
    /// The owner was removed meanwhile.
    NoOwner,
}

const SELECT: &str = "select token.id, token.name, token.owner_id, owner.username as owner, token.scopes, token.pipelines, \
     token.expires_at, token.expires_at <= clock_timestamp() as expired, token.last_used_at, token.last_used_ip, \
     token.revoked_at, token.created_by, token.created_at \
     from api_tokens token join users owner on owner.id = token.owner_id";

/// An owner may create this many times as many tokens in a day as they may have: revoked ones are kept for a while.
const A_DAY: i64 = 10;

/// Creates a token. `at_most` bounds the live tokens of its owner, whose row is locked until the transaction ends.
pub async fn create(
    tx: &mut PgConnection,
    owner_id: Uuid,
    grant: &Grant,
    hash: &TokenHash,
    created_by: &str,
    at_most: u16,
) -> sqlx::Result<Creation> {
    let at_most = i64::from(at_most);
    let owner: Option<Uuid> = sqlx::query_scalar("select id from users where id = $1 for update")
        .bind(owner_id)
        .fetch_optional(&mut *tx)
        .await?;
    if owner.is_none() {
        return Ok(Creation::NoOwner);
    }
    let (live, of_today): (i64, i64) = sqlx::query_as(
        "select count(*) filter (where revoked_at is null and expires_at > clock_timestamp()),
                count(*) filter (where created_at > now() - interval '1 day')
         from api_tokens where owner_id = $1",
    )
    .bind(owner_id)
    .fetch_one(&mut *tx)
    .await?;
    if live >= at_most || of_today >= at_most.saturating_mul(A_DAY) {
        return Ok(Creation::TooMany);
    }
    // The name of an expired token is free again.
    sqlx::query(
        "update api_tokens set revoked_at = expires_at
         where lower(name) = lower($1) and revoked_at is null and expires_at <= clock_timestamp()",
    )
    .bind(&grant.name)
    .execute(&mut *tx)
    .await?;
    let id: Option<Uuid> = sqlx::query_scalar(
        "insert into api_tokens (id, name, owner_id, hash, scopes, pipelines, expires_at, created_by)
         values ($1, $2, $3, $4, $5, $6, clock_timestamp() + make_interval(days => $7), $8)
         on conflict (lower(name)) where revoked_at is null do nothing returning id",
    )
    .bind(Uuid::now_v7())
    .bind(&grant.name)
    .bind(owner_id)
    .bind(hash.as_slice())
    .bind(grant.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>())
    .bind(&grant.pipelines)
    .bind(i32::from(grant.days))
    .bind(created_by)
    .fetch_optional(&mut *tx)
    .await?;
    let Some(id) = id else { return Ok(Creation::NameTaken) };
    let created = find(tx, id).await?.ok_or(sqlx::Error::RowNotFound)?;
    Ok(Creation::Created(Box::new(created)))
}

/// The token with this hash, live or not.
pub async fn find_by_hash(db: impl PgExecutor<'_>, hash: &TokenHash) -> sqlx::Result<Option<ApiToken>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} where token.hash = $1")))
        .bind(hash.as_slice())
        .fetch_optional(db)
        .await
}

/// A token by its id. `None`: it does not exist.
pub async fn find(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<Option<ApiToken>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!("{SELECT} where token.id = $1"))).bind(id).fetch_optional(db).await
}

/// The token with this name, in any case, that is not revoked.
pub async fn find_by_name(db: impl PgExecutor<'_>, name: &str) -> sqlx::Result<Option<ApiToken>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "{SELECT} where lower(token.name) = lower($1) and token.revoked_at is null"
    )))
    .bind(name)
    .fetch_optional(db)
    .await
}

/// Tokens, newest first: those of one owner, or of all; those older than `before` when given.
pub async fn list(
    db: impl PgExecutor<'_>,
    owner_id: Option<Uuid>,
    before: Option<Uuid>,
    limit: i64,
) -> sqlx::Result<Vec<ApiToken>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "{SELECT} where ($1::uuid is null or token.owner_id = $1) and ($2::uuid is null or token.id < $2)
         order by token.id desc limit $3"
    )))
    .bind(owner_id)
    .bind(before)
    .bind(limit)
    .fetch_all(db)
    .await
}

/// Revokes a token: its next request is refused. One that is revoked already stays as it is.
pub async fn revoke(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<()> {
    sqlx::query("update api_tokens set revoked_at = clock_timestamp() where id = $1 and revoked_at is null")
        .bind(id)
        .execute(db)
        .await?;
    Ok(())
}

/// Revokes all tokens of a user.
pub async fn revoke_all(db: impl PgExecutor<'_>, owner: Uuid) -> sqlx::Result<()> {
    sqlx::query("update api_tokens set revoked_at = clock_timestamp() where owner_id = $1 and revoked_at is null")
        .bind(owner)
        .execute(db)
        .await?;
    Ok(())
}

/// Notes that a token was used, unless that was noted less than a minute ago.
pub async fn note_use(db: impl PgExecutor<'_>, id: Uuid, ip: Option<&str>) -> sqlx::Result<()> {
    sqlx::query(
        "update api_tokens set last_used_at = now(), last_used_ip = $2
         where id = $1 and (last_used_at is null or last_used_at <= now() - interval '1 minute')",
    )
    .bind(id)
    .bind(ip)
    .execute(db)
    .await?;
    Ok(())
}

/// Removes tokens that ended more than `age` ago, at most `limit` of them. Returns how many: call again while it is
/// `limit`.
pub async fn remove_old(db: impl PgExecutor<'_>, age: Duration, limit: i64) -> sqlx::Result<u64> {
    let removed = sqlx::query(
        "delete from api_tokens where id in (
             select id from api_tokens where least(revoked_at, expires_at) < now() - make_interval(secs => $1)
             order by least(revoked_at, expires_at) limit $2)",
    )
    .bind(age.as_secs_f64())
    .bind(limit)
    .execute(db)
    .await?;
    Ok(removed.rows_affected())
}
