//! Where the rows of JSON documents are: found once, kept for later runs, and never guessed.

use serde_json::{Value, json};

use crate::support::http_source::{HttpSource, json_answer};
use crate::support::loader::{Loader, told};

/// A config that loads an API's answer, with more keys of the source.
fn config(api: &HttpSource, table: &str, keys: &str) -> String {
    let url = api.url("/script/today?token=canary");
    format!("sources: [{{type: api, url: \"{url}\"{keys}}}]\ntarget: {{table: {table}}}\n")
}

fn answer(api: &HttpSource, body: Value) {
    api.script(move |_, _| json_answer(body.clone()));
}

async fn load(loader: &Loader, yaml: &str) -> u64 {
    loader.run("run", yaml).await.unwrap_or_else(|error| panic!("{}", told(&error))).rows_read
}

async fn refused(loader: &Loader, kind: &str, yaml: &str) -> String {
    match loader.run(kind, yaml).await {
        Ok(report) => panic!("it did not fail: {report:#?}"),
        Err(error) => told(&error),
    }
}

#[tokio::test]
async fn a_day_without_rows_leaves_the_table_as_it_is() {
    let (loader, api) = (Loader::start().await, HttpSource::start().await);
    let yaml = config(&api, "days", "");
    answer(&api, json!({"status": "ok", "data": [{"id": 1, "qty": 10}, {"id": 2, "qty": 20}]}));
    let report = loader.run("run", &yaml).await.expect("loaded");
    assert_eq!(report.warnings.len(), 1, "{:?}", report.warnings);
    assert!(report.warnings[0].contains("write `records: data`") && !report.warnings[0].contains("canary"));
    for empty in [
        json!({"status": "ok", "data": []}),
        json!({"status": "ok", "data": [], "notices": [{"code": 7}]}),
        json!({"status": "ok", "data": null}),
    ] {
        answer(&api, empty);
        for kind in ["check", "plan", "run"] {
            let report = loader.run(kind, &yaml).await.unwrap_or_else(|error| panic!("{}", told(&error)));
            assert_eq!((report.rows_read, report.warnings), (0, Vec::new()), "{kind}");
        }
    }
    answer(&api, json!({"data": [{"id": 3, "qty": 30}], "notices": [{"code": 7}]}));
    assert_eq!(load(&loader, &yaml).await, 1, "the member that was found counts, not another one");
    assert_eq!(loader.columns("days").await, ["id bigint", "qty bigint"]);
    assert_eq!(loader.count("days").await, 3);
    assert_eq!(loader.rows("select table_name, records from _elt_sources").await, ["days|data"]);
    assert_eq!(loader.value("select count(*) from _elt_sources where source like '%canary%'").await, "0");
}

#[tokio::test]
async fn an_answer_without_the_rows_member_is_an_error() {
    let (loader, api) = (Loader::start().await, HttpSource::start().await);
    let yaml = config(&api, "days", "");
    answer(&api, json!({"data": [{"id": 1}], "page": 1}));
    load(&loader, &yaml).await;
    for strange in [json!({"error": "limit"}), json!([{"id": 2}]), json!({"page": 1, "rows": [{"id": 2}]})] {
        answer(&api, strange.clone());
        for kind in ["run", "plan", "check"] {
            let told = refused(&loader, kind, &yaml).await;
            assert!(told.starts_with("records_missing") && told.contains("data"), "{kind} {strange}: {told}");
        }
    }
    assert_eq!(loader.count("days").await, 1);
    answer(&api, json!({"page": 1, "rows": [{"id": 2}]}));
    load(&loader, &config(&api, "days", ", records: rows")).await;
    assert_eq!(loader.count("days").await, 2, "the config rules over what was found");
}

#[tokio::test]
async fn a_later_answer_that_reports_an_error_is_not_a_day_without_rows() {
    let (loader, api) = (Loader::start().await, HttpSource::start().await);
    let yaml = config(&api, "days", "");
    answer(&api, json!({"status": "ok", "data": [{"id": 1}]}));
    load(&loader, &yaml).await;
    for error in [
        json!({"status": "error", "message": "down", "data": []}),
        json!({"success": false, "data": [], "error": {"code": 1}}),
        json!({"data": null, "error": "limit"}),
    ] {
        answer(&api, error.clone());
        for yaml in [&yaml, &config(&api, "days", ", records: data")] {
            let told = refused(&loader, "run", yaml).await;
            assert!(told.starts_with("http_error_answer") && !told.contains("canary"), "{error}: {told}");
        }
    }
    assert_eq!(loader.count("days").await, 1);
}

