//! The limits of a place in time and size. Everything that a server sends is bounded.

use std::time::Duration;

use elt_shared::config::PlaceOptions;

use crate::extract::http::HttpLimits;

/// The limits of one place. A worker uses the default, and tests use smaller ones.
#[derive(Debug, Clone)]
pub struct StoreLimits {
    /// Longest time for resolving the name, connecting and TLS.
    pub connect: Duration,
    /// Longest silence while an answer is due.
    pub idle: Duration,
    /// Longest time for listing and reading all files with all attempts.
    pub total: Duration,
    /// Number of attempts that fail one after the other, without a byte in between, after which the source fails.
    pub attempts: u32,
    /// First pause between two attempts. Each further one is twice as long.
    pub backoff: Duration,
    /// Longest wait that a server may ask for. A longer one fails the source at once, because the run would occupy its worker
    /// meanwhile.
    pub longest_wait: Duration,
    /// Time for which a file must not have changed before it is read. One that would have to be waited for longer than
    /// [`MAX_SETTLE`] is left for the next run.
    pub settle: Duration,
    /// Number of times that a file which changes while it is read is read again before it is left for the next run.
    pub rereads: u32,
    /// Most entries of a listing.
    pub entries: usize,
    /// Most bytes of all files in the place.
    pub total_bytes: u64,
    /// The limits of one request to a web server.
    pub web: HttpLimits,
    /// Most bytes that are read of a file for a test of the connection.
    pub head: u64,
}

/// Longest time that a run waits for a file that may still be being written.
pub(super) const MAX_SETTLE: Duration = Duration::from_secs(30);

impl StoreLimits {
    /// The limits of a source, with the `settle_seconds` of its config.
    pub(super) fn of(options: &PlaceOptions) -> Self {
        Self { settle: Duration::from_secs(options.settle_seconds), ..Self::default() }
    }
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            total: Duration::from_hours(6),
            attempts: 3,
            backoff: Duration::from_secs(1),
            longest_wait: Duration::from_mins(5),
            settle: Duration::from_secs(5),
            rereads: 3,
            entries: 100_000,
            total_bytes: 1 << 40,
            web: HttpLimits { answer: Duration::from_hours(6), ..HttpLimits::default() },
            head: 255_000,
        }
    }
}
