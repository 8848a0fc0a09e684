//! Files on web servers, on good and bad days.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{
    CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_TYPE, ETAG, LAST_MODIFIED, LOCATION, RETRY_AFTER,
};
use axum::http::{HeaderName, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use elt_shared::config::{Document, NoReferences, SourceConfig};
use elt_worker::error::PipelineError;
use elt_worker::extract::Extracted;
use elt_worker::extract::http::HttpLimits;
use elt_worker::extract::places::{self, StoreLimits};
use elt_worker::input::{Compression, Format};

use crate::support::app::PATIENCE;
use crate::support::chaos_proxy::{ChaosProxy, Fate};
use crate::support::closed_port::ClosedPort;
use crate::support::extraction::{Extraction, failure, texts};
use crate::support::http_source::{Hit, HttpSource};

/// Short pauses, but as much time for each answer as a busy machine needs.
fn quick() -> StoreLimits {
    let backoff = Duration::from_millis(10);
    let web = HttpLimits { connect: PATIENCE, idle: PATIENCE, answer: PATIENCE * 5, ..HttpLimits::default() };
    StoreLimits { backoff, settle: Duration::ZERO, web, ..StoreLimits::default() }
}

/// A source of these addresses, with further keys.
fn source(urls: &[String], more: &str) -> SourceConfig {
    let text = format!("sources:\n- {{type: http, urls: {urls:?}{more}}}\ntarget: {{table: t}}\n");
    let document = Document::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let config = document.pipeline(&NoReferences).unwrap_or_else(|error| panic!("{error}: {text}"));
    config.value.sources.into_iter().next().expect("a source")
}

async fn extract(lab: &Extraction, source: &SourceConfig) -> Result<Extracted, PipelineError> {
    places::extract_within(0, source, &lab.context, &quick()).await
}

/// A file as a good web server answers for it: with a part when one is asked for, of this content only.
fn file(hit: &Hit, content: &str, headers: &[(HeaderName, &str)]) -> Response {
    let bytes = Bytes::copy_from_slice(content.as_bytes());
    let (size, validators) = (bytes.len(), [ETAG, LAST_MODIFIED]);
    let is_known = [("if-none-match", ETAG), ("if-modified-since", LAST_MODIFIED)]
        .iter()
        .any(|(asked, of)| hit.header(asked).is_some_and(|asked| headers.contains(&(of.clone(), asked))));
    if is_known {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    let is_same = hit
        .header("if-range")
        .is_none_or(|asked| headers.iter().any(|(name, value)| validators.contains(name) && *value == asked));
    let range = hit.header("range").filter(|_| is_same).and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let mut answer = Response::builder();
    for (name, value) in headers {
        answer = answer.header(name, *value);
    }
    let body = match range {
        Some((from, _)) if from.parse::<usize>().expect("a start") >= size => {
            let answer =
                answer.status(StatusCode::RANGE_NOT_SATISFIABLE).header("content-range", format!("bytes */{size}"));
            return answer.body(Body::empty()).expect("an answer");
        }
        Some((from, to)) => {
            let from = from.parse::<usize>().expect("a start");
            let to = to.parse().map_or(size, |to: usize| (to + 1).min(size));
            answer = answer
                .status(StatusCode::PARTIAL_CONTENT)
                .header("content-range", format!("bytes {from}-{}/{size}", to - 1));
            bytes.slice(from..to)
        }
        None => bytes,
    };
    let answer = answer.header("content-length", body.len());
    let body = if hit.method == Method::HEAD { Body::empty() } else { Body::from(body) };
    answer.body(body).expect("an answer")
}

#[tokio::test]
async fn files_are_read_as_their_names_say() {
    let (server, lab) = (HttpSource::start().await, Extraction::new().await);
    server.script(|hit, _| match hit.path.as_str() {
        "/script/a%20b.csv" => file(hit, "id\n1\n", &[(ETAG, "\"1\"")]),
        "/script/export" => file(hit, "{}", &[(CONTENT_DISPOSITION, "attachment; filename=\"rows.json.gz\"")]),
        "/script/typed" => file(hit, "id\n3\n", &[(CONTENT_TYPE, "text/csv; charset=utf-8")]),
        "/script/latest" => (StatusCode::FOUND, [(LOCATION, "/script/2026-11.ndjson?at=1")]).into_response(),
        "/script/2026-11.ndjson" => file(hit, "{\"id\":4}\n", &[]),
        _ => StatusCode::NOT_FOUND.into_response(),
    });
    let urls = ["/script/a%20b.csv?token=canary", "/script/export", "/script/typed", "/script/latest"];
    let extracted = extract(&lab, &source(&urls.map(|url| server.url(url)), "")).await.expect("four files");
    let read: Vec<_> = extracted.files.iter().map(|file| (file.name.as_str(), file.format, file.compression)).collect();
    let name = |path: &str| server.url(path);
    assert_eq!(
        read,
        [
            (name("/script/a%20b.csv").as_str(), Format::Csv, Compression::None),
            (name("/script/export").as_str(), Format::Json, Compression::Gzip),
            (name("/script/typed").as_str(), Format::Csv, Compression::None),
            (name("/script/latest").as_str(), Format::Ndjson, Compression::None),
        ]
    );
    assert_eq!(texts(&extracted)[3].1, "{\"id\":4}\n");
    assert!(extracted.files.iter().all(|file| file.required && file.path.starts_with(&lab.context.spool)));
    let unknown = extract(&lab, &source(&[server.url("/ok")], "")).await.expect("JSON by its type");
    assert_eq!(unknown.files[0].format, Format::Json);
}

/// A few megabytes that differ everywhere.
fn large(seed: u32) -> String {
    (0..200_000).map(|row| format!("{row},name {}\n", row ^ seed)).collect()
}

fn through(proxy: &ChaosProxy, path: &str) -> SourceConfig {
    source(&[format!("http://{}{path}", proxy.address)], "")
}

#[tokio::test]
async fn a_broken_connection_is_read_on_where_it_broke() {
    let (server, lab) = (HttpSource::start().await, Extraction::new().await);
    let content = large(0);
    for validator in [(ETAG, "\"v1\""), (LAST_MODIFIED, "Sun, 29 Nov 2026 10:00:00 GMT")] {
        let answered = content.clone();
        let named = validator.clone();
        server.script(move |hit, _| file(hit, &answered, std::slice::from_ref(&named)));
        let proxy = ChaosProxy::start(server.address, [Fate::CutAfter(1_000_000), Fate::CutAfter(1_000_000)]).await;
        let extracted = extract(&lab, &through(&proxy, "/script/large.csv")).await.expect("read in three parts");
        assert!(texts(&extracted)[0].1 == content, "every byte once and in its place");
        let surplus = proxy.delivered() - content.len() as u64;
        assert!(surplus < content.len() as u64 / 2, "what had arrived was not fetched again: {surplus} bytes too many");
        let hits = server.hits();
        let parts: Vec<_> = hits.iter().filter(|hit| hit.header("if-range") == Some(validator.1)).collect();
        assert_eq!(parts.len(), 2, "{validator:?}");
    }
}

#[tokio::test]
async fn the_rest_of_another_file_is_not_taken_for_the_rest() {
    let (server, lab) = (HttpSource::start().await, Extraction::new().await);
    let (old, new) = (large(0), large(1));
    // The file is replaced after its first part; then there are files whose server has no name for their content.
    for headers in [[Some("\"v1\""), Some("\"v2\"")], [None, None], [Some("W/\"weak\""), Some("W/\"weak\"")]] {
        let seen = Arc::new(AtomicUsize::new(0));
        let (count, contents) = (Arc::clone(&seen), [old.clone(), new.clone()]);
        server.script(move |hit, _| {
            let is_get = hit.method == Method::GET;
            let now = count.fetch_add(usize::from(is_get), Ordering::Relaxed).min(1);
            let tag = headers[now].map(|tag| (ETAG, tag));
            file(hit, &contents[now], tag.as_slice())
        });
        let proxy = ChaosProxy::start(server.address, [Fate::CutAfter(1_000_000)]).await;
        let extracted = extract(&lab, &through(&proxy, "/script/large.csv")).await.expect("read from its start");
        assert!(texts(&extracted)[0].1 == new, "one of both, and nothing of the other: {headers:?}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_keep_to_the_condition_for_a_part_is_found_out() {
    let (server, lab) = (HttpSource::start().await, Extraction::new().await);
    let (old, new) = (large(0), large(1));
    let longer = format!("{new}200000,one more\n");
    assert_eq!(old.len(), new.len(), "only their names tell the first two apart");
    let [yesterday, today] = ["Sat, 28 Nov 2026 10:00:00 GMT", "Sun, 29 Nov 2026 10:00:00 GMT"];
    for (before, after, replaced) in [
        ((ETAG, "\"v1\""), Some((ETAG, "\"v2\"")), &new),
        ((LAST_MODIFIED, yesterday), Some((LAST_MODIFIED, today)), &new),
        ((ETAG, "\"v1\""), None, &longer),
    ] {
        let seen = Arc::new(AtomicUsize::new(0));
        let contents = [(old.clone(), Some(before.clone())), (replaced.clone(), after.clone())];
        let count = Arc::clone(&seen);
        server.script(move |hit, _| {
            let is_get = hit.method == Method::GET;
            let (content, name) = &contents[count.fetch_add(usize::from(is_get), Ordering::Relaxed).min(1)];
            let mut hit = hit.clone();
            hit.headers.remove("if-range");
            file(&hit, content, name.as_slice())
        });
        let proxy = ChaosProxy::start(server.address, [Fate::CutAfter(1_000_000)]).await;
        let extracted = extract(&lab, &through(&proxy, "/script/large.csv")).await.expect("read from its start");
        assert!(&texts(&extracted)[0].1 == replaced, "one of both, and nothing of the other: {before:?} {after:?}");
        assert!(server.hits().iter().any(|hit| hit.header("if-range") == Some(before.1)), "{before:?}");
    }
}

#[tokio::test]
async fn a_time_of_this_very_second_names_no_content() {
    let (server, lab) = (HttpSource::start().await, Extraction::new().await);
    let content = large(0);
    let answered = content.clone();
    server.script(move |hit, _| {
        let now = chrono::Utc::now().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        file(hit, &answered, &[(LAST_MODIFIED, now.as_str())])
    });
    let proxy = ChaosProxy::start(server.address, [Fate::CutAfter(1_000_000)]).await;
    let extracted = extract(&lab, &through(&proxy, "/script/large.csv")).await.expect("read from its start");
    assert!(texts(&extracted)[0].1 == content);
    assert!(server.hits().iter().all(|hit| hit.header("range").is_none()), "the rest could be of another content");
}

#[tokio::test]
async fn a_part_that_nobody_knows_to_be_the_last_one_is_not_the_file() {
    let (server, lab) = (HttpSource::start().await, Extraction::new().await);
    server.script(|hit, _| match hit.method {
        Method::HEAD => file(hit, "id\n1\n2\n", &[(ETAG, "\"1\"")]),
        _ => (StatusCode::PARTIAL_CONTENT, [("content-range", "bytes 0-4/*"), ("etag", "\"1\"")], "id\n1\n")
            .into_response(),
    });
    let failed = extract(&lab, &source(&[server.url("/script/a.csv")], "")).await.expect_err("a part");
    assert_eq!(failed.code().as_str(), "source_changed", "{failed}");
}

#[tokio::test]
async fn a_file_that_is_read_from_its_start_again_is_packed_as_the_second_answer_says() {
    let (server, lab) = (HttpSource::start().await, Extraction::new().await);
    let content = large(0);
    let answered = content.clone();
    let seen = Arc::new(AtomicUsize::new(0));
    server.script(move |hit, _| {
        let is_get = hit.method == Method::GET;
        let is_first = is_get && seen.fetch_add(1, Ordering::Relaxed) == 0;
        let packed = [(CONTENT_ENCODING, "gzip")];
        file(hit, &answered, if is_first { &packed[..] } else { &[] })
    });
    let proxy = ChaosProxy::start(server.address, [Fate::CutAfter(1_000_000)]).await;
    let extracted = extract(&lab, &through(&proxy, "/script/large.csv")).await.expect("read from its start");
    assert_eq!(extracted.files[0].compression, Compression::None);
    assert!(texts(&extracted)[0].1 == content);
}

#[tokio::test]
async fn a_server_that_falls_silent_is_asked_again() {
    let (server, lab) = (HttpSource::start().await, Extraction::new().await);
    let content = large(0);
    let answered = content.clone();
    server.script(move |hit, _| file(hit, &answered, &[(ETAG, "\"1\"")]));
    let proxy = ChaosProxy::start(server.address, [Fate::SilentAfter(1_000_000)]).await;
    // Long enough for a busy machine, because a third silence would be one too many.
    let web = HttpLimits { idle: Duration::from_secs(4), ..quick().web };
    let limits = StoreLimits { web, ..quick() };
    let source = through(&proxy, "/script/large.csv");
    let extracted = places::extract_within(0, &source, &lab.context, &limits).await.expect("read in two parts");
    assert!(texts(&extracted)[0].1 == content, "every byte once and in its place");
}

#[tokio::test]
async fn a_look_asks_for_the_head_and_changes_with_the_file() {
    let (server, lab) = (HttpSource::start().await, Extraction::new().await);
    let look = async |headers: &'static [(HeaderName, &'static str)], content: &'static str| {
        server.script(move |hit, _| file(hit, content, headers));
        places::look(&source(&[server.url("/script/a.csv")], ""), &lab.context).await.expect("a look")
    };
    static FIRST: [(HeaderName, &str); 1] = [(ETAG, "\"1\"")];
    static SECOND: [(HeaderName, &str); 1] = [(ETAG, "\"2\"")];
    static AT: [(HeaderName, &str); 1] = [(LAST_MODIFIED, "Sun, 29 Nov 2026 10:00:00 GMT")];
    let first = look(&FIRST, "id\n1\n").await;
    assert!(!first.needs_run);
    assert_eq!(look(&FIRST, "id\n1\n").await, first);
    assert_ne!(look(&SECOND, "id\n1\n").await, first);
    assert_ne!(look(&AT, "id\n1\n").await, first);
    assert_ne!(look(&FIRST, "id\n1\n2\n").await, first);
    assert!(server.hits().iter().all(|hit| hit.method == Method::HEAD));
    // A server that says nothing about a file: only a run finds out.
    server.script(|_, _| Response::new(Body::from_stream(futures::stream::iter([Ok::<_, std::io::Error>("id\n")]))));
    let silent = places::look(&source(&[server.url("/script/a.csv")], ""), &lab.context).await.expect("a look");
    assert!(silent.needs_run);
}

#[tokio::test]
async fn a_server_without_heads_is_asked_for_the_first_byte() {
    let (server, lab) = (HttpSource::start().await, Extraction::new().await);
    for (status, content) in [(StatusCode::FORBIDDEN, "id\n1\n"), (StatusCode::METHOD_NOT_ALLOWED, "")] {
        server.script(move |hit, _| match hit.method {
            Method::HEAD => status.into_response(),
            _ => file(hit, content, &[(ETAG, "\"1\"")]),
        });
        let extracted = extract(&lab, &source(&[server.url("/script/a.csv?sig=canary")], "")).await.expect("a file");
        assert_eq!(texts(&extracted)[0].1, content);
    }
}

#[tokio::test]
async fn a_look_at_a_server_without_heads_costs_one_request_without_a_body() {
    let (server, lab) = (HttpSource::start().await, Extraction::new().await);
    static TAG: [(HeaderName, &str); 1] = [(ETAG, "W/\"1\"")];
    static NEXT: [(HeaderName, &str); 1] = [(ETAG, "W/\"2\"")];
    static AT: [(HeaderName, &str); 1] = [(LAST_MODIFIED, "Sun, 29 Nov 2026 10:00:00 GMT")];
    let source = source(&[server.url("/script/a.csv?sig=canary")], "");
    let look = async |status: StatusCode, headers: &'static [(HeaderName, &'static str)]| {
        server.script(move |hit, _| match hit.method {
            Method::HEAD => status.into_response(),
            _ => file(hit, "id\n1\n", headers),
        });
        let seen = places::look(&source, &lab.context).await.expect("a look");
        let hits = server.hits();
        let asked = |hit: &Hit| ["if-none-match", "if-modified-since"].map(|name| hit.header(name).map(str::to_owned));
        (seen, hits.len(), hits.last().map(asked).expect("a request"))
    };
    let none = [None, None];
    for status in [StatusCode::METHOD_NOT_ALLOWED, StatusCode::NOT_IMPLEMENTED, StatusCode::FORBIDDEN] {
        let before = server.hits().len();
        let (first, hits, asked) = look(status, &TAG).await;
        if status == StatusCode::METHOD_NOT_ALLOWED {
            assert_eq!((hits - before, asked), (2, none.clone()), "HEAD, and the first byte");
        }
        let before = server.hits().len();
        let (again, hits, asked) = look(status, &TAG).await;
        assert_eq!((again, hits - before, asked), (first, 1, [Some("W/\"1\"".to_owned()), None]), "{status}");
        let (changed, hits, _) = look(status, &NEXT).await;
        assert_ne!(changed.fingerprint, first.fingerprint);
        assert_eq!(hits - before, 2, "one request for each look");
        let (other, ..) = look(status, &AT).await;
        let (same, _, asked) = look(status, &AT).await;
        assert_eq!((same, asked), (other, [None, Some(AT[0].1.to_owned())]));
    }
    // A run reads what the look saw, and a file that is gone is gone.
    assert_eq!(texts(&extract(&lab, &source).await.expect("a file"))[0].1, "id\n1\n");
    server.script(|_, _| StatusCode::NOT_FOUND.into_response());
    places::look(&source, &lab.context).await.expect_err("it is gone");
}

