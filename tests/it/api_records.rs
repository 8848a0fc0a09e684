//! The rows of an answer: several paths, paths into elements, and columns that are added.

use axum::http::StatusCode;
use axum::response::IntoResponse;
use elt_shared::config::{Document, NoReferences};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use crate::support::http_source::{HttpSource, json_answer};
use crate::support::loader::Loader;

/// A config with one API source.
fn yaml(url: &str, lines: &str, table: &str) -> String {
    let lines: String = lines.lines().map(|line| format!("    {}\n", line.trim())).collect();
    format!("sources:\n  - type: api\n    url: \"{url}\"\n{lines}target: {{table: {table}}}\n")
}

/// The rows of a table without elt's own columns, in the order of their texts.
async fn rows(loader: &Loader, table: &str) -> Vec<Value> {
    let sql = format!(
        "select to_jsonb(t) - '_elt_row_hash' - '_elt_run_id' - '_elt_loaded_at' from {table} t order by to_jsonb(t)::text"
    );
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&loader.target).await.expect("rows")
}

/// The problems of a config.
fn problems(lines: &str) -> String {
    let yaml = yaml("https://h.example/orders", lines, "t");
    let document = Document::parse(&yaml).unwrap_or_else(|error| panic!("{error}: {yaml}"));
    document.pipeline(&NoReferences).map(|_| String::new()).unwrap_or_else(|error| error.to_string())
}

#[tokio::test]
async fn values_of_the_page_the_enclosing_element_and_headers_become_columns() {
    let (api, loader) = (HttpSource::start().await, Loader::start().await);
    api.script(|hit, _| {
        let page: u64 = hit.param("page").and_then(|page| page.parse().ok()).expect("a page");
        let orders = match page {
            1 => json!([
                {"items": [{"sku": "a", "price": 1.50}, {"sku": "b"}], "id": 7, "who": {"name": "Ann"}},
                {"id": 8, "items": []},
            ]),
            2 => json!([{"id": 9, "items": [{"sku": "a", "price": 1.50}]}]),
            _ => json!([]),
        };
        let body = json_answer(json!({"meta": {"page": page}, "orders": orders}));
        ([("x-shard", format!("s{page}"))], body).into_response()
    });
    let yaml = yaml(
        &api.url("/script"),
        "records: orders[*].items
        include: { page: $.meta.page, order_id: 'orders[*].id', customer: 'orders[*].who.name' }
        include_headers: { shard: X-Shard, absent: X-Absent }
        pagination: { type: page }",
        "items",
    );
    let report = loader.run("run", &yaml).await.expect("loaded");
    assert_eq!(
        rows(&loader, "items").await,
        [
            json!({"sku": "a", "price": 1.5, "page": 1, "order_id": 7, "customer": "Ann", "shard": "s1", "absent": null}),
            json!({"sku": "a", "price": 1.5, "page": 2, "order_id": 9, "customer": null, "shard": "s2", "absent": null}),
            json!({"sku": "b", "price": null, "page": 1, "order_id": 7, "customer": "Ann", "shard": "s1", "absent": null}),
        ]
    );
    assert_eq!((report.rows_read, report.files.len()), (3, 2), "{report:#?}");
    assert_eq!(report.files[0].name, format!("{} page 1", api.url("/script")));
    let again = loader.run("run", &yaml).await.expect("loaded");
    assert_eq!((again.rows_read, again.rows_inserted), (3, 0), "added values are part of a row's identity: {again:#?}");
}

