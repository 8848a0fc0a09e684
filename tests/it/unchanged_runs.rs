//! A run that finds config, files, table and combined CSV as an earlier run left them reads no row. Whatever has changed, it
//! reads its files and loads what is missing.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use elt_shared::runs::report::RunReport;
use elt_worker::run_context::HashMemory;
use serde_json::Value;
use uuid::Uuid;

use crate::support::loader::{Loader, told};

const ROWS: &str = "id,name\n1,Ada\n2,Grace\n3,Edsger\n2,Grace\n";

/// A table with three rows of two files, and the report of the run that loaded them.
async fn loaded() -> (Loader, RunReport) {
    let mut loader = Loader::start().await;
    loader.always_reads = false;
    loader.folder.write("1.csv", ROWS);
    loader.folder.write("2.csv", "id,name\n3,Edsger\n");
    let report = loader.load("t", "").await;
    assert_eq!((report.rows_inserted, report.rows_duplicate, report.unchanged_since), (3, 2, None));
    (loader, report)
}

/// Loads again, and returns the report and the number of rows that were read from files.
async fn again(loader: &Loader) -> (RunReport, u64) {
    let context = loader.begin("run", &loader.yaml("t", "")).await;
    let report = loader.execute(&context).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert!(report.files.iter().all(|file| file.balances()), "{report:#?}");
    let read = context.progress.snapshot().progress.rows_read;
    (report, read)
}

fn output(report: &RunReport) -> PathBuf {
    report.combined_csv.clone().expect("a combined CSV").into()
}

async fn newest_run(loader: &Loader) -> Uuid {
    sqlx::query_scalar("select id from runs order by id desc limit 1").fetch_one(&loader.control).await.expect("a run")
}

#[tokio::test]
async fn an_unchanged_run_reads_no_row_and_counts_all_of_them() {
    let (loader, first) = loaded().await;
    let loaded_by = newest_run(&loader).await;
    let inode = output(&first).metadata().expect("the combined CSV").ino();
    for _ in 0..2 {
        let (report, read) = again(&loader).await;
        assert_eq!((report.unchanged_since, read), (Some(loaded_by), 0), "also after a run that read nothing");
        assert_eq!((report.rows_read, report.rows_inserted, report.rows_duplicate), (5, 0, 5));
        assert_eq!((report.files[0].rows_duplicate, report.files[1].rows_duplicate, report.files_total), (4, 1, 2));
        assert_eq!((&report.combined_csv, &report.columns), (&first.combined_csv, &first.columns));
        assert_eq!((report.judge().as_str(), report.ddl.len(), report.bytes), ("clean", 0, first.bytes));
        assert_eq!(output(&report).metadata().expect("it is there").ino(), inode, "the file was not written again");
        // Receipts and marker are those of any run.
        let run = newest_run(&loader).await;
        let receipts =
            format!("select rows_read, rows_duplicate, name from _elt_files where run_id = '{run}' order by place");
        assert_eq!(loader.rows(&receipts).await.len(), 2);
        let marker =
            format!("select loaded_at is not null, rows_read, rows_duplicate from _elt_loads where run_id = '{run}'");
        assert_eq!(loader.value(&marker).await, "true|5|5");
        let profile: Value = sqlx::query_scalar("select profile from run_profiles where run_id = $1")
            .bind(run)
            .fetch_one(&loader.control)
            .await
            .expect("the profile of the rows");
        assert_eq!(profile["columns"].as_array().map(Vec::len), Some(2));
    }
    assert_eq!(loader.count("t").await, 3);
}

/// Each of these changes must lead to a run that reads the files, and to the rows and the combined CSV that a first run makes.
#[tokio::test]
async fn whatever_has_changed_the_files_are_read() {
    let changes = [
        "delete from t where id = 2",
        "delete from t",
        "update t set _elt_row_hash = gen_random_uuid() where id = 1",
        "insert into t (id, name, _elt_row_hash) values (9, 'Alan', gen_random_uuid())",
        "alter table t add note text",
        "alter table t alter name set not null",
        "drop index t_elt_row_hash_key",
        "create table other as select * from t; drop table t; alter table other rename to t",
    ];
    for change in changes {
        let (loader, first) = loaded().await;
        loader.sql(change).await;
        let (report, read) = again(&loader).await;
        assert_eq!((report.unchanged_since, read), (None, 5), "{change}");
        assert_eq!(loader.value("select count(distinct id) from t where id < 9").await, "3", "{change}");
        assert_eq!(std::fs::read(output(&report)).expect("it"), std::fs::read(output(&first)).expect("it"), "{change}");
        assert_eq!(again(&loader).await.0.unchanged_since.is_some(), report.left_behind.is_some(), "{change}");
    }
}

