//! Which keys are refused because they could be guessed.

use std::collections::HashSet;

use super::Secret;

/// Shorter keys are refused.
pub const MIN_KEY_BYTES: usize = 32;
/// Fewest different bytes of a key. Of a million keys of 32 random hexadecimal digits, about one has fewer.
const MIN_DIFFERENT_BYTES: usize = 8;
/// Fewest bytes of the piece that a key may repeat.
const MIN_PIECE: usize = 16;

/// Whether a key is long enough and not obviously made up, such as 32 equal letters or a repeated word.
pub fn is_strong(key: &Secret) -> bool {
    let key = key.expose().as_bytes();
    let different: HashSet<&u8> = key.iter().collect();
    let repeats = |piece: usize| key.iter().skip(piece).zip(key).all(|(later, earlier)| later == earlier);
    key.len() >= MIN_KEY_BYTES && different.len() >= MIN_DIFFERENT_BYTES && !(1..MIN_PIECE).any(repeats)
}
