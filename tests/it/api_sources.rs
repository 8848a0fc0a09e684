//! API sources against a real HTTP server, on good and bad days.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::http::header::DATE;
use elt_shared::config::template::Template;
use elt_shared::config::{ApiSource, AuthScheme, Pagination};
use elt_worker::error::PipelineError;
use elt_worker::extract::Extracted;
use elt_worker::extract::http::{self, HttpLimits};
use elt_worker::input::Format;

use crate::support::app::PATIENCE;
use crate::support::closed_port::ClosedPort;
use crate::support::extraction::{Extraction, failure, texts};
use crate::support::http_source::{HttpSource, ROWS, VALIDATORS};

/// Small amounts and short pauses, but as much time for each answer as a busy machine needs.
fn quick() -> HttpLimits {
    HttpLimits { answer_bytes: 4 << 20, backoff: Duration::from_millis(10), ..HttpLimits::default() }
}

/// For servers that keep quiet or never come to an end.
fn impatient(path: &str) -> HttpLimits {
    match path {
        "/slow-header" | "/hangs" => HttpLimits { idle: Duration::from_secs(2), ..quick() },
        "/trickle" => HttpLimits { answer: Duration::from_secs(2), ..quick() },
        _ => quick(),
    }
}

fn source(url: String) -> ApiSource {
    ApiSource::at(&url)
}

fn numbered(max_pages: u64) -> Pagination {
    Pagination::Page { param: "page".into(), start: 1, size: None, end_status: Vec::new(), max_pages }
}

fn by_cursor(path: &str, param: &str) -> Pagination {
    Pagination::Cursor {
        path: path.into(),
        param: Some(param.into()),
        next_is: None,
        end_value: None,
        has_more: None,
        max_pages: 10,
    }
}

async fn extract(lab: &Extraction, source: &ApiSource) -> Result<Extracted, PipelineError> {
    http::extract_within(0, source, &lab.context, &quick()).await
}

#[tokio::test]
async fn every_shape_of_answer_becomes_a_json_file() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    for path in ["/ok", "/object", "/ndjson", "/deep", "/packed/gzip", "/packed/zstd", "/redirect?to=/ok"] {
        let extracted = extract(&lab, &source(api.url(path))).await.unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(extracted.files.len(), 1, "{path}");
        let file = &extracted.files[0];
        assert_eq!((file.format, file.source, file.after_load.is_none()), (Format::Json, 0, true));
        assert!(file.path.starts_with(&lab.context.spool));
    }
    let packed = extract(&lab, &source(api.url("/packed/gzip"))).await.expect("rows");
    assert_eq!(texts(&packed), [(api.url("/packed/gzip"), ROWS.to_owned())]);
    let wrapped = ApiSource { records: Some("$.data.items[*]".into()), ..source(api.url("/wrapped")) };
    let extracted = extract(&lab, &wrapped).await.expect("rows");
    assert_eq!(extracted.files[0].records.as_deref(), Some("$.data.items[*]"), "passed on to whoever reads the rows");
    let nothing = extract(&lab, &source(api.url("/no-content"))).await.expect("no rows are no failure");
    assert_eq!(nothing.files.len(), 0);
}

#[tokio::test]
async fn parameters_headers_and_the_token_are_sent() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    let source = ApiSource {
        auth_token: Some("xyz123".into()),
        headers: vec![("X-Tenant".into(), Template::literal("t1"))],
        params: vec![("since".into(), Template::literal("2026-01-01"))],
        folder_param: Some("./data/api".into()),
        ..source(api.url("/token?kind=a"))
    };
    let extracted = extract(&lab, &source).await.expect("rows");
    assert_eq!(extracted.files[0].name, api.url("/token"), "the name has no query");
    let hit = &api.hits()[0];
    assert_eq!(hit.query, "kind=a&since=2026-01-01&path=.%2Fdata%2Fapi");
    assert_eq!(hit.header("authorization"), Some("Bearer xyz123"));
    assert_eq!(hit.header("x-tenant"), Some("t1"));
    assert_eq!(hit.header("accept"), Some("application/json"));
}

#[tokio::test]
async fn what_fails_for_a_moment_is_tried_three_times() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    let extracted = extract(&lab, &source(api.url("/fails/2"))).await.expect("the third attempt works");
    assert_eq!((extracted.files.len(), api.hits().len()), (1, 3));
}

