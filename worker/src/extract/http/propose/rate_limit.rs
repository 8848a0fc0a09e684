//! The rate limit that an answer's headers speak of.

use elt_shared::runs::{Choice, Confidence};
use reqwest::header::{HeaderMap, RETRY_AFTER};

use super::super::retry::rate_limit;

/// Headers of single vendors that say how many calls are allowed.
const OTHERS: &[&str] = &[
    "x-shopify-shop-api-call-limit",
    "x-hubspot-ratelimit-max",
    "x-hubspot-ratelimit-remaining",
    "sforce-limit-info",
    "ratelimit-policy",
];

/// A sentence about the rate limit. `None`: the headers say nothing about one.
pub(super) fn sentence(headers: &HeaderMap) -> Option<String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(shown);
    let limit = rate_limit(headers, "limit").map(shown);
    let left = rate_limit(headers, "remaining").map(shown);
    let reset = rate_limit(headers, "reset").map(shown);
    let counts = match (&limit, &left) {
        (Some(limit), Some(left)) => Some(format!("{left} of {limit} requests are left")),
        (None, Some(left)) => Some(format!("{left} requests are left")),
        (Some(limit), None) => Some(format!("{limit} requests are allowed")),
        (None, None) => None,
    };
    let again = reset.map(|reset| format!("it is counted anew at or in {reset} (`reset`)"));
    let waits = text(RETRY_AFTER.as_str()).map(|wait| format!("it asks to wait {wait} (`Retry-After`)"));
    let others = OTHERS.iter().filter_map(|name| Some(format!("`{name}` is {}", text(name)?)));
    let parts: Vec<String> = counts.into_iter().chain(again).chain(waits).chain(others).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// The rate limit as a part of a proposal.
pub(super) fn choice(headers: &HeaderMap) -> Option<Choice> {
    let reason = sentence(headers)?;
    Some(Choice {
        key: "rate_limit".to_owned(),
        value: None,
        reason,
        confidence: Confidence::Certain,
        others: Vec::new(),
    })
}

/// A header's value as people may see it: short and on one line.
fn shown(value: &str) -> String {
    value.chars().filter(|c| !c.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderName;

    use super::*;

    fn said(headers: &[(&'static str, &str)]) -> Option<String> {
        let pair =
            |&(name, value): &(&'static str, &str)| (HeaderName::from_static(name), value.parse().expect("a header"));
        sentence(&headers.iter().map(pair).collect())
    }

    #[test]
    fn limits_are_said_in_words() {
        assert_eq!(said(&[("content-type", "application/json")]), None);
        assert_eq!(
            said(&[("x-ratelimit-limit", "60"), ("x-ratelimit-remaining", "58")]).as_deref(),
            Some("58 of 60 requests are left")
        );
        assert_eq!(
            said(&[("x-shopify-shop-api-call-limit", "1/40")]).as_deref(),
            Some("`x-shopify-shop-api-call-limit` is 1/40")
        );
        let reset = said(&[("ratelimit-remaining", "0"), ("ratelimit-reset", "9"), ("retry-after", "3")]);
        assert_eq!(
            reset.as_deref(),
            Some("0 requests are left; it is counted anew at or in 9 (`reset`); it asks to wait 3 (`Retry-After`)")
        );
    }
}
