//! Ticks: when a schedule is due, one worker finds out whether its window opens or closes, whether its cron expression
//! fires, and whether its sources changed. The decision is written in one transaction: the schedule's row, the runs and
//! their tickets.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use elt_shared::end_schedules::stop_runs;
use elt_shared::explained::sentence;
use elt_shared::notifications;
use elt_shared::queue::heartbeat::Intake;
use elt_shared::runs::{Trigger, lifecycle};
use elt_shared::store::runs;
use elt_shared::store::schedules::{self, DueTick, Schedule, ScheduleState, TickDecision};
use elt_shared::trigger;
use sqlx::PgConnection;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::Instrument;

use super::cron_fires::{self, Fires};
use super::look;
use crate::error::{PipelineError, Result};
use crate::extract::look::Look;
use crate::worker_context::WorkerContext;

/// Ticks that a worker does at the same time.
const TICKS_AT_ONCE: usize = 8;
/// Longest time between two searches for due ticks. A notification that a schedule changed may get lost.
const SEARCH_INTERVAL: Duration = Duration::from_secs(1);
/// Time between two ticks of a schedule that only waits for its run to end.
const WAITING_FOR_RUN_INTERVAL: TimeDelta = TimeDelta::seconds(5);

/// Does due ticks until the worker stops.
pub(crate) async fn keep_ticking(worker: WorkerContext) {
    let mut ticks = worker.listener.ticks();
    let mut at_work = JoinSet::new();
    while !worker.stopping.is_cancelled() {
        let pause = match claim(&worker, &mut at_work).await {
            Ok(pause) => pause,
            Err(error) => {
                tracing::warn!(%error, "could not look for due schedules");
                SEARCH_INTERVAL
            }
        };
        tokio::select! {
            () = sleep(pause) => {}
            _ = ticks.changed() => {}
            Some(_) = at_work.join_next() => {}
            () = worker.stopping.cancelled() => {}
        }
    }
    while at_work.join_next().await.is_some() {}
}

/// Starts the ticks that are due, as far as there is room. Returns how long to wait before the next search.
async fn claim(worker: &WorkerContext, at_work: &mut JoinSet<()>) -> sqlx::Result<Duration> {
    let queue = &worker.settings.queue;
    // Only as many are claimed as can start now, because a claimed tick is hidden from other workers that have room.
    let room = TICKS_AT_ONCE - at_work.len();
    let drained = *worker.heartbeat.intake().borrow() == Intake::Drained;
    if room == 0 || drained {
        return Ok(SEARCH_INTERVAL);
    }
    for due in schedules::claim_due(&worker.db, queue, &worker.id, room as i64).await? {
        let span = tracing::info_span!("tick", schedule.id = %due.schedule.id, pipeline = due.schedule.name);
        at_work.spawn(tick(worker.clone(), due).instrument(span));
    }
    let due = schedules::seconds_until_due(&worker.db, queue).await?.unwrap_or(SEARCH_INTERVAL.as_secs_f64());
    Ok(Duration::from_secs_f64(due.clamp(0.01, SEARCH_INTERVAL.as_secs_f64())))
}

async fn tick(worker: WorkerContext, due: DueTick) {
    let monitors = due.schedule.state == ScheduleState::Active && due.schedule.monitor && !due.is_paused();
    // The sources are read before the transaction begins, because that may take a minute and the transaction locks the
    // schedule's row.
    let look = if monitors && !due.is_over() { Some(look::look(&worker, &due).await) } else { None };
    if matches!(look, Some(Err(PipelineError::Stopped))) {
        // This worker stops, which says nothing about the sources: another worker does the tick at once.
        if let Err(error) = schedules::release(&worker.db, due.schedule.id, due.schedule.ticks).await {
            tracing::warn!(%error, "could not give the tick back");
        }
        return;
    }
    if let Err(error) = decide(&worker, &due, look).await {
        tracing::warn!(%error, "could not write what the tick decided; it is done again");
    }
}

/// Decides about a claimed tick, and writes the decision.
async fn decide(worker: &WorkerContext, due: &DueTick, look: Option<Result<Look>>) -> sqlx::Result<()> {
    let mut tx = worker.db.begin().await?;
    let schedule = &due.schedule;
    // Another worker may have taken the tick over while this one read the sources.
    if !schedules::is_current(&mut tx, schedule.id, schedule.ticks).await? {
        return Ok(());
    }
    match schedule.state {
        // A stopping schedule comes first, because it keeps the reason it is stopped for even if its window ends now.
        ScheduleState::Stopping => still_stopping(&mut tx, schedule).await?,
        // This comes before the other ends, because a schedule that never ran has missed its window.
        ScheduleState::Waiting if due.is_over() => {
            lifecycle::stop_of_schedule(&mut tx, schedule.id).await?;
            tracing::warn!("the window of {} was over before any worker saw it open", schedule.name);
            schedules::end(
                &mut tx,
                schedule.id,
                ScheduleState::Missed,
                "its window was over before any worker saw it open",
            )
            .await?;
            let text = "The window of its schedule was over before any worker saw it open.".to_owned();
            notifications::schedule_missed(&mut tx, schedule, text).await?;
        }
        _ if due.is_over() => {
            tracing::info!("the window of {} is over", schedule.name);
            stop_runs(&mut tx, schedule.id, "end_time").await?;
        }
        _ => go_on(&mut tx, worker, due, look).await?,
    }
    tx.commit().await
}

