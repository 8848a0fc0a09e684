//! Who may do what: every operation the API describes, tried by everyone.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::app::Login;

/// Operations everyone may use.
const FOR_ALL: [&str; 9] = [
    "GET /",
    "GET /livez",
    "GET /readyz",
    "GET /metrics",
    "POST /auth/login",
    "GET /auth/methods",
    "GET /auth/oidc/start",
    "GET /auth/oidc/callback",
    "POST /auth/oidc/token",
];

/// Paths that answer a login that fails with 401.
const LOGINS: [&str; 2] = ["/auth/login", "/auth/oidc/token"];

/// Operations every user may use.
const FOR_USERS: [&str; 31] = [
    "GET /shared-tables",
    "GET /shared-tables/{name}/tables",
    "GET /shared-tables/{name}/rows",
    "GET /shared-tables/{name}/export",
    "GET /shared-tables/{name}/profile",
    "GET /shared-tables/{name}/filters",
    "PUT /shared-tables/{name}/filters/{filter}",
    "DELETE /shared-tables/{name}/filters/{filter}",
    "GET /inboxes",
    "GET /pipelines/{name}/files",
    "GET /pipelines/{name}/files/{file}",
    "PUT /pipelines/{name}/files/{file}",
    "GET /tokens",
    "POST /tokens",
    "DELETE /tokens/{id}",
    "POST /upload-config",
    "POST /configs/validate",
    "GET /configs/schema",
    "POST /data-view",
    "POST /downloads",
    "GET /coverage-report",
    "GET /auth/me",
    "POST /auth/logout",
    "POST /auth/password",
    "GET /auth/sessions",
    "DELETE /auth/sessions",
    "DELETE /auth/sessions/{id}",
    "POST /auth/second-factor",
    "POST /auth/second-factor/confirm",
    "POST /auth/second-factor/remove",
    "GET /quarantine/{id}/none",
];

/// Method and path of every operation that the API describes.
pub async fn operations(app: &TestApp) -> Vec<(String, String)> {
    let openapi = app.get("/openapi.json").as_nobody().await.ok();
    let paths = openapi["paths"].as_object().expect("paths").clone();
    let of = |path: String, item: Value| {
        let methods: Vec<String> = item.as_object().expect("operations").keys().cloned().collect();
        methods.into_iter().map(move |method| (method.to_uppercase(), path.clone()))
    };
    paths.into_iter().flat_map(|(path, item)| of(path, item)).collect()
}

/// A path with an id that fits, but is nobody's.
fn concrete(path: &str) -> String {
    let path = &path.replace("{name}", "elsewhere");
    match path.starts_with("/config") {
        true => path.replace("{id}", "999999"),
        false => path.replace("{id}", "01890000-0000-7000-8000-000000000000"),
    }
}

#[tokio::test]
async fn every_operation_is_closed_to_those_it_is_not_for() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let operations = operations(&app).await;
    assert!(operations.len() >= 40, "{} operations", operations.len());
    for (method, path) in operations {
        let operation = format!("{method} {path}");
        let url = concrete(&path);
        let send = |login| app.request(&method, &url).by(login);
        let nobody = send(None).open().await.status().as_u16();
        if FOR_ALL.contains(&operation.as_str()) {
            assert!(nobody != 401 && nobody != 403, "{operation} is for all: {nobody}");
            continue;
        }
        assert_eq!(nobody, 401, "{operation} without a token");
        if operation == "POST /auth/logout" {
            continue;
        }
        let user = send(Some(Login::User)).open().await.status().as_u16();
        match FOR_USERS.contains(&operation.as_str()) {
            true => assert!(user != 401 && user != 403, "{operation} is for users: {user}"),
            false => assert_eq!(user, 403, "{operation} is not for users"),
        }
        let admin = send(Some(Login::Admin)).open().await.status().as_u16();
        assert!(admin != 401 && admin != 403 && admin < 500, "{operation} is for admins: {admin}");
    }
}

