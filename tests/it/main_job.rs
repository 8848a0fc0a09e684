//! The main job, end to end: files through API, queue and worker into a table, exactly once.

use reqwest::multipart::Form;
use serde_json::{Value, json};

use crate::support::TestApp;

/// A folder with the same people in three formats, one of them twice.
fn three_formats(app: &TestApp) {
    app.folder().write("a.csv", "id,name\n1,Ann\n2,Bob\n");
    app.folder().write("b.json", r#"[{"id": 3, "name": "Cid", "city": "Rome"}, {"id": 2, "name": "Bob"}]"#);
    app.folder().write("c.txt", "id|name\n4|Dee\n");
    app.folder().write("d.pdf", "not ours");
}

fn ids(rows: &[Value]) -> Vec<i64> {
    rows.iter().map(|row| row["id"].as_i64().expect("an id")).collect()
}

#[tokio::test]
async fn three_formats_become_one_table_and_one_csv() {
    let app = TestApp::start().await;
    three_formats(&app);
    let run = app.load(&app.yaml("people", "")).await;
    let report = &run["report"];
    assert_eq!(
        (&report["rows_read"], &report["rows_inserted"], &report["rows_duplicate"]),
        (&json!(5), &json!(4), &json!(1))
    );
    let rows = app.rows("select id, name, city from people order by id").await;
    assert_eq!(ids(&rows), [1, 2, 3, 4]);
    assert_eq!((&rows[0]["city"], &rows[2]["city"]), (&Value::Null, &json!("Rome")));
    assert!(report["left_out"].to_string().contains("d.pdf"), "{report:#}");

    let output = app.data_dir().path().join("output");
    assert!(
        report["combined_csv"].as_str().is_some_and(|csv| csv.starts_with(&output.display().to_string())),
        "{report:#}"
    );
    let csv = app.get(&format!("/runs/{}/csv", run["id"].as_str().expect("an id"))).await;
    assert_eq!(csv.status, 200);
    let mut lines: Vec<&str> = csv.text.lines().collect();
    assert_eq!(lines.remove(0), "id,name,city");
    lines.sort_unstable();
    assert_eq!(lines, ["1,Ann,", "2,Bob,", "2,Bob,", "3,Cid,Rome", "4,Dee,"]);
    let view = app.post("/data-view?sort=id").as_user().yaml(&app.yaml("people", "")).await.ok();
    assert_eq!((&view["columns"], &view["total"]), (&json!(["id", "name", "city"]), &json!(4)));
}

#[tokio::test]
async fn only_new_rows_are_loaded_also_after_a_restart() {
    let app = TestApp::start_with(|options| options.workers = 0).await;
    app.folder().write("a.csv", "id,name\n1,Ann\n2,Bob\n");
    let yaml = app.yaml("people", "");
    let worker = app.start_worker();
    app.load(&yaml).await;
    let again = app.load(&yaml).await;
    assert_eq!((&again["rows_read"], &again["rows_inserted"]), (&json!(2), &json!(0)));

    worker.cancel();
    app.start_worker();
    let again = app.load(&yaml).await;
    assert_eq!((&again["rows_read"], &again["rows_inserted"]), (&json!(2), &json!(0)));
    app.folder().write("b.csv", "id,name\n3,Cid\n");
    assert_eq!(app.load(&yaml).await["rows_inserted"], 1);
    assert_eq!(app.count("people").await, 3);
}

#[tokio::test]
async fn versions_and_workers_that_load_the_same_rows_at_once_load_them_once() {
    let app = TestApp::start_with(|options| options.workers = 2).await;
    let rows: String = (0..2_000).map(|number| format!("{number},name {number}\n")).collect();
    app.folder().write("a.csv", format!("id,name\n{rows}"));
    let mut runs = Vec::new();
    for version in 0..4 {
        runs.push(app.trigger(&app.yaml("people", &format!("# {version}\n"))).await);
    }
    let mut inserted = 0;
    for run in &runs {
        let run = app.finished(&run["id"]).await;
        assert_eq!(run["state"], "succeeded", "{run:#}");
        inserted += run["rows_inserted"].as_i64().expect("a number");
    }
    assert_eq!(inserted, 2_000);
    let counts = app.rows("select count(*) as n, count(distinct _elt_row_hash) as hashes from people").await;
    assert_eq!(counts, [json!({ "n": 2_000, "hashes": 2_000 })]);
}

#[tokio::test]
async fn tables_are_named_by_their_configs_and_shared_ones_add_up() {
    let app = TestApp::start().await;
    let source = |name: &str, table: &str| {
        let path = app.folder().path().join(name);
        format!(
            "name: {name}\nsources:\n  - {{type: local, path: {}}}\ntarget: {{table: {table}}}\nmonitor: {{enabled: false}}\n",
            path.display()
        )
    };
    app.folder().write("one/a.csv", "id\n1\n");
    app.folder().write("two/a.csv", "id\n2\n");
    app.load(&source("one", "shared")).await;
    app.load(&source("two", "shared")).await;
    app.load(&source("two", "shop.apart")).await;
    assert_eq!(ids(&app.rows("select id from shared order by id").await), [1, 2]);
    assert_eq!(ids(&app.rows("select id from shop.apart").await), [2]);
}

#[tokio::test]
async fn a_page_of_data_begins_after_any_number_of_rows() {
    let app = TestApp::start().await;
    app.folder().write("a.csv", "id\n1\n2\n3\n4\n5\n");
    let run = app.load(&app.yaml("people", "")).await;
    let config = run["config_id"].to_string();
    let ids = async |offset: &str| {
        let query = [("sort", "id"), ("limit", "2"), ("offset", offset)];
        let form = Form::new().text("config_id", config.clone());
        let page = app.post("/data-view").query(&query).form(form).await.ok();
        let rows = page["rows"].as_array().expect("rows").iter().map(|row| row["id"].as_i64().expect("an id"));
        (rows.collect::<Vec<_>>(), page["total"].as_i64(), page["next"].is_string())
    };
    assert_eq!(ids("0").await, (vec![1, 2], Some(5), true));
    assert_eq!(ids("3").await, (vec![4, 5], Some(5), false));
    assert_eq!(ids("9").await, (vec![], Some(5), false));
    let form = Form::new().text("config_id", config.clone());
    let refused = app.post("/data-view").query(&[("offset", "-1")]).form(form).await;
    assert_eq!(refused.problem(400)["code"], "invalid_query");
}

#[tokio::test]
async fn a_target_of_its_own_is_reached_with_its_own_credentials() {
    let app = TestApp::start().await;
    app.folder().write("a.csv", "id\n1\n");
    let url = app.target_url();
    let yaml = |url: &str| app.yaml("people", "").replace("table: people", &format!("table: people\n  url: {url}"));
    app.load(&yaml(&url)).await;
    assert_eq!(app.count("people").await, 1);
}

#[tokio::test]
async fn rejected_rows_are_seen_mended_and_loaded_after_all() {
    let app = TestApp::start().await;
    app.folder().write("a.csv", "id,name\n1,Ann\nseven,Bob\n3,Cid\n");
    let strict = "schema: {id: int64, name: string}\nstrict_mode: true\n";
    let run = app.load(&app.yaml("people", strict)).await;
    assert_eq!(run["report"]["rows_quarantined"], 1);

    let query = format!("run_id={}", run["id"].as_str().expect("an id"));
    let rejected = app.get(&format!("/quarantine?{query}")).await.ok();
    let row = &rejected["data"][0];
    assert_eq!(
        (&row["column"], &row["line"], &row["raw"]),
        (&json!("id"), &json!(3), &json!("seven,Bob")),
        "{rejected:#}"
    );
    assert!(row["reason"].as_str().is_some_and(|reason| reason.contains("seven")), "{row:#}");
    let reasons = json!([{ "code": "wrong_type", "column": "id", "rows": 1 }]);
    assert_eq!((&rejected["total"], &rejected["reasons"]), (&json!(1), &reasons));
    let other = app.get(&format!("/quarantine?{query}&code=missing_value")).await.ok();
    assert_eq!((&other["total"], &other["reasons"]), (&json!(0), &reasons), "all reasons, whichever is looked at");
    let file = app.get(&format!("/quarantine/export?{query}")).await;
    assert!(file.text.lines().nth(1).is_some_and(|line| line.contains("\"seven,Bob\"")), "{}", file.text);
    assert_eq!(app.get("/quarantine").await.problem(400)["code"], "invalid_query");

    let wider = app.yaml("people", "schema: {id: string, name: string}\n");
    let wider = app.post("/upload-config").yaml(&wider).await.ok();
    let replay = json!({ "run_id": run["id"], "config_id": wider["id"], "ids": [row["id"]] });
    let replay = app.post("/quarantine/replay").json(replay).await;
    assert_eq!((replay.status.as_u16(), &replay["kind"], &replay["parent_id"]), (202, &json!("replay"), &run["id"]));
    let replay = app.finished(&replay["id"]).await;
    assert_eq!(replay["state"], "succeeded", "{replay:#}");
    assert_eq!(app.count("people").await, 3);
    let rejected = app.get(&format!("/quarantine?{query}")).await.ok();
    assert_eq!(rejected["data"][0]["replayed_by"], replay["id"]);
}

#[tokio::test]
async fn what_a_run_loaded_is_taken_back_and_loads_again() {
    let app = TestApp::start().await;
    app.folder().write("a.csv", "id\n1\n2\n");
    let yaml = app.yaml("people", "");
    let run = app.load(&yaml).await;
    let path = format!("/runs/{}/undo", run["id"].as_str().expect("an id"));
    let undo = app.post(&path).await;
    assert_eq!((undo.status.as_u16(), &undo["kind"]), (202, &json!("undo")));
    let undone = app.finished(&undo["id"]).await;
    assert_eq!(undone["state"], "succeeded", "{undone:#}");
    assert_eq!(app.count("people").await, 0);
    assert_eq!(app.post(&path).await.problem(409)["code"], "already_undone");
    assert_eq!(app.load(&yaml).await["rows_inserted"], 2);

    let merged = app.load(&app.yaml("merged", "load: {mode: merge, key: [id]}\n")).await;
    let refused = app.post(&format!("/runs/{}/undo", merged["id"].as_str().expect("an id"))).await;
    assert_eq!(refused.problem(409)["code"], "cannot_undo");
}

#[tokio::test]
async fn a_plan_a_check_and_a_connection_test_load_nothing() {
    let app = TestApp::start().await;
    app.folder().write("a.csv", "id\n1\n2\n");
    let config = app.post("/upload-config").yaml(&app.yaml("people", "")).await.ok();
    for kind in ["plan", "check", "test_connection"] {
        let run = app.post("/runs").json(json!({ "config_id": config["id"], "kind": kind })).await.ok();
        let run = app.finished(&run["id"]).await;
        assert_eq!(run["state"], "succeeded", "{run:#}");
    }
    let tables = app.rows("select table_name from information_schema.tables where table_name = 'people'").await;
    assert_eq!(tables, Vec::<Value>::new());
}
