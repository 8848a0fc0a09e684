//! The list of pipelines, and finding versions among many.

use serde_json::{Value, json};

use crate::support::TestApp;

fn yaml(name: &str, note: usize) -> String {
    format!("# {note}\nname: {name}\nsources: [{{type: local, path: ./in}}]\ntarget: {{table: t}}\n")
}

async fn names(app: &TestApp, query: &str) -> Vec<String> {
    let page = app.get(&format!("/pipelines{query}")).await.ok();
    let name = |pipeline: &Value| pipeline["name"].as_str().expect("a name").to_owned();
    page["data"].as_array().expect("pipelines").iter().map(name).collect()
}

#[tokio::test]
async fn a_pipeline_stays_listed_however_many_versions_another_one_has() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    for name in ["airports", "Zürich 100%_done"] {
        app.post("/upload-config").yaml(&yaml(name, 0)).await.ok();
    }
    for note in 0..260 {
        app.post("/upload-config").yaml(&yaml("movies", note)).await.ok();
    }
    assert_eq!(names(&app, "").await, ["Zürich 100%_done", "airports", "movies"]);
    assert_eq!(names(&app, "?search=AIR").await, ["airports"]);
    assert_eq!(names(&app, "?search=0%25_d").await, ["Zürich 100%_done"]);
    assert_eq!(names(&app, "?search=%25").await, ["Zürich 100%_done"]);
    assert!(names(&app, "?search=rivers").await.is_empty());

    let movies = &app.get("/pipelines?search=movies").await.ok()["data"][0];
    assert_eq!((&movies["version"], &movies["config_id"]), (&json!(262), &json!(262)));
    assert_eq!((&movies["last_run"], &movies["next_run_at"]), (&Value::Null, &Value::Null));

    let found = app.get("/configs?search=airports").await.ok();
    assert_eq!(found["data"].as_array().map(Vec::len), Some(1), "{found:#}");
    let older = app.get("/configs?search=movies&limit=250").await.ok();
    let rest = app.get(&format!("/configs?search=movies&cursor={}", older["next"].as_str().expect("more"))).await.ok();
    assert_eq!(rest["data"].as_array().map(Vec::len), Some(10));
    assert_eq!(app.get("/configs?search=v17").await.ok()["data"][0]["version"], 17);
}

#[tokio::test]
async fn pages_of_pipelines_follow_each_other_without_gap_or_repeat() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let mut all = vec!["B", "a", "b", "ä", "a b", "A"];
    for name in &all {
        app.post("/upload-config").yaml(&yaml(name, 0)).await.ok();
    }
    all.sort_unstable();
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        seen.extend(names(&app, &format!("?limit=2{cursor}")).await);
        let page = app.get(&format!("/pipelines?limit=2{cursor}")).await.ok();
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, all);
}

#[tokio::test]
async fn a_pipeline_shows_its_newest_run_and_its_next_one() {
    let app = TestApp::start().await;
    app.folder().write("a.csv", "id\n1\n");
    let folder = app.folder().path().display();
    let text = format!(
        "name: nightly\nsources: [{{type: local, path: {folder}}}]\ntarget: {{table: nightly}}\n\
         schedule: {{cron: '0 2 * * *', timezone: UTC}}\nmonitor: {{enabled: false}}\n"
    );
    let started = app.post("/trigger-job").yaml(&text).await.ok();
    let run = app.finished(&started["run_id"]).await;
    assert_eq!(run["state"], "succeeded", "{run:#}");
    let pipeline = &app.get("/pipelines").await.ok()["data"][0];
    assert_eq!(pipeline["last_run"]["id"], run["id"]);
    assert_eq!(pipeline["last_run"]["state"], "succeeded");
    assert_eq!(pipeline["last_run"]["outcome"], "clean");
    assert_eq!(pipeline["target_table"], run["target_table"]);
    assert!(pipeline["next_run_at"].as_str().is_some_and(|at| at.contains("T02:00:00")), "{pipeline:#}");
    app.post(&format!("/schedules/{}/pause", pipeline["schedule_id"].as_str().expect("a schedule"))).await.ok();
    assert_eq!(app.get("/pipelines").await.ok()["data"][0]["next_run_at"], Value::Null);
}

