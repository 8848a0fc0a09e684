//! A table for each file, folder or sheet: what a run of such a pipeline makes, and what it leaves alone.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::TestApp;

/// A config with a table for each file of the app's folder, also in folders below it.
fn yaml(app: &TestApp, table: &str, more: &str) -> String {
    let folder = app.folder().path().display();
    format!(
        "name: shop\nsources:\n  - {{type: local, path: {folder}, recursive: true, settle_seconds: 0}}\ntarget: {{table: \
         \"{table}\"}}\nmonitor: {{enabled: false}}\n{more}"
    )
}

async fn ended(app: &TestApp, yaml: &str) -> Value {
    let run = app.trigger(yaml).await;
    app.finished(&run["id"]).await
}

async fn retried(app: &TestApp, run: &Value) -> Value {
    let retry = app.post(&format!("/runs/{}/retry", run["id"].as_str().expect("an id"))).await.ok();
    app.finished(&retry["id"]).await
}

/// `table state inserted` of each table of a report.
fn tables(run: &Value) -> Vec<String> {
    let tables = run["report"]["tables"].as_array().unwrap_or_else(|| panic!("no tables: {run:#}"));
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    tables
        .iter()
        .map(|table| format!("{} {} {}", text(&table["table"]), text(&table["state"]), table["rows_inserted"]))
        .collect()
}

/// The run of a table.
async fn run_of(app: &TestApp, run: &Value, table: &str) -> Value {
    let tables = run["report"]["tables"].as_array().expect("tables");
    let found = tables.iter().find(|one| one["table"] == table).unwrap_or_else(|| panic!("no {table}: {run:#}"));
    app.get(&format!("/runs/{}", found["run_id"].as_str().expect("an id"))).await.ok()
}

/// The tables of the target that are not elt's own.
async fn in_target(app: &TestApp) -> Vec<String> {
    let sql =
        "select tablename from pg_tables where schemaname = 'public' and left(tablename, 5) <> '_elt_' order by 1";
    app.rows(sql).await.iter().map(|row| row["tablename"].as_str().expect("a name").to_owned()).collect()
}