async fn still_stopping(db: &mut PgConnection, schedule: &Schedule) -> sqlx::Result<()> {
    let reason = schedule.reason.as_deref().unwrap_or("stopped");
    stop_runs(db, schedule.id, reason).await
}

/// The ordinary tick: the window is open, opens now, or has not opened yet.
async fn go_on(
    db: &mut PgConnection,
    worker: &WorkerContext,
    due: &DueTick,
    look: Option<Result<Look>>,
) -> sqlx::Result<()> {
    let schedule = &due.schedule;
    let interval = interval(worker, schedule);
    // The fires of a pause stay due: `catch_up` decides about them at the first tick after it.
    if due.is_paused() || schedule.start_at.is_some_and(|start| start > due.now) {
        let next = schedule.start_at.filter(|start| *start > due.now).unwrap_or(due.now + interval);
        return write(db, due, TickDecision { next_tick_at: next, ..TickDecision::unchanged(schedule) }).await;
    }
    let live = runs::live_of_schedule(&mut *db, schedule.id).await?;
    let fires = cron_fires::due(schedule, due.now, live.any());
    // The runs of the cron expression come before the look decides, because a run that is queued will load what the look found.
    for _ in 0..fires.runs {
        start(db, due, Trigger::Schedule).await?;
    }
    tell_skipped(db, schedule, fires.skipped).await?;
    let (seen, failed) = match look {
        Some(Ok(seen)) => (Some(seen), None),
        Some(Err(error)) => (None, Some(describe(worker, &error))),
        None => (None, None),
    };
    note_look(schedule, failed.as_deref());
    let opens = schedule.state == ScheduleState::Waiting;
    let change = change(schedule, opens, seen.as_ref(), &live, &fires);
    if let Change::Run(trigger) = change {
        start(db, due, trigger).await?;
    }
    // Its last run must have ended, because a stop of the schedule should still reach that run.
    let nothing_left = !schedule.monitor && fires.next.is_none();
    if nothing_left && change == Change::Nothing && fires.runs == 0 && !live.any() {
        return schedules::end(db, schedule.id, ScheduleState::Done, "it has nothing left to fire").await;
    }
    let decision = TickDecision {
        state: ScheduleState::Active,
        next_tick_at: next_tick(due, interval, fires.next, nothing_left),
        next_run_at: fires.next,
        fingerprint: seen
            .as_ref()
            .map(|seen| &seen.fingerprint[..])
            .filter(|_| change != Change::Later && change != Change::Nothing),
        changed: change == Change::Later,
        skipped: fires.skipped,
        error: failed.as_deref(),
    };
    if opens {
        tracing::info!("the window of {} is open", schedule.name);
    }
    if let Some(seen) = &seen {
        note_looks(db, schedule, seen, change).await?;
    }
    write(db, due, decision).await
}

/// Logs how many times of the cron expression made no run, and opens an incident about them if the config asks for it.
async fn tell_skipped(db: &mut PgConnection, schedule: &Schedule, skipped: i64) -> sqlx::Result<()> {
    if skipped > 0 {
        tracing::info!(skipped, "left out {skipped} runs of schedule {}", schedule.name);
        let text =
            format!("Its schedule left {skipped} runs out, because a run was unfinished or no worker was there.");
        notifications::schedule_missed(db, schedule, text).await?;
    }
    Ok(())
}

/// The meaning of the sources' fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    /// There is nothing to do, or a run that is yet to start will read what is there now.
    Nothing,
    /// The run that is going on may have missed the change, so the sources are compared again when it has finished.
    Later,
    /// The fingerprint is kept without a run, as the one that later ones are compared with.
    Baseline,
    /// A run is made, for this reason.
    Run(Trigger),
}

fn change(schedule: &Schedule, opens: bool, seen: Option<&Look>, live: &runs::LiveRuns, fires: &Fires) -> Change {
    // A window that opens makes the first run, unless a run waits for it already or a cron expression says when to run.
    // This comes before the fingerprint, because a schedule without a monitor has none.
    if opens && schedule.cron.is_none() && !live.any() && !live.had_any {
        return Change::Run(Trigger::Schedule);
    }
    let Some(seen) = seen else { return Change::Nothing };
    let is_known = |known: &Vec<u8>| known.as_slice() == seen.fingerprint;
    match &schedule.fingerprint {
        Some(known) if is_known(known) && !is_news(schedule, seen) => match seen.needs_run {
            // The cron expression says when to run a source that only a run can look at.
            true if schedule.cron.is_none() && !live.any() => Change::Run(Trigger::Schedule),
            _ => Change::Nothing,
        },
        // A queued run has not read its sources yet, so it will load the change. The fingerprint is not kept, because the
        // run notes its own.
        _ if live.queued > 0 || fires.runs > 0 => Change::Nothing,
        // A running run may have read a file before it changed. A second run beside it could load half of the change.
        _ if live.running > 0 => Change::Later,
        // The first fingerprint of a schedule with fixed times is no reason to run before the first of them.
        None if schedule.cron.is_some() => Change::Baseline,
        None if !live.had_any => Change::Run(Trigger::Schedule),
        _ => Change::Run(Trigger::FileChange),
    }
}

