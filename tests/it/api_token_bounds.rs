//! What an API token cannot do: send a YAML that is not stored, reach another pipeline than its own, or have references resolved.

use reqwest::multipart::Form;
use serde_json::{Value, json};

use crate::api_tokens::{app, text};
use crate::support::TestApp;

#[tokio::test]
async fn a_token_that_triggers_runs_only_what_is_stored() {
    let app = app().await;
    let (stored, new) = (app.yaml("orders", ""), app.yaml("orders", "# another version\n"));
    app.post("/upload-config").yaml(&stored).await.ok();
    let trigger = app.api_token("trigger", &["trigger"], json!({})).await;
    let both = app.api_token("both", &["trigger", "upload"], json!({})).await;
    let send = |path: &str, token: &Value, yaml: &str| app.post(path).bearer(text(&token["token"])).yaml(yaml);
    for path in ["/trigger-job", "/configs/plan", "/configs/test-connection"] {
        send(path, &trigger, &stored).await.ok();
        assert_eq!(send(path, &trigger, &new).await.problem(403)["code"], "missing_scope", "{path}");
        assert_eq!(app.control("select id from config_history").await.len(), 1, "{path} stored nothing");
    }
    let run = send("/trigger-job", &both, &new).await.ok();
    let run = app.get(&format!("/runs/{}", text(&run["run_id"]))).await.ok();
    assert_eq!(run["created_by"], "token:both");
}

#[tokio::test]
async fn a_bound_token_cannot_reach_another_table_with_a_yaml_of_its_own() {
    let app = TestApp::start().await;
    app.folder().write("a.csv", "id\n1\n");
    app.load(&app.yaml("orders", "name: orders\n")).await;
    app.load(&app.yaml("salaries", "name: salaries\n")).await;
    let token = app.api_token("bound", &["data", "upload", "trigger"], json!({ "pipelines": ["orders"] })).await;
    let send = |path: &str, yaml: &str| app.post(path).bearer(text(&token["token"])).yaml(yaml);
    send("/data-view", &app.yaml("orders", "name: orders\n")).await.ok();
    for yaml in [
        app.yaml("salaries", "name: orders\n"),
        app.yaml("salaries", "name: salaries\n"),
        "name: orders\ntarget: {table: salaries}\n".to_owned(),
        "target: {table: orders}\n".to_owned(),
    ] {
        assert_eq!(send("/data-view", &yaml).await.problem(403)["code"], "other_pipeline", "{yaml}");
    }
    for path in ["/trigger-job", "/configs/plan", "/configs/test-connection", "/upload-config"] {
        for name in ["salaries", "Orders", "orders2", "orders\\u0000"] {
            let status = send(path, &app.yaml("orders", &format!("name: \"{name}\"\n"))).await.status;
            assert!(status == 403 || status == 400, "{path} {name}: {status}");
        }
    }
}

#[tokio::test]
async fn a_bound_token_cannot_mix_its_pipeline_with_another() {
    let app = TestApp::start().await;
    app.folder().write("a.csv", "id\n1\n");
    let own = app.load(&app.yaml("orders", "name: orders\n")).await;
    let other = app.load(&app.yaml("salaries", "name: salaries\n")).await;
    let scopes = ["read", "data", "trigger", "upload"];
    let token = app.api_token("bound", &scopes, json!({ "pipelines": ["orders"] })).await;
    let bearer = text(&token["token"]);
    let (own_id, other_id) = (text(&own["id"]), text(&other["id"]));
    for body in [
        json!({ "run_id": own_id, "config_id": other["config_id"] }),
        json!({ "run_id": other_id, "config_id": own["config_id"] }),
    ] {
        let problem = app.post("/quarantine/replay").bearer(bearer).json(body).await.problem(403);
        assert_eq!(problem["code"], "other_pipeline");
    }
    for path in [
        format!("/configs/diff?from={}&to={}", own["config_id"], other["config_id"]),
        format!("/configs/diff?from={}&to={}", other["config_id"], own["config_id"]),
        format!("/quarantine?run_id={other_id}&config_id={}", own["config_id"]),
        format!("/runs/{other_id}/logs?run_id={own_id}"),
        format!("/logs/search?run_id={own_id}"),
        format!("/logs/follow?run_id={own_id}"),
    ] {
        let problem = app.get(&path).bearer(bearer).await.problem(403);
        assert_eq!(problem["code"], "other_pipeline", "{path}");
    }
    for path in ["/runs?name=salaries", "/schedules?name=salaries", "/configs?search=salaries", "/pipelines?search=sal"]
    {
        let page = app.get(path).bearer(bearer).await.ok();
        assert_eq!(page["data"], json!([]), "{path}");
    }
    let lines = app.get(&format!("/runs/{own_id}/logs?run_id={other_id}")).bearer(bearer).await.ok();
    let lines = lines["data"].as_array().expect("lines");
    assert!(lines.iter().all(|line| line["run_id"] == own["id"]), "{lines:?}");
}

#[tokio::test]
async fn a_yaml_that_a_token_sends_refers_to_nothing_of_the_server() {
    let app = TestApp::start_with(|options| {
        options.workers = 0;
        options.api.env_allow = vec!["CARGO_PKG_NAME".into()];
    })
    .await;
    let yaml = "target: {table: '${env:CARGO_PKG_NAME}'}\n";
    let detail = async |scopes: &[&str]| {
        let token = app.api_token(&scopes.join(" "), scopes, json!({})).await;
        let answer = app.post("/data-view").bearer(text(&token["token"])).yaml(yaml).await;
        text(&answer["detail"]).to_owned()
    };
    let resolved = app.post("/data-view").yaml(yaml).await;
    assert!(text(&resolved["detail"]).contains("elt-tests"), "{}", resolved.text);
    let kept = detail(&["data"]).await;
    assert!(!kept.contains("elt-tests"), "{kept}");
    let resolved = detail(&["data", "admin"]).await;
    assert!(resolved.contains("elt-tests"), "{resolved}");

    // The same holds for a YAML that a token has stored before.
    let uploader = app.api_token("uploader", &["upload", "data"], json!({})).await;
    let uploader = text(&uploader["token"]);
    let id = app.post("/upload-config").bearer(uploader).yaml(yaml).await.ok()["id"].to_string();
    let kept = app.post("/data-view").bearer(uploader).form(Form::new().text("config_id", id.clone())).await;
    assert!(!kept.text.contains("elt-tests"), "{}", kept.text);
    let resolved = app.post("/data-view").form(Form::new().text("config_id", id.clone())).await;
    assert!(resolved.text.contains("elt-tests"), "{}", resolved.text);
}
