//! Logins whose passwords are being checked: a bounded number of them, and few of any one address.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Most logins of one address at a time. A client that is refused can send its login again after a second.
const OF_ONE_ADDRESS: usize = 8;
/// Most logins of all addresses at a time: the last one waits about a second, because one hash takes a core for tens of
/// milliseconds.
const OF_ALL: usize = 32;

/// The logins being checked, counted by address.
#[derive(Clone, Default)]
pub struct LoginQueue(Arc<Mutex<HashMap<String, usize>>>);

/// A login's place in the queue, given back when dropped.
pub struct Place {
    queue: LoginQueue,
    address: String,
}

impl LoginQueue {
    /// A place for a login; `None` when this address, or all addresses together, have too many.
    pub fn enter(&self, address: &str) -> Option<Place> {
        let mut counts = self.counts();
        let all: usize = counts.values().sum();
        let own = counts.get(address).copied().unwrap_or_default();
        if own >= OF_ONE_ADDRESS || all >= OF_ALL {
            return None;
        }
        counts.insert(address.to_owned(), own + 1);
        Some(Place { queue: self.clone(), address: address.to_owned() })
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, HashMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.queue.counts();
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_take_every_place() {
        let queue = LoginQueue::default();
        let one: Vec<_> = std::iter::from_fn(|| queue.enter("203.0.113.1")).collect();
        assert_eq!(one.len(), OF_ONE_ADDRESS);
        let other = queue.enter("203.0.113.2").expect("another address has places of its own");
        drop((one, other));
        assert!(queue.counts().is_empty());
    }

    #[test]
    fn many_addresses_cannot_take_more_than_all_places() {
        let queue = LoginQueue::default();
        let all: Vec<_> = (0..100).filter_map(|address| queue.enter(&format!("203.0.113.{address}"))).collect();
        assert_eq!(all.len(), OF_ALL);
    }
}
