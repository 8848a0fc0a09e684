//! How long a run has been due, at the moment a worker takes its ticket.

use sqlx::PgExecutor;
use uuid::Uuid;

/// Seconds that a run has been due. `None`: it is not queued, or not due yet.
pub async fn seconds(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<Option<f64>> {
    sqlx::query_scalar(
        "select extract(epoch from now() - greatest(created_at, not_before))::float8 from runs
         where id = $1 and state = 'queued' and coalesce(not_before, now()) <= now()",
    )
    .bind(id)
    .fetch_optional(db)
    .await
}
