//! What is sent to an API: method, body, and the values of placeholders.

use std::time::{Duration, Instant};

use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Redirect};
use elt_shared::config::template::{SINCE, Values};
use elt_shared::config::{ApiSource, Document, NoReferences, SourceConfig};
use elt_worker::error::PipelineError;
use elt_worker::extract::http::{self, HttpLimits};
use serde_json::{Value, json};

use crate::support::extraction::{Extraction, failure, texts};
use crate::support::http_source::{Hit, HttpSource, json_answer};

/// The source of a config with this address and these lines.
fn source(url: &str, lines: &str) -> ApiSource {
    let lines: String = lines.lines().map(|line| format!("    {}\n", line.trim_start_matches("        "))).collect();
    let yaml = format!("sources:\n  - type: api\n    url: \"{url}\"\n{lines}\ntarget: {{table: t}}\n");
    let document = Document::parse(&yaml).unwrap_or_else(|error| panic!("{error}: {yaml}"));
    let checked = document.pipeline(&NoReferences).unwrap_or_else(|error| panic!("{error}: {yaml}"));
    let mut config = checked.value;
    assert_eq!(checked.warnings, [], "{yaml}");
    match config.sources.remove(0) {
        SourceConfig::Api(api) => api,
        other => panic!("{other:?}"),
    }
}

fn quick() -> HttpLimits {
    HttpLimits { backoff: Duration::from_millis(10), ..HttpLimits::default() }
}

/// Ids of all rows that were extracted below `items`, in order.
async fn ids(lab: &Extraction, source: &ApiSource) -> Result<Vec<u64>, PipelineError> {
    let extracted = http::extract_within(0, source, &lab.context, &quick()).await?;
    let mut ids = Vec::new();
    for (name, text) in texts(&extracted) {
        let page: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let rows = page["items"].as_array().cloned().unwrap_or_default();
        ids.extend(rows.iter().map(|row| row["id"].as_u64().expect("an id")));
    }
    Ok(ids)
}

async fn failed(lab: &Extraction, api: &HttpSource, source: &ApiSource) -> String {
    failure(http::extract_within(0, source, &lab.context, &quick()).await, api.address.port())
}

/// Two rows of a page, counted from 1; none after the third.
fn items(page: u64) -> Value {
    if page > 3 { json!([]) } else { json!([{"id": page * 2 - 1}, {"id": page * 2}]) }
}

const SIX: [u64; 6] = [1, 2, 3, 4, 5, 6];

#[tokio::test]
async fn the_number_of_a_page_may_stand_in_the_body() {
    let (api, mut lab) = (HttpSource::start().await, Extraction::new().await);
    lab.context.values = vec![Values::default().with(SINCE, "2026-01-01")];
    api.script(|hit, _| json_answer(json!({"items": items(hit.json()["paging"]["page"].as_u64().expect("a number"))})));
    let source = source(
        &api.url("/script?v=1"),
        r#"body:
          filter: { since: "{{since}}", until: "{{until}}", active: true }
          paging: { page: "{{page.number}}", size: "{{page.size}}" }
        records: items
        pagination: { type: page, size: 2 }"#,
    );
    assert_eq!(ids(&lab, &source).await.expect("rows"), SIX);
    let hits = api.hits();
    let second = hits[1].json();
    assert_eq!(second, json!({"filter": {"since": "2026-01-01", "active": true}, "paging": {"page": 2, "size": 2}}));
    assert_eq!((hits.len(), &hits[1].method, hits[1].query.as_str()), (4, &Method::POST, "v=1"));
    assert_eq!(hits[1].header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn an_offset_may_stand_in_the_path_and_a_header_and_the_size_in_the_query() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    api.script(|hit, _| {
        let offset: u64 = hit.path.rsplit('/').next().and_then(|offset| offset.parse().ok()).expect("a number");
        assert_eq!((hit.header("x-from"), hit.query.as_str()), (Some(format!("rows={offset}").as_str()), "limit=2"));
        json_answer(json!({"items": items(offset / 2 + 1)}))
    });
    let source = source(
        &api.url("/script/from/{{page.offset}}"),
        r#"headers: { X-From: "rows={{page.offset}}" }
        records: items
        pagination: { type: offset, limit: 2 }"#,
    );
    assert_eq!(ids(&lab, &source).await.expect("rows"), SIX);
    assert!(api.hits().iter().all(|hit| hit.method == Method::GET && hit.body.is_empty()));
}

#[tokio::test]
async fn a_cursor_in_the_body_is_left_out_of_the_first_request() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    // A cursor that would end the text around it, if it were not escaped.
    let cursor = |page: u64| format!("{page}\",\"x\":\"\\/é http://h/?a=b");
    api.script(move |hit, _| {
        let page = hit.json()["after"].as_str().map_or(1, |after| after[..1].parse().expect("a page"));
        json_answer(json!({"items": items(page), "next": (page < 3).then(|| cursor(page + 1))}))
    });
    let source = source(
        &api.url("/script"),
        r#"body: { after: "{{page.cursor}}", limit: 2 }
        records: items
        pagination: { type: cursor, cursor_path: next }"#,
    );
    assert_eq!(ids(&lab, &source).await.expect("rows"), SIX);
    let bodies: Vec<Value> = api.hits().iter().map(Hit::json).collect();
    assert_eq!(bodies[0], json!({"limit": 2}));
    assert_eq!(bodies[2], json!({"after": cursor(3), "limit": 2}));
}

