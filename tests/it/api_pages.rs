//! How the pages of an API follow each other, and where they end.

use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::LINK;
use axum::response::{IntoResponse, Redirect, Response};
use elt_shared::config::{ApiSource, Document, NoReferences, SourceConfig};
use elt_worker::error::PipelineError;
use elt_worker::extract::http::{self, HttpLimits};
use serde_json::{Value, json};

use crate::support::extraction::{Extraction, failure, texts};
use crate::support::http_source::{Hit, HttpSource, json_answer};

/// The source of a config with these keys.
fn source(url: &str, keys: &str) -> ApiSource {
    let yaml = format!("sources: [{{type: api, url: \"{url}\", {keys}}}]\ntarget: {{table: t}}\n");
    let document = Document::parse(&yaml).unwrap_or_else(|error| panic!("{error}: {yaml}"));
    let mut config = document.pipeline(&NoReferences).unwrap_or_else(|error| panic!("{error}: {yaml}")).value;
    match config.sources.remove(0) {
        SourceConfig::Api(api) => api,
        other => panic!("{other:?}"),
    }
}

/// Ids of all rows that were extracted below `items`, in order.
async fn ids(lab: &Extraction, source: &ApiSource) -> Result<Vec<u64>, PipelineError> {
    let limits = HttpLimits { backoff: Duration::from_millis(10), ..HttpLimits::default() };
    let extracted = http::extract_within(0, source, &lab.context, &limits).await?;
    let mut ids = Vec::new();
    for (name, text) in texts(&extracted) {
        let page: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let rows = page["items"].as_array().cloned().unwrap_or_default();
        ids.extend(rows.iter().map(|row| row["id"].as_u64().expect("an id")));
    }
    Ok(ids)
}

async fn failed(lab: &Extraction, api: &HttpSource, source: &ApiSource) -> String {
    let limits = HttpLimits { backoff: Duration::from_millis(10), ..HttpLimits::default() };
    failure(http::extract_within(0, source, &lab.context, &limits).await, api.address.port())
}

/// Two rows of a page, counted from 1.
fn items(page: u64) -> Value {
    json!([{"id": page * 2 - 1}, {"id": page * 2}])
}

fn page_of(hit: &Hit) -> u64 {
    hit.param("page").map_or(1, |page| page.parse().expect("a page"))
}

const SIX: [u64; 6] = [1, 2, 3, 4, 5, 6];

#[tokio::test]
async fn a_link_in_the_body_may_be_a_url_a_path_or_relative() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    let host = api.address;
    for form in [
        format!("http://{host}/script/v1/orders?size=2&page=N"),
        format!("//{host}/script/v1/orders?page=N"),
        "/script/v1/orders?size=2&page=N".into(),
        "?page=N".into(),
        "orders?page=N".into(),
        "./orders?page=N".into(),
        "../v1/orders?page=N".into(),
    ] {
        let link = form.clone();
        api.script(move |hit, _| {
            let page = page_of(hit);
            assert_eq!(hit.path, "/script/v1/orders");
            let next = (page < 3).then(|| link.replace('N', &(page + 1).to_string()));
            json_answer(json!({"items": items(page), "links": {"next": next}}))
        });
        let source = source(
            &api.url("/script/v1/orders?size=2"),
            "records: items, pagination: {type: cursor, cursor_path: links.next}",
        );
        let before = api.hits().len();
        assert_eq!(ids(&lab, &source).await.expect(&form), SIX, "{form}");
        assert_eq!(api.hits().len() - before, 3, "{form}");
    }
}

#[tokio::test]
async fn a_link_is_resolved_against_the_url_that_answered() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    let in_header = |next: Option<String>, page| match next {
        Some(next) => {
            ([(LINK, format!("<{next}>; title=\"a, <b>\"; rel=next"))], json_answer(json!({"items": items(page)})))
                .into_response()
        }
        None => json_answer(json!({"items": items(page)})),
    };
    for by_header in [false, true] {
        api.script(move |hit, _| {
            if hit.path == "/script/orders" {
                return Redirect::temporary("/script/v2/moved/orders").into_response();
            }
            assert_eq!(hit.path, "/script/v2/moved/orders");
            let page = page_of(hit);
            let next = (page < 3).then(|| format!("?page={}", page + 1));
            match by_header {
                true => in_header(next, page),
                false => json_answer(json!({"items": items(page), "next": next})),
            }
        });
        let pagination = if by_header { "{type: link_header}" } else { "{type: cursor, cursor_path: next}" };
        let source = source(&api.url("/script/orders"), &format!("records: items, pagination: {pagination}"));
        assert_eq!(ids(&lab, &source).await.expect("rows"), SIX);
    }
}

