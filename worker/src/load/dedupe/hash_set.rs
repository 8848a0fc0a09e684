//! A set of row hashes that never takes more memory than it was given.
//!
//! It is an open-addressing table with linear probing. It has no hash function of its own, because the upper bits of a row
//! hash are evenly spread already.

/// The outcome of [`RowHashSet::insert`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// The hash was not in the set and is in it now.
    New,
    /// The hash was in the set before.
    Known,
    /// The hash is not in the set, because the set is full.
    Full,
}

/// A set of row hashes in bounded memory.
#[derive(Debug, Clone)]
pub struct RowHashSet {
    /// Hashes by their upper bits; zero is an empty slot.
    slots: Vec<u128>,
    /// Number of slots in use.
    len: usize,
    /// Whether the hash zero is in the set, which no slot can say.
    zero: bool,
    max_slots: usize,
}

/// Number of slots of a new set.
const FIRST_SLOTS: usize = 1 << 12;

impl RowHashSet {
    /// An empty set with room for about `hashes` hashes from the start, that grows to at most `bytes` bytes.
    pub fn with_room(hashes: u64, bytes: usize) -> Self {
        let max_slots = (bytes / size_of::<u128>()).max(4);
        let wanted = usize::try_from(hashes.saturating_mul(3) / 2).unwrap_or(max_slots);
        Self { slots: empty(wanted.max(FIRST_SLOTS).min(max_slots)), len: 0, zero: false, max_slots }
    }

    /// Number of hashes that a set of at most `bytes` bytes holds.
    pub fn capacity_of(bytes: usize) -> usize {
        usable(bytes / size_of::<u128>())
    }

    /// Number of hashes that this set holds once it has grown to its limit.
    pub fn capacity(&self) -> usize {
        usable(self.max_slots)
    }

    /// Adds a hash if there is room for it.
    #[inline]
    pub fn insert(&mut self, hash: u128) -> Inserted {
        if hash == 0 {
            return if std::mem::replace(&mut self.zero, true) { Inserted::Known } else { Inserted::New };
        }
        let slot = self.find(hash);
        if self.slots[slot] == hash {
            return Inserted::Known;
        }
        if self.len >= usable(self.slots.len()) {
            if self.slots.len() >= self.max_slots {
                return Inserted::Full;
            }
            self.grow();
            return self.insert(hash);
        }
        self.slots[slot] = hash;
        self.len += 1;
        Inserted::New
    }

    /// Removes all hashes and keeps the memory.
    pub fn clear(&mut self) {
        self.slots.fill(0);
        (self.len, self.zero) = (0, false);
    }

    /// The slot that has the hash, or the empty slot where it belongs. The search ends because a quarter of the slots is
    /// always empty.
    #[inline]
    fn find(&self, hash: u128) -> usize {
        let mut slot = (((hash >> 64) * self.slots.len() as u128) >> 64) as usize;
        while self.slots[slot] != 0 && self.slots[slot] != hash {
            slot += 1;
            if slot == self.slots.len() {
                slot = 0;
            }
        }
        slot
    }

    #[cold]
    fn grow(&mut self) {
        let larger = (self.slots.len() * 2).min(self.max_slots);
        let old = std::mem::replace(&mut self.slots, empty(larger));
        for hash in old.into_iter().filter(|hash| *hash != 0) {
            let slot = self.find(hash);
            self.slots[slot] = hash;
        }
    }
}

/// Number of hashes that a number of slots holds. Beyond three quarters, linear probing would become slow.
#[inline]
fn usable(slots: usize) -> usize {
    slots / 4 * 3
}

/// Empty slots, each written once. The memory is not only reserved, because a page that is read before it is written costs
/// a second page fault and interrupts the other cores, which is most of the time that filling a set would take.
#[expect(clippy::slow_vector_initialization, reason = "memory that is only reserved is what makes it slow")]
fn empty(slots: usize) -> Vec<u128> {
    let mut empty = Vec::with_capacity(slots);
    empty.resize(slots, 0);
    empty
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_full_set_still_knows_what_it_holds() {
        let mut set = RowHashSet::with_room(0, 64 * 16);
        let hashes: Vec<u128> = (1..=100_u128).map(|n| n << 120 | n).collect();
        let outcomes: Vec<_> = hashes.iter().map(|hash| set.insert(*hash)).collect();
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Inserted::New).count(), 48);
        for (hash, outcome) in hashes.iter().zip(outcomes) {
            assert_eq!(set.insert(*hash), if outcome == Inserted::New { Inserted::Known } else { Inserted::Full });
        }
        assert_eq!((set.insert(0), set.insert(0)), (Inserted::New, Inserted::Known));
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_standard_set(hashes in proptest::collection::vec(any::<u128>().prop_map(|n| (n % 50) << 100), 0..3_000)) {
            let mut set = RowHashSet::with_room(0, 1 << 20);
            let mut standard = std::collections::HashSet::new();
            for hash in hashes {
                prop_assert_eq!(set.insert(hash) == Inserted::New, standard.insert(hash));
            }
        }
    }
}
