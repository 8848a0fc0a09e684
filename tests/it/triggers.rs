//! Triggering: what a YAML starts, and what becomes of it.

use insta::assert_json_snapshot;
use reqwest::multipart::Form;
use serde_json::{Value, json};

use crate::support::TestApp;

async fn app() -> TestApp {
    TestApp::start_with(|options| options.workers = 0).await
}

const MONITORED: &str = "sources:\n  - type: local\n    path: ./people\ntarget:\n  table: people\n";

#[tokio::test]
async fn a_trigger_answers_as_its_first_clients_expect() {
    let app = app().await;
    let answer = app.post("/trigger-job").yaml(MONITORED).await.ok();
    assert_eq!(answer["message"], "ELT job triggered successfully!");
    assert_eq!((&answer["config_id"], &answer["version"]), (&json!(1), &json!(1)));
    let run = app.get(&format!("/runs/{}", answer["run_id"].as_str().expect("an id"))).await.ok();
    assert_eq!((&run["state"], &run["trigger"], &run["kind"]), (&json!("queued"), &json!("manual"), &json!("run")));
    assert_eq!(
        (&run["name"], &run["target_table"], &run["created_by"]),
        (&json!("people"), &json!("people"), &json!("admin"))
    );
    let schedule = app.get(&format!("/schedules/{}", answer["schedule_id"].as_str().expect("an id"))).await.ok();
    assert_eq!((&schedule["state"], &schedule["monitor"]), (&json!("active"), &json!(true)));
}

#[tokio::test]
async fn what_is_no_yaml_file_is_told_in_the_words_clients_know() {
    let app = app().await;
    let trigger = || app.post("/trigger-job");
    assert_eq!(trigger().form(Form::new().text("other", "x")).await.problem(400)["error"], "No file part");
    assert_eq!(trigger().await.problem(400)["error"], "No file part");
    assert_eq!(trigger().file("", MONITORED).await.problem(400)["error"], "No selected file");
    assert_eq!(trigger().file("people.csv", MONITORED).await.problem(400)["error"], "Invalid file format");
    assert_eq!(trigger().file("PEOPLE.YML", MONITORED).await.status, 200);
    let broken = trigger().yaml("{ this: [invalid: yaml").await.problem(400);
    assert!(broken["error"].as_str().is_some_and(|error| error.starts_with("Invalid YAML")), "{broken}");
}