/// Operations that an API token which is bound to pipelines may use. They check the pipeline of what they touch.
const ON_PIPELINES: [&str; 62] = [
    "DELETE /pipelines/{name}/files/{file}",
    "DELETE /pipelines/{name}/state",
    "DELETE /shared-tables/{name}/filters/{filter}",
    "GET /backfills",
    "GET /backfills/{id}",
    "GET /backfills/{id}/windows",
    "GET /configs",
    "GET /configs/diff",
    "GET /configs/schema",
    "GET /configs/{id}",
    "GET /data-view",
    "GET /inboxes",
    "GET /pipelines",
    "GET /pipelines/{name}",
    "GET /pipelines/{name}/files",
    "GET /pipelines/{name}/files/{file}",
    "GET /pipelines/{name}/profile",
    "GET /pipelines/{name}/state",
    "GET /quarantine",
    "GET /quarantine/export",
    "GET /runs",
    "GET /runs/{id}",
    "GET /runs/{id}/attempts",
    "GET /runs/{id}/csv",
    "GET /runs/{id}/events",
    "GET /runs/{id}/logs",
    "GET /runs/{id}/profile",
    "GET /schedules",
    "GET /schedules/{id}",
    "GET /shared-tables",
    "GET /shared-tables/{name}/export",
    "GET /shared-tables/{name}/filters",
    "GET /shared-tables/{name}/profile",
    "GET /shared-tables/{name}/rows",
    "GET /shared-tables/{name}/tables",
    "POST /backfills",
    "POST /backfills/plan",
    "POST /backfills/{id}/cancel",
    "POST /backfills/{id}/resume",
    "POST /configs/plan",
    "POST /configs/preview",
    "POST /configs/test-connection",
    "POST /configs/validate",
    "POST /data-view",
    "POST /pipelines/{name}/pause",
    "POST /pipelines/{name}/resume",
    "POST /quarantine/replay",
    "POST /runs",
    "POST /runs/retry",
    "POST /runs/{id}/retry",
    "POST /runs/{id}/stop",
    "POST /runs/{id}/undo",
    "POST /runs/{id}/verify",
    "POST /schedules",
    "POST /schedules/{id}/pause",
    "POST /schedules/{id}/resume",
    "POST /schedules/{id}/stop",
    "POST /trigger-job",
    "POST /upload-config",
    "PUT /pipelines/{name}/files/{file}",
    "PUT /pipelines/{name}/state",
    "PUT /shared-tables/{name}/filters/{filter}",
];

/// The scopes of API tokens.
pub const SCOPES: [&str; 5] = ["trigger", "read", "upload", "data", "admin"];

/// The scope that each operation states, by operation; `None`: API tokens may not use it.
async fn stated_scopes(app: &TestApp) -> BTreeMap<String, Option<String>> {
    let openapi = app.get("/openapi.json").as_nobody().await.ok();
    let mut stated = BTreeMap::new();
    for (path, item) in openapi["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let name = format!("{} {path}", method.to_uppercase());
            let Some(ways) = operation["security"].as_array() else { continue };
            let scopes: Vec<&Value> = ways.iter().filter_map(|way| way.get("api_token")).collect();
            let scope = scopes.first().map(|scopes| scopes[0].as_str().expect("a scope").to_owned());
            assert!(scopes.len() <= 1 && scope.as_deref().is_none_or(|scope| SCOPES.contains(&scope)), "{name}");
            stated.insert(name, scope);
        }
    }
    stated
}

#[tokio::test]
async fn an_api_token_may_use_exactly_the_operations_that_state_its_scope() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let mut single = Vec::new();
    for scope in SCOPES {
        single.push((scope, app.api_token(scope, &[scope], json!({})).await));
    }
    let bound = app.api_token("bound", &SCOPES, json!({ "pipelines": ["elsewhere"] })).await;
    let expired = app.api_token("expired", &SCOPES, json!({})).await;
    app.execute("update api_tokens set expires_at = now() where name = 'expired'").await;
    let revoked = app.api_token("revoked", &SCOPES, json!({})).await;
    app.delete(&format!("/tokens/{}", revoked["id"].as_str().expect("an id"))).await.ok();

    for (operation, stated) in stated_scopes(&app).await {
        let (method, path) = operation.split_once(' ').expect("a method");
        let url = concrete(path);
        let status = async |token: &Value| {
            let token = token["token"].as_str().expect("a token");
            app.request(method, &url).bearer(token).open().await.status().as_u16()
        };
        for (scope, token) in &single {
            let answer = status(token).await;
            match stated.as_deref() == Some(scope) {
                true => assert!(answer != 401 && answer != 403 && answer < 500, "{operation} with {scope}: {answer}"),
                false => assert_eq!(answer, 403, "{operation} with {scope} instead of {stated:?}"),
            }
        }
        let answer = status(&bound).await;
        match ON_PIPELINES.contains(&operation.as_str()) {
            true => assert!(answer != 401 && answer != 403, "{operation} when bound: {answer}"),
            false => assert_eq!(answer, 403, "{operation} when bound"),
        }
        for token in [&expired, &revoked] {
            assert_eq!(status(token).await, 401, "{operation} with a token that has ended");
        }
    }
}