#[tokio::test]
async fn an_array_stays_an_array() {
    let (loader, api) = (Loader::start().await, HttpSource::start().await);
    let yaml = config(&api, "days", "");
    answer(&api, json!([{"id": 1}]));
    assert_eq!(loader.run("run", &yaml).await.expect("loaded").warnings, Vec::<String>::new());
    answer(&api, json!({"message": "limit reached"}));
    let told = refused(&loader, "run", &yaml).await;
    assert!(told.starts_with("records_missing") && told.contains("array of rows before"), "{told}");
    answer(&api, json!([]));
    assert_eq!(load(&loader, &yaml).await, 0);
    assert_eq!(loader.columns("days").await, ["id bigint"]);
}

#[tokio::test]
async fn rows_that_could_be_elsewhere_are_refused_before_anything_is_made() {
    let (loader, api) = (Loader::start().await, HttpSource::start().await);
    let yaml = config(&api, "days", "");
    for unclear in [
        json!({"status": "ok", "data": []}),
        json!({"data": [], "warnings": [{"code": 1}]}),
        json!({"data": [{"id": 1}], "others": [{"id": 2}]}),
    ] {
        answer(&api, unclear.clone());
        for kind in ["run", "plan", "check"] {
            let told = refused(&loader, kind, &yaml).await;
            assert!(told.starts_with("rows_ambiguous") && told.contains("`records: data`"), "{unclear}: {told}");
        }
    }
    assert_eq!(loader.value("select to_regclass('days') is null").await, "true");
    let named = config(&api, "days", ", records: data");
    answer(&api, json!({"status": "ok", "data": []}));
    assert_eq!(load(&loader, &named).await, 0);
    answer(&api, json!({"id": 5, "tags": []}));
    assert_eq!(load(&loader, &config(&api, "days", ", records: $")).await, 1, "the object is the row");
}