#[tokio::test]
async fn retry_after_is_waited_for() {
    let lab = Extraction::new().await;
    for wait in ["1", "date"] {
        let api = HttpSource::start().await;
        let start = Instant::now();
        extract(&lab, &source(api.url(&format!("/busy/{wait}")))).await.expect("the second attempt works");
        assert!(start.elapsed() >= Duration::from_millis(950), "{wait}: waited {:?}", start.elapsed());
        assert_eq!(api.hits().len(), 2);
    }
}

/// How many bytes trickle in is up to the machine.
fn without_count(message: &str) -> String {
    match message.split_once(" bytes so far").and_then(|(before, after)| Some((before.rsplit_once('(')?.0, after))) {
        Some((before, after)) => format!("{before}(N bytes so far{after}"),
        None => message.to_owned(),
    }
}

/// What a bad day looks like to the user, and how many requests it takes.
#[tokio::test]
async fn every_bad_day_ends_with_a_sentence() {
    let lab = Extraction::new().await;
    let mut days = String::new();
    for path in [
        "/fails/9",
        "/status/401",
        "/status/403",
        "/status/404",
        "/status/400",
        "/status/408",
        "/busy/9999",
        "/slow-header",
        "/hangs",
        "/trickle",
        "/huge",
        "/bomb/gzip",
        "/bomb/zstd",
        "/truncated",
        "/cut-json",
        "/broken-gzip",
        "/html",
        "/empty",
        "/broken",
        "/loop",
        "/nowhere",
        "/redirect?to=file:///etc/passwd",
        "/redirect?to=http://169.254.169.254/",
    ] {
        let api = HttpSource::start().await;
        let source = ApiSource { auth_token: Some("canary".into()), ..source(api.url(path)) };
        let failed = http::extract_within(0, &source, &lab.context, &impatient(path)).await;
        let failed = failure(failed, api.address.port());
        assert!(!failed.contains("canary"), "{failed}");
        days.push_str(&format!("{} x {}\n", api.hits().len(), without_count(&failed)));
    }
    insta::assert_snapshot!(days, @"
    3 x http_status: http://127.0.0.1:PORT/fails/9 answered 500 Internal Server Error (3 attempts)
    1 x source_login: http://127.0.0.1:PORT/status/401 answered 401 Unauthorized: it does not accept the token, or wants one
    1 x source_login: http://127.0.0.1:PORT/status/403 answered 403 Forbidden: the token may not read this
    1 x source_missing: http://127.0.0.1:PORT/status/404 answered 404 Not Found
    1 x http_status: http://127.0.0.1:PORT/status/400 answered 400 Bad Request
    3 x http_status: http://127.0.0.1:PORT/status/408 answered 408 Request Timeout (3 attempts)
    1 x http_status: http://127.0.0.1:PORT/busy/9999 answered 429 Too Many Requests and asks to wait 9999 s, longer than the 300 s elt waits
    3 x source_timeout: http://127.0.0.1:PORT/slow-header did not answer for 2 s (3 attempts)
    3 x source_timeout: http://127.0.0.1:PORT/hangs sent nothing more for 2 s (3 attempts)
    3 x source_timeout: http://127.0.0.1:PORT/trickle was still sending after 2 s (N bytes so far) (3 attempts)
    1 x http_too_large: http://127.0.0.1:PORT/huge sent more than 4.0 MiB, counted unpacked
    1 x http_too_large: http://127.0.0.1:PORT/bomb/gzip sent more than 4.0 MiB, counted unpacked
    1 x http_too_large: http://127.0.0.1:PORT/bomb/zstd sent more than 4.0 MiB, counted unpacked
    3 x http_truncated: http://127.0.0.1:PORT/truncated broke off after 10 bytes: end of file before message length reached (3 attempts)
    3 x http_truncated: http://127.0.0.1:PORT/cut-json broke off after 20 bytes: its JSON ends in the middle of line 1 (3 attempts)
    3 x http_truncated: http://127.0.0.1:PORT/broken-gzip broke off after 0 bytes: Invalid gzip header (3 attempts)
    1 x http_not_json: http://127.0.0.1:PORT/html did not answer with JSON: it is an HTML or XML page
    1 x http_not_json: http://127.0.0.1:PORT/empty did not answer with JSON: it is empty
    1 x http_not_json: http://127.0.0.1:PORT/broken did not answer with JSON: it is not JSON at line 1 column 9
    6 x http_redirect: http://127.0.0.1:PORT/loop redirected more than 5 times
    1 x http_redirect: http://127.0.0.1:PORT/nowhere redirected to nowhere
    1 x http_redirect: http://127.0.0.1:PORT/redirect redirected to a `file:` URL
    1 x source_refused: http://169.254.169.254/ may not be called: its address is link-local, where cloud metadata services answer; ELT_NET_ALLOW can make an exception
    ");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said_so() {
    let lab = Extraction::new().await;
    let closed = ClosedPort::new();
    let url = format!("http://{}/api?token=canary", closed.address);
    let failed = failure(extract(&lab, &source(url)).await, closed.address.port());
    insta::assert_snapshot!(failed, @"source_unreachable: http://127.0.0.1:PORT/api could not be reached: Connection refused (os error 111) (3 attempts)");
    let nobody = failure(extract(&lab, &source("http://nobody.invalid/api".into())).await, 80);
    insta::assert_snapshot!(nobody, @"source_unreachable: http://nobody.invalid/api could not be reached: its host could not be found (3 attempts)");
}

#[tokio::test]
async fn a_bomb_stays_small() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    let failed = extract(&lab, &source(api.url("/bomb/gzip"))).await;
    assert!(failed.is_err());
    let spooled: u64 = std::fs::read_dir(&lab.context.spool)
        .expect("the spool")
        .map(|entry| entry.and_then(|entry| entry.metadata()).expect("a file").len())
        .sum();
    assert!(spooled <= quick().answer_bytes, "{spooled} bytes in the spool");
}