#[tokio::test]
async fn a_config_says_whether_an_odd_value_is_a_link_or_a_cursor() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    api.script(|hit, _| {
        let page = hit.path.rsplit('/').next().and_then(|page| page.parse().ok()).unwrap_or(1);
        json_answer(json!({"items": items(page), "next": (page < 3).then(|| format!("{}", page + 1))}))
    });
    let links = source(
        &api.url("/script/pages/1"),
        "records: items, pagination: {type: cursor, cursor_path: next, next_is: link}",
    );
    assert_eq!(ids(&lab, &links).await.expect("rows"), SIX);

    api.script(|hit, _| {
        let page =
            hit.param("after").map_or(1, |cursor| cursor.rsplit('=').next().expect("a page").parse().expect("N"));
        let next = (page < 3).then(|| format!("http://cursor.invalid/?p={}", page + 1));
        json_answer(json!({"items": items(page), "next": next}))
    });
    let cursors = source(
        &api.url("/script"),
        "records: items, pagination: {type: cursor, cursor_path: next, cursor_param: after, next_is: cursor}",
    );
    assert_eq!(ids(&lab, &cursors).await.expect("rows"), SIX);
}

#[tokio::test]
async fn a_link_obeys_the_rules_for_hosts_and_takes_no_token_along() {
    let (ours, other, lab) = (HttpSource::start().await, HttpSource::start().await, Extraction::new().await);
    other.script(|_, _| json_answer(json!({"items": items(2)})));
    let to_other = other.url("/script");
    ours.script(move |_, _| json_answer(json!({"items": items(1), "next": to_other})));
    let keys = "records: items, auth_token: canary, params: {key: canary}, headers: {Cookie: canary=1}, \
                pagination: {type: cursor, cursor_path: next}";
    let source = source(&ours.url("/script"), keys);
    assert_eq!(ids(&lab, &source).await.expect("rows"), [1, 2, 3, 4]);
    assert!(!format!("{:?}", other.hits()).contains("canary"));
    for (next, code) in [
        ("http://169.254.169.254/latest", "source_refused"),
        ("//169.254.169.254/latest?a=b", "source_refused"),
        ("http://[fe80::1]/", "source_refused"),
    ] {
        ours.script(move |_, _| json_answer(json!({"items": items(1), "next": next})));
        let told = failed(&lab, &ours, &source).await;
        assert!(told.starts_with(code), "{next}: {told}");
    }
    ours.script(|_, _| {
        ([(LINK, "<file:///etc/passwd>; rel=next")], json_answer(json!({"items": items(1)}))).into_response()
    });
    let by_header = self::source(&ours.url("/script"), "records: items, pagination: {type: link_header}");
    insta::assert_snapshot!(failed(&lab, &ours, &by_header).await, @"http_next_page: the next page that http://127.0.0.1:PORT/script names is a `file:` address");
}

/// Serves pages by a cursor; `pad` makes the cursor from the number of the next page.
fn by_cursor(api: &HttpSource, pad: impl Fn(u64) -> Value + Send + Sync + 'static) {
    api.script(move |hit, _| {
        let page = hit.param("token").map_or(1, |token| token.trim_start_matches('/')[..1].parse().expect("a page"));
        json_answer(json!({"items": items(page), "next": if page < 3 { pad(page + 1) } else { Value::Null }}))
    });
}

const BY_TOKEN: &str = "records: items, pagination: {type: cursor, cursor_path: next, cursor_param: token}";

