//! Places: how many of something may be open at a time, by key and in total.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A bounded number of places, counted by key: an address, a user.
#[derive(Debug)]
pub struct Places<K> {
    counts: Arc<Mutex<HashMap<K, usize>>>,
    of_one: usize,
    of_all: usize,
}

/// One place, given back when dropped.
#[derive(Debug)]
pub struct Place<K: Eq + Hash> {
    counts: Arc<Mutex<HashMap<K, usize>>>,
    key: K,
}

/// Whose places are all taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// Those of the key that was asked for.
    One,
    /// Those of all keys together.
    All,
}

impl<K: Eq + Hash + Clone> Places<K> {
    /// At most `of_one` places for each key, and `of_all` for all keys together.
    pub fn new(of_one: usize, of_all: usize) -> Self {
        Self { counts: Arc::default(), of_one, of_all }
    }

    /// Takes a place without waiting for one.
    ///
    /// # Errors
    /// When the key, or all keys together, have no place left.
    pub fn take(&self, key: K) -> Result<Place<K>, Full> {
        self.take_up_to(self.of_one, key)
    }

    /// Like [`Places::take`], for a key with a limit of its own.
    ///
    /// # Errors
    /// As [`Places::take`].
    pub fn take_up_to(&self, of_one: usize, key: K) -> Result<Place<K>, Full> {
        let mut counts = lock(&self.counts);
        let own = counts.get(&key).copied().unwrap_or_default();
        if own >= of_one {
            return Err(Full::One);
        }
        if counts.values().sum::<usize>() >= self.of_all {
            return Err(Full::All);
        }
        counts.insert(key.clone(), own + 1);
        Ok(Place { counts: Arc::clone(&self.counts), key })
    }
}

impl<K> Clone for Places<K> {
    fn clone(&self) -> Self {
        Self { counts: Arc::clone(&self.counts), of_one: self.of_one, of_all: self.of_all }
    }
}

impl<K: Eq + Hash> Drop for Place<K> {
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
        let places = Places::new(2, 3);
        let own: Vec<_> = std::iter::from_fn(|| places.take("ann").ok()).collect();
        assert_eq!(own.len(), 2);
        let other = places.take("bob").expect("another key has places of its own");
        assert_eq!(places.take("ann").err(), Some(Full::One));
        assert_eq!(places.take("eve").err(), Some(Full::All));
        drop((own, other));
        assert!(lock(&places.counts).is_empty(), "keys without a place are forgotten");
    }

    #[test]
    fn a_key_may_have_a_limit_of_its_own() {
        let places = Places::new(2, 10);
        let many: Vec<_> = std::iter::from_fn(|| places.take_up_to(10, "proxy").ok()).collect();
        assert_eq!(many.len(), 10);
    }
}
