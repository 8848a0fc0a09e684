//! Cursors that a row has, cursors that are JSON, answers that say whether there is more, and totals.

use std::time::Duration;

use elt_shared::config::{ApiSource, Document, NoReferences, SourceConfig};
use elt_shared::cursor::CursorValue;
use elt_worker::extract::http::{self, HttpLimits};
use serde_json::{Value, json};

use crate::support::extraction::{Extraction, failure, texts};
use crate::support::http_source::{HttpSource, json_answer};

/// The source of a config with these keys.
fn source(api: &HttpSource, keys: &str) -> ApiSource {
    let yaml = format!("sources: [{{type: api, url: \"{}\", {keys}}}]\ntarget: {{table: t}}\n", api.url("/script"));
    let document = Document::parse(&yaml).unwrap_or_else(|error| panic!("{error}: {yaml}"));
    let mut config = document.pipeline(&NoReferences).unwrap_or_else(|error| panic!("{error}: {yaml}")).value;
    match config.sources.remove(0) {
        SourceConfig::Api(api) => api,
        other => panic!("{other:?}"),
    }
}

/// The ids of all rows and the warnings, or the failure.
async fn read(lab: &Extraction, api: &HttpSource, source: &ApiSource) -> Result<(Vec<u64>, Vec<String>), String> {
    let limits = HttpLimits { backoff: Duration::from_millis(10), ..HttpLimits::default() };
    let extracted = http::extract_within(0, source, &lab.context, &limits).await;
    let extracted = match extracted {
        Ok(extracted) => extracted,
        error => return Err(failure(error, api.address.port())),
    };
    let mut ids = Vec::new();
    for (_, text) in texts(&extracted) {
        let page: Value = serde_json::from_str(&text).expect("JSON");
        let rows = page["items"].as_array().cloned().unwrap_or_default();
        ids.extend(rows.iter().map(|row| row["id"].as_u64().expect("an id")));
    }
    let port = format!(":{}", api.address.port());
    Ok((ids, extracted.warnings.iter().map(|warning| warning.replace(&port, ":PORT")).collect()))
}

async fn ids(lab: &Extraction, api: &HttpSource, source: &ApiSource) -> Vec<u64> {
    let (ids, warnings) = read(lab, api, source).await.unwrap_or_else(|message| panic!("{message}"));
    assert_eq!(warnings, [""; 0]);
    ids
}

async fn failed(lab: &Extraction, api: &HttpSource, source: &ApiSource) -> String {
    read(lab, api, source).await.expect_err("the source is bad")
}

/// Two rows a page, counted from 1, after the row that is asked for with `after`.
fn after(api: &HttpSource, last: u64, page: impl Fn(Vec<Value>, bool) -> Value + Send + Sync + 'static) {
    api.script(move |hit, _| {
        let after = hit.param("after").map_or(0, |after| after.parse().expect("an id"));
        let rows = (after + 1..=last.min(after + 2)).map(|id| json!({"id": id})).collect();
        json_answer(page(rows, after + 2 < last))
    });
}

const BY_LAST_ROW: &str = "records: items, pagination: {type: cursor, cursor_path: 'items[-1].id', cursor_param: after";

#[tokio::test]
async fn the_last_row_asks_for_the_next_page() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    let plain = source(&api, &format!("{BY_LAST_ROW}}}"));
    let told = source(&api, &format!("{BY_LAST_ROW}, has_more_path: more}}"));
    for (source, last, requests) in [(&plain, 5, 4), (&plain, 4, 3), (&told, 5, 3), (&told, 4, 2), (&told, 0, 1)] {
        after(&api, last, |rows, more| json!({"items": rows, "more": more}));
        let before = api.hits().len();
        assert_eq!(ids(&lab, &api, source).await, (1..=last).collect::<Vec<_>>(), "{last}");
        assert_eq!(api.hits().len() - before, requests, "{last}");
    }
    // The id 0 is a row's id and does not end the pages.
    api.script(|hit, _| match hit.param("after").as_deref() {
        None => json_answer(json!({"items": [{"id": 5}, {"id": 0}]})),
        Some("0") => json_answer(json!({"items": [{"id": 7}]})),
        Some(_) => json_answer(json!({"items": []})),
    });
    assert_eq!(ids(&lab, &api, &plain).await, [5, 0, 7]);
}

