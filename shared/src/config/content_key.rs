//! "The same YAML": a keyed hash of the text, so that a stolen hash tells nothing about the secrets in it.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// HMAC-SHA256 of a config's text. Line endings and outer white space make no difference.
pub fn content_key(key: &[u8], text: &str) -> [u8; 32] {
    let normal = text.replace("\r\n", "\n");
    let normal = normal.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(normal.as_bytes());
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_endings_and_outer_white_space_make_no_difference() {
        let key = content_key(b"key", "a: 1\nb: 2");
        assert_eq!(key, content_key(b"key", "\u{feff}\r\na: 1\r\nb: 2\r\n\r\n"));
        assert_ne!(key, content_key(b"key", "a: 1\n\nb: 2"));
        assert_ne!(key, content_key(b"other", "a: 1\nb: 2"));
    }
}
