//! Transactions that need a run and its schedule never wait for each other in a circle.

use std::time::{Duration, Instant};

use elt_shared::end_schedules::stop_runs;
use elt_shared::pauses;
use elt_shared::queue::sweeper;
use elt_shared::runs::End;
use elt_shared::runs::lifecycle::{self, EndedBy, StopAnswer, Taken};
use elt_shared::store::pauses::PauseScope;
use elt_shared::store::schedules::{self, Schedule};
use uuid::Uuid;

use crate::support::control::Control;

/// For a slow and busy machine.
const PATIENCE: Duration = Duration::from_secs(180);
/// How often each of the two must have come first.
const OFTEN: u32 = 20;

/// A schedule with a queued run.
async fn scheduled(control: &Control, round: u64) -> (Schedule, Uuid) {
    let yaml = format!(
        "name: p{round}\nsources: [{{type: local, path: /data}}]\ntarget: {{table: t{round}}}\nmonitor: {{enabled: true}}\n"
    );
    let triggered = control.trigger(&yaml, |_| {}).await;
    (triggered.schedule.expect("a schedule"), triggered.run.id)
}

/// Asks a run to stop after a pause, as the API does. Says whether this ended it.
async fn stop(control: &Control, run: Uuid, pause: Duration) -> sqlx::Result<bool> {
    tokio::time::sleep(pause).await;
    let mut tx = control.db.begin().await?;
    let answer = lifecycle::request_stop(&mut tx, run).await?;
    tx.commit().await?;
    Ok(matches!(answer, Some(StopAnswer::Stopped(_))))
}

/// Ends a schedule with its runs, as the last tick of its window does.
async fn tick(control: &Control, schedule: &Schedule, pause: Duration) -> sqlx::Result<()> {
    tokio::time::sleep(pause).await;
    let mut tx = control.db.begin().await?;
    if schedules::is_current(&mut tx, schedule.id, schedule.ticks).await? {
        stop_runs(&mut tx, schedule.id, "end_time").await?;
    }
    tx.commit().await
}

/// The pauses of a stop and a tick. Whichever of them came first begins a little later in the next round, so that both come
/// first in about as many rounds, however fast the machine is.
#[derive(Default)]
struct Pauses {
    /// How much later the tick begins than the stop, in steps; negative when it begins earlier.
    tick_later_by: i32,
}

impl Pauses {
    const STEP: Duration = Duration::from_micros(500);

    fn of_stop(&self) -> Duration {
        Self::STEP * self.tick_later_by.min(0).unsigned_abs()
    }

    fn of_tick(&self) -> Duration {
        Self::STEP * self.tick_later_by.max(0).unsigned_abs()
    }

    fn after(&mut self, stop_was_first: bool) {
        self.tick_later_by += if stop_was_first { -1 } else { 1 };
    }
}

#[tokio::test]
async fn a_stop_of_a_queued_run_and_the_last_tick_of_its_schedule_never_deadlock() {
    let control = Control::start().await;
    let deadline = Instant::now() + PATIENCE;
    let (mut stops, mut ticks, mut pauses) = (0, 0, Pauses::default());
    for round in 0.. {
        let (schedule, run) = scheduled(&control, round).await;
        let (stopped, ticked) =
            tokio::join!(stop(&control, run, pauses.of_stop()), tick(&control, &schedule, pauses.of_tick()));
        ticked.unwrap_or_else(|error| panic!("round {round}, tick: {error}"));
        let stopped = stopped.unwrap_or_else(|error| panic!("round {round}, stop: {error}"));
        assert_eq!(control.look(run).await.state.as_str(), "stopped", "round {round}");
        let schedule = schedules::find(&control.db, schedule.id).await.expect("looked").expect("the schedule");
        assert_eq!(schedule.state.as_str(), "stopped", "round {round}");
        stops += u32::from(stopped);
        ticks += u32::from(!stopped);
        pauses.after(stopped);
        if stops >= OFTEN && ticks >= OFTEN {
            return;
        }
        assert!(Instant::now() < deadline, "{stops} stops and {ticks} ticks came first");
    }
}

/// Ends a pause, as the API does.
async fn resume(control: &Control, scope: PauseScope, name: &str) -> sqlx::Result<bool> {
    let mut tx = control.db.begin().await?;
    let ended = pauses::resume(&mut tx, scope, name).await?;
    tx.commit().await?;
    Ok(ended.is_some())
}

