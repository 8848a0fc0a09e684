//! A load that begins before the first pass has ended loads what it would have loaded afterwards. When the first rows did not show
//! the columns, or a file turns out to be unreadable, nothing of it stays.

use elt_shared::runs::report::RunReport;

use crate::support::loader::Loader;

/// Size from which no delivery of these tests loads early.
const NEVER: u64 = u64::MAX;

/// A loader whose loads begin early, with a sequence `makes` in the target that counts how often the table `t` is created. A
/// sequence counts transactions that are rolled back, too.
async fn early() -> Loader {
    let mut loader = Loader::start().await;
    loader.early_load_bytes = 0;
    let counting = "create sequence public.makes;
        grant all on sequence public.makes to public;
        create function public.count_makes() returns event_trigger language plpgsql as $$ begin
            perform nextval('public.makes') from pg_event_trigger_ddl_commands() c
            where c.command_tag = 'CREATE TABLE' and c.object_identity = 'public.t';
        end $$;
        create event trigger makes on ddl_command_end when tag in ('CREATE TABLE') execute function public.count_makes()";
    sqlx::raw_sql(counting).execute(&loader.admin().await).await.expect("made an event trigger");
    loader
}

async fn makes(loader: &Loader) -> String {
    loader.value("select case when is_called then last_value else 0 end from public.makes").await
}

/// Loads the same files with and without an early load, and returns both reports. The rows, and the combined CSVs, are equal.
async fn both(loader: &mut Loader, more: &str) -> (RunReport, RunReport) {
    let early = loader.load("t", more).await;
    let csv = std::fs::read_to_string(early.combined_csv.as_ref().expect("a combined CSV")).expect("readable");
    loader.early_load_bytes = NEVER;
    let late = loader.load("late", more).await;
    assert_eq!(csv, std::fs::read_to_string(late.combined_csv.as_ref().expect("a combined CSV")).expect("readable"));
    let all = |table: &str| format!("select to_jsonb(r) - '_elt_run_id' - '_elt_loaded_at' from {table} r order by 1");
    assert_eq!(loader.rows(&all("t")).await, loader.rows(&all("late")).await);
    assert_eq!(loader.columns("t").await, loader.columns("late").await);
    let counts = |report: &RunReport| (report.files.clone(), report.columns.clone(), report.warnings.clone());
    assert_eq!(counts(&early), counts(&late));
    (early, late)
}

#[tokio::test]
async fn first_rows_that_show_the_columns_are_enough_to_begin() {
    let mut loader = early().await;
    loader.folder.write("1.csv", "id,price,at\n1,2.50,2024-01-02\n2,3.75,2024-01-03\n1,2.50,2024-01-02\n");
    loader.folder.write("2.csv", "id,price,at\n3,,2024-01-04\n");
    loader.folder.write("3.ndjson", "{\"id\":4,\"price\":1.25,\"at\":\"2024-01-05\"}\n");
    let (report, _) = both(&mut loader, "").await;
    assert_eq!((report.rows_read, report.rows_inserted, report.rows_duplicate), (5, 4, 1));
    assert_eq!(makes(&loader).await, "1", "the early load is the one that was committed");
    assert_eq!(loader.columns("t").await[..3], ["id bigint", "price numeric", "at date"]);
}

/// Four files are looked at, so a fifth can change what the columns are: by a wider type, another column, or fewer columns.
#[tokio::test]
async fn columns_that_only_all_rows_show_lead_to_a_second_load() {
    let other = ["id,name\nx-7,Ada\n", "id,name,more\n7,Ada,1\n", "id,name\n7.25,Ada\n", "id,name\n007,Ada\n"];
    for other in other {
        let mut loader = early().await;
        for file in 0..8 {
            loader.folder.write(&format!("{file}.csv"), format!("id,name\n{file},Grace\n{file},Grace\n"));
        }
        loader.folder.write("7.csv", other);
        let (report, _) = both(&mut loader, "").await;
        assert_eq!((report.rows_read, report.rows_inserted, report.rows_duplicate), (15, 8, 7), "{other}");
        assert_eq!(makes(&loader).await, "2", "{other}: the first table was rolled back");
        assert_eq!(loader.count("t").await, 8, "{other}");
    }
}

/// Rows far behind the first ones change the type of a column. The file has more bytes than are looked at.
#[tokio::test]
async fn a_late_row_of_a_large_file_changes_a_type() {
    let loader = early().await;
    let rows: String = (0..300_000).map(|id| format!("{id},name {id}\n")).collect();
    loader.folder.write("1.csv", format!("id,name\n{rows}12 EUR,the last\n"));
    let report = loader.load("t", "").await;
    assert_eq!((report.rows_read, report.rows_inserted), (300_001, 300_001));
    assert_eq!((loader.columns("t").await[0].as_str(), makes(&loader).await.as_str()), ("id text", "2"));
    let cell = report.columns[0].decided_by.as_ref().expect("a cell that decided");
    assert_eq!((cell.line, cell.value.as_str()), (300_002, "12 EUR"));
    assert_eq!(
        loader.value("select count(*), count(distinct id), count(distinct _elt_row_hash) from t").await,
        "300001|300001|300001"
    );
}

#[tokio::test]
async fn a_file_that_cannot_be_read_to_its_end_is_left_out() {
    let mut loader = early().await;
    for file in 0..8 {
        loader.folder.write(&format!("{file}.csv"), format!("id,name\n{file},Grace\n"));
    }
    loader.folder.write("7.csv", "id,name\n7,\"Ada\n");
    let (report, _) = both(&mut loader, "").await;
    assert_eq!((report.rows_inserted, report.files.len(), report.left_out.len()), (7, 7, 1));
    assert_eq!((report.left_out[0].name.as_str(), makes(&loader).await.as_str()), ("7.csv", "2"));
}

