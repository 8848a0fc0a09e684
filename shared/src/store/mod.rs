//! The control database: one file a table, free functions over an executor so that they join a caller's transaction.

pub mod api_tokens;
pub mod audit;
pub mod config_limits;
pub mod configs;
pub mod coverage;
pub mod gauges;
pub mod idempotency;
pub mod known_hosts;
pub mod login_codes;
pub mod login_failures;
pub mod logs;
pub mod outputs;
pub mod overview;
pub mod pipelines;
pub mod queue_wait;
pub mod roles;
pub mod run_totals;
pub mod runs;
pub mod schedules;
pub mod sealed;
pub mod sealing;
pub mod second_factors;
pub mod secret_keys;
pub mod secrets;
mod session;
pub mod sessions;
pub mod status;
pub mod uploads;
pub mod users;
pub mod workers;

use sqlx::PgPool;

pub use roles::Grants;
pub use session::{Limits, connect, is_over_limit};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../migrations");

/// Brings the queue's tables and ours up to date, and gives the roles their rights. Safe to run from many processes at
/// once.
///
/// # Errors
/// When a migration fails, or the database is newer than this program.
pub async fn migrate(db: &PgPool) -> Result<Grants, sqlx::migrate::MigrateError> {
    crate::queue::migrate(db).await?;
    MIGRATIONS.run(db).await?;
    Ok(roles::grant(db).await?)
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
