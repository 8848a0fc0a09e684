//! Connections to targets that failed, counted by user, so that nobody tries passwords or looks for servers through the API.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

/// Failed connections of one user within a minute, before more of them are refused.
pub const FAILURES_PER_MINUTE: usize = 10;
const MINUTE: Duration = Duration::from_secs(60);

/// The failures of the last minute.
#[derive(Clone, Default)]
pub struct TargetFailures(Arc<Mutex<HashMap<Uuid, VecDeque<Instant>>>>);

impl TargetFailures {
    /// Counts a failure of this user.
    pub fn note(&self, user: Uuid) {
        self.note_at(user, Instant::now());
    }

    /// Seconds until this user may connect again; `None`: at once.
    pub fn must_wait(&self, user: Uuid) -> Option<u64> {
        self.must_wait_at(user, Instant::now())
    }

    fn note_at(&self, user: Uuid, now: Instant) {
        let mut failures = self.failures();
        // Users without a recent failure are forgotten, and only the newest failures of a user count.
        failures.retain(|_, times| times.back().is_some_and(|last| now.duration_since(*last) < MINUTE));
        let times = failures.entry(user).or_default();
        if times.len() == FAILURES_PER_MINUTE {
            times.pop_front();
        }
        times.push_back(now);
    }

    fn must_wait_at(&self, user: Uuid, now: Instant) -> Option<u64> {
        let failures = self.failures();
        let times = failures.get(&user).filter(|times| times.len() == FAILURES_PER_MINUTE)?;
        let left = MINUTE.checked_sub(now.duration_since(*times.front()?))?;
        Some(left.as_secs().max(1))
    }

    fn failures(&self) -> MutexGuard<'_, HashMap<Uuid, VecDeque<Instant>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_who_fails_often_waits_and_others_do_not() {
        let (failures, start) = (TargetFailures::default(), Instant::now());
        let (ann, bob) = (Uuid::from_u128(1), Uuid::from_u128(2));
        for second in 0..FAILURES_PER_MINUTE as u64 {
            assert_eq!(failures.must_wait_at(ann, start + Duration::from_secs(second)), None);
            failures.note_at(ann, start + Duration::from_secs(second));
        }
        assert_eq!(failures.must_wait_at(ann, start + Duration::from_secs(20)), Some(40));
        assert_eq!(failures.must_wait_at(bob, start + Duration::from_secs(20)), None);
        let later = start + MINUTE + Duration::from_millis(500);
        assert_eq!(failures.must_wait_at(ann, later), None, "the first failure is a minute old");
        failures.note_at(ann, later);
        assert!(failures.must_wait_at(ann, later).is_some(), "there is one try for each failure that is forgotten");
        failures.note_at(bob, start + 3 * MINUTE);
        assert_eq!(failures.failures().len(), 1);
    }
}
