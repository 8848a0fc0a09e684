//! APIs that page in the ways of well-known ones, each with the same rows.

use axum::http::StatusCode;
use axum::http::header::LINK;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::http_source::{Hit, json_answer};

/// Rows that every API has, and the most on one page.
pub const ROWS: u64 = 25;
pub const PAGE: u64 = 10;

/// An API in the style of a well-known one.
pub struct Style {
    pub name: &'static str,
    /// Path and query to propose a config for.
    pub path: &'static str,
    pub answer: fn(&Hit) -> Response,
    /// `records` and `pagination` of the proposed config.
    pub records: Option<&'static str>,
    pub pagination: &'static str,
    /// The column that counts the rows.
    pub id: &'static str,
}

pub fn row(id: u64) -> Value {
    json!({"id": id, "name": format!("row {id}"), "updated_at": format!("2026-01-01T00:00:{:02}Z", id)})
}

/// The rows after `before`, as many as a page has.
pub fn rows(before: u64) -> Vec<Value> {
    (before + 1..=ROWS.min(before + PAGE)).map(row).collect()
}

fn number(hit: &Hit, param: &str, default: u64) -> u64 {
    hit.param(param).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{param}={text}")))
}

/// The number of rows before the next page; `None` after the last one.
fn next(before: u64) -> Option<u64> {
    (before + PAGE < ROWS).then_some(before + PAGE)
}

fn absolute(hit: &Hit, query: &str) -> String {
    format!("http://{}{}?{query}", hit.header("host").expect("a host"), hit.path)
}

pub fn github(hit: &Hit) -> Response {
    let page = number(hit, "page", 1);
    let link = |page: u64, rel: &str| format!("<{}>; rel=\"{rel}\"", absolute(hit, &format!("page={page}")));
    let links = match page {
        3 => format!("{}, {}", link(2, "prev"), link(1, "first")),
        page => format!("{}, {}", link(page + 1, "next"), link(3, "last")),
    };
    (
        [
            (LINK, links),
            ("x-ratelimit-limit".parse().expect("a name"), "60".to_owned()),
            ("x-ratelimit-remaining".parse().expect("a name"), "58".to_owned()),
        ],
        json_answer(Value::from(rows((page - 1) * PAGE))),
    )
        .into_response()
}

fn stripe(hit: &Hit) -> Response {
    let before = number(hit, "starting_after", 0);
    json_answer(
        json!({"object": "list", "url": "/v1/orders", "has_more": next(before).is_some(), "data": rows(before)}),
    )
}

fn shopify(hit: &Hit) -> Response {
    let before = number(hit, "page_info", 0);
    let body = json_answer(json!({"orders": rows(before)}));
    match next(before) {
        Some(next) => {
            ([(LINK, format!("<{}>; rel=\"next\"", absolute(hit, &format!("page_info={next}"))))], body).into_response()
        }
        None => body,
    }
}

pub fn hubspot(hit: &Hit) -> Response {
    let before = number(hit, "after", 0);
    let mut body = json!({"results": rows(before)});
    if let Some(next) = next(before) {
        body["paging"] = json!({"next": {"after": next.to_string()}});
    }
    json_answer(body)
}

fn salesforce(hit: &Hit) -> Response {
    let before = hit.path.rsplit_once("01gD0-").map_or(0, |(_, before)| before.parse().expect("a number"));
    let mut body = json!({"totalSize": ROWS, "done": next(before).is_none(), "records": rows(before)});
    if let Some(next) = next(before) {
        body["nextRecordsUrl"] = json!(format!("/script/services/data/v60.0/query/01gD0-{next}"));
    }
    json_answer(body)
}

fn atlassian(hit: &Hit) -> Response {
    let before = number(hit, "cursor", 0);
    let next = next(before).map(|next| format!("/script/wiki/api/v2/pages?cursor={next}"));
    let mut body = json!({"results": rows(before), "_links": {"base": "https://example.atlassian.net/wiki"}});
    if let Some(next) = next {
        body["_links"]["next"] = json!(next);
    }
    json_answer(body)
}

fn odata(hit: &Hit) -> Response {
    let before = number(hit, "$skiptoken", 0);
    let mut body = json!({"@odata.context": "https://h/$metadata#Orders", "value": rows(before)});
    if let Some(next) = next(before) {
        body["@odata.nextLink"] = json!(absolute(hit, &format!("$skiptoken={next}")));
    }
    json_answer(body)
}

fn hal(hit: &Hit) -> Response {
    let before = number(hit, "offset", 0);
    let mut links = json!({"self": {"href": "/script/orders"}});
    if let Some(next) = next(before) {
        links["next"] = json!({"href": format!("/script/orders?offset={next}")});
    }
    json_answer(json!({"_embedded": {"orders": rows(before)}, "_links": links, "total": ROWS}))
}

fn json_api(hit: &Hit) -> Response {
    let before = number(hit, "page[offset]", 0);
    let data: Vec<Value> = rows(before)
        .into_iter()
        .map(|row| json!({"type": "orders", "id": row["id"].to_string(), "attributes": row}))
        .collect();
    let link = next(before).map(|next| absolute(hit, &format!("page%5Boffset%5D={next}")));
    json_answer(
        json!({"data": data, "included": [{"type": "people", "id": "9"}], "links": {"next": link}, "meta": {"total": ROWS}}),
    )
}

fn drf(hit: &Hit) -> Response {
    let page = number(hit, "page", 1);
    let link = |page: u64| absolute(hit, &format!("page={page}"));
    let (previous, following) = ((page > 1).then(|| link(page - 1)), (page < 3).then(|| link(page + 1)));
    json_answer(json!({"count": ROWS, "next": following, "previous": previous, "results": rows((page - 1) * PAGE)}))
}

