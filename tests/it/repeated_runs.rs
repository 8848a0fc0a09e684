//! Retrying a run, a replay or an undo: the new run has the same kind and concerns the same run.

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::TestApp;

async fn post(app: &TestApp, run: &Value, what: &str) -> (u16, Value) {
    let answer = app.post(&format!("/runs/{}/{what}", run["id"].as_str().expect("an id"))).await;
    (answer.status.as_u16(), answer.json)
}

/// Stops a worker and waits until it is gone.
async fn stop_worker(app: &TestApp, worker: &CancellationToken) {
    worker.cancel();
    let gone = app.eventually(async || {
        let live = app.control("select 1 from workers where stopped_at is null").await;
        live.is_empty().then_some(())
    });
    gone.await.expect("the worker stopped");
}

#[tokio::test]
async fn a_repeated_undo_undoes_the_same_run() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let worker = app.start_worker();
    app.folder().write("a.csv", "id\n1\n2\n");
    let run = app.load(&app.yaml("people", "")).await;
    stop_worker(&app, &worker).await;

    let (_, undo) = post(&app, &run, "undo").await;
    assert_eq!((&undo["subject_id"], &undo["retry_of"]), (&run["id"], &Value::Null));
    post(&app, &undo, "stop").await;
    let (status, again) = post(&app, &undo, "retry").await;
    assert_eq!((status, &again["kind"], &again["subject_id"]), (202, &json!("undo"), &run["id"]), "{again:#}");
    assert_eq!((&again["retry_of"], &again["parent_id"]), (&undo["id"], &undo["id"]));
    for (what, of) in [("undo", &run), ("retry", &undo)] {
        let (status, refused) = post(&app, of, what).await;
        assert_eq!((status, &refused["code"]), (409, &json!("already_undone")), "{what}: {refused:#}");
    }
    app.start_worker();
    let again = app.finished(&again["id"]).await;
    assert_eq!((&again["state"], &again["report"]["rows_deleted"]), (&json!("succeeded"), &json!(2)), "{again:#}");
    assert_eq!(app.count("people").await, 0);
    let about = app.get(&format!("/runs?subject_id={}", run["id"].as_str().expect("an id"))).await.ok();
    assert_eq!(about["data"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_repeated_replay_loads_the_same_rows() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let worker = app.start_worker();
    app.folder().write("a.csv", "id\n1\n99\n100\n");
    let schema = "schema: {columns: {id: {type: int, max: 10}}}\nstrict_mode: true\n";
    let run = app.load(&app.yaml("people", schema)).await;
    let kept = app.get(&format!("/quarantine?run_id={}", run["id"].as_str().expect("an id"))).await.ok();
    let first = kept["data"][0]["id"].as_i64().expect("the id of a rejected row");
    stop_worker(&app, &worker).await;

    let replay = app.post("/quarantine/replay").json(json!({ "run_id": run["id"], "ids": [first] })).await.json;
    post(&app, &replay, "stop").await;
    let (_, again) = post(&app, &replay, "retry").await;
    app.start_worker();
    let again = app.finished(&again["id"]).await;
    assert_eq!((&again["kind"], &again["subject_id"]), (&json!("replay"), &run["id"]), "{again:#}");
    assert_eq!((&again["rows_read"], &again["outcome"]), (&json!(1), &json!("nothing_loaded")), "{again:#}");

    let (_, third) = post(&app, &again, "retry").await;
    let third = app.finished(&third["id"]).await;
    assert_eq!((&third["rows_read"], &third["outcome"]), (&json!(0), &json!("nothing_loaded")), "{third:#}");
    let warning = third["report"]["warnings"][0].as_str().expect("a warning");
    assert!(warning.starts_with("nothing was left to load: the rows were replayed before"), "{warning}");
}

#[tokio::test]
async fn a_repeated_plan_loads_nothing() {
    let app = TestApp::start().await;
    app.folder().write("a.csv", "id\n1\n");
    let kept = app.post("/upload-config").yaml(&app.yaml("people", "")).await.ok();
    let plan = app.post("/runs").json(json!({ "config_id": kept["id"], "kind": "plan" })).await.json;
    let plan = app.finished(&plan["id"]).await;
    let (_, again) = post(&app, &plan, "retry").await;
    let again = app.finished(&again["id"]).await;
    assert_eq!(
        (&again["kind"], &again["state"], &again["subject_id"]),
        (&json!("plan"), &json!("succeeded"), &Value::Null)
    );
    assert!(app.rows("select to_regclass('people') as t").await[0]["t"].is_null(), "nothing was loaded");
}