#[tokio::test]
async fn a_last_row_without_the_cursor_does_not_end_the_pages() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    let by_key = source(
        &api,
        "records: items, pagination: {type: cursor, cursor_path: 'items[-1].key', cursor_param: after, has_more_path: more}",
    );
    let mut told = String::new();
    for last in
        [json!({"id": 2}), json!({"id": 2, "key": null}), json!({"id": 2, "key": ""}), json!({"id": 2, "key": [1]})]
    {
        api.script(move |_, _| json_answer(json!({"items": [{"id": 1, "key": "a"}, last.clone()]})));
        told.push_str(&failed(&lab, &api, &by_key).await);
        told.push('\n');
    }
    insta::assert_snapshot!(told, @"
    http_next_page: http://127.0.0.1:PORT/script does not name its next page: the last row has no value at $.items[-1].key
    http_next_page: http://127.0.0.1:PORT/script does not name its next page: the last row has no value at $.items[-1].key
    http_next_page: http://127.0.0.1:PORT/script does not name its next page: the last row has no value at $.items[-1].key
    http_next_page: http://127.0.0.1:PORT/script does not name its next page: what is at $.items[-1].key is an array, not a cursor
    ");
    api.script(|_, _| json_answer(json!({"items": [{"id": 1}, {"id": 2}], "more": false})));
    assert_eq!(ids(&lab, &api, &by_key).await, [1, 2], "the last page needs no cursor");
}

#[tokio::test]
async fn a_cursor_that_is_json_is_sent_as_it_is_in_a_body() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    let search = source(
        &api,
        "body: {after: '{{page.cursor}}', text: 'after {{page.cursor}}'}, records: items, pagination: {type: cursor, cursor_path: next}",
    );
    for cursor in [
        json!([1_700_000_000_123_u64, "o-7", null, 1.5]),
        json!({"id": 7, "x": ["é\"\\"]}),
        json!(9_007_199_254_740_993_u64),
        json!(-2.5),
        json!("7"),
    ] {
        let named = cursor.clone();
        api.script(move |hit, _| {
            let body = hit.json();
            match body.get("after") {
                None => json_answer(json!({"items": [{"id": 1}], "next": named})),
                Some(after) if *after == named => json_answer(json!({"items": [{"id": 2}], "next": null})),
                Some(after) => panic!("{after} instead of {named}"),
            }
        });
        assert_eq!(ids(&lab, &api, &search).await, [1, 2], "{cursor}");
        let text = cursor.as_str().map_or_else(|| cursor.to_string(), str::to_owned);
        assert_eq!(api.hits().last().expect("a request").json()["text"], format!("after {text}"));
    }
}

#[tokio::test]
async fn an_answer_that_says_there_is_more_never_ends_the_pages() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    let keys =
        "records: items, pagination: {type: cursor, cursor_path: next, cursor_param: after, has_more_path: meta.more}";
    let source = source(&api, keys);
    // A filter may leave a page without rows in the middle.
    api.script(|hit, _| match hit.param("after").as_deref() {
        None => json_answer(json!({"items": [{"id": 1}], "next": "b", "meta": {"more": true}})),
        Some("b") => json_answer(json!({"items": [], "next": "c", "meta": {"more": true}})),
        Some("c") => json_answer(json!({"items": [], "next": "d", "meta": {"more": 3}})),
        Some("d") => json_answer(json!({"items": [{"id": 2}], "next": "e", "meta": {"more": "false"}})),
        Some(other) => panic!("{other}"),
    });
    assert_eq!(ids(&lab, &api, &source).await, [1, 2]);
    for end in [json!(false), json!(0), json!(""), json!("False"), json!("0")] {
        api.script(move |_, _| json_answer(json!({"items": [{"id": 1}], "next": "b", "meta": {"more": end}})));
        assert_eq!(ids(&lab, &api, &source).await, [1]);
    }
    let mut told = String::new();
    for answer in [
        json!({"items": [{"id": 1}], "meta": {"more": true}}),
        json!({"items": [], "next": null, "meta": {"more": true}}),
        json!({"items": [{"id": 1}], "next": "b", "meta": {"more": []}}),
    ] {
        api.script(move |_, _| json_answer(answer.clone()));
        told.push_str(&failed(&lab, &api, &source).await);
        told.push('\n');
    }
    api.script(|hit, _| match hit.param("after").as_deref() {
        None => json_answer(json!({"items": [{"id": 1}], "next": "b"})),
        Some(_) => json_answer(json!({"items": [{"id": 2}]})),
    });
    let (rows, warnings) = read(&lab, &api, &source).await.expect("rows");
    assert_eq!(rows, [1, 2], "a member that is missing leaves the decision to the cursor");
    told.push_str(&warnings.join("\n"));
    insta::assert_snapshot!(told, @"
    http_next_page: http://127.0.0.1:PORT/script does not name its next page: `has_more_path` says that there is a next page, and there is no cursor or link at $.next
    http_next_page: http://127.0.0.1:PORT/script does not name its next page: `has_more_path` says that there is a next page, and there is no cursor or link at $.next
    http_next_page: http://127.0.0.1:PORT/script does not name its next page: what is at $.meta.more, the `has_more_path`, is an array or an object
    http://127.0.0.1:PORT/script: `has_more_path` $.meta.more was found on no page, so `cursor_path` alone decided where the pages end: check its spelling
    ");
}

