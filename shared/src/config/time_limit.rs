//! The time limit of a check.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// A limit for a check that runs on a thread of its own: the check looks at it between small steps, because nothing can
/// stop such a thread from outside. The default has no limit.
#[derive(Debug, Clone, Default)]
pub struct TimeLimit {
    until: Option<Instant>,
    cancelled: Arc<AtomicBool>,
}

impl TimeLimit {
    /// A limit that stops the check at this instant, or earlier when it is cancelled.
    pub fn until(deadline: Instant) -> Self {
        Self { until: Some(deadline), cancelled: Arc::default() }
    }

    /// Makes the check stop at its next step.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether the check must stop.
    pub fn is_over(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed) || self.until.is_some_and(|deadline| Instant::now() >= deadline)
    }
}