#[tokio::test]
async fn packed_bytes_stay_packed() {
    let (server, lab) = (HttpSource::start().await, Extraction::new().await);
    // The second is what a server says about a file that is packed itself.
    server.script(|hit, _| file(hit, "packed", &[(CONTENT_ENCODING, "gzip"), (CONTENT_TYPE, "text/csv")]));
    let urls = [server.url("/script/a.csv"), server.url("/script/a.csv.gz")];
    let extracted = extract(&lab, &source(&urls, "")).await.expect("both");
    let read: Vec<_> = extracted.files.iter().map(|file| (file.format, file.compression)).collect();
    assert_eq!(read, [(Format::Csv, Compression::Gzip); 2]);
    assert!(texts(&extracted).iter().all(|(_, text)| text == "packed"));
    assert!(server.hits().iter().all(|hit| hit.header("accept-encoding") == Some("identity")));
    server.script(|hit, _| file(hit, "packed", &[(CONTENT_ENCODING, "br")]));
    let failed = failure(extract(&lab, &source(&urls, "")).await, server.address.port());
    assert!(failed.contains("`Content-Encoding` br"), "{failed}");
}

#[tokio::test]
async fn what_identifies_elt_stays_with_its_host() {
    let (server, other, lab) = (HttpSource::start().await, HttpSource::start().await, Extraction::new().await);
    let to = other.url("/script/a.csv");
    server.script(move |hit, _| match hit.header("authorization") {
        Some("Bearer canary-token") => (StatusCode::FOUND, [(LOCATION, to.as_str())]).into_response(),
        _ => StatusCode::UNAUTHORIZED.into_response(),
    });
    other.script(|hit, _| file(hit, "id\n1\n", &[]));
    let urls = [server.url("/script/a.csv")];
    let extracted = extract(&lab, &source(&urls, ", auth_token: canary-token, headers: {X-Key: canary}")).await;
    assert_eq!(texts(&extracted.expect("a file"))[0].1, "id\n1\n");
    assert!(!other.hits().is_empty());
    for hit in other.hits() {
        assert!(hit.header("authorization").is_none() && hit.header("x-key").is_none(), "{hit:?}");
        assert_eq!(hit.header("accept"), Some("*/*"));
    }
    let text = format!(
        "sources:\n- {{type: http, urls: [\"{}\", \"{}\"], auth_token: x}}\ntarget: {{table: t}}\n",
        server.url("/a.csv"),
        other.url("/b.csv")
    );
    let error = Document::parse(&text).expect("YAML").pipeline(&NoReferences).expect_err("two hosts").to_string();
    assert!(error.contains("the addresses are on several hosts"), "{error}");
}

