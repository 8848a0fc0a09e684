//! Whether a worker is well, for the probes of its process.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use elt_shared::queue::heartbeat::{Heartbeat, Intake};
use elt_shared::runs::leases::LEASE_GIVEN_UP_AFTER;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Time after which a heartbeat that did not turn means that the process is stuck. A turn takes less than ten seconds,
/// also when the control database does not answer.
const STUCK_AFTER: Duration = Duration::from_secs(60);

/// The health of a worker. Made before the worker, because probes are answered from the start of the process; clones
/// share it.
#[derive(Debug, Clone, Default)]
pub struct WorkerHealth {
    started: Arc<OnceLock<Started>>,
}

#[derive(Debug)]
struct Started {
    heartbeat: Heartbeat,
    stopping: CancellationToken,
    /// The reason why the worker takes no runs, as a sentence.
    takes_nothing_because: watch::Receiver<Option<String>>,
}

impl WorkerHealth {
    /// Notes that the worker has started. Later calls change nothing.
    pub(crate) fn note_started(
        &self,
        heartbeat: Heartbeat,
        stopping: CancellationToken,
        takes_nothing_because: watch::Receiver<Option<String>>,
    ) {
        let _ = self.started.set(Started { heartbeat, stopping, takes_nothing_because });
    }

    /// Whether the process should go on.
    ///
    /// # Errors
    /// The reason to restart it, as a sentence.
    pub fn live(&self) -> Result<(), &'static str> {
        let turned = self.started.get().and_then(|started| started.heartbeat.pulse().turned);
        match turned {
            Some(turned) if turned.elapsed() > STUCK_AFTER => {
                Err("the worker's heartbeat has stood still for more than a minute")
            }
            // Before the first turn the process is starting.
            Some(_) | None => Ok(()),
        }
    }

    /// Whether the worker takes runs.
    ///
    /// # Errors
    /// The reason why it takes none, as a sentence.
    pub fn ready(&self) -> Result<(), String> {
        let Some(started) = self.started.get() else { return Err("the worker has not started yet".into()) };
        if started.stopping.is_cancelled() {
            return Err("the worker is stopping and takes nothing new".into());
        }
        if *started.heartbeat.intake().borrow() == Intake::Drained {
            return Err("the worker is drained and takes nothing new".into());
        }
        if let Some(reason) = started.takes_nothing_because.borrow().as_ref() {
            return Err(format!("the worker takes nothing: {reason}"));
        }
        match started.heartbeat.pulse().arrived {
            Some(arrived) if arrived.elapsed() <= LEASE_GIVEN_UP_AFTER => Ok(()),
            Some(_) => Err("the control database does not answer".into()),
            None => Err("the worker has not reached the control database yet".into()),
        }
    }
}
