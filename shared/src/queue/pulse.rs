//! The heartbeat of a process: one task with a connection of its own says every few seconds that the process lives,
//! and extends the leases of the runs it works on, all in one go.
//!
//! It depends on no pool and on no handler, so a busy process is never taken for a dead one. When it has not reached
//! the database for long enough that others may soon take the runs, the runs are told that they are lost.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::wakes::Wakes;
use crate::backoff::jittered;
use crate::runs::lifecycle::{self, Renewed};
use crate::runs::timing::{HEARTBEAT_INTERVAL, HEARTBEAT_TIMEOUT, LEASE_GIVEN_UP_AFTER};

/// What a process holds, kept alive by [`Pulse::beat`]. Clones share it.
#[derive(Clone, Default)]
pub struct Pulse {
    holdings: Arc<Mutex<Holdings>>,
}

#[derive(Default)]
struct Holdings {
    runs: HashMap<(Uuid, i64), Grip>,
    names: BTreeSet<String>,
}

struct Grip {
    stop: CancellationToken,
    lost: CancellationToken,
    /// When the lease that counts began, by this machine's steady clock.
    renewed: Instant,
}

/// A run whose lease is kept alive as long as this lives.
pub struct HeldRun {
    pulse: Pulse,
    key: (Uuid, i64),
    /// Someone asked the run to stop, or its window is over.
    pub stop: CancellationToken,
    /// The run is not ours any more: nothing of it may be written.
    pub lost: CancellationToken,
}

impl Drop for HeldRun {
    fn drop(&mut self) {
        self.pulse.holdings().runs.remove(&self.key);
    }
}

impl Pulse {
    /// Keeps the lease of an attempt alive that began at `began`.
    pub fn hold(&self, id: Uuid, epoch: i64, began: Instant) -> HeldRun {
        let (stop, lost) = (CancellationToken::new(), CancellationToken::new());
        let grip = Grip { stop: stop.clone(), lost: lost.clone(), renewed: began };
        self.holdings().runs.insert((id, epoch), grip);
        HeldRun { pulse: self.clone(), key: (id, epoch), stop, lost }
    }

    /// Says from now on that the queue's worker of this name lives.
    pub(super) fn add_name(&self, name: &str) {
        self.holdings().names.insert(name.to_owned());
    }

    /// The queue's worker of this name is gone: what it held is for others.
    pub(super) fn remove_name(&self, name: &str) {
        self.holdings().names.remove(name);
    }

    /// Beats until `stop`: every five seconds, and at once when someone asks a run to stop.
    pub async fn beat(self, options: PgConnectOptions, worker_id: String, wakes: Wakes, stop: CancellationToken) {
        let mut connection: Option<PgConnection> = None;
        let mut stops = wakes.stops();
        loop {
            let sent = Instant::now();
            match timeout(HEARTBEAT_TIMEOUT, self.beat_once(&mut connection, &options, &worker_id)).await {
                Ok(Ok(renewed)) => self.note(sent, &renewed),
                failed => {
                    // Dropped, not returned anywhere: a connection that may be half dead helps nobody.
                    connection = None;
                    let error = failed.map_or_else(|_| "no answer".to_owned(), |beat| format!("{:?}", beat.err()));
                    tracing::warn!(error, "the heartbeat did not reach the control database");
                }
            }
            self.give_up_stale();
            let pause = if connection.is_some() { HEARTBEAT_INTERVAL } else { jittered(Duration::from_secs(1)) };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stops.changed() => {}
                () = stop.cancelled() => return,
            }
        }
    }

    async fn beat_once(
        &self,
        connection: &mut Option<PgConnection>,
        options: &PgConnectOptions,
        worker_id: &str,
    ) -> sqlx::Result<Vec<Renewed>> {
        let db = match connection {
            Some(db) => db,
            None => connection.insert(PgConnection::connect_with(options).await?),
        };
        let (attempts, names) = {
            let holdings = self.holdings();
            (holdings.runs.keys().copied().collect::<Vec<_>>(), holdings.names.iter().cloned().collect::<Vec<_>>())
        };
        let renewed = if attempts.is_empty() { Vec::new() } else { lifecycle::renew(&mut *db, &attempts).await? };
        sqlx::query(
            "with queue as (update apalis.workers set last_seen = now() where id = any($2))
             update workers set heartbeat_at = now() where id = $1",
        )
        .bind(worker_id)
        .bind(names)
        .execute(db)
        .await?;
        // A run that began between looking and asking is missing in both; one that ended meanwhile is gone from ours.
        for key in attempts {
            if !renewed.iter().any(|run| (run.id, run.epoch) == key)
                && let Some(grip) = self.holdings().runs.get(&key)
            {
                grip.lost.cancel();
            }
        }
        Ok(renewed)
    }

    fn note(&self, sent: Instant, renewed: &[Renewed]) {
        let mut holdings = self.holdings();
        for run in renewed {
            if let Some(grip) = holdings.runs.get_mut(&(run.id, run.epoch)) {
                grip.renewed = sent;
                if run.stop {
                    grip.stop.cancel();
                }
            }
        }
    }

    fn give_up_stale(&self) {
        for grip in self.holdings().runs.values().filter(|grip| grip.renewed.elapsed() > LEASE_GIVEN_UP_AFTER) {
            grip.lost.cancel();
        }
    }

    fn holdings(&self) -> MutexGuard<'_, Holdings> {
        self.holdings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