#[tokio::test]
async fn a_deleted_row_is_loaded_again_and_the_table_is_known_afterwards() {
    let (loader, _) = loaded().await;
    loader.sql("delete from t where id = 2").await;
    let (report, _) = again(&loader).await;
    assert_eq!((report.rows_inserted, report.rows_duplicate), (1, 4));
    let reread = newest_run(&loader).await;
    assert_eq!(again(&loader).await.0.unchanged_since, Some(reread), "what it left behind is the table with the row");
}

#[tokio::test]
async fn files_that_differ_are_read() {
    type Change = fn(&Loader);
    let changes: [(Change, u64); 5] = [
        // Of the same size, with the time of the file before.
        (|loader| rewrite_in_place(loader, "1.csv", &ROWS.replace("Ada", "Bob")), 1),
        (|loader| drop(loader.folder.write("1.csv", format!("{ROWS}4,Barbara\n"))), 1),
        (|loader| drop(loader.folder.write("3.csv", "id,name\n5,Donald\n")), 1),
        (|loader| std::fs::remove_file(loader.folder.path().join("2.csv")).expect("removed"), 0),
        (
            |loader| {
                std::fs::rename(loader.folder.path().join("2.csv"), loader.folder.path().join("0.csv")).expect("moved")
            },
            0,
        ),
    ];
    for (place, (change, new)) in changes.into_iter().enumerate() {
        let (loader, _) = loaded().await;
        change(&loader);
        let (report, read) = again(&loader).await;
        assert_eq!((report.unchanged_since, report.rows_inserted, read > 0), (None, new, true), "change {place}");
        assert!(again(&loader).await.0.unchanged_since.is_some(), "change {place}");
    }
}

/// Writes another text of the same length, and keeps inode and time.
fn rewrite_in_place(loader: &Loader, name: &str, text: &str) {
    let path = loader.folder.path().join(name);
    let before = path.metadata().expect("the file");
    std::fs::write(&path, text).expect("written");
    let file = std::fs::File::options().write(true).open(&path).expect("opened");
    file.set_modified(before.modified().expect("a time")).expect("set the time");
    let after = path.metadata().expect("the file");
    assert_eq!((after.ino(), after.len(), after.mtime()), (before.ino(), before.len(), before.mtime()));
}

#[tokio::test]
async fn a_combined_csv_that_is_gone_is_written_again() {
    let (loader, first) = loaded().await;
    let content = std::fs::read(output(&first)).expect("the combined CSV");
    std::fs::remove_file(output(&first)).expect("removed");
    let (report, _) = again(&loader).await;
    assert_eq!((report.unchanged_since, std::fs::read(output(&report)).expect("it is back")), (None, content));
    assert!(again(&loader).await.0.unchanged_since.is_some());
}

#[tokio::test]
async fn runs_that_the_rule_leaves_out_read_their_files_each_time() {
    let reject = "schema: {id: integer}\non_bad_row: quarantine\n";
    let check = "checks: [{row_count: {min: 1}}]\n";
    let cases = [
        ("id,name\n1,Ada\nx,Grace\n", reject),
        (ROWS, check),
        (ROWS, "load: {mode: replace}\n"),
        (ROWS, "load: {mode: merge, key: [id]}\n"),
        (ROWS, "load: {dedupe: none}\n"),
        (ROWS, "shape: {mask: {name: hash}, mask_secret: correct-horse-battery}\n"),
    ];
    for (rows, more) in cases {
        let mut loader = Loader::start().await;
        loader.always_reads = false;
        loader.only("1.csv", rows);
        for _ in 0..2 {
            let report = loader.load("t", more).await;
            assert_eq!((report.unchanged_since, report.left_behind), (None, None), "{more}");
        }
    }
}

#[tokio::test]
async fn a_table_with_many_more_rows_than_the_files_is_not_added_up() {
    let (loader, _) = loaded().await;
    loader
        .sql("insert into t (id, name, _elt_row_hash) select n, 'x', gen_random_uuid() from generate_series(10, 40) n")
        .await;
    assert!(again(&loader).await.0.left_behind.is_some());
    assert_eq!(again(&loader).await.0.unchanged_since, None);
}

/// A column that no file has is reported each time, because its incident would be over otherwise.
#[tokio::test]
async fn differences_that_are_still_there_are_reported_again() {
    let (loader, _) = loaded().await;
    loader.sql("alter table t add note text").await;
    let (read, _) = again(&loader).await;
    assert_eq!((read.unchanged_since, read.drift.len()), (None, 1), "{read:#?}");
    let (unchanged, _) = again(&loader).await;
    assert!(unchanged.unchanged_since.is_some());
    assert_eq!(unchanged.drift, read.drift);
}

