//! The members around the rows of a page. By them a last page that leaves the rows' member out is distinguished from an error
//! that is answered with status 200.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::walk::Outline;

/// Most names of members that are remembered. A page with more is never taken as the end.
const MAX_NAMES: usize = 1_000;

/// The members of an object around the rows, without their values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Envelope {
    names: BTreeSet<String>,
    /// The first member that says that the request failed.
    says_error: Option<String>,
    /// A member with a message that may report an error, because it is not one of the usual words for success.
    remark: Option<String>,
    /// Whether the value is neither an object nor empty, or has too many members.
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
        self.says_error.is_none() && !self.strange && self.names.is_subset(&before.names)
    }

    /// Whether an answer that lacks its rows may be one of an API that has nothing to send: no member reports a failure, nor
    /// may report one.
    pub(super) fn may_be_empty(&self) -> bool {
        !self.strange && self.error(Some(&Self::default())).is_none()
    }

    /// The member that makes an answer without rows an error. A message counts when it speaks of a failure, or when it is
    /// new: `before` has the members of the pages with rows.
    pub(super) fn error(&self, before: Option<&Self>) -> Option<&str> {
        let is_new = |name: &&String| before.is_some_and(|before| !before.names.contains(*name));
        self.says_error.as_ref().or(self.remark.as_ref().filter(is_new)).map(String::as_str)
    }

    fn look_at(&mut self, name: &str, value: &Outline) {
        if self.says_error.is_none() && says_error(name, value) {
            self.says_error = Some(name.to_owned());
        }
        if let (true, Outline::Text(text)) = (is_message(name), value)
            && !is_harmless(text)
        {
            self.remark = Some(name.to_owned());
        }
    }
}

/// Parts of messages that report a failure.
const FAILURES: &[&str] = &[
    "error",
    "fail",
    "exceed",
    "exception",
    "too many",
    "rate limit",
    "limit reached",
    "quota",
    "throttl",
    "denied",
    "unauthori",
    "forbidden",
    "not allowed",
    "not permitted",
    "invalid",
    "expired",
    "unavailable",
    "timeout",
    "timed out",
    "overload",
    "try again",
    "slow down",
    "maintenance",
    "refused",
    "suspended",
];

/// Words of messages about an empty answer that is not an error.
const HARMLESS: &[&str] = &[
    "ok",
    "success",
    "successful",
    "successfully",
    "no",
    "none",
    "nothing",
    "empty",
    "end",
    "last",
    "done",
    "complete",
    "completed",
    "finished",
    "0",
    "zero",
    "found",
];

/// Whether a member of the root says that the request failed.
fn says_error(name: &str, value: &Outline) -> bool {
    let failed = |text: &str| {
        let words = ["error", "errors", "fail", "failed", "failure", "ko", "nok", "throttled", "rate_limited"];
        words.contains(&text.to_lowercase().as_str())
    };
    let status = |digits: &str| digits.parse::<u16>().is_ok_and(|status| (400..600).contains(&status));
    match (name.to_lowercase().as_str(), value) {
        ("error" | "errors" | "fault" | "exception", value) => is_filled(value),
        ("error_message" | "errormessage" | "error_msg" | "errmsg" | "error_description", Outline::Text(text)) => {
            is_filled(value) && !is_harmless(text)
        }
        ("success" | "succeeded" | "ok", Outline::Flag(good)) => !good,
        ("success" | "succeeded" | "ok", Outline::Whole(digits)) => digits == "0",
        ("success" | "succeeded" | "ok", Outline::Text(text)) => text.eq_ignore_ascii_case("false"),
        ("status" | "state" | "result" | "code" | "status_code" | "statuscode", Outline::Text(text)) => {
            failed(text) || status(text)
        }
        ("status" | "code" | "status_code" | "statuscode", Outline::Whole(digits)) => status(digits),
        (_, Outline::Text(text)) if is_message(name) => complains(text),
        _ => false,
    }
}

