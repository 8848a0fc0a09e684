//! `target.partition.keep`: old partitions are detached after a load, and old rows are not loaded.
//!
//! The clock of the target is a function of the test, so that limits are tested to the microsecond.

use elt_shared::runs::lifecycle;
use elt_shared::runs::report::RunReport;
use serde_json::json;
use sqlx::{Connection, PgConnection};

use crate::support::loader::{Ended, Loader};

const KEPT: &str = "t, partition: {by: sold_at, every: month, keep: 2 months}";
const ALL: &str = "t, partition: {by: sold_at, every: month}";
const TIMES: &str = "schema: {id: int64, sold_at: timestamptz}\n";

/// A loader whose target has this time.
async fn start(time: &str) -> Loader {
    let loader = Loader::start().await;
    let database = loader.value("select current_database()").await;
    loader.sql(&format!("alter database \"{database}\" set search_path = public, pg_catalog")).await;
    clock(&loader, time).await;
    loader
}

/// Sets the clock of the target.
async fn clock(loader: &Loader, time: &str) {
    loader
        .sql(&format!(
            "create or replace function public.clock_timestamp() returns timestamptz language sql
             as 'select timestamptz ''{time}'''"
        ))
        .await;
}

/// The partitions of the table.
async fn partitions(loader: &Loader) -> Vec<String> {
    loader.rows("select relid::text from pg_partition_tree('t') where isleaf order by 1").await
}

/// What a load did with the rows: inserted, duplicate, filtered.
fn counts(report: &RunReport) -> (u64, u64, u64) {
    (report.rows_inserted, report.rows_duplicate, report.rows_filtered)
}

fn said(report: &RunReport) -> String {
    report.warnings.join("\n")
}

/// Four months of rows, the first of which a load of `KEPT` detaches in November 2026.
async fn four_months(loader: &Loader) {
    loader.only("a.csv", "id,sold_at\n1,2026-08-05\n2,2026-09-05\n3,2026-10-05\n4,2026-11-05\n");
    assert_eq!(loader.load(ALL, "").await.rows_inserted, 4);
    loader.only("b.csv", "id,sold_at\n5,2026-11-06\n");
}

/// Another session that holds a lock on the table, as a long query does.
async fn reader(loader: &Loader) -> PgConnection {
    let mut other = PgConnection::connect_with(&loader.target.connect_options()).await.expect("connected");
    sqlx::raw_sql("begin; lock table t in access share mode").execute(&mut other).await.expect("locked");
    other
}

#[tokio::test]
async fn a_partition_stays_until_its_last_moment_is_older_than_what_is_kept() {
    let loader = start("2026-11-30 23:59:59.999999+00").await;
    loader.only(
        "a.csv",
        "id,sold_at\n1,2026-09-01T01:59:59.999999+02:00\n2,2026-09-01T02:00:00+02:00\n3,2026-11-05T00:00:00Z\n4,\n",
    );
    assert_eq!(counts(&loader.load(ALL, TIMES).await), (4, 0, 0));
    let report = loader.load(KEPT, TIMES).await;
    assert_eq!(partitions(&loader).await, ["t_2026_09", "t_2026_11", "t_2026_12", "t_default"]);
    assert_eq!(
        report.old_partitions,
        ["public.t_2026_08 (2026-08-01 00:00:00+00 to 2026-09-01 00:00:00+00) was detached"]
    );
    assert!(report.ddl.iter().any(|statement| statement.ends_with("detach partition \"public\".\"t_2026_08\"")));
    assert_eq!(loader.rows("select id from t_2026_08").await, ["1"], "the rows are readable in a table of their own");

    let again = loader.load(KEPT, TIMES).await;
    assert_eq!((counts(&again), again.old_partitions.len()), ((0, 3, 1), 0), "{again:#?}");
    assert!(
        said(&again).contains("1 row is from before 2026-09-01 00:00:00+00, and public.t keeps 2 months"),
        "{again:#?}"
    );
    clock(&loader, "2026-12-01 00:00:00+00").await;
    assert_eq!(loader.load(KEPT, TIMES).await.old_partitions.len(), 1);
    assert_eq!(partitions(&loader).await, ["t_2026_11", "t_2026_12", "t_default"]);
    assert_eq!(counts(&loader.load(KEPT, TIMES).await), (0, 2, 2));
    assert_eq!(loader.rows("select id from t order by id").await, ["3", "4"]);
}

