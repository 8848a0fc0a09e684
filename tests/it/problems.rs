//! Every error is a problem document, whoever noticed it.

use insta::assert_json_snapshot;
use serde_json::json;

use crate::support::TestApp;

async fn app() -> TestApp {
    TestApp::start_with(|options| options.workers = 0).await
}

#[tokio::test]
async fn an_address_that_is_none() {
    let app = app().await;
    assert_json_snapshot!(app.get("/no/such/thing").await.problem(404), @r#"
    {
      "code": "not_found",
      "detail": "there is nothing at this address",
      "error": "there is nothing at this address",
      "instance": "/no/such/thing",
      "next_step": "Check the address; /docs lists what there is.",
      "status": 404,
      "title": "Not Found",
      "type": "about:blank"
    }
    "#);
}

#[tokio::test]
async fn a_method_that_is_none() {
    let app = app().await;
    let answer = app.delete("/logs").await;
    assert_eq!(answer.header("allow"), "GET,HEAD");
    assert_json_snapshot!(answer.problem(405), @r#"
    {
      "code": "method_not_allowed",
      "detail": "this address does not take that method",
      "error": "this address does not take that method",
      "instance": "/logs",
      "next_step": "Use one of the methods in the `Allow` header.",
      "status": 405,
      "title": "Method Not Allowed",
      "type": "about:blank"
    }
    "#);
}

#[tokio::test]
async fn a_body_that_is_no_json() {
    let app = app().await;
    let answer = app.post("/users").body("application/json", "{").await;
    assert_json_snapshot!(answer.problem(400), @r#"
    {
      "code": "invalid_json",
      "detail": "the body is not valid JSON: EOF while parsing an object at line 1 column 1",
      "error": "the body is not valid JSON: EOF while parsing an object at line 1 column 1",
      "instance": "/users",
      "next_step": "The API documentation at /docs says what this address takes.",
      "status": 400,
      "title": "Bad Request",
      "type": "about:blank"
    }
    "#);
    let answer = app.post("/users").body("text/csv", "a,b").await;
    assert_eq!(answer.problem(415)["code"], "invalid_json");
}

#[tokio::test]
async fn a_member_nobody_asked_for() {
    let app = app().await;
    let user = json!({ "username": "x", "password": "12345678", "role": "user", "password_hash": "x" });
    assert_json_snapshot!(app.post("/users").json(user).await.problem(422), @r#"
    {
      "code": "invalid_json",
      "detail": "the JSON is not what is expected here: password_hash: unknown field `password_hash`, expected one of `username`, `password`, `role` at line 1 column 38",
      "error": "the JSON is not what is expected here: password_hash: unknown field `password_hash`, expected one of `username`, `password`, `role` at line 1 column 38",
      "instance": "/users",
      "next_step": "The API documentation at /docs says what this address takes.",
      "status": 422,
      "title": "Unprocessable Entity",
      "type": "about:blank"
    }
    "#);
}

#[tokio::test]
async fn an_id_and_a_cursor_that_are_none() {
    let app = app().await;
    assert_json_snapshot!(app.get("/runs/seven").await.problem(400), @r#"
    {
      "code": "invalid_path",
      "detail": "`seven` in the address is not valid: expected an id, such as 01a21567-d506-7b2c-9a31-0c5c2f1f0b77",
      "error": "`seven` in the address is not valid: expected an id, such as 01a21567-d506-7b2c-9a31-0c5c2f1f0b77",
      "instance": "/runs/seven",
      "next_step": "The API documentation at /docs says what this address takes.",
      "status": 400,
      "title": "Bad Request",
      "type": "about:blank"
    }
    "#);
    assert_json_snapshot!(app.get("/audit?cursor=seven").await.problem(400), @r#"
    {
      "code": "invalid_cursor",
      "detail": "the cursor is not one this list gave out",
      "error": "the cursor is not one this list gave out",
      "instance": "/audit",
      "next_step": "Start again from the first page.",
      "status": 400,
      "title": "Bad Request",
      "type": "about:blank"
    }
    "#);
    assert_json_snapshot!(app.get("/logs/search?limit=many").await.problem(400), @r#"
    {
      "code": "invalid_query",
      "detail": "the query is not understood: limit: expected a whole number",
      "error": "the query is not understood: limit: expected a whole number",
      "instance": "/logs/search",
      "next_step": "The API documentation at /docs says what this address takes.",
      "status": 400,
      "title": "Bad Request",
      "type": "about:blank"
    }
    "#);
}

#[tokio::test]
async fn something_that_is_not_there() {
    let app = app().await;
    assert_json_snapshot!(app.get("/runs/01890000-0000-7000-8000-000000000000").await.problem(404), @r#"
    {
      "code": "not_found",
      "detail": "there is no run 01890000-0000-7000-8000-000000000000",
      "error": "there is no run 01890000-0000-7000-8000-000000000000",
      "instance": "/runs/01890000-0000-7000-8000-000000000000",
      "next_step": "Check the address; /docs lists what there is.",
      "status": 404,
      "title": "Not Found",
      "type": "about:blank"
    }
    "#);
}

#[tokio::test]
async fn a_request_keeps_its_name() {
    let app = app().await;
    let answer = app.get("/no/such/thing").header("x-request-id", "my-request-7").await;
    assert_eq!(answer.header("x-request-id"), "my-request-7");
    assert_eq!(answer["request_id"], "my-request-7");
    assert_ne!(app.get("/livez").await.header("x-request-id"), "");
}

#[tokio::test]
async fn answers_are_sent_to_pages_of_the_origins_that_were_set_only() {
    let app = TestApp::start_with(|options| {
        options.workers = 0;
        options.api.cors_origins = vec!["https://elt.example.com".into()];
    })
    .await;
    let from = |origin| app.get("/livez").header("origin", origin);
    assert_eq!(from("https://elt.example.com").await.header("access-control-allow-origin"), "https://elt.example.com");
    let other = from("https://evil.example.com").await;
    assert_eq!(other.header("access-control-allow-origin"), "");
    assert_eq!(other.header("access-control-allow-credentials"), "");
    let preflight = app
        .request("OPTIONS", "/upload-config")
        .as_nobody()
        .header("origin", "https://elt.example.com")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type")
        .await;
    assert_eq!(preflight.status, 200);
    assert!(preflight.header("access-control-allow-headers").contains("authorization"));
}

#[tokio::test]
async fn no_answer_is_kept_or_guessed_at_by_a_browser() {
    let app = app().await;
    let answer = app.get("/livez").await;
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    assert_eq!(answer.header("x-frame-options"), "DENY");
}

#[tokio::test]
async fn a_nul_character_anywhere_is_a_client_error() {
    let app = app().await;
    let openapi = app.get("/openapi.json").as_nobody().await.ok();
    let mut places = 0;
    for (path, item) in openapi["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let send = |path: &str| app.request(&method.to_uppercase(), path);
            let concrete = path.replace("{id}", "01890000-0000-7000-8000-000000000000");
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            for parameter in parameters {
                let name = parameter["name"].as_str().expect("a name");
                let at = match parameter["in"].as_str() {
                    Some("query") => format!("{concrete}?{name}=a%00b"),
                    Some("path") => path.replace(&format!("{{{name}}}"), "a%00b"),
                    _ => continue,
                };
                let answer = send(&at).await;
                assert_eq!(answer.status, 400, "{method} {at}: {}", answer.text);
                places += 1;
            }
            if operation["requestBody"]["content"].get("application/json").is_some() {
                let answer = send(&concrete).body("application/json", r#"{"a":"\\\u0000"}"#).await;
                assert_eq!(answer.problem(400)["code"], "nul_character", "{method} {path}");
                places += 1;
            }
        }
    }
    assert!(places > 40, "{places} places");
    let form = reqwest::multipart::Form::new().text("config_id", "1\0");
    assert_eq!(app.post("/data-view").form(form).await.problem(400)["code"], "nul_character");
    // The cursor of `GET /users` is a name.
    let cursor: String = br#""a\u0000""#.iter().map(|byte| format!("{byte:02x}")).collect();
    let answer = app.get("/users").query(&[("cursor", &cursor)]).await;
    assert_eq!(answer.problem(400)["code"], "invalid_cursor");
}

#[tokio::test]
async fn a_date_out_of_range_is_a_client_error() {
    let app = app().await;
    let id = app.post("/upload-config").yaml(&app.yaml("t", "")).await.ok()["id"].clone();
    for year in ["-262143", "-99999", "+262142"] {
        let at = format!("{year}-01-01T00:00:00Z");
        for path in ["/logs/search", "/logs/export", "/logs/follow"] {
            for name in ["since", "until"] {
                let status = app.get(path).query(&[(name, &at)]).open().await.status().as_u16();
                assert!(status < 500, "{path}?{name}={at}: {status}");
            }
        }
        let schedule = json!({ "config_id": id, "start_at": at });
        let status = app.post("/schedules").json(schedule).await.status;
        assert!(status.as_u16() < 500, "{at}: {status}");
    }
    let far = app.get("/logs/search").query(&[("since", "-262143-01-01T00:00:00Z")]).await;
    assert_eq!(far.problem(422)["code"], "unstorable_value");
}

/// A cursor for a key of this JSON, as a client might forge one.
fn cursor(key: &str) -> String {
    key.bytes().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_number_time_or_text_at_its_limits_is_not_a_server_error() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let (least, most) = (i64::MIN, i64::MAX);
    let mut paths = vec![
        "/logs/search?since=%2B262142-12-31T23:59:59Z".to_owned(),
        "/logs/search?until=-262143-01-01T00:00:00Z".to_owned(),
        "/logs/search?text=%00".to_owned(),
        "/logs/search?process=%00".to_owned(),
        "/audit?actor=%00".to_owned(),
        format!("/users?cursor={}", cursor("\"\\u0000\"")),
    ];
    for number in [least, -1, 0, most - 1, most] {
        paths.push(format!("/config/{number}"));
        paths.push(format!("/configs/{number}"));
        paths.push(format!("/configs/diff?from={number}&to={number}"));
        for list in ["/runs", "/configs", "/config-history", "/logs/search", "/audit", "/schedules", "/users"] {
            paths.push(format!("{list}?limit={number}"));
            paths.push(format!("{list}?cursor={}", cursor(&number.to_string())));
        }
        paths.push(format!("/runs?config_id={number}"));
        paths.push(format!("/schedules?config_id={number}"));
        paths.push(format!("/quarantine?config_id={number}"));
    }
    for version in [i32::MIN, i32::MAX] {
        paths.push(format!("/configs?cursor={}", cursor(&version.to_string())));
        paths.push(format!("/config-history?cursor={}", cursor(&version.to_string())));
    }
    for path in paths {
        let answer = app.get(&path).await;
        assert!(answer.status.as_u16() < 500, "{path}: {} {}", answer.status, answer.text);
    }
}
