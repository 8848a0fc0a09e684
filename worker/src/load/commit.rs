//! The COMMIT of a load. It is noted in the control database before it is sent, so that elt knows which runs may have
//! loaded when an answer is lost.

use std::sync::Arc;
use std::time::Duration;

use elt_shared::runs::lifecycle;
use elt_shared::target::TableRef;
use sqlx::postgres::{PgDatabaseError, PgSeverity};
use sqlx::{PgPool, Postgres, Transaction};
use tokio::time::{Instant, sleep, timeout_at};

use super::failure::Failing;
use super::marker::Attempt;
use crate::error::{PipelineError, Result};
use crate::progress::Progress;
use crate::run_context::RunContext;

/// Longest time for noting a COMMIT in the control database. It is short, because the target's locks are held meanwhile.
const NOTED_WITHIN: Duration = Duration::from_secs(10);
/// Pause between two tries to note it.
const PAUSE_BETWEEN_NOTES: Duration = Duration::from_millis(500);

/// Commits what a run changed in its target.
#[derive(Debug, Clone)]
pub struct Commit {
    control: PgPool,
    attempt: Attempt,
    progress: Arc<Progress>,
}

impl Commit {
    /// The commit of the current attempt at a run.
    pub fn of(context: &RunContext) -> Self {
        Self {
            control: context.control.clone(),
            attempt: Attempt::of(&context.run),
            progress: Arc::clone(&context.progress),
        }
    }

    /// Notes the COMMIT and sends it.
    ///
    /// # Errors
    /// [`PipelineError::Fenced`] when a newer attempt began. When the answer is lost, [`Progress::commit_sent`] stays
    /// true: the transaction may have committed.
    pub async fn send(&self, tx: Transaction<'_, Postgres>, table: &TableRef) -> Result<()> {
        self.note().await?;
        self.progress.note_commit(true);
        let Err(error) = tx.commit().await else { return Ok(()) };
        if is_refusal(&error) {
            self.progress.note_commit(false);
        }
        Err(Failing::at(table, "commit").because(error))
    }

    /// Notes in the control database that a COMMIT is about to be sent. Nothing is committed without this note, because
    /// a worker that is lost afterwards leaves no other trace of its COMMIT.
    async fn note(&self) -> Result<()> {
        let fail = |source| PipelineError::Control { doing: "note that the load is about to commit", source };
        let deadline = Instant::now() + NOTED_WITHIN;
        loop {
            let noting = lifecycle::note_commit(&self.control, self.attempt.run_id, self.attempt.epoch);
            match timeout_at(deadline, noting).await {
                Ok(Ok(true)) => return Ok(()),
                Ok(Ok(false)) => return Err(PipelineError::Fenced),
                Ok(Err(error)) if Instant::now() + PAUSE_BETWEEN_NOTES > deadline => return Err(fail(error)),
                Ok(Err(_)) => sleep(PAUSE_BETWEEN_NOTES).await,
                Err(_) => return Err(fail(sqlx::Error::PoolTimedOut)),
            }
        }
    }
}

/// Whether the server answered the COMMIT with an error that leaves the session usable, because it has then rolled
/// back. An error that ends the session may also come after the commit, for example while the server waits for a
/// replica.
fn is_refusal(error: &sqlx::Error) -> bool {
    let answer = error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
    answer.is_some_and(|answer| answer.severity() == PgSeverity::Error)
}
