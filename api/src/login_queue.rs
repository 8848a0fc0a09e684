//! Logins whose passwords are being checked: a bounded number of them, and few of any one address.

use crate::keyed_limit::{KeyPermit, KeyedLimit};

/// Most logins of one address at a time. A client that is refused can send its login again after a second.
const OF_ONE_ADDRESS: usize = 8;
/// Most logins of all addresses at a time: the last one waits about a second, because one hash takes a core for tens of
/// milliseconds.
const OF_ALL: usize = 32;

/// The logins being checked, counted by address.
#[derive(Clone)]
pub struct LoginQueue(KeyedLimit<String>);

impl Default for LoginQueue {
    fn default() -> Self {
        Self(KeyedLimit::new(OF_ONE_ADDRESS, OF_ALL))
    }
}

impl LoginQueue {
    /// A place for a login; `None` when this address, or all addresses together, have too many.
    pub fn enter(&self, address: &str) -> Option<KeyPermit<String>> {
        self.0.take(address.to_owned()).ok()
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
        let other = queue.enter("203.0.113.2");
        assert!(other.is_some(), "another address has places of its own");
    }

    #[test]
    fn many_addresses_cannot_take_more_than_all_places() {
        let queue = LoginQueue::default();
        let all: Vec<_> = (0..100).filter_map(|address| queue.enter(&format!("203.0.113.{address}"))).collect();
        assert_eq!(all.len(), OF_ALL);
    }
}
