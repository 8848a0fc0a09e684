//! Values that several types of `auth` have: addresses, and names with secret values.

use reqwest::Url;

use crate::config::field::{Field, Reading};
use crate::secret::Secret;

/// An `http://` or `https://` address. `None`: it was reported as a problem.
pub(super) fn http_url(field: &Field<'_>) -> Option<Secret> {
    match field.reading()? {
        Reading::Open(text) => Some(Secret::new(text)),
        Reading::Known(text) => {
            let text = text.trim();
            if !Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
                field.problem(format!("expected a URL that begins with http:// or https://, found {}", field.shown()));
                return None;
            }
            Some(Secret::new(text))
        }
    }
}

/// Whether a text has a reference that is not resolved yet, so that it cannot be checked.
pub(super) fn is_open(text: &str) -> bool {
    text.contains("${env:") || text.contains("${secret:")
}

/// Names with values. A list of values gives the name once for each.
pub(super) fn pairs(field: &Field<'_>) -> Option<Vec<(String, Secret)>> {
    let mut pairs = Vec::new();
    for (name, value) in field.pairs()? {
        pairs.extend(value.texts()?.into_iter().map(|text| (name.to_owned(), Secret::new(text))));
    }
    Some(pairs)
}