#[tokio::test]
async fn forms_and_texts_are_sent_as_what_they_are() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    api.script(|hit, _| json_answer(json!({"items": items(if hit.body.contains("page=2") { 4 } else { 1 })})));
    let form = source(
        &api.url("/script"),
        r#"form: { page: "{{page.number}}", q: ["a&b", "c d"], from: "{{since}}" }
        records: items
        pagination: { type: page }"#,
    );
    assert_eq!(ids(&lab, &form).await.expect("rows"), [1, 2]);
    let text = source(
        &api.url("/script"),
        "body: |\n          select * from orders\n          order by id\nheaders: { X-A: b }\nrecords: items",
    );
    assert_eq!(ids(&lab, &text).await.expect("rows"), [1, 2]);
    let own =
        source(&api.url("/script"), "body: '{\"a\": 1}'\nheaders: { content-type: application/x-own }\nrecords: items");
    assert_eq!(ids(&lab, &own).await.expect("rows"), [1, 2]);
    let sent: Vec<(String, String)> = api
        .hits()
        .iter()
        .map(|hit| (hit.header("content-type").unwrap_or_default().to_owned(), hit.body.clone()))
        .collect();
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(
        sent,
        [
            pair("application/x-www-form-urlencoded", "page=1&q=a%26b&q=c+d"),
            pair("application/x-www-form-urlencoded", "page=2&q=a%26b&q=c+d"),
            pair("text/plain; charset=utf-8", "select * from orders\norder by id\n"),
            pair("application/x-own", "{\"a\": 1}"),
        ]
    );
}

