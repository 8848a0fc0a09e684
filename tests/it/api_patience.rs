//! Answers that elt must not take as final: not ready yet, too many calls, a cookie to send back.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::http::header::{LOCATION, RETRY_AFTER, SET_COOKIE};
use axum::response::{IntoResponse, Redirect};
use elt_shared::config::ApiSource;
use elt_shared::config::template::Template;
use elt_worker::error::PipelineError;
use elt_worker::extract::Extracted;
use elt_worker::extract::http::{self, HttpLimits};
use serde_json::{Value, json};

use crate::support::extraction::{Extraction, failure};
use crate::support::http_source::{HttpSource, json_answer};

fn source(url: String) -> ApiSource {
    ApiSource::at(&url)
}

async fn extract_within(lab: &Extraction, source: &ApiSource, limits: HttpLimits) -> Result<Extracted, PipelineError> {
    let limits = HttpLimits {
        backoff: Duration::from_millis(10),
        longest_poll: Duration::from_millis(20),
        longest_wait: Duration::from_secs(5),
        ..limits
    };
    http::extract_within(0, source, &lab.context, &limits).await
}

async fn extract(lab: &Extraction, source: &ApiSource) -> Result<Extracted, PipelineError> {
    extract_within(lab, source, HttpLimits::default()).await
}

fn rows() -> Value {
    json!([{"id": 1}, {"id": 2}])
}

#[tokio::test]
async fn a_202_answer_is_requested_again_until_the_data_is_ready() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    let source = source(api.url("/script"));
    for retry_after in [None, Some("0"), Some("1")] {
        api.script(move |_, count| match count {
            1 | 2 if retry_after.is_none() || count == 1 => {
                let body = json_answer(json!({"state": "processing", "progress": 40}));
                match retry_after {
                    Some(wait) => (StatusCode::ACCEPTED, [(RETRY_AFTER, wait)], body).into_response(),
                    None => (StatusCode::ACCEPTED, body).into_response(),
                }
            }
            _ => json_answer(rows()),
        });
        let start = Instant::now();
        let extracted = extract(&lab, &source).await.expect("rows");
        assert_eq!(extracted.files.len(), 1);
        assert!(std::fs::read_to_string(&extracted.files[0].path).expect("a page").contains("\"id\""));
        assert!(retry_after != Some("1") || start.elapsed() >= Duration::from_millis(950));
    }
}

#[tokio::test]
async fn an_answer_that_stays_202_fails_the_source() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    let source = source(api.url("/script"));
    api.script(|_, _| (StatusCode::ACCEPTED, json_answer(json!({"state": "processing"}))).into_response());
    let limits = HttpLimits { ready_within: Duration::from_millis(1500), ..HttpLimits::default() };
    let told = failure(extract_within(&lab, &source, limits).await, api.address.port());
    insta::assert_snapshot!(told, @r#"http_not_ready: http://127.0.0.1:PORT/script still answered 202 Accepted, "not ready yet", after 1.5 s"#);
    assert!(api.hits().len() < 1000, "it is not asked without a pause");
    api.script(|_, _| (StatusCode::ACCEPTED, [(RETRY_AFTER, "3600")]).into_response());
    let told = failure(extract(&lab, &source).await, api.address.port());
    insta::assert_snapshot!(told, @"http_not_ready: http://127.0.0.1:PORT/script answered 202 Accepted: what was asked for is not ready yet and asks to wait 3600 s, longer than the 5 s elt waits");
}

