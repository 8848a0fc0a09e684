//! Ending schedules before their time, together with the runs they made.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::runs::lifecycle;
use crate::store::runs;
use crate::store::schedules::{self, Schedule, ScheduleState};

/// Ends a live schedule on request: its waiting runs never start, its running one stops at the next batch boundary.
/// `None`: the schedule does not exist. A schedule that has ended stays as it is.
pub async fn stop(db: &mut PgConnection, id: Uuid, reason: &str) -> sqlx::Result<Option<Schedule>> {
    if schedules::lock_live(&mut *db, id).await? {
        stop_runs(db, id, reason).await?;
    }
    schedules::find(db, id).await
}

/// Stops the runs of a live schedule, and ends it: as stopped, or as stopping while a run of it still runs.
pub async fn stop_runs(db: &mut PgConnection, id: Uuid, reason: &str) -> sqlx::Result<()> {
    let running = lifecycle::stop_of_schedule(db, id).await?;
    let state = if running > 0 { ScheduleState::Stopping } else { ScheduleState::Stopped };
    schedules::end(db, id, state, reason).await
}

/// Ends a live schedule because a newer one takes its place: runs that wait for its window never start, others go on.
pub async fn replace(db: &mut PgConnection, id: Uuid, reason: &str) -> sqlx::Result<()> {
    for run in runs::waiting_for_window(&mut *db, id).await? {
        lifecycle::request_stop(db, run).await?;
    }
    schedules::end(db, id, ScheduleState::Stopped, reason).await
}
