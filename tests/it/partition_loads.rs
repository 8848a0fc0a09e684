//! Loads into partitioned tables as transactions: which partitions they touch, what a lost one leaves, several at once, and what
//! is refused.

use elt_shared::runs::lifecycle;
use serde_json::json;
use sqlx::Connection;

use crate::support::loader::{Loader, told};

const MONTHS: &str = "t, partition: {by: sold_at, every: month}";

/// Ends the attempt's loading transaction behind the creation of partitions: it waits for a lock on elt's table of receipts.
/// Returns what it had locked of the partitions and their indexes.
async fn at_the_receipts(loader: &Loader, more: &str, end: bool) -> Vec<String> {
    let mut other = sqlx::PgConnection::connect_with(&loader.target.connect_options()).await.expect("connected");
    let mut tx = other.begin().await.expect("a transaction");
    sqlx::raw_sql("lock table _elt_files in access exclusive mode").execute(&mut *tx).await.expect("locked");
    let context = loader.begin("run", &loader.yaml(MONTHS, more)).await;
    let watch = async {
        let session = format!("application_name = 'elt:{}:1'", context.run.id);
        let waits = format!(
            "select count(*) from pg_stat_activity where {session} and wait_event_type = 'Lock' and query like '%_elt_files%'"
        );
        while loader.value(&waits).await == "0" {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let locked = loader
            .rows(&format!(
                "select distinct c.relname from pg_locks l join pg_class c on c.oid = l.relation
                 join pg_stat_activity a on a.pid = l.pid
                 where a.{session} and l.granted and c.relkind = 'i'
                   and c.oid in (select relid from pg_index i, pg_partition_tree(i.indexrelid) where indrelid = 't'::regclass)
                 order by 1"
            ))
            .await;
        if end {
            loader.value(&format!("select pg_terminate_backend(pid) from pg_stat_activity where {session}")).await;
        }
        tx.rollback().await.expect("rolled back");
        locked
    };
    let (ended, locked) = tokio::join!(loader.execute(&context), watch);
    assert_eq!(ended.is_err(), end, "{ended:?}");
    locked
}

#[tokio::test]
async fn a_delivery_of_one_month_touches_no_index_of_another_one() {
    let loader = Loader::start().await;
    let rows: String = (0..2_400).map(|n| format!("{n},2025-{:02}-05\n", 1 + n % 12)).collect();
    loader.only("a.csv", format!("id,sold_at\n{rows}"));
    loader.load(MONTHS, "").await;
    for (mode, key) in [("append", ""), ("merge", ", key: [id, sold_at]")] {
        loader.only("b.csv", format!("id,sold_at\n3,2025-04-05\n{},2025-04-05\n", mode.len() * 10_000));
        let more = format!("load: {{mode: {mode}{key}}}\n");
        // The first merge makes the index over its key, in every partition.
        if mode == "merge" {
            loader.load(MONTHS, &more).await;
            loader.only("b.csv", "id,sold_at\n3,2025-04-05\n77777,2025-04-05\n");
        }
        let locked = at_the_receipts(&loader, &more, false).await;
        assert!(!locked.is_empty() && locked.iter().all(|index| index.starts_with("t_2025_04")), "{mode}: {locked:?}");
    }
    assert_eq!(loader.count("t").await, 2_403);
}

#[tokio::test]
async fn a_load_that_is_lost_after_it_made_partitions_leaves_none() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,sold_at\n1,2025-01-05\n");
    loader.load(MONTHS, "").await;
    let leaves = "select count(*) from pg_partition_tree('t') where isleaf";
    let before = loader.value(leaves).await;
    loader.sql("insert into t (id, sold_at) values (9, '2025-07-06')").await;
    loader.only("b.csv", "id,sold_at\n2,2025-07-05\n");
    at_the_receipts(&loader, "", true).await;
    assert_eq!(loader.value(leaves).await, before);
    assert_eq!(
        loader.rows("select id, tableoid::regclass::text from t order by id").await,
        ["1|t_2025_01", "9|t_default"]
    );
    loader.load(MONTHS, "").await;
    assert_eq!(loader.rows("select id from t_2025_07 order by id").await, ["2", "9"]);
}

