//! Whether the run of a ticket may begin on a worker. [`lifecycle::take`](crate::runs::lifecycle::take) puts these statements
//! together.

use sqlx::PgConnection;

/// Whether the worker should take nothing new. Keeps it from being drained until the caller's transaction ends.
pub(crate) async fn is_drained(db: &mut PgConnection, worker_id: &str) -> sqlx::Result<bool> {
    // The share lock orders this transaction and the request to drain: an attempt begins before the worker counts as
    // drained, or not at all.
    let drained: Option<bool> =
        sqlx::query_scalar("select drain_asked_at is not null from workers where id = $1 for share")
            .bind(worker_id)
            .fetch_optional(db)
            .await?;
    Ok(drained.unwrap_or(false))
}
