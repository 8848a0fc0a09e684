//! Cursors: texts that the next request sends back.

use serde_json::Value;

use super::super::document::Member;
use super::link::is_address;
use super::{Answer, Paging};

/// Query parameters that carry cursors. One that the URL has already is the right one.
const PARAMS: &[&str] = &[
    "cursor",
    "after",
    "page_token",
    "pageToken",
    "next_token",
    "nextToken",
    "starting_after",
    "continuation_token",
    "continuationToken",
    "bookmark",
    "marker",
    "page_info",
];

/// A cursor in the body: `next_cursor`, `paging.next.after`, `nextPageToken`, `pageInfo.endCursor`, …
pub(super) fn in_body(answer: &Answer<'_>) -> Option<Paging> {
    let cursors = || answer.members.iter().filter_map(|member| Some((member, param(member)?)));
    let is_cursor = |value: &Value| match value {
        Value::String(text) => !text.is_empty() && !is_address(value),
        Value::Number(number) => number.as_u64() != Some(0),
        _ => false,
    };
    let (member, guess) = cursors()
        .find(|(member, _)| is_cursor(member.value))
        .or_else(|| cursors().find(|(member, _)| member.value.is_null() || member.value == ""))?;
    let more = is_cursor(member.value);
    let (param, why) = match answer.param(PARAMS) {
        Some((param, _)) => (param, "which the URL has"),
        None => (guess, "by its usual name"),
    };
    let path = member.written();
    let state = if more { "has the cursor of the next page" } else { "is empty here, so this is the last page" };
    let reason = format!("`{path}` {state}, which is sent back as the parameter `{param}`, {why}");
    let keys =
        &[("type", "cursor"), ("cursor_path", path.as_str()), ("cursor_param", param.as_str()), ("next_is", "cursor")];
    Some(Paging::of(keys, reason, more))
}

/// The usual parameter for the cursor in this member. `None`: the member is not a cursor.
fn param(member: &Member<'_>) -> Option<String> {
    let as_written = member.path.last().map(|name| (*name).to_owned());
    let snake = member.path.last().is_some_and(|name| name.contains('_'));
    let inside = ["next", "cursors", "cursor", "paging", "pagination", "page", "meta"];
    match member.name().as_str() {
        "nextcursor" | "nextpagecursor" | "cursor" | "cursornext" | "next" => Some("cursor".to_owned()),
        "nextpagetoken" => Some(if snake { "page_token" } else { "pageToken" }.to_owned()),
        "nexttoken" | "continuationtoken" | "continuation" | "bookmark" | "marker" => as_written,
        "nextmarker" => Some("marker".to_owned()),
        "after" if inside.contains(&member.parent().as_str()) => Some("after".to_owned()),
        "endcursor" => Some("after".to_owned()),
        "nextpage" => Some("page".to_owned()),
        "nextoffset" => Some("offset".to_owned()),
        "nextstart" => Some("start".to_owned()),
        "nextskip" => Some("skip".to_owned()),
        _ => None,
    }
}

/// `has_more` without a cursor: the id of the last row is the cursor, as Stripe has it.
pub(super) fn last_row(answer: &Answer<'_>) -> Option<Paging> {
    let has_more = answer.member(&["hasmore", "hasnext", "hasnextpage", "moreresults", "more"])?;
    let Value::Bool(more) = *has_more.value else { return None };
    let flag = has_more.written();
    let id = ["id", "_id", "ID", "Id", "uuid"].into_iter().find(|id| {
        let last = answer.rows.last().and_then(|row| row.get(id));
        last.is_some_and(|value| value.is_string() || value.is_number())
    });
    let (Some(id), Some(records)) = (id, answer.records) else {
        let what = "says whether more rows follow, but the answer has no cursor and its rows have no id to go on from";
        return Some(Paging { keys: None, reason: format!("`{flag}` {what}"), more });
    };
    let params = ["starting_after", "after_id", "last_id", "since_id", "after"];
    let param = answer.param(&params).map_or("starting_after".to_owned(), |(param, _)| param);
    let path = records.of_last_row(id).written();
    let keys = &[
        ("type", "cursor"),
        ("cursor_path", path.as_str()),
        ("cursor_param", param.as_str()),
        ("next_is", "cursor"),
        ("has_more_path", flag.as_str()),
    ];
    let reason = format!(
        "`{flag}` says whether more rows follow, and there is no cursor but the id of the last row, which is sent back as \
         `{param}`"
    );
    Some(Paging::of(keys, reason, more))
}
