//! `elt init`: a config for what lies in a folder or behind a URL.

use axum::Json;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use serde_json::{Value, json};

use crate::support::{Folder, elt, run};

#[test]
fn a_folder_becomes_a_config_that_runs() {
    let folder = Folder::new();
    folder.write("Orders 2026/a.csv", "id,code,amount,no\n1,007,12.50,\n2,008,12 EUR,\n");
    folder.write("Orders 2026/b.json", r#"[{"id": 3, "code": "009", "amount": "7", "no": null}]"#);
    folder.write("Orders 2026/readme.md", "not for us");

    let said = run(elt(&folder, &["init", "./Orders 2026"]));

    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let (head, _) = said.stdout.split_once("\n# true: only these").expect("the schema ends");
    insta::assert_snapshot!(head, @r#"
    # Written by `elt init` after a look at 2 files with 3 rows.
    # Not read: Orders 2026/readme.md: its suffix is not loaded: only .csv, .txt, .json, .ndjson and .jsonl are, also .gz or .zst
    # `elt schema` describes every key there is.
    name: orders_2026

    sources:
      - type: local
        path: "./Orders 2026"
        # recursive: true      # folders below, too
        # settle_seconds: 5    # leave files alone that were written just now

    target:
      table: orders_2026
      # Without a server of its own the target is ELT_TARGET_URL. A server of yours:
      # host: db.example.com
      # database: warehouse
      # user: loader
      # password: ${env:WAREHOUSE_PASSWORD}

    # What was found. Without this block every run decides types itself, over all its rows.
    schema:
      columns:
        id: bigint
        code: text  # because Orders 2026/a.csv:2 has "007"
        amount: text  # because Orders 2026/a.csv:3 has "12 EUR"
        "no": text  # always empty
    "#);
    let written = run(elt(&folder, &["init", "./Orders 2026", "--output", "orders.yaml"]));
    assert_eq!(written.code, Some(0), "{}", written.stderr);
    let twice = run(elt(&folder, &["init", "./Orders 2026", "--output", "orders.yaml"]));
    assert_eq!(twice.code, Some(1));
    assert!(twice.stderr.contains("could not write orders.yaml"), "{}", twice.stderr);
    let loaded = run(elt(&folder, &["run", "--once", "orders.yaml"]));
    assert_eq!(loaded.code, Some(0), "{}{}", loaded.stdout, loaded.stderr);
}

#[test]
fn an_empty_place_says_what_could_be_there() {
    let folder = Folder::new();
    folder.write("in/readme.md", "not for us");
    let said = run(elt(&folder, &["init", "in"]));
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("there is nothing to read"), "{}", said.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_is_read_with_its_token_and_the_token_is_not_written() {
    let answer = |headers: HeaderMap| async move {
        match headers.get("authorization").and_then(|value| value.to_str().ok()) {
            Some("Bearer s3cret") => (StatusCode::OK, Json(json!([{"id": 1, "at": "2026-11-25T12:00:00Z"}]))),
            _ => (StatusCode::UNAUTHORIZED, Json(Value::Null)),
        }
    };
    let app = axum::Router::new().route("/v1/events", get(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/v1/events", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let folder = Folder::new();

    let said = run(elt(&folder, &["init", &url, "--auth-token", "s3cret"]));

    assert_eq!(said.code, Some(0), "{}", said.stderr);
    for line in ["name: events", "    auth_token: \"${env:API_TOKEN}\"", "    at: timestamptz"] {
        assert!(said.stdout.contains(line), "{line}: {}", said.stdout);
    }
    assert!(!said.stdout.contains("s3cret"), "{}", said.stdout);
}
