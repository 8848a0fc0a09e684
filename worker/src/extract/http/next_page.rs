//! Pagination: the URL of the next page, and the checks that end a source whose pages would never end.

use std::collections::HashSet;

use elt_shared::config::template::{PAGE_CURSOR, PAGE_NUMBER, PAGE_OFFSET, PAGE_SIZE, Value, Values};
use elt_shared::config::{ApiSource, NextIs, Pagination};
use reqwest::{StatusCode, Url};
use xxhash_rust::xxh3::xxh3_128;

use super::error::{HttpError, Result};
use super::link_header::{is_link, resolve};
use super::url::{shown, with_param};

/// Parameter of a cursor when the config names none.
const CURSOR_PARAM: &str = "cursor";

/// Next step when more pages come than are allowed.
const MORE_PAGES: &str = "Raise `max_pages` if there are that many pages; otherwise correct `pagination`.";

/// Next step when a numbered page repeats another.
const OTHER_PARAM: &str = "Correct `param` of `pagination` to the query parameter that the API reads, or take `pagination` \
                           out if the API sends all rows at once.";

/// Next step when a numbered page repeats an earlier page that is not the page before it.
const OTHER_PAGING: &str = "Let `pagination` follow a cursor or links if the API has them, because page numbers alone do not show \
                            where the rows of this API end.";

/// Next step when an answer names a page that was read before.
const OTHER_NEXT: &str =
    "Correct `pagination`: `cursor_path` and `cursor_param`, and `next_is: link` if the API names links.";

/// Next step when an API answers with one page for ever.
const STUCK: &str = "Retry the run, because a cache may have answered. If the API repeats that page always, correct \
                     `pagination`: `cursor_path` and `cursor_param`, and `next_is: link` if the API names links.";

/// Most pages in a row that may have the same rows.
const MOST_SAME: u32 = 100;

/// What is asked for with a page: an address that an answer named, or the config's address with these parameters and values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Ask {
    /// The address that the answer before named, in place of the config's.
    pub(super) link: Option<Url>,
    /// Query parameters, in place of any of the same names.
    params: Vec<(String, String)>,
    /// Values of the placeholders that the source has in the place of such parameters.
    pub(super) values: Values,
}

impl Ask {
    /// An address in place of the config's.
    pub(super) fn link(link: Url) -> Self {
        Self { link: Some(link), ..Self::default() }
    }

    /// The address, when the config's is `base`.
    pub(super) fn url(&self, base: &Url) -> Url {
        let base = self.link.as_ref().unwrap_or(base).clone();
        self.params.iter().fold(base, |url, (name, value)| with_param(&url, name, value))
    }

    /// Sends a value where its placeholder stands, or else in a query parameter.
    fn send(&mut self, placed: bool, name: &str, param: &str, value: impl Into<Value>) {
        let value = value.into();
        if placed {
            self.values.set(name, Some(value));
        } else {
            self.params.push((param.to_owned(), value.to_string()));
        }
    }

    /// A hash by which the same page is recognised.
    fn key(&self, base: &Url) -> u128 {
        let mut key = String::from(self.url(base));
        for (name, value) in self.values.iter() {
            // A URL has no white space.
            key.push_str(&format!(" {name}={value}"));
        }
        xxh3_128(key.as_bytes())
    }
}

/// The placeholders of pages that a source has.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Placed {
    number: bool,
    offset: bool,
    size: bool,
    cursor: bool,
}

impl From<&ApiSource> for Placed {
    fn from(source: &ApiSource) -> Self {
        let placed = |name| source.has_placeholder(name);
        Self {
            number: placed(PAGE_NUMBER),
            offset: placed(PAGE_OFFSET),
            size: placed(PAGE_SIZE),
            cursor: placed(PAGE_CURSOR),
        }
    }
}

/// The position of a source in its pages.
pub(super) struct Pages<'a> {
    base: Url,
    pagination: Option<&'a Pagination>,
    placed: Placed,
    /// Number of the page that is asked for, from 1.
    pub(super) number: u64,
    offset: u64,
    /// Hash of what is asked for.
    asked: u128,
    /// Hashes of the pages that answers named.
    named: HashSet<u128>,
    /// Hashes of the pages' rows.
    rows: HashSet<u128>,
    /// Hash of the rows of the page before.
    last: Option<u128>,
    /// Hash of what was asked for with the page before.
    asked_before: Option<u128>,
    /// Number of the first page whose rows are those of an earlier page, although the answers named it as a new one.
    old_rows: Option<u64>,
    /// Number of pages in a row that have the same rows.
    same_rows: u32,
}

