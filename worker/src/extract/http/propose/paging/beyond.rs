//! Styles that need a request body. A GET request follows them in part or not at all, and the reason says what to write.

use serde_json::Value;

use super::numbered::total_hits;
use super::{Answer, Paging};

/// Most rows that Elasticsearch returns by `from` and `size`.
const MOST_HITS: u64 = 10_000;

/// A connection of GraphQL: `data.orders.edges` or `.nodes`, with `pageInfo` beside it.
pub(super) fn graphql(answer: &Answer<'_>) -> Option<Paging> {
    let names: Vec<String> = answer.records?.steps().iter().filter_map(super::super::name_of).collect();
    let [first, .., last] = &names[..] else { return None };
    if first != "data" || !matches!(last.as_str(), "edges" | "nodes") {
        return None;
    }
    let has_next = answer.member(&["hasnextpage"]);
    let more = has_next.is_some_and(|member| member.value == &Value::Bool(true));
    let end = answer.member(&["endcursor"]).map(super::super::document::Member::written);
    let reason = match end {
        Some(end) => format!(
            "this is a connection of GraphQL, whose cursor belongs into the variables of the query: it cannot be proposed from \
             a GET request; write the query as `graphql` with `{{{{page.cursor}}}}` in its variables, and `pagination: {{ type: \
             cursor, cursor_path: {end} }}`"
        ),
        None => "this is a connection of GraphQL without `pageInfo { hasNextPage endCursor }`: ask for it in the query"
            .into(),
    };
    Some(Paging { keys: None, reason, more })
}

/// Hits of Elasticsearch and OpenSearch.
pub(super) fn elasticsearch(answer: &Answer<'_>) -> Option<Paging> {
    let root = answer.root?;
    if answer.records?.written() != "hits.hits" {
        return None;
    }
    let rows = answer.rows.len() as u64;
    let total = total_hits(root)?;
    if total >= MOST_HITS {
        let reason = format!(
            "Elasticsearch has {total} or more rows and pages through at most {MOST_HITS} of them by `from` and `size`; \
             `search_after` has no such limit, but is sent in the body: it cannot be proposed from a GET request; write \
             the search as `body` with `search_after: {{{{page.cursor}}}}`, and `cursor_path: hits.hits[-1].sort`"
        );
        return Some(Paging { keys: None, reason, more: total > rows });
    }
    let size = answer.param(&["size"]).map_or_else(|| rows.max(1).to_string(), |(_, size)| size);
    let reason = format!("Elasticsearch pages by `from` and `size`, and `hits.total` says {total} rows");
    let keys = &[("type", "offset"), ("param", "from"), ("limit_param", "size"), ("limit", size.as_str())];
    Some(Paging::of(keys, reason, total > rows))
}
