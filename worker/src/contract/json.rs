//! The canonical text of a JSON document.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::frame::value;

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
}