#[tokio::test]
async fn input_that_must_not_be_loaded_leaves_no_table() {
    let loader = early().await;
    for file in 0..8 {
        loader.folder.write(&format!("{file}.csv"), format!("id,name\n{file},Grace\n"));
    }
    loader.folder.write("7.csv", "id,name\n7,\"Ada\n");
    let error = loader.fail("t", "load: {mode: replace}").await;
    assert_eq!(error.code().as_str(), "replace_incomplete");
    assert_eq!(makes(&loader).await, "1", "the load had begun");
    assert_eq!(loader.value("select to_regclass('t') is null").await, "true");
}

/// A table that exists takes the staged rows of an early load, in every mode.
#[tokio::test]
async fn a_table_that_exists_gets_only_what_is_new() {
    for (more, rows) in
        [("", 9), ("load: {mode: merge, key: [id]}", 9), ("load: {mode: replace}", 8), ("load: {dedupe: none}", 16)]
    {
        let mut loader = early().await;
        loader.early_load_bytes = NEVER;
        for file in 0..8 {
            loader.folder.write(&format!("{file}.csv"), format!("id,name\n{file},Grace\n"));
        }
        loader.load("t", more).await;
        loader.early_load_bytes = 0;
        loader.folder.write("0.csv", "id,name\n100,Ada\n");
        let report = loader.load("t", more).await;
        assert_eq!((report.rows_read, loader.count("t").await), (8, rows), "{more}");
        // `7.csv` is not among the four files that are looked at (0, 2, 4 and 6). It widens the column of the table.
        loader.folder.write("7.csv", "id,name\nseven,Grace\n");
        if more.is_empty() {
            let report = loader.load("t", more).await;
            assert_eq!((report.rows_inserted, report.rows_duplicate), (1, 7));
            assert_eq!((loader.columns("t").await[0].as_str(), loader.count("t").await), ("id text", 10));
        }
    }
}

/// A rejected row of an early load is counted once. With `on_bad_row: fail` the run ends with `bad_row`, also when the early load
/// fails before the first pass has ended.
#[tokio::test]
async fn rows_that_break_the_contract_are_rejected_once() {
    let mut loader = early().await;
    for file in 0..8 {
        loader.folder.write(&format!("{file}.csv"), format!("id,name\n{file},Grace\n,Nobody\n"));
    }
    let schema = "schema: {columns: {id: {type: integer, nullable: false}}}\n";
    let (report, _) = both(&mut loader, schema).await;
    assert_eq!((report.rows_inserted, report.rows_quarantined), (8, 8));
    assert_eq!(
        loader.value("select count(*) from _elt_quarantine where table_name = 't' or table_name like '%.t'").await,
        "8"
    );
    loader.early_load_bytes = 0;
    let error = loader.fail("u", &format!("{schema}on_bad_row: fail")).await;
    assert_eq!(error.code().as_str(), "bad_row");
}

/// Rows that only the table refuses are found by the early load, and left out at the next try.
#[tokio::test]
async fn rows_that_the_table_refuses_are_quarantined() {
    let loader = early().await;
    loader.sql("create table t (id bigint check (id <> 3), name text)").await;
    for file in 0..8 {
        loader.folder.write(&format!("{file}.csv"), format!("id,name\n{file},Grace\n"));
    }
    let report = loader.load("t", "").await;
    assert_eq!((report.rows_inserted, report.rows_quarantined, loader.count("t").await), (7, 1, 7));
    assert_eq!(loader.value("select file like '%3.csv' and code = 'check' from _elt_quarantine").await, "true");
}

/// The early load has rejected rows by then, which nobody has judged by the right columns.
#[tokio::test]
async fn a_run_that_the_first_pass_fails_reports_no_rejected_rows() {
    let loader = early().await;
    for file in 0..8 {
        loader.folder.write(&format!("{file}.csv"), format!("id\n{file}\nnull\n"));
    }
    loader.folder.write("7.csv", "id,more\n7,1\n");
    let schema = "schema: {columns: {id: {type: integer, nullable: false}}, on_extra_column: fail}\n";
    let context = loader.begin("run", &loader.yaml("t", schema)).await;
    let error = loader.execute(&context).await.expect_err("a column that the schema does not name");
    assert_eq!((error.code().as_str(), makes(&loader).await.as_str()), ("extra_column", "1"));
    let snapshot = context.progress.snapshot();
    assert_eq!((snapshot.rejected, snapshot.progress.rows_sent), (None, 0));
    assert_eq!(snapshot.progress.stage, elt_shared::runs::Stage::Validate);
}

/// A stop ends both passes, and leaves nothing.
#[tokio::test]
async fn a_stopped_run_leaves_no_table() {
    let loader = early().await;
    let rows: String = (0..300_000).map(|id| format!("{id},name {id}\n")).collect();
    loader.folder.write("1.csv", format!("id,name\n{rows}"));
    let context = loader.begin("run", &loader.yaml("t", "")).await;
    let watched = context.clone();
    let stopping = async move {
        while watched.progress.snapshot().progress.rows_sent == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        watched.stop.cancel();
    };
    let (ended, ()) = tokio::join!(loader.execute(&context), stopping);
    assert_eq!(ended.expect_err("it was stopped").code().as_str(), "stopped");
    assert_eq!(loader.value("select to_regclass('t') is null").await, "true");
    assert_eq!(makes(&loader).await, "1");
}