#[tokio::test]
async fn one_file_of_a_folder_shows_where_the_rows_of_the_others_are() {
    let loader = Loader::start().await;
    loader.folder.write("a.json", r#"{"data": [], "n": 0}"#);
    loader.folder.write("b.json", r#"{"data": [{"id": 1}], "n": 1}"#);
    loader.folder.write("c.json", r#"[{"id": 2}]"#);
    loader.folder.write("d.json", "{\"id\": 3}\n{\"id\": 4}\n");
    let report = loader.load("days", "").await;
    assert_eq!((report.rows_inserted, report.left_out.len()), (4, 0), "{report:#?}");
    loader.only("e.json", r#"{"id": 5}"#);
    loader.folder.write("f.json", r#"{"data": [{"id": 6}]}"#);
    let report = loader.load("days", "").await;
    assert_eq!((report.rows_inserted, report.left_out.len()), (1, 1), "{report:#?}");
    assert!(report.left_out[0].reason.contains("records: data"), "{:?}", report.left_out);
    assert_eq!(loader.columns("days").await, ["id bigint"]);
}

#[tokio::test]
async fn files_that_disagree_decide_nothing_for_each_other() {
    let loader = Loader::start().await;
    loader.folder.write("a.json", r#"{"id": 1, "name": "Ann"}"#);
    loader.folder.write("b.json", r#"{"data": [{"id": 2}], "n": 1}"#);
    loader.folder.write("c.json", r#"{"data": [], "n": 0}"#);
    for inserted in [2, 0] {
        let report = loader.load("days", "").await;
        assert_eq!((report.rows_inserted, report.left_out.len()), (inserted, 1), "{report:#?}");
        assert!(report.left_out[0].reason.contains("`records: data`"), "{:?}", report.left_out);
    }
    assert_eq!(loader.columns("days").await, ["id bigint", "name text"]);
    assert_eq!(loader.count("_elt_sources").await, 0);
}

#[tokio::test]
async fn an_object_that_was_a_row_stays_one_and_says_so_when_it_looks_like_a_wrapper() {
    let loader = Loader::start().await;
    loader.only("a.json", r#"{"id": 1, "name": "Ann"}"#);
    loader.folder.write("b.json", r#"{"data": [], "n": 0}"#);
    let report = loader.load("people", "").await;
    assert_eq!((report.rows_inserted, report.left_out.len(), report.warnings.len()), (1, 1, 0), "{report:#?}");
    assert_eq!(loader.rows("select records from _elt_sources").await, ["$"]);
    loader.only("b.json", r#"{"id": 2, "name": "Bob", "data": [{"id": 3}]}"#);
    let report = loader.load("people", "").await;
    assert_eq!(report.rows_inserted, 1);
    assert!(report.warnings.iter().any(|warning| warning.contains("write `records: data`")), "{:?}", report.warnings);
    loader.only("c.json", r#"{"id": 4, "name": "Cid", "data": []}"#);
    assert_eq!(loader.load("people", "").await.rows_inserted, 1, "an empty array changes nothing any more");
}

#[tokio::test]
async fn a_new_table_forgets_what_was_found_for_the_old_one() {
    let (loader, api) = (Loader::start().await, HttpSource::start().await);
    let yaml = config(&api, "days", "");
    answer(&api, json!({"data": [{"id": 1}]}));
    load(&loader, &yaml).await;
    loader.sql("drop table days").await;
    answer(&api, json!({"rows": [{"id": 2}]}));
    load(&loader, &yaml).await;
    assert_eq!(loader.rows("select records from _elt_sources").await, ["rows"]);
    loader.sql("drop table _elt_sources").await;
    assert_eq!(load(&loader, &yaml).await, 1, "a target of an older elt gets the table");
    assert_eq!(loader.rows("select records from _elt_sources").await, ["rows"]);
}

#[tokio::test]
async fn a_plan_and_a_check_keep_nothing() {
    let (loader, api) = (Loader::start().await, HttpSource::start().await);
    let yaml = config(&api, "days", "");
    answer(&api, json!({"data": [{"id": 1}]}));
    for kind in ["plan", "check"] {
        loader.run(kind, &yaml).await.unwrap_or_else(|error| panic!("{}", told(&error)));
        assert_eq!(loader.value("select to_regclass('_elt_sources') is null").await, "true", "{kind}");
    }
}

#[tokio::test]
async fn a_broken_json_file_never_replaces_a_table() {
    let loader = Loader::start().await;
    loader.only("a.ndjson", "{\"id\": 1}\n{\"id\": 2}\n");
    loader.load("days", "load: {mode: replace}\n").await;
    for (name, broken) in [
        ("a.ndjson", "{\"id\": 3}\n{\"id\": 4}\n{\"id\":"),
        ("a.ndjson", "{\"id\": 3}\nbroken\n{\"id\": 4}\n"),
        ("a.json", "[{\"id\": 3}, {\"id\": 4}, {\"id\":"),
        ("a.json", "[{\"id\": 3}, {\"id\": undefined}]"),
        ("a.json", "{\"id\": 3}\n{\"id\": 4"),
    ] {
        loader.only(name, broken);
        let failed = loader.fail("days", "load: {mode: replace}\n").await;
        assert_eq!(failed.code().as_str(), "replace_incomplete", "{broken}: {}", told(&failed));
        assert_eq!(loader.rows("select id from days order by id").await, ["1", "2"]);
    }
    loader.only("a.ndjson", "{\"id\": 3}\nbroken\n{\"id\": 4}\n");
    let report = loader.load("days", "").await;
    assert_eq!((report.rows_inserted, report.rows_quarantined), (2, 1), "an append takes the whole rows");
}

#[tokio::test]
async fn nan_and_infinity_become_doubles_with_a_warning() {
    let (loader, api) = (Loader::start().await, HttpSource::start().await);
    let body =
        "[{\"x\": 1.5},\n{\"x\": NaN},\n{\"x\": -Infinity, \"j\": {\"a\": 1}},\n{\"x\": 2, \"j\": {\"a\": NaN}}]";
    api.set_content(body, &[]);
    loader.only("a.json", body);
    let from_api = format!("sources: [{{type: api, url: \"{}\"}}]\ntarget: {{table: from_api}}\n", api.url("/content"));
    let report = loader.run("run", &from_api).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    let other = loader.load("from_file", "").await;
    for (table, report) in [("from_api", report), ("from_file", other)] {
        assert_eq!(loader.columns(table).await, ["x double precision", "j jsonb"]);
        let values = loader.rows(&format!("select x::text as x from {table} order by x")).await;
        assert_eq!(values, ["-Infinity", "1.5", "NaN"]);
        assert_eq!(report.rows_quarantined, 1, "jsonb cannot hold it");
        assert_eq!(report.warnings.len(), 1, "{:?}", report.warnings);
        assert!(report.warnings[0].contains(":2: the column \"x\" holds NaN"), "{:?}", report.warnings);
    }
}

#[tokio::test]
async fn a_column_of_nothing_but_nan_and_infinity_is_a_double() {
    let loader = Loader::start().await;
    loader.folder.write(
        "a.json",
        r#"[{"id": 1, "x": NaN, "y": "NaN"}, {"id": 2, "x": -Infinity, "y": "inf"}, {"id": 3, "x": null}]"#,
    );
    loader.load("doubles", "").await;
    assert_eq!(loader.columns("doubles").await, ["id bigint", "x double precision", "y text"]);
    assert_eq!(loader.rows("select x from doubles where x is not null order by x").await, ["-Infinity", "NaN"]);
}