#[tokio::test]
async fn the_token_never_goes_to_another_host() {
    let (ours, other, lab) = (HttpSource::start().await, HttpSource::start().await, Extraction::new().await);
    for scheme in [AuthScheme::Auto, AuthScheme::Header("X-Api-Key".into())] {
        let source = ApiSource {
            auth_token: Some("canary".into()),
            auth_scheme: scheme,
            headers: vec![("X-Other".into(), Template::literal("canary"))],
            params: vec![("key".into(), Template::literal("canary"))],
            ..source(ours.url(&format!("/redirect?to={}", other.url("/ok"))))
        };
        extract(&lab, &source).await.expect("the other host answers");
    }
    assert_eq!(other.hits().len(), 2);
    assert!(!format!("{:?}", other.hits()).contains("canary"));
    assert!(ours.hits().iter().all(|hit| hit.header("x-other") == Some("canary")));
}

#[tokio::test]
async fn a_denied_host_is_never_connected_to() {
    let lab = Extraction::new().await.with_network(&["127.0.0.0/8", "::1"], &[]);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("nonblocking");
    let port = listener.local_addr().expect("an address").port();
    let touched = AtomicBool::new(false);
    for host in ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "0.0.0.0", "user@127.0.0.1"] {
        let failed = extract(&lab, &source(format!("http://{host}:{port}/"))).await.expect_err("refused");
        assert_eq!(failed.code().as_str(), "source_refused", "{host}: {failed}");
        touched.fetch_or(listener.accept().is_ok(), Ordering::Relaxed);
    }
    assert!(!touched.into_inner());
}

#[tokio::test]
async fn pages_are_followed_to_the_end() {
    let lab = Extraction::new().await;
    let page = Pagination::Page {
        param: "page".into(),
        start: 1,
        size: Some(("limit".into(), 2)),
        end_status: Vec::new(),
        max_pages: 10,
    };
    let offset = Pagination::Offset {
        param: "offset".into(),
        limit_param: "limit".into(),
        limit: 2,
        end_status: Vec::new(),
        max_pages: 10,
    };
    let cursor = by_cursor("$.next", "after");
    let links = Pagination::LinkHeader { max_pages: 10 };
    for (path, records, pagination, requests) in [
        ("/pages", None, page, 4),
        ("/pages", None, offset, 4),
        ("/cursor", Some("$.rows"), cursor, 3),
        ("/links", None, links, 3),
    ] {
        let api = HttpSource::start().await;
        let records = records.map(str::to_owned);
        let source = ApiSource { records, pagination: Some(pagination), ..source(api.url(path)) };
        let extracted = extract(&lab, &source).await.unwrap_or_else(|error| panic!("{path}: {error}"));
        let texts = texts(&extracted);
        let names: Vec<_> = texts.iter().map(|(name, _)| name.as_str()).collect();
        let named: Vec<_> = (1..=3).map(|number| format!("{} page {number}", api.url(path))).collect();
        assert_eq!(names, named, "the empty last page is not read");
        let all: String = texts.into_iter().map(|(_, text)| text).collect();
        assert_eq!((0..5).filter(|id| all.matches(&format!("\"id\":{id}")).count() == 1).count(), 5, "{path}: {all}");
        assert_eq!(api.hits().len(), requests, "{path}");
    }
}

