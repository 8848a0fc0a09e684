//! What travels through the queue: ids only, so that a ticket may arrive twice and long after.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::queue;
use crate::store::runs;

/// The queue all servers and workers share.
pub const QUEUE: &str = "elt";

const PRIVATE: &str = "elt-run-";

/// A queue for one process of `elt run`: only that process works it, and what is on it ends with the process.
pub fn private_queue() -> String {
    format!("{PRIVATE}{}", Uuid::now_v7())
}

/// Whether a queue belongs to one process of `elt run`.
pub fn is_private(queue: &str) -> bool {
    queue.starts_with(PRIVATE)
}

/// Wakes a worker for one run. The run's row says whether there is anything to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecuteRun {
    /// The run to look at.
    #[serde(default)]
    pub run_id: Uuid,
}

impl ExecuteRun {
    /// Puts a ticket on `queue`, in the caller's transaction: it exists exactly when the transaction commits.
    pub async fn enqueue(&self, db: &mut PgConnection, queue: &str) -> sqlx::Result<()> {
        self.enqueue_after(db, queue, Duration::ZERO).await
    }

    /// The same, delivered after `delay`.
    pub async fn enqueue_after(&self, db: &mut PgConnection, queue: &str, delay: Duration) -> sqlx::Result<()> {
        let place = runs::ticket(db, self.run_id, delay).await?;
        let ticket = queue::push(db, queue, self, place.due, place.order).await?;
        runs::note_ticket(db, self.run_id, ticket).await
    }
}