#[tokio::test]
async fn a_403_that_says_when_to_retry_is_a_rate_limit() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    let source = source(api.url("/script"));
    for status in [StatusCode::FORBIDDEN, StatusCode::TOO_MANY_REQUESTS] {
        let used_up = [
            ("retry-after", "1", "x-other"),
            ("x-ratelimit-reset", "epoch", "x-ratelimit-remaining"),
            ("ratelimit-reset", "1", "ratelimit-remaining"),
        ];
        for (name, value, remaining) in used_up {
            api.script(move |_, count| {
                if count > 1 {
                    return json_answer(rows());
                }
                // Two seconds ahead, because times have whole seconds and one ahead could already be over.
                let epoch = (chrono::Utc::now().timestamp() + 2).to_string();
                let value = if value == "epoch" { epoch } else { value.to_owned() };
                (status, [(name, value), (remaining, "0".to_owned())]).into_response()
            });
            let start = Instant::now();
            extract(&lab, &source).await.unwrap_or_else(|error| panic!("{status} {name}: {error}"));
            assert!(start.elapsed() >= Duration::from_millis(950), "{status} {name}: {:?}", start.elapsed());
        }
    }
    let mut told = String::new();
    for (status, name, value) in [
        (StatusCode::FORBIDDEN, "x-ratelimit-remaining", "0"),
        (StatusCode::FORBIDDEN, "x-ratelimit-remaining", "17"),
        (StatusCode::FORBIDDEN, "retry-after", "9999"),
        (StatusCode::UNAUTHORIZED, "retry-after", "1"),
    ] {
        api.script(move |_, _| (status, [(name, value)]).into_response());
        told.push_str(&failure(extract(&lab, &source).await, api.address.port()));
        told.push('\n');
    }
    insta::assert_snapshot!(told, @"
    http_status: http://127.0.0.1:PORT/script answered 403 Forbidden: it accepts no more calls for now (3 attempts)
    source_login: http://127.0.0.1:PORT/script answered 403 Forbidden: the token may not read this
    http_status: http://127.0.0.1:PORT/script answered 403 Forbidden: it accepts no more calls for now and asks to wait 9999 s, longer than the 5 s elt waits
    source_login: http://127.0.0.1:PORT/script answered 401 Unauthorized: it does not accept the token, or wants one
    ");
}

#[tokio::test]
async fn a_cookie_goes_back_to_the_server_that_set_it_for_one_extraction() {
    let (api, other, lab) = (HttpSource::start().await, HttpSource::start().await, Extraction::new().await);
    let source =
        ApiSource { headers: vec![("Cookie".into(), Template::literal("own=1"))], ..source(api.url("/script/orders")) };
    let gate = |hit: &crate::support::http_source::Hit, _: usize| match hit.header("cookie") {
        Some(cookies) if cookies.contains("gate=open") => json_answer(rows()),
        _ => (StatusCode::FOUND, [(LOCATION, "/script/orders"), (SET_COOKIE, "gate=open; Path=/")]).into_response(),
    };
    api.script(gate);
    extract(&lab, &source).await.expect("rows");
    assert_eq!(api.hits()[1].header("cookie"), Some("own=1; gate=open"));
    extract(&lab, &source).await.expect("rows");
    assert_eq!(api.hits()[2].header("cookie"), Some("own=1"), "forgotten with the extraction");

    let away = other.url("/ok").replace("127.0.0.1", "localhost");
    api.script(move |_, _| ([(SET_COOKIE, "secret=canary; Path=/")], Redirect::temporary(&away)).into_response());
    extract(&lab, &source).await.expect("rows");
    assert!(!format!("{:?}", other.hits()).contains("canary"), "another host must not see it");
}

#[tokio::test]
async fn a_partial_answer_fails_the_source() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    let source = source(api.url("/script"));
    for (status, files) in [(StatusCode::NO_CONTENT, 0), (StatusCode::RESET_CONTENT, 0)] {
        api.script(move |_, _| status.into_response());
        assert_eq!(extract(&lab, &source).await.expect("no rows").files.len(), files, "{status}");
    }
    for status in [StatusCode::CREATED, StatusCode::NON_AUTHORITATIVE_INFORMATION] {
        api.script(move |_, _| (status, json_answer(rows())).into_response());
        assert_eq!(extract(&lab, &source).await.expect("rows").files.len(), 1, "{status}");
    }
    api.script(|_, _| (StatusCode::PARTIAL_CONTENT, json_answer(rows())).into_response());
    let told = failure(extract(&lab, &source).await, api.address.port());
    insta::assert_snapshot!(told, @"http_status: http://127.0.0.1:PORT/script answered 206 Partial Content: only a part of what was asked for");
}