async fn columns(app: &TestApp, table: &str) -> String {
    let sql = format!(
        "select string_agg(column_name || ' ' || data_type, ', ' order by ordinal_position) as columns
         from information_schema.columns where table_name = '{table}' and column_name not like '\\_elt\\_%'"
    );
    app.rows(&sql).await[0]["columns"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_folder_of_different_files_becomes_a_table_for_each() {
    let app = TestApp::start_with(|options| options.separate_logins = true).await;
    app.folder().write("Orders 2026.csv", "id,amount\n1,2.50\n2,3.00\n");
    app.folder().write("people.csv", "name,born\nAnn,1990-01-31\n");
    app.folder().write("deep/events.json", "[{\"at\": 1, \"what\": \"x\"}, {\"at\": 2, \"what\": \"y\"}]");
    app.folder().write("readme.md", "no data");
    let run = ended(&app, &yaml(&app, "raw_{file}", "")).await;
    assert_eq!((&run["state"], &run["outcome"]), (&json!("succeeded"), &json!("with_warnings")), "{run:#}");
    assert_eq!(tables(&run), ["raw_events succeeded 2", "raw_orders_2026 succeeded 2", "raw_people succeeded 1"]);
    assert_eq!(in_target(&app).await, ["raw_events", "raw_orders_2026", "raw_people"]);
    assert_eq!(columns(&app, "raw_orders_2026").await, "id bigint, amount numeric");
    assert_eq!(columns(&app, "raw_people").await, "name text, born date");

    let report = &run["report"];
    assert_eq!((&report["rows_inserted"], &report["files_total"]), (&json!(5), &json!(3)));
    let left_out = report["left_out"].as_array().expect("a list");
    assert!(left_out.len() == 1 && left_out[0]["name"].as_str().is_some_and(|name| name.ends_with("readme.md")));
    assert_eq!((&report["combined_csv"], &report["partial"]), (&Value::Null, &Value::Null));
    assert_eq!((&run["rows_inserted"], &run["attempt"]), (&Value::Null, &json!(1)), "its tables' runs count");
    let people = run_of(&app, &run, "raw_people").await;
    assert_eq!((&people["part_of"], &people["target_table"]), (&run["id"], &json!("raw_people")));
    assert_eq!((&people["rows_inserted"], &people["outcome"]), (&json!(1), &json!("clean")), "{people:#}");
    assert_eq!(people["report"]["files"].as_array().map(Vec::len), Some(1), "only its own file");
    let markers = "select table_name, rows_inserted from _elt_loads where loaded_at is not null order by 1";
    assert_eq!(app.rows(markers).await.len(), 3);
    let pipelines = app.get("/pipelines").await.ok();
    assert_eq!(pipelines["data"][0]["last_run"]["id"], run["id"], "the whole run is the pipeline's last one");
    let counted = "select coalesce(sum(rows_inserted), 0)::bigint as rows
                   from (select rows_inserted from run_ends union all select rows_inserted from run_totals) counted";
    assert_eq!(app.control(counted).await[0]["rows"], 5, "no row is counted twice");
}

#[tokio::test]
async fn a_new_file_makes_one_more_table_and_touches_no_other() {
    let app = TestApp::start().await;
    app.folder().write("a.csv", "id\n1\n2\n");
    app.folder().write("b.csv", "x,y\n1,2\n");
    let yaml = yaml(&app, "raw_{file}", "");
    ended(&app, &yaml).await;
    let before = app.rows("select *, xmin::text as version from raw_a order by id").await;
    app.folder().write("c.csv", "id\n9\n");
    let run = ended(&app, &yaml).await;
    assert_eq!(tables(&run), ["raw_a succeeded 0", "raw_b succeeded 0", "raw_c succeeded 1"]);
    assert_eq!(run["outcome"], "clean", "{run:#}");
    assert_eq!(app.rows("select *, xmin::text as version from raw_a order by id").await, before);

    // A file that is gone leaves its table alone, also where tables are replaced.
    std::fs::remove_file(app.folder().path().join("a.csv")).expect("removed");
    let run = ended(&app, &format!("{yaml}load: {{mode: replace}}\n")).await;
    assert_eq!(tables(&run), ["raw_b succeeded 0", "raw_c succeeded 0"]);
    assert_eq!(app.count("raw_a").await, 2);
}

#[tokio::test]
async fn sheets_folders_and_columns_of_the_path_name_tables() {
    let app = TestApp::start().await;
    let workbook = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/excel/sheets.xlsx");
    app.folder().write("book/sheets.xlsx", std::fs::read(workbook).expect("the workbook"));
    let source = |more: &str| {
        let folder = app.folder().path().display();
        format!("{{type: local, path: {folder}/book, recursive: true, settle_seconds: 0{more}}}")
    };
    let config = |source: &str, table: &str| {
        format!("name: \"{table}\"\nsources: [{source}]\ntarget: {{table: \"{table}\"}}\nmonitor: {{enabled: false}}\n")
    };
    let run = ended(&app, &config(&source(", excel: {sheets: \"*\"}"), "{file}_{sheet}")).await;
    assert_eq!(run["state"], "succeeded", "{run:#}");
    let names: Vec<String> =
        tables(&run).iter().map(|table| table.split(' ').next().unwrap_or_default().to_owned()).collect();
    assert!(names.contains(&"sheets_jan".to_owned()) && names.contains(&"sheets_märz_2024".to_owned()), "{names:?}");
    assert_eq!(app.count("sheets_jan").await, 2);

    // Files with the same value are loaded together; entries of archives are files, too.
    app.folder().write("book/north/1.csv", "id\n1\n");
    app.folder().write("book/north/2.csv", "id\n2\n");
    app.folder().write("book/south/1.csv", "name\nAnn\n");
    std::fs::remove_file(app.folder().path().join("book/sheets.xlsx")).expect("removed");
    let run = ended(&app, &config(&source(""), "by_{folder}")).await;
    assert_eq!(tables(&run), ["by_north succeeded 2", "by_south succeeded 1"]);
    let run = ended(&app, &config(&source(", path_columns: \"{region}/{n:int}.csv\""), "of_{region}")).await;
    assert_eq!(tables(&run), ["of_north succeeded 2", "of_south succeeded 1"]);
    assert_eq!(columns(&app, "of_south").await, "region text, n bigint, name text");
}

#[tokio::test]
async fn two_names_that_become_one_table_load_nothing() {
    let app = TestApp::start().await;
    for name in ["in/a b.csv", "in/a-b.csv", "in/c.csv"] {
        app.folder().write(name, "id\n1\n");
    }
    let run = ended(&app, &yaml(&app, "raw_{file}", "")).await;
    assert_eq!((&run["state"], &run["error_code"]), (&json!("failed"), &json!("table_names")), "{run:#}");
    let error = run["error"].as_str().expect("a sentence");
    assert!(error.contains("a b.csv") && error.contains("a-b.csv") && error.contains("raw_a_b"), "{error}");
    assert!(in_target(&app).await.is_empty(), "nothing was loaded");
    let parts = app.control("select id from runs where part_of is not null").await;
    assert!(parts.is_empty(), "{parts:?}");
}

#[tokio::test]
async fn the_name_of_a_file_leads_to_no_table_of_others() {
    let app = TestApp::start().await;
    app.folder().write("people.csv", "id\n1\n");
    app.load(&app.yaml("people", "name: people\n")).await;
    sqlx::raw_sql("create table customers (id bigint); create schema other; create table other.secret (id bigint)")
        .execute(&app.target)
        .await
        .expect("made");
    let hostile = ["_elt_loads.csv", "_ELT_quarantine.csv", "pg_class.csv", "--.csv"];
    let long = format!("{}.csv", "x".repeat(70));
    let others = ["customers.csv", "other.secret.csv", "x\"; drop table people; --.csv", "ok.csv"];
    for name in hostile.iter().chain(&others).copied().chain([long.as_str()]) {
        app.folder().write(name, "id\n7\n");
    }
    let run = ended(&app, &yaml(&app, "{file}", "")).await;
    assert_eq!((&run["state"], &run["error_code"]), (&json!("failed"), &json!("tables_failed")), "{run:#}");
    let expected = [
        "customers failed 0",
        "ok succeeded 1",
        "other_secret succeeded 1",
        "people failed 0",
        "x___drop_table_people____ succeeded 1",
    ];
    assert_eq!(tables(&run), expected);
    for (table, because) in [("customers", "elt has not made this table"), ("people", "the pipeline `people`")] {
        let failed = run_of(&app, &run, table).await;
        assert_eq!(failed["error_code"], "target_of_others", "{failed:#}");
        assert!(failed["error"].as_str().is_some_and(|error| error.contains(because)), "{failed:#}");
    }
    assert_eq!((app.count("people").await, app.count("customers").await, app.count("other.secret").await), (1, 0, 0));
    let left_out = run["report"]["left_out"].as_array().expect("a list");
    assert_eq!(left_out.iter().filter(|file| file["kind"] == "failed").count(), hostile.len() + 1, "{left_out:#?}");
}

#[tokio::test]
async fn one_bad_table_leaves_the_others_alone_and_a_retry_loads_only_what_is_missing() {
    let app = TestApp::start().await;
    for (name, id) in [("a.csv", "1"), ("bad.csv", "x"), ("c.csv", "3")] {
        app.folder().write(name, format!("id,n\n{id},1\n{id},1\n"));
    }
    // Without deduplication, a row that is loaded again is there twice.
    let yaml = yaml(&app, "raw_{file}", "schema: {columns: {id: int}}\non_bad_row: fail\nload: {dedupe: none}\n");
    let run = ended(&app, &yaml).await;
    assert_eq!(
        (&run["state"], &run["error_code"], &run["outcome"]),
        (&json!("failed"), &json!("tables_failed"), &Value::Null)
    );
    assert_eq!(tables(&run), ["raw_a succeeded 2", "raw_bad failed 0", "raw_c succeeded 2"]);
    assert!(
        run["error"].as_str().is_some_and(|error| error.starts_with("1 of 3 tables were not loaded: raw_bad: ")),
        "{run:#}"
    );
    assert_eq!(in_target(&app).await, ["raw_a", "raw_c"]);

    // The run of a table is not retried by itself.
    let bad = run_of(&app, &run, "raw_bad").await;
    let problem = app.post(&format!("/runs/{}/retry", bad["id"].as_str().expect("an id"))).await.problem(409);
    assert_eq!(problem["code"], "run_of_tables");
    let bulk = app
        .post("/runs/retry")
        .json(json!({ "since": "2000-01-01T00:00:00Z", "name": "shop", "dry_run": true }))
        .await
        .ok();
    assert_eq!(
        (&bulk["retried"][0]["run_id"], &bulk["skipped"][0]["code"]),
        (&run["id"], &json!("run_of_tables")),
        "{bulk:#}"
    );

    let again = retried(&app, &run).await;
    assert_eq!((&again["state"], tables(&again)), (&json!("failed"), vec!["raw_bad failed 0".to_owned()]), "{again:#}");
    app.folder().write("bad.csv", "id,n\n2,1\n2,1\n");
    let done = retried(&app, &again).await;
    assert_eq!(
        (&done["state"], tables(&done)),
        (&json!("succeeded"), vec!["raw_bad succeeded 2".to_owned()]),
        "{done:#}"
    );
    let counts = (app.count("raw_a").await, app.count("raw_bad").await, app.count("raw_c").await);
    assert_eq!(counts, (2, 2, 2), "nothing is lost or doubled");
}

#[tokio::test]
async fn a_plan_and_a_check_show_every_table_and_change_nothing() {
    let app = TestApp::start().await;
    app.folder().write("a.csv", "id\n1\n2\n");
    app.folder().write("b.csv", "name,at\nx,2026-01-01\n");
    let config = app.post("/upload-config").yaml(&yaml(&app, "raw_{file}", "")).await.ok();
    for kind in ["plan", "check", "test_connection"] {
        let run = app.post("/runs").json(json!({ "config_id": config["id"], "kind": kind })).await.ok();
        let run = app.finished(&run["id"]).await;
        assert_eq!((&run["state"], &run["outcome"]), (&json!("succeeded"), &json!("clean")), "{run:#}");
        if kind == "test_connection" {
            let target = &run["report"]["connections"][1];
            assert!(target["found"].as_str().is_some_and(|found| found.contains("raw_{file}")), "{target:#}");
            continue;
        }
        let tables = run["report"]["tables"].as_array().expect("tables");
        let names: Vec<&Value> = tables.iter().map(|table| &table["table"]).collect();
        assert_eq!(names, ["public.raw_a", "public.raw_b"]);
        assert_eq!(tables[1]["report"]["columns"][1]["type"], "date");
        if kind == "plan" {
            assert_eq!((&tables[0]["rows_inserted"], &run["report"]["rows_inserted"]), (&json!(2), &json!(3)));
            assert!(tables[0]["report"]["ddl"][0].as_str().is_some_and(|sql| sql.contains("raw_a")), "{tables:#?}");
        }
    }
    assert!(in_target(&app).await.is_empty());
    assert!(app.control("select id from runs where part_of is not null").await.is_empty());

    app.folder().write("bad.csv", "id\nx\n");
    let bad = yaml(&app, "raw_{file}", "schema: {columns: {id: int}}\non_bad_row: fail\n");
    let config = app.post("/upload-config").yaml(&bad).await.ok();
    let run = app.post("/runs").json(json!({ "config_id": config["id"], "kind": "plan" })).await.ok();
    let run = app.finished(&run["id"]).await;
    assert_eq!((&run["state"], &run["error_code"]), (&json!("failed"), &json!("tables_failed")), "{run:#}");
    assert_eq!(run["report"]["tables"][0]["rows_inserted"], 2, "the others are shown");
}

#[tokio::test]
async fn undo_verify_quarantine_replay_and_data_are_about_one_table() {
    let app = TestApp::start().await;
    app.folder().write("a.csv", "id\n1\n2\n");
    app.folder().write("b.csv", "id\n1\nx\n");
    let yaml = yaml(&app, "raw_{file}", "schema: {columns: {id: int}}\non_bad_row: quarantine\n");
    let run = ended(&app, &yaml).await;
    assert_eq!(run["outcome"], "with_warnings", "{run:#}");
    let (a, b) = (run_of(&app, &run, "raw_a").await, run_of(&app, &run, "raw_b").await);
    let path = |run: &Value, what: &str| format!("/runs/{}/{what}", run["id"].as_str().expect("an id"));

    for what in ["undo", "verify"] {
        assert_eq!(app.post(&path(&run, what)).await.problem(409)["code"], "run_of_tables");
    }
    assert_eq!(
        app.post("/quarantine/replay").json(json!({ "run_id": run["id"] })).await.problem(409)["code"],
        "run_of_tables"
    );
    let verified = app.post(&path(&a, "verify")).await.ok();
    let verified = app.finished(&verified["id"]).await;
    assert_eq!(verified["report"]["verification"]["agrees"], true, "{verified:#}");
    assert_eq!((&verified["target_table"], app.count("raw_a").await), (&json!("raw_a"), 2));

    let rejected = app.get(&format!("/quarantine?run_id={}", b["id"].as_str().expect("an id"))).await.ok();
    assert_eq!(rejected["data"][0]["raw"], "x", "{rejected:#}");
    let of_whole = app.get(&format!("/quarantine?config_id={}", run["config_id"])).await.problem(400);
    assert_eq!(of_whole["code"], "table_not_named");
    let replay = app.post("/quarantine/replay").json(json!({ "run_id": b["id"] })).await.ok();
    let replay = app.finished(&replay["id"]).await;
    assert_eq!((&replay["state"], &replay["target_table"]), (&json!("succeeded"), &json!("raw_b")), "{replay:#}");

    let undo = app.post(&path(&a, "undo")).await.ok();
    let undo = app.finished(&undo["id"]).await;
    assert_eq!((&undo["state"], &undo["report"]["rows_deleted"]), (&json!("succeeded"), &json!(2)), "{undo:#}");
    assert_eq!((app.count("raw_a").await, app.count("raw_b").await), (0, 1));

    assert_eq!(app.get(&path(&b, "attempts")).await.ok()["data"][0]["outcome"], "succeeded");
    assert_eq!(app.get(&path(&run, "attempts")).await.ok()["data"][0]["outcome"], "waits_for_tables");

    // An analyst sees the tables, and undoes nothing.
    app.post(&path(&b, "undo")).as_user().await.problem(403);
    let data = |table: &'static str| app.post("/data-view").query(&[("table", table)]).yaml(&yaml);
    assert_eq!(data("raw_b").as_user().await.ok()["rows"], json!([{ "id": 1 }]));
    assert_eq!(data("people").as_user().await.problem(400)["code"], "invalid_query");
    let whole = app.post("/data-view").yaml(&yaml).as_user().await.problem(400);
    assert_eq!(whole["code"], "table_not_named");
}

#[tokio::test]
async fn a_stop_of_the_whole_run_stops_the_runs_of_its_tables() {
    let app = TestApp::start().await;
    for name in ["a.csv", "b.csv", "c.csv", "d.csv"] {
        app.folder().write(name, "id\n1\n");
    }
    let yaml = yaml(&app, "raw_{file}", "load: {dedupe: none}\n");
    ended(&app, &yaml).await;
    // The loads wait for this lock.
    let mut lock = app.target.begin().await.expect("a transaction");
    sqlx::raw_sql("lock table raw_a, raw_b, raw_c, raw_d in access exclusive mode")
        .execute(&mut *lock)
        .await
        .expect("locked");
    let run = app.trigger(&yaml).await;
    let parts =
        "select state from runs where part_of = (select id from runs where part_of is null order by id desc limit 1)";
    app.eventually(async || (app.control(parts).await.len() == 4).then_some(())).await.expect("its tables have runs");
    let whole = app.get(&format!("/runs/{}", run["id"].as_str().expect("an id"))).await.ok();
    assert_eq!(
        (&whole["state"], &whole["waiting"]["for"]),
        (&json!("queued"), &json!("the runs of its tables")),
        "{whole:#}"
    );
    app.post(&format!("/runs/{}/stop", run["id"].as_str().expect("an id"))).await.ok();
    lock.rollback().await.expect("unlocked");
    app.finished_all().await;
    assert_eq!(app.finished(&run["id"]).await["state"], "stopped");
    // Those that had sent their rows already may have loaded; a retry loads the others, and none of them twice.
    let done = retried(&app, &run).await;
    assert_eq!(done["state"], "succeeded", "{done:#}");
    for table in ["raw_a", "raw_b", "raw_c", "raw_d"] {
        assert_eq!(app.count(table).await, 2, "{table}");
    }
}
