//! What a worker does with a ticket: it begins the run, unless the worker takes nothing new or the run has to wait.

use std::time::Duration;

use sqlx::PgPool;
use uuid::Uuid;

use super::waiting::{Start, start};
use crate::job::ExecuteRun;
use crate::runs::RunState;
use crate::store::runs::{self, Started};
use crate::target::TargetPlace;

/// What became of a ticket.
#[derive(Debug)]
pub enum Taken {
    /// An attempt of its run began.
    Begun(Box<Started>),
    /// Its run waits: its server is away, or another run has its table.
    Waits,
    /// Its run needs no attempt: it has ended, another worker has it, or it is not due.
    NotNeeded,
    /// The worker is drained. The ticket was passed on to the other workers.
    PassedOn,
}

/// Begins the run of a ticket, if it needs an attempt and nothing keeps it from starting. `place` is where it loads to;
/// `None`: it waits for no other run. `longest` is how long it waits for a server; `None`: it does not wait for one, and finds
/// out for itself.
pub async fn take(
    db: &PgPool,
    id: Uuid,
    worker_id: &str,
    place: Option<&TargetPlace>,
    longest: Option<Duration>,
) -> sqlx::Result<Taken> {
    let mut tx = db.begin().await?;
    let taken = match runs::is_drained(&mut tx, worker_id).await? {
        // A new ticket in place of this one wakes the other workers at once. The run keeps its place in the queue.
        true => {
            let run = runs::find(&mut *tx, id).await?;
            if let Some(run) = run.filter(|run| run.state == RunState::Queued) {
                ExecuteRun { run_id: id }.enqueue(&mut tx, &run.queue).await?;
            }
            Taken::PassedOn
        }
        false => match start(&mut tx, id, worker_id, place, longest).await? {
            Start::Begun(started) => Taken::Begun(started),
            Start::Waits => Taken::Waits,
            Start::NotNow => Taken::NotNeeded,
        },
    };
    tx.commit().await?;
    Ok(taken)
}
