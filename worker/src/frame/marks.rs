//! Finds the bytes that mean something in delimited text: 64 bytes at a time, in plain arithmetic the compiler vectorises.

const BLOCK: usize = 64;

/// Walks over the positions of up to four different bytes in a text.
pub(super) struct Marks<'a> {
    text: &'a [u8],
    needles: [u8; 4],
    /// Start of the block the mask belongs to.
    base: usize,
    /// A bit for each needle of the block that was not handed out yet.
    mask: u64,
}

impl<'a> Marks<'a> {
    /// The positions of `needles` in `text`, from the start.
    pub(super) fn new(text: &'a [u8], needles: [u8; 4]) -> Self {
        let mut marks = Self { text, needles, base: 0, mask: 0 };
        marks.mask = marks.block_at(0);
        marks
    }

    /// The next position.
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

    /// The last block is shorter; bytes behind its end are no needles.
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
            let mut marks = Marks::new(&text, [1, 2, 3, 3]);
            let found: Vec<_> = std::iter::from_fn(|| marks.next()).collect();
            let expected: Vec<_> = (0..text.len()).filter(|&at| (1..=3).contains(&text[at])).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
