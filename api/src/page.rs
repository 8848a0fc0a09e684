//! Lists: a page of things and an opaque cursor to the next one.

use elt_shared::explained::Code;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::error::{Error, Result};
use crate::extract::escapes_nul;

const DEFAULT_LIMIT: i64 = 50;
const MAX_LIMIT: i64 = 250;

/// Which page of a list.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// How many, up to 250. Default 50.
    pub limit: Option<i64>,
}

impl PageQuery {
    /// How many to hand out.
    pub fn limit(&self) -> i64 {
        self.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT)
    }

    /// One more than asked for: whether it exists says whether there is a next page.
    pub fn fetch(&self) -> i64 {
        self.limit() + 1
    }

    /// The key the page starts after.
    ///
    /// # Errors
    /// When the cursor was not made by this list.
    pub fn after<K: DeserializeOwned>(&self) -> Result<Option<K>> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let key = decode(cursor).filter(|key| !escapes_nul(key)).and_then(|key| serde_json::from_slice(&key).ok());
        key.map(Some).ok_or_else(|| {
            Error::bad_request(
                Code::InvalidCursor,
                "the cursor is not one this list gave out",
                "Start again from the first page.",
            )
        })
    }
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The things, in the list's order.
    pub data: Vec<T>,
    /// Send it back as `cursor` to get the next page; `null` on the last one.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A page of what [`PageQuery::fetch`] brought; `key` is what the next page starts after.
    pub fn of<R, K: Serialize>(
        mut rows: Vec<R>,
        query: &PageQuery,
        key: impl FnOnce(&R) -> K,
        show: impl FnMut(R) -> T,
    ) -> Self {
        let limit = query.limit() as usize;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|last| cursor(&key(last)));
        Self { data: rows.into_iter().map(show).collect(), next }
    }
}

/// An opaque cursor for a key.
pub fn cursor(key: &impl Serialize) -> String {
    encode(&serde_json::to_vec(key).unwrap_or_default())
}

/// URL-safe and without meaning to a reader: two letters a byte.
fn encode(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn decode(text: &str) -> Option<Vec<u8>> {
    if text.len() > 2_048 || !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_to_the_next_page_and_nothing_else_does() {
        let query = PageQuery { cursor: None, limit: Some(2) };
        let page = Page::of(vec![9, 8, 7], &query, |last| *last, |row| row);
        assert_eq!(page.data, [9, 8]);
        let next = PageQuery { cursor: page.next, limit: Some(2) };
        assert_eq!(next.after::<i64>().expect("our own cursor"), Some(8));
        assert_eq!(Page::of(vec![7], &next, |last| *last, |row| row).next, None);
        for forged in ["8", "zz", "é", "7b"] {
            let query = PageQuery { cursor: Some(forged.into()), limit: None };
            assert!(query.after::<i64>().is_err(), "{forged}");
        }
    }
}
