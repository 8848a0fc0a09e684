//! The control database: one file a table, free functions over an executor so that they join a caller's transaction.

pub mod audit;
pub mod configs;
pub mod coverage;
pub mod idempotency;
pub mod known_hosts;
pub mod logs;
pub mod overview;
pub mod pipelines;
pub mod run_totals;
pub mod runs;
pub mod schedules;
pub mod sealing;
pub mod secret_keys;
pub mod tokens;
pub mod uploads;
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

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../migrations");

/// Brings the queue's tables and ours up to date. Safe to run from many processes at once.
///
/// # Errors
/// When a migration fails, or the database is newer than this program.
pub async fn migrate(db: &PgPool) -> Result<(), sqlx::migrate::MigrateError> {
    crate::queue::migrate(db).await?;
    MIGRATIONS.run(db).await
}

/// How many of this program's migrations the database lacks.
pub async fn missing_migrations(db: &PgPool) -> sqlx::Result<usize> {
    let any = sqlx::query_scalar("select to_regclass('elt._sqlx_migrations') is not null").fetch_one(db).await?;
    let applied: Vec<i64> = match any {
        true => sqlx::query_scalar("select version from elt._sqlx_migrations where success").fetch_all(db).await?,
        false => Vec::new(),
    };
    Ok(MIGRATIONS.iter().filter(|migration| !applied.contains(&migration.version)).count())
}
