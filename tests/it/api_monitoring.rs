//! What monitoring an API costs: a look is one request at most, and an API that cannot be looked at in one request is run at
//! the interval.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::ETAG;
use axum::response::IntoResponse;
use elt_shared::config::ApiSource;
use elt_worker::extract::http::HttpLimits;
use elt_worker::extract::http::look::{Known, look_within};
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::changing_api::{Behaviour, ChangingApi, second};
use crate::support::extraction::Extraction;
use crate::support::http_source::{HttpSource, json_answer};

const EVERY_SECOND: &str = "monitor: {interval_seconds: 1}\n";

fn config(source: &str, more: &str) -> String {
    format!("name: watched\nsources: [{source}]\ntarget: {{table: watched}}\n{EVERY_SECOND}{more}")
}

/// Triggers a monitored config and waits for its first run. Returns the id of its schedule.
async fn watch(app: &TestApp, yaml: &str) -> Value {
    let started = app.post("/trigger-job").yaml(yaml).await.ok();
    let run = app.finished(&started["run_id"]).await;
    assert_eq!(run["state"], "succeeded", "{run:#}");
    started["schedule_id"].clone()
}

async fn schedule(app: &TestApp, id: &Value) -> Value {
    app.get(&format!("/schedules/{}", id.as_str().expect("an id"))).await.ok()
}

async fn ticks(app: &TestApp, id: &Value) -> usize {
    schedule(app, id).await["ticks"].as_u64().expect("a number") as usize
}

/// Waits until `count` further looks are over.
async fn looks(app: &TestApp, id: &Value, count: usize) {
    // The tick that is going on may have looked before.
    let enough = ticks(app, id).await + count + 1;
    app.eventually(async || (ticks(app, id).await >= enough).then_some(())).await.expect("the sources are looked at");
}

async fn states(app: &TestApp) -> Vec<Value> {
    app.control("select state from runs where name = 'watched' order by id")
        .await
        .into_iter()
        .map(|row| row["state"].clone())
        .collect()
}

async fn has_rows(app: &TestApp, count: i64) {
    let there = app.eventually(async || (app.count("watched").await == count).then_some(())).await;
    assert!(there.is_some(), "watched does not have {count} rows");
}

#[tokio::test]
async fn an_idle_look_at_an_incremental_api_is_one_request_and_makes_no_run() {
    let (app, api) = (TestApp::start().await, ChangingApi::start(Behaviour::default()).await);
    for id in 0..250 {
        api.add(id, second(id));
    }
    let id = watch(&app, &config(&api.source("cursor: at, param: since, lookback: 60s", ""), "")).await;
    looks(&app, &id, 1).await;
    let (before_ticks, before) = (ticks(&app, &id).await, api.requests());
    looks(&app, &id, 3).await;
    let (asked, looked) = (api.requests() - before, ticks(&app, &id).await - before_ticks);
    assert!(asked <= looked + 1, "{asked} requests in {looked} looks");
    assert!(api.params("since", before).iter().all(|since| *since == Some(second(249))), "without the lookback");
    assert_eq!(states(&app).await, ["succeeded"]);
    let shown = schedule(&app, &id).await;
    assert_eq!(shown["looks"][0]["by"], "since", "{shown:#}");

    for id in 250..257 {
        api.add(id, second(id));
    }
    has_rows(&app, 257).await;
    app.finished_all().await;
    looks(&app, &id, 2).await;
    assert_eq!(states(&app).await, ["succeeded", "succeeded"], "one run for the change, and none after it");
}

#[tokio::test]
async fn what_made_a_run_fail_makes_no_second_run() {
    let (app, api) = (TestApp::start().await, ChangingApi::start(Behaviour::default()).await);
    api.add(1, second(1));
    let strict =
        "schema: {columns: {id: {type: int, max: 1}, at: text, note: text}}\nstrict_mode: true\non_bad_row: fail\n";
    let id = watch(&app, &config(&api.source("cursor: at, param: since", ""), strict)).await;
    api.add(2, second(2));
    let failed = app.eventually(async || (states(&app).await.last()? == "failed").then_some(())).await;
    assert!(failed.is_some(), "the row breaks the contract");
    looks(&app, &id, 3).await;
    assert_eq!(states(&app).await, ["succeeded", "failed"]);
    api.add(3, second(3));
    let again = app.eventually(async || (states(&app).await.len() > 2).then_some(())).await;
    assert!(again.is_some(), "another row is a reason for another run");
}