#[tokio::test]
async fn a_plan_and_a_failed_check_leave_no_table() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,sold_at\n1,2025-01-05\n");
    let context = loader.begin("plan", &loader.yaml(MONTHS, "")).await;
    let plan = elt_worker::pipeline::run(&context).await.expect("planned");
    assert!(plan.ddl.iter().any(|statement| statement.contains("partition by range (\"sold_at\")")), "{:?}", plan.ddl);
    loader.fail(MONTHS, "checks: [{row_count: {min: 2}}]\n").await;
    assert_eq!(loader.value("select count(*) from pg_class where relname like 't\\_%' or relname = 't'").await, "0");
}

#[tokio::test]
async fn two_control_databases_make_the_same_partitions_at_once() {
    let (loader, other) = (Loader::start().await, Loader::start().await);
    let rows: Vec<String> = (0..3_000).map(|n| format!("{n},2025-{:02}-05", 1 + n % 12)).collect();
    loader.only("a.csv", format!("id,sold_at\n{}\n", rows.join("\n")));
    let back: Vec<_> = rows.iter().rev().map(String::as_str).collect();
    other.only("a.csv", format!("id,sold_at\n{}\n", back.join("\n")));
    let yaml = |of: &Loader| {
        let (folder, url) = (of.folder.path().display(), loader.databases().target_url());
        format!("sources: [{{type: local, path: {folder}}}]\ntarget: {{url: '{url}', table: {MONTHS}}}\n")
    };
    let (mine, theirs) = (yaml(&loader), yaml(&other));
    let (one, two) = tokio::join!(loader.run("run", &mine), other.run("run", &theirs));
    let (one, two) = (one.unwrap_or_else(|error| panic!("{}", told(&error))), two.expect("loaded"));
    assert_eq!(one.rows_inserted + two.rows_inserted, 3_000);
    assert_eq!(loader.count("t").await, 3_000);
    assert_eq!(loader.value("select count(*) from pg_partition_tree('t') where isleaf").await, "14");
}

#[tokio::test]
async fn an_undo_takes_the_rows_back_and_leaves_the_partitions() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,sold_at\n1,2025-01-05\n");
    loader.load(MONTHS, "").await;
    loader.only("b.csv", "id,sold_at\n2,2025-06-05\n3,\n");
    let yaml = loader.yaml(MONTHS, "");
    let context = loader.begin("run", &yaml).await;
    loader.execute(&context).await.expect("loaded");
    let undo = loader.create("undo", &yaml, json!({}), Some(context.run.id)).await;
    let begun = lifecycle::begin(&loader.control, undo.id, "tests").await.expect("asked").expect("queued");
    let undone = loader.execute(&loader.context(begun, &yaml)).await.expect("undone");
    assert_eq!(undone.rows_deleted, 2);
    assert_eq!(loader.rows("select id from t").await, ["1"]);
    assert_eq!(loader.load(MONTHS, "").await.rows_inserted, 2);
}

#[tokio::test]
async fn a_table_that_is_there_is_never_taken_for_a_partitioned_one() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,sold_at,day\n1,2025-01-05,2025-01-05\n");
    loader.sql("create table t (id int, sold_at date, day date)").await;
    let error = loader.fail(MONTHS, "").await;
    assert_eq!(error.code().as_str(), "target_partitioning");
    assert!(error.to_string().ends_with("the table is there and is not partitioned"), "{error}");
    assert!(error.next_step().contains("alter table \"public\".\"t\" rename to"), "{}", told(&error));
    for key in ["range (day)", "list (sold_at)", "range (sold_at, id)", "range ((id + 1))", "hash (id)"] {
        loader.sql(&format!("drop table t; create table t (id int, sold_at date, day date) partition by {key}")).await;
        for config in [MONTHS, "t, partition: {by: hash}"] {
            let error = loader.fail(config, "").await;
            assert_eq!(error.code().as_str(), "target_partitioning", "{key}: {}", told(&error));
        }
    }
    assert_eq!(loader.count("t").await, 0);
}