#[tokio::test]
async fn a_request_with_a_body_is_repeated_like_any_other() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    api.script(|_, count| match count {
        1 => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        2 => StatusCode::ACCEPTED.into_response(),
        _ => json_answer(json!({"items": items(1)})),
    });
    let source = source(&api.url("/script"), "body: { a: 1 }\nrecords: items");
    assert_eq!(ids(&lab, &source).await.expect("rows"), [1, 2]);
    assert!(api.hits().iter().all(|hit| hit.method == Method::POST && hit.body == r#"{"a":1}"#));
    assert_eq!(api.hits().len(), 3);
}

#[tokio::test]
async fn a_redirected_post_becomes_a_get_unless_the_server_wants_it_repeated() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    for (status, method, body) in [
        (301, Method::GET, ""),
        (302, Method::GET, ""),
        (303, Method::GET, ""),
        (307, Method::POST, r#"{"a":1}"#),
        (308, Method::POST, r#"{"a":1}"#),
    ] {
        api.script(move |hit, _| match hit.path.as_str() {
            "/script" => {
                (StatusCode::from_u16(status).expect("a status"), [(header::LOCATION, "/script/x")]).into_response()
            }
            _ => json_answer(json!({"items": items(1)})),
        });
        let source = source(&api.url("/script"), "body: { a: 1 }\nauth_token: xyz\nrecords: items");
        assert_eq!(ids(&lab, &source).await.expect("rows"), [1, 2], "{status}");
        let last = api.hits().pop().expect("a request");
        assert_eq!((last.method.clone(), last.body.as_str()), (method.clone(), body), "{status}");
        assert_eq!(last.header("authorization"), Some("Bearer xyz"), "the same host");
        assert_eq!(last.header("content-type").is_some(), method == Method::POST, "{status}");
    }
}

#[tokio::test]
async fn a_body_goes_to_no_other_host() {
    let (ours, other, lab) = (HttpSource::start().await, HttpSource::start().await, Extraction::new().await);
    other.script(|_, _| json_answer(json!({"items": items(2)})));
    let keys =
        "body: { key: canary }\nauth_token: canary\nrecords: items\npagination: { type: cursor, cursor_path: next }";
    let source = source(&ours.url("/script"), keys);
    let away = other.url("/script");
    let to = away.clone();
    ours.script(move |_, _| Redirect::temporary(&to).into_response());
    insta::assert_snapshot!(failed(&lab, &ours, &source).await, @"http_redirect: http://127.0.0.1:PORT/script redirected to another host, which must not get the request's body");
    let to = away.clone();
    ours.script(move |_, _| json_answer(json!({"items": items(1), "next": to})));
    insta::assert_snapshot!(failed(&lab, &ours, &source).await, @"http_next_page: the next page that http://127.0.0.1:PORT/script names leads to another host, which must not get the request's body");
    assert_eq!(other.hits().len(), 0);
    ours.script(move |_, _| Redirect::to(&away).into_response());
    assert_eq!(ids(&lab, &source).await.expect("rows"), [3, 4], "a GET without a body may go");
    assert!(!format!("{:?}", other.hits()).contains("canary"));
}

#[tokio::test]
async fn a_link_keeps_method_and_body_and_has_no_cursor() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    api.script(|hit, _| {
        let page = hit.param("page").map_or(1, |page| page.parse().expect("a page"));
        assert_eq!(hit.json(), json!({"a": 1}));
        json_answer(json!({"items": items(page), "next": (page < 3).then(|| format!("?page={}", page + 1))}))
    });
    let source = source(
        &api.url("/script"),
        "body: { a: 1 }\nrecords: items\npagination: { type: cursor, cursor_path: next, next_is: link }",
    );
    assert_eq!(ids(&lab, &source).await.expect("rows"), SIX);
}

/// A connection of three pages, in the form that clients of GraphQL expect: the last page has a cursor, too.
fn connection(page: u64, pages: u64) -> Value {
    let info = json!({"hasNextPage": page < pages, "endCursor": format!("c{page}")});
    json!({"data": {"orders": {"nodes": items(page), "pageInfo": info}}})
}

const QUERY: &str = r#"graphql:
          query: "query O($after: String) { orders(after: $after) { nodes { id } pageInfo { hasNextPage endCursor } } }"
          variables: { first: 2, after: "{{page.cursor}}" }
        records: data.orders.nodes
        pagination: { type: cursor, cursor_path: data.orders.pageInfo.endCursor }"#;

/// Ids of all rows of a connection.
async fn nodes(lab: &Extraction, source: &ApiSource) -> (Vec<u64>, Vec<String>) {
    let extracted = http::extract_within(0, source, &lab.context, &quick()).await.expect("rows");
    let rows = |(_, text): (String, String)| {
        let page: Value = serde_json::from_str(&text).expect("JSON");
        let rows = page["data"]["orders"]["nodes"].as_array().cloned().unwrap_or_default();
        rows.iter().map(|row| row["id"].as_u64().expect("an id")).collect::<Vec<_>>()
    };
    (texts(&extracted).into_iter().flat_map(rows).collect(), extracted.warnings)
}

#[tokio::test]
async fn a_connection_of_graphql_ends_where_it_says() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    api.script(|hit, _| {
        let after = hit.json()["variables"]["after"].as_str().map_or(0, |after| after[1..].parse().expect("a page"));
        json_answer(connection(after + 1, 3))
    });
    let source = source(&api.url("/script"), QUERY);
    assert_eq!(nodes(&lab, &source).await, (SIX.to_vec(), Vec::new()));
    let bodies: Vec<Value> = api.hits().iter().map(Hit::json).collect();
    assert_eq!(bodies.len(), 3, "the last page names a cursor and says that it is the last one");
    assert_eq!(bodies[0]["variables"], json!({"first": 2}));
    assert_eq!(bodies[2]["variables"], json!({"first": 2, "after": "c2"}));
    assert!(bodies[0]["query"].as_str().is_some_and(|query| query.starts_with("query O(")));
}

#[tokio::test]
async fn a_page_without_rows_that_says_there_are_more_is_not_the_last_one() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    api.script(|hit, _| {
        let page = hit.param("after").map_or(1, |after| after.parse().expect("a page"));
        let items = if matches!(page, 1 | 3 | 4) { json!([]) } else { items(if page == 2 { 1 } else { 2 }) };
        json_answer(json!({"items": items, "has_more": page < 5, "next": page + 1}))
    });
    let keys =
        "records: items\npagination: { type: cursor, cursor_path: next, cursor_param: after, has_more_path: has_more }";
    let source = source(&api.url("/script"), keys);
    assert_eq!(ids(&lab, &source).await.expect("rows"), [1, 2, 3, 4]);
    assert_eq!(api.hits().len(), 5);
    api.script(|_, _| json_answer(json!({"items": items(1), "has_more": true, "next": null})));
    insta::assert_snapshot!(failed(&lab, &api, &source).await, @"http_next_page: http://127.0.0.1:PORT/script does not name its next page: `has_more_path` says that there is a next page, and there is no cursor or link at $.next");
}

