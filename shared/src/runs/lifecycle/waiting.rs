//! How runs wait for something that is away, and for each other, without being started in vain.
//!
//! A server that is away is noted in the control database. One run at a time tries to reach it, with pauses that grow; the
//! others wait without a ticket. When the server answers again, some of them are woken at once and the sweeper wakes the
//! rest. A run whose table another run is loading into waits the same way, and that run's end wakes it.

use std::time::Duration;

use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::attempt::stop_instead;
use super::finish::wake_next;
use crate::job::ExecuteRun;
use crate::runs::backoff::LONGEST_ASK_PAUSE;
use crate::runs::leases::RUNS_PER_SWEEP;
use crate::runs::{AttemptEnd, Failure, RunState};
use crate::store::runs::{self, Started, WaitsFor};
use crate::store::target_outages::{self, Pauses};
use crate::target::TargetPlace;

/// Runs that are woken at once when their server answers again.
const WOKEN_AT_ONCE: i64 = 20;

/// Runs among them that are woken in the same second.
const WOKEN_TOGETHER: u32 = 4;

/// What came of a start.
#[derive(Debug)]
pub(super) enum Start {
    /// An attempt of the run began.
    Begun(Box<Started>),
    /// The run waits: its server is away, or another run has its table.
    Waits,
    /// The run needs no attempt, or is not due.
    NotNow,
}

/// Starts an attempt of a run, unless the server of its place is known to be away or its table is taken.
///
/// - `place`: the table that it loads into; `None`: no other run can keep it from starting.
/// - `longest`: how long it may wait while its server is known to be away; `None`: it starts at once and meets the outage
///   itself.
pub(super) async fn start(
    tx: &mut PgConnection,
    id: Uuid,
    worker_id: &str,
    place: Option<&TargetPlace>,
    longest: Option<Duration>,
) -> sqlx::Result<Start> {
    let mut tries = false;
    if let Some(place) = place
        && let Some(is_last) = runs::is_due(tx, id).await?
    {
        runs::lock_table(tx, &place.table).await?;
        if let Some(longest) = longest
            && let Some(outage) = target_outages::lock(tx, &place.server, id).await?
        {
            // A run whose time is over makes a last attempt by itself, even while another run tries.
            if !outage.may_try && !is_last {
                let waits_for = WaitsFor { shown: &place.shown, server: Some(&place.server), longest };
                runs::park_for_server(tx, id, waits_for, &outage.code).await?;
                return Ok(Start::Waits);
            }
            tries = outage.may_try;
        }
        if let Some(holder) = runs::holder(tx, &place.table, id).await? {
            // The lock puts this transaction before or after the holder's end, so that the holder wakes this run.
            let (still_held, key) = runs::lock_holder(tx, holder).await?;
            if still_held {
                runs::park_for_holder(tx, id, &place.table, holder, key.as_deref()).await?;
                return Ok(Start::Waits);
            }
        }
    }
    let begun = runs::begin_into(&mut *tx, id, worker_id, place, tries).await?;
    if let Some(place) = place.filter(|_| tries && begun.is_some()) {
        target_outages::note_try(tx, &place.server, id).await?;
    }
    Ok(begun.map_or(Start::NotNow, |started| Start::Begun(Box::new(started))))
}

/// A wait for something that is away.
#[derive(Debug, Clone, Copy)]
pub struct Wait<'a> {
    /// What is away, for people: `target db.example.com:5432/shop`.
    pub shown: &'a str,
    /// The failure of the attempt.
    pub failure: Failure<'a>,
    /// Longest time from when the run first met an outage.
    pub longest: Duration,
    /// The pause before the run tries again by itself.
    pub pause: Duration,
    /// The server that is away, by its hash, and the pauses between tries to reach it. `None`: something else is away, so
    /// the run tries by itself.
    pub server: Option<(&'a str, Pauses)>,
}

/// Sends a run back to wait for something that is away. The attempt does not count. A run that was asked to stop meanwhile
/// ends stopped instead. Returns the run's new state, queued or stopped; `None`: the attempt was fenced off.
pub async fn wait(db: &mut PgConnection, id: Uuid, epoch: i64, wait: &Wait<'_>) -> sqlx::Result<Option<RunState>> {
    // The server's row is locked before that of the run, as in `start`, because two transactions that lock the same rows
    // in different orders can end up waiting for each other.
    let pause = match wait.server {
        Some((server, pauses)) => target_outages::note_failure(db, server, id, wait.failure.code, pauses).await?,
        None => {
            // The run may have tried to reach its server for other runs, and met something else that is away first.
            target_outages::note_failed_try(db, id, LONGEST_ASK_PAUSE).await?;
            Some(wait.pause.as_secs_f64())
        }
    };
    if runs::is_stopping(db, id, epoch).await? {
        return stop_instead(db, id, epoch).await;
    }
    let server = wait.server.map(|(server, _)| server);
    let waits_for = WaitsFor { shown: wait.shown, server, longest: wait.longest };
    let Some(queued) = runs::queue_wait(&mut *db, (id, epoch), waits_for, wait.failure, pause).await? else {
        return Ok(None);
    };
    runs::end_attempt(db, id, epoch, AttemptEnd::Retry, Some(wait.failure)).await?;
    runs::thin_out_attempts(db, id, epoch, wait.failure.code).await?;
    if let Some(pause) = queued.pause_seconds {
        let pause = Duration::try_from_secs_f64(pause).unwrap_or_default();
        ExecuteRun { run_id: id }.enqueue_after(db, &queued.released.queue, pause).await?;
    }
    wake_next(db, &queued.released).await?;
    Ok(Some(RunState::Queued))
}

/// Notes that a run reached a server that was away, and wakes the runs that wait for it: some at once, a few each second,
/// and the others with the next sweeps. Returns how long the server was away; `None`: another run reached it before.
pub async fn server_answers(db: &PgPool, server: &str) -> sqlx::Result<Option<Duration>> {
    let mut tx = db.begin().await?;
    let Some(seconds) = target_outages::end(&mut tx, server).await? else { return Ok(None) };
    let freed = runs::end_wait_for_server(&mut tx, server, (RUNS_PER_SWEEP, WOKEN_AT_ONCE)).await?;
    for (number, (run_id, queue)) in (0u32..).zip(freed) {
        let delay = Duration::from_secs(u64::from(number / WOKEN_TOGETHER));
        ExecuteRun { run_id }.enqueue_after(&mut tx, &queue, delay).await?;
    }
    tx.commit().await?;
    Ok(Some(Duration::try_from_secs_f64(seconds).unwrap_or_default()))
}

/// Wakes runs to try to reach servers that no run tries to reach any more, and forgets outages that concern no run.
/// Returns the runs that were woken.
pub async fn take_over_tries(db: &mut PgConnection) -> sqlx::Result<Vec<Uuid>> {
    target_outages::forget_old(&mut *db).await?;
    let mut woken = Vec::new();
    for (run_id, queue) in target_outages::overdue(&mut *db).await? {
        ExecuteRun { run_id }.enqueue(db, &queue).await?;
        woken.push(run_id);
    }
    Ok(woken)
}
