//! The queue: how tickets are pushed, and what keeps apalis from losing or doubling work.
//!
//! The row of a run is the truth. A ticket on the queue only wakes a worker that looks at the row; it may arrive twice, and
//! it may get lost, because the sweeper then issues another. So no fault of the queue can lose or double a run.
//!
//! # Layout
//! - [`workers`]: how the queue's workers are set up
//! - [`heartbeat`]: one heartbeat for each process, which also extends the leases of its runs
//! - [`listener`]: one listener for each process, which turns notifications of the database into "look now"
//! - [`sweeper`]: runs and tickets that no process takes care of any more
//! - [`retention`]: deleting rows that are no longer needed

pub mod heartbeat;
pub mod listener;
pub mod retention;
pub mod sweeper;
pub mod workers;

use std::time::Duration;

use apalis::prelude::{TaskBuilder, TaskId};
use apalis_postgres::PostgresStorage;
use apalis_postgres::queries::push_tasks;
use serde::Serialize;
use sqlx::PgConnection;
use ulid::Ulid;

/// Channel on which the database notifies that a run should stop; the payload is its id.
pub const STOP_CHANNEL: &str = "elt_stop";
/// Channel on which the database notifies that a schedule was made or changed.
pub const TICK_CHANNEL: &str = "elt_tick";
/// Channel on which the database notifies that a worker was drained, a queue was paused, or either may go on.
pub const FLEET_CHANNEL: &str = "elt_fleet";

/// Time between two polls for tickets that raised no notification.
pub const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Deliveries of one ticket. A handler fails only when the control database does, so a few are enough, and the sweeper
/// issues another ticket after the last one.
const DELIVERIES: usize = 4;

/// Pushes a ticket in the caller's transaction. It is delivered once `due`, in seconds of the Unix time, has passed; of the
/// tickets that are due, the one with the highest `order` first. Returns its id.
pub async fn push(
    db: &mut PgConnection,
    queue: &str,
    ticket: &impl Serialize,
    due: i64,
    order: i32,
) -> sqlx::Result<Ulid> {
    let id = Ulid::generate();
    let payload = serde_json::to_vec(ticket).map_err(|error| sqlx::Error::Encode(error.into()))?;
    let task = TaskBuilder::new(payload)
        .task_id(TaskId::from_ulid(id))
        .max_attempts(DELIVERIES)
        .run_at_timestamp(due.unsigned_abs())
        // The column takes negative numbers and the builder does not. The queue casts the value back to its lower 32 bits.
        .priority((order as isize).cast_unsigned())
        .build();
    push_tasks(db, queue, vec![task]).await.map_err(database_error)?;
    Ok(id)
}

/// Runs the queue's own migrations.
///
/// # Errors
/// When a migration fails, for example because the account may not create the `hstore` extension.
pub async fn migrate(db: &mut PgConnection) -> Result<(), sqlx::migrate::MigrateError> {
    PostgresStorage::<()>::migrations().run(db).await
}

fn database_error(error: apalis_postgres::Error) -> sqlx::Error {
    match error {
        apalis_postgres::Error::Database(error) => error,
        other => sqlx::Error::Protocol(other.to_string()),
    }
}
