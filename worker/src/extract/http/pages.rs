//! Pagination: which URL comes after an answer, and why a source that would never end is given up.

use std::collections::HashSet;

use elt_shared::config::Pagination;
use reqwest::Url;
use reqwest::header::{HeaderMap, LINK};
use xxhash_rust::xxh3::xxh3_128;

use super::error::{HttpError, Result};
use super::request::{shown, with_param};

/// Where a source is in its pages.
pub(super) struct Pages<'a> {
    base: Url,
    pagination: Option<&'a Pagination>,
    /// Pages asked for so far.
    pub(super) number: u64,
    offset: u64,
    /// Hashes of bodies, cursors or URLs already met: meeting one again means going in a circle.
    seen: HashSet<u128>,
}

/// What an answer says about where to go on.
pub(super) struct Turn<'a> {
    /// Rows in it.
    pub(super) rows: u64,
    /// Hash of its body.
    pub(super) hash: u128,
    /// The cursor in it.
    pub(super) cursor: Option<&'a str>,
    /// The `Link` header's next page.
    pub(super) next_link: Option<Url>,
}

impl<'a> Pages<'a> {
    pub(super) fn new(base: Url, pagination: Option<&'a Pagination>) -> Self {
        Self { base, pagination, number: 1, offset: 0, seen: HashSet::new() }
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

    /// The URL after an answer; `None`: that was the last one.
    pub(super) fn next(&mut self, turn: &Turn<'_>) -> Result<Option<Url>> {
        let Some(pagination) = self.pagination else { return Ok(None) };
        let (next, max_pages) = match pagination {
            Pagination::Page { param, start, size, max_pages } => (
                self.unless_repeated(turn, param)?
                    .then(|| sized(&self.base, param, start + self.number, size.as_ref())),
                max_pages,
            ),
            Pagination::Offset { param, limit_param, limit, max_pages } => {
                self.offset += turn.rows;
                let limit = (limit_param.clone(), *limit);
                (
                    self.unless_repeated(turn, param)?.then(|| sized(&self.base, param, self.offset, Some(&limit))),
                    max_pages,
                )
            }
            Pagination::Cursor { param, max_pages, .. } => (self.after_cursor(turn.cursor, param)?, max_pages),
            Pagination::LinkHeader { max_pages } => (self.after_link(turn.next_link.clone())?, max_pages),
        };
        if next.is_some() && self.number >= *max_pages {
            return Err(self.endless(format!("there is a page after the {max_pages} that `max_pages` allows")));
        }
        self.number += 1;
        Ok(next)
    }

    /// Whether a page had rows. The same page again means that the API does not look at `param`.
    fn unless_repeated(&mut self, turn: &Turn<'_>, param: &str) -> Result<bool> {
        match turn.rows > 0 && !self.seen.insert(turn.hash) {
            true => {
                Err(self.endless(format!("page {} repeats an earlier page; does the API know `{param}`?", self.number)))
            }
            false => Ok(turn.rows > 0),
        }
    }

    /// A cursor that is a URL is followed as it stands.
    fn after_cursor(&mut self, cursor: Option<&str>, param: &str) -> Result<Option<Url>> {
        let Some(cursor) = cursor else { return Ok(None) };
        if !self.seen.insert(xxh3_128(cursor.as_bytes())) {
            return Err(self.endless(format!("page {} names a cursor that was used before", self.number)));
        }
        let url = Url::parse(cursor).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        Ok(Some(url.unwrap_or_else(|| with_param(&self.base, param, cursor))))
    }

    fn after_link(&mut self, link: Option<Url>) -> Result<Option<Url>> {
        let Some(link) = link else { return Ok(None) };
        self.seen.insert(xxh3_128(self.base.as_str().as_bytes()));
        match self.seen.insert(xxh3_128(link.as_str().as_bytes())) {
            true => Ok(Some(link)),
            false => Err(self.endless(format!("page {} links to a page that was read before", self.number))),
        }
    }

    fn endless(&self, reason: String) -> HttpError {
        HttpError::Endless { url: shown(&self.base), reason }
    }
}

fn sized(base: &Url, param: &str, position: u64, size: Option<&(String, u64)>) -> Url {
    let url = with_param(base, param, &position.to_string());
    match size {
        Some((param, size)) => with_param(&url, param, &size.to_string()),
        None => url,
    }
}

/// The target of `Link: <…>; rel="next"` (RFC 8288), relative to the URL that answered.
pub(super) fn next_link(headers: &HeaderMap, url: &Url) -> Option<Url> {
    let links = headers.get_all(LINK).into_iter().filter_map(|value| value.to_str().ok());
    links.flat_map(links_of).find(|(_, params)| is_next(params)).and_then(|(target, _)| url.join(target).ok())
}

/// Targets and parameters of the links in one header line. Commas and semicolons inside `<…>` belong to the target.
fn links_of(mut line: &str) -> Vec<(&str, &str)> {
    let mut links = Vec::new();
    while let Some((target, rest)) = line.split_once('<').and_then(|(_, rest)| rest.split_once('>')) {
        let end = rest.find('<').unwrap_or(rest.len());
        links.push((target.trim(), &rest[..end]));
        line = &rest[end..];
    }
    links
}

fn is_next(params: &str) -> bool {
    params.split(';').filter_map(|param| param.split_once('=')).any(|(name, value)| {
        let kinds = value.trim().trim_end_matches(',').trim().trim_matches('"');
        name.trim().eq_ignore_ascii_case("rel")
            && kinds.split_whitespace().any(|kind| kind.eq_ignore_ascii_case("next"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Url {
        Url::parse("http://h/items?limit=2").expect("a url")
    }

    fn turn(rows: u64, hash: u128) -> Turn<'static> {
        Turn { rows, hash, cursor: None, next_link: None }
    }

    fn text(url: Result<Option<Url>>) -> String {
        match url {
            Ok(Some(url)) => url.to_string(),
            Ok(None) => "end".into(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn pages_are_counted_until_one_has_no_rows() {
        let pagination =
            Pagination::Page { param: "page".into(), start: 1, size: Some(("limit".into(), 5)), max_pages: 3 };
        let mut pages = Pages::new(base(), Some(&pagination));
        assert_eq!(pages.first().as_str(), "http://h/items?page=1&limit=5");
        assert_eq!(text(pages.next(&turn(5, 1))), "http://h/items?page=2&limit=5");
        assert_eq!(text(pages.next(&turn(5, 2))), "http://h/items?page=3&limit=5");
        assert_eq!(
            text(pages.next(&turn(5, 3))),
            "http://h/items would be read for ever: there is a page after the 3 that `max_pages` allows"
        );
        assert_eq!(text(Pages::new(base(), Some(&pagination)).next(&turn(0, 4))), "end");
    }

    #[test]
    fn an_offset_grows_by_the_rows_that_came() {
        let pagination =
            Pagination::Offset { param: "offset".into(), limit_param: "limit".into(), limit: 100, max_pages: 9 };
        let mut pages = Pages::new(base(), Some(&pagination));
        assert_eq!(pages.first().as_str(), "http://h/items?offset=0&limit=100");
        assert_eq!(text(pages.next(&turn(100, 1))), "http://h/items?offset=100&limit=100");
        assert_eq!(text(pages.next(&turn(30, 2))), "http://h/items?offset=130&limit=100");
        assert_eq!(text(pages.next(&turn(0, 3))), "end");
    }

    #[test]
    fn an_api_that_ignores_the_page_number_is_found_out() {
        let pagination = Pagination::Page { param: "p".into(), start: 0, size: None, max_pages: 1000 };
        let mut pages = Pages::new(base(), Some(&pagination));
        pages.next(&turn(2, 1)).expect("a page");
        let found_out = text(pages.next(&turn(2, 1)));
        assert_eq!(
            found_out,
            "http://h/items would be read for ever: page 2 repeats an earlier page; does the API know `p`?"
        );
    }

    #[test]
    fn a_cursor_is_sent_or_followed_and_never_used_twice() {
        let pagination = Pagination::Cursor { path: "next".into(), param: "after".into(), max_pages: 9 };
        let mut pages = Pages::new(base(), Some(&pagination));
        let mut next = |cursor| text(pages.next(&Turn { cursor, ..turn(0, 0) }));
        assert_eq!(next(Some("a b")), "http://h/items?limit=2&after=a+b");
        assert_eq!(next(Some("http://h/items?page=9")), "http://h/items?page=9");
        assert!(next(Some("a b")).ends_with("page 3 names a cursor that was used before"));
        assert_eq!(next(None), "end");
    }

    #[test]
    fn link_headers_are_followed_and_circles_found() {
        let link = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.append(LINK, text.parse().expect("a header"));
            next_link(&headers, &base()).map(|url| url.to_string())
        };
        let both = r#"<http://h/items?page=1>; rel="prev", <http://h/items?a=1,2;3&page=3>; rel="next"; title="x""#;
        assert_eq!(link(both).as_deref(), Some("http://h/items?a=1,2;3&page=3"));
        assert_eq!(link("</items?page=2>; REL=Next").as_deref(), Some("http://h/items?page=2"));
        assert_eq!(link(r#"</x>; rel="last next""#).as_deref(), Some("http://h/x"));
        assert_eq!(link(r#"<http://h/items?page=1>; rel="prev""#), None);
        let pagination = Pagination::LinkHeader { max_pages: 9 };
        let mut pages = Pages::new(base(), Some(&pagination));
        let back = Turn { next_link: Some(base()), ..turn(1, 0) };
        assert!(text(pages.next(&back)).ends_with("page 1 links to a page that was read before"));
    }
}
