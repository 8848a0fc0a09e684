//! The heartbeat of a process: one task with a connection of its own that says every few seconds that the process lives,
//! and extends the leases of all the runs it works on.
//!
//! It uses no pool and waits for no handler, because a busy process must not be taken for a dead one. When it has not
//! reached the database for so long that other workers may soon take the runs, it tells the attempts to give up.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::PgConnection;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::listener::Listener;
use crate::backoff::jittered;
use crate::explained::sentence;
use crate::runs::leases::{HEARTBEAT_INTERVAL, HEARTBEAT_TIMEOUT, LEASE_GIVEN_UP_AFTER};
use crate::runs::lifecycle::{self, Renewed};
use crate::store::{self, Limits};

/// Pause after a heartbeat that failed. It is shorter than the interval, because the leases are running out.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// The runs and queue workers of a process, kept alive by [`Heartbeat::beat`]. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Heartbeat {
    kept: Arc<Mutex<Kept>>,
    intake: watch::Sender<Intake>,
}

/// Whether the worker of a process takes runs. The control database decides; every heartbeat reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Intake {
    /// It takes runs.
    #[default]
    Open,
    /// Its queue, or everything, is paused: it takes no run.
    Paused,
    /// The worker is drained: it takes no run and no tick of a schedule.
    Drained,
}

#[derive(Debug, Default)]
struct Kept {
    /// By run id and epoch.
    leases: HashMap<(Uuid, i64), Lease>,
    /// Names of the queue's workers in this process.
    queue_workers: BTreeSet<String>,
    pulse: Pulse,
}

/// When the heartbeat last did something, by this machine's steady clock. `None`: not yet.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pulse {
    /// When it last sent a beat, whether it arrived or not. Old only when the process is stuck.
    pub turned: Option<Instant>,
    /// When the last beat that arrived was sent.
    pub arrived: Option<Instant>,
}

#[derive(Debug)]
struct Lease {
    stop: CancellationToken,
    lost: CancellationToken,
    /// Start of the last renewal that arrived, by this machine's steady clock.
    renewed: Instant,
}

/// An attempt whose lease is extended for as long as this value lives.
pub struct HeldRun {
    heartbeat: Heartbeat,
    key: (Uuid, i64),
    /// Cancelled when somebody asked the run to stop, or its window is over.
    pub stop: CancellationToken,
    /// Cancelled when another worker has the run, or soon may: nothing of the attempt may be written any more.
    pub lost: CancellationToken,
}

impl Drop for HeldRun {
    fn drop(&mut self) {
        self.heartbeat.kept().leases.remove(&self.key);
    }
}

impl Heartbeat {
    /// Extends the lease of an attempt that began at `began`, until the returned value is dropped.
    pub fn hold(&self, id: Uuid, epoch: i64, began: Instant) -> HeldRun {
        let (stop, lost) = (CancellationToken::new(), CancellationToken::new());
        // The lease began when the statement was sent, not when its answer arrived: `began` may only be too early.
        let lease = Lease { stop: stop.clone(), lost: lost.clone(), renewed: began };
        self.kept().leases.insert((id, epoch), lease);
        HeldRun { heartbeat: self.clone(), key: (id, epoch), stop, lost }
    }

    /// When it last did something.
    pub fn pulse(&self) -> Pulse {
        self.kept().pulse
    }

    /// Whether the worker takes runs, as of the last heartbeat or of what [`Heartbeat::note_intake`] noted since.
    pub fn intake(&self) -> watch::Receiver<Intake> {
        self.intake.subscribe()
    }

    /// Notes what a statement of the worker found out before the next heartbeat does.
    pub fn note_intake(&self, intake: Intake) {
        self.intake.send_if_modified(|known| std::mem::replace(known, intake) != intake);
    }

    /// Says from now on that the queue worker of this name lives.
    pub(super) fn add_queue_worker(&self, name: &str) {
        self.kept().queue_workers.insert(name.to_owned());
    }

    /// Stops saying that the queue worker of this name lives, so that others take its tickets.
    pub(super) fn remove_queue_worker(&self, name: &str) {
        self.kept().queue_workers.remove(name);
    }