fn elasticsearch(hit: &Hit) -> Response {
    let hits: Vec<Value> = rows(number(hit, "from", 0))
        .into_iter()
        .map(|row| json!({"_id": row["id"].to_string(), "_source": row, "sort": [row["id"]]}))
        .collect();
    json_answer(
        json!({"took": 1, "timed_out": false, "hits": {"total": {"value": ROWS, "relation": "eq"}, "hits": hits}}),
    )
}

fn google(hit: &Hit) -> Response {
    let before = hit.param("pageToken").map_or(0, |token| token.trim_start_matches("t-").parse().expect("a token"));
    let mut body = json!({"kind": "orders#list", "items": rows(before)});
    if let Some(next) = next(before) {
        body["nextPageToken"] = json!(format!("t-{next}"));
    }
    json_answer(body)
}

fn spring(hit: &Hit) -> Response {
    let page = number(hit, "page", 0);
    json_answer(
        json!({"content": rows(page * PAGE), "page": {"size": PAGE, "number": page, "totalElements": ROWS, "totalPages": 3}}),
    )
}

fn jira(hit: &Hit) -> Response {
    let before = number(hit, "startAt", 0);
    json_answer(json!({"startAt": before, "maxResults": PAGE, "total": ROWS, "issues": rows(before)}))
}

pub fn wordpress(hit: &Hit) -> Response {
    let page = number(hit, "page", 1);
    if page > 3 {
        return (StatusCode::BAD_REQUEST, json_answer(json!({"code": "rest_post_invalid_page_number"})))
            .into_response();
    }
    let totals = [("x-wp-total", ROWS.to_string()), ("x-wp-totalpages", "3".to_owned())];
    (totals, json_answer(Value::from(rows((page - 1) * PAGE)))).into_response()
}

const LINK_HEADER: &str = "{ type: link_header }";

pub const STYLES: &[Style] = &[
    Style {
        name: "github",
        path: "/script/repos/issues",
        answer: github,
        records: None,
        pagination: LINK_HEADER,
        id: "id",
    },
    Style {
        name: "stripe",
        path: "/script/v1/orders",
        answer: stripe,
        records: Some("data"),
        pagination: r#"{ type: cursor, cursor_path: "data[-1].id", cursor_param: starting_after, next_is: cursor, has_more_path: has_more }"#,
        id: "id",
    },
    Style {
        name: "shopify",
        path: "/script/orders.json",
        answer: shopify,
        records: Some("orders"),
        pagination: LINK_HEADER,
        id: "id",
    },
    Style {
        name: "hubspot",
        path: "/script/crm/v3/objects/contacts",
        answer: hubspot,
        records: Some("results"),
        pagination: "{ type: cursor, cursor_path: paging.next.after, cursor_param: after, next_is: cursor }",
        id: "id",
    },
    Style {
        name: "salesforce",
        path: "/script/services/data/v60.0/query?q=SELECT+Id+FROM+Account",
        answer: salesforce,
        records: Some("records"),
        pagination: "{ type: cursor, cursor_path: nextRecordsUrl, next_is: link }",
        id: "id",
    },
    Style {
        name: "atlassian",
        path: "/script/wiki/api/v2/pages",
        answer: atlassian,
        records: Some("results"),
        pagination: "{ type: cursor, cursor_path: _links.next, next_is: link }",
        id: "id",
    },
    Style {
        name: "odata",
        path: "/script/odata/Orders",
        answer: odata,
        records: Some("value"),
        pagination: r#"{ type: cursor, cursor_path: '$["@odata.nextLink"]', next_is: link }"#,
        id: "id",
    },
    Style {
        name: "hal",
        path: "/script/orders",
        answer: hal,
        records: Some("_embedded.orders"),
        pagination: "{ type: cursor, cursor_path: _links.next.href, next_is: link }",
        id: "id",
    },
    Style {
        name: "json_api",
        path: "/script/orders",
        answer: json_api,
        records: Some("data"),
        pagination: "{ type: cursor, cursor_path: links.next, next_is: link }",
        id: "id",
    },
    Style {
        name: "drf",
        path: "/script/orders/",
        answer: drf,
        records: Some("results"),
        pagination: "{ type: cursor, cursor_path: next, next_is: link }",
        id: "id",
    },
    Style {
        name: "elasticsearch",
        path: "/script/orders/_search",
        answer: elasticsearch,
        records: Some("hits.hits"),
        pagination: "{ type: offset, param: from, limit_param: size, limit: 10 }",
        id: "_id",
    },
    Style {
        name: "google",
        path: "/script/v3/items",
        answer: google,
        records: Some("items"),
        pagination: "{ type: cursor, cursor_path: nextPageToken, cursor_param: pageToken, next_is: cursor }",
        id: "id",
    },
    Style {
        name: "spring",
        path: "/script/orders",
        answer: spring,
        records: Some("content"),
        pagination: "{ type: page, param: page, start: 0 }",
        id: "id",
    },
    Style {
        name: "jira",
        path: "/script/rest/api/2/search",
        answer: jira,
        records: Some("issues"),
        pagination: "{ type: offset, param: startAt, limit_param: maxResults, limit: 10 }",
        id: "id",
    },
    Style {
        name: "wordpress",
        path: "/script/wp/v2/posts",
        answer: wordpress,
        records: None,
        pagination: "{ type: page, param: page, end_status: [400] }",
        id: "id",
    },
];
