//! Pauses between attempts.

use std::time::Duration;

/// Pauses stop doubling after this many failures, whatever bound the caller sets.
const MAX_DOUBLINGS: u32 = 16;

/// The pause after `failures` failures in a row: `first` after one, then twice as long after each further one, at most
/// `longest`.
pub fn doubled(first: Duration, longest: Duration, failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(MAX_DOUBLINGS);
    first.saturating_mul(1 << doublings).min(longest)
}

/// A pause that is up to a quarter shorter or longer, at random, because processes that failed together would otherwise
/// try again together.
pub fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.75..1.25))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_with_every_failure_up_to_its_bound() {
        let (first, longest) = (Duration::from_millis(500), Duration::from_secs(10));
        let pauses = [0, 1, 2, 3, 5, 6, u32::MAX].map(|failures| doubled(first, longest, failures).as_millis());
        assert_eq!(pauses, [500, 500, 1_000, 2_000, 8_000, 10_000, 10_000]);
        assert_eq!(doubled(Duration::MAX, Duration::MAX, 9), Duration::MAX);
        assert_eq!(doubled(Duration::from_secs(1), Duration::MAX, 99), Duration::from_secs(1 << 16));
    }

    #[test]
    fn a_jittered_pause_is_at_most_a_quarter_off() {
        for _ in 0..1_000 {
            let pause = jittered(Duration::from_secs(4));
            assert!((Duration::from_secs(3)..Duration::from_secs(5)).contains(&pause), "{pause:?}");
        }
        assert_eq!(jittered(Duration::ZERO), Duration::ZERO);
    }
}
