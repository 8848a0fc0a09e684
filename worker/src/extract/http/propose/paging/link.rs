//! Addresses of the next page.

use reqwest::header::LINK;
use serde_json::Value;

use super::super::super::link_header::next_link;
use super::super::document::Member;
use super::{Answer, Paging};

/// `Link: <…>; rel="next"`, as GitHub and Shopify send it.
pub(super) fn in_header(answer: &Answer<'_>) -> Option<Paging> {
    let keys = &[("type", "link_header")];
    if let Ok(Some(_)) = next_link(answer.headers, answer.url) {
        return Some(Paging::of(keys, "the answer's `Link` header names the next page", true));
    }
    let lines = answer.headers.get_all(LINK).iter().filter_map(|line| line.to_str().ok());
    let relations = ["first", "last", "prev", "previous"];
    let pages = |line: &str| {
        let line = line.to_ascii_lowercase().replace('"', "");
        relations.iter().any(|relation| line.contains(&format!("rel={relation}")))
    };
    lines.into_iter().any(pages).then(|| {
        Paging::of(keys, "the answer's `Link` header names pages of this list, and this one as the last", false)
    })
}

/// Names of members with an address.
const LINKS: &[&str] =
    &["next", "nextlink", "nexturl", "nextpageurl", "nextrecordsurl", "nexthref", "nextpagelink", "nexturi"];
/// Names of members with an address inside an object that is named `next`.
const INNER: &[&str] = &["href", "link", "url", "uri"];

/// An address in the body: `next`, `links.next`, `_links.next.href`, `@odata.nextLink`, `nextRecordsUrl`, …
pub(super) fn in_body(answer: &Answer<'_>) -> Option<Paging> {
    let is_named = |member: &&Member<'_>| {
        let name = member.name();
        LINKS.contains(&name.as_str()) || (member.parent() == "next" && INNER.contains(&name.as_str()))
    };
    let named = || answer.members.iter().filter(is_named);
    if let Some(member) = named().find(|member| is_address(member.value)) {
        let path = member.written();
        let keys = &[("type", "cursor"), ("cursor_path", path.as_str()), ("next_is", "link")];
        return Some(Paging::of(keys, format!("`{path}` has the address of the next page"), true));
    }
    // On the last page the member is null, which does not show whether it is an address at other times.
    let null = named().find(|member| member.value.is_null())?;
    if answer.members.iter().any(|member| member.name() == "nextcursor") {
        return None;
    }
    let path = null.written();
    let keys = &[("type", "cursor"), ("cursor_path", path.as_str())];
    Some(Paging::of(
        keys,
        format!("`{path}` is the member for the next page; it is null, so this is the last one"),
        false,
    ))
}

/// Whether a value is an address by its form: absolute, a path, or relative with a query.
pub(super) fn is_address(value: &Value) -> bool {
    let Value::String(text) = value else { return false };
    let starts = ["http://", "https://", "/", "?", "./", "../"].iter().any(|start| text.starts_with(start));
    let has_query = text.split_once('?').is_some_and(|(_, query)| query.contains('='));
    let absolute_or_relative = starts && (text.contains("://") || has_query || text.matches('/').count() > 1);
    !text.contains(char::is_whitespace) && (absolute_or_relative || has_query)
}
