//! The members around the rows of a page. They tell a last page, which leaves the rows' member out, from an error that
//! is answered with status 200.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::walk::Outline;

/// More members than this are not remembered, and a page that has them is never taken for the end.
const MAX_NAMES: usize = 1_000;

/// The members of an answer's root, without their values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Envelope {
    names: BTreeSet<String>,
    /// A member says that the request failed.
    says_error: bool,
    /// The root is neither an object nor empty, or has too many members.
    strange: bool,
}

impl Envelope {
    /// Adds the members of another page.
    pub(super) fn join(&mut self, page: Self) {
        self.names.extend(page.names);
    }

    /// Whether an answer without rows can be a page like those before: each of its members was in an earlier page, and
    /// none says that the request failed. Any other answer may be an error, and taking it for the end would lose rows.
    pub(super) fn ends(&self, before: &Self) -> bool {
        !self.says_error && !self.strange && self.names.is_subset(&before.names)
    }
}

/// Whether a member of the root says that the request failed.
fn says_error(name: &str, value: &Outline) -> bool {
    let failed = |text: &str| ["error", "errors", "fail", "failed", "failure"].contains(&text.to_lowercase().as_str());
    let status = |digits: &str| digits.parse::<u16>().is_ok_and(|status| (400..600).contains(&status));
    match (name.to_lowercase().as_str(), value) {
        ("error" | "errors" | "fault" | "exception", Outline::Null | Outline::Flag(false) | Outline::Array(0)) => false,
        ("error" | "errors" | "fault" | "exception", Outline::Text(text) | Outline::Whole(text)) => {
            !text.is_empty() && text != "0"
        }
        ("error" | "errors" | "fault" | "exception", _) => true,
        ("success" | "succeeded" | "ok", Outline::Flag(good)) => !good,
        ("success" | "succeeded" | "ok", Outline::Whole(digits)) => digits == "0",
        ("status" | "state" | "result" | "code" | "status_code" | "statuscode", Outline::Text(text)) => {
            failed(text) || status(text)
        }
        ("status" | "code" | "status_code" | "statuscode", Outline::Whole(digits)) => status(digits),
        _ => false,
    }
}

impl<'de> Deserialize<'de> for Envelope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EnvelopeVisitor)
    }
}

struct EnvelopeVisitor;

impl EnvelopeVisitor {
    fn scalar<E: Error>() -> Result<Envelope, E> {
        Ok(Envelope { strange: true, ..Envelope::default() })
    }
}

impl<'de> Visitor<'de> for EnvelopeVisitor {
    type Value = Envelope;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Envelope, A::Error> {
        let mut envelope = Envelope::default();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value::<Outline>()?;
            envelope.says_error |= says_error(&name, &value);
            if envelope.names.len() < MAX_NAMES {
                envelope.names.insert(name);
            } else {
                envelope.strange = true;
            }
        }
        Ok(envelope)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Envelope, A::Error> {
        let mut envelope = Envelope::default();
        while seq.next_element::<IgnoredAny>()?.is_some() {
            envelope.strange = true;
        }
        Ok(envelope)
    }

    fn visit_unit<E: Error>(self) -> Result<Envelope, E> {
        Ok(Envelope::default())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Envelope, E> {
        Self::scalar()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Envelope, E> {
        Self::scalar()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Envelope, E> {
        Self::scalar()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Envelope, E> {
        Self::scalar()
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Envelope, E> {
        Self::scalar()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(json: &str) -> Envelope {
        serde_json::from_str(json).expect(json)
    }

    #[test]
    fn a_page_that_only_lacks_its_rows_is_the_last_one() {
        let before = envelope(r#"{"_embedded": {"orders": [{}]}, "_links": {}, "page": {}, "error": null}"#);
        for last in [r#"{"_links": {}, "page": {}}"#, "{}", "[]", "null", r#"{"page": {}, "error": null}"#] {
            assert!(envelope(last).ends(&before), "{last}");
        }
    }

    #[test]
    fn an_error_is_never_the_last_page() {
        let before = envelope(r#"{"items": [], "error": null, "success": true, "status": 200, "code": "ok"}"#);
        for error in [
            r#"{"message": "slow down"}"#,
            r#"{"items_": []}"#,
            r#"{"error": {}}"#,
            r#"{"error": "limit"}"#,
            r#"{"success": false}"#,
            r#"{"status": 429}"#,
            r#"{"status": "Error"}"#,
            r#"{"code": "500"}"#,
            r#"[{"a": 1}]"#,
            r#""limit""#,
            "7",
        ] {
            assert!(!envelope(error).ends(&before), "{error}");
        }
    }
}
