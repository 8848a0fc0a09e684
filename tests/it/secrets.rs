//! Secrets: where they must never appear.

use serde_json::Value;

use crate::support::TestApp;

/// Stands in every secret place of a config; whoever finds it elsewhere has found a leak.
const CANARY: &str = "c4n4ry-s3cr3t";

fn config(app: &TestApp, target: &str) -> String {
    format!(
        "{}sources_note: none\nretry: {{max_attempts: 3}}\n",
        app.yaml("people", "").replace(
            "target:\n",
            &format!(
                "  - {{type: api, url: 'http://user:{CANARY}@127.0.0.1:1/rows', auth_token: {CANARY}, headers: {{X-Key: {CANARY}}}}}\n  \
                   - {{type: sftp, host: 127.0.0.1, port: 1, username: foo, password: {CANARY}, path: /a.csv}}\ntarget:\n  {target}\n"
            )
        )
    )
}

async fn everything_kept(app: &TestApp) -> String {
    let mut kept = String::new();
    for table in ["runs", "run_attempts", "schedules", "log_lines", "audit", "idempotency_keys", "workers"] {
        kept += &serde_json::to_string(&app.control(&format!("select * from elt.{table}")).await).expect("JSON");
    }
    let jobs = app.control("select convert_from(job, 'UTF8') as job, last_result::text from apalis.jobs").await;
    let shown = app.control("select yaml_content, yaml_masked, yaml_sealed::text, yaml_preview, problems, warnings, name from elt.config_history").await;
    kept + &serde_json::to_string(&[jobs, shown].concat()).expect("JSON")
}

#[tokio::test]
async fn a_secret_shows_only_to_an_admin_who_asks_for_the_exact_text() {
    let app = TestApp::start().await;
    app.folder().write("a.csv", "id\n1\n");
    let target = format!("host: 127.0.0.1\n  port: 1\n  database: d\n  user: u\n  password: {CANARY}");
    let yaml = config(&app, &target);
    let upload = app.post("/upload-config").header("idempotency-key", "k").yaml(&yaml).await;
    assert!(!upload.text.contains(CANARY), "{}", upload.text);
    let id = upload["id"].as_i64().expect("an id");
    let run = app.trigger(&yaml).await;
    let run = app.finished(&run["id"]).await;
    assert_eq!(run["state"], "failed");
    assert!(!run.to_string().contains(CANARY), "{run:#}");
    for kind in ["plan", "test_connection"] {
        let run = app.post("/runs").json(serde_json::json!({ "config_id": id, "kind": kind })).await.ok();
        let run: Value = app.finished(&run["id"]).await;
        assert!(!run.to_string().contains(CANARY), "{run:#}");
    }
    for path in [
        "/config-history".to_owned(),
        "/configs".into(),
        format!("/configs/{id}"),
        format!("/configs/diff?from={id}&to={id}"),
        "/runs".into(),
        "/schedules".into(),
        "/logs".into(),
        "/logs/search".into(),
        "/audit".into(),
        "/overview".into(),
        "/metrics".into(),
    ] {
        let answer = app.get(&path).await;
        assert!(!answer.text.contains(CANARY), "{path}: {}", answer.text);
    }
    let view = app.post("/data-view").yaml(&yaml).await;
    assert!(!view.status.is_success() && !view.text.contains(CANARY), "{}", view.text);
    assert!(!everything_kept(&app).await.contains(CANARY));
    assert!(app.get(&format!("/config/{id}")).await.text.contains(CANARY), "the exact text is still there");
}

#[tokio::test]
async fn the_audit_cannot_be_rewritten() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    app.get("/audit").await.ok();
    for statement in ["update elt.audit set actor = 'x'", "delete from elt.audit", "truncate elt.audit"] {
        let error = sqlx::query(statement).execute(&app.db).await.expect_err(statement);
        assert!(error.to_string().contains("the audit is only ever added to"), "{error}");
    }
}