#[tokio::test]
async fn an_api_that_repeats_one_page_under_new_cursors_is_left_in_the_end() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    let source = source(&api, "records: items, pagination: {type: cursor, cursor_path: next, cursor_param: after}");
    api.script(|_, count| json_answer(json!({"items": [{"id": 1}, {"id": 2}], "next": format!("c{count}")})));
    let told = failed(&lab, &api, &source).await;
    assert!(told.ends_with("100 pages in a row have the same rows"), "{told}");
    assert!(api.hits().len() <= 102, "{}", api.hits().len());
}

#[tokio::test]
async fn a_total_that_differs_from_the_rows_is_told() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    let paged = "pagination: {type: cursor, cursor_path: next, cursor_param: after}";
    let told = async |keys: &str, first: Value, last: Value| {
        let (first, last) = (first.clone(), last.clone());
        api.script(move |hit, _| json_answer(if hit.param("after").is_none() { first.clone() } else { last.clone() }));
        read(&lab, &api, &source(&api, keys)).await.unwrap_or_else(|message| panic!("{message}")).1.join("\n")
    };
    let first = |members: Value| page([1, 2, 3], "b", members);
    let last = |members: Value| page([4], "", members);
    let with = |more: &str| format!("records: items, {paged}, {more}");
    let plain = format!("records: items, {paged}");
    let high = told(&plain, first(json!({"total": 9})), last(json!({"total": 9}))).await;
    insta::assert_snapshot!(high, @"http://127.0.0.1:PORT/script: the API says at $.total that it has 9 rows, and 4 were read. If rows are missing, check `pagination` and `params`; write `total_path: none` if it counts something else");
    assert_eq!(told(&plain, first(json!({"total": 3})), last(json!({"total": 1}))).await, "", "rows of one page");
    assert_eq!(told(&plain, first(json!({"total": 3})), last(json!({"total": 4}))).await, "", "a row came meanwhile");
    assert_eq!(told(&with("total_path: none"), first(json!({"total": 9})), last(json!({"total": 9}))).await, "");
    let own = with("total_path: about.n");
    let low = told(&own, first(json!({"about": {"n": "3"}, "total": 4})), last(json!({"about": {"n": 3}}))).await;
    assert!(low.contains("says at $.about.n that it has 3 rows, and 4 were read"), "{low}");
    let nowhere = told(&own, first(json!({"total": 4})), last(json!({"total": 4}))).await;
    assert!(nowhere.contains("there is no whole number at `total_path` $.about.n"), "{nowhere}");

    // One page of many, because the config has no `pagination`.
    let single = told("records: items", first(json!({"total": 900})), Value::Null).await;
    assert!(single.contains("it has 900 rows, and 3 were read"), "{single}");
    assert_eq!(told("records: items", first(json!({"total": 3})), Value::Null).await, "");
}

#[tokio::test]
async fn a_source_that_is_read_until_its_rows_are_old_is_not_compared_with_a_total() {
    let (api, mut lab) = (HttpSource::start().await, Extraction::new().await);
    lab.context.old_below = vec![(0, CursorValue::of("5").expect("a cursor"))];
    api.script(|hit, _| {
        let newest = hit.param("after").map_or(9, |after| after.parse().expect("an id"));
        json_answer(page([newest, newest - 1], &(newest - 2).to_string(), json!({"total": 9})))
    });
    let source = source(
        &api,
        "records: items, incremental: {cursor: id, param: since, order: desc}, \
         pagination: {type: cursor, cursor_path: next, cursor_param: after}",
    );
    let newest = ids(&lab, &api, &source).await;
    assert!(newest.starts_with(&[9, 8, 7, 6]) && newest.len() < 9, "{newest:?}");
}

/// A page with these rows and further members.
fn page<const N: usize>(ids: [u64; N], next: &str, mut members: Value) -> Value {
    members["items"] = ids.iter().map(|id| json!({"id": id})).collect();
    members["next"] = json!(next);
    members
}

#[tokio::test]
async fn a_graphql_error_beside_rows_fails_the_source() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    for keys in
        ["graphql: {query: '{ items { id } }'}, records: items", "body: {query: '{ items { id } }'}, records: items"]
    {
        let source = source(&api, keys);
        api.script(|_, _| json_answer(json!({"items": [{"id": 1}], "errors": [{"message": "one shard is away"}]})));
        let told = failed(&lab, &api, &source).await;
        assert!(told.starts_with("http_error_answer") && told.ends_with("first: one shard is away"), "{told}");
        api.script(|_, _| json_answer(json!({"items": [{"id": 1}], "errors": []})));
        assert_eq!(ids(&lab, &api, &source).await, [1]);
    }
}