#[tokio::test]
async fn an_api_that_shows_nothing_in_one_request_is_run_at_the_interval_and_the_schedule_says_so() {
    let (app, api) = (TestApp::start().await, HttpSource::start().await);
    api.script(|hit, _| match hit.param("page").as_deref() {
        Some("1") => json_answer(json!([{ "id": 1 }, { "id": 2 }])),
        _ => json_answer(json!([])),
    });
    let source = format!("{{type: api, url: \"{}\", pagination: {{type: page}}}}", api.url("/script/rows"));
    let id = watch(&app, &config(&source, "")).await;
    let runs = app.eventually(async || (states(&app).await.len() >= 3).then_some(())).await;
    assert!(runs.is_some(), "every look is a run");
    let shown = schedule(&app, &id).await;
    assert_eq!(shown["looks"][0]["by"], "run");
    assert!(shown["looks"][0]["says"].as_str().is_some_and(|says| says.ends_with("Every look is a run.")), "{shown:#}");
    let stopped = app.post(&format!("/schedules/{}/stop", id.as_str().expect("an id"))).await;
    assert!(stopped.status.is_success());
    app.finished_all().await;
    let runs = states(&app).await.iter().filter(|state| *state == "succeeded").count();
    let asked = api.hits().len();
    assert!(
        (2 * runs..=2 * runs + 2).contains(&asked),
        "{asked} requests in {runs} runs: a look itself asks for nothing"
    );
    assert_eq!(app.count("watched").await, 2);
}

#[tokio::test]
async fn a_version_is_asked_for_with_a_conditional_request() {
    let (app, api) = (TestApp::start().await, HttpSource::start().await);
    let version = Arc::new(AtomicU64::new(1));
    let now = Arc::clone(&version);
    api.script(move |hit, _| {
        let tag = format!("\"v{}\"", now.load(Ordering::Relaxed));
        if hit.header("if-none-match") == Some(tag.as_str()) {
            return StatusCode::NOT_MODIFIED.into_response();
        }
        let rows: Vec<Value> = (0..now.load(Ordering::Relaxed)).map(|id| json!({ "id": id })).collect();
        ([(ETAG, tag)], axum::Json(rows)).into_response()
    });
    let id = watch(&app, &config(&format!("{{type: api, url: \"{}\"}}", api.url("/script/rows")), "")).await;
    looks(&app, &id, 2).await;
    let (before_ticks, before) = (ticks(&app, &id).await, api.hits().len());
    looks(&app, &id, 3).await;
    let (asked, looked) = (api.hits().len() - before, ticks(&app, &id).await - before_ticks);
    assert!(asked <= looked + 1, "{asked} requests in {looked} looks");
    assert!(api.hits()[before..].iter().all(|hit| hit.header("if-none-match") == Some("\"v1\"")));
    assert_eq!(states(&app).await, ["succeeded"]);
    assert_eq!(schedule(&app, &id).await["looks"][0]["by"], "condition");
    version.store(3, Ordering::Relaxed);
    has_rows(&app, 3).await;
}

#[tokio::test]
async fn a_probe_is_all_that_an_idle_look_asks_for() {
    let (app, api) = (TestApp::start().await, HttpSource::start().await);
    let count = Arc::new(AtomicU64::new(2));
    let now = Arc::clone(&count);
    api.script(move |hit, asked| {
        let count = now.load(Ordering::Relaxed);
        if hit.path == "/script/stats" {
            return json_answer(json!({ "total": count, "asked": asked, "fields": hit.param("fields") }));
        }
        match hit.param("page").as_deref() {
            Some("1") => axum::Json((0..count).map(|id| json!({ "id": id })).collect::<Vec<_>>()).into_response(),
            _ => json_answer(json!([])),
        }
    });
    let source = format!(
        "{{type: api, url: \"{}\", params: {{state: open}}, auth_token: canary, pagination: {{type: page}}, \
         probe: {{url: stats, params: {{fields: total}}, value: total}}}}",
        api.url("/script/rows")
    );
    let id = watch(&app, &config(&source, "")).await;
    looks(&app, &id, 1).await;
    let before = api.hits().len();
    looks(&app, &id, 3).await;
    let hits = api.hits();
    assert!(hits[before..].iter().all(|hit| hit.path == "/script/stats" && hit.query == "fields=total"), "{hits:#?}");
    assert_eq!(hits[before].header("authorization"), Some("Bearer canary"));
    assert_eq!(states(&app).await, ["succeeded"]);
    count.store(5, Ordering::Relaxed);
    has_rows(&app, 5).await;
    assert_eq!(schedule(&app, &id).await["looks"][0]["by"], "probe");
}

#[tokio::test]
async fn a_look_that_takes_too_long_is_left_to_a_run() {
    let (api, lab) = (HttpSource::start().await, Extraction::new().await);
    let source = ApiSource::at(&api.url("/slow-header"));
    let hasty =
        HttpLimits { answer: Duration::from_millis(300), idle: Duration::from_millis(300), ..HttpLimits::default() };
    let seen = look_within(0, &source, &lab.context, &Known::default(), &hasty).await.expect("no failure");
    assert!(seen.needs_run);
    assert_eq!(
        seen.look.says,
        "Only a run shows whether there is anything new, because the API takes longer to answer than a look may."
    );
    assert_eq!(api.hits().len(), 1, "it is asked once");

    let gone = ApiSource::at("http://127.0.0.1:1/rows");
    assert!(
        look_within(0, &gone, &lab.context, &Known::default(), &hasty).await.is_err(),
        "an API that is away is told"
    );
}