#[tokio::test]
async fn days_and_other_lengths_end_at_midnight_utc() {
    let loader = start("2026-11-30 00:30:00+00").await;
    loader.only("a.csv", "id,sold_at\n1,2026-11-26\n2,2026-11-27\n3,2026-11-30\n4,2025-12-31\n5,2026-03-31\n6,2026-06-30\n7,2024-12-31\n");
    for (every, keep, left) in [
        ("day", "3 days", "2,3"),
        ("week", "1 week", "2,3,1"),
        ("month", "8 months", "1,2,3,5,6"),
        ("quarter", "2 quarters", "1,2,3,6"),
        ("year", "1 year", "1,2,3,4,5,6"),
    ] {
        loader.sql("drop table if exists t").await;
        let left: Vec<_> = left.split(',').collect();
        let table = format!("t, partition: {{by: sold_at, every: {every}, keep: {keep}}}");
        let report = loader.load(&table, "").await;
        assert_eq!(counts(&report), (left.len() as u64, 0, 7 - left.len() as u64), "{every}: {report:#?}");
        let mut expected = left.clone();
        expected.sort_unstable();
        assert_eq!(loader.rows("select id from t order by id").await, expected, "{every}");
    }
}

#[tokio::test]
async fn rows_of_detached_partitions_that_come_again_are_counted_and_not_loaded() {
    let mut loader = start("2026-11-30 12:00:00+00").await;
    loader.memory = elt_worker::run_context::HashMemory { own: 4_096, all: 4_096 };
    let rows: String = (0..3_000).map(|n| format!("{n},2026-{:02}-05\n", 8 + n % 4)).collect();
    loader.only("a.csv", format!("id,sold_at\n{rows}"));
    assert_eq!(counts(&loader.load(ALL, "").await), (3_000, 0, 0));
    assert_eq!(loader.load(KEPT, "").await.old_partitions.len(), 1);
    for (mode, twice) in [("append", 2), ("merge, key: [id, sold_at]", 1)] {
        loader.only("a.csv", format!("id,sold_at\n{}", rows.repeat(twice)));
        let report = loader.load(KEPT, &format!("load: {{mode: {mode}}}\n")).await;
        assert_eq!((report.rows_inserted, report.rows_updated), (0, 0), "{mode}: {report:#?}");
        assert_eq!(report.rows_filtered, 750, "{mode}: a row that is repeated is a duplicate");
        assert!(said(&report).contains("750 rows are from before 2026-09-01"), "{report:#?}");
        assert_eq!((loader.count("t").await, loader.count("t_2026_08").await), (2_250, 750));
    }
    assert!(!partitions(&loader).await.iter().any(|name| name.starts_with("t_2026_08")));
    let receipts = "select bool_or(rows_filtered = 750) from _elt_files";
    assert_eq!(loader.value(receipts).await, "true", "the target's receipt has them as well");
}

#[tokio::test]
async fn a_first_load_makes_no_partition_for_old_rows() {
    let loader = start("2026-11-30 12:00:00+00").await;
    loader.only("a.csv", "id,sold_at\n1,2020-01-05\n2,2026-10-05\n");
    let report = loader.load(KEPT, "").await;
    assert_eq!((counts(&report), report.old_partitions.len()), ((1, 0, 1), 0));
    assert_eq!(partitions(&loader).await, ["t_2026_10", "t_2026_11", "t_default"]);
    loader.only("b.csv", "id,sold_at\n3,2020-01-06\n");
    let only_old = loader.load(KEPT, "").await;
    assert_eq!(counts(&only_old), (0, 0, 1));
    assert_eq!(loader.count("t").await, 1);
}