#[tokio::test]
async fn pages_that_never_end_are_given_up() {
    let lab = Extraction::new().await;
    let page = numbered;
    let cursor = by_cursor("next", "after");
    let mut days = String::new();
    for (path, records, pagination) in [
        ("/same-page", None, page(10)),
        ("/pages", None, page(2)),
        ("/cursor-circle", Some("rows"), cursor.clone()),
        ("/cursor", None, cursor.clone()),
        ("/cursor", Some("$.items"), cursor),
    ] {
        let api = HttpSource::start().await;
        let records = records.map(str::to_owned);
        let source = ApiSource { records, pagination: Some(pagination), ..source(api.url(path)) };
        days.push_str(&format!(
            "{} x {}\n",
            api.hits().len(),
            failure(extract(&lab, &source).await, api.address.port())
        ));
    }
    insta::assert_snapshot!(days, @"
    0 x http_endless: http://127.0.0.1:PORT/same-page would be read for ever: page 2 repeats page 1: the API ignores its page parameter `page`
    0 x http_endless: http://127.0.0.1:PORT/pages would be read for ever: there is a page after the 2 that `max_pages` allows
    0 x http_endless: http://127.0.0.1:PORT/cursor-circle would be read for ever: page 2 names a cursor that was used before
    0 x records_missing: http://127.0.0.1:PORT/cursor did not answer with rows: a page is an object, and `records` does not say where its rows are
    0 x records_missing: there is nothing at $.items in the answer of http://127.0.0.1:PORT/cursor
    ");
}

#[tokio::test]
async fn all_pages_together_have_a_deadline_and_a_size() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    let limits = HttpLimits { total: Duration::from_millis(200), idle: Duration::from_secs(60), ..quick() };
    let late = http::extract_within(0, &source(api.url("/slow-header")), &lab.context, &limits).await;
    assert_eq!(late.expect_err("too late").code().as_str(), "source_timeout");
    let limits = HttpLimits { total_bytes: 30, ..quick() };
    let source = ApiSource { pagination: Some(numbered(10)), ..source(api.url("/pages")) };
    let large = http::extract_within(0, &source, &lab.context, &limits).await;
    assert_eq!(large.expect_err("too large").code().as_str(), "http_too_large");
}

#[tokio::test]
async fn a_stop_is_obeyed_at_once() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    let stop = async {
        api.asked().await;
        lab.context.stop.cancel();
    };
    let slow = HttpLimits { idle: 2 * PATIENCE, ..HttpLimits::default() };
    let source = source(api.url("/slow-header"));
    let extracting = tokio::time::timeout(PATIENCE, http::extract_within(0, &source, &lab.context, &slow));
    let (stopped, ()) = tokio::join!(extracting, stop);
    assert!(matches!(stopped.expect("it does not wait for the answer"), Err(PipelineError::Stopped)));
}

#[tokio::test]
async fn a_fingerprint_changes_when_the_answer_may_have() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    let source = source(api.url("/content"));
    let fingerprint = async || {
        let known = http::look::Known::default();
        http::look::look_within(0, &source, &lab.context, &known, &quick()).await.expect("a look").fingerprint
    };
    let (etag, last_modified) = VALIDATORS;

    api.set_content(ROWS, &[]);
    let plain = fingerprint().await;
    assert_eq!(plain, fingerprint().await);
    api.set_content(r#"[{"id":3}]"#, &[]);
    assert_ne!(plain, fingerprint().await, "without validators the content decides");

    api.set_content(ROWS, &[(etag.clone(), "\"v1\"")]);
    let tagged = fingerprint().await;
    api.set_content("not even JSON", &[(etag.clone(), "\"v1\"")]);
    assert_eq!(tagged, fingerprint().await, "an equal tag is enough, the body is not read");
    api.set_content(ROWS, &[(etag, "\"v2\"")]);
    assert_ne!(tagged, fingerprint().await);

    api.set_content(ROWS, &[(last_modified.clone(), "Wed, 01 Jul 2026 10:00:00 GMT")]);
    let dated = fingerprint().await;
    api.set_content(ROWS, &[(last_modified.clone(), "Wed, 01 Jul 2026 10:00:01 GMT")]);
    assert_ne!(dated, fingerprint().await);
    let now = "Wed, 01 Jul 2026 10:00:01 GMT";
    api.set_content(ROWS, &[(last_modified, now), (DATE, now)]);
    assert_eq!(plain, fingerprint().await, "a time of this very second says nothing yet: the content decides");
}