    /// Beats until `stop`: at every interval, and at once when somebody asks a run to stop, or changes who takes runs.
    pub async fn beat(self, options: PgConnectOptions, worker_id: String, listener: Listener, stop: CancellationToken) {
        let mut connection: Option<PgConnection> = None;
        let (mut stops, mut fleet) = (listener.stops(), listener.fleet());
        loop {
            let sent = Instant::now();
            self.kept().pulse.turned = Some(sent);
            match timeout(HEARTBEAT_TIMEOUT, self.beat_once(&mut connection, &options, &worker_id)).await {
                Ok(Ok(renewed)) => self.note_renewed(sent, &renewed),
                failed => {
                    // The connection may be half dead, and closing it in good order could take as long as the beat did.
                    connection = None;
                    let error = match failed {
                        Ok(Err(error)) => sentence(&error),
                        Ok(Ok(_)) | Err(_) => format!("no answer within {} seconds", HEARTBEAT_TIMEOUT.as_secs()),
                    };
                    tracing::warn!(error, "the heartbeat did not reach the control database");
                }
            }
            // The leases of a beat that did not arrive run out, and their attempts must stop writing before that.
            self.give_up_old_leases();
            // After a failure it tries again sooner, because the leases run out; with jitter, because a database that comes back
            // would otherwise be met by all workers at the same moment.
            let pause = if connection.is_some() { HEARTBEAT_INTERVAL } else { jittered(PAUSE_AFTER_FAILURE) };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stops.changed() => {}
                _ = fleet.changed() => {}
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
            None => connection.insert(store::connect_alone(options, Limits::WORK).await?),
        };
        let (attempts, names) = {
            let kept = self.kept();
            (kept.leases.keys().copied().collect::<Vec<_>>(), kept.queue_workers.iter().cloned().collect::<Vec<_>>())
        };
        // The leases come first, because they run out; that the process lives only matters to people and the queue.
        let renewed = if attempts.is_empty() { Vec::new() } else { lifecycle::renew(&mut *db, &attempts).await? };
        let intake: Option<(bool, bool)> = sqlx::query_as(
            "with queue as (update apalis.workers set last_seen = now() where id = any($2))
             update workers set heartbeat_at = now() where id = $1
             returning drain_asked_at is not null,
                       exists (select from pauses p where p.scope = 'all' or (p.scope = 'queue' and p.name = workers.queue))",
        )
        .bind(worker_id)
        .bind(names)
        .fetch_optional(db)
        .await?;
        self.note_intake(match intake {
            Some((true, _)) => Intake::Drained,
            Some((false, true)) => Intake::Paused,
            _ => Intake::Open,
        });
        // Only attempts that were asked about can be lost: an attempt that began meanwhile is in neither list. One that
        // ended meanwhile is not renewed either, but it is not kept any more.
        for key in attempts {
            if !renewed.iter().any(|run| (run.id, run.epoch) == key)
                && let Some(lease) = self.kept().leases.get(&key)
            {
                lease.lost.cancel();
            }
        }
        Ok(renewed)
    }

    /// `sent` is when the beat was sent, because the lease may have begun then already.
    fn note_renewed(&self, sent: Instant, renewed: &[Renewed]) {
        let mut kept = self.kept();
        kept.pulse.arrived = Some(sent);
        for run in renewed {
            if let Some(lease) = kept.leases.get_mut(&(run.id, run.epoch)) {
                lease.renewed = sent;
                if run.stop {
                    lease.stop.cancel();
                }
            }
        }
    }

    /// Cancels attempts whose lease was not renewed for so long that it is about to end.
    fn give_up_old_leases(&self) {
        // This machine's steady clock decides, and earlier than the database's lease ends, because a worker without a connection
        // cannot ask the database, and must have stopped writing before another worker may take the run.
        for lease in self.kept().leases.values().filter(|lease| lease.renewed.elapsed() > LEASE_GIVEN_UP_AFTER) {
            lease.lost.cancel();
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
