//! Retention: the queue never deletes anything, so finished tickets and lost workers are deleted here, in small
//! batches that hold no lock for long.

use std::time::Duration;

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::jittered;

const EVERY: Duration = Duration::from_secs(3600);
/// The first time soon after the start, so that processes that live shorter than an hour do their part.
const FIRST: Duration = Duration::from_secs(60);
const BATCH: i64 = 5_000;

/// Deletes what ended more than `days` ago, every hour until `stop`.
pub async fn keep_deleting(db: PgPool, days: u16, stop: CancellationToken) {
    let mut pause = FIRST;
    loop {
        tokio::select! {
            () = tokio::time::sleep(jittered(pause)) => {}
            () = stop.cancelled() => return,
        }
        match delete(&db, days).await {
            Ok(0) => {}
            Ok(tickets) => tracing::info!(tickets, "deleted {tickets} old tickets"),
            Err(error) => tracing::warn!(%error, "could not delete old tickets"),
        }
        pause = EVERY;
    }
}

/// Deletes finished tickets and workers that are gone for more than `days`. Answers how many tickets.
pub async fn delete(db: &PgPool, days: u16) -> sqlx::Result<u64> {
    let mut deleted = 0;
    loop {
        let batch = sqlx::query(
            "delete from apalis.jobs where id in (
                 select id from apalis.jobs
                 where done_at < now() - make_interval(days => $1) and status in ('Done', 'Killed', 'Failed')
                   and (status <> 'Failed' or attempts >= max_attempts)
                 order by done_at limit $2 for update skip locked)",
        )
        .bind(i32::from(days))
        .bind(BATCH)
        .execute(db)
        .await?
        .rows_affected();
        deleted += batch;
        if batch < BATCH.unsigned_abs() {
            break;
        }
    }
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
