//! What a worker does with a ticket: it begins the run, unless the worker takes nothing new.

use sqlx::PgPool;
use uuid::Uuid;

use crate::job::ExecuteRun;
use crate::runs::RunState;
use crate::store::runs::{self, Run};

/// What became of a ticket.
#[derive(Debug, Clone)]
pub enum Taken {
    /// An attempt of its run began.
    Begun(Box<Run>),
    /// Its run needs no attempt: it has ended, another worker has it, or it is not due.
    NotNeeded,
    /// The worker is drained. The ticket was passed on to the other workers.
    PassedOn,
}

/// Begins the run of a ticket, if it needs an attempt and the worker takes runs.
pub async fn take(db: &PgPool, id: Uuid, worker_id: &str) -> sqlx::Result<Taken> {
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
        false => match runs::begin(&mut *tx, id, worker_id).await? {
            Some(run) => Taken::Begun(Box::new(run)),
            None => Taken::NotNeeded,
        },
    };
    tx.commit().await?;
    Ok(taken)
}