/// Id of a backfill of the pipeline `orders`.
pub const BACKFILL: &str = "0198a1f0-0000-7000-8000-000000000001";

/// A backfill of the pipeline `orders` that has failed.
pub async fn insert_backfill(app: &TestApp, config: i64) {
    app.execute(&format!(
        "insert into backfills (id, config_id, name, target_table, from_at, to_at, window_size, parallel, max_attempts, queue,
                                state, created_by, finished_at)
         values ('{BACKFILL}', {config}, 'orders', 'public.orders', '2026-01-01', '2026-02-01', '1mo', 1, 3, 'elt', 'failed',
                 'admin', now())"
    ))
    .await;
}

/// One request for each operation that touches a pipeline, with objects of the pipeline `orders`.
fn requests_about_orders(run: &str, config: i64, schedule: &str, yaml: &str) -> Vec<(String, Value)> {
    let get = |path: String| (format!("GET {path}"), Value::Null);
    let post = |path: String, body: Value| (format!("POST {path}"), body);
    let range = json!({ "config_id": config, "from": "2026-01-01", "to": "2026-03-01", "window": "1mo" });
    vec![
        get(format!("/runs/{run}")),
        get(format!("/runs/{run}/attempts")),
        get(format!("/runs/{run}/csv")),
        get(format!("/runs/{run}/events")),
        get(format!("/runs/{run}/logs")),
        get(format!("/runs/{run}/profile")),
        get(format!("/schedules/{schedule}")),
        get(format!("/configs/{config}")),
        get(format!("/configs/diff?from={config}&to={config}")),
        get("/pipelines/orders".into()),
        get("/pipelines/orders/files".into()),
        get("/pipelines/orders/files/a.csv".into()),
        ("PUT /pipelines/orders/files/a.csv".into(), json!({ "id": 1 })),
        ("DELETE /pipelines/orders/files/a.csv".into(), Value::Null),
        get("/pipelines/orders/profile".into()),
        get("/pipelines/orders/state".into()),
        ("PUT /pipelines/orders/state".into(), json!({ "value": "2026-01-01" })),
        ("DELETE /pipelines/orders/state".into(), Value::Null),
        get("/shared-tables/orders/tables".into()),
        get("/shared-tables/orders/rows".into()),
        get("/shared-tables/orders/export".into()),
        get("/shared-tables/orders/profile".into()),
        get("/shared-tables/orders/filters".into()),
        ("PUT /shared-tables/orders/filters/new".into(), json!({ "filter": [] })),
        ("DELETE /shared-tables/orders/filters/new".into(), Value::Null),
        get(format!("/backfills/{BACKFILL}")),
        get(format!("/backfills/{BACKFILL}/windows")),
        post("/backfills".into(), range.clone()),
        post("/backfills/plan".into(), range),
        post(format!("/backfills/{BACKFILL}/cancel"), Value::Null),
        post(format!("/backfills/{BACKFILL}/resume"), Value::Null),
        get(format!("/quarantine?run_id={run}")),
        get(format!("/quarantine?config_id={config}")),
        get(format!("/quarantine/export?run_id={run}")),
        get(format!("/data-view?config_id={config}")),
        post(format!("/data-view?config_id={config}"), Value::Null),
        post("/data-view".into(), json!(yaml)),
        post("/upload-config".into(), json!(yaml)),
        post("/trigger-job".into(), json!(yaml)),
        post("/configs/plan".into(), json!(yaml)),
        post("/configs/test-connection".into(), json!(yaml)),
        post("/configs/preview".into(), json!(yaml)),
        post("/runs".into(), json!({ "config_id": config })),
        post(format!("/runs/{run}/stop"), Value::Null),
        post(format!("/runs/{run}/retry"), Value::Null),
        post("/quarantine/replay".into(), json!({ "run_id": run })),
        post("/quarantine/replay".into(), json!({ "run_id": run, "config_id": config })),
        post(format!("/runs/{run}/undo"), Value::Null),
        post(format!("/runs/{run}/verify"), Value::Null),
        post(format!("/schedules/{schedule}/pause"), Value::Null),
        post(format!("/schedules/{schedule}/resume"), Value::Null),
        post(format!("/schedules/{schedule}/stop"), Value::Null),
        post("/pipelines/orders/pause".into(), Value::Null),
        post("/pipelines/orders/resume".into(), Value::Null),
        post("/schedules".into(), json!({ "config_id": config, "cron": "0 0 1 1 *" })),
    ]
}