/// Whether incremental sources have something that is not loaded, and that was not the reason for a run before.
fn is_news(schedule: &Schedule, seen: &Look) -> bool {
    let known = schedule.looks.as_ref().and_then(|looks| looks.0.first()?.news.as_ref());
    seen.news.is_some() && seen.news.as_ref() != known
}

/// Keeps the looks at APIs for the next look. What is new stays unknown until a run was made for it.
async fn note_looks(db: &mut PgConnection, schedule: &Schedule, seen: &Look, change: Change) -> sqlx::Result<()> {
    if seen.looks.is_empty() {
        return Ok(());
    }
    let before = schedule.looks.as_ref().and_then(|looks| looks.0.first()?.news.clone());
    let news = match change {
        Change::Run(_) | Change::Baseline => seen.news.clone(),
        Change::Nothing | Change::Later => before.filter(|before| seen.news.as_ref() == Some(before)),
    };
    let mut looks = seen.looks.clone();
    if let Some(first) = looks.first_mut() {
        first.news = news;
    }
    schedules::note_looks(db, schedule.id, &looks).await
}

/// Makes a run of the schedule.
async fn start(db: &mut PgConnection, due: &DueTick, trigger: Trigger) -> sqlx::Result<()> {
    let run = trigger::from_schedule(db, &due.schedule, trigger).await?;
    tracing::info!(run.id = %run.id, %trigger, "queued a run of {}", due.schedule.name);
    Ok(())
}

/// Writes the decision of a tick.
async fn write(db: &mut PgConnection, due: &DueTick, decision: TickDecision<'_>) -> sqlx::Result<()> {
    schedules::write_tick(db, due.schedule.id, due.schedule.ticks, due.due_at, &decision).await?;
    Ok(())
}

/// The time of the next tick: the next fingerprint, the next fire or the end of the window, whichever comes first.
fn next_tick(
    due: &DueTick,
    interval: TimeDelta,
    next_run_at: Option<DateTime<Utc>>,
    nothing_left: bool,
) -> DateTime<Utc> {
    let schedule = &due.schedule;
    let look = match (schedule.monitor, nothing_left) {
        (true, _) => Some(next_interval(due.due_at, due.now, interval)),
        (false, true) => Some(due.now + WAITING_FOR_RUN_INTERVAL),
        (false, false) => None,
    };
    [look, next_run_at, schedule.end_at].into_iter().flatten().min().unwrap_or(due.now + interval)
}

/// The first multiple of `interval` after `due_at` that is after `now`: a late tick does not shift the later ones.
fn next_interval(due_at: DateTime<Utc>, now: DateTime<Utc>, interval: TimeDelta) -> DateTime<Utc> {
    let interval_ms = interval.num_milliseconds().max(1);
    let behind = (now - due_at).num_milliseconds().max(0);
    due_at + TimeDelta::milliseconds((behind / interval_ms + 1) * interval_ms)
}

fn interval(worker: &WorkerContext, schedule: &Schedule) -> TimeDelta {
    let seconds = schedule.interval_seconds.map_or(i64::from(worker.settings.monitor_interval), i64::from);
    TimeDelta::seconds(seconds.max(1))
}

fn describe(worker: &WorkerContext, error: &PipelineError) -> String {
    format!("on worker {} ({}): {}", worker.host, worker.id, sentence(error))
}

/// Logs that the sources cannot be read, or can be read again: once, and not at every tick.
fn note_look(schedule: &Schedule, failed: Option<&str>) {
    match (schedule.last_tick_error.is_some(), failed) {
        (false, Some(error)) => tracing::warn!("cannot look at the sources of {}: {error}", schedule.name),
        (true, None) if schedule.monitor => tracing::info!("the sources of {} can be looked at again", schedule.name),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_tick_does_not_shift_the_later_ones() {
        let at = |seconds: f64| DateTime::UNIX_EPOCH + TimeDelta::milliseconds((seconds * 1000.0) as i64);
        let minute = TimeDelta::seconds(60);
        assert_eq!(next_interval(at(0.0), at(0.5), minute), at(60.0));
        assert_eq!(next_interval(at(0.0), at(59.9), minute), at(60.0));
        assert_eq!(next_interval(at(0.0), at(190.0), minute), at(240.0));
        assert_eq!(next_interval(at(10.0), at(9.0), minute), at(70.0));
    }
}
