//! Texts of JSON values: strings without their escapes, and values without the white space between their tokens.

use super::scan::{Scanner, hex, is_space};

/// Appends a string without its escapes. `text`: the bytes between its quotes, which are valid.
pub(super) fn unescape(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        let Some((&kind, after)) = rest[at + 1..].split_first() else { return };
        rest = after;
        match kind {
            b'b' => out.push(0x08),
            b'f' => out.push(0x0C),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => rest = push_code(rest, out),
            other => out.push(other),
        }
    }
    out.extend_from_slice(rest);
}

/// Appends the character of the `\u` escape whose digits `rest` starts with. Returns the bytes behind it.
fn push_code<'a>(rest: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let unit = |text: &[u8]| text.get(..4).and_then(hex).unwrap_or(0xFFFD);
    let units = [unit(rest), rest.get(6..).map_or(0, unit)];
    let pair = (0xD800..0xDC00).contains(&units[0]);
    let character = char::decode_utf16(units).next().and_then(Result::ok).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    rest.get(if pair { 10 } else { 4 }..).unwrap_or_default()
}

/// Appends a value without the white space between its tokens.
pub(super) fn compact(text: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let length = if byte == b'"' {
            Scanner::new(&text[at..], true).string(0).map_or(text.len() - at, |(end, _)| end)
        } else {
            1
        };
        if !is_space(byte) {
            out.extend_from_slice(&text[at..at + length]);
        }
        at += length;
    }
}