/// The parts of an answer that decide which page comes next.
pub(super) struct Turn<'a> {
    /// Number of its rows, or of the elements that its rows are in.
    pub(super) rows: u64,
    /// Hash of these rows or elements, by which a page that comes again is noticed.
    pub(super) hash: u128,
    /// The cursor or link in it.
    pub(super) cursor: Option<&'a str>,
    /// Whether the cursor is JSON other than a text.
    pub(super) cursor_is_json: bool,
    /// Whether it says that there is a next page. `None`: it does not say.
    pub(super) has_more: Option<bool>,
    /// The `Link` header's next page.
    pub(super) next_link: Option<Url>,
    /// The URL that answered, after redirects.
    pub(super) answered: &'a Url,
}

/// The step after an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The next page.
    Page(Ask),
    /// The page was the last one.
    End,
    /// The page before was the last one, because this page only repeats it.
    Repeated,
}

/// The first page.
pub(super) fn first(pagination: Option<&Pagination>, placed: Placed) -> Ask {
    match pagination {
        Some(Pagination::Page { start, .. }) => numbered(pagination, placed, *start),
        Some(Pagination::Offset { .. }) => numbered(pagination, placed, 0),
        Some(Pagination::Cursor { .. } | Pagination::LinkHeader { .. }) | None => Ask::default(),
    }
}

/// The page with this number, or after this many rows.
fn numbered(pagination: Option<&Pagination>, placed: Placed, position: u64) -> Ask {
    let mut ask = Ask::default();
    match pagination {
        Some(Pagination::Page { param, size, .. }) => {
            ask.send(placed.number, PAGE_NUMBER, param, position);
            if let Some((param, size)) = size {
                ask.send(placed.size, PAGE_SIZE, param, *size);
            }
        }
        Some(Pagination::Offset { param, limit_param, limit, .. }) => {
            ask.send(placed.offset, PAGE_OFFSET, param, position);
            ask.send(placed.size, PAGE_SIZE, limit_param, *limit);
        }
        Some(Pagination::Cursor { .. } | Pagination::LinkHeader { .. }) | None => {}
    }
    ask
}

impl<'a> Pages<'a> {
    /// The pages of a source whose first address is `base`.
    pub(super) fn new(base: Url, pagination: Option<&'a Pagination>, placed: Placed) -> Self {
        let asked = first(pagination, placed).key(&base);
        let (named, rows) = (HashSet::from([asked]), HashSet::new());
        let (last, asked_before, old_rows) = (None, None, None);
        Self {
            base,
            pagination,
            placed,
            number: 1,
            offset: 0,
            asked,
            named,
            rows,
            last,
            asked_before,
            old_rows,
            same_rows: 0,
        }
    }

    /// The first page.
    pub(super) fn first(&self) -> Ask {
        first(self.pagination, self.placed)
    }

    /// Whether a status means that the page is past the last one. Only numbered pages can be, because they are requested
    /// without knowing that they exist. The first page must exist.
    pub(super) fn ends_with(&self, status: StatusCode) -> bool {
        let further = match self.pagination {
            Some(Pagination::Page { end_status, .. } | Pagination::Offset { end_status, .. }) => end_status,
            _ => return false,
        };
        self.number > 1 && (status == StatusCode::NOT_FOUND || further.contains(&status.as_u16()))
    }

    /// Whether a status may mean that the page is past the last one although the config does not say so.
    pub(super) fn may_end_with(&self, status: StatusCode) -> bool {
        let numbered = matches!(self.pagination, Some(Pagination::Page { .. } | Pagination::Offset { .. }));
        numbered && self.number > 1 && matches!(status.as_u16(), 400 | 410 | 416 | 422)
    }

    /// Whether a status is that of a page which the answer before names, and which the API does not have.
    pub(super) fn was_named(&self, status: StatusCode) -> bool {
        let names = matches!(self.pagination, Some(Pagination::Cursor { .. } | Pagination::LinkHeader { .. }));
        names && self.number > 1 && matches!(status.as_u16(), 400 | 404 | 410 | 422)
    }

    /// Decides which page comes after an answer.
    pub(super) fn next(&mut self, turn: &Turn<'_>) -> Result<Next> {
        let Some(pagination) = self.pagination else { return Ok(Next::End) };
        // A page without rows is the last one, whatever cursor it shows, except when it says itself that there are more.
        if turn.rows == 0 && turn.has_more != Some(true) {
            return Ok(Next::End);
        }
        self.offset += turn.rows;
        let (next, max_pages) = match pagination {
            Pagination::Page { param, start, max_pages, .. } => {
                let ask = numbered(self.pagination, self.placed, start + self.number);
                (self.unless_repeated(turn, param, ask)?, max_pages)
            }
            Pagination::Offset { param, max_pages, .. } => {
                let ask = numbered(self.pagination, self.placed, self.offset);
                (self.unless_repeated(turn, param, ask)?, max_pages)
            }
            Pagination::Cursor { param, next_is, max_pages, .. } => {
                (self.after_cursor(turn, param.as_deref(), *next_is)?, max_pages)
            }
            Pagination::LinkHeader { max_pages } => (self.after_link(turn, turn.next_link.clone())?, max_pages),
        };
        self.last = Some(turn.hash);
        if let Next::Page(ask) = &next {
            if self.number >= *max_pages {
                let reason = format!("there is a page after the {max_pages} that `max_pages` allows");
                return Err(self.endless(reason, MORE_PAGES));
            }
            self.asked_before = Some(self.asked);
            self.asked = ask.key(&self.base);
            self.number += 1;
        }
        Ok(next)
    }

