//! Rejected rows while several things happen to them: loads, replays, undos, and the deletion and merge of old ones.

use std::time::{Duration, Instant};

use elt_shared::queue::retention::{Cleaned, Keep, Kind};
use elt_shared::runs::lifecycle;
use elt_shared::runs::report::RunReport;
use elt_shared::store::retention_turns::Subject;
use elt_shared::target::TableRef;
use elt_worker::load::housekeeping::Housekeeping;
use elt_worker::run_context::RunContext;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::support::loader::Loader;
use crate::target_growth::id_of;

const STRICT: &str = "schema: {id: int64}\nstrict_mode: true\n";

/// Deletes one kind of old rows of elt's tables beside `t`, whosever turn it is.
async fn clean(loader: &Loader, kind: Kind) -> Cleaned {
    let table = TableRef { schema: "public".into(), table: "t".into() };
    let mut target = loader.databases().target_pool().await.acquire().await.expect("a connection");
    let mut house = Housekeeping { target: &mut target, control: &loader.control, table: &table, keep: Keep::DEFAULT };
    let subject = Subject { kind: kind.name(), place: "here" };
    house.clean(kind, subject).await.unwrap_or_else(|error| panic!("{error}"))
}

/// Waits until a session with the target waits for a lock of that type.
async fn until_blocked(loader: &Loader, wait_event: &str) {
    let blocked = format!(
        "pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and wait_event = '{wait_event}'"
    );
    let began = Instant::now();
    while loader.count(&blocked).await == 0 {
        assert!(began.elapsed() < Duration::from_secs(60), "nothing waits for a lock");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Undoes a run.
async fn undo(loader: &Loader, yaml: &str, undone: Uuid) {
    let undo = loader.create("undo", yaml, json!({}), Some(undone)).await;
    let undo = lifecycle::begin(&loader.control, undo.id, "tests").await.expect("asked").expect("begun");
    loader.execute(&loader.context(undo, yaml)).await.expect("undone");
}

/// Runs a config. Returns the id of the run, and its report.
async fn run(loader: &Loader, yaml: &str) -> (Uuid, RunReport) {
    let context = loader.begin("run", yaml).await;
    let report = loader.execute(&context).await.expect("loaded");
    (context.run.id, report)
}

/// A replay of the rejected rows of a run, at its start.
async fn replay(loader: &Loader, yaml: &str, rejected_by: Uuid, options: Value) -> RunContext {
    let replay = loader.create("replay", yaml, options, Some(rejected_by)).await;
    let replay = lifecycle::begin(&loader.control, replay.id, "tests").await.expect("asked").expect("begun");
    loader.context(replay, yaml)
}

#[tokio::test]
async fn a_rejected_row_that_a_load_counts_up_at_the_same_moment_stays() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id\n1\nx\ny\n");
    loader.load("t", STRICT).await;
    loader.sql("update _elt_quarantine set at = now() - interval '400 days'").await;
    let mut load = loader.target.begin().await.expect("a transaction");
    sqlx::query("update _elt_quarantine set at = now(), seen = seen + 1 where raw = 'x'")
        .execute(&mut *load)
        .await
        .expect("counted up");
    let commit = async {
        until_blocked(&loader, "transactionid").await;
        load.commit().await.expect("committed");
    };
    let (cleaned, ()) = tokio::join!(clean(&loader, Kind::Quarantine), commit);
    assert_eq!(cleaned, Cleaned { removed: 1, behind: false });
    assert_eq!(loader.rows("select raw, seen from _elt_quarantine").await, ["x|2"]);
}

#[tokio::test]
async fn a_replay_whose_rows_are_merged_meanwhile_is_rolled_back_and_may_be_tried_again() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id\n1\nx\ny\n");
    let yaml = loader.yaml("t", STRICT);
    let (rejected_by, _) = run(&loader, &yaml).await;
    // A load or a merge at work.
    let mut other = loader.target.acquire().await.expect("a connection");
    let key = "hashtextextended('elt load public.t', 0)";
    sqlx::query(AssertSqlSafe(format!("select pg_advisory_lock({key})"))).execute(&mut *other).await.expect("locked");
    let edited = loader.rows("select id from _elt_quarantine order by id").await;
    let edits = json!({ "edits": { &edited[0]: { "id": "2" }, &edited[1]: { "id": "3" } } });
    let context = replay(&loader, &yaml, rejected_by, edits.clone()).await;
    let merge = async {
        until_blocked(&loader, "advisory").await;
        loader.sql("delete from _elt_quarantine where raw = 'y'").await;
        sqlx::query(AssertSqlSafe(format!("select pg_advisory_unlock({key})")))
            .execute(&mut *other)
            .await
            .expect("unlocked");
    };
    let (ended, ()) = tokio::join!(loader.execute(&context), merge);
    let error = ended.expect_err("it replayed a row that is gone");
    assert!(error.is_retryable() && error.code().as_str() == "target_race", "{error}");
    assert_eq!(loader.count("t").await, 1);
    assert_eq!(loader.count("_elt_quarantine where replayed_by is null").await, 1);

    let report = loader.execute(&replay(&loader, &yaml, rejected_by, edits).await).await.expect("replayed");
    assert_eq!(report.rows_inserted, 1);
    assert_eq!(loader.rows("select id from t order by id").await, ["1", "2"]);
}