#[tokio::test]
async fn a_cursor_of_any_length_is_sent_whole_or_fails_the_source() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    let source = source(&api.url("/script"), BY_TOKEN);
    for length in [8 << 10, 10_000, 60_000] {
        by_cursor(&api, move |page| json!(format!("{page}{}", "x".repeat(length - 1))));
        assert_eq!(ids(&lab, &source).await.expect("rows"), SIX, "{length}");
        assert_eq!(api.hits().last().and_then(|hit| hit.param("token")).map(|token| token.len()), Some(length));
    }
    by_cursor(&api, |page| json!(format!("/{page}j/4AAQ+/==")));
    assert_eq!(ids(&lab, &source).await.expect("rows"), SIX, "base64 may begin with a slash");
    let mut told = String::new();
    for next in
        [json!("1".repeat(100_000)), json!("1".repeat((1 << 20) + 1)), json!({"href": "x"}), json!([]), json!(true)]
    {
        by_cursor(&api, move |_| next.clone());
        told.push_str(&failed(&lab, &api, &source).await);
        told.push('\n');
    }
    insta::assert_snapshot!(told, @"
    http_next_page: the next page of http://127.0.0.1:PORT/script cannot be asked for: its address would be 100036 bytes long, more than the 65534 that can be sent
    http_next_page: http://127.0.0.1:PORT/script does not name its next page: what is at $.next is a text of more than 1024 KiB
    http_next_page: http://127.0.0.1:PORT/script does not name its next page: what is at $.next is an object, not a cursor
    http_next_page: http://127.0.0.1:PORT/script does not name its next page: what is at $.next is an array, not a cursor
    http_next_page: http://127.0.0.1:PORT/script does not name its next page: what is at $.next is `true`, which says that there is a next page, but not which
    ");
}

#[tokio::test]
async fn pages_end_where_the_api_says_so() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    let plain = source(&api.url("/script"), BY_TOKEN);
    for end in [json!(null), json!(""), json!(false), json!(0), json!("0")] {
        api.script(move |hit, _| match hit.param("token").as_deref() {
            None => json_answer(json!({"items": items(1), "next": 7})),
            Some("7") => json_answer(json!({"items": items(2), "next": end})),
            Some(other) => panic!("{other}"),
        });
        assert_eq!(ids(&lab, &plain).await.expect("rows"), [1, 2, 3, 4]);
    }
    api.script(|hit, _| match hit.param("token").as_deref() {
        None => json_answer(json!({"items": items(1), "next": 0})),
        Some("0") => json_answer(json!({"items": items(2), "next": "done"})),
        Some(other) => panic!("{other}"),
    });
    let own_end = source(
        &api.url("/script"),
        "records: items, pagination: {type: cursor, cursor_path: next, cursor_param: token, end_value: done}",
    );
    assert_eq!(ids(&lab, &own_end).await.expect("rows"), [1, 2, 3, 4], "0 is a cursor where the end is another value");
}

#[tokio::test]
async fn a_page_without_rows_is_the_last_even_when_it_names_another() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    api.script(|hit, _| {
        let after = hit.param("token").map_or(0, |after| after.parse().expect("an id"));
        let rows: Vec<_> = (after + 1..=5.min(after + 2)).map(|id| json!({"id": id})).collect();
        let next = rows.last().map_or(after, |row| row["id"].as_u64().expect("an id"));
        json_answer(json!({"items": rows, "next": next.to_string()}))
    });
    assert_eq!(ids(&lab, &source(&api.url("/script"), BY_TOKEN)).await.expect("rows"), [1, 2, 3, 4, 5]);

    api.script(|hit, _| {
        let page = page_of(hit);
        let rows = if page < 3 { items(page) } else { json!([]) };
        let next = format!("</script?page={}>; rel=\"next\"", page + 1);
        ([(LINK, next)], json_answer(json!({"items": rows}))).into_response()
    });
    let links = source(&api.url("/script"), "records: items, pagination: {type: link_header}");
    assert_eq!(ids(&lab, &links).await.expect("rows"), [1, 2, 3, 4]);

    api.script(|hit, _| {
        let page = hit.param("token").map_or(1, |page| page.parse::<u64>().expect("a page"));
        json_answer(json!({"items": items(page), "next": (page + 1).min(3)}))
    });
    assert_eq!(
        ids(&lab, &source(&api.url("/script"), BY_TOKEN)).await.expect("rows"),
        SIX,
        "the last one names itself"
    );
}