    /// The page after a numbered one. When a page repeats the page before it and earlier pages differed, the API knows
    /// the parameter and repeats its last page. When page 2 repeats page 1, the API ignores the parameter.
    fn unless_repeated(&mut self, turn: &Turn<'_>, param: &str, ask: Ask) -> Result<Next> {
        if self.rows.insert(turn.hash) {
            return Ok(Next::Page(ask));
        }
        let param = match () {
            () if self.placed.number => "{{page.number}}",
            () if self.placed.offset => "{{page.offset}}",
            () => param,
        };
        let (number, repeats_last) = (self.number, self.last == Some(turn.hash));
        if repeats_last && self.rows.len() > 1 {
            return Ok(Next::Repeated);
        }
        if repeats_last {
            let reason =
                format!("page {number} repeats page {}: the API ignores its page parameter `{param}`", number - 1);
            return Err(self.endless(reason, OTHER_PARAM));
        }
        let reason =
            format!("page {number} has the rows of an earlier page again: the API starts over after its last page");
        Err(self.endless(reason, OTHER_PAGING))
    }

    fn after_cursor(&mut self, turn: &Turn<'_>, param: Option<&str>, next_is: Option<NextIs>) -> Result<Next> {
        let Some(cursor) = turn.cursor else { return Ok(Next::End) };
        let next_is = next_is.or(self.placed.cursor.then_some(NextIs::Cursor));
        if is_link(cursor, next_is, param.is_some()) {
            return self.after_link(turn, Some(resolve(cursor, turn.answered)?));
        }
        let mut ask = Ask::default();
        let value = if turn.cursor_is_json { Value::Json(cursor.to_owned()) } else { cursor.into() };
        ask.send(self.placed.cursor, PAGE_CURSOR, param.unwrap_or(CURSOR_PARAM), value);
        self.unless_named(turn, ask, "names a cursor that was used before")
    }

    fn after_link(&mut self, turn: &Turn<'_>, link: Option<Url>) -> Result<Next> {
        match link {
            Some(link) => self.unless_named(turn, Ask::link(link), "links to a page that was read before"),
            None => Ok(Next::End),
        }
    }

    /// The page that an answer names, which must be a new one, except that a page may name itself.
    fn unless_named(&mut self, turn: &Turn<'_>, ask: Ask, otherwise: &str) -> Result<Next> {
        let new_rows = self.rows.insert(turn.hash);
        let key = ask.key(&self.base);
        if self.named.insert(key) {
            return if new_rows { Ok(Next::Page(ask)) } else { self.despite_old_rows(turn, ask) };
        }
        // Some APIs use one cursor or link for all pages, and others name the last page itself on it. One more request
        // shows which: the first kind answers with new rows, and the second kind repeats the page.
        let names_itself = key == self.asked;
        if names_itself && new_rows {
            return Ok(Next::Page(ask));
        }
        if names_itself && self.last == Some(turn.hash) && self.rows.len() > 1 {
            // The first time that this page was asked for, it should have had rows of its own.
            if self.asked_before == Some(self.asked) {
                return Ok(Next::Repeated);
            }
            let number = self.number;
            return Err(
                self.endless(format!("page {number} repeats page {} and names itself as the next", number - 1), STUCK)
            );
        }
        Err(self.endless(format!("page {} {otherwise}", self.number), OTHER_NEXT))
    }

    /// The page after one with the rows of an earlier page. Rows without an id may be the same by chance, so that the pages
    /// go on, but not for ever.
    fn despite_old_rows(&mut self, turn: &Turn<'_>, ask: Ask) -> Result<Next> {
        if turn.rows == 0 {
            return Ok(Next::Page(ask));
        }
        self.old_rows.get_or_insert(self.number);
        self.same_rows = if self.last == Some(turn.hash) { self.same_rows + 1 } else { 0 };
        if self.same_rows >= MOST_SAME {
            return Err(self.endless(format!("{MOST_SAME} pages in a row have the same rows"), OTHER_NEXT));
        }
        Ok(Next::Page(ask))
    }

    /// Number of the first page whose rows are those of an earlier page.
    pub(super) fn with_old_rows(&self) -> Option<u64> {
        self.old_rows
    }

    fn endless(&self, reason: String, next_step: &'static str) -> HttpError {
        HttpError::Endless { url: shown(&self.base), reason, next_step }
    }
}

#[cfg(test)]
mod tests;
