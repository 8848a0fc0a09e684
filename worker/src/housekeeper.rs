//! Housekeeping in targets: some time after a run has loaded, old rows of elt's own tables are deleted there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use elt_shared::backoff::jittered;
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::load::housekeeping;
use crate::run_context::RunContext;
use crate::settings::WorkerSettings;
use crate::thread::on_own_thread;

/// Time between two looks at the target of one config version. What was left of a large backlog is continued with the first
/// run after it.
const EVERY: Duration = Duration::from_secs(600);
/// Time from the end of a load until then, so that runs which follow each other are not slowed down.
const DELAY: Duration = Duration::from_secs(60);
/// Config versions that are remembered.
const MOST: usize = 10_000;

/// When a worker looked at which target. Clones share it.
#[derive(Clone)]
pub(crate) struct Housekeeper {
    looked_at: Arc<Mutex<HashMap<i64, Instant>>>,
    /// One target at a time, so that it takes one connection and little of the machine.
    turn: Arc<Semaphore>,
}

impl Default for Housekeeper {
    fn default() -> Self {
        Self { looked_at: Arc::default(), turn: Arc::new(Semaphore::new(1)) }
    }
}

impl Housekeeper {
    /// Deletes old rows in the target of a run that loaded, some time later and until `stop`, unless that was done not long
    /// ago.
    pub fn after_load(&self, context: &RunContext, settings: &Arc<WorkerSettings>, stop: &CancellationToken) {
        if !self.is_due(context.run.config_id, Instant::now()) {
            return;
        }
        let (context, keep, stop) = (context.clone(), settings.keep.keep(), stop.clone());
        let turn = Arc::clone(&self.turn);
        tokio::spawn(async move {
            let wait = async {
                sleep(jittered(DELAY)).await;
                turn.acquire_owned().await
            };
            let Some(Ok(_turn)) = stop.run_until_cancelled(wait).await else { return };
            let work = async move || housekeeping::after_load(&context, keep).await;
            // A stop between two batches loses nothing: the rest is deleted after another run.
            match on_own_thread(stop.clone(), work).await {
                Ok(None | Some(Ok(()))) => {}
                Ok(Some(Err(error))) => {
                    tracing::warn!(
                        code = error.code().as_str(),
                        "could not delete old rows of elt's own tables: {error}"
                    );
                }
                Err(error) => tracing::warn!(%error, "the deletion of old rows in a target failed"),
            }
        });
    }

    /// Whether the target of a config version was not looked at for long; from now on it was.
    fn is_due(&self, config_id: i64, now: Instant) -> bool {
        let mut looked_at = self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        looked_at.retain(|_, at| now.duration_since(*at) < EVERY);
        let is_due = looked_at.len() < MOST && !looked_at.contains_key(&config_id);
        if is_due {
            looked_at.insert(config_id, now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_looked_at_again_after_a_while() {
        let housekeeper = Housekeeper::default();
        let now = Instant::now();
        assert!(housekeeper.is_due(1, now) && housekeeper.is_due(2, now));
        assert!(!housekeeper.is_due(1, now));
        assert!(housekeeper.is_due(1, now + EVERY) && !housekeeper.is_due(1, now + EVERY));
    }
}
