//! Parquet and Arrow files that pyarrow wrote, through a whole run: every cell is compared with the answer of pyarrow.

use std::path::PathBuf;

use crate::support::loader::Loader;

/// A file of `fixtures/parquet`.
fn fixture(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/parquet"));
    std::fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The columns with their types, and the rows as texts, that a file must have.
struct Answer {
    columns: Vec<(String, String)>,
    rows: Vec<Vec<Option<String>>>,
}

fn answer(name: &str) -> Answer {
    let text = String::from_utf8(fixture(name)).expect("text");
    let mut lines = text.lines();
    let columns = serde_json::from_str(lines.next().expect("the columns")).expect("the columns");
    Answer { columns, rows: lines.map(|line| serde_json::from_str(line).expect("a row")).collect() }
}

impl Answer {
    /// Compares each cell of a table whose rows are in the order of the file.
    async fn compare(&self, loader: &Loader, table: &str, order: &str) {
        let expected: Vec<_> = self.columns.iter().map(|(name, sql)| format!("{name} {sql}")).collect();
        assert_eq!(loader.columns(table).await, expected, "{table}");
        for (index, (name, sql)) in self.columns.iter().enumerate() {
            let texts: Vec<_> = self.rows.iter().map(|row| row[index].clone()).collect();
            // PostgreSQL writes both in the same way, and a value that differs in one bit or in its scale has another text.
            let expected: Vec<Option<String>> = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
                "select (text::{sql})::text from unnest($1::text[]) with ordinality as cell (text, place) order by place"
            )))
            .bind(&texts)
            .fetch_all(&loader.target)
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
            let stored: Vec<Option<String>> = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
                "select {name}::text from {table} order by {table}.{order}"
            )))
            .fetch_all(&loader.target)
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(stored, expected, "{table}.{name}");
        }
    }
}

#[tokio::test]
async fn every_cell_of_every_scalar_type_arrives() {
    let loader = Loader::start().await;
    let answer = answer("scalars.expected");
    for (index, name) in
        ["scalars-snappy.parquet", "scalars-none-small-pages.parquet", "scalars.arrow", "scalars-stream.arrows"]
            .into_iter()
            .enumerate()
    {
        loader.only(name, fixture(name));
        let table = format!("scalars_{index}");
        let report = loader.load(&table, "").await;
        assert_eq!((report.rows_inserted, report.rows_quarantined), (8, 0), "{name}: {report:#?}");
        answer.compare(&loader, &table, "n").await;
    }
    // The same rows from another kind of file are known rows.
    loader.only("scalars-gzip-v2.parquet", fixture("scalars-gzip-v2.parquet"));
    let again = loader.load("scalars_2", "").await;
    assert_eq!((again.rows_inserted, again.rows_duplicate), (0, 8));
}

#[tokio::test]
async fn nested_values_arrive_as_jsonb_with_exact_numbers() {
    let loader = Loader::start().await;
    let answer = answer("nested.expected");
    for (index, name) in ["nested-small-pages.parquet", "nested.arrow"].into_iter().enumerate() {
        loader.only(name, fixture(name));
        let table = format!("nested_{index}");
        let report = loader.load(&table, "").await;
        assert_eq!((report.rows_inserted, report.rows_quarantined), (40, 0), "{name}");
        answer.compare(&loader, &table, "n").await;
    }
}

#[tokio::test]
async fn the_report_says_that_the_file_declares_a_type() {
    let loader = Loader::start().await;
    loader.only("scalars-snappy.parquet", fixture("scalars-snappy.parquet"));
    let report = loader.load("t", "").await;
    let because = |name: &str| {
        let column = report.columns.iter().find(|column| column.name == name).expect("the column");
        column.because.clone()
    };
    assert_eq!(because("code"), "code is text because the file declares string");
    assert_eq!(because("no_int"), "no_int is bigint because the file declares int64");
    assert_eq!(because("d9"), "d9 is numeric because the file declares decimal(9, 2)");
    assert!(because("u64").starts_with("u64 is numeric because scalars-snappy.parquet:1 has \"18446744073709551615\""));
}

#[tokio::test]
async fn a_time_that_does_not_fit_is_kept_as_text_or_quarantined_by_a_contract() {
    let loader = Loader::start().await;
    loader.only("nanoseconds.parquet", fixture("nanoseconds.parquet"));
    loader.load("free", "").await;
    assert_eq!(
        loader.rows("select at, n from free order by n").await,
        ["1970-01-01T00:00:00.000000001|1", "1970-01-01T00:00:00.000001|2"]
    );
    let report = loader.load("bound", "schema: {at: timestamp, n: int}\nstrict_mode: true\n").await;
    assert_eq!((report.rows_inserted, report.rows_quarantined), (1, 1));
    assert_eq!(loader.rows("select at::text, n from bound").await, ["1970-01-01 00:00:00.000001|2"]);
    assert_eq!(loader.rows("select line, column_name from _elt_quarantine").await, ["1|at"]);
    loader.only("far-dates.parquet", fixture("far-dates.parquet"));
    let report = loader.load("days", "schema: {day: date, n: int}\nstrict_mode: true\n").await;
    assert_eq!((report.rows_inserted, report.rows_quarantined), (1, 2));
}

#[tokio::test]
async fn old_timestamps_empty_files_and_files_beside_csv_are_loaded() {
    let loader = Loader::start().await;
    loader.only("int96.parquet", fixture("int96.parquet"));
    loader.load("old", "").await;
    answer("int96.expected").compare(&loader, "old", "ctid").await;
    loader.only("empty.parquet", fixture("empty.parquet"));
    assert_eq!(loader.load("empty", "").await.rows_inserted, 0);
    loader.folder.write("more.csv", "a,b,c\n7,007,2024-01-01T00:00:00+02:00\n");
    loader.load("mixed", "").await;
    assert_eq!(loader.columns("mixed").await, ["a bigint", "b text", "c timestamp with time zone"]);
    assert_eq!(loader.rows("select a, b from mixed").await, ["7|007"]);
}

#[tokio::test]
async fn a_damaged_file_is_reported_and_the_others_are_loaded() {
    let loader = Loader::start().await;
    let whole = fixture("names.parquet");
    loader.only("a.parquet", &whole[..whole.len() / 2]);
    loader.folder.write("b.parquet", &whole);
    loader.folder.write("c.parquet", fixture("encrypted-footer.parquet"));
    loader.folder.write("d.parquet", fixture("repeated-keys.parquet"));
    let report = loader.load("t", "").await;
    let failed: Vec<_> = report.left_out.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(failed, ["a.parquet", "c.parquet"], "{report:#?}");
    assert_eq!((report.rows_inserted, report.rows_quarantined), (3, 1));
    assert_eq!(loader.rows("select line, code from _elt_quarantine").await, ["2|repeated_map_key"]);
}
