//! Runs that do something else than load: undo, replay, check, connection test.

use elt_shared::runs::lifecycle;
use elt_shared::runs::report::RunReport;
use elt_shared::store::runs;
use elt_worker::run_context::RunContext;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::loader::{Ended, Loader};

#[tokio::test]
async fn an_undo_takes_back_one_run_s_rows_and_its_files_load_again() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id\n1\n2\n");
    loader.load("t", "").await;
    loader.only("b.csv", "id\n2\n3\nx\n");
    let more = "schema: {id: int64}\nstrict_mode: true\n";
    let yaml = loader.yaml("t", more);
    let context = loader.begin("run", &yaml).await;
    loader.execute(&context).await.expect("loaded");
    assert_eq!(loader.count("t").await, 3);

    let undone = follow(&loader, "undo", &yaml, context.run.id, json!({})).await.expect("undone");
    assert_eq!(undone.rows_deleted, 1);
    assert_eq!(loader.rows("select id from t order by id").await, ["1", "2"]);
    assert_eq!(loader.count("_elt_quarantine").await, 0);
    let again = follow(&loader, "undo", &yaml, context.run.id, json!({})).await.expect("undone before");
    assert_eq!(again.rows_deleted, 0);

    let reload = loader.load("t", more).await;
    assert_eq!((reload.rows_inserted, reload.rows_duplicate, reload.rows_quarantined), (1, 1, 1));
}

#[tokio::test]
async fn what_overwrote_rows_cannot_be_undone() {
    let loader = Loader::start().await;
    let more = "load: {mode: merge, key: [id]}\n";
    loader.only("a.csv", "id,v\n1,a\n");
    loader.load("t", more).await;
    loader.only("a.csv", "id,v\n1,b\n");
    let context = loader.begin("run", &loader.yaml("t", more)).await;
    loader.execute(&context).await.expect("loaded");
    let undo = follow(&loader, "undo", &loader.yaml("t", more), context.run.id, json!({})).await;
    assert_eq!(undo.expect_err("refused").code(), "cannot_undo");
    let undo = follow(&loader, "undo", &loader.yaml("t", more), Uuid::now_v7(), json!({})).await;
    assert!(undo.is_err());
}

#[tokio::test]
async fn rejected_rows_load_after_they_were_mended_and_only_once() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,name\n1,Ann\nx,\"B \"\"q\"\" \"\ny,\n");
    loader.folder.write("b.json", r#"[{"id": "z", "name": {"a": [1]}}]"#);
    let yaml = loader.yaml("t", "schema: {id: int64, name: object}\nstrict_mode: true\n");
    let context = loader.begin("run", &yaml).await;
    assert_eq!(loader.execute(&context).await.expect("loaded").rows_quarantined, 3);
    let ids = loader.rows("select id from _elt_quarantine order by id").await;
    let edits = json!({ &ids[0]: { "id": "2" }, &ids[2]: { "id": "3" } });

    let replay = follow(&loader, "replay", &yaml, context.run.id, json!({ "edits": edits })).await.expect("replayed");
    assert_eq!((replay.rows_inserted, replay.rows_quarantined), (2, 1), "{replay:#?}");
    assert_eq!(loader.rows("select id, name from t order by id").await, ["1|Ann", "2|B \"q\" ", "3|{\"a\":[1]}"]);
    assert_eq!(loader.value("select count(*) from _elt_quarantine where replayed_by is null").await, "1");

    let again = follow(&loader, "replay", &yaml, context.run.id, json!({})).await.expect("replayed");
    assert_eq!(again.rows_read, 0, "what was replayed is not replayed again");
}

#[tokio::test]
async fn a_replay_under_a_wider_config_loads_what_the_old_one_rejected() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,v\n1,5\n2,x\n");
    let strict = loader.yaml("t", "schema: {id: int64, v: int64}\nstrict_mode: true\n");
    let context = loader.begin("run", &strict).await;
    loader.execute(&context).await.expect("loaded");
    let wide = loader.yaml("t", "schema: {id: int64, v: object}\n");
    let replay = follow(&loader, "replay", &wide, context.run.id, json!({})).await.expect("replayed");
    assert_eq!(replay.rows_inserted, 1);
    assert_eq!(loader.rows("select id, v from t order by id").await, ["1|5", "2|x"]);
}

#[tokio::test]
async fn a_check_reads_and_writes_nothing() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,v\n1,5\n2,x\n");
    let report = loader.run("check", &loader.yaml("t", "")).await.expect("checked");
    assert_eq!((report.rows_read, report.columns.len()), (2, 2));
    assert_eq!(report.columns[1].sql_type, "text");
    assert_eq!(loader.value("select count(*) from pg_class where relnamespace = 'public'::regnamespace").await, "0");
    let missing = loader.run("check", &loader.yaml("t", "schema: {nope: int64}\n")).await;
    assert_eq!(missing.expect_err("refused").code(), "missing_column");
}

#[tokio::test]
async fn a_connection_test_says_what_cannot_be_reached() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id\n1\n");
    loader.run("test_connection", &loader.yaml("t", "")).await.expect("reached");
    let wrong = loader.yaml("t", "").replace(
        "target: {table: t}",
        "target: {host: 127.0.0.1, port: 1, user: nobody, password: x, database: none, table: t}",
    );
    let report = loader.run("test_connection", &wrong).await.expect("what cannot be reached is told, not failed");
    let usable: Vec<_> = report.connections.iter().map(|tried| (tried.what.as_str(), tried.usable)).collect();
    assert_eq!(usable, [("source 1 (local)", true), ("target", false)]);
}

/// Executes a run that is about another one.
async fn follow(loader: &Loader, kind: &str, yaml: &str, parent: Uuid, options: Value) -> Ended {
    let parent = runs::find(&loader.control, parent).await.expect("looked").map(|run| run.id);
    let run = loader.create(kind, yaml, options, parent).await;
    let begun = lifecycle::begin(&loader.control, run.id, "tests").await.expect("asked").expect("there to begin");
    let context: RunContext = loader.context(begun, yaml);
    let ended: Result<RunReport, _> = loader.execute(&context).await;
    ended
}
