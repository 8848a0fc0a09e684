//! What travels through the queue: ids only, so that a ticket may arrive twice and long after.

use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use uuid::Uuid;

/// The queue all servers and workers share. `elt run` works on one of its own.
pub const QUEUE: &str = "elt";

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
        crate::queue::push(db, queue, self).await?;
        Ok(())
    }
}
