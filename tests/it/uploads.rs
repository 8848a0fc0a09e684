//! Uploading configs: versions, the same YAML again, and what is no YAML.

use std::collections::BTreeSet;
use std::sync::Arc;

use elt_shared::secret::KeyRing;
use elt_shared::store::configs::{ConfigAuthor, Purpose};
use elt_shared::store::uploads::Upload;
use insta::assert_json_snapshot;
use reqwest::multipart::Form;
use serde_json::{Value, json};

use crate::support::TestApp;

const PEOPLE: &str = "sources:\n  - type: local\n    path: ./people\ntarget:\n  table: people\n";

async fn app() -> TestApp {
    TestApp::start_with(|options| options.workers = 0).await
}

async fn history(app: &TestApp) -> Vec<Value> {
    app.get("/config-history").await.ok()["configs"].as_array().expect("configs").clone()
}

#[tokio::test]
async fn an_upload_becomes_the_next_version() {
    let app = app().await;
    let first = app.post("/upload-config").as_user().yaml(PEOPLE).await.ok();
    assert_json_snapshot!(first, @r#"
    {
      "created": true,
      "id": 1,
      "message": "YAML uploaded successfully",
      "problems": [],
      "runnable": true,
      "version": 1,
      "warnings": []
    }
    "#);
    let second = app.post("/upload-config").yaml(&PEOPLE.replace("people", "pets")).await.ok();
    assert_eq!(second["version"], 2);

    let kept = app.control(
        "select id, version, \"timestamp\", yaml_masked, yaml_content, created_by from elt.config_history order by id",
    );
    let kept = kept.await;
    assert_eq!(kept.len(), 2);
    assert_eq!(kept[0]["yaml_masked"], PEOPLE);
    assert_eq!(kept[0]["yaml_content"], Value::Null);
    assert_eq!((&kept[0]["created_by"], &kept[1]["created_by"]), (&json!("user"), &json!("admin")));
}

#[tokio::test]
async fn the_same_yaml_again_is_the_version_it_was() {
    let app = app().await;
    let first = app.post("/upload-config").yaml(PEOPLE).await.ok();
    for same in
        [PEOPLE.to_owned(), format!("\n{PEOPLE}\n\n"), PEOPLE.replace('\n', "\r\n"), format!("\u{feff}{PEOPLE}")]
    {
        let again = app.post("/upload-config").yaml(&same).await.ok();
        assert_eq!(
            (&again["version"], &again["id"], &again["created"]),
            (&first["version"], &first["id"], &json!(false))
        );
    }
    assert_eq!(history(&app).await.len(), 1);
    let other = app.post("/upload-config").yaml(&PEOPLE.replace("people", "people2")).await.ok();
    assert_eq!(other["created"], true);
}

#[tokio::test]
async fn fifty_uploads_at_once_are_one_version_or_fifty() {
    let app = app().await;
    let upload = |yaml: String| {
        let app = &app;
        async move { app.post("/upload-config").yaml(&yaml).await.ok() }
    };
    let same = futures::future::join_all((0..50).map(|_| upload(PEOPLE.into()))).await;
    assert!(same.iter().all(|answer| answer["version"] == 1));
    assert_eq!(same.iter().filter(|answer| answer["created"] == true).count(), 1);

    let different = (0..50).map(|number| upload(format!("{PEOPLE}# {number}\n")));
    let different = futures::future::join_all(different).await;
    let versions: BTreeSet<_> = different.iter().map(|answer| answer["version"].as_i64().expect("a version")).collect();
    assert_eq!(versions, (2..=51).collect(), "no gap, no repeat");
}

#[tokio::test]
async fn what_is_no_yaml_mapping_is_not_kept() {
    let app = app().await;
    for broken in ["{ this: [invalid: yaml", "- a\n- list\n", "just a scalar", "", "# nothing\n", "a: 1\n---\nb: 2\n"] {
        let problem = app.post("/upload-config").yaml(broken).await.problem(400);
        assert!(
            problem["error"].as_str().is_some_and(|error| error.starts_with("Invalid YAML: ")),
            "{broken:?}: {problem}"
        );
    }
    let problem = app.post("/upload-config").yaml("sources:\n  - type: local\n   path: ./x\n").await.problem(400);
    assert_json_snapshot!(problem, @r#"
    {
      "code": "invalid_yaml",
      "detail": "Invalid YAML: while parsing a block collection, did not find expected '-' indicator at line 3 column 4",
      "error": "Invalid YAML: while parsing a block collection, did not find expected '-' indicator at line 3 column 4",
      "errors": [
        {
          "column": 4,
          "line": 3,
          "message": "while parsing a block collection, did not find expected '-' indicator",
          "pointer": ""
        }
      ],
      "instance": "/upload-config",
      "next_step": "Correct the YAML at the place named and send it again.",
      "status": 400,
      "title": "Bad Request",
      "type": "about:blank"
    }
    "#);
    assert_eq!(
        app.post("/upload-config").file("a.yaml", b"name: \xff\xfe".to_vec()).await.problem(400)["code"],
        "invalid_yaml"
    );
    assert_eq!(history(&app).await, Vec::<Value>::new());
}

#[tokio::test]
async fn without_a_file_there_is_nothing_to_upload() {
    let app = app().await;
    let empty = app.post("/upload-config").form(Form::new().text("other", "x")).await.problem(400);
    assert_eq!(empty["error"], "No file uploaded");
    assert_eq!(app.post("/upload-config").await.problem(400)["error"], "No file uploaded");
    let raw = app.post("/upload-config").body("application/yaml", PEOPLE).await.ok();
    assert_eq!(raw["version"], 1, "the YAML itself may be the body");
}

#[tokio::test]
async fn a_config_may_be_kept_before_it_can_run() {
    let app = app().await;
    let answer = app.post("/upload-config").yaml("sources:\n  - type: gopher\n    path: x\n").await.ok();
    assert_eq!(answer["runnable"], false);
    assert_json_snapshot!(answer["problems"], @r#"
    [
      {
        "column": 1,
        "line": 1,
        "message": "missing key \"target\"",
        "pointer": ""
      },
      {
        "column": 11,
        "line": 2,
        "message": "unknown variant \"gopher\", expected local, api, sftp, s3, http, ftp or inbox",
        "pointer": "sources[0].type"
      }
    ]
    "#);
    assert_eq!(answer["warnings"], answer["problems"], "who reads the warnings alone misses nothing");
    let misspelled = PEOPLE.replace("path:", "path: ./x\n    recursiv:");
    let answer = app.post("/upload-config").yaml(&misspelled).await.ok();
    assert_json_snapshot!(answer["warnings"], @r#"
    [
      {
        "column": 5,
        "line": 4,
        "message": "unknown key \"recursiv\", did you mean \"recursive\"?",
        "pointer": "sources[0].recursiv"
      }
    ]
    "#);
}

#[tokio::test]
async fn every_published_example_runs_without_a_warning() {
    let app = app().await;
    let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let files = |folder| std::fs::read_dir(folder).expect("the examples").map(|entry| entry.expect("an entry").path());
    for example in files(examples.clone()).chain(files(examples.join("apis"))) {
        if example.extension().is_some_and(|suffix| suffix == "yaml") {
            let yaml = std::fs::read_to_string(&example).expect("read the example");
            let answer = app.post("/upload-config").yaml(&yaml).await.ok();
            assert_eq!((&answer["runnable"], &answer["warnings"]), (&json!(true), &json!([])), "{}", example.display());
        }
    }
}

#[tokio::test]
async fn the_history_shows_versions_newest_first_and_no_secret() {
    let app = app().await;
    let secret = format!("{PEOPLE}  host: db.example\n  user: ann\n  password: hunter22-canary\n");
    app.post("/upload-config").yaml(PEOPLE).await.ok();
    let kept = app.post("/upload-config").yaml(&secret).await.ok();
    let history = history(&app).await;
    assert_eq!(history[0]["version"], 2);
    assert_eq!(history[1]["version"], 1);
    let timestamp = history[0]["timestamp"].as_str().expect("a time");
    assert!(chrono::NaiveDateTime::parse_from_str(timestamp, "%Y-%m-%d %H:%M").is_ok(), "{timestamp}");
    let id = &kept["id"];
    for path in [
        "/config-history".to_owned(),
        "/configs".into(),
        format!("/configs/{id}"),
        format!("/configs/diff?from={id}&to={id}"),
    ] {
        let answer = app.get(&path).await;
        assert!(!answer.text.contains("canary"), "{path} shows the password: {}", answer.text);
    }
}

#[tokio::test]
async fn a_preview_is_a_hundred_characters_and_hides_a_secret_cut_in_two() {
    let app = app().await;
    app.post("/upload-config").yaml(&format!("name: {}\n", "é".repeat(120))).await.ok();
    assert_eq!(history(&app).await[0]["yaml_preview"].as_str().expect("a preview").chars().count(), 100);

    let padding = "x".repeat(100 - "name: \npassword: ".len() - 4);
    app.post("/upload-config").yaml(&format!("name: {padding}\npassword: hunter22-canary\n")).await.ok();
    let preview = history(&app).await[0]["yaml_preview"].as_str().expect("a preview").to_owned();
    assert!(preview.ends_with("password: \"***\""), "{preview}");
}

#[tokio::test]
async fn an_admin_sees_the_exact_text_and_leaves_a_trace() {
    let app = app().await;
    let text = format!("{PEOPLE}  password: 'hunter22'  # a comment\r\n\r\n");
    let id = app.post("/upload-config").yaml(&text).await.ok()["id"].clone();
    let view = app.get(&format!("/config/{id}")).await.ok();
    assert_eq!(view["yaml_content"], text);
    assert_eq!(view["version"], 1);
    let traces = app.control("select actor, object from elt.audit where action = 'GET /config/{id}'").await;
    assert_eq!(traces, [json!({ "actor": "admin", "object": format!("config {id}") })]);
    assert_eq!(app.get("/config/999").await.problem(404)["detail"], "there is no config 999");
}

#[tokio::test]
async fn a_check_keeps_nothing() {
    let app = app().await;
    let good = app.post("/configs/validate").as_user().yaml(PEOPLE).await.ok();
    assert_eq!((&good["valid"], &good["runnable"], &good["name"]), (&json!(true), &json!(true), &json!("people")));
    let broken = app.post("/configs/validate").yaml("a: [").await.ok();
    assert_eq!((&broken["valid"], &broken["runnable"]), (&json!(false), &json!(false)));
    assert!(broken["problems"][0]["line"].is_u64());
    assert_eq!(history(&app).await, Vec::<Value>::new());
    assert!(app.get("/configs/schema").await.ok()["properties"]["sources"].is_object());
}

#[tokio::test]
async fn two_versions_show_side_by_side() {
    let app = app().await;
    let login = "  host: h\n  user: u\n  password: ";
    let one = app.post("/upload-config").yaml(&format!("{PEOPLE}{login}one\n")).await.ok();
    let two = app.post("/upload-config").yaml(&format!("{PEOPLE}{login}two\n")).await.ok();
    let diff = app.get(&format!("/configs/diff?from={}&to={}", one["id"], two["id"])).await.ok();
    assert_eq!(diff["from"]["yaml_masked"], diff["to"]["yaml_masked"]);
    assert_eq!(diff["secrets_differ"], true);
}

#[tokio::test]
async fn a_text_too_large_is_refused() {
    let app = app().await;
    let large = format!("{PEOPLE}# {}\n", "x".repeat(256 * 1024));
    assert_json_snapshot!(app.post("/upload-config").yaml(&large).await.problem(413), @r#"
    {
      "code": "too_large",
      "detail": "the YAML has 262215 bytes; 262144 are allowed",
      "error": "the YAML has 262215 bytes; 262144 are allowed",
      "instance": "/upload-config",
      "next_step": "Split it into several configs.",
      "status": 413,
      "title": "Payload Too Large",
      "type": "about:blank"
    }
    "#);
    let huge = app.post("/upload-config").yaml(&"x".repeat(1 << 20)).await;
    assert_eq!(huge.problem(413)["code"], "too_large");
}

#[tokio::test]
async fn the_history_without_a_limit_has_every_version_and_with_one_a_page() {
    let app = app().await;
    sqlx::query(
        "insert into elt.config_history (version, name, yaml_content, content_key, yaml_preview, created_by, runnable,
                                         problems, warnings)
         select n, 'c', 'a: ' || n, n::text::bytea, 'a: ' || n, 'ann', false, '[]', '[]' from generate_series(1, 777) n",
    )
    .execute(&app.db)
    .await
    .expect("inserted");
    let versions = |answer: &Value| -> Vec<i64> {
        let configs = answer["configs"].as_array().expect("configs");
        configs.iter().map(|config| config["version"].as_i64().expect("a version")).collect()
    };
    let whole = app.get("/config-history").await.ok();
    assert_eq!(versions(&whole), (1..=777).rev().collect::<Vec<_>>());
    assert!(whole.as_object().expect("an object").contains_key("next") && whole["next"].is_null());
    assert_eq!(whole["configs"][776]["yaml_preview"], "a: 1");

    let page = app.get("/config-history?limit=250").await.ok();
    assert_eq!(versions(&page), (528..=777).rev().collect::<Vec<_>>());
    let next = page["next"].as_str().expect("a cursor");
    let rest = app.get(&format!("/config-history?cursor={next}")).await.ok();
    assert_eq!(versions(&rest), (1..=527).rev().collect::<Vec<_>>());
    assert_eq!(versions(&app.get("/config-history?limit=9223372036854775807").await.ok()).len(), 250);

    sqlx::query("delete from elt.config_history").execute(&app.db).await.expect("deleted");
    assert_eq!(app.get("/config-history").await.ok(), json!({ "configs": [], "next": null }));
}

#[tokio::test]
async fn a_text_that_was_uploaded_under_an_older_key_is_recognised() {
    const OLD: &str = "the key before, at least 32 bytes long";
    const NEW: &str = "the key of today, at least 32 bytes long";
    let rotated = || KeyRing::of(NEW.into(), vec![OLD.into()]).expect("keys");
    let app = TestApp::start_with(|options| options.api.keys = Some(Arc::new(rotated()))).await;
    let upload = Upload::check(PEOPLE.into()).expect("a config");
    let mut tx = app.db.begin().await.expect("a transaction");
    let old = KeyRing::of(OLD.into(), Vec::new()).expect("a key");
    let (first, is_new) = upload.keep(&mut tx, &old, ("ann", ConfigAuthor::Admin), Purpose::Use).await.expect("kept");
    tx.commit().await.expect("committed");
    assert!(is_new);

    let known = |keys: KeyRing| {
        let (upload, db) = (&upload, &app.db);
        async move { upload.known(db, &keys).await.expect("looked").map(|version| version.id) }
    };
    assert_eq!(known(rotated()).await, Some(first.id));
    assert_eq!(known(KeyRing::of(NEW.into(), Vec::new()).expect("a key")).await, None);

    // Line endings and outer white space do not count under the older key either.
    for text in [PEOPLE.to_owned(), format!("\n{}\r\n", PEOPLE.replace('\n', "\r\n"))] {
        let again = app.post("/upload-config").yaml(&text).await.ok();
        assert_eq!((&again["id"], &again["version"]), (&json!(first.id), &json!(1)), "{again}");
    }
    let other = app.post("/upload-config").yaml(&PEOPLE.replace("people", "pets")).await.ok();
    assert_eq!(other["version"], 2);
    let text = app.get(&format!("/config/{}", first.id)).await.ok();
    assert_eq!(text["yaml_content"], PEOPLE);
    let keys = app.control("select distinct key_id from elt.config_history").await;
    assert_eq!(keys.len(), 2, "{keys:?}");
}
