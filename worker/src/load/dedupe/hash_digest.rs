//! A digest of row hashes: their number and their sum. It tells whether two sets of rows are the same without keeping either
//! of them, and the digests of two sets add up to that of both.
//!
//! It is the additive multiset hash of Clarke, Devadas, van Dijk, Gassend and Suh, "Incremental Multiset Hash Functions and
//! Their Application to Memory Integrity Checking" (2003), over the hashes of the rows.

use std::ops::Add;

/// The digest of a set of row hashes. The order in which they are added does not matter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HashDigest {
    /// Number of hashes.
    pub rows: u64,
    /// Their sum modulo 2^128.
    sum: u128,
}

impl HashDigest {
    /// Adds a hash.
    #[inline]
    pub fn add_hash(&mut self, hash: u128) {
        self.rows += 1;
        self.sum = self.sum.wrapping_add(hash);
    }

    /// The sum as 32 hexadecimal digits.
    pub fn sum_as_hex(self) -> String {
        format!("{:032x}", self.sum)
    }
}

impl Add for HashDigest {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { rows: self.rows + other.rows, sum: self.sum.wrapping_add(other.sum) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(hashes: &[u128]) -> HashDigest {
        let mut digest = HashDigest::default();
        hashes.iter().for_each(|hash| digest.add_hash(*hash));
        digest
    }

    #[test]
    fn order_does_not_matter_and_every_hash_does() {
        let (large, small) = (u128::MAX - 3, 17);
        assert_eq!(of(&[large, small, 5]), of(&[5, large, small]));
        assert_eq!(of(&[large, small]) + of(&[5]), of(&[5, large, small]));
        for other in [&[large, small][..], &[large, small, 6], &[large, small, 5, 0], &[large, 5, 5]] {
            assert_ne!(of(&[large, small, 5]), of(other), "{other:?}");
        }
    }
}
