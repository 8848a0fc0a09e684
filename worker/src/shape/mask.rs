//! What is shown in place of a masked value.

use elt_shared::config::Mask;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What is shown of a value of which nothing is shown.
const REDACTED: &[u8] = b"***";
/// What is shown in place of all characters but the last ones.
const HIDDEN: &[u8] = b"****";
/// Characters that the mask `last4` shows.
const SHOWN: usize = 4;
/// A value with fewer characters is not shown in part, because too little of it would be hidden.
const SHORTEST_SHOWN: usize = 8;

/// Writes masks under one key.
#[derive(Clone)]
pub(super) struct Masker {
    /// `None`: no mask hashes.
    mac: Option<Hmac<Sha256>>,
}

impl Masker {
    /// Masks under a key. `None`: no mask hashes.
    pub(super) fn new(key: Option<&[u8]>) -> Self {
        Self { mac: key.and_then(|key| Hmac::new_from_slice(key).ok()) }
    }

    /// Writes what is shown of a value that is not NULL. Returns false for NULL.
    pub(super) fn write(&self, mask: Mask, value: &[u8], out: &mut Vec<u8>) -> bool {
        out.clear();
        match (mask, &self.mac) {
            (Mask::Null, _) => return false,
            (Mask::Hash, Some(mac)) => {
                let mut mac = mac.clone();
                mac.update(value);
                for byte in mac.finalize().into_bytes() {
                    out.extend_from_slice(&[hex(byte >> 4), hex(byte & 15)]);
                }
            }
            (Mask::LastFour, _) => {
                out.extend_from_slice(HIDDEN);
                let text = String::from_utf8_lossy(value);
                let length = text.chars().count();
                if length >= SHORTEST_SHOWN {
                    out.extend(text.chars().skip(length - SHOWN).collect::<String>().bytes());
                }
            }
            // A config whose masks hash has a key; without one nothing may be shown.
            (Mask::Hash | Mask::Redact, _) => out.extend_from_slice(REDACTED),
        }
        true
    }
}

fn hex(digit: u8) -> u8 {
    b"0123456789abcdef"[usize::from(digit & 15)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(mask: Mask, value: &str) -> Option<String> {
        let mut out = Vec::new();
        let masker = Masker::new(Some(b"key"));
        masker.write(mask, value.as_bytes(), &mut out).then(|| String::from_utf8(out).unwrap())
    }

    #[test]
    fn masks_show_what_they_promise() {
        // The answer of Python's `hmac.new(b"key", b"The quick brown fox jumps over the lazy dog", "sha256")`.
        assert_eq!(
            masked(Mask::Hash, "The quick brown fox jumps over the lazy dog").unwrap(),
            "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
        );
        assert_eq!(masked(Mask::Redact, "x").unwrap(), "***");
        assert_eq!(masked(Mask::LastFour, "DE89370400440532013000").unwrap(), "****3000");
        assert_eq!(masked(Mask::LastFour, "1234567").unwrap(), "****");
        assert_eq!(masked(Mask::LastFour, "äöüäöüßé").unwrap(), "****öüßé");
        assert_eq!(masked(Mask::Null, "x"), None);
    }
}
