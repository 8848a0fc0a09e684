//! Failed logins, counted for all API replicas together.

use sqlx::PgExecutor;

/// Failed logins a minute of one name from one address, before more of them are refused.
pub const FAILURES_PER_MINUTE: i64 = 5;
/// Failed logins a minute from one address, whatever the names: one password may be tried on many of them.
pub const FAILURES_OF_AN_ADDRESS: i64 = 20;
/// Failed logins a minute from all addresses together; beyond it, one address may have only
/// [`FAILURES_WHILE_MANY_FAIL`]. Addresses without a failure may log in as before, so that an attack shuts no one out.
pub const FAILURES_OF_ALL: i64 = 200;
/// Failed logins a minute from one address while many of them fail everywhere.
pub const FAILURES_WHILE_MANY_FAIL: i64 = 2;

/// Seconds until another login of this user from this address is accepted; `None`: at once. The address is the text
/// that [`note`] was given: one host, or one network of hosts.
pub async fn must_wait(db: impl PgExecutor<'_>, username: &str, address: &str) -> sqlx::Result<Option<u64>> {
    let seconds: i64 = sqlx::query_scalar(
        "with recent as (
             select ip = $2 as here, username = lower($1) as same_name, 60 - extract(epoch from now() - at) as wait
             from login_failures where at > now() - interval '1 minute'
         ), counts as (
             select count(*) filter (where here and same_name) as of_name,
                    count(*) filter (where here) as of_address,
                    count(*) as of_all,
                    min(wait) filter (where here and same_name) as name_waits,
                    min(wait) filter (where here) as address_waits
             from recent
         )
         select coalesce(ceil(greatest(
                    case when of_name >= $3 then greatest(name_waits, 1) end,
                    case when of_address >= $4 or (of_all >= $5 and of_address >= $6)
                         then greatest(address_waits, 1) end)), 0)::bigint
         from counts",
    )
    .bind(username)
    .bind(address)
    .bind(FAILURES_PER_MINUTE)
    .bind(FAILURES_OF_AN_ADDRESS)
    .bind(FAILURES_OF_ALL)
    .bind(FAILURES_WHILE_MANY_FAIL)
    .fetch_one(db)
    .await?;
    Ok((seconds > 0).then_some(seconds.unsigned_abs()))
}

/// Counts a failed login. Those of hours ago are forgotten on the way.
pub async fn note(db: impl PgExecutor<'_>, username: &str, address: &str) -> sqlx::Result<()> {
    sqlx::query(
        "with forgotten as (delete from login_failures where at < now() - interval '1 hour')
         insert into login_failures (username, ip) values (lower($1), $2)",
    )
    .bind(username)
    .bind(address)
    .execute(db)
    .await?;
    Ok(())
}

/// Removes failures of hours ago, at most `limit` of them. Returns how many: call again while it is `limit`.
pub async fn remove_old(db: impl PgExecutor<'_>, limit: i64) -> sqlx::Result<u64> {
    let removed = sqlx::query(
        "delete from login_failures where ctid = any(array(
             select ctid from login_failures where at < now() - interval '1 hour' order by at limit $1))",
    )
    .bind(limit)
    .execute(db)
    .await?;
    Ok(removed.rows_affected())
}
