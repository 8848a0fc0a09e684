//! Repeated attempts: how often, and with which pauses.

use std::time::Duration;

use elt_shared::backoff::{doubled, jittered};

use super::error::{Result, StoreError};
use super::limits::StoreLimits;

/// Longest pause between two attempts, unless the server asks for a longer one.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// The attempts at one thing.
pub(super) struct Attempts<'a> {
    limits: &'a StoreLimits,
    failures: u32,
}

impl<'a> Attempts<'a> {
    pub(super) fn new(limits: &'a StoreLimits) -> Self {
        Self { limits, failures: 0 }
    }

    /// Starts counting anew, because the last attempt brought the work on before it failed.
    pub(super) fn got_on(&mut self) {
        self.failures = 0;
    }

    /// Waits for the next attempt.
    ///
    /// # Errors
    /// The error itself when another attempt makes no sense.
    pub(super) async fn after(&mut self, error: StoreError) -> Result<()> {
        if !error.is_transient() {
            return Err(error);
        }
        self.failures += 1;
        let asked = error.retry_after();
        if self.failures >= self.limits.attempts || asked.is_some_and(|asked| asked > self.limits.longest_wait) {
            return Err(StoreError::GaveUp { error: Box::new(error), attempts: self.failures });
        }
        let pause = jittered(doubled(self.limits.backoff, LONGEST_PAUSE, self.failures)).max(asked.unwrap_or_default());
        tracing::warn!("{error}; trying again in {:.1} s", pause.as_secs_f32());
        tokio::time::sleep(pause).await;
        Ok(())
    }
}
