//! The control database: one file a table, free functions over an executor so that they join a caller's transaction.

pub mod api_tokens;
pub mod audit;
pub mod config_limits;
pub mod configs;
pub mod coverage;
pub mod idempotency;
pub mod known_hosts;
pub mod login_codes;
pub mod login_failures;
pub mod logs;
pub mod outputs;
pub mod overview;
pub mod pipelines;
pub mod retention;
pub mod roles;
pub mod run_totals;
pub mod runs;
pub mod schedules;
pub mod schema;
mod schema_history;
pub mod sealed;
pub mod sealing;
pub mod second_factors;
pub mod secret_keys;
pub mod secrets;
mod session;
pub mod sessions;
pub mod target_outages;
pub mod tickets;
pub mod uploads;
pub mod users;
pub mod workers;

pub use roles::Grants;
pub use schema::{MigrateError, Migrated, Schema, SchemaState, is_empty, migrate, server_major};
pub use session::{Limits, Writable, connect, is_away, is_over_limit, is_read_only, writable};