#[tokio::test]
async fn errors_of_graphql_fail_the_source_unless_the_data_are_complete() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    let source = source(&api.url("/script"), &format!("auth_token: canary-1\nheaders: {{ X-Key: canary-2 }}\n{QUERY}"));
    let long = "x".repeat(1000);
    let mut told = String::new();
    for errors in [
        json!({"data": null, "errors": [{"message": "Field 'ordrs' doesn't exist\n on type 'Query'"}, {"message": "b"}]}),
        json!({"errors": [{"message": "the token canary-1 with canary-2 has expired"}]}),
        json!({"data": {"orders": {"nodes": [{"id": 1}, null], "pageInfo": {"hasNextPage": false}}},
            "errors": [{"message": "no right to read it", "path": ["orders", "nodes", 1]}]}),
        json!({"data": {"orders": {"nodes": [{"id": 1}]}}, "errors": [{"message": long}]}),
        json!({"data": {"orders": {"nodes": []}}, "errors": {"code": 7}}),
    ] {
        api.script(move |_, _| json_answer(errors.clone()));
        told.push_str(&failed(&lab, &api, &source).await.replace(&"x".repeat(300), "300 x"));
        told.push('\n');
    }
    insta::assert_snapshot!(told, @"
    http_error_answer: http://127.0.0.1:PORT/script answered with GraphQL errors, first: Field 'ordrs' doesn't exist on type 'Query'
    http_error_answer: http://127.0.0.1:PORT/script answered with GraphQL errors, first: the token *** with *** has expired
    http_error_answer: http://127.0.0.1:PORT/script answered with GraphQL errors, first: no right to read it
    http_error_answer: http://127.0.0.1:PORT/script answered with GraphQL errors, first: 300 x…
    http_error_answer: http://127.0.0.1:PORT/script answered with GraphQL errors, first: without a message
    ");
    api.script(|_, _| {
        let mut answer = connection(1, 1);
        answer["errors"] = json!([{"message": "`total` is deprecated", "path": ["orders", "nodes", 0, "id"]}]);
        json_answer(answer)
    });
    let (rows, warnings) = nodes(&lab, &source).await;
    assert_eq!(rows, [1, 2]);
    assert_eq!(warnings.len(), 1);
    let ends = "/script page 1: it reports 1 errors beside complete data, first: `total` is deprecated";
    assert!(warnings[0].ends_with(ends), "{warnings:?}");
    api.script(|_, count| match count {
        1 => json_answer(json!({"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}]})),
        _ => json_answer(connection(1, 1)),
    });
    assert_eq!(nodes(&lab, &source).await.0, [1, 2], "it is asked again");
}

#[tokio::test]
async fn a_login_behind_redirects_is_passed_with_its_cookies() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    api.script(|hit, _| {
        let to = |place: &'static str, cookie: &'static str| {
            (StatusCode::FOUND, [(header::LOCATION, place), (header::SET_COOKIE, cookie)]).into_response()
        };
        match (hit.path.as_str(), hit.header("cookie")) {
            ("/script/orders", Some("session=s2")) => json_answer(json!({"items": items(1)})),
            ("/script/orders", _) => to("/script/login", "state=s1; Path=/script/login"),
            ("/script/login", Some("state=s1")) => to("/script/orders", "session=s2; Path=/; HttpOnly"),
            other => panic!("{other:?}"),
        }
    });
    let source = source(&api.url("/script/orders"), "records: items");
    assert_eq!(ids(&lab, &source).await.expect("rows"), [1, 2]);
    assert_eq!(api.hits().len(), 3);
    assert_eq!(ids(&lab, &source).await.expect("rows"), [1, 2]);
    assert_eq!(api.hits().len(), 6, "the next extraction begins without cookies");
}

#[tokio::test]
async fn no_more_requests_a_second_are_sent_than_the_config_says() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    api.script(|hit, _| {
        json_answer(json!({"items": items(hit.param("page").expect("a page").parse().expect("a number"))}))
    });
    let source = source(&api.url("/script"), "records: items\npagination: { type: page }\nrequests_per_second: 20");
    let started = Instant::now();
    assert_eq!(ids(&lab, &source).await.expect("rows"), SIX);
    assert!(started.elapsed() >= Duration::from_millis(150), "four requests: {:?}", started.elapsed());
}

#[tokio::test]
async fn an_answer_in_an_encoding_that_is_not_read_is_refused_with_its_name() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    api.script(|_, _| ([(header::CONTENT_ENCODING, "br")], "x").into_response());
    let source = source(&api.url("/script"), "records: items");
    insta::assert_snapshot!(failed(&lab, &api, &source).await, @"http_not_json: http://127.0.0.1:PORT/script answered with the `Content-Encoding` br, and elt unpacks gzip and zstd only");
    let accepted = api.hits()[0].header("accept-encoding").expect("a header").to_owned();
    assert!(accepted.contains("gzip") && accepted.contains("zstd") && !accepted.contains("br"), "{accepted}");
}
