//! The installation: all processes that use one control database.

use sqlx::PgExecutor;
use uuid::Uuid;

/// Its id, which the first migration that knows it made, and which a backup keeps.
pub async fn id(db: impl PgExecutor<'_>) -> sqlx::Result<Uuid> {
    sqlx::query_scalar("select id from installation").fetch_one(db).await
}