/// An old report has lost its list of files. It must not fit a source that is empty now.
#[tokio::test]
async fn a_report_without_its_files_fits_no_source() {
    let (loader, first) = loaded().await;
    let lists = "update runs set report = report || '{\"files\": [], \"lists_removed\": true}'";
    sqlx::query(lists).execute(&loader.control).await.expect("thinned the reports");
    for name in ["1.csv", "2.csv"] {
        std::fs::remove_file(loader.folder.path().join(name)).expect("removed");
    }
    let (report, _) = again(&loader).await;
    assert_eq!((report.unchanged_since, report.rows_read), (None, 0));
    assert_ne!(std::fs::metadata(output(&first)).map(|file| file.len()).ok(), Some(first.bytes), "it was written anew");
}

#[tokio::test]
async fn a_run_whose_profile_was_deleted_reads_its_files_for_another() {
    let (loader, _) = loaded().await;
    sqlx::query("delete from run_profiles").execute(&loader.control).await.expect("deleted the profiles");
    assert_eq!(again(&loader).await.0.unchanged_since, None);
    assert!(again(&loader).await.0.unchanged_since.is_some());
}

/// What was taken over from the target is not believed, because the target may be in other hands.
#[tokio::test]
async fn a_report_from_the_target_proves_nothing() {
    let (loader, _) = loaded().await;
    let taken = "update runs set report = report || '{\"finished_from_marker\": true}'";
    sqlx::query(taken).execute(&loader.control).await.expect("changed the report");
    assert_eq!(again(&loader).await.0.unchanged_since, None);
}

#[tokio::test]
async fn another_config_and_a_plan_read_the_files() {
    let (loader, _) = loaded().await;
    let yaml = loader.yaml("t", "");
    let plan = loader.run("plan", &yaml).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!((plan.rows_duplicate, plan.unchanged_since, plan.left_behind), (5, None, None));
    let other = loader.load("t", "provenance: [file]\n").await;
    assert_eq!((other.rows_duplicate, other.unchanged_since), (5, None));
    let (report, _) = again(&loader).await;
    assert_eq!(report.unchanged_since, None, "the other config gave the table a column");
}

#[tokio::test]
async fn rows_that_an_undo_took_away_are_loaded_again() {
    let (loader, _) = loaded().await;
    let yaml = loader.yaml("t", "");
    let undone = loader.create("undo", &yaml, Value::Null, Some(newest_run(&loader).await)).await;
    let begun =
        elt_shared::runs::lifecycle::begin(&loader.control, undone.id, "tests").await.expect("asked").expect("it");
    loader.execute(&loader.context(begun, &yaml)).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!(loader.count("t").await, 0);
    let (report, _) = again(&loader).await;
    assert_eq!((report.rows_inserted, report.unchanged_since), (3, None));
}

#[tokio::test]
async fn a_compressed_file_is_compared_as_it_is_on_disk() {
    let mut loader = Loader::start().await;
    loader.always_reads = false;
    let packed = |rows: &str| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut packed, rows.as_bytes()).expect("packed");
        packed.finish().expect("packed")
    };
    loader.only("1.csv.gz", packed(ROWS));
    assert_eq!(loader.load("t", "").await.rows_inserted, 3);
    assert!(again(&loader).await.0.unchanged_since.is_some());
    loader.only("1.csv.gz", packed(&ROWS.replace("Ada", "Bob")));
    let (report, _) = again(&loader).await;
    assert_eq!((report.rows_inserted, report.unchanged_since), (1, None));
}

/// What a run leaves behind is known as well when the hashes of the table do not fit into memory.
#[tokio::test]
async fn a_table_larger_than_memory_is_compared_too() {
    let mut loader = Loader::start().await;
    loader.always_reads = false;
    loader.memory = HashMemory { own: 4_096, all: 16_384 };
    let filler = "x".repeat(100);
    let rows: String = (0..3_000).map(|id| format!("{id},{filler}\n")).collect();
    loader.only("1.csv", format!("id,name\n{rows}"));
    assert_eq!(loader.load("t", "").await.left_behind.map(|left| left.rows), Some(3_000));
    assert!(again(&loader).await.0.unchanged_since.is_some());
    loader.sql("delete from t where id < 7").await;
    let (report, _) = again(&loader).await;
    assert_eq!((report.rows_inserted, report.unchanged_since), (7, None));
    // The digest of rows that were compared on disk is not known, so the next run reads once more.
    assert!(again(&loader).await.0.unchanged_since.is_none());
    assert!(again(&loader).await.0.unchanged_since.is_some());
}

#[tokio::test]
async fn a_stop_while_files_are_compared_ends_the_run() {
    let (loader, _) = loaded().await;
    let context = loader.begin("run", &loader.yaml("t", "")).await;
    context.stop.cancel();
    let error = loader.execute(&context).await.expect_err("it was stopped");
    assert_eq!(error.code().as_str(), "stopped");
    assert!(again(&loader).await.0.unchanged_since.is_some());
}
