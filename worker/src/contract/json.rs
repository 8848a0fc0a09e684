//! JSON as PostgreSQL's `jsonb` can store it, and its canonical text.

use std::borrow::Cow;
use std::collections::BTreeMap;

use memchr::memmem;
use serde_json::value::RawValue;

use crate::frame::value;

/// The reason why `jsonb` cannot store a well-formed JSON document. `None`: it can.
pub fn unsupported(text: &[u8]) -> Option<&'static str> {
    if memmem::find(text, b"\\u").is_some() && !escapes_are_characters(text) {
        return Some("a \\u escape in it is no character PostgreSQL can keep");
    }
    if !numbers_fit(text) {
        return Some("a number in it is too large for PostgreSQL");
    }
    None
}

/// Whether every `\u` escape is a character other than NUL, and surrogates come in pairs.
fn escapes_are_characters(text: &[u8]) -> bool {
    let mut at = 0;
    let mut high = false;
    while at < text.len() {
        if text[at] != b'\\' {
            if high {
                return false;
            }
            at += 1;
            continue;
        }
        if text.get(at + 1) != Some(&b'u') {
            if high {
                return false;
            }
            at += 2;
            continue;
        }
        let digits = text.get(at + 2..at + 6).and_then(|digits| std::str::from_utf8(digits).ok());
        let Some(code) = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) else { return false };
        match code {
            0 => return false,
            0xD800..=0xDBFF if !high => high = true,
            0xDC00..=0xDFFF if high => high = false,
            0xD800..=0xDFFF => return false,
            _ if high => return false,
            _ => {}
        }
        at += 6;
    }
    !high
}

/// Whether every number outside texts fits into `numeric`. Only numbers with an exponent or very many digits may not.
fn numbers_fit(text: &[u8]) -> bool {
    let mut canonical = Vec::new();
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'"' => at = end_of_text(text, at),
            b'-' | b'0'..=b'9' => {
                let length =
                    text[at..].iter().position(|byte| !matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9'));
                let number = &text[at..length.map_or(text.len(), |length| at + length)];
                let suspicious = number.len() > 1_000 || memchr::memchr2(b'e', b'E', number).is_some();
                canonical.clear();
                if suspicious && !value::numeric_canonical(number, &mut canonical) {
                    return false;
                }
                at += number.len();
            }
            _ => at += 1,
        }
    }
    true
}

/// The position after the text that starts at `start` with its quote.
fn end_of_text(text: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(found) = text.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found;
        if text[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    text.len()
}

/// Appends the canonical text of a JSON document: members sorted, the last of equal names kept, no white space,
/// numbers exact without trailing zeros. A text that is not JSON is appended as it is.
pub fn canonical(text: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    let raw = serde_json::from_slice::<&RawValue>(text);
    if raw.map_err(drop).and_then(|raw| append(raw.get(), out).map_err(drop)).is_err() {
        out.truncate(start);
        out.extend_from_slice(text);
    }
}

fn append(text: &str, out: &mut Vec<u8>) -> serde_json::Result<()> {
    match text.as_bytes().first() {
        Some(b'{') => {
            let members: BTreeMap<String, &RawValue> = serde_json::from_str(text)?;
            out.push(b'{');
            for (index, (name, member)) in members.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                serde_json::to_writer(&mut *out, name)?;
                out.push(b':');
                append(member.get(), out)?;
            }
            out.push(b'}');
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text)?;
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                append(item.get(), out)?;
            }
            out.push(b']');
        }
        Some(b'"') => {
            let string: Cow<'_, str> = serde_json::from_str(text)?;
            serde_json::to_writer(out, &string)?;
        }
        Some(b'-' | b'0'..=b'9') => {
            if !value::numeric_canonical(text.as_bytes(), out) {
                out.extend_from_slice(text.as_bytes());
            }
        }
        _ => out.extend_from_slice(text.as_bytes()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical_of(text: &str) -> String {
        let mut out = Vec::new();
        canonical(text.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_same_document_has_one_text() {
        assert_eq!(canonical_of(r#"{ "b" : [1.0, 2e1, null], "a": "\u00e4" }"#), r#"{"a":"ä","b":[1,20,null]}"#);
        assert_eq!(canonical_of(r#"{"a":1,"a":2}"#), r#"{"a":2}"#);
        assert_eq!(canonical_of(r#""x""#), r#""x""#);
        assert_eq!(canonical_of("not json"), "not json");
        assert_eq!(canonical_of("12345678901234567890.10"), "12345678901234567890.1");
    }

    #[test]
    fn five_different_things_stay_different() {
        let all = ["null", r#""""#, r#""null""#, "0", "false"].map(canonical_of);
        assert_eq!(all.iter().collect::<std::collections::HashSet<_>>().len(), 5);
    }

    #[test]
    fn what_jsonb_refuses_is_found() {
        for text in [r#""\u0000""#, r#""\ud800""#, r#""\ud800x""#, r#""\udc00\ud800""#, r#"{"a":[1e999999]}"#] {
            assert!(unsupported(text.as_bytes()).is_some(), "{text}");
        }
        for text in [r#""\ud83d\ude00""#, r#""\\u0000""#, r#""\u00e4 1e999999""#, "1e10", r#"{"a":"\"1e999999"}"#] {
            assert_eq!(unsupported(text.as_bytes()), None, "{text}");
        }
    }
}