#[tokio::test]
async fn a_status_after_a_good_page_ends_numbered_pages() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    let past_the_end = |status: StatusCode, pages: u64| {
        move |hit: &Hit, _: usize| -> Response {
            match page_of(hit) {
                page if page <= pages => json_answer(json!({"items": items(page)})),
                _ => (status, "no such page").into_response(),
            }
        }
    };
    let numbered = source(&api.url("/script"), "records: items, pagination: {type: page}");
    let tolerant = source(&api.url("/script"), "records: items, pagination: {type: page, end_status: [400, 416]}");
    api.script(past_the_end(StatusCode::NOT_FOUND, 3));
    assert_eq!(ids(&lab, &numbered).await.expect("rows"), SIX);
    for status in [StatusCode::BAD_REQUEST, StatusCode::RANGE_NOT_SATISFIABLE] {
        api.script(past_the_end(status, 3));
        assert_eq!(ids(&lab, &tolerant).await.expect("rows"), SIX, "{status}");
        let error = ids(&lab, &numbered).await.expect_err("no end unless the config says so");
        let end_status = format!("`end_status: [{}]`", status.as_u16());
        assert!(error.next_step().contains(&end_status), "{status}: {}", error.next_step());
    }
    for status in [StatusCode::FORBIDDEN, StatusCode::GONE, StatusCode::INTERNAL_SERVER_ERROR] {
        api.script(past_the_end(status, 3));
        assert!(ids(&lab, &tolerant).await.is_err(), "{status}");
    }
    api.script(past_the_end(StatusCode::NOT_FOUND, 0));
    assert!(failed(&lab, &api, &tolerant).await.starts_with("source_missing"), "the first page must be there");
}

#[tokio::test]
async fn an_api_that_repeats_its_last_page_is_read_once() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    let numbered = source(&api.url("/script"), "records: items, pagination: {type: page}");
    api.script(|hit, count| {
        let page = page_of(hit);
        json_answer(json!({"page": page, "request": count, "items": items(page.min(3))}))
    });
    assert_eq!(ids(&lab, &numbered).await.expect("rows"), SIX, "what surrounds the rows does not make them new");
    api.script(|hit, count| json_answer(json!({"page": page_of(hit), "request": count, "items": items(1)})));
    let told = failed(&lab, &api, &numbered).await;
    assert!(told.ends_with("page 2 repeats page 1: the API ignores its page parameter `page`"), "{told}");
}

#[tokio::test]
async fn a_last_page_may_lack_rows_but_an_error_does_not_end_the_pages() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    let numbered = source(&api.url("/script"), "records: _embedded.items, pagination: {type: page}");
    let good = |page: u64| json!({"_embedded": {"items": items(page)}, "_links": {}, "page": {"number": page}});
    let after = move |last: Value| {
        move |hit: &Hit, _: usize| match page_of(hit) {
            page if page < 3 => json_answer(good(page)),
            _ => json_answer(last.clone()),
        }
    };
    for last in
        [json!({"_links": {}, "page": {"number": 3}}), json!({"_embedded": {}, "page": {}}), json!({}), json!([])]
    {
        api.script(after(last.clone()));
        let limits = HttpLimits::default();
        let extracted = http::extract_within(0, &numbered, &lab.context, &limits).await;
        assert_eq!(extracted.unwrap_or_else(|error| panic!("{last}: {error}")).files.len(), 2);
    }
    for error in [
        json!({"success": false, "error": {"code": 104}}),
        json!({"message": "slow down"}),
        json!({"page": {}, "_links": {}, "error": "limit"}),
        json!([{"id": 1}]),
    ] {
        api.script(after(error.clone()));
        let told = failed(&lab, &api, &numbered).await;
        assert!(told.starts_with("records_missing: there is nothing at $._embedded.items"), "{error}: {told}");
    }
    api.script(|_, _| json_answer(json!({"_links": {}, "page": {}})));
    assert!(failed(&lab, &api, &numbered).await.starts_with("records_missing"), "on the first page");
}

