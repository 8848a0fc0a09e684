//! `elt init`: a config for what lies in a folder or behind a URL.

use axum::Json;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
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
    # Not read: Orders 2026/readme.md: its suffix is not loaded: only .csv, .txt, .json, .ndjson, .jsonl, .xlsx, .xlsm, .xlsb, .xls, .ods, .parquet, .pq, .arrow, .arrows, .feather and .ipc are, also .gz, .zst, .bz2 or .xz, and .zip, .tar and .pgp with them
    # `elt schema` describes every key there is.
    name: orders_2026

    sources:
      - type: local
        path: "./Orders 2026"
        # As found: Orders 2026/a.csv has the delimiter "," and a header in its first line.
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

/// An API that answers with `answer`; the URL of its path `/v1/events`.
async fn serving(answer: impl Fn(HeaderMap) -> Response + Clone + Send + Sync + 'static) -> String {
    let app = axum::Router::new().route("/v1/events", get(async move |headers: HeaderMap| answer(headers)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/v1/events", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_and_the_targets_password_are_used_and_not_written() {
    let url = serving(|headers| match headers.get("x-api-key").and_then(|value| value.to_str().ok()) {
        Some("canary-key") => Json(json!({"data": [{"id": 1}, {"id": 2}, {"id": 3}], "count": 3})).into_response(),
        _ => (StatusCode::UNAUTHORIZED, [("www-authenticate", "ApiKey")]).into_response(),
    })
    .await;
    let folder = Folder::new();
    let refused = run(elt(&folder, &["init", &url]));
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("header: X-API-Key"), "{}", refused.stderr);

    let target = "postgres://loader:canary-password@db.example.com/warehouse";
    let headers = ["--header", "X-API-Key: canary-key", "--header", "Accept: application/json"];
    let said = run(elt(
        &folder,
        &[&["init", url.as_str(), "--target", target, "--table", "raw.events"], &headers[..]].concat(),
    ));
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    for line in [
        "      X-API-Key: \"${env:API_X_API_KEY}\"",
        "      Accept: application/json",
        "    records: data",
        "  table: raw.events",
        "  database: warehouse",
        "  password: \"${env:TARGET_PASSWORD}\"",
    ] {
        assert!(said.stdout.lines().any(|written| written == line), "{line}: {}", said.stdout);
    }
    assert!(!said.stdout.contains("canary") && !said.stderr.contains("canary"), "{}{}", said.stdout, said.stderr);

    let colon = run(elt(&folder, &["init", &url, "--header", "canary"]));
    assert_eq!(colon.code, Some(64), "{}", colon.stderr);
    assert!(!colon.stderr.contains("canary"), "{}", colon.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_exists_is_not_written_over_and_the_api_is_not_asked() {
    let url = serving(|_| panic!("nobody should ask")).await;
    let folder = Folder::new();
    folder.write("events.yaml", "mine");
    let said = run(elt(&folder, &["init", &url, "--output", "events.yaml"]));
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("could not write events.yaml: it exists"), "{}", said.stderr);
    assert_eq!(std::fs::read_to_string(folder.path().join("events.yaml")).expect("the file"), "mine");
}

#[test]
fn text_in_an_old_encoding_gets_one() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path().join("in")).expect("a folder");
    std::fs::write(folder.path().join("in/a.txt"), b"id|city\n1|K\xf6ln\n").expect("a file");
    let said = run(elt(&folder, &["init", "in"]));
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    for line in ["    csv: { encoding: windows-1252 }", "    city: text  # because in/a.txt:2 has \"Köln\""] {
        assert!(said.stdout.lines().any(|written| written == line), "{line}: {}", said.stdout);
    }
    assert!(said.stdout.contains("has the delimiter \"|\""), "{}", said.stdout);
}

#[test]
fn a_fixed_width_file_gets_its_columns_with_the_reason() {
    let folder = Folder::new();
    folder.write(
        "stock.dat",
        "Stock of today\nid   name       price\n---- --------- ------\n0001 Chair       3.50\n0002 Table      12.25\n",
    );

    let said = run(elt(&folder, &["init", "stock.dat", "--output", "stock.yaml"]));

    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let written = std::fs::read_to_string(folder.path().join("stock.yaml")).expect("the config");
    let (_, source) = written.split_once("    path: stock.dat\n").unwrap_or_else(|| panic!("{written}"));
    let (source, _) = source.split_once("    # recursive").expect("the source ends");
    insta::assert_snapshot!(source, @r"
        fixed_width:
          # Line 3 is a ruler of 3 groups of dashes.
          # Check the widths: a longer value further down would be cut or shifted.
          skip_rows: 1
          header: true
          columns:
            - { name: id, start: 1, width: 5 }
            - { name: name, start: 6, width: 10 }
            - { name: price, start: 16, width: 6 }
    ");
    assert!(written.contains("    price: numeric") && written.contains("has \"0001\""), "{written}");
    let loaded = run(elt(&folder, &["run", "--once", "stock.yaml"]));
    assert_eq!(loaded.code, Some(0), "{}{}", loaded.stdout, loaded.stderr);
}

#[test]
fn an_xml_file_gets_the_path_of_its_rows() {
    let folder = Folder::new();
    let orders = "<orders><order id='1'><id>7</id><item>a</item></order><order id='2'><item>b</item></order></orders>";
    folder.write("orders.xml", orders);
    folder.write("feed", orders);

    for (file, more) in [("orders.xml", ""), ("feed", "    format: xml\n")] {
        let said = run(elt(&folder, &["init", file]));
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        for line in ["      records: /orders/order\n", "      attribute_prefix: _\n", "    _id: bigint\n", more] {
            assert!(said.stdout.contains(line), "{line}: {}", said.stdout);
        }
    }
    folder.write("broken.xml", "<orders><order");
    let broken = run(elt(&folder, &["init", "broken.xml"]));
    assert_eq!(broken.code, Some(1));
    assert!(broken.stderr.contains("broken.xml:1: the file ends inside a tag"), "{}", broken.stderr);
}

#[test]
fn a_file_whose_suffix_says_nothing_gets_a_format() {
    let folder = Folder::new();
    for (name, content, format) in [
        ("feed.log", "[{\"id\": 1}]", "json"),
        ("export.dat", "id|name\n1|Ann\n", "txt"),
        ("prose", "Once\nupon a time\nthere was\n", "txt"),
    ] {
        folder.write(name, content);
        let said = run(elt(&folder, &["init", name]));
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        assert!(said.stdout.contains(&format!("    format: {format} # as found")), "{}", said.stdout);
    }
}