/// Whether a member for errors holds one.
fn is_filled(value: &Outline) -> bool {
    match value {
        Outline::Null | Outline::Flag(false) | Outline::Array(0) | Outline::Object(0) => false,
        Outline::Text(text) | Outline::Whole(text) => {
            !["", "0", "none", "null", "false", "no", "ok"].contains(&text.trim().to_lowercase().as_str())
        }
        _ => true,
    }
}

fn is_message(name: &str) -> bool {
    ["message", "msg", "detail"].contains(&name.to_lowercase().as_str())
}

/// Whether a message speaks of a failure. "No failed orders" does not, but "No access" may.
fn complains(text: &str) -> bool {
    let text = text.trim().to_lowercase().replace(['_', '-'], " ");
    let has = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
    if text.starts_with("no ") || text.starts_with("0 ") {
        has(&["access", "permission", "credit", "quota", "token", "key"])
    } else {
        has(FAILURES)
    }
}

/// Whether a message is one of success, or of an answer that has nothing to show.
fn is_harmless(text: &str) -> bool {
    let text = text.to_lowercase();
    let mut words = text.split(|c: char| !c.is_alphanumeric());
    text.trim().is_empty() || (!complains(&text) && words.any(|word| HARMLESS.contains(&word)))
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
            envelope.look_at(&name, &value);
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
        for last in
            [r#"{"_links": {}, "page": {}}"#, "{}", "[]", "null", r#"{"page": {}, "error": null}"#, r#"{"error": {}}"#]
        {
            assert!(envelope(last).ends(&before), "{last}");
        }
    }

    #[test]
    fn an_error_is_never_the_last_page() {
        let before = envelope(r#"{"items": [], "error": null, "success": true, "status": 200, "code": "ok"}"#);
        for error in [
            r#"{"message": "slow down"}"#,
            r#"{"items_": []}"#,
            r#"{"error": {"code": 104}}"#,
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

    #[test]
    fn an_answer_without_rows_may_report_an_error_in_many_ways() {
        let before = envelope(r#"{"items": [], "error": null, "success": true, "message": "ok"}"#);
        for error in [
            r#"{"error": "quota exceeded"}"#,
            r#"{"error": {"code": 104}}"#,
            r#"{"errors": [{"detail": "x"}]}"#,
            r#"{"message": "API rate limit exceeded"}"#,
            r#"{"Message": "Too Many Requests"}"#,
            r#"{"message": "No access"}"#,
            r#"{"success": false}"#,
            r#"{"success": "false"}"#,
            r#"{"status": 429}"#,
            r#"{"status": "error", "message": "down"}"#,
            r#"{"error_message": "limit"}"#,
        ] {
            assert!(envelope(error).error(None).is_some(), "{error}");
            assert!(envelope(error).error(Some(&before)).is_some(), "{error}");
        }
        for good in [
            r#"{"error": null, "errors": []}"#,
            r#"{"error": false, "errors": 0}"#,
            r#"{"error": "", "errors": {}}"#,
            r#"{"error": {}}"#,
            r#"{"message": "ok"}"#,
            r#"{"message": "success", "status": "ok"}"#,
            r#"{"message": "No failed orders", "status": 200}"#,
            r#"{"msg": "No more results", "code": 0}"#,
            r#"{"detail": ""}"#,
            r#"{"error_message": ""}"#,
            "[]",
        ] {
            assert_eq!(envelope(good).error(None), None, "{good}");
            assert_eq!(envelope(good).error(Some(&before)), None, "{good}");
        }
        let unknown = envelope(r#"{"detail": "Kontingent erreicht"}"#);
        assert_eq!(unknown.error(None), None);
        assert_eq!(unknown.error(Some(&before)), Some("detail"), "pages with rows had no such member");
        assert_eq!(unknown.error(Some(&unknown)), None);
    }
}
