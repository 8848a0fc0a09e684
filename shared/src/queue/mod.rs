//! The guard rails around apalis: how tickets are pushed, and how workers, heartbeat, sweeper and retention are shaped.
//!
//! The row of a run is the truth; a ticket on the queue only wakes a worker that looks at it, may arrive twice, and may
//! get lost: the sweeper issues another. So the queue's weak places cannot lose or double a run.
//!
//! # Layout
//! - [`shape`]: how queue workers are set up
//! - [`pulse`]: one heartbeat a process, which also extends the leases of its runs
//! - [`wakes`]: one listener a process
//! - [`sweeper`]: runs and tickets nobody takes care of any more
//! - [`retention`]: deleting what is long over

pub mod pulse;
pub mod retention;
pub mod shape;
pub mod sweeper;
pub mod wakes;

use std::time::Duration;

use apalis::prelude::{TaskBuilder, TaskId};
use apalis_postgres::PostgresStorage;
use apalis_postgres::queries::push_tasks;
use serde::Serialize;
use sqlx::{PgConnection, PgPool};
use ulid::Ulid;

/// Says that a run should stop; carries its id.
pub const STOP_CHANNEL: &str = "elt_stop";
/// Says that a schedule was made or changed.
pub const TICK_CHANNEL: &str = "elt_tick";

/// How often a worker looks for tickets that notify nobody.
pub const LOOK: Duration = Duration::from_secs(1);

/// Deliveries of one ticket. A handler answers with an error only when the control database failed under it.
const DELIVERIES: usize = 4;

/// Pushes a ticket in the caller's transaction; it is delivered at once. Returns its id.
pub async fn push(db: &mut PgConnection, queue: &str, ticket: &impl Serialize) -> sqlx::Result<Ulid> {
    push_after(db, queue, ticket, Duration::ZERO).await
}

/// Pushes a ticket in the caller's transaction that is delivered after `delay`. Returns its id.
pub async fn push_after(
    db: &mut PgConnection,
    queue: &str,
    ticket: &impl Serialize,
    delay: Duration,
) -> sqlx::Result<Ulid> {
    // Due by the database's clock: the clock of this machine may be hours off. The queue counts whole seconds.
    let due: i64 = sqlx::query_scalar(
        "select case when $1 > 0 then ceil(extract(epoch from now()) + $1)
                     else floor(extract(epoch from now())) end::bigint",
    )
    .bind(delay.as_secs_f64())
    .fetch_one(&mut *db)
    .await?;
    let id = Ulid::generate();
    let payload = serde_json::to_vec(ticket).map_err(|error| sqlx::Error::Encode(error.into()))?;
    let task = TaskBuilder::new(payload)
        .task_id(TaskId::from_ulid(id))
        .max_attempts(DELIVERIES)
        .run_at_timestamp(due.unsigned_abs())
        .build();
    push_tasks(db, queue, vec![task]).await.map_err(database_error)?;
    Ok(id)
}

/// Runs the queue's own migrations.
///
/// # Errors
/// When one fails: the account may lack the right to create the `hstore` extension.
pub async fn migrate(db: &PgPool) -> Result<(), sqlx::migrate::MigrateError> {
    PostgresStorage::<()>::migrations().run(db).await
}

fn database_error(error: apalis_postgres::Error) -> sqlx::Error {
    match error {
        apalis_postgres::Error::Database(error) => error,
        other => sqlx::Error::Protocol(other.to_string()),
    }
}