#[tokio::test]
async fn redirects_obey_the_rules_for_hosts() {
    let (server, lab) = (HttpSource::start().await, Extraction::new().await);
    let lab = lab.with_network(&["127.0.0.2"], &[]);
    for to in ["http://127.0.0.2:1/canary.csv", "http://169.254.169.254/latest/meta-data/canary.csv"] {
        server.script(move |_, _| (StatusCode::FOUND, [(LOCATION, to)]).into_response());
        let refused = extract(&lab, &source(&[server.url("/script/a.csv")], "")).await.expect_err("refused");
        assert_eq!(refused.code().as_str(), "source_refused", "{refused}");
    }
    server.script(|_, _| (StatusCode::FOUND, [(LOCATION, "/script/a.csv")]).into_response());
    let endless = failure(extract(&lab, &source(&[server.url("/script/a.csv")], "")).await, server.address.port());
    assert!(endless.starts_with("http_redirect: "), "{endless}");
}

#[tokio::test]
async fn what_keeps_a_file_from_being_read_is_told_with_what_to_do() {
    let (server, lab) = (HttpSource::start().await, Extraction::new().await);
    let port = server.address.port();
    let mut told = String::new();
    for status in [204, 401, 403, 404, 410, 418, 500] {
        server.script(move |_, _| StatusCode::from_u16(status).expect("a status").into_response());
        let error = extract(&lab, &source(&[server.url("/script/a.csv?token=canary")], "")).await;
        told.push_str(&format!("{}\n", failure(error, port)));
    }
    server.script(|hit, _| file(hit, "<!doctype html>canary", &[(CONTENT_TYPE, "text/html; charset=utf-8")]));
    told.push_str(&format!("{}\n", failure(extract(&lab, &source(&[server.url("/script/a.csv")], "")).await, port)));
    server.script(|hit, _| file(hit, "\n<html><body>canary", &[]));
    told.push_str(&format!("{}\n", failure(extract(&lab, &source(&[server.url("/script/b.csv")], "")).await, port)));
    server.script(|hit, _| file(hit, "%PDF", &[]));
    told.push_str(&format!("{}\n", failure(extract(&lab, &source(&[server.url("/script/c.pdf")], "")).await, port)));
    assert!(!told.contains("canary"), "{told}");
    // The formats that follow are those of all sources.
    let (told, _) = told.split_once(": only ").expect("a list of formats");
    insta::assert_snapshot!(told, @"
    http_status: http://127.0.0.1:PORT/script/a.csv answered 204 No Content
    source_login: http://127.0.0.1:PORT/script/a.csv answered 401 Unauthorized: it does not accept the token, or wants one
    source_login: http://127.0.0.1:PORT/script/a.csv answered 403 Forbidden: the token may not read this
    source_missing: http://127.0.0.1:PORT/script/a.csv answered 404 Not Found
    source_missing: http://127.0.0.1:PORT/script/a.csv answered 410 Gone
    http_status: http://127.0.0.1:PORT/script/a.csv answered 418 I'm a teapot
    http_status: http://127.0.0.1:PORT/script/a.csv failed: it answered 500 Internal Server Error (3 attempts)
    source_unreadable: http://127.0.0.1:PORT/script/a.csv answered with a web page, not with a file
    source_unreadable: http://127.0.0.1:PORT/script/b.csv answered with a web page, not with a file
    source_unreadable: http://127.0.0.1:PORT/script/c.pdf cannot be read: its suffix is not loaded
    ");
}

#[tokio::test]
async fn a_server_that_cannot_answer_now_is_an_outage() {
    let (server, lab) = (HttpSource::start().await, Extraction::new().await);
    for status in [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE] {
        server.script(move |hit, times| match times {
            1 => (status, [(RETRY_AFTER, "0")]).into_response(),
            _ => file(hit, "id\n1\n", &[]),
        });
        extract(&lab, &source(&[server.url("/script/a.csv")], "")).await.expect("the second attempt");
        server.script(move |_, _| status.into_response());
        let away = extract(&lab, &source(&[server.url("/script/a.csv")], "")).await.expect_err("never");
        assert!(matches!(away, PipelineError::Away { .. }), "{away:?}");
    }
    let closed = ClosedPort::new();
    let away = extract(&lab, &source(&[format!("http://{}/a.csv", closed.address)], "")).await.expect_err("nobody");
    assert!(matches!(away, PipelineError::Away { .. }), "{away:?}");
}

#[tokio::test]
async fn all_files_together_have_a_limit() {
    let (server, lab) = (HttpSource::start().await, Extraction::new().await);
    // Without a length, so that only the bytes tell.
    server.script(|_, _| {
        let pieces = (0..100).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 1_000])));
        Response::new(Body::from_stream(futures::stream::iter(pieces)))
    });
    let limits = StoreLimits { total_bytes: 150_000, ..quick() };
    let urls = [server.url("/script/a.csv"), server.url("/script/b.csv")];
    let failed = places::extract_within(0, &source(&urls, ""), &lab.context, &limits).await;
    let failed = failure(failed, server.address.port());
    assert!(failed.starts_with("source_too_large: http://127.0.0.1:PORT sent more than "), "{failed}");
    places::extract_within(0, &source(&urls[..1], ""), &lab.context, &limits).await.expect("one of them");
}
