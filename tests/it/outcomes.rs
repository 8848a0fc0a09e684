//! The outcome of a run that succeeded: everything was loaded, not everything, or nothing.

use serde_json::{Value, json};

use crate::support::TestApp;

fn counts(run: &Value) -> [&Value; 5] {
    [&run["rows_read"], &run["rows_inserted"], &run["rows_duplicate"], &run["rows_quarantined"], &run["files_left_out"]]
}

async fn run_of_kind(app: &TestApp, run: &Value, kind: &str) -> Value {
    let request = json!({ "config_id": run["config_id"], "kind": kind });
    let started = app.post("/runs").json(request).await.json;
    app.finished(&started["id"]).await
}

#[tokio::test]
async fn a_run_says_whether_everything_was_loaded() {
    let app = TestApp::start().await;
    app.folder().write("a.csv", "id,name\n1,Ann\n2,Bob\n");
    let schema = "schema: {columns: {id: {type: int, max: 10}, name: text}}\nstrict_mode: true\n";
    let first = app.load(&app.yaml("people", schema)).await;
    assert_eq!((&first["outcome"], &first["report"]["outcome"]), (&json!("clean"), &json!("clean")), "{first:#}");
    assert_eq!(counts(&first), [&json!(2), &json!(2), &json!(0), &json!(0), &json!(0)]);
    assert_eq!(app.load(&app.yaml("people", schema)).await["outcome"], "clean", "known rows are not lost");

    app.folder().write("b.csv", "id,name\n3,Cid\n99,Dee\n");
    app.folder().write("c.csv.gz", "this is not gzip");
    let warned = app.load(&app.yaml("people", schema)).await;
    assert_eq!(warned["outcome"], "with_warnings", "{warned:#}");
    assert_eq!(counts(&warned), [&json!(4), &json!(1), &json!(2), &json!(1), &json!(1)]);

    let found = app.get("/runs?outcome=with_warnings").await.ok();
    let found: Vec<&Value> = found["data"].as_array().expect("runs").iter().map(|run| &run["id"]).collect();
    assert_eq!(found, [&warned["id"]]);
}

#[tokio::test]
async fn a_run_that_loads_nothing_is_not_clean() {
    let app = TestApp::start().await;
    app.folder().write("a.csv.gz", "this is not gzip");
    let run = app.load(&app.yaml("people", "")).await;
    assert_eq!((&run["outcome"], &run["files_left_out"]), (&json!("nothing_loaded"), &json!(1)), "{run:#}");
    let empty = TestApp::start().await;
    let run = empty.load(&empty.yaml("people", "")).await;
    assert_eq!(run["outcome"], "clean", "a folder without files is an empty source: {run:#}");
}

#[tokio::test]
async fn a_replay_of_rows_that_are_rejected_again_loads_nothing() {
    let app = TestApp::start().await;
    app.folder().write("a.csv", "id\n1\n99\n");
    let schema = "schema: {columns: {id: {type: int, max: 10}}}\nstrict_mode: true\n";
    let run = app.load(&app.yaml("people", schema)).await;
    let replay = app.post("/quarantine/replay").json(json!({ "run_id": run["id"] })).await.json;
    let replay = app.finished(&replay["id"]).await;
    assert_eq!((&replay["state"], &replay["outcome"]), (&json!("succeeded"), &json!("nothing_loaded")), "{replay:#}");
}

#[tokio::test]
async fn a_connection_test_says_whether_anything_can_be_used() {
    let app = TestApp::start().await;
    app.folder().write("a.csv", "id\n1\n");
    let run = app.load(&app.yaml("people", "")).await;
    assert_eq!(run_of_kind(&app, &run, "test_connection").await["outcome"], "clean");
    let nowhere = "{url: 'postgres://nobody:none@127.0.0.1:1/none', table: people}";
    let missing = format!("name: missing\nsources: [{{type: local, path: no/such}}]\ntarget: {nowhere}\n");
    let folder = app.folder().path().display().to_string();
    let half = missing.replace("no/such", &folder).replace("name: missing", "name: half");
    for (yaml, outcome) in [(missing, "nothing_loaded"), (half, "with_warnings")] {
        let kept = app.post("/upload-config").yaml(&yaml).await.ok();
        let tested = run_of_kind(&app, &json!({ "config_id": kept["id"] }), "test_connection").await;
        assert_eq!((&tested["state"], &tested["outcome"]), (&json!("succeeded"), &json!(outcome)), "{tested:#}");
    }
}

#[tokio::test]
async fn ended_runs_are_counted_for_ever_by_kind_and_outcome() {
    let app = TestApp::start().await;
    app.folder().write("a.csv", "id\n1\n2\n");
    let run = app.load(&app.yaml("people", "")).await;
    run_of_kind(&app, &run, "plan").await;
    run_of_kind(&app, &run, "test_connection").await;
    app.execute("delete from runs where kind = 'plan'").await;
    let metrics = app.get("/metrics").as_nobody().await.text;
    for line in [
        "# TYPE elt_runs_finished_total counter",
        r#"elt_runs_finished_total{kind="run",state="succeeded",outcome="clean"} 1"#,
        r#"elt_runs_finished_total{kind="run",state="succeeded",outcome="nothing_loaded"} 0"#,
        r#"elt_runs_finished_total{kind="run",state="failed",outcome=""} 0"#,
        r#"elt_runs_finished_total{kind="plan",state="succeeded",outcome="clean"} 1"#,
        r#"elt_runs_finished_24h{state="succeeded"} 1"#,
        "elt_rows_inserted_total 2",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} in {metrics}");
    }
}