#[tokio::test]
async fn a_pipeline_shows_its_last_runs_how_fresh_it_is_and_the_rows_it_rejected() {
    let app = TestApp::start().await;
    app.folder().write("a.csv", "id\n1\n2\nthree\n");
    let text = app.yaml(
        "orders",
        "name: orders\nschema: {columns: {id: int64}}\non_bad_row: quarantine\nfreshness: 2h\n\
         notify: [{on: [stale], webhook: 'https://hooks.invalid/x'}]\n",
    );
    let first = app.load(&text).await;
    assert_eq!((&first["rows_inserted"], &first["rows_quarantined"]), (&json!(2), &json!(1)), "{first:#}");
    let second = app.finished(&app.trigger(&format!("{text}# again\n")).await["id"]).await;
    app.execute(
        "update runs set state = 'failed', outcome = null where created_at = (select max(created_at) from runs)",
    )
    .await;
    let orders = app.get("/pipelines?runs=20").await.ok()["data"][0].clone();
    let recent = orders["recent_runs"].as_array().expect("runs");
    let seen: Vec<_> = recent.iter().map(|run| (&run["id"], &run["state"], &run["rows_inserted"])).collect();
    let (succeeded, failed) = (json!("succeeded"), json!("failed"));
    assert_eq!(seen, [(&first["id"], &succeeded, &json!(2)), (&second["id"], &failed, &second["rows_inserted"])]);
    // The newest run failed, so that the first one tells what was loaded last.
    assert_eq!((&orders["loaded_run_id"], &orders["loaded_at"]), (&first["id"], &first["finished_at"]));
    assert_eq!((&orders["rejected_rows"], &orders["uploaded_by"]), (&json!(1), &json!("admin")));
    assert_eq!((&orders["freshness_seconds"], &orders["stale"]), (&json!(7200), &json!(false)));

    app.execute("update runs set finished_at = finished_at - interval '3 hours'").await;
    let orders = app.get("/pipelines?runs=1").await.ok()["data"][0].clone();
    assert_eq!((&orders["stale"], &orders["recent_runs"][0]["id"]), (&json!(true), &second["id"]));
    assert_eq!(app.get("/pipelines").await.ok()["data"][0]["recent_runs"], json!([]));
}

#[tokio::test]
async fn a_pipeline_tells_what_it_is_made_of_and_no_secret() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let name = "a/b c.v2 100%";
    let text = "name: a/b c.v2 100%
sources:
  - { type: api, url: 'https://api.example.com/orders?token=hunter2secret', auth: { type: bearer, token: hunter2secret } }
  - { type: sftp, host: files.example.com, username: u, password: hunter2secret, path: /out }
  - { type: local, path: ./in, glob: '*.csv' }
target: { table: orders }
checks: [{ relationships: { column: customer, to: customers, key: id } }]
transform: [{ name: daily, sql: select 1 as a, materialized: table }]
notify: [{ on: [failed], webhook: 'https://hooks.example.com/hunter2secret' }]
";
    app.post("/upload-config").yaml(text).await.ok();
    let detail = app.get("/pipelines/a%2Fb%20c.v2%20100%25").await.ok();
    assert_eq!(detail["name"], name);
    assert_eq!(
        detail["lineage"],
        json!({
            "sources": [
                { "kind": "api", "place": "https://api.example.com/orders" },
                { "kind": "sftp", "place": "files.example.com:22 /out" },
                { "kind": "local", "place": "./in *.csv" },
            ],
            "table": "orders",
            "references": [{ "column": "customer", "table": "customers", "key": "id" }],
            "models": [{ "name": "daily", "is_table": true }],
        })
    );
    assert_eq!(detail["notify"][0]["on"], json!(["failed"]));
    assert_eq!(detail["incidents"], json!([]));
    assert!(!detail.to_string().contains("hunter2secret"), "{detail:#}");
    assert_eq!(app.get("/configs?name=a%2Fb%20c.v2%20100%25").await.ok()["data"][0]["name"], name);
    assert_eq!(app.get("/configs?name=a").await.ok()["data"], json!([]));
    app.get("/pipelines/nobody").await.problem(404);
}

#[tokio::test]
async fn a_pipeline_shows_its_open_incidents() {
    let app = TestApp::start().await;
    app.folder().write("a.csv", "id\nx\n");
    let text = app.yaml(
        "orders",
        "name: orders\nschema: {columns: {id: int64}}\non_bad_row: fail\n\
         notify: [{on: [failed], webhook: 'https://hooks.invalid/x'}]\n",
    );
    let run = app.finished(&app.trigger(&text).await["id"]).await;
    assert_eq!(run["state"], "failed", "{run:#}");
    let incidents = app.get("/pipelines/orders").await.ok()["incidents"].clone();
    assert_eq!((&incidents[0]["event"], &incidents[0]["run_id"]), (&json!("failed"), &run["id"]), "{incidents:#}");
    app.execute("update incidents set closed_at = now()").await;
    assert_eq!(app.get("/pipelines/orders").await.ok()["incidents"], json!([]));
}
