//! Repetition levels of a page: a row starts where the level is 0.

/// Number of rows that start in an unpacked page of the first version. `None`: its levels are not valid.
pub(super) fn row_starts(page: &[u8], max_level: i16, values: u64) -> Option<u64> {
    let (length, rest) = page.split_first_chunk::<4>()?;
    let levels = rest.get(..u32::from_le_bytes(*length) as usize)?;
    zeros(levels, 16 - max_level.cast_unsigned().leading_zeros(), values)
}

/// Number of zeros among some numbers of a number of bits, in runs and packed groups of eight.
fn zeros(mut bytes: &[u8], bits: u32, mut left: u64) -> Option<u64> {
    let width = bits.div_ceil(8) as usize;
    let mut zeros = 0;
    while left > 0 {
        let (head, rest) = varint(bytes)?;
        bytes = rest;
        if head & 1 == 0 {
            let run = (head >> 1).min(left);
            let value = bytes.get(..width)?;
            if value.iter().all(|&byte| byte == 0) {
                zeros += run;
            }
            bytes = &bytes[width..];
            left -= run;
            if run == 0 {
                return None;
            }
        } else {
            let size = usize::try_from((head >> 1).checked_mul(u64::from(bits))?).ok()?;
            // The last group may be cut off where its values end.
            let packed = &bytes[..size.min(bytes.len())];
            bytes = &bytes[packed.len()..];
            let count = (packed.len() as u64 * 8 / u64::from(bits)).min(left);
            if count == 0 {
                return None;
            }
            zeros += (0..count).filter(|&index| is_zero(packed, index * u64::from(bits), bits)).count() as u64;
            left -= count;
        }
    }
    Some(zeros)
}

/// Whether the bits from one on are all 0.
fn is_zero(packed: &[u8], from: u64, bits: u32) -> bool {
    (from..from + u64::from(bits)).all(|bit| packed[(bit / 8) as usize] >> (bit % 8) & 1 == 0)
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (index, &byte) in bytes.iter().enumerate().take(9) {
        value |= u64::from(byte & 0x7F) << (7 * index);
        if byte < 0x80 {
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rows_start_at_zeros() {
        // A run of three zeros, a run of two ones, and eight packed values of one bit: 0b10101010.
        assert_eq!(zeros(&[6, 0, 4, 1, 3, 0xAA], 1, 13), Some(3 + 4));
        // Two bits each: 0, 1, 2, 3 twice.
        assert_eq!(zeros(&[3, 0xE4, 0xE4], 2, 8), Some(2));
        assert_eq!(zeros(&[3, 0xE4, 0xE4], 2, 5), Some(2));
        assert_eq!(zeros(&[6, 0], 1, 4), None);
        assert_eq!(zeros(&[], 1, 0), Some(0));
        assert_eq!(row_starts(&[2, 0, 0, 0, 6, 0, 99], 1, 3), Some(3));
        assert_eq!(row_starts(&[9, 0, 0, 0, 6, 0, 99], 1, 3), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic_or_loop(bytes in proptest::collection::vec(any::<u8>(), 0..50), bits in 1..6_u32, values in 0..1000_u64) {
            let _ = zeros(&bytes, bits, values);
        }
    }
}
