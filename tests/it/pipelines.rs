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
