//! How long and how much an API source may take. Everything that comes from outside ends somewhere.

use std::time::Duration;

use elt_shared::config::ApiTimeouts;

/// The bounds of one API source. Tests use smaller ones; a worker uses the default.
#[derive(Debug, Clone)]
pub struct HttpLimits {
    /// Looking the name up, connecting, and TLS.
    pub connect: Duration,
    /// Silence: between the request and its answer, and between two pieces of a body.
    pub idle: Duration,
    /// One answer from request to last byte, so that a trickle ends as well.
    pub answer: Duration,
    /// All pages with all their attempts.
    pub total: Duration,
    /// Bytes of one answer, unpacked.
    pub answer_bytes: u64,
    /// Bytes of all pages, unpacked.
    pub total_bytes: u64,
    /// Requests for one page before the source counts as failed.
    pub attempts: u32,
    /// The first pause between two attempts; each further one is twice as long.
    pub backoff: Duration,
    /// Longest time that the request for one page is repeated while the server answers 202, "not ready yet".
    pub ready_within: Duration,
    /// Longest pause between two such requests, when the server names none.
    pub longest_poll: Duration,
    /// A `Retry-After` that asks for more fails at once instead of holding the worker.
    pub longest_wait: Duration,
    /// Redirects followed for one request.
    pub redirects: u32,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            answer: Duration::from_mins(15),
            total: Duration::from_hours(2),
            answer_bytes: 1 << 30,
            total_bytes: 50 << 30,
            attempts: 3,
            backoff: Duration::from_secs(1),
            ready_within: Duration::from_mins(5),
            longest_poll: Duration::from_secs(30),
            longest_wait: Duration::from_mins(5),
            redirects: 5,
        }
    }
}

impl HttpLimits {
    /// The same limits, except those that a config sets.
    pub(super) fn with(&self, timeouts: ApiTimeouts) -> Self {
        Self {
            idle: timeouts.idle.unwrap_or(self.idle),
            answer: timeouts.answer.unwrap_or(self.answer),
            ready_within: timeouts.ready.unwrap_or(self.ready_within),
            total: timeouts.total.unwrap_or(self.total),
            ..self.clone()
        }
    }
}
