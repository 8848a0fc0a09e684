//! The limits of an API source in time and size. Everything that a server sends is bounded.

use std::time::Duration;

use elt_shared::config::ApiTimeouts;

/// The limits of one API source. A worker uses the default, and tests use smaller ones.
#[derive(Debug, Clone)]
pub struct HttpLimits {
    /// Longest time for resolving the name, connecting and TLS.
    pub connect: Duration,
    /// Longest silence between a request and its answer, and between two pieces of a body.
    pub idle: Duration,
    /// Longest time for one answer from the request to its last byte, so that a body that trickles ends, too.
    pub answer: Duration,
    /// Longest time for all pages with all their attempts.
    pub total: Duration,
    /// Most bytes of one answer after decompression.
    pub answer_bytes: u64,
    /// Most bytes of all pages after decompression.
    pub total_bytes: u64,
    /// Number of requests for one page after which the source fails.
    pub attempts: u32,
    /// First pause between two attempts. Each further one is twice as long.
    pub backoff: Duration,
    /// Longest time that the request for one page is repeated while the server answers 202, "not ready yet".
    pub ready_within: Duration,
    /// Longest pause between two such requests, when the server names none.
    pub longest_poll: Duration,
    /// Longest wait that a `Retry-After` may ask for. A longer one fails the source at once, because the run would occupy its
    /// worker meanwhile.
    pub longest_wait: Duration,
    /// Most redirects that are followed for one request.
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
