//! Logins: tokens that were logged out, and failed attempts counted for all API replicas together.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
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

/// Seconds until another login of this user from this address is listened to; `None`: at once.
pub async fn must_wait(db: impl PgExecutor<'_>, username: &str, ip: &str) -> sqlx::Result<Option<u64>> {
    let (failures, seconds): (i64, i64) = sqlx::query_as(
        "select count(*), coalesce(greatest(1, ceil(60 - extract(epoch from now() - min(at)))), 1)::bigint
         from login_failures where username = lower($1) and ip = $2 and at > now() - interval '1 minute'",
    )
    .bind(username)
    .bind(ip)
    .fetch_one(db)
    .await?;
    Ok((failures >= FAILURES_PER_MINUTE).then_some(seconds.unsigned_abs()))
}

/// Counts a failed login. Those of hours ago are forgotten on the way.
pub async fn note_failure(db: impl PgExecutor<'_>, username: &str, ip: &str) -> sqlx::Result<()> {
    sqlx::query(
        "with forgotten as (delete from login_failures where at < now() - interval '1 hour')
         insert into login_failures (username, ip) values (lower($1), $2)",
    )
    .bind(username)
    .bind(ip)
    .execute(db)
    .await?;
    Ok(())
}
