//! Retention: deletes what is no longer needed from the control database: finished tickets and lost workers (the queue
//! never deletes anything), log lines, config versions that never ran, rows of the audit, idempotency keys, failed logins,
//! expired sessions and API tokens that ended. The batches are small, so that none holds a lock for long.

use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::backoff::jittered;
use crate::secret::KeyRing;
use crate::store::{api_tokens, audit, config_limits, idempotency, login_failures, logs, sessions};

const EVERY: Duration = Duration::from_secs(3600);
/// The first time soon after the start, so that processes that live shorter than an hour do their part.
const FIRST: Duration = Duration::from_secs(60);
const BATCH: i64 = 5_000;

/// What retention leaves in the database: days after which it deletes rows, and how many of them stay.
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    /// Finished tickets, and workers that are gone.
    pub tickets: u16,
    /// Log lines in the control database.
    pub log_lines: u16,
    /// Newest log lines that stay; older ones are deleted whatever their age is.
    pub most_log_lines: u32,
    /// Config versions that never ran and have a newer version.
    pub unused_configs: u16,
    /// Rows of the audit.
    pub audit: u16,
    /// API tokens that were revoked or have expired.
    pub ended_tokens: u16,
}

/// Deletes what is older than `keep` says, every hour until `stop`.
///
/// `keys` sign what is left of the audit; without them its rows stay.
pub async fn keep_deleting(db: PgPool, keep: Keep, keys: Option<Arc<KeyRing>>, stop: CancellationToken) {
    let mut pause = FIRST;
    loop {
        tokio::select! {
            () = tokio::time::sleep(jittered(pause)) => {}
            () = stop.cancelled() => return,
        }
        // A stop between two batches loses nothing: the rest is deleted an hour later.
        if stop.run_until_cancelled(delete_all(&db, keep, keys.as_deref())).await.is_none() {
            return;
        }
        pause = EVERY;
    }
}

async fn delete_all(db: &PgPool, keep: Keep, keys: Option<&KeyRing>) {
    log_deleted("old tickets", delete(db, keep.tickets).await);
    log_deleted("old log lines", delete_log_lines(db, keep.log_lines).await);
    log_deleted("log lines beyond the limit", delete_log_lines_beyond(db, keep.most_log_lines).await);
    log_deleted("config versions that never ran", delete_unused_configs(db, keep.unused_configs).await);
    log_deleted("old failed logins", delete_login_failures(db).await);
    log_deleted("API tokens that ended long ago", delete_ended_tokens(db, keep.ended_tokens).await);
    log_deleted("old idempotency keys", delete_idempotency_keys(db).await);
    if let Some(keys) = keys {
        log_deleted("old rows of the audit", delete_audit(db, keys, keep.audit).await);
    }
    log_deleted("expired sessions", delete_sessions(db).await);
}

fn log_deleted(what: &str, deleted: sqlx::Result<u64>) {
    match deleted {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "deleted {count} {what}"),
        Err(error) => tracing::warn!(%error, "could not delete {what}"),
    }
}

/// Deletes rows of the audit older than `days`. Returns how many.
pub async fn delete_audit(db: &PgPool, keys: &KeyRing, days: u16) -> sqlx::Result<u64> {
    let before = Utc::now() - TimeDelta::days(days.into());
    let mut deleted = 0;
    loop {
        // A batch counts rows in the chain and older ones together, so only an empty one is the last.
        match audit::remove_old(db, keys, before, BATCH as i32).await? {
            0 => return Ok(deleted),
            batch => deleted += batch,
        }
    }
}

/// Deletes log lines older than `days`. Returns how many.
pub async fn delete_log_lines(db: &PgPool, days: u16) -> sqlx::Result<u64> {
    let age = Duration::from_secs(u64::from(days) * 86_400);
    in_batches(|| logs::remove_old(db, age, BATCH)).await
}

/// Deletes API tokens that were revoked or have expired more than `days` ago. Returns how many.
pub async fn delete_ended_tokens(db: &PgPool, days: u16) -> sqlx::Result<u64> {
    let age = Duration::from_secs(u64::from(days) * 86_400);
    in_batches(|| api_tokens::remove_old(db, age, BATCH)).await
}

/// Deletes the oldest log lines beyond the newest `most`. Returns how many.
pub async fn delete_log_lines_beyond(db: &PgPool, most: u32) -> sqlx::Result<u64> {
    in_batches(|| logs::remove_beyond(db, most, BATCH)).await
}

/// Deletes config versions older than `days` that never ran and have a newer version. Returns how many.
pub async fn delete_unused_configs(db: &PgPool, days: u16) -> sqlx::Result<u64> {
    in_batches(|| config_limits::remove_never_run(db, days, BATCH)).await
}

/// Deletes failed logins that no longer count. Returns how many.
pub async fn delete_login_failures(db: &PgPool) -> sqlx::Result<u64> {
    in_batches(|| login_failures::remove_old(db, BATCH)).await
}

/// Deletes the idempotency keys that are too old for their requests to be sent again. Returns how many.
pub async fn delete_idempotency_keys(db: &PgPool) -> sqlx::Result<u64> {
    in_batches(|| idempotency::remove_old(db, BATCH)).await
}

/// Deletes sessions whose tokens expired more than a day ago. Returns how many.
pub async fn delete_sessions(db: &PgPool) -> sqlx::Result<u64> {
    in_batches(|| sessions::remove_old(db, BATCH)).await
}

/// Deletes finished tickets and workers that are gone for more than `days`. Returns how many tickets.
pub async fn delete(db: &PgPool, days: u16) -> sqlx::Result<u64> {
    let deleted = in_batches(|| delete_tickets(db, days)).await?;
    sqlx::query(
        "delete from apalis.workers w where last_seen < now() - make_interval(days => $1)
           and not exists (select from apalis.jobs j where j.lock_by = w.id)",
    )
    .bind(i32::from(days.max(1)))
    .execute(db)
    .await?;
    sqlx::query("delete from workers where heartbeat_at < now() - make_interval(days => $1)")
        .bind(i32::from(days.max(1)))
        .execute(db)
        .await?;
    Ok(deleted)
}

/// Deletes one batch of finished tickets. Returns how many.
async fn delete_tickets(db: &PgPool, days: u16) -> sqlx::Result<u64> {
    let deleted = sqlx::query(
        "delete from apalis.jobs where id in (
             select id from apalis.jobs
             where done_at < now() - make_interval(days => $1) and status in ('Done', 'Killed', 'Failed')
               and (status <> 'Failed' or attempts >= max_attempts)
             order by done_at limit $2 for update skip locked)",
    )
    .bind(i32::from(days))
    .bind(BATCH)
    .execute(db)
    .await?;
    Ok(deleted.rows_affected())
}

/// Deletes batches of at most [`BATCH`] rows until one is not full. Returns how many rows.
async fn in_batches<F: Future<Output = sqlx::Result<u64>>>(delete: impl Fn() -> F) -> sqlx::Result<u64> {
    let mut deleted = 0;
    loop {
        let batch = delete().await?;
        deleted += batch;
        if batch < BATCH.unsigned_abs() {
            return Ok(deleted);
        }
    }
}
