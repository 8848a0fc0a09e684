//! The audit: one row for every request of a logged-in user that changes something, even when it is refused.

use serde_json::{Value, json};

use crate::support::TestApp;

async fn rows(app: &TestApp) -> Vec<Value> {
    app.control(
        "select actor, action, object, outcome, detail from elt.audit where action <> 'POST /auth/login' order by id",
    )
    .await
}

#[tokio::test]
async fn who_did_what_also_when_it_was_refused() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let user = json!({ "username": "ann", "password": "correct horse", "role": "user" });
    app.post("/users").json(user.clone()).await.ok();
    app.post("/users").as_user().json(user.clone()).await.problem(403);
    app.post("/users").as_nobody().json(user.clone()).await.problem(401);
    app.post("/users").json(user).await.problem(409);
    app.get("/users").await.ok();
    let outcome = |row: &Value| (row["actor"].clone(), row["outcome"].clone(), row["detail"]["status"].clone());
    let rows = rows(&app).await;
    assert_eq!(
        rows.iter().map(outcome).collect::<Vec<_>>(),
        [
            (json!("admin"), json!("done"), json!(201)),
            (json!("user"), json!("denied"), json!(403)),
            (json!("admin"), json!("failed"), json!(409)),
        ]
    );
    assert!(rows.iter().all(|row| row["action"] == "POST /users"));
    assert_eq!(rows[0]["object"], "user ann");
    assert!(!serde_json::to_string(&rows).expect("JSON").contains("correct horse"));
}

/// Every operation that changes something, as `POST /users`, except for logging in.
async fn changing_operations(app: &TestApp) -> Vec<(String, String)> {
    let openapi = app.get("/openapi.json").as_nobody().await.ok();
    let mut operations = Vec::new();
    for (path, item) in openapi["paths"].as_object().expect("paths") {
        for method in item.as_object().expect("operations").keys().map(|method| method.to_uppercase()) {
            let only_reads = ["/configs/validate", "/data-view", "/downloads"].contains(&path.as_str());
            if !["GET", "HEAD"].contains(&method.as_str())
                && !only_reads
                && !["/auth/login", "/auth/oidc/token"].contains(&path.as_str())
            {
                operations.push((method, path.clone()));
            }
        }
    }
    operations.sort();
    operations
}

#[tokio::test]
async fn every_changing_operation_leaves_one_row_when_it_is_denied() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let mut expected = Vec::new();
    for (method, path) in changing_operations(&app).await {
        // Analysts may do these, and upload files and save filters where an admin allowed it.
        if path.ends_with("/files/{file}")
            || path.starts_with("/auth/")
            || path.starts_with("/tokens")
            || path.starts_with("/shared-tables/")
            || path == "/upload-config"
        {
            continue;
        }
        app.request(&method, &path.replace("{id}", "7")).as_user().await.problem(403);
        expected.push(format!("{method} {path}"));
    }
    let found = rows(&app).await;
    let actions = found.iter().map(|row| row["action"].as_str().expect("an action").to_owned());
    assert_eq!(actions.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn requests_without_a_user_leave_no_row() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    for (method, path) in changing_operations(&app).await {
        app.request(&method, &path.replace("{id}", "7")).as_nobody().await.problem(401);
        app.request(&method, &path.replace("{id}", "7")).bearer("not.a.token").await.problem(401);
    }
    let login = |body: Value| app.post("/auth/login").as_nobody().json(body);
    login(json!({ "username": "admin" })).await.problem(422);
    for _ in 0..30 {
        let status = login(json!({ "username": "ann", "password": "a guess" })).await.status;
        assert!(status == 401 || status == 429, "{status}");
    }
    // Rows with such a name would look like those of an API token or of the command line.
    for name in ["token:deploy", "Cli:root"] {
        login(json!({ "username": name, "password": "a guess" })).await.problem(401);
    }
    let all = app.control("select action, detail from elt.audit").await;
    assert_eq!(all.len(), 5, "only logins that were checked leave a row: {all:?}");
}

#[tokio::test]
async fn logins_are_in_it_and_passwords_are_not() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let login = json!({ "username": "admin", "password": "wrong-canary" });
    app.post("/auth/login").as_nobody().json(login).await.problem(401);
    let audit = app.get("/audit?action=login").await;
    assert!(!audit.text.contains("canary"));
    let rows = audit["data"].as_array().expect("rows");
    assert_eq!((&rows[1]["actor"], &rows[1]["outcome"]), (&json!("admin"), &json!("denied")));
    assert_eq!((&rows[0]["actor"], &rows[0]["outcome"]), (&json!("admin"), &json!("done")));
    assert_eq!(rows[0]["ip"], "127.0.0.1");
    assert!(rows[0]["request_id"].is_string());
}

#[tokio::test]
async fn the_audit_is_paged_and_filtered() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    for _ in 0..3 {
        app.post("/users").as_user().json(json!({})).await.problem(403);
    }
    let first = app.get("/audit?actor=user&outcome=denied&limit=2").await.ok();
    assert_eq!(first["data"].as_array().expect("rows").len(), 2);
    let cursor = first["next"].as_str().expect("more");
    let second = app.get("/audit?actor=user&outcome=denied&limit=2").query(&[("cursor", cursor)]).await.ok();
    assert_eq!(second["data"].as_array().expect("rows").len(), 1);
    assert!(second["next"].is_null());
}