#[tokio::test]
async fn a_resume_waits_for_a_stop_of_a_held_run_without_its_row() {
    let control = Control::start().await;
    for (round, scope) in [(0, PauseScope::Pipeline), (1, PauseScope::All)] {
        let (_, run) = scheduled(&control, round).await;
        let pipeline = format!("p{round}");
        let name = if scope == PauseScope::All { "" } else { pipeline.as_str() };
        let mut tx = control.db.begin().await.expect("a transaction");
        pauses::pause(&mut tx, scope, name, "ann", None).await.expect("paused");
        tx.commit().await.expect("committed");
        let taken = lifecycle::take(&control.db, run, "w", None, None).await.expect("asked");
        assert!(matches!(taken, Taken::Held | Taken::QueuePaused), "{taken:?}");

        // A stop that has the schedule and not yet the run.
        let mut tx = control.db.begin().await.expect("a transaction");
        schedules::lock_of_run(&mut *tx, run).await.expect("locked");
        let stop = async {
            control.somebody_waits().await;
            let answer = lifecycle::request_stop(&mut tx, run).await.expect("no deadlock");
            assert!(matches!(answer, Some(StopAnswer::Stopped(_))), "{answer:?}");
            tx.commit().await.expect("committed");
        };
        let (resumed, ()) = tokio::join!(resume(&control, scope, name), stop);
        assert!(resumed.expect("no deadlock"), "it was paused");
        assert_eq!(control.look(run).await.state.as_str(), "stopped");
    }
}

/// Ends a running run without the lock of its schedule, as the sweeper does, because it holds other runs.
async fn end(control: &Control, run: Uuid, epoch: i64) -> sqlx::Result<()> {
    let mut tx = control.db.begin().await?;
    assert!(lifecycle::finish(&mut tx, run, EndedBy::Attempt(epoch), &End::Stopped, None).await?);
    tx.commit().await
}

#[tokio::test]
async fn the_end_of_a_run_waits_for_no_tick_and_the_next_tick_ends_the_schedule() {
    let control = Control::start().await;
    let (schedule, run) = scheduled(&control, 0).await;
    let begun = control.begin(&control.look(run).await, "w").await;
    let mut tx = control.db.begin().await.expect("a transaction");
    stop_runs(&mut tx, schedule.id, "stopped by ann").await.expect("asked to stop");
    tx.commit().await.expect("committed");

    // A tick holds the schedule meanwhile.
    let mut tx = control.db.begin().await.expect("a transaction");
    let ticks = schedules::find(&control.db, schedule.id).await.expect("looked").expect("the schedule").ticks;
    assert!(schedules::is_current(&mut tx, schedule.id, ticks).await.expect("locked"));
    tokio::time::timeout(PATIENCE, end(&control, run, begun.epoch)).await.expect("no waiting").expect("ended");
    tx.rollback().await.expect("rolled back");
    let state = async || schedules::find(&control.db, schedule.id).await.expect("looked").expect("the schedule").state;
    assert_eq!(state().await.as_str(), "stopping");
    let stopping = schedules::find(&control.db, schedule.id).await.expect("looked").expect("the schedule");
    tick(&control, &stopping, Duration::ZERO).await.expect("ticked");
    assert_eq!(state().await.as_str(), "stopped");
}

#[tokio::test]
async fn a_sweep_that_rescues_and_stops_runs_of_a_schedule_holds_none_while_it_waits_for_a_tick() {
    let control = Control::start().await;
    let (schedule, lost) = scheduled(&control, 0).await;
    let overdue = control.run("overdue").await.id;
    let of_schedule = format!(
        "update runs set schedule_id = '{}', not_after = now() - interval '1 second' where id = '{overdue}'",
        schedule.id
    );
    control.execute(&of_schedule).await;
    control.begin(&control.look(lost).await, "doomed").await;
    control.expire(lost).await;

    let mut tick = control.db.begin().await.expect("a transaction");
    assert!(schedules::is_current(&mut tick, schedule.id, schedule.ticks).await.expect("locked"));
    let db = control.db.clone();
    let sweep = tokio::spawn(async move { sweeper::sweep(&db, "elt").await });
    control.somebody_waits().await;
    stop_runs(&mut tick, schedule.id, "end_time").await.expect("the tick does not wait for the sweep");
    tick.commit().await.expect("committed");
    tokio::time::timeout(PATIENCE, sweep).await.expect("no waiting").expect("no panic").expect("swept");
    for run in [lost, overdue] {
        assert_eq!(control.look(run).await.state.as_str(), "stopped");
    }
    let schedule = schedules::find(&control.db, schedule.id).await.expect("looked").expect("the schedule");
    assert_eq!(schedule.state.as_str(), "stopped");
}
