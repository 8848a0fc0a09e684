//! Finds delimiters, quotes and line ends in delimited text. It compares 64 bytes at a time in plain arithmetic, because the
//! compiler turns that into vector instructions.

const BLOCK: usize = 64;

/// Iterates over the positions of up to four different bytes in a text.
pub(super) struct ByteFinder<'a> {
    text: &'a [u8],
    needles: [u8; 4],
    /// Position of the block that the mask belongs to.
    base: usize,
    /// One bit for each needle of the block that was not returned yet.
    mask: u64,
}

impl<'a> ByteFinder<'a> {
    /// The positions of `needles` in `text`, from the start.
    pub(super) fn new(text: &'a [u8], needles: [u8; 4]) -> Self {
        let mut finder = Self { text, needles, base: 0, mask: 0 };
        finder.mask = finder.block_at(0);
        finder
    }

    /// Position of the next needle. `None`: the text has no other.
    #[inline(always)]
    pub(super) fn next(&mut self) -> Option<usize> {
        while self.mask == 0 {
            if self.base + BLOCK >= self.text.len() {
                return None;
            }
            self.base += BLOCK;
            self.mask = self.block_at(self.base);
        }
        let position = self.base + self.mask.trailing_zeros() as usize;
        self.mask &= self.mask - 1;
        Some(position)
    }

    #[inline(always)]
    fn block_at(&self, base: usize) -> u64 {
        match self.text[base..].first_chunk::<BLOCK>() {
            Some(block) => self.bits(block),
            None => self.bits_of_rest(&self.text[base..]),
        }
    }

    /// The needles of the last block, which is shorter. Bytes behind its end do not count.
    #[cold]
    fn bits_of_rest(&self, rest: &[u8]) -> u64 {
        let mut block = [0; BLOCK];
        block[..rest.len()].copy_from_slice(rest);
        self.bits(&block) & ((1_u64 << rest.len()) - 1)
    }

    #[inline(always)]
    fn bits(&self, block: &[u8; BLOCK]) -> u64 {
        let [a, b, c, d] = self.needles;
        let mut hits = [0_u8; BLOCK];
        for (hit, &byte) in hits.iter_mut().zip(block) {
            *hit = u8::from(byte == a) | u8::from(byte == b) | u8::from(byte == c) | u8::from(byte == d);
        }
        let mut mask = 0;
        for (index, eight) in hits.as_chunks::<8>().0.iter().enumerate() {
            // Multiplying gathers the lowest bits of eight bytes in the highest byte.
            let bits = u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
            mask |= bits << (8 * index);
        }
        mask
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_needle_is_found_in_order(text in proptest::collection::vec(0_u8..8, 0..300)) {
            let mut finder = ByteFinder::new(&text, [1, 2, 3, 3]);
            let found: Vec<_> = std::iter::from_fn(|| finder.next()).collect();
            let expected: Vec<_> = (0..text.len()).filter(|&at| (1..=3).contains(&text[at])).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