#[tokio::test]
async fn a_config_that_cannot_run_starts_nothing_and_says_why() {
    let app = app().await;
    let late = format!("{MONITORED}start_time: 2025/07/15\n");
    assert_json_snapshot!(app.post("/trigger-job").yaml(&late).await.problem(400), @r#"
    {
      "code": "not_runnable",
      "detail": "start_time: expected YYYY-MM-DD HH:MM, YYYY-MM-DD HH:MM:SS or RFC 3339, found \"2025/07/15\" at line 6 column 13",
      "error": "start_time: expected YYYY-MM-DD HH:MM, YYYY-MM-DD HH:MM:SS or RFC 3339, found \"2025/07/15\" at line 6 column 13",
      "errors": [
        {
          "column": 13,
          "line": 6,
          "message": "expected YYYY-MM-DD HH:MM, YYYY-MM-DD HH:MM:SS or RFC 3339, found \"2025/07/15\"",
          "pointer": "start_time"
        }
      ],
      "instance": "/trigger-job",
      "next_step": "Correct the YAML at the place named and send it again.",
      "status": 400,
      "title": "Bad Request",
      "type": "about:blank"
    }
    "#);
    assert_eq!(app.get("/runs").await.ok()["data"], json!([]));
    assert_eq!(app.control("select id from elt.config_history").await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_known_yaml_runs_as_the_version_it_was() {
    let app = app().await;
    let known = app.post("/upload-config").yaml(MONITORED).await.ok();
    app.post("/upload-config").yaml(&MONITORED.replace("people", "pets")).await.ok();
    let answer = app.post("/trigger-job").yaml(&format!("{MONITORED}\r\n\r\n")).await.ok();
    assert_eq!((&answer["version"], &answer["config_id"]), (&known["version"], &known["id"]));
    let run = app.get(&format!("/runs/{}", answer["run_id"].as_str().expect("an id"))).await.ok();
    assert_eq!(run["config_id"], known["id"]);
}

#[tokio::test]
async fn a_run_waits_for_its_window_unless_it_should_not() {
    let app = app().await;
    let later = format!("{MONITORED}start_time: '2999-01-01 10:00'\n");
    let answer = app.post("/trigger-job").yaml(&later).await.ok();
    let path = format!("/runs/{}", answer["run_id"].as_str().expect("an id"));
    let run = app.get(&path).await.ok();
    assert_eq!(run["not_before"], "2999-01-01T10:00:00Z");
    assert!(run["waits_for"].as_str().is_some_and(|reason| reason.contains("2999-01-01 10:00")), "{run}");
    let now = app.post("/trigger-job?now=true").yaml(&later).await.ok();
    let run = app.get(&format!("/runs/{}", now["run_id"].as_str().expect("an id"))).await.ok();
    assert_eq!(run["waits_for"], Value::Null);
}

#[tokio::test]
async fn a_kept_version_runs_once_without_monitoring() {
    let app = app().await;
    let config = app.post("/upload-config").yaml(MONITORED).await.ok();
    let answer = app.post("/runs").json(json!({ "config_id": config["id"] })).await;
    assert_eq!(answer.status, 202);
    let path = answer.header("location").to_owned();
    assert_eq!(path, format!("/runs/{}", answer["id"].as_str().expect("an id")));
    assert_eq!(app.get(&path).await.ok()["schedule_id"], Value::Null);
    for kind in ["plan", "check", "test_connection"] {
        let answer = app.post("/runs").json(json!({ "config_id": config["id"], "kind": kind })).await.ok();
        assert_eq!(answer["kind"], kind);
    }
    assert_eq!(app.post("/runs").json(json!({ "config_id": 99 })).await.status, 404);
    assert_eq!(app.post("/runs").json(json!({ "config_id": 1, "kind": "replay" })).await.status, 422);
    let unrunnable = app.post("/upload-config").yaml("anything: at all\n").await.ok();
    let refused = app.post("/runs").json(json!({ "config_id": unrunnable["id"] })).await.problem(400);
    assert_eq!(refused["code"], "not_runnable");
}

#[tokio::test]
async fn a_yaml_is_tried_out_as_a_run_that_loads_nothing() {
    let app = app().await;
    for (path, kind) in [("/configs/plan", "plan"), ("/configs/test-connection", "test_connection")] {
        let try_out = || app.post(path).header("idempotency-key", kind).yaml(MONITORED);
        let answer = try_out().await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        assert_eq!(answer.header("location"), format!("/runs/{}", answer["id"].as_str().expect("an id")));
        assert_eq!((&answer["kind"], &answer["config_id"]), (&json!(kind), &json!(1)), "one version, two runs of it");
        assert_eq!(try_out().await["id"], answer["id"], "the same call is the same run");
        assert_eq!(app.post(path).yaml("anything: at all\n").await.problem(400)["code"], "not_runnable");
        assert_eq!(app.post(path).yaml("- 1\n").await.status, 400);
    }
    assert!(app.get("/schedules").await.ok()["data"].as_array().expect("a list").is_empty(), "nothing is monitored");
}

#[tokio::test]
async fn a_trigger_sent_twice_with_one_key_starts_one_run() {
    let app = app().await;
    let trigger = || app.post("/trigger-job").header("idempotency-key", "monday").yaml(MONITORED);
    let (first, again) = (trigger().await.ok(), trigger().await.ok());
    assert_eq!(first, again);
    assert_eq!(app.get("/runs").await.ok()["data"].as_array().expect("runs").len(), 1);
}

#[tokio::test]
async fn runs_are_listed_filtered_and_counted() {
    let app = app().await;
    for table in ["people", "pets", "plants"] {
        app.post("/trigger-job").yaml(&MONITORED.replace("people", table)).await.ok();
    }
    let first = app.get("/runs?limit=2").await.ok();
    assert_eq!(first["counts"], json!({ "queued": 3, "running": 0, "succeeded": 0, "failed": 0, "stopped": 0 }));
    assert_eq!(first["data"][0]["name"], "plants");
    let second = app.get("/runs?limit=2").query(&[("cursor", first["next"].as_str().expect("more"))]).await.ok();
    assert_eq!((second["data"].as_array().map(Vec::len), &second["next"]), (Some(1), &Value::Null));

    let pets = app.get("/runs?name=pets&state=queued,running").await.ok();
    assert_eq!(pets["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(pets["counts"]["queued"], 1, "the counts are those of the pipelines that are listed");
    assert_eq!(app.get("/runs?state=failed").await.ok()["data"], json!([]));

    let names = async |query: &[(&str, &str)]| {
        let found = app.get("/runs").query(query).await.ok();
        let names = found["data"].as_array().expect("runs").iter().map(|run| run["name"].clone());
        (names.collect::<Vec<_>>(), found["counts"]["queued"].clone())
    };
    assert_eq!(names(&[("search", "PL")]).await, (vec![json!("plants"), json!("people")], json!(2)));
    assert_eq!(names(&[("search", "PL"), ("name", "pets")]).await, (vec![], json!(0)));
    assert_eq!(names(&[("search", "nothing of this kind")]).await, (vec![], json!(0)));
    let requested = first["data"][0]["created_at"].as_str().expect("a time");
    assert_eq!(names(&[("until", "2001-01-01T00:00:00Z")]).await.0, Vec::<Value>::new());
    assert_eq!(names(&[("since", "2001-01-01T00:00:00Z")]).await.0.len(), 3);
    assert_eq!(names(&[("since", "2999-01-01T00:00:00Z"), ("until", requested)]).await.0, Vec::<Value>::new());
    assert_eq!(app.get("/runs?since=yesterday").await.problem(400)["code"], "invalid_query");
}

#[tokio::test]
async fn a_queued_run_stops_at_once_and_runs_again_on_request() {
    let app = app().await;
    let run = app.trigger(&app.yaml("people", "")).await;
    let path = format!("/runs/{}", run["id"].as_str().expect("an id"));
    assert_eq!(app.post(&format!("{path}/retry")).await.problem(409)["code"], "not_finished");
    assert_eq!(app.post(&format!("{path}/stop")).await.ok()["state"], "stopped");
    assert_eq!(app.post(&format!("{path}/stop")).await.problem(409)["code"], "already_finished");
    let again = app.post(&format!("{path}/retry")).await;
    assert_eq!(again.status, 202);
    assert_eq!((&again["parent_id"], &again["trigger"]), (&run["id"], &json!("retry")));
    assert_eq!(app.post(&format!("{path}/undo")).await.problem(409)["code"], "nothing_to_undo");
    assert_eq!(app.get(&format!("{path}/csv")).await.status, 404);
    assert_eq!(app.get(&format!("{path}/attempts")).await.ok()["data"], json!([]));
}

#[tokio::test]
async fn a_schedule_is_made_paused_resumed_and_stopped() {
    let app = app().await;
    let config = app.post("/upload-config").yaml(MONITORED).await.ok();
    let request = json!({
        "config_id": config["id"], "cron": "30 2 * * 1", "timezone": "Europe/Berlin", "overlap": "queue", "monitor": false,
    });
    let made = app.post("/schedules").json(request).await;
    assert_eq!(made.status, 201);
    assert_eq!(made["upcoming"].as_array().map(Vec::len), Some(10));
    assert_eq!(made["next_run_at"], made["upcoming"][0]);
    let path = made.header("location").to_owned();
    assert_eq!(app.post(&format!("{path}/pause")).await.ok()["paused"], true);
    assert_eq!(app.post(&format!("{path}/resume")).await.ok()["paused"], false);
    assert_eq!(app.get("/overview").await.ok()["next_runs"][0]["name"], "people");
    assert_eq!(app.post(&format!("{path}/stop")).await.ok()["state"], "stopped");
    assert_eq!(app.post(&format!("{path}/pause")).await.problem(409)["code"], "not_live");
    let stopped = app.get("/schedules?state=stopped&name=people").await.ok();
    assert_eq!(stopped["data"][0]["reason"], "stopped by admin");

    for (wrong, code) in [
        (json!({ "cron": "61 * * * *" }), "invalid_cron"),
        (json!({ "cron": "0 2 * * *", "timezone": "Berlin" }), "invalid_timezone"),
        (json!({ "start_at": "2030-01-02T00:00:00Z", "end_at": "2030-01-01T00:00:00Z" }), "invalid_window"),
    ] {
        let mut request = wrong;
        request["config_id"] = config["id"].clone();
        assert_eq!(app.post("/schedules").json(request).await.problem(422)["code"], code);
    }
}