#[tokio::test]
async fn the_default_partition_and_partitions_with_a_part_of_what_is_kept_stay() {
    let loader = start("2026-11-30 12:00:00+00").await;
    loader.only("a.csv", "id,sold_at\n1,2026-01-05\n2,\n");
    loader.load("t, partition: {by: sold_at, every: year}", "").await;
    loader
        .sql(
            "create table old partition of t for values from (minvalue) to ('0040-01-01 BC');
             insert into t (id, sold_at) values (7, '2019-05-05'), (8, '-infinity'), (9, '0044-03-15 BC')",
        )
        .await;
    loader.only("b.csv", "id,sold_at\n3,\n4,2026-02-05\n5,2026-11-05\n");
    let report = loader.load(KEPT, "").await;
    assert_eq!((counts(&report), report.old_partitions.len()), ((2, 0, 1), 0), "{report:#?}");
    assert_eq!(loader.rows("select id from t_default order by id").await, ["2", "3", "7"]);
    assert_eq!(loader.rows("select id from old order by id").await, ["8", "9"]);
    assert_eq!(loader.rows("select id from t_2026 order by id").await, ["1", "5"]);
}

#[tokio::test]
async fn a_plan_says_which_partitions_a_run_would_detach() {
    let loader = start("2026-11-30 12:00:00+00").await;
    four_months(&loader).await;
    for (keep, verb) in [("2 months", "detached"), ("{for: 2 months, then: drop}", "detached and dropped")] {
        let yaml = loader.yaml(&format!("t, partition: {{by: sold_at, every: month, keep: {keep}}}"), "");
        let plan = loader.run("plan", &yaml).await.expect("planned");
        assert_eq!(plan.old_partitions, [format!("public.t_2026_08 (2026-08-01 to 2026-09-01) would be {verb}")]);
    }
    assert_eq!(partitions(&loader).await[0], "t_2026_08");
}

#[tokio::test]
async fn a_partition_is_dropped_only_when_it_is_written_and_nothing_depends_on_it() {
    let loader = start("2026-11-30 12:00:00+00").await;
    let drop = "t, partition: {by: sold_at, every: month, keep: {for: 2 months, then: drop}}";
    four_months(&loader).await;
    loader.sql("create view august as select * from t_2026_08").await;
    let report = loader.load(drop, "").await;
    assert_eq!((report.rows_inserted, report.old_partitions.len()), (1, 0));
    assert!(said(&report).contains("public.t_2026_08 is older than 2 months"), "{report:#?}");
    assert_eq!(partitions(&loader).await[0], "t_2026_08", "it is neither detached nor dropped");
    loader.sql("drop view august").await;
    let next = loader.load(drop, "").await;
    assert_eq!(
        next.old_partitions,
        ["public.t_2026_08 (2026-08-01 to 2026-09-01) was detached and dropped"],
        "{next:#?}"
    );
    assert_eq!(loader.value("select to_regclass('t_2026_08') is null").await, "true");
    assert_eq!(loader.rows("select id from t order by id").await, ["2", "3", "4", "5"]);
}

#[tokio::test]
async fn one_partition_that_cannot_be_detached_does_not_hold_the_others() {
    let loader = start("2026-11-30 12:00:00+00").await;
    loader.only("a.csv", "id,sold_at\n1,2026-07-05\n2,2026-08-05\n3,2026-11-05\n");
    loader.load(ALL, "").await;
    loader
        .sql(
            "alter table t add primary key (id, sold_at);
             create table child (id bigint, sold_at date, foreign key (id, sold_at) references t);
             insert into child values (1, '2026-07-05')",
        )
        .await;
    let report = loader.load(KEPT, "").await;
    assert_eq!(report.old_partitions, ["public.t_2026_08 (2026-08-01 to 2026-09-01) was detached"], "{report:#?}");
    assert!(said(&report).contains("public.t_2026_07 is older than 2 months"), "{report:#?}");
    assert_eq!(partitions(&loader).await[0], "t_2026_07");
}

