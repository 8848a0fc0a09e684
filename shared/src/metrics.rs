//! Metrics of a process: one registry, in which each part of the process registers its own, written in Prometheus' text
//! format.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::encoding::prometheus_text;
use prometheus_client::registry::Registry;

use crate::notifications::NotificationCounts;

/// The metrics of a process. Clones share them.
#[derive(Debug, Clone)]
pub struct ProcessMetrics {
    plain: Arc<Mutex<Registry>>,
    naming_pipelines: Arc<Mutex<Registry>>,
    notifications: NotificationCounts,
}

impl Default for ProcessMetrics {
    fn default() -> Self {
        // API and worker may be one process and both send messages, so that neither of them registers these.
        let (notifications, mut plain) = (NotificationCounts::default(), Registry::default());
        notifications.register(&mut plain);
        Self { plain: Arc::new(Mutex::new(plain)), naming_pipelines: Arc::default(), notifications }
    }
}

/// Which metrics a reader gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Anyone who reaches the process: no metric that names a pipeline.
    Anyone,
    /// Somebody who knows the token, or reaches the listener for metrics.
    Operators,
}

impl ProcessMetrics {
    /// The content type of [`Self::text`].
    pub const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

    /// Adds metrics. The registry appends the full stop of a help text, and `_total` to the name of a counter.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut locked(&self.plain));
    }

    /// Adds metrics whose labels name pipelines. Only operators read them.
    pub fn register_naming_pipelines(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut locked(&self.naming_pipelines));
    }

    /// Messages about pipelines that the process has sent or given up.
    pub fn notifications(&self) -> &NotificationCounts {
        &self.notifications
    }

    /// All metrics that the audience may read, in the text format.
    ///
    /// # Errors
    /// When a number cannot be written as text.
    pub fn text(&self, audience: Audience) -> Result<String, fmt::Error> {
        let mut text = String::new();
        prometheus_text::encode(&mut text, &locked(&self.plain))?;
        match audience {
            Audience::Anyone => {}
            Audience::Operators => prometheus_text::encode(&mut text, &locked(&self.naming_pipelines))?,
        }
        Ok(text)
    }
}

fn locked(registry: &Mutex<Registry>) -> MutexGuard<'_, Registry> {
    registry.lock().unwrap_or_else(PoisonError::into_inner)
}
