//! Log lines, as older clients read them and as they are searched.

use chrono::{TimeDelta, Utc};
use elt_shared::store::logs::{self, NewLine};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::TestApp;

async fn write(app: &TestApp, level: &str, message: &str, run_id: Option<Uuid>) {
    write_with(app, level, message, run_id, json!({ "rows": 3 })).await;
}

async fn write_with(app: &TestApp, level: &str, message: &str, run_id: Option<Uuid>, fields: Value) {
    let line = NewLine {
        at: Utc::now(),
        level: level.into(),
        target: "elt_worker::load".into(),
        message: message.into(),
        fields,
        run_id,
        trace_id: None,
        process: "worker".into(),
    };
    logs::append(&app.db, &[line]).await.expect("kept the line");
}

#[tokio::test]
async fn the_last_hundred_lines_in_order() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    for number in 0..150 {
        write(&app, "INFO", &format!("line {number}"), None).await;
    }
    let logs = app.get("/logs").await.ok()["logs"].as_array().expect("lines").clone();
    assert_eq!(logs.len(), 100);
    for (line, number) in logs.iter().zip(50..) {
        let line = line.as_str().expect("a line");
        let (at, message) = line.split_once(" - INFO - ").expect("the classic format");
        assert_eq!(message, format!("line {number}"));
        let at = chrono::NaiveDateTime::parse_from_str(at, "%Y-%m-%d %H:%M:%S,%3f").expect("a time").and_utc();
        assert!((Utc::now() - at).abs() < TimeDelta::minutes(5), "{line}");
    }
}

#[tokio::test]
async fn a_line_break_in_a_name_never_starts_a_line() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    write(&app, "WARN", "skipped a\n2025-01-01 00:00:00,000 - INFO - forged.pdf", None).await;
    let logs = app.get("/logs").await.ok()["logs"].clone();
    let line = logs[0].as_str().expect("a line");
    assert!(line.ends_with(" - WARNING - skipped a\\n2025-01-01 00:00:00,000 - INFO - forged.pdf"), "{line}");
}

#[tokio::test]
async fn lines_are_found_by_run_level_and_text() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let run = Uuid::now_v7();
    write(&app, "INFO", "extracted a.csv", Some(run)).await;
    write(&app, "ERROR", "could not read B.csv", Some(run)).await;
    write(&app, "ERROR", "could not read b.csv", None).await;
    let found = async |query: String| {
        let page = app.get(&format!("/logs/search?{query}")).await.ok();
        let lines = page["data"].as_array().expect("lines");
        lines.iter().map(|line| line["message"].as_str().expect("a message").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found(format!("run_id={run}")).await, ["could not read B.csv", "extracted a.csv"]);
    assert_eq!(found(format!("run_id={run}&level=error,warning")).await, ["could not read B.csv"]);
    assert_eq!(found("text=B.CSV".into()).await, ["could not read b.csv", "could not read B.csv"]);
    assert_eq!(app.get("/logs/search?level=loud").await.problem(400)["code"], "invalid_query");
}

#[tokio::test]
async fn lines_are_found_by_the_request_that_wrote_them() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    write_with(&app, "INFO", "of the first", None, json!({ "request.id": "first-1" })).await;
    write_with(&app, "INFO", "of the second", None, json!({ "request.id": "second-2", "rows": 3 })).await;
    write_with(&app, "INFO", "of no request", None, json!({ "request": "first-1" })).await;
    let found = async |id: &str| {
        let page = app.get("/logs/search").query(&[("request_id", id)]).await.ok();
        let lines = page["data"].as_array().expect("lines");
        lines.iter().map(|line| line["message"].as_str().expect("a message").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found("first-1").await, ["of the first"]);
    assert_eq!(found("second-2").await, ["of the second"]);
    assert_eq!(found("first").await, Vec::<String>::new());
    assert_eq!(found("' or true --").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_search_is_paged() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    for number in 0..5 {
        write(&app, "INFO", &format!("line {number}"), None).await;
    }
    let first = app.get("/logs/search?limit=2").await.ok();
    let second = app.get("/logs/search?limit=2").query(&[("cursor", first["next"].as_str().expect("more"))]).await.ok();
    let third = app.get("/logs/search?limit=2").query(&[("cursor", second["next"].as_str().expect("more"))]).await.ok();
    assert_eq!(second["data"][0]["message"], "line 2");
    assert_eq!(third["data"].as_array().expect("lines").len(), 1);
    assert!(third["next"].is_null());
}

#[tokio::test]
async fn a_parameter_that_a_list_does_not_know_is_refused() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    for path in ["/logs?run_id=1", "/logs/search?limit=5&run=1", "/runs?sate=failed", "/workers?all=1", "/overview?x"] {
        let problem = app.get(path).await.problem(400);
        assert_eq!(problem["code"], "invalid_query", "{path}: {problem}");
    }
    for path in ["/logs", "/logs/search?limit=5&level=ERROR", "/runs?state=failed&limit=1", "/livez?probe=1"] {
        app.get(path).await.ok();
    }
}

#[tokio::test]
async fn lines_until_a_time_are_found_also_when_they_were_kept_late() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let lines = [("old", "3 days"), ("noon", "5 hours"), ("kept late", "10 hours"), ("new", "1 minute")];
    for (message, age) in lines {
        write(&app, "INFO", message, None).await;
        app.execute(&format!("update log_lines set at = now() - interval '{age}' where message = '{message}'")).await;
    }
    let until = async |age: TimeDelta| {
        let found = app.get("/logs/search").query(&[("until", &(Utc::now() - age).to_rfc3339())]).await.ok();
        let lines = found["data"].as_array().expect("lines").clone();
        lines.iter().map(|line| line["message"].as_str().expect("a text").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(until(TimeDelta::hours(1)).await, ["kept late", "noon", "old"]);
    assert_eq!(until(TimeDelta::hours(7)).await, ["kept late", "old"]);
    assert_eq!(until(TimeDelta::days(2)).await, ["old"]);
    assert_eq!(until(TimeDelta::days(9)).await, [""; 0]);
}

#[tokio::test]
async fn a_search_that_takes_too_long_is_ended_with_what_to_do() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let mut holder = app.db.begin().await.expect("a transaction");
    sqlx::query("lock table log_lines").execute(&mut *holder).await.expect("locked");
    let problem = app.get("/logs/search?text=nowhere").await.problem(422);
    assert_eq!(problem["code"], "search_too_slow", "{problem:#}");
    assert!(problem["next_step"].as_str().is_some_and(|step| step.contains("`since`")), "{problem:#}");
    holder.rollback().await.expect("rolled back");
    app.get("/logs/search?text=nowhere").await.ok();
}
