//! The numbers of the dashboard's first page.

use axum::extract::State;
use chrono::{DateTime, Utc};
use elt_shared::store::overview::{self, Numbers};
use elt_shared::store::pauses;
use elt_shared::store::run_counts;
use elt_shared::store::schedules::{self, ScheduleFilter, ScheduleState};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::queues::PauseView;
use super::schedules::ScheduleView;
use crate::AppState;
use crate::auth::{Allowed, Read};
use crate::error::Result;
use crate::extract::Json;

/// Schedules that are looked at for the next runs.
const SCHEDULES: i64 = 500;
/// Number of coming ticks that are shown.
const NEXT: usize = 5;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(numbers))
}

/// Counts and lists of the dashboard's first page.
#[derive(Serialize, ToSchema)]
struct Overview {
    /// Runs that could start now.
    queued: i64,
    /// How long the oldest of them has been waiting, in seconds.
    oldest_queued_seconds: f64,
    /// The other queued runs: they wait for their time, another attempt, a pause, a limit, their server or their table.
    waiting: i64,
    /// Number of runs that workers execute now.
    running: i64,
    /// Runs and replays that succeeded in the last 24 hours, whatever their outcome.
    succeeded_24h: i64,
    /// Runs and replays of the last 24 hours with the outcome `with_warnings`.
    warned_24h: i64,
    /// Runs and replays of the last 24 hours with the outcome `nothing_loaded`.
    nothing_loaded_24h: i64,
    /// Runs and replays that failed in the last 24 hours.
    failed_24h: i64,
    /// Rows that runs and replays inserted in the last 24 hours.
    rows_inserted_24h: i64,
    /// Rows that runs and replays rejected in the last 24 hours.
    rows_quarantined_24h: i64,
    /// Workers whose heartbeat is fresh, also those that take no runs.
    workers_alive: i64,
    /// Runs that the workers which take runs can execute at the same time.
    slots: i64,
    /// Runs and rows of each of the last 14 days, oldest first.
    days: Vec<Day>,
    /// Which schedules fire next.
    next_runs: Vec<NextRun>,
    /// Everything that is paused, the oldest pause first.
    pauses: Vec<PauseView>,
    /// What else needs someone's attention.
    alerts: Vec<String>,
}

/// What happened on a day (UTC).
#[derive(Serialize, ToSchema)]
struct Day {
    day: DateTime<Utc>,
    rows_inserted: i64,
    succeeded: i64,
    failed: i64,
}

/// A schedule that fires.
#[derive(Serialize, ToSchema)]
struct NextRun {
    schedule_id: uuid::Uuid,
    /// Pipeline name.
    name: String,
    at: DateTime<Utc>,
}

/// How things stand: runs, rows, workers, what fires next, and what needs attention.
#[utoipa::path(get, path = "/overview", tag = "overview", security(("token" = []), ("api_token" = ["read"])), responses(
    (status = 200, body = Overview)))]
async fn numbers(State(state): State<AppState>, _caller: Allowed<Read>) -> Result<Json<Overview>> {
    let numbers = overview::numbers(&state.db).await?;
    let days = run_counts::days(&state.db).await?;
    let pauses = pauses::list(&state.db).await?;
    let live = [ScheduleState::Waiting, ScheduleState::Active];
    let filter = ScheduleFilter { states: Some(&live), ..ScheduleFilter::default() };
    let schedules = schedules::list(&state.db, &filter, None, SCHEDULES).await?;
    let schedules: Vec<ScheduleView> =
        schedules.into_iter().filter(|schedule| !schedule.paused).map(Into::into).collect();
    let days = days.into_iter().map(|day| Day {
        day: day.day,
        rows_inserted: day.rows_inserted,
        succeeded: day.succeeded,
        failed: day.failed,
    });
    Ok(Json(Overview {
        alerts: alerts(&numbers),
        pauses: pauses.into_iter().map(Into::into).collect(),
        next_runs: next_runs(&schedules),
        days: days.collect(),
        queued: numbers.queued,
        oldest_queued_seconds: numbers.oldest_queued_seconds,
        waiting: numbers.waiting,
        running: numbers.running,
        succeeded_24h: numbers.succeeded_24h,
        warned_24h: numbers.warned_24h,
        nothing_loaded_24h: numbers.nothing_loaded_24h,
        failed_24h: numbers.failed_24h,
        rows_quarantined_24h: numbers.rows_quarantined_24h,
        rows_inserted_24h: numbers.rows_inserted_24h,
        workers_alive: numbers.workers_alive,
        slots: numbers.slots,
    }))
}

/// The next fire of each schedule: one entry per schedule, because a frequent one would hide the others.
fn next_runs(schedules: &[ScheduleView]) -> Vec<NextRun> {
    let fires = schedules.iter().filter_map(|schedule| {
        let opens = schedule.start_at.filter(|_| schedule.state == ScheduleState::Waiting);
        let at = opens.or_else(|| schedule.upcoming.first().copied())?;
        Some(NextRun { schedule_id: schedule.id, name: schedule.name.clone(), at })
    });
    let mut fires: Vec<NextRun> = fires.collect();
    fires.sort_by_key(|fire| fire.at);
    fires.truncate(NEXT);
    fires
}

fn alerts(numbers: &Numbers) -> Vec<String> {
    let mut alerts = Vec::new();
    if numbers.workers_alive == 0 {
        alerts.push("No worker is alive: runs wait until one is started with `elt worker`.".into());
    }
    if numbers.workers_alive > 0 && numbers.slots == 0 {
        alerts.push("No worker takes runs now: the page Workers says why.".into());
    }
    if numbers.oldest_queued_seconds > 300.0 && numbers.slots > 0 {
        let minutes = numbers.oldest_queued_seconds / 60.0;
        alerts
            .push(format!("The oldest queued run has been waiting for {minutes:.0} minutes: more workers would help."));
    }
    if numbers.host_keys_waiting > 0 {
        let keys = counted(numbers.host_keys_waiting, ("SFTP host key waits", "SFTP host keys wait"));
        alerts.push(format!("{keys} for an admin's approval."));
    }
    if numbers.failing_schedules > 0 {
        let schedules = counted(numbers.failing_schedules, ("schedule", "schedules"));
        alerts.push(format!("{schedules} could not look at the sources last time: see Schedules."));
    }
    alerts
}

fn counted(number: i64, (one, many): (&str, &str)) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
