//! How many requests a minute each API token may send.
//!
//! Each process counts for itself, so that a request costs no write. An installation with three API processes allows a
//! token three times as many requests.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

const MINUTE: Duration = Duration::from_secs(60);

/// The requests of this process, counted by token. Only tokens that exist are counted, so that their number is bounded.
#[derive(Clone)]
pub struct TokenLimits {
    /// Time after which a token may send one more request.
    interval: Duration,
    full_at: Arc<Mutex<HashMap<Uuid, Instant>>>,
}

impl TokenLimits {
    /// Allows each token this many requests a minute, all at once if need be.
    pub fn new(per_minute: NonZeroU32) -> Self {
        Self { interval: MINUTE / per_minute.get(), full_at: Arc::default() }
    }

    /// Counts a request of a token. When it is one too many, it is not counted, and the answer is the number of seconds
    /// until the next one is accepted.
    pub fn take(&self, token: Uuid) -> Option<u64> {
        self.take_at(token, Instant::now())
    }

    /// Each token has a bucket that fills at a steady rate and holds a minute's worth. It is kept as the instant at
    /// which it is full again (the generic cell rate algorithm), and forgotten when it is full.
    fn take_at(&self, token: Uuid, now: Instant) -> Option<u64> {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if !full_at.contains_key(&token) {
            full_at.retain(|_, full_at| *full_at > now);
        }
        let bucket = full_at.entry(token).or_insert(now);
        let full_again = (*bucket).max(now) + self.interval;
        let too_early = full_again.duration_since(now).saturating_sub(MINUTE);
        if too_early.is_zero() {
            *bucket = full_again;
            return None;
        }
        Some(too_early.as_millis().div_ceil(1_000).max(1) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(per_minute: u32) -> TokenLimits {
        TokenLimits::new(NonZeroU32::new(per_minute).expect("more than zero"))
    }

    #[test]
    fn a_token_may_spend_its_minute_at_once_and_then_goes_on_at_its_rate() {
        let (limits, start) = (limits(60), Instant::now());
        let (token, other) = (Uuid::now_v7(), Uuid::now_v7());
        for request in 0..60 {
            assert_eq!(limits.take_at(token, start), None, "request {request}");
        }
        assert_eq!(limits.take_at(token, start), Some(1));
        assert_eq!(limits.take_at(other, start), None, "another token has a bucket of its own");
        let second_later = start + Duration::from_secs(1);
        assert_eq!(limits.take_at(token, second_later), None);
        assert_eq!(limits.take_at(token, second_later), Some(1));
        let hour_later = start + Duration::from_secs(3_600);
        assert_eq!((0..100).filter(|_| limits.take_at(token, hour_later).is_none()).count(), 60);
    }

    #[test]
    fn a_limit_of_one_lets_one_request_through_each_minute() {
        let (limits, start, token) = (limits(1), Instant::now(), Uuid::now_v7());
        assert_eq!(limits.take_at(token, start), None);
        assert_eq!(limits.take_at(token, start), Some(60));
        assert_eq!(limits.take_at(token, start + MINUTE), None);
    }

    #[test]
    fn tokens_that_are_not_used_any_more_are_forgotten() {
        let (limits, start) = (limits(60), Instant::now());
        for _ in 0..1_000 {
            limits.take_at(Uuid::now_v7(), start);
        }
        limits.take_at(Uuid::now_v7(), start + MINUTE);
        assert_eq!(limits.full_at.lock().expect("counts").len(), 1);
    }
}
