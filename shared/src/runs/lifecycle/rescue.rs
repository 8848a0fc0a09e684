//! What becomes of a run whose worker was lost. The sweeper calls this.

use sqlx::PgConnection;

use super::finish::{EndedBy, finish};
use super::unknown::{ask_again, leave_unknown};
use crate::job::{ExecuteRun, is_private};
use crate::runs::{AttemptEnd, End, Failure};
use crate::store::runs::{self, LostRun};

/// Sends a lost run back to the queue, or ends it. True: a worker takes it again, to load or to ask the target.
pub async fn rescue(db: &mut PgConnection, run: &LostRun) -> sqlx::Result<bool> {
    // An attempt that only asked has changed nothing: the run is as unknown as before, and the next worker asks. This
    // comes first, because the rules below are about attempts that load.
    if run.unknown {
        let lost = Failure { code: "worker_lost", error: "the worker that asked the target was lost" };
        return ask_again(db, run.id, run.epoch, lost).await;
    }
    let end = end_if_not_loaded(run);
    // The COMMIT may have arrived, so the run must neither end nor be tried again before the target was asked.
    if run.commit_sent {
        return leave_unknown(db, run.id, run.epoch, end.as_ref(), AttemptEnd::WorkerLost).await;
    }
    if let Some(end) = end {
        finish(db, run.id, EndedBy::Attempt(run.epoch), &end, None).await?;
        return Ok(false);
    }
    // The sweeper has locked the row, so no other attempt can have begun since it was read.
    runs::queue_after_loss(&mut *db, run.id, run.epoch).await?;
    runs::end_attempt(db, run.id, run.epoch, AttemptEnd::WorkerLost, None).await?;
    ExecuteRun { run_id: run.id }.enqueue(db, &run.queue).await?;
    Ok(true)
}

/// The end of a lost run that loaded nothing. `None`: it is tried again.
fn end_if_not_loaded(run: &LostRun) -> Option<End> {
    // A stop comes before the attempts, because a run that should stop must not be tried again.
    if run.stop {
        return Some(End::Stopped);
    }
    // No other process takes tickets from the queue of a process of `elt run`.
    if is_private(&run.queue) {
        return Some(End::process_gone());
    }
    (run.attempt >= run.max_attempts).then(|| End::Failed {
        code: "worker_lost".into(),
        error: format!("the run lost its worker {} times", run.attempt),
        next_step:
            "Look for a killed worker (out of memory, a crash) in its log and in the system's; then retry the run."
                .into(),
    })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn lost(attempt: i32) -> LostRun {
        LostRun {
            id: Uuid::nil(),
            epoch: 1,
            attempt,
            max_attempts: 3,
            worker_id: None,
            queue: "elt".into(),
            stop: false,
            unknown: false,
            commit_sent: false,
        }
    }

    #[test]
    fn a_lost_run_is_tried_again_while_attempts_are_left() {
        assert_eq!(end_if_not_loaded(&lost(2)), None);
        for attempt in [3, 4] {
            let end = end_if_not_loaded(&lost(attempt));
            assert!(matches!(&end, Some(End::Failed { code, .. }) if code == "worker_lost"), "{end:?}");
        }
    }

    #[test]
    fn a_stop_comes_before_the_attempts_and_the_queue() {
        for run in [LostRun { stop: true, ..lost(3) }, LostRun { stop: true, queue: "elt-run-x".into(), ..lost(1) }] {
            assert_eq!(end_if_not_loaded(&run), Some(End::Stopped));
        }
        assert_eq!(end_if_not_loaded(&LostRun { queue: "elt-run-x".into(), ..lost(1) }), Some(End::process_gone()));
    }
}
