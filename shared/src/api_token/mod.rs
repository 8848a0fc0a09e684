//! API tokens: the text a program sends, `elt_` and 36 letters and digits, and what a token may be granted.
//!
//! The last six letters and digits are a checksum (CRC-32 of the 30 random ones, in base 62), so that secret scanners find tokens
//! in repositories without false alarms, and a mistyped token costs no query.

mod grant;
mod scope;

pub use grant::{DEFAULT_DAYS, Grant, GrantError};
pub use scope::{Scope, Scopes};

use rand::RngExt;
use sha2::{Digest, Sha256};

use crate::secret::Secret;

/// What every token starts with.
pub const PREFIX: &str = "elt_";
/// Random letters and digits of a token: 178 bits.
const RANDOM: usize = 30;
/// Letters and digits of the checksum; 62⁶ is more than 2³².
const CHECKSUM: usize = 6;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// SHA-256 of a token: what the control database keeps of it.
pub type TokenHash = [u8; 32];

/// A new token and its hash.
pub fn generate() -> (Secret, TokenHash) {
    let random: String = rand::rng().sample_iter(rand::distr::Alphanumeric).take(RANDOM).map(char::from).collect();
    let token = format!("{PREFIX}{random}{}", checksum(&random));
    let hash = Sha256::digest(&token).into();
    (Secret::new(token), hash)
}

/// The hash of a token; `None` when the text cannot be a token, because its form or its checksum is wrong.
pub fn hash(token: &str) -> Option<TokenHash> {
    let body = token.strip_prefix(PREFIX)?;
    let is_whole = body.len() == RANDOM + CHECKSUM && body.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_whole || checksum(&body[..RANDOM]) != body[RANDOM..] {
        return None;
    }
    Some(Sha256::digest(token).into())
}

/// CRC-32 of a text in base 62, filled up with zeros on the left.
fn checksum(text: &str) -> String {
    let mut rest = crc32(text.as_bytes()) as usize;
    let mut digits = [b'0'; CHECKSUM];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[rest % DIGITS.len()];
        rest /= DIGITS.len();
    }
    digits.into_iter().map(char::from).collect()
}

/// CRC-32 as zlib and PNG compute it.
fn crc32(bytes: &[u8]) -> u32 {
    let shift = |crc: u32| (crc >> 1) ^ (0xedb8_8320 * (crc & 1));
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| shift(crc)))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_new_token_is_recognised_and_no_two_are_equal() {
        let tokens: Vec<(Secret, TokenHash)> = (0..100).map(|_| generate()).collect();
        for (token, hashed) in &tokens {
            assert_eq!(token.expose().len(), 40);
            assert_eq!(hash(token.expose()).as_ref(), Some(hashed), "{}", token.expose());
        }
        assert_eq!(tokens.iter().map(|(_, hashed)| hashed).collect::<HashSet<_>>().len(), 100);
    }

    #[test]
    fn a_changed_token_is_not_a_token() {
        let (token, _) = generate();
        let token = token.expose();
        let other = |byte: u8| if byte == b'a' { 'b' } else { 'a' };
        for place in PREFIX.len()..token.len() {
            let mut changed = token.to_owned();
            changed.replace_range(place..=place, &other(token.as_bytes()[place]).to_string());
            assert_eq!(hash(&changed), None, "place {place}");
        }
        let (longer, lower) = (format!("{token}0"), token.replace("elt_", "ELT_"));
        for text in ["", "elt_", "elt_é", &token[1..], &token[..39], &longer, &lower, " ", "elt_\0"] {
            assert_eq!(hash(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_checksum_is_the_one_that_scanners_compute() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(checksum("000000000000000000000000000000"), "2C8GjS");
    }
}
