//! The control database: one file a table, free functions over an executor so that they join a caller's transaction.

pub mod audit;
pub mod configs;
pub mod idempotency;
pub mod known_hosts;
pub mod logs;
pub mod overview;
pub mod runs;
pub mod schedules;
pub mod tokens;
pub mod users;
pub mod workers;

use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

/// Connects a pool of `connections` to the control database. Names resolve in the schema `elt` first.
///
/// # Errors
/// When the database cannot be reached within ten seconds.
pub async fn connect(options: PgConnectOptions, connections: u32) -> sqlx::Result<PgPool> {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(10))
        .connect_with(options.options([("search_path", "elt,public")]))
        .await
}

/// Brings the queue's tables and ours up to date. Safe to run from many processes at once.
///
/// # Errors
/// When a migration fails, or the database is newer than this program.
pub async fn migrate(db: &PgPool) -> Result<(), sqlx::migrate::MigrateError> {
    crate::queue::migrate(db).await?;
    sqlx::migrate!("../migrations").run(db).await
}
