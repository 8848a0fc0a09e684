//! Values out of the JSON of a cell. Numbers keep their digits.

use std::borrow::Cow;
use std::collections::HashMap;

use elt_shared::json_path::Step;
use serde_json::value::RawValue;

/// Whether a text is a JSON document.
pub(super) fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

/// The value at a path: texts without quotes, everything else as it is written. `None`: there is no such value, it is null, or the
/// text is not JSON.
pub(super) fn value(text: &str, steps: &[Step]) -> Option<String> {
    let mut found = serde_json::from_str::<&RawValue>(text).ok()?;
    for step in steps {
        found = match step {
            Step::Member(name) => serde_json::from_str::<HashMap<Cow<'_, str>, &RawValue>>(found.get())
                .ok()?
                .get(name.as_str())
                .copied()?,
            Step::Element(index) => elements(found)?.get(*index).copied()?,
            Step::Last => elements(found)?.last().copied()?,
            Step::Every => return None,
        };
    }
    let text = found.get();
    match text.as_bytes().first()? {
        b'"' => serde_json::from_str(text).ok(),
        b'n' => None,
        _ => Some(text.to_owned()),
    }
}

fn elements(found: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(found.get()).ok()
}

#[cfg(test)]
mod tests {
    use elt_shared::json_path::JsonPath;

    use super::*;

    #[test]
    fn values_are_found_by_their_path() {
        let document = r#"{"city": "Wien \u00e4", "zip": 01, "x": 1}"#;
        assert!(!is_json(document));
        let document =
            r#"{"city": "Wien \u00e4", "big": 12345678901234567890.10, "tags": ["a", {"b": true}], "no": null}"#;
        for (path, found) in [
            ("$.city", Some("Wien ä")),
            ("$.big", Some("12345678901234567890.10")),
            ("$.tags[0]", Some("a")),
            ("$.tags[1].b", Some("true")),
            ("$.tags[-1]", Some(r#"{"b": true}"#)),
            ("$.no", None),
            ("$.missing.deeper", None),
            ("$.city.deeper", None),
            ("$.tags[7]", None),
        ] {
            let path: JsonPath = path.parse().unwrap();
            assert_eq!(value(document, path.steps()).as_deref(), found, "{path}");
        }
        assert!(is_json("7") && is_json("\"x\"") && !is_json("") && !is_json("{") && !is_json("Wien"));
    }
}
