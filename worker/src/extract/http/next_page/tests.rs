//! Tests of `next_page.rs`.

use std::sync::LazyLock;

use elt_shared::explained::Explained;

use super::*;
use crate::error::PipelineError;

static BASE: LazyLock<Url> = LazyLock::new(|| Url::parse("http://h/items?limit=2").expect("a url"));

fn pages(pagination: &Pagination) -> Pages<'_> {
    Pages::new(BASE.clone(), Some(pagination), Placed::default())
}

fn turn(rows: u64, hash: u128) -> Turn<'static> {
    Turn { rows, hash, cursor: None, cursor_is_json: false, has_more: None, next_link: None, answered: &BASE }
}

fn text(next: Result<Next>) -> String {
    match next {
        Ok(Next::Page(ask)) => ask.url(&BASE).to_string(),
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
        has_more: None,
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
    assert_eq!(pages.first().url(&BASE).as_str(), "http://h/items?page=1&limit=5");
    assert_eq!(text(pages.next(&turn(5, 1))), "http://h/items?page=2&limit=5");
    assert_eq!(text(pages.next(&turn(5, 2))), "http://h/items?page=3&limit=5");
    assert_eq!(
        text(pages.next(&turn(5, 3))),
        "http://h/items would be read for ever: there is a page after the 3 that `max_pages` allows"
    );
    assert_eq!(text(Pages::new(BASE.clone(), Some(&pagination), Placed::default()).next(&turn(0, 4))), "end");
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
    assert_eq!(pages.first().url(&BASE).as_str(), "http://h/items?offset=0&limit=100");
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
    assert!(text(circling.next(&turn(2, 1))).ends_with("the API starts over after its last page"));
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
    assert_eq!(text(lost.next(&link(&BASE, 1))), BASE.as_str(), "a page that links to itself is asked for once more");
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
        PipelineError::Extract(Explained { next_step, .. }) => next_step,
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

#[test]
fn a_placed_value_is_no_parameter_of_the_query() {
    let sent = |ask: &Ask| {
        let values: Vec<String> = ask.values.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{} {}", ask.url(&BASE), values.join(" "))
    };
    let page = |next: Result<Next>| match next {
        Ok(Next::Page(ask)) => sent(&ask),
        other => panic!("{other:?}"),
    };
    let numbered = Pagination::Page {
        param: "page".into(),
        start: 0,
        size: Some(("size".into(), 5)),
        end_status: Vec::new(),
        max_pages: 9,
    };
    let mut pages = Pages::new(BASE.clone(), Some(&numbered), Placed { number: true, ..Placed::default() });
    assert_eq!(sent(&pages.first()), "http://h/items?limit=2&size=5 page.number=0");
    assert_eq!(page(pages.next(&turn(5, 1))), "http://h/items?limit=2&size=5 page.number=1");
    let ignoring = pages.next(&turn(5, 1)).expect_err("a repeated page").to_string();
    assert!(ignoring.ends_with("the API ignores its page parameter `{{page.number}}`"), "{ignoring}");

    let pagination = by_cursor(None);
    let mut pages = Pages::new(BASE.clone(), Some(&pagination), Placed { cursor: true, ..Placed::default() });
    assert_eq!(sent(&pages.first()), "http://h/items?limit=2 ");
    let mut next = |cursor, hash| pages.next(&Turn { cursor: Some(cursor), ..turn(1, hash) });
    assert_eq!(page(next("a", 1)), "http://h/items?limit=2 page.cursor=a");
    assert_eq!(page(next("http://h/x", 2)), "http://h/items?limit=2 page.cursor=http://h/x", "it is sent as it is");
    let circle = next("a", 3).expect_err("a circle").to_string();
    assert!(circle.ends_with("page 3 names a cursor that was used before"), "{circle}");
}

#[test]
fn a_page_that_repeats_the_one_before_and_names_itself_is_an_error_unless_it_was_asked_for_twice() {
    let pagination = by_cursor(Some("after"));
    let mut stuck = pages(&pagination);
    let turn = |hash, cursor| Turn { cursor: Some(cursor), ..turn(2, hash) };
    assert!(text(stuck.next(&turn(1, "b"))).ends_with("after=b"));
    assert!(text(stuck.next(&turn(2, "c"))).ends_with("after=c"));
    assert!(text(stuck.next(&turn(2, "c"))).ends_with("page 3 repeats page 2 and names itself as the next"));
}

#[test]
fn old_rows_under_a_new_cursor_are_noted_and_end_at_last() {
    let pagination = Pagination::Cursor {
        path: "next".into(),
        param: None,
        next_is: None,
        end_value: None,
        has_more: None,
        max_pages: 1_000,
    };
    let mut pages = pages(&pagination);
    let mut next = |number: u64, hash| {
        let cursor = number.to_string();
        text(pages.next(&Turn { cursor: Some(&cursor), ..turn(2, hash) }))
    };
    assert!(next(1, 1).ends_with("cursor=1"));
    let end = (2..200).map(|number| next(number, 1)).find(|next| !next.starts_with("http://h/items?"));
    assert!(end.is_some_and(|end| end.ends_with("100 pages in a row have the same rows")));
    assert_eq!(pages.with_old_rows(), Some(2));
}

#[test]
fn a_page_without_rows_goes_on_when_it_says_that_there_is_more() {
    let pagination = by_cursor(None);
    let mut pages = pages(&pagination);
    let turn = |cursor, has_more| Turn { cursor, has_more, ..turn(0, 1) };
    assert!(text(pages.next(&turn(Some("b"), Some(true)))).ends_with("cursor=b"));
    assert!(text(pages.next(&turn(Some("c"), Some(true)))).ends_with("cursor=c"));
    assert_eq!(text(pages.next(&turn(Some("d"), None))), "end");
}