#[tokio::test]
async fn a_lock_of_another_session_lets_the_run_succeed_and_the_next_one_detach() {
    let loader = start("2026-11-30 12:00:00+00").await;
    four_months(&loader).await;
    let other = reader(&loader).await;
    let report = loader.load(KEPT, "").await;
    assert_eq!((report.rows_inserted, report.old_partitions.len()), (1, 0));
    assert!(
        said(&report).contains("because another session uses the table or one of its partitions. The next run tries"),
        "{report:#?}"
    );
    assert_eq!(partitions(&loader).await[0], "t_2026_08");
    other.close().await.expect("closed");
    let next = loader.load(KEPT, "").await;
    assert_eq!((next.rows_inserted, next.old_partitions.len(), next.warnings.len()), (0, 1, 0), "{next:#?}");
    assert_eq!(partitions(&loader).await[0], "t_2026_09");
}

#[tokio::test]
async fn a_session_that_ends_between_commit_and_detach_loses_nothing() {
    let loader = start("2026-11-30 12:00:00+00").await;
    four_months(&loader).await;
    let admin = loader.admin().await;
    let ends = "create function public.ends() returns event_trigger language plpgsql as
                'begin if current_query() like ''%detach partition%'' then perform pg_terminate_backend(pg_backend_pid()); end if; end';
                create event trigger ends on ddl_command_start execute function public.ends()";
    sqlx::raw_sql(ends).execute(&admin).await.expect("made an event trigger");
    let report = loader.load(KEPT, "").await;
    assert_eq!((report.rows_inserted, report.old_partitions.len()), (1, 0));
    assert!(said(&report).contains("public.t_2026_08 is older than 2 months"), "{report:#?}");
    assert_eq!((loader.count("t").await, partitions(&loader).await[0].as_str()), (5, "t_2026_08"));
    sqlx::raw_sql("drop event trigger ends").execute(&admin).await.expect("dropped");
    assert_eq!(loader.load(KEPT, "").await.old_partitions.len(), 1);
    assert_eq!((loader.count("t").await, loader.count("t_2026_08").await), (4, 1));
}

#[tokio::test]
async fn an_attempt_that_finds_its_rows_loaded_detaches_for_the_lost_one() {
    let loader = start("2026-11-30 12:00:00+00").await;
    four_months(&loader).await;
    let other = reader(&loader).await;
    let yaml = loader.yaml(KEPT, "");
    let context = loader.begin("run", &yaml).await;
    let waits = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
           and query like '%detach partition%'";
    let lost: Option<Ended> = tokio::select! {
        ended = elt_worker::pipeline::run(&context) => Some(ended),
        () = async { while loader.value(waits).await == "0" {} } => None,
    };
    assert!(lost.is_none(), "the worker is lost while it waits for the lock: {lost:?}");
    other.close().await.expect("closed");
    sqlx::query("update runs set lease_expires_at = now() - interval '1 second' where id = $1")
        .bind(context.run.id)
        .execute(&loader.control)
        .await
        .expect("the lease is over");
    let begun = lifecycle::begin(&loader.control, context.run.id, "tests").await.expect("asked").expect("taken over");
    let report = loader.execute(&loader.context(begun, &yaml)).await.expect("finished");
    assert!(report.finished_from_marker && report.old_partitions.len() == 1, "{report:#?}");
    assert_eq!((loader.count("t").await, loader.count("t_2026_08").await), (4, 1));
}

#[tokio::test]
async fn a_verification_does_not_take_detached_rows_for_lost_ones() {
    let loader = start("2026-11-30 12:00:00+00").await;
    loader.only("a.csv", "id,sold_at\n1,2026-08-05\n2,2026-11-05\n");
    let context = loader.begin("run", &loader.yaml(ALL, "")).await;
    loader.execute(&context).await.expect("loaded");
    assert_eq!(loader.load(KEPT, "").await.old_partitions.len(), 1);
    let yaml = loader.yaml(KEPT, "");
    let verify = loader.create("verify", &yaml, json!({}), Some(context.run.id)).await;
    let begun = lifecycle::begin(&loader.control, verify.id, "tests").await.expect("asked").expect("queued");
    let report = loader.execute(&loader.context(begun, &yaml)).await.expect("verified");
    let found = report.verification.expect("a verification");
    assert!(found.agrees && (found.rows_written, found.rows_there, found.rows_missing) == (2, 1, 0), "{found:#?}");
    assert!(found.says.join(" ").contains("so their partitions may have been detached"), "{found:#?}");
}