#[tokio::test]
async fn rows_of_several_paths_are_read_and_a_path_that_is_never_there_is_reported() {
    let (api, loader) = (HttpSource::start().await, Loader::start().await);
    api.script(|_, _| json_answer(json!({"open": [{"id": 1}], "done": {"id": 2}, "later": null})));
    let one = yaml(&api.url("/script"), "records: [open, 'done', later]", "several");
    let report = loader.run("run", &one).await.expect("loaded");
    assert_eq!(rows(&loader, "several").await, [json!({"id": 1}), json!({"id": 2})]);
    assert_eq!(report.warnings, [""; 0]);

    let misspelt = yaml(
        &api.url("/script"),
        "records: [open, dnoe]
        include: { x: $.xx }",
        "misspelt",
    );
    let report = loader.run("run", &misspelt).await.expect("loaded");
    let warnings = report.warnings.join("\n").replace(&api.url(""), "");
    assert!(warnings.contains("/script: there was nothing at `records` $.dnoe in any answer"), "{warnings}");
    assert!(warnings.contains("the added column \"x\" is empty, because there was nothing at $.xx"), "{warnings}");

    let nothing = yaml(&api.url("/script"), "records: [opne, dnoe]", "nothing");
    let error = loader.run("run", &nothing).await.expect_err("no rows anywhere");
    assert_eq!(error.code().as_str(), "records_missing", "{error}");
}

#[tokio::test]
async fn a_member_with_the_name_of_an_added_column_fails_the_source() {
    let (api, loader) = (HttpSource::start().await, Loader::start().await);
    api.script(|_, _| json_answer(json!({"id": "canary", "rows": [{"a": 1}, {"a": 2, "id": "canary"}]})));
    let taken = yaml(
        &api.url("/script"),
        "records: rows
        include: { id: $.id }",
        "taken",
    );
    let error = loader.run("run", &taken).await.expect_err("two values, one name");
    assert_eq!(error.code().as_str(), "include_name_taken");
    assert_eq!(
        error.to_string().replace(&api.url(""), ""),
        "the rows of /script cannot get the column \"id\" of `include`: a row has a member of this name"
    );
}

#[tokio::test]
async fn bad_rows_and_empty_answers_are_what_they_are_without_added_columns() {
    let (api, loader) = (HttpSource::start().await, Loader::start().await);
    api.script(|hit, _| match hit.param("kind").as_deref() {
        Some("bad") => json_answer(json!({"id": 1, "rows": [{"a": 1}, 5, null, {}, {"a": 2}]})),
        Some("scalars") => json_answer(json!({"id": 1, "rows": ["x", "y"]})),
        Some("empty") => json_answer(json!({"id": 1, "rows": []})),
        _ => StatusCode::NO_CONTENT.into_response(),
    });
    let of = |kind: &str| {
        let lines = "records: rows\ninclude: { parent: $.id }\n".to_owned();
        yaml(&api.url(&format!("/script?kind={kind}")), &lines, &format!("rows_{kind}"))
    };
    let report = loader.run("run", &of("bad")).await.expect("loaded");
    assert_eq!(rows(&loader, "rows_bad").await, [json!({"a": 1, "parent": 1}), json!({"a": 2, "parent": 1})]);
    assert_eq!(report.rows_quarantined, 2, "5 and null: {report:#?}");
    loader.run("run", &of("scalars")).await.expect("loaded");
    let expected = [json!({"value": "x", "parent": 1}), json!({"value": "y", "parent": 1})];
    assert_eq!(rows(&loader, "rows_scalars").await, expected);
    for kind in ["empty", "none"] {
        let report = loader.run("run", &of(kind)).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!(report.rows_read, 0, "{kind}");
    }
}

#[test]
fn what_cannot_be_added_is_refused_with_its_place() {
    for (lines, said) in [
        (
            "records: orders\ninclude: { id: 'orders[*].id' }",
            "sources[0].include.id: each [*] stands for the element that the row is in, so the path must begin like `records`",
        ),
        ("include: { id: '{{customer}}' }", "a placeholder can be added only with for_each, whose value it stands for"),
        ("include: { id: $..a }", "`..` is not supported"),
        ("include: { id: $.a }\ninclude_headers: { id: X-Id }", "the column \"id\" is added already"),
        ("include_headers: { id: 'X Id' }", "expected the name of an HTTP header, found \"X Id\""),
        ("records: [a, a]", "sources[0].records[1]: the same path is in the list already"),
        ("records: []", "expected at least one path"),
    ] {
        let problems = problems(lines);
        assert!(problems.contains(said) && problems.contains("at line"), "{lines}: {problems}");
    }
    assert_eq!(problems("records: [orders, 'refunds[*].lines']\ninclude: { id: 'refunds[*].id' }"), "");
    assert_eq!(problems("records: ''"), "", "an empty path counts as not written");
}
