//! Pagination: which URL comes after an answer, and why a source that would never end is given up.

use std::collections::HashSet;

use elt_shared::config::{NextIs, Pagination};
use reqwest::{StatusCode, Url};
use xxhash_rust::xxh3::xxh3_128;

use super::error::{HttpError, Result};
use super::link::{is_link, resolve};
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

/// Where a source is in its pages.
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
    /// Rows in it.
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
    /// Another page.
    Page(Url),
    /// Nothing: this was the last page.
    End,
    /// Nothing, and this page only repeats the one before it.
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

    /// Whether a status means that the page is past the last one. Only numbered pages can be: they are asked for without
    /// knowing that they exist. The first page must exist.
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
        let reason = match repeats_last {
            true => format!("page {number} repeats page {}: the API ignores its page parameter `{param}`", number - 1),
            false => format!("page {number} repeats an earlier page; does the API know `{param}`?"),
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
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::error::PipelineError;

    static BASE: LazyLock<Url> = LazyLock::new(|| Url::parse("http://h/items?limit=2").expect("a url"));

    fn pages(pagination: &Pagination) -> Pages<'_> {
        Pages::new(BASE.clone(), Some(pagination))
    }

    fn turn(rows: u64, hash: u128) -> Turn<'static> {
        Turn { rows, hash, cursor: None, next_link: None, answered: &BASE }
    }

    fn text(next: Result<Next>) -> String {
        match next {
            Ok(Next::Page(url)) => url.to_string(),
            Ok(Next::End) => "end".into(),
            Ok(Next::Repeated) => "repeated".into(),
            Err(error) => error.to_string(),
        }
    }

    fn numbered(param: &str, max_pages: u64) -> Pagination {
        Pagination::Page { param: param.into(), start: 1, size: None, end_status: vec![400], max_pages }
    }

    fn by_cursor(param: Option<&str>) -> Pagination {
        Pagination::Cursor {
            path: "next".into(),
            param: param.map(str::to_owned),
            next_is: None,
            end_value: None,
            max_pages: 9,
        }
    }

    #[test]
    fn pages_are_counted_until_one_has_no_rows() {
        let pagination = Pagination::Page {
            param: "page".into(),
            start: 1,
            size: Some(("limit".into(), 5)),
            end_status: Vec::new(),
            max_pages: 3,
        };
        let mut pages = pages(&pagination);
        assert_eq!(pages.first().as_str(), "http://h/items?page=1&limit=5");
        assert_eq!(text(pages.next(&turn(5, 1))), "http://h/items?page=2&limit=5");
        assert_eq!(text(pages.next(&turn(5, 2))), "http://h/items?page=3&limit=5");
        assert_eq!(
            text(pages.next(&turn(5, 3))),
            "http://h/items would be read for ever: there is a page after the 3 that `max_pages` allows"
        );
        assert_eq!(text(Pages::new(BASE.clone(), Some(&pagination)).next(&turn(0, 4))), "end");
    }

    #[test]
    fn an_offset_grows_by_the_rows_that_came() {
        let pagination = Pagination::Offset {
            param: "offset".into(),
            limit_param: "limit".into(),
            limit: 100,
            end_status: Vec::new(),
            max_pages: 9,
        };
        let mut pages = pages(&pagination);
        assert_eq!(pages.first().as_str(), "http://h/items?offset=0&limit=100");
        assert_eq!(text(pages.next(&turn(100, 1))), "http://h/items?offset=100&limit=100");
        assert_eq!(text(pages.next(&turn(30, 2))), "http://h/items?offset=130&limit=100");
        assert_eq!(text(pages.next(&turn(0, 3))), "end");
    }

    #[test]
    fn a_repeated_page_is_the_end_or_shows_that_the_parameter_is_ignored() {
        let pagination = numbered("p", 1000);
        let mut ignoring = pages(&pagination);
        ignoring.next(&turn(2, 1)).expect("a page");
        assert_eq!(
            text(ignoring.next(&turn(2, 1))),
            "http://h/items would be read for ever: page 2 repeats page 1: the API ignores its page parameter `p`"
        );
        let mut clamping = pages(&pagination);
        for hash in [1, 2, 3] {
            assert!(matches!(clamping.next(&turn(2, hash)), Ok(Next::Page(_))));
        }
        assert_eq!(text(clamping.next(&turn(2, 3))), "repeated");
        let mut circling = pages(&pagination);
        for hash in [1, 2] {
            circling.next(&turn(2, hash)).expect("a page");
        }
        assert!(text(circling.next(&turn(2, 1))).ends_with("page 3 repeats an earlier page; does the API know `p`?"));
    }

    #[test]
    fn a_status_ends_numbered_pages_after_the_first_only() {
        let pagination = numbered("page", 9);
        let mut pages = pages(&pagination);
        assert!(!pages.ends_with(StatusCode::NOT_FOUND));
        pages.next(&turn(2, 1)).expect("a page");
        assert!(pages.ends_with(StatusCode::NOT_FOUND) && pages.ends_with(StatusCode::BAD_REQUEST));
        assert!(!pages.ends_with(StatusCode::FORBIDDEN) && !pages.ends_with(StatusCode::INTERNAL_SERVER_ERROR));
        let pagination = by_cursor(None);
        let mut pages = self::pages(&pagination);
        pages.next(&Turn { cursor: Some("a"), ..turn(2, 1) }).expect("a page");
        assert!(!pages.ends_with(StatusCode::NOT_FOUND), "a cursor that the API gave must lead somewhere");
    }

    #[test]
    fn a_cursor_is_sent_or_followed_and_never_used_twice() {
        let pagination = by_cursor(Some("after"));
        let mut pages = pages(&pagination);
        let mut hash = 0;
        let mut next = |cursor| {
            hash += 1;
            text(pages.next(&Turn { cursor, ..turn(1, hash) }))
        };
        assert_eq!(next(Some("a b")), "http://h/items?limit=2&after=a+b");
        assert_eq!(next(Some("/9j/4A==")), "http://h/items?limit=2&after=%2F9j%2F4A%3D%3D");
        assert_eq!(next(Some("http://h/items?page=9")), "http://h/items?page=9");
        assert!(next(Some("a b")).ends_with("page 4 names a cursor that was used before"));
        assert_eq!(next(None), "end");
    }

    #[test]
    fn a_page_without_rows_is_the_last_one_whatever_it_names() {
        let pagination = by_cursor(None);
        assert_eq!(text(pages(&pagination).next(&Turn { cursor: Some("c"), ..turn(0, 1) })), "end");
        let pagination = Pagination::LinkHeader { max_pages: 9 };
        assert_eq!(text(pages(&pagination).next(&Turn { next_link: Some(BASE.clone()), ..turn(0, 1) })), "end");
    }

    #[test]
    fn one_cursor_for_all_pages_is_followed_while_rows_are_new() {
        let pagination = by_cursor(None);
        let mut pages = pages(&pagination);
        let mut next = |hash| text(pages.next(&Turn { cursor: Some("scroll"), ..turn(2, hash) }));
        for hash in [1, 2, 3] {
            assert_eq!(next(hash), "http://h/items?limit=2&cursor=scroll");
        }
        assert_eq!(next(3), "repeated", "the last page names its own cursor");
        let mut ignoring = self::pages(&pagination);
        ignoring.next(&Turn { cursor: Some("again"), ..turn(1, 1) }).expect("a page");
        let circle = text(ignoring.next(&Turn { cursor: Some("again"), ..turn(1, 1) }));
        assert!(circle.ends_with("page 2 names a cursor that was used before"), "{circle}");
    }

    #[test]
    fn a_link_in_the_body_is_resolved_against_the_url_that_answered() {
        let pagination = by_cursor(None);
        let mut pages = pages(&pagination);
        let moved = Url::parse("http://other/v2/items").expect("a url");
        let next = text(pages.next(&Turn { cursor: Some("/v2/items?page=2"), answered: &moved, ..turn(1, 1) }));
        assert_eq!(next, "http://other/v2/items?page=2");
    }

    #[test]
    fn circles_of_links_are_found() {
        let pagination = Pagination::LinkHeader { max_pages: 9 };
        let mut pages = pages(&pagination);
        let second = Url::parse("http://h/items?page=2").expect("a url");
        let link = |url: &Url, hash| Turn { next_link: Some(url.clone()), ..turn(1, hash) };
        assert_eq!(text(pages.next(&link(&second, 1))), second.as_str());
        assert!(text(pages.next(&link(&BASE, 2))).ends_with("page 2 links to a page that was read before"));
        let mut lost = self::pages(&pagination);
        assert_eq!(
            text(lost.next(&link(&BASE, 1))),
            BASE.as_str(),
            "a page that links to itself is asked for once more"
        );
        assert!(text(lost.next(&link(&BASE, 1))).ends_with("page 2 links to a page that was read before"));
    }

    #[test]
    fn a_last_page_may_link_to_itself() {
        for pagination in [Pagination::LinkHeader { max_pages: 9 }, by_cursor(None)] {
            let second = Url::parse("http://h/items?page=2").expect("a url");
            let mut pages = pages(&pagination);
            let mut next = |hash| {
                let link = Some(second.clone());
                text(pages.next(&Turn { cursor: Some(second.as_str()), next_link: link, ..turn(1, hash) }))
            };
            assert_eq!(next(1), second.as_str());
            assert_eq!(next(2), second.as_str(), "it is asked for once more");
            assert_eq!(next(2), "repeated");
        }
    }

    #[test]
    fn the_next_step_fits_the_pagination() {
        let next_step = |error: HttpError| match error.into() {
            PipelineError::Extract { next_step, .. } => next_step,
            other => panic!("{other:?}"),
        };
        let pagination = numbered("p", 9);
        let mut ignoring = pages(&pagination);
        ignoring.next(&turn(2, 1)).expect("a page");
        let repeated = next_step(ignoring.next(&turn(2, 1)).expect_err("a repeated page"));
        assert!(repeated.contains("`param`") && !repeated.contains("next_is") && !repeated.contains("max_pages"));
        let mut pages = pages(&pagination);
        assert!(!pages.may_end_with(StatusCode::BAD_REQUEST), "the first page must exist");
        pages.next(&turn(2, 1)).expect("a page");
        for status in [StatusCode::BAD_REQUEST, StatusCode::RANGE_NOT_SATISFIABLE] {
            assert!(pages.may_end_with(status));
        }
        assert!(!pages.may_end_with(StatusCode::UNAUTHORIZED) && !pages.may_end_with(StatusCode::BAD_GATEWAY));
    }
}
