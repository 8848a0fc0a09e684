//! How a worker gives a run up unfinished, so that it is tried again.

use std::time::Duration;

use sqlx::PgConnection;
use uuid::Uuid;

use super::finish::{EndedBy, finish, wake_next};
use crate::job::ExecuteRun;
use crate::runs::backoff::LONGEST_ASK_PAUSE;
use crate::runs::{AttemptEnd, End, Failure, RunState};
use crate::store::runs::{self, Run};
use crate::store::target_outages;

/// Sends a run back to wait `pause` for its next attempt. A run that was asked to stop meanwhile ends stopped instead.
/// Returns the run's new state, queued or stopped; `None`: the attempt was fenced off.
pub async fn retry_later(
    db: &mut PgConnection,
    id: Uuid,
    epoch: i64,
    pause: Duration,
    failure: Failure<'_>,
) -> sqlx::Result<Option<RunState>> {
    // The run may have tried to reach its server for other runs, and failed before it got there.
    target_outages::note_failed_try(&mut *db, id, LONGEST_ASK_PAUSE).await?;
    // The stop may have been asked for after the attempt failed. The worker has then not seen it, and the run would wait
    // for another attempt although it was asked to stop.
    if runs::is_stopping(db, id, epoch).await? {
        return stop_instead(db, id, epoch).await;
    }
    let Some(released) = runs::queue_retry(&mut *db, id, epoch, pause, failure.error).await? else { return Ok(None) };
    runs::end_attempt(db, id, epoch, AttemptEnd::Retry, Some(failure)).await?;
    ExecuteRun { run_id: id }.enqueue_after(db, &released.queue, pause).await?;
    // The run lets its target go while it waits, because another run may use the pause to load.
    wake_next(db, &released).await?;
    Ok(Some(RunState::Queued))
}

/// Ends a run stopped in place of sending it back to the queue. `None`: the attempt was fenced off.
pub(super) async fn stop_instead(db: &mut PgConnection, id: Uuid, epoch: i64) -> sqlx::Result<Option<RunState>> {
    let ended = finish(db, id, EndedBy::Attempt(epoch), &End::Stopped, None).await?;
    Ok(ended.then_some(RunState::Stopped))
}

/// Sends a run back to wait until `holder`, which loads into the same target, lets go. The attempt does not count. False:
/// the attempt was fenced off.
pub async fn wait_for_target(db: &mut PgConnection, id: Uuid, epoch: i64, holder: Uuid) -> sqlx::Result<bool> {
    // The holder's row is locked first, because that puts this transaction before or after the holder's end. Otherwise
    // the holder could end between the two statements and wake no run, since this one would not wait yet.
    let (still_held, key) = runs::lock_holder(db, holder).await?;
    let Some(released) = runs::queue_for_target(&mut *db, id, epoch, holder, key.as_deref()).await? else {
        return Ok(false);
    };
    runs::end_attempt(db, id, epoch, AttemptEnd::TargetBusy, None).await?;
    // While the target is held, the end of its holder issues the ticket. A target that is free already wakes nobody.
    if !still_held {
        ExecuteRun { run_id: id }.enqueue(db, &released.queue).await?;
    }
    Ok(true)
}

/// Gives a run back unfinished because its worker stops. The attempt does not count. False: the attempt was fenced off.
pub async fn hand_back(db: &mut PgConnection, id: Uuid, epoch: i64) -> sqlx::Result<bool> {
    let Some(released) = runs::queue_handed_back(&mut *db, id, epoch).await? else { return Ok(false) };
    runs::end_attempt(db, id, epoch, AttemptEnd::HandedBack, None).await?;
    // The next run for the target is not woken: this one is due at once and claims the target again.
    ExecuteRun { run_id: id }.enqueue(db, &released.queue).await?;
    Ok(true)
}

/// Makes the run of a schedule due that waits for its window to open. `None`: no run waits.
pub async fn start_waiting(db: &mut PgConnection, schedule_id: Uuid) -> sqlx::Result<Option<Run>> {
    let started = runs::open_window(&mut *db, schedule_id).await?;
    if let Some(run) = &started {
        ExecuteRun { run_id: run.id }.enqueue(db, &run.queue).await?;
    }
    Ok(started)
}
