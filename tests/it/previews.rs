//! A preview: the first rows of the sources of a config, or of a URL with a config that is proposed for it.

use axum::http::StatusCode;
use axum::http::header::WWW_AUTHENTICATE;
use axum::response::IntoResponse;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::http_source::HttpSource;
use crate::support::paging_styles::{PAGE, hubspot};

#[tokio::test]
async fn the_api_shows_a_url_and_proposes_its_config() {
    let (api, app) = (HttpSource::start().await, TestApp::start().await);
    api.script(|hit, _| match hit.header("authorization") {
        Some("Bearer canary-token") => hubspot(hit),
        _ => (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer")]).into_response(),
    });
    let url = api.url("/script/v3/contacts?key=canary-key");
    let ask = async |body: Value| {
        let started = app.post("/configs/preview").json(body).await;
        assert_eq!((started.status, &started["kind"]), (StatusCode::ACCEPTED, &json!("test_connection")));
        app.finished(&started.ok()["id"]).await
    };
    let refused = ask(json!({ "url": url })).await;
    let preview = &refused["report"]["previews"][0];
    assert_eq!(
        (&refused["outcome"], &preview["problem"]["code"]),
        (&json!("nothing_loaded"), &json!("source_login")),
        "{refused:#}"
    );

    let run = ask(json!({ "url": url, "token": "canary-token" })).await;
    let preview = &run["report"]["previews"][0];
    assert_eq!((&run["state"], &run["outcome"]), (&json!("succeeded"), &json!("clean")), "{run:#}");
    assert_eq!(
        (&preview["what"], &preview["requests"], &preview["rows_total"]),
        (&json!("source 1 (api)"), &json!(2), &json!(PAGE))
    );
    assert_eq!(preview["rows"][0], json!(["1", "row 1", "2026-01-01T00:00:01Z"]), "{preview:#}");
    assert_eq!(
        preview["columns"][2],
        json!({"name": "updated_at", "type": "timestamptz", "because": ""}),
        "{preview:#}"
    );
    let yaml = preview["yaml"].as_str().expect("a config");
    for line in ["name: contacts", "auth_token: \"${secret:api_token}\"", "cursor_path: paging.next.after"] {
        assert!(yaml.contains(line), "{line}: {yaml}");
    }
    assert!(!run.to_string().contains("canary"), "{run:#}");
    for path in ["/logs", "/configs", "/config-history", "/audit"] {
        let shown = app.get(path).await.ok().to_string();
        assert!(!shown.contains("canary"), "{path}: {shown}");
    }
}

#[tokio::test]
async fn the_api_shows_what_a_run_of_a_config_would_read_first() {
    let (api, app) = (HttpSource::start().await, TestApp::start().await);
    api.script(|hit, _| hubspot(hit));
    app.folder().write("in/a.csv", "id,code\n1,007\n2,\n");
    let yaml = format!(
        "name: shown\nsources:\n- {{type: local, path: {}/in, settle_seconds: 0}}\n\
         - {{type: api, url: \"{}\", records: results}}\n- {{type: local, path: {0}/missing}}\ntarget: {{table: shown}}\n",
        app.folder().path().display(),
        api.url("/script/contacts"),
    );
    let started = app.post("/configs/preview").yaml(&yaml).await.ok();
    let run = app.finished(&started["id"]).await;
    let [files, answer, missing] = &run["report"]["previews"].as_array().expect("previews")[..] else {
        panic!("{run:#}")
    };
    assert_eq!((&files["rows"], &files["rows_total"]), (&json!([["1", "007"], ["2", null]]), &json!(2)), "{files:#}");
    assert_eq!(files["columns"][1]["type"], "text", "{files:#}");
    let keys: Vec<&Value> =
        answer["choices"].as_array().expect("choices").iter().map(|choice| &choice["key"]).collect();
    assert_eq!(keys, ["pagination", "incremental", "load"], "the config has records already: {answer:#}");
    assert_eq!((answer["rows"].as_array().map(Vec::len), answer.get("yaml")), (Some(10), None), "{answer:#}");
    assert_eq!(missing["problem"]["code"], "source_missing", "{missing:#}");
    assert_eq!(run["outcome"], "with_warnings", "{run:#}");
    assert_eq!(app.rows("select to_regclass('shown') is null as nothing").await, [json!({"nothing": true})]);
}

#[tokio::test]
async fn a_preview_shows_a_hundred_rows_and_fewer_of_a_wide_file() {
    let app = TestApp::start().await;
    let narrow: String = (1..=150).map(|id| format!("{id},row {id}\n")).collect();
    app.folder().write("narrow/a.csv", format!("id,name\n{narrow}"));
    let header = (1..=200).map(|column| format!("c{column}")).collect::<Vec<_>>().join(",");
    let wide: String = (1..=150).map(|_| format!("{}\n", ["7"; 200].join(","))).collect();
    app.folder().write("wide/a.csv", format!("{header}\n{wide}"));
    let yaml = format!(
        "name: shown\nsources:\n- {{type: local, path: {0}/narrow, settle_seconds: 0}}\n\
         - {{type: local, path: {0}/wide, settle_seconds: 0}}\ntarget: {{table: shown}}\n",
        app.folder().path().display(),
    );
    let started = app.post("/configs/preview").yaml(&yaml).await.ok();
    let run = app.finished(&started["id"]).await;
    let shown = |source: usize| &run["report"]["previews"][source];
    let rows = |source: usize| shown(source)["rows"].as_array().map(Vec::len);
    assert_eq!((rows(0), &shown(0)["rows_total"]), (Some(100), &json!(150)), "{run:#}");
    assert_eq!(shown(0)["rows"][99], json!(["100", "row 100"]));
    assert_eq!((rows(1), &shown(1)["rows_total"]), (Some(50), &json!(150)));
}

#[tokio::test]
async fn a_user_has_few_previews_under_way_and_an_analyst_none() {
    // Without a worker they stay queued.
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let ask = async || app.post("/configs/preview").json(json!({"url": "http://127.0.0.1:9/orders"})).await;
    for _ in 0..3 {
        assert_eq!(ask().await.status, StatusCode::ACCEPTED);
    }
    ask().await.problem(429);
    app.post("/configs/preview").json(json!({"url": "http://127.0.0.1:9/"})).as_user().await.problem(403);
    app.post("/configs/preview").json(json!({"url": "ftp://127.0.0.1/"})).await.problem(400);
    app.post("/configs/preview").json(json!({"address": "http://127.0.0.1:9/"})).await.problem(422);
}

#[tokio::test]
async fn previews_that_a_user_asks_for_at_the_same_moment_are_counted_together() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    let ask = async || app.post("/configs/preview").json(json!({"url": "http://127.0.0.1:9/orders"})).await.status;
    let statuses = join_all((0..8).map(|_| ask())).await;
    let accepted = statuses.iter().filter(|status| **status == StatusCode::ACCEPTED).count();
    assert_eq!(accepted, 3, "{statuses:?}");
    let refused = statuses.iter().filter(|status| **status == StatusCode::TOO_MANY_REQUESTS).count();
    assert_eq!(refused, 5, "{statuses:?}");
}
