//! A limit for the number of things that are open at a time, for each key and in total.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A limit for each key, such as an address or a user, and one for all keys together.
#[derive(Debug)]
pub struct KeyedLimit<K> {
    counts: Arc<Mutex<HashMap<K, usize>>>,
    of_one: usize,
    of_all: usize,
}

/// One unit of the limit, released when it is dropped.
#[derive(Debug)]
pub struct KeyPermit<K: Eq + Hash> {
    counts: Arc<Mutex<HashMap<K, usize>>>,
    key: K,
}

/// The limit that is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The limit of the key.
    One,
    /// The limit of all keys together.
    All,
}

impl<K: Eq + Hash + Clone> KeyedLimit<K> {
    /// At most `of_one` permits for each key, and `of_all` for all keys together.
    pub fn new(of_one: usize, of_all: usize) -> Self {
        Self { counts: Arc::default(), of_one, of_all }
    }

    /// Takes a permit without waiting for one.
    ///
    /// # Errors
    /// When the key, or all keys together, have no permit left.
    pub fn take(&self, key: K) -> Result<KeyPermit<K>, Full> {
        self.take_up_to(self.of_one, key)
    }

    /// Like [`KeyedLimit::take`], for a key with a limit of its own.
    ///
    /// # Errors
    /// As [`KeyedLimit::take`].
    pub fn take_up_to(&self, of_one: usize, key: K) -> Result<KeyPermit<K>, Full> {
        let mut counts = lock(&self.counts);
        let own = counts.get(&key).copied().unwrap_or_default();
        if own >= of_one {
            return Err(Full::One);
        }
        if counts.values().sum::<usize>() >= self.of_all {
            return Err(Full::All);
        }
        counts.insert(key.clone(), own + 1);
        Ok(KeyPermit { counts: Arc::clone(&self.counts), key })
    }
}

impl<K> Clone for KeyedLimit<K> {
    fn clone(&self) -> Self {
        Self { counts: Arc::clone(&self.counts), of_one: self.of_one, of_all: self.of_all }
    }
}

impl<K: Eq + Hash> Drop for KeyPermit<K> {
    fn drop(&mut self) {
        let mut counts = lock(&self.counts);
        if let Some(count) = counts.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}

fn lock<K>(counts: &Mutex<HashMap<K, usize>>) -> MutexGuard<'_, HashMap<K, usize>> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_cannot_take_every_place() {
        let limit = KeyedLimit::new(2, 3);
        let own: Vec<_> = std::iter::from_fn(|| limit.take("ann").ok()).collect();
        assert_eq!(own.len(), 2);
        let other = limit.take("bob").expect("another key has limit of its own");
        assert_eq!(limit.take("ann").err(), Some(Full::One));
        assert_eq!(limit.take("eve").err(), Some(Full::All));
        drop((own, other));
        assert!(lock(&limit.counts).is_empty(), "keys without a permit are forgotten");
    }

    #[test]
    fn a_key_may_have_a_limit_of_its_own() {
        let limit = KeyedLimit::new(2, 10);
        let many: Vec<_> = std::iter::from_fn(|| limit.take_up_to(10, "proxy").ok()).collect();
        assert_eq!(many.len(), 10);
    }
}
