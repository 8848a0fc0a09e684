use reqwest::header::{HeaderName, LINK};
use serde_json::json;

use super::*;

/// The paging of an answer, as a config has it.
fn seen(
    url: &str,
    headers: &[(HeaderName, &str)],
    records: Option<&str>,
    json: &Value,
) -> Option<(Option<String>, bool)> {
    let url = Url::parse(url).expect(url);
    let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().expect("a header"))).collect();
    let records: Option<JsonPath> = records.map(|path| path.parse().expect(path));
    let at = records.as_ref().map_or(Some(json), |path| json.pointer(&pointer(path)));
    let rows: Vec<&Value> = at.and_then(Value::as_array).map(|rows| rows.iter().collect()).unwrap_or_default();
    let answer = Answer::new(&url, &headers, Some(json), &rows, records.as_ref());
    recognise(&answer).map(|paging| (paging.value(), paging.more))
}

fn pointer(path: &JsonPath) -> String {
    path.steps().iter().filter_map(super::super::name_of).map(|name| format!("/{name}")).collect()
}

fn cursor(path: &str, param: &str) -> Option<(Option<String>, bool)> {
    let keys = [
        ("type", "cursor".to_owned()),
        ("cursor_path", path.to_owned()),
        ("cursor_param", param.to_owned()),
        ("next_is", "cursor".to_owned()),
    ];
    Some((Some(flow(&keys)), true))
}

fn link(path: &str) -> Option<(Option<String>, bool)> {
    let keys = [("type", "cursor".to_owned()), ("cursor_path", path.to_owned()), ("next_is", "link".to_owned())];
    Some((Some(flow(&keys)), true))
}

const URL: &str = "https://h/v1/orders";

#[test]
fn addresses_of_the_next_page_are_recognised() {
    let header = [(LINK, "<https://h/v1/orders?page=2>; rel=\"next\"")];
    assert_eq!(seen(URL, &header, None, &json!([{"id": 1}])), Some((Some("{ type: link_header }".into()), true)));
    let rows = json!([{"id": 1}]);
    for (path, body) in [
        ("next", json!({"data": rows, "next": "https://h/v1/orders?page=2"})),
        ("links.next", json!({"data": rows, "links": {"next": "/v1/orders?page=2"}})),
        ("_links.next.href", json!({"data": rows, "_links": {"next": {"href": "/v1/orders?page=2"}}})),
        (r#"$["@odata.nextLink"]"#, json!({"data": rows, "@odata.nextLink": "https://h/v1/orders?$skip=1"})),
        ("nextRecordsUrl", json!({"data": rows, "nextRecordsUrl": "/services/data/query/01g-2000"})),
        ("paging.next.link", json!({"data": rows, "paging": {"next": {"after": "9", "link": "?after=9"}}})),
    ] {
        assert_eq!(seen(URL, &[], Some("data"), &body), link(path), "{body}");
    }
}

#[test]
fn cursors_are_recognised_with_their_parameter() {
    let rows = json!([{"id": 1}]);
    for (path, param, body) in [
        ("next_cursor", "cursor", json!({"data": rows, "next_cursor": "abc"})),
        (
            "response_metadata.next_cursor",
            "cursor",
            json!({"data": rows, "response_metadata": {"next_cursor": "abc="}}),
        ),
        ("paging.next.after", "after", json!({"data": rows, "paging": {"next": {"after": "9"}}})),
        ("nextPageToken", "pageToken", json!({"data": rows, "nextPageToken": "abc"})),
        ("next_page_token", "page_token", json!({"data": rows, "next_page_token": "abc"})),
        ("NextToken", "NextToken", json!({"data": rows, "NextToken": "abc"})),
        ("pageInfo.endCursor", "after", json!({"data": rows, "pageInfo": {"hasNextPage": true, "endCursor": "abc"}})),
        ("meta.next_page", "page", json!({"data": rows, "meta": {"next_page": 2}})),
    ] {
        assert_eq!(seen(URL, &[], Some("data"), &body), cursor(path, param), "{body}");
    }
    let last = "{ type: cursor, cursor_path: \"data[-1].id\", cursor_param: starting_after, next_is: cursor, \
                has_more_path: has_more }";
    let body = json!({"data": rows, "has_more": true});
    assert_eq!(seen(URL, &[], Some("data"), &body), Some((Some(last.into()), true)));
    let other = seen("https://h/v1/orders?pageToken=", &[], Some("data"), &json!({"data": rows, "next_cursor": "abc"}));
    assert_eq!(other, cursor("next_cursor", "pageToken"), "the URL has the parameter");
}

#[test]
fn numbers_are_recognised_only_with_evidence() {
    let rows = json!([{"id": 1}, {"id": 2}]);
    let value = |url: &str, body| seen(url, &[], Some("data"), &body);
    let page = |start: &str, more| Some((Some(format!("{{ type: page, param: page{start} }}")), more));
    assert_eq!(value(URL, json!({"data": rows, "meta": {"page": 1, "per_page": 2, "total": 9}})), page("", true));
    assert_eq!(
        value(URL, json!({"data": rows, "page": {"number": 0, "totalPages": 3, "size": 2}})),
        page(", start: 0", true)
    );
    assert_eq!(
        value(URL, json!({"data": rows, "current_page": 1, "last_page": 1, "from": 1, "per_page": 2})),
        page("", false)
    );
    assert_eq!(value(URL, json!({"data": rows, "page": 7})), None, "a number named page alone proves nothing");
    assert_eq!(value(URL, json!({"data": rows, "total": 9})), None, "a total alone does not say how to ask");
    let offset = "{ type: offset, param: startAt, limit_param: maxResults, limit: 2 }";
    let body = json!({"data": rows, "startAt": 0, "maxResults": 2, "total": 9});
    assert_eq!(value(URL, body), Some((Some(offset.into()), true)));
    assert_eq!(value(URL, json!({"data": rows, "startIndex": 1, "count": 2, "total": 9})), Some((None, true)));
    let wp = [(HeaderName::from_static("x-wp-totalpages"), "3")];
    assert_eq!(seen(URL, &wp, None, &rows), page(", end_status: [400]", true));
    assert_eq!(seen("https://h/v1/orders?page=1", &[], None, &rows), page("", false));
}

#[test]
fn what_a_get_request_cannot_follow_is_said() {
    let graphql = json!({"data": {"orders": {"edges": [{"node": {"id": 1}}], "pageInfo": {"hasNextPage": true, "endCursor": "c"}}}});
    assert_eq!(seen(URL, &[], Some("data.orders.edges"), &graphql), Some((None, true)));
    let hits = |total: u64| json!({"hits": {"total": {"value": total}, "hits": [{"_id": "1", "_source": {}}]}});
    assert_eq!(seen(URL, &[], Some("hits.hits"), &hits(10_000)), Some((None, true)));
    let offset = "{ type: offset, param: from, limit_param: size, limit: 1 }";
    assert_eq!(seen(URL, &[], Some("hits.hits"), &hits(9)), Some((Some(offset.into()), true)));
}

#[test]
fn an_object_that_is_the_row_has_no_paging() {
    assert_eq!(seen(URL, &[], Some("$"), &json!({"id": 1, "next": "https://h/2", "total": 9})), None);
}
