//! The end of a run.

use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::job::ExecuteRun;
use crate::notifications;
use crate::redaction;
use crate::runs::End;
use crate::store::run_profiles;
use crate::store::runs::{self, Released};
use crate::store::schedules;

/// The party that ends a run. It says what the run's row must still look like, so that two parties cannot both end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedBy {
    /// The attempt that began with this epoch: its worker ends the run, or the sweeper does in place of a lost worker.
    Attempt(i64),
    /// A request to stop that came before any worker took the run. The run must be queued and must not be unknown.
    StopBeforeStart,
}

/// Ends a run. Every end goes through this function, so what belongs to the end of a run belongs here: the attempt's end, the
/// ticket, the profile, the run that waits for the same target, the schedule, and the messages about it. Ended runs are counted
/// by a trigger of the database. Secrets are hidden in the report.
///
/// A caller that holds no run's lock yet takes [`schedules::lock_of_run`] first, so that the schedule is ended here and not only
/// by its next tick. Returns `false` when the run is not as `by` says any more; then nothing was written.
pub async fn finish(
    db: &mut PgConnection,
    id: Uuid,
    by: EndedBy,
    end: &End,
    report: Option<&Value>,
) -> sqlx::Result<bool> {
    let mut report = report.cloned();
    if let Some(report) = &mut report {
        redaction::hide_in(report);
    }
    let profile = report.as_mut().and_then(take_profile);
    // The run's row comes first, because it decides whether this caller may write anything at all.
    let Some(released) = runs::write_end(db, id, by, end, report.as_ref()).await? else { return Ok(false) };
    if let Some(profile) = profile {
        run_profiles::keep(&mut *db, id, &profile).await?;
    }
    match by {
        EndedBy::Attempt(epoch) => runs::end_attempt(db, id, epoch, end.of_attempt(), end.failure()).await?,
        // The ticket of an attempt has been delivered. That of a run without an attempt must not wake a worker any more.
        EndedBy::StopBeforeStart => runs::withdraw_ticket(&mut *db, id).await?,
    }
    // A run that was stopped before its start may have been the one chosen to load next.
    wake_next(db, &released).await?;
    // The schedule comes after the run, because it counts the runs that are still unfinished.
    if let Some(schedule) = released.schedule_id {
        schedules::run_finished(db, schedule).await?;
    }
    notifications::run_ended(db, id, end).await?;
    Ok(true)
}

/// Takes the profile out of a report, because it is kept in a table of its own. `None` also for a run that repeats one which
/// had loaded: the profile is that of the other run.
fn take_profile(report: &mut Value) -> Option<Value> {
    let profile = report.as_object_mut()?.remove("profile")?;
    report["loaded_by"].is_null().then_some(profile)
}

/// Wakes the run that waits longest for the target that a run has let go.
pub(super) async fn wake_next(db: &mut PgConnection, released: &Released) -> sqlx::Result<()> {
    if let Some((run_id, queue)) = runs::take_next_for_target(&mut *db, released).await? {
        ExecuteRun { run_id }.enqueue(db, &queue).await?;
    }
    Ok(())
}