#[tokio::test]
async fn a_bound_token_touches_only_objects_of_its_pipelines() {
    let app = TestApp::start().await;
    app.folder().write("a.csv", "id\n1\n");
    let yaml = app.yaml("orders", "name: orders\n");
    let run = app.load(&yaml).await;
    app.load(&app.yaml("people", "name: people\n")).await;
    let config = run["config_id"].as_i64().expect("an id");
    let schedule = app.post("/schedules").json(json!({ "config_id": config, "cron": "0 0 1 1 *" })).await.ok();
    insert_backfill(&app, config).await;
    let token = async |name: &str| app.api_token(name, &SCOPES, json!({ "pipelines": [name] })).await["token"].clone();
    let (own, other) = (token("orders").await, token("elsewhere").await);
    let send = |request: &str, body: &Value, token: &Value| {
        let (method, path) = request.split_once(' ').expect("a method");
        let request = app.request(method, path).bearer(token.as_str().expect("a token"));
        match body {
            Value::Null => request,
            Value::String(yaml) => request.yaml(yaml),
            body => request.json(body.clone()),
        }
    };
    let (run, schedule) = (run["id"].as_str().expect("an id"), schedule["id"].as_str().expect("an id"));
    let requests = requests_about_orders(run, config, schedule, &yaml);
    for (request, body) in &requests {
        let problem = send(request, body, &other).await.problem(403);
        assert_eq!(problem["code"], "other_pipeline", "{request}");
    }
    for (request, body) in &requests {
        let status = send(request, body, &own).open().await.status().as_u16();
        assert!(status != 401 && status != 403 && status < 500, "{request}: {status}");
    }
    for list in [
        "/runs",
        "/schedules",
        "/configs",
        "/configs?search=p",
        "/configs?name=orders",
        "/pipelines",
        "/pipelines?search=p",
    ] {
        let names = async |token: &Value| {
            let page = send(&format!("GET {list}"), &Value::Null, token).await.ok();
            let names = page["data"].as_array().expect("a list").iter().map(|entry| entry["name"].clone());
            names.collect::<Vec<_>>()
        };
        assert!(names(&other).await.is_empty(), "{list}");
        let own = names(&own).await;
        assert!(own.iter().all(|name| name == "orders"), "{list}: {own:?}");
        assert!(list.contains('?') || !own.is_empty(), "{list}");
    }
    let counts = send("GET /runs", &Value::Null, &other).await.ok()["counts"].clone();
    assert!(counts.as_object().expect("counts").values().all(|count| count == 0), "{counts}");
}

#[tokio::test]
async fn every_operation_says_what_it_answers() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let openapi = app.get("/openapi.json").as_nobody().await.ok();
    assert!(openapi["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    for (path, item) in openapi["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            assert!(operation["summary"].is_string(), "{method} {path} has no summary");
            let responses = operation["responses"].as_object().expect("responses");
            assert!(responses.contains_key("default"), "{method} {path} may fail otherwise");
            for (status, response) in responses.iter().filter(|(status, _)| !status.starts_with(['2', '3'])) {
                let types: Vec<&String> = response["content"].as_object().expect("a body").keys().collect();
                assert_eq!(types, ["application/problem+json"], "{method} {path} {status}");
            }
            let protected = operation.get("security").is_some();
            assert_eq!(
                protected,
                responses.contains_key("401") && !LOGINS.contains(&path.as_str()),
                "{method} {path}: 401"
            );
            let refuses_unknown_parameters = method == "get" && protected;
            assert!(!refuses_unknown_parameters || responses.contains_key("400"), "{method} {path}: 400");
        }
    }
    let docs = app.get("/docs/").as_nobody().await;
    assert!(docs.text.contains("swagger"), "{}", docs.text);
    let policy = docs.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self';"), "{policy}");
    assert!(!docs.text.contains("<script>"), "nothing inline, which the policy forbids");
}