#[tokio::test]
async fn equal_rows_of_one_run_are_not_merged_into_each_other_at_the_end_of_a_batch() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id\n1\n");
    loader.load("t", "").await;
    let (first, last) = (id_of(3, 1), id_of(2, 2));
    // The first batch of 2000 ends between two equal texts of one line.
    loader
        .sql(&format!(
            "insert into _elt_quarantine (at, run_id, table_name, config_id, file, line, code, reason, raw)
             select now() - interval '3 days', '{first}', 't', 1, 'f', least(n, 2000), 'c', 'r', least(n, 2000)
             from generate_series(1, 2001) n order by n;
             insert into _elt_quarantine (at, run_id, table_name, config_id, file, line, code, reason, raw)
             select now() - interval '2 days', '{last}', 't', 1, 'f', 2000, 'c', 'r', '2000' from generate_series(1, 2)"
        ))
        .await;
    assert_eq!(clean(&loader, Kind::Quarantine).await, Cleaned { removed: 2, behind: false });
    let rows = "select seen, first_run_id, run_id from _elt_quarantine where line = 2000 order by id";
    assert_eq!(loader.rows(rows).await, vec![format!("2|{first}|{last}"); 2]);
    assert_eq!(loader.count("_elt_quarantine where place is null").await, 0);
    assert_eq!(loader.count("_elt_quarantine").await, 2001);
}

#[tokio::test]
async fn rows_of_older_releases_are_merged_for_all_tables_and_a_table_that_is_loaded_into_is_behind() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id\n1\n");
    loader.load("t", "").await;
    for (number, table) in ["t", "other", "zebra", "t", "other", "zebra"].into_iter().enumerate() {
        let row = format!(
            "insert into _elt_quarantine (run_id, table_name, config_id, file, line, code, reason, raw)
             values ('{}', '{table}', 1, 'f', 2, 'c', 'r', 'x')",
            id_of(2, number as u128)
        );
        loader.sql(&row).await;
    }
    let mut load = loader.target.begin().await.expect("a transaction");
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('elt load public.t', 0))")
        .execute(&mut *load)
        .await
        .expect("locked");
    let rows = "select table_name, seen, place is null from _elt_quarantine order by table_name, id";
    assert_eq!(clean(&loader, Kind::Quarantine).await, Cleaned { removed: 2, behind: true });
    assert_eq!(loader.rows(rows).await, ["other|2|false", "t|1|true", "t|1|true", "zebra|2|false"]);
    load.rollback().await.expect("ended");
    assert_eq!(clean(&loader, Kind::Quarantine).await, Cleaned { removed: 1, behind: false });
    assert_eq!(loader.rows(rows).await, ["other|2|false", "t|2|false", "zebra|2|false"]);
}

#[tokio::test]
async fn a_rejected_row_goes_when_all_runs_that_rejected_it_are_undone_in_whatever_order() {
    for order in [[0, 1], [1, 0]] {
        let loader = Loader::start().await;
        let yaml = loader.yaml("t", STRICT);
        let mut runs = Vec::new();
        for number in 1..=2 {
            loader.only("a.csv", format!("id\n{number}\n"));
            loader.folder.write("b.csv", "id\nx\n");
            runs.push(run(&loader, &yaml).await.0);
        }
        undo(&loader, &yaml, runs[order[0]]).await;
        let other = runs[order[1]];
        let row = "select raw, seen, first_run_id, run_id from _elt_quarantine";
        assert_eq!(loader.rows(row).await, [format!("x|1|{other}|{other}")]);
        undo(&loader, &yaml, other).await;
        assert_eq!(loader.count("_elt_quarantine").await, 0);
    }
}

#[tokio::test]
async fn a_rejected_row_stays_while_a_run_between_the_undone_ones_rejected_it() {
    let loader = Loader::start().await;
    let yaml = loader.yaml("t", STRICT);
    let mut runs = Vec::new();
    for number in 1..=3 {
        loader.only("a.csv", format!("id\n{number}\n"));
        loader.folder.write("b.csv", "id\nx\n");
        runs.push(run(&loader, &yaml).await.0);
    }
    undo(&loader, &yaml, runs[0]).await;
    undo(&loader, &yaml, runs[2]).await;
    assert_eq!(loader.rows("select raw, seen from _elt_quarantine").await, ["x|1"]);
}

#[tokio::test]
async fn an_undone_replay_leaves_one_open_row_where_a_run_rejected_it_again_meanwhile() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id\n1\nx\ny\n");
    let yaml = loader.yaml("t", STRICT);
    let (first, _) = run(&loader, &yaml).await;
    let ids = loader.rows("select id from _elt_quarantine order by id").await;
    let edits = json!({ "edits": { &ids[0]: { "id": "2" }, &ids[1]: { "id": "3" } } });
    let replayed = replay(&loader, &yaml, first, edits).await;
    assert_eq!(loader.execute(&replayed).await.expect("replayed").rows_inserted, 2);
    loader.only("a.csv", "id\n1\nx\n");
    let (again, _) = run(&loader, &yaml).await;
    assert_eq!(loader.count("_elt_quarantine").await, 3);

    undo(&loader, &yaml, replayed.run.id).await;
    let rows = "select raw, seen, first_run_id, run_id, replayed_by from _elt_quarantine order by raw";
    assert_eq!(loader.rows(rows).await, [format!("x|2|{first}|{again}|-"), format!("y|1|{first}|{first}|-")]);
    assert_eq!(loader.rows("select id from t").await, ["1"]);
}
