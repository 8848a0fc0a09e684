//! How long a run waits between its attempts: after a failure, during an outage, and before it asks its target again. The
//! config (`retry:`) may set the pauses after a failure and during an outage.

use std::time::Duration;

use crate::backoff::{doubled, jittered};
use crate::config::RetryConfig;
use crate::store::target_outages::Pauses;

/// Longest pause between two attempts to ask a target whether a run loaded. The pauses double from one second.
pub const LONGEST_ASK_PAUSE: Duration = Duration::from_secs(60);

/// Time that a run waits for something that is away, unless its config says otherwise: longer than a night, so that a run
/// outlives an outage that is mended only in the morning.
pub const WAIT_FOR_OUTAGES: Duration = Duration::from_secs(86_400);

/// The same for a run that a person waits for: a plan, a check, and every run of `elt run`. It is longer than a restart or a
/// failover of a server.
pub const WAIT_OF_A_PERSON: Duration = Duration::from_secs(120);

/// The pause before the attempt after attempt number `attempt`. It doubles with every attempt, up to the config's bound.
pub fn retry_pause(retry: &RetryConfig, attempt: i32) -> Duration {
    jittered(doubled(retry.initial, retry.max, u32::try_from(attempt).unwrap_or(0)))
}

/// The pause before a run tries again after an outage. `outages_before`: number of its earlier attempts that met one.
pub fn outage_pause(pauses: Pauses, outages_before: i32) -> Duration {
    let failures = u32::try_from(outages_before).unwrap_or(0).saturating_add(1);
    jittered(doubled(pauses.first, pauses.longest, failures))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_between_attempts_double_up_to_the_bound() {
        let retry =
            RetryConfig { initial: Duration::from_secs(2), max: Duration::from_secs(10), ..RetryConfig::default() };
        for (attempt, seconds) in [(1, 2.0), (2, 4.0), (3, 8.0), (4, 10.0), (40, 10.0), (i32::MAX, 10.0), (0, 2.0)] {
            let pause = retry_pause(&retry, attempt).as_secs_f64();
            assert!((seconds * 0.75..=seconds * 1.25).contains(&pause), "attempt {attempt}: {pause}");
        }
        let endless = RetryConfig { initial: Duration::MAX, max: Duration::from_secs(1), ..RetryConfig::default() };
        assert!(retry_pause(&endless, 9) <= Duration::from_millis(1250));
    }
}
