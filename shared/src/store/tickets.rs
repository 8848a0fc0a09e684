//! Tickets of the queue and the queue's own workers, which the queue itself never deletes.

use sqlx::PgExecutor;

/// Deletes tickets that were finished more than `days` ago, at most `limit` of them. Returns how many: call again while it
/// is `limit`.
pub async fn remove_old(db: impl PgExecutor<'_>, days: u16, limit: i64) -> sqlx::Result<u64> {
    let removed = sqlx::query(
        "delete from apalis.jobs where id in (
             select id from apalis.jobs
             where done_at < now() - make_interval(days => $1) and status in ('Done', 'Killed', 'Failed')
               and (status <> 'Failed' or attempts >= max_attempts)
             order by done_at limit $2 for update skip locked)",
    )
    .bind(i32::from(days))
    .bind(limit)
    .execute(db)
    .await?;
    Ok(removed.rows_affected())
}

/// Deletes the queue's workers that were last seen more than `days` ago, at least a day, and hold no ticket.
pub async fn remove_lost_workers(db: impl PgExecutor<'_>, days: u16) -> sqlx::Result<()> {
    sqlx::query(
        "delete from apalis.workers w where last_seen < now() - make_interval(days => $1)
           and not exists (select from apalis.jobs j where j.lock_by = w.id)",
    )
    .bind(i32::from(days.max(1)))
    .execute(db)
    .await?;
    Ok(())
}
