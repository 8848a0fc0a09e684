//! Hashes of values, by which a profile knows them again. They are not the hashes of rows.

use xxhash_rust::xxh3::xxh3_64;

/// The hash of a number of 64 bits. Different numbers have different hashes, because each step can be undone.
#[inline]
pub fn of_number(value: i64) -> u64 {
    let mut bits = (value as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// The hash of a text.
#[inline]
pub fn of_text(text: &[u8]) -> u64 {
    xxh3_64(text)
}
