//! Unknown runs: runs that may have loaded.
//!
//! An attempt that sent its COMMIT and got no answer may have loaded; only the run's marker in the target shows whether
//! it did. Such a run is unknown: it goes back to the queue, and its next attempts ask the target and load nothing.
//! They do not count against `max_attempts`, any worker may make them, and they go on until the target answers. Until
//! then the run neither ends nor is retried.

use std::time::Duration;

use sqlx::PgConnection;
use uuid::Uuid;

use super::finish::wake_next;
use crate::job::ExecuteRun;
use crate::runs::backoff::LONGEST_ASK_PAUSE;
use crate::runs::{AttemptEnd, End, Failure};
use crate::store::{runs, target_outages};

/// Sends a run whose attempt may have loaded back to the queue, as unknown. `if_not_loaded` is the run's end if the
/// target says that it did not load; `None`: it is tried again. `left` is the end of the attempt; an attempt that was
/// handed back does not count. False: the attempt was fenced off.
pub async fn leave_unknown(
    db: &mut PgConnection,
    id: Uuid,
    epoch: i64,
    if_not_loaded: Option<&End>,
    left: AttemptEnd,
) -> sqlx::Result<bool> {
    let Some(released) = runs::queue_unknown(&mut *db, id, epoch, if_not_loaded, left).await? else {
        return Ok(false);
    };
    runs::end_attempt(db, id, epoch, left, None).await?;
    ExecuteRun { run_id: id }.enqueue(db, &released.queue).await?;
    // Other runs may load while the question is open: their rows do not change what the run's marker says.
    wake_next(db, &released).await?;
    Ok(true)
}

/// Sends an unknown run back to the queue because its target did not answer. False: the attempt was fenced off.
pub async fn ask_again(db: &mut PgConnection, id: Uuid, epoch: i64, failure: Failure<'_>) -> sqlx::Result<bool> {
    // The run may have tried to reach its target for other runs, too.
    target_outages::note_failed_try(&mut *db, id, LONGEST_ASK_PAUSE).await?;
    let Some(ask) = runs::queue_ask(&mut *db, id, epoch).await? else { return Ok(false) };
    runs::end_attempt(db, id, epoch, AttemptEnd::Unknown, Some(failure)).await?;
    let pause = Duration::try_from_secs_f64(ask.pause_seconds).unwrap_or_default();
    ExecuteRun { run_id: id }.enqueue_after(db, &ask.released.queue, pause).await?;
    wake_next(db, &ask.released).await?;
    Ok(true)
}

/// Moves unknown runs of a process of `elt run` that is gone to `queue`, because no other process takes tickets from
/// that process's own queue. A moved run is asked about but not tried again, because its sources may be out of reach
/// here. Returns the runs moved.
pub async fn adopt(db: &mut PgConnection, queue: &str) -> sqlx::Result<Vec<Uuid>> {
    let adopted = runs::move_unknown(&mut *db, queue, &End::process_gone()).await?;
    for run_id in &adopted {
        ExecuteRun { run_id: *run_id }.enqueue(db, queue).await?;
    }
    Ok(adopted)
}
