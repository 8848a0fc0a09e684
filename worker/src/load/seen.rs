//! A set of row hashes that never takes more memory than it was given.

/// What became of a hash that was put into a [`HashSet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It was not there, now it is.
    New,
    /// It was there.
    Known,
    /// It is not there, and there is no room for it.
    Full,
}

/// Row hashes in one table of slots. The hashes are evenly spread already: their upper bits say where to look.
#[derive(Debug, Clone)]
pub struct HashSet {
    /// Zero is an empty slot.
    slots: Vec<u128>,
    len: usize,
    zero: bool,
    max_slots: usize,
}

/// Slots of a new set.
const FIRST_SLOTS: usize = 1 << 12;

impl HashSet {
    /// An empty set with room for about so many hashes from the start, that may grow to so many bytes.
    pub fn with_room(hashes: u64, bytes: usize) -> Self {
        let max_slots = (bytes / size_of::<u128>()).max(4);
        let wanted = usize::try_from(hashes.saturating_mul(3) / 2).unwrap_or(max_slots);
        Self { slots: empty(wanted.max(FIRST_SLOTS).min(max_slots)), len: 0, zero: false, max_slots }
    }

    /// How many hashes a set of so many bytes holds.
    pub fn capacity_of(bytes: usize) -> usize {
        bytes / size_of::<u128>() / 4 * 3
    }

    /// Puts a hash in, if there is room.
    #[inline]
    pub fn put(&mut self, hash: u128) -> Put {
        if hash == 0 {
            return if std::mem::replace(&mut self.zero, true) { Put::Known } else { Put::New };
        }
        let slot = self.find(hash);
        if self.slots[slot] == hash {
            return Put::Known;
        }
        if self.len >= self.slots.len() / 4 * 3 {
            if self.slots.len() >= self.max_slots {
                return Put::Full;
            }
            self.grow();
            return self.put(hash);
        }
        self.slots[slot] = hash;
        self.len += 1;
        Put::New
    }

    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.slots.fill(0);
        (self.len, self.zero) = (0, false);
    }

    /// The slot that has the hash, or the empty one it belongs into. A quarter of the slots is always empty.
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

/// Empty slots, written once: a page that is looked at before it is written costs a second fault and interrupts the
/// other cores, which is most of what filling a set would take.
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
        let mut set = HashSet::with_room(0, 64 * 16);
        let hashes: Vec<u128> = (1..=100_u128).map(|n| n << 120 | n).collect();
        let put: Vec<_> = hashes.iter().map(|hash| set.put(*hash)).collect();
        assert_eq!(put.iter().filter(|put| **put == Put::New).count(), 48);
        for (hash, put) in hashes.iter().zip(put) {
            assert_eq!(set.put(*hash), if put == Put::New { Put::Known } else { Put::Full });
        }
        assert_eq!((set.put(0), set.put(0)), (Put::New, Put::Known));
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_standard_set(hashes in proptest::collection::vec(any::<u128>().prop_map(|n| (n % 50) << 100), 0..3_000)) {
            let mut set = HashSet::with_room(0, 1 << 20);
            let mut standard = std::collections::HashSet::new();
            for hash in hashes {
                prop_assert_eq!(set.put(hash) == Put::New, standard.insert(hash));
            }
        }
    }
}
