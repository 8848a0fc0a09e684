//! Who may do what: every operation the API describes, tried by everyone.

use serde_json::Value;

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
const FOR_USERS: [&str; 15] = [
    "POST /upload-config",
    "POST /configs/validate",
    "GET /configs/schema",
    "POST /data-view",
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

async fn operations(app: &TestApp) -> Vec<(String, String)> {
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
        }
    }
    let docs = app.get("/docs/").as_nobody().await;
    assert!(docs.text.contains("swagger"), "{}", docs.text);
    let policy = docs.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self';"), "{policy}");
    assert!(!docs.text.contains("<script>"), "nothing inline, which the policy forbids");
}
