//! Pagination: the URL of the next page, and the checks that end a source whose pages would never end.

use std::collections::HashSet;

use elt_shared::config::{NextIs, Pagination};
use reqwest::{StatusCode, Url};
use xxhash_rust::xxh3::xxh3_128;

use super::error::{HttpError, Result};
use super::link_header::{is_link, resolve};
use super::request::{shown, with_param};

/// Parameter of a cursor when the config names none.
const CURSOR_PARAM: &str = "cursor";

/// Next step when more pages come than are allowed.
const MORE_PAGES: &str = "Raise `max_pages` if there are that many pages; otherwise correct `pagination`.";

/// Next step when a numbered page repeats another.
const OTHER_PARAM: &str = "Correct `param` of `pagination` to the query parameter that the API reads, or take `pagination` \
                           out if the API sends all rows at once.";

/// Next step when an answer names a page that was read before.
const OTHER_NEXT: &str =
    "Correct `pagination`: `cursor_path` and `cursor_param`, and `next_is: link` if the API names links.";

/// The position of a source in its pages.
pub(super) struct Pages<'a> {
    base: Url,
    pagination: Option<&'a Pagination>,
    /// Number of the page that is asked for, from 1.
    pub(super) number: u64,
    offset: u64,
    /// The URL that is asked for.
    asked: Url,
    /// Hashes of the URLs that answers named.
    named: HashSet<u128>,
    /// Hashes of the pages' rows.
    rows: HashSet<u128>,
    /// Hash of the rows of the page before.
    last: Option<u128>,
}

/// The parts of an answer that decide which page comes next.
pub(super) struct Turn<'a> {
    /// Number of its rows.
    pub(super) rows: u64,
    /// Hash of its rows.
    pub(super) hash: u128,
    /// The cursor or link in it.
    pub(super) cursor: Option<&'a str>,
    /// The `Link` header's next page.
    pub(super) next_link: Option<Url>,
    /// The URL that answered, after redirects.
    pub(super) answered: &'a Url,
}

/// The step after an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The URL of the next page.
    Page(Url),
    /// The page was the last one.
    End,
    /// The page before was the last one, because this page only repeats it.
    Repeated,
}

impl<'a> Pages<'a> {
    pub(super) fn new(base: Url, pagination: Option<&'a Pagination>) -> Self {
        let mut pages = Self {
            asked: base.clone(),
            base,
            pagination,
            number: 1,
            offset: 0,
            named: HashSet::new(),
            rows: HashSet::new(),
            last: None,
        };
        pages.asked = pages.first();
        pages.named.insert(xxh3_128(pages.asked.as_str().as_bytes()));
        pages
    }

    /// The first page's URL.
    pub(super) fn first(&self) -> Url {
        match self.pagination {
            Some(Pagination::Page { param, start, size, .. }) => sized(&self.base, param, *start, size.as_ref()),
            Some(Pagination::Offset { param, limit_param, limit, .. }) => {
                sized(&self.base, param, 0, Some(&(limit_param.clone(), *limit)))
            }
            Some(Pagination::Cursor { .. } | Pagination::LinkHeader { .. }) | None => self.base.clone(),
        }
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

    /// Decides which page comes after an answer.
    pub(super) fn next(&mut self, turn: &Turn<'_>) -> Result<Next> {
        let Some(pagination) = self.pagination else { return Ok(Next::End) };
        if turn.rows == 0 {
            return Ok(Next::End);
        }
        self.offset += turn.rows;
        let (next, max_pages) = match pagination {
            Pagination::Page { param, start, size, max_pages, .. } => {
                let url = sized(&self.base, param, start + self.number, size.as_ref());
                (self.unless_repeated(turn, param, url)?, max_pages)
            }
            Pagination::Offset { param, limit_param, limit, max_pages, .. } => {
                let url = sized(&self.base, param, self.offset, Some(&(limit_param.clone(), *limit)));
                (self.unless_repeated(turn, param, url)?, max_pages)
            }
            Pagination::Cursor { param, next_is, max_pages, .. } => {
                (self.after_cursor(turn, param.as_deref(), *next_is)?, max_pages)
            }
            Pagination::LinkHeader { max_pages } => (self.after_link(turn, turn.next_link.clone())?, max_pages),
        };
        self.last = Some(turn.hash);
        if let Next::Page(url) = &next {
            if self.number >= *max_pages {
                let reason = format!("there is a page after the {max_pages} that `max_pages` allows");
                return Err(self.endless(reason, MORE_PAGES));
            }
            self.asked = url.clone();
            self.number += 1;
        }
        Ok(next)
    }

    /// The page after a numbered one. When a page repeats the page before it and earlier pages differed, the API knows
    /// the parameter and repeats its last page. When page 2 repeats page 1, the API ignores the parameter.
    fn unless_repeated(&mut self, turn: &Turn<'_>, param: &str, url: Url) -> Result<Next> {
        if self.rows.insert(turn.hash) {
            return Ok(Next::Page(url));
        }
        let (number, repeats_last) = (self.number, self.last == Some(turn.hash));
        if repeats_last && self.rows.len() > 1 {
            return Ok(Next::Repeated);
        }
        let reason = if repeats_last {
            format!("page {number} repeats page {}: the API ignores its page parameter `{param}`", number - 1)
        } else {
            format!("page {number} repeats an earlier page; does the API know `{param}`?")
        };
        Err(self.endless(reason, OTHER_PARAM))
    }

    fn after_cursor(&mut self, turn: &Turn<'_>, param: Option<&str>, next_is: Option<NextIs>) -> Result<Next> {
        let Some(cursor) = turn.cursor else { return Ok(Next::End) };
        if is_link(cursor, next_is, param.is_some()) {
            return self.after_link(turn, Some(resolve(cursor, turn.answered)?));
        }
        let url = with_param(&self.base, param.unwrap_or(CURSOR_PARAM), cursor);
        self.unless_named(turn, url, "names a cursor that was used before")
    }

    fn after_link(&mut self, turn: &Turn<'_>, link: Option<Url>) -> Result<Next> {
        match link {
            Some(link) => self.unless_named(turn, link, "links to a page that was read before"),
            None => Ok(Next::End),
        }
    }

    /// The page that an answer names, which must be a new one, except that a page may name itself.
    fn unless_named(&mut self, turn: &Turn<'_>, url: Url, otherwise: &str) -> Result<Next> {
        let new_rows = self.rows.insert(turn.hash);
        if self.named.insert(xxh3_128(url.as_str().as_bytes())) {
            return Ok(Next::Page(url));
        }
        // Some APIs use one cursor or link for all pages, and others name the last page itself on it. One more request
        // shows which: the first kind answers with new rows, and the second kind repeats the page.
        let names_itself = url == self.asked;
        if names_itself && new_rows {
            return Ok(Next::Page(url));
        }
        if names_itself && self.last == Some(turn.hash) && self.rows.len() > 1 {
            return Ok(Next::Repeated);
        }
        Err(self.endless(format!("page {} {otherwise}", self.number), OTHER_NEXT))
    }

    fn endless(&self, reason: String, next_step: &'static str) -> HttpError {
        HttpError::Endless { url: shown(&self.base), reason, next_step }
    }
}

fn sized(base: &Url, param: &str, position: u64, size: Option<&(String, u64)>) -> Url {
    let url = with_param(base, param, &position.to_string());
    match size {
        Some((param, size)) => with_param(&url, param, &size.to_string()),
        None => url,
    }
}

#[cfg(test)]
mod tests;
