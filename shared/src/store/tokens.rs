//! Logins: tokens that were logged out, and failed attempts counted for all API replicas together.

use chrono::{DateTime, Utc};
use sqlx::{PgExecutor, PgPool};
use uuid::Uuid;

/// Bad passwords a minute, per user and address, before logins are refused.
pub const FAILURES_PER_MINUTE: i64 = 5;

/// Logs a token out. Tokens that expired on their own are forgotten on the way.
pub async fn revoke(db: impl PgExecutor<'_>, jti: Uuid, expires_at: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query(
        "with forgotten as (delete from revoked_tokens where expires_at < now())
         insert into revoked_tokens (jti, expires_at) values ($1, $2) on conflict do nothing",
    )
    .bind(jti)
    .bind(expires_at)
    .execute(db)
    .await?;
    Ok(())
}

/// Counts a login attempt before its password is looked at, so that attempts made at once count too.
/// Returns its id, or `Err` with the seconds to wait when there were too many failures.
pub async fn begin_attempt(db: &PgPool, username: &str, ip: &str) -> sqlx::Result<Result<i64, u64>> {
    let mut tx = db.begin().await?;
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('elt.login ' || lower($1) || ' ' || $2, 0))")
        .bind(username)
        .bind(ip)
        .execute(&mut *tx)
        .await?;
    let (failures, wait): (i64, i64) = sqlx::query_as(
        "select count(*), greatest(1, ceil(60 - extract(epoch from now() - min(at))))::bigint from login_failures
         where username = lower($1) and ip = $2 and at > now() - interval '1 minute'",
    )
    .bind(username)
    .bind(ip)
    .fetch_one(&mut *tx)
    .await
    .map(|(failures, wait): (i64, Option<i64>)| (failures, wait.unwrap_or(1)))?;
    if failures >= FAILURES_PER_MINUTE {
        return Ok(Err(wait.unsigned_abs()));
    }
    let attempt = sqlx::query_scalar(
        "with forgotten as (delete from login_failures where at < now() - interval '1 hour')
         insert into login_failures (username, ip) values (lower($1), $2) returning id",
    )
    .bind(username)
    .bind(ip)
    .fetch_one(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(Ok(attempt))
}

/// Takes an attempt back: its password was right.
pub async fn forgive(db: impl PgExecutor<'_>, attempt: i64) -> sqlx::Result<()> {
    sqlx::query("delete from login_failures where id = $1").bind(attempt).execute(db).await?;
    Ok(())
}
