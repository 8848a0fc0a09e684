//! "The same YAML": a keyed hash of the text, so that a stolen hash tells nothing about the secrets in it.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// HMAC-SHA256 of a config's text. Line endings, a byte order mark, empty lines before the text and white space after it
/// make no difference. Nothing else is left out, because an admin vouches for a text by this hash.
pub fn content_key(key: &[u8], text: &str) -> [u8; 32] {
    let normal = text.replace("\r\n", "\n");
    let mut normal = normal.trim_start_matches('\u{feff}').trim_end_matches([' ', '\t', '\r', '\n']);
    while let Some((line, rest)) = normal.split_once('\n')
        && line.trim_matches([' ', '\t', '\r']).is_empty()
    {
        normal = rest;
    }
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
        assert_eq!(key, content_key(b"key", "  \n\na: 1\nb: 2 \n"));
        for other in ["a: 1\n\nb: 2", " a: 1\nb: 2", "\u{a0}a: 1\nb: 2", "a: 1\nb: 2\u{a0}", "\u{2028}a: 1\nb: 2"] {
            assert_ne!(key, content_key(b"key", other), "{other:?}");
        }
        assert_ne!(key, content_key(b"other", "a: 1\nb: 2"));
    }
}
