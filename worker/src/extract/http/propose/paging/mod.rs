//! How an API names its next page, recognised from its first answer: one recogniser for each style.
//!
//! # Layout
//! - [`link`]: addresses of the next page, in the `Link` header or in the body
//! - [`cursor`]: cursors in the body, and the last row's id
//! - [`numbered`]: page numbers and offsets
//! - [`beyond`]: styles that a GET request cannot follow

mod beyond;
mod cursor;
mod link;
mod numbered;

use elt_shared::json_path::JsonPath;
use reqwest::Url;
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::document::{Member, members};
use super::yaml::flow;

/// The facts of an answer by which its paging is recognised.
pub(super) struct Answer<'a> {
    /// The address that was asked for.
    pub(super) url: &'a Url,
    pub(super) headers: &'a HeaderMap,
    /// The members around the rows.
    members: Vec<Member<'a>>,
    pub(super) root: Option<&'a Value>,
    pub(super) rows: &'a [&'a Value],
    pub(super) records: Option<&'a JsonPath>,
}

impl<'a> Answer<'a> {
    pub(super) fn new(
        url: &'a Url,
        headers: &'a HeaderMap,
        root: Option<&'a Value>,
        rows: &'a [&'a Value],
        records: Option<&'a JsonPath>,
    ) -> Self {
        // Where the object is the row, its members are columns.
        let around = root.filter(|root| root.is_object() && records.is_some_and(|path| !path.steps().is_empty()));
        Self { url, headers, members: around.map(members).unwrap_or_default(), root, rows, records }
    }

    /// The first member around the rows with one of these names, in the order of the names.
    fn member(&self, names: &[&str]) -> Option<&Member<'a>> {
        names.iter().find_map(|name| self.members.iter().find(|member| member.name() == *name))
    }

    /// The first of these query parameters that the URL has.
    fn param(&self, names: &[&str]) -> Option<(String, String)> {
        let has = |name: &str| names.iter().any(|known| known.eq_ignore_ascii_case(name));
        let (name, value) = self.url.query_pairs().find(|(name, _)| has(name))?;
        Some((name.into_owned(), value.into_owned()))
    }

    /// A header's number.
    fn header(&self, names: &[&'static str]) -> Option<(&'static str, u64)> {
        names.iter().find_map(|name| Some((*name, self.headers.get(*name)?.to_str().ok()?.trim().parse().ok()?)))
    }
}

/// A style that was recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Paging {
    /// The keys and values of `pagination`. `None`: a config cannot express it, or need not.
    pub(super) keys: Option<Vec<(&'static str, String)>>,
    /// A sentence about what was recognised.
    pub(super) reason: String,
    /// Whether the answer says that more pages follow.
    pub(super) more: bool,
}

impl Paging {
    fn of(keys: &[(&'static str, &str)], reason: impl Into<String>, more: bool) -> Self {
        let keys = keys.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        Self { keys: Some(keys), reason: reason.into(), more }
    }

    /// Whether the pages are asked for by numbers, and not by what the page before names.
    pub(super) fn is_numbered(&self) -> bool {
        let is = |(key, value): &(&str, String)| *key == "type" && matches!(value.as_str(), "page" | "offset");
        self.keys.as_ref().is_some_and(|keys| keys.iter().any(is))
    }

    /// `{ type: cursor, cursor_path: next }`.
    pub(super) fn value(&self) -> Option<String> {
        self.keys.as_ref().map(|keys| flow(keys))
    }
}

/// Recognises one style in an answer.
type Recognise = fn(&Answer<'_>) -> Option<Paging>;

/// The styles, the surest first: an address needs no knowledge of parameters, a cursor only the name of one, and a number
/// of pages may be a count of something else.
const STYLES: &[(&str, Recognise)] = &[
    ("`Link` header", link::in_header),
    ("GraphQL connection", beyond::graphql),
    ("link in the body", link::in_body),
    ("Elasticsearch", beyond::elasticsearch),
    ("cursor in the body", cursor::in_body),
    ("id of the last row", cursor::last_row),
    ("page number in the body", numbered::page),
    ("offset in the body", numbered::offset),
    ("totals in headers", numbered::headers),
    ("parameters of the URL", numbered::parameters),
];

/// Recognises the paging of an API. `None`: nothing in the answer speaks of pages.
pub(super) fn recognise(answer: &Answer<'_>) -> Option<Paging> {
    STYLES.iter().find_map(|(style, recognise)| {
        let found = recognise(answer);
        if found.is_some() {
            tracing::debug!("paging recognised: {style}");
        }
        found
    })
}

#[cfg(test)]
mod tests;
