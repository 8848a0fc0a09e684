//! How long a run's parties wait for each other. All of these intervals depend on one another, so they are in one file:
//!
//! ```text
//! heartbeat every 5 s, each given up after 4 s
//! lease 25 s ─ the worker gives up its runs at the first heartbeat that fails 20 s or more after the last one
//!                that arrived: at the latest shortly before the lease ends
//! sweep every 5 s ─ so a lost run is noticed about 32 s after the last heartbeat at the latest
//! ```
//!
//! They are not settings, because every process judges the others by them: two workers with different leases would take
//! each other's runs. What an operator may choose is in the settings of the worker: the grace period of a stop
//! (`ELT_GRACE_PERIOD`), the longest run (`ELT_RUN_TIMEOUT`) and the interval of monitors. The pauses between the
//! attempts of a run are in [`super::backoff`].

use std::time::Duration;

/// Time a worker owns a run after each heartbeat. A worker that says nothing for longer has lost the run.
pub const LEASE: Duration = Duration::from_secs(25);

/// Time between two heartbeats of a process. Each extends the leases of all its runs.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);

/// Time after which a heartbeat without an answer is given up and its connection dropped, because a network may swallow
/// packets without an error.
pub const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(4);

/// Time after the last heartbeat that arrived at which a worker gives its runs up. It is shorter than the lease, because
/// the worker must have stopped writing before another worker may take the run.
pub const LEASE_GIVEN_UP_AFTER: Duration = LEASE.saturating_sub(Duration::from_secs(5));

/// Time between two sweeps of a process.
pub const SWEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Runs that one sweep handles of each kind; the rest is left to the next sweep, so that no transaction grows long.
pub const RUNS_PER_SWEEP: i64 = 500;

/// Time a worker has to look at the sources of a due schedule; then another worker may do the tick.
pub const TICK_LEASE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_gives_up_before_its_lease_ends() {
        // Between the last heartbeat that arrived and giving up lies at least one more that may fail.
        assert!(HEARTBEAT_INTERVAL + HEARTBEAT_TIMEOUT < LEASE_GIVEN_UP_AFTER);
        assert!(LEASE_GIVEN_UP_AFTER < LEASE);
        assert!(HEARTBEAT_TIMEOUT < HEARTBEAT_INTERVAL);
    }
}