#[tokio::test]
async fn an_error_beside_empty_rows_never_ends_the_pages() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    let answers = |first: bool, answer: Value| {
        move |hit: &Hit, _: usize| match page_of(hit) {
            1 if !first => json_answer(json!({"count": 4, "items": items(1)})),
            _ => json_answer(answer.clone()),
        }
    };
    let paged = source(&api.url("/script"), "records: items, pagination: {type: page}");
    let single = source(&api.url("/script"), "records: items");
    for answer in [
        json!({"count": 4, "items": null, "error": "quota exceeded"}),
        json!({"items": [], "error": {"code": 104}}),
        json!({"message": "API rate limit exceeded", "items": []}),
        json!({"items": [], "success": false, "error": {"code": 104}}),
        json!({"status": 429, "items": null}),
        json!({"status": "error", "message": "down", "items": []}),
        json!({"items": [], "errors": [{"detail": "try later"}]}),
    ] {
        for (first, source) in [(false, &paged), (true, &paged), (true, &single)] {
            api.script(answers(first, answer.clone()));
            let told = failed(&lab, &api, source).await;
            let error = "http_error_answer: http://127.0.0.1:PORT/script answered with an error";
            assert!(told.starts_with(error), "{answer}: {told}");
        }
    }
    for good in [
        json!({"items": [], "error": null, "errors": []}),
        json!({"items": [], "error": {}, "message": "ok"}),
        json!({"items": null, "error": "", "status": 200}),
        json!({"items": [], "error": false, "message": "success", "status": "ok"}),
        json!({"items": [], "message": "No more items"}),
    ] {
        api.script(answers(false, good.clone()));
        assert_eq!(ids(&lab, &paged).await.expect("rows"), [1, 2], "{good}");
        api.script(answers(true, good.clone()));
        assert_eq!(ids(&lab, &single).await.expect("no rows"), [0; 0], "{good}");
    }
}

#[tokio::test]
async fn an_object_in_place_of_the_array_of_earlier_pages_is_not_a_row() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    let paged = source(&api.url("/script"), "records: items, pagination: {type: page}");
    for object in [json!({"message": "rate limited"}), json!({}), json!({"id": 3})] {
        api.script(move |hit, _| match page_of(hit) {
            1 => json_answer(json!({"items": items(1)})),
            _ => json_answer(json!({"items": object.clone()})),
        });
        let told = failed(&lab, &api, &paged).await;
        assert!(told.starts_with("records_missing") && told.contains("had an array"), "{told}");
    }
}

#[tokio::test]
async fn a_last_page_may_link_to_itself() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    api.script(|hit, _| {
        let page = page_of(hit);
        let next = format!("/script?page={}", (page + 1).min(3));
        let link = format!("<{next}>; rel=\"next\"");
        ([(LINK, link)], json_answer(json!({"items": items(page), "next": next}))).into_response()
    });
    for pagination in ["{type: link_header}", "{type: cursor, cursor_path: next}"] {
        let source = source(&api.url("/script"), &format!("records: items, pagination: {pagination}"));
        assert_eq!(ids(&lab, &source).await.expect(pagination), SIX, "{pagination}");
    }
}

#[tokio::test]
async fn a_link_header_that_cannot_be_read_does_not_end_the_pages() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    let source = source(&api.url("/script"), "records: items, pagination: {type: link_header}");
    for link in ["/script?page=2; rel=\"next\"", "</script?page=2>; rel='next'", "</script?page=2; rel=next"] {
        api.script(move |_, _| ([(LINK, link)], json_answer(json!({"items": items(1)}))).into_response());
        let told = failed(&lab, &api, &source).await;
        assert!(told.starts_with("http_next_page") && told.contains("`Link` header"), "{link}: {told}");
    }
}

#[tokio::test]
async fn a_cursor_path_may_be_a_name_with_a_dot_and_one_that_is_nowhere_is_told() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    for name in ["@odata.nextLink", "odata.nextLink"] {
        api.script(move |hit, _| {
            let page = page_of(hit);
            let mut answer = json!({"items": items(page)});
            if page < 3 {
                answer[name] = json!(format!("/script?page={}", page + 1));
            }
            json_answer(answer)
        });
        let keys = |path: &str| format!("records: items, pagination: {{type: cursor, cursor_path: '{path}'}}");
        let dotted = source(&api.url("/script"), &keys(name));
        assert_eq!(ids(&lab, &dotted).await.expect("rows"), SIX, "{name}");
        let extracted = http::extract(0, &dotted, &lab.context).await.expect("rows");
        assert_eq!(extracted.warnings, [""; 0]);
        let misspelt = source(&api.url("/script"), &keys("odata.nextlink"));
        let extracted = http::extract(0, &misspelt, &lab.context).await.expect("rows");
        let [warning] = &extracted.warnings[..] else { panic!("{:?}", extracted.warnings) };
        assert!(warning.contains("$.odata.nextlink was found on no page"), "{warning}");
    }
}