#[tokio::test]
async fn a_column_without_times_and_too_many_ranges_are_refused_before_anything_is_made() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,sold_at\n1,2025-01-05\n2,yesterday\n");
    let error = loader.fail(MONTHS, "").await;
    assert_eq!(error.code().as_str(), "partition_column");
    assert!(error.to_string().contains("sold_at") && error.to_string().contains("text"), "{error}");
    let declared = loader.load(MONTHS, "schema: {sold_at: date}\n").await;
    assert_eq!((declared.rows_inserted, declared.rows_quarantined), (1, 1), "a declared type rejects the row");
    loader.only("a.csv", "id,day\n1,2025-01-05\n");
    let error = loader.fail(MONTHS, "").await;
    assert!(error.to_string().contains("sold_at of target.partition.by is not loaded"), "{}", told(&error));

    let many: String = (0..1_001).map(|n| format!("{n},{:04}-{:02}-01\n", 1900 + n / 12, 1 + n % 12)).collect();
    loader.only("a.csv", format!("id,sold_at\n{many}"));
    let error = loader.fail("many, partition: {by: sold_at, every: day}", "").await;
    assert_eq!(error.code().as_str(), "too_many_partitions");
    assert!(error.to_string().contains("sold_at") && error.next_step().contains("longer range than `day`"), "{error}");
    assert_eq!(loader.value("select count(*) from pg_class where relname like 'many%'").await, "0");
}

#[tokio::test]
async fn a_login_that_may_make_no_tables_is_told_the_grant() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,sold_at\n1,2025-01-05\n");
    loader.load(MONTHS, "").await;
    // The role owns the database, and by that the schema.
    let admin = loader.admin().await;
    let taken = "alter schema public owner to current_user; revoke create on schema public from public";
    sqlx::raw_sql(taken).execute(&admin).await.expect("revoked");
    loader.only("a.csv", "id,sold_at\n2,2025-01-06\n");
    assert_eq!(loader.load(MONTHS, "").await.rows_inserted, 1, "a load that needs no partition needs no right");
    loader.only("a.csv", "id,sold_at\n3,2025-09-06\n");
    let error = loader.fail(MONTHS, "").await;
    assert_eq!(error.code().as_str(), "target_not_allowed");
    assert!(error.next_step().contains("grant usage, create on schema"), "{}", told(&error));
    assert_eq!(loader.count("t").await, 2);
}

#[tokio::test]
async fn partitions_of_several_ranges_are_attached_without_reading_the_default_one_for_each() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,sold_at\n1,2025-01-05\n");
    loader.load(MONTHS, "").await;
    // A table of this size is read by its index where that is enough.
    loader
        .sql(
            "insert into t (id, sold_at) select n, date '2030-01-01' + n % 3000 from generate_series(1, 50000) n;
             insert into t (id, sold_at) values (9, '2026-02-05'); analyze t_default",
        )
        .await;
    let scans = "select seq_scan from pg_stat_user_tables where relname = 't_default'";
    let before: u64 = scans_after_all_sessions(&loader, scans).await;
    let rows: String = (1..=12).map(|month| format!("{month},2026-{month:02}-06\n")).collect();
    loader.only("b.csv", format!("id,sold_at\n{rows}"));
    let report = loader.load(MONTHS, "").await;
    assert_eq!(report.rows_inserted, 12);
    let read = scans_after_all_sessions(&loader, scans).await - before;
    assert!(read < 6, "the default partition was read {read} times for 13 new partitions");
    assert_eq!(loader.rows("select id from t_2026_02 order by id").await, ["2", "9"]);
    assert_eq!(loader.value("select count(*) from pg_constraint where conname = '_elt_ruled_out'").await, "0");
}

/// A number of the server's statistics, when the sessions of runs have ended: a session adds its numbers at its end.
async fn scans_after_all_sessions(loader: &Loader, sql: &str) -> u64 {
    let sessions =
        "select count(*) from pg_stat_activity where application_name like 'elt:%' and datname = current_database()";
    while loader.value(sessions).await != "0" {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    loader.value(sql).await.parse().expect("a number")
}
