//! With hardly any memory for row hashes, rows are still loaded exactly once.

use elt_shared::runs::report::RunReport;
use elt_worker::run_context::HashMemory;

use crate::support::loader::{Loader, told};

const REPLACE: &str = "load: {mode: replace}\n";

/// Two files of which the second repeats every third row of the first, and its own first half.
fn write(loader: &Loader) {
    let rows = |ids: Vec<usize>| ids.iter().map(|id| format!("{id},name {id}\n")).collect::<String>();
    loader.only("1.csv", format!("id,name\n{}", rows((0..3_000).collect())));
    let mut again: Vec<_> = (0..3_000).step_by(3).chain(3_000..3_500).collect();
    again.extend(3_000..3_250);
    loader.folder.write("2.csv", format!("id,name\n{}", rows(again)));
}

async fn little_memory(own: usize, all: usize) -> Loader {
    let mut loader = Loader::start().await;
    loader.memory = HashMemory { own, all };
    loader
}

#[tokio::test]
async fn a_new_table_gets_each_row_once() {
    let loader = little_memory(4_096, 4_096).await;
    write(&loader);
    let report = loader.load("t", "").await;
    assert_eq!((report.rows_inserted, report.rows_duplicate), (3_500, 1_250));
    assert_eq!(report.files[1].rows_duplicate, 1_250, "the first of equal rows counts");
    assert_eq!(loader.value("select count(distinct id) || '/' || count(*) from t").await, "3500/3500");
}

#[tokio::test]
async fn a_table_larger_than_memory_takes_only_new_rows() {
    let loader = little_memory(4_096, 16_384).await;
    write(&loader);
    loader.load("t", "").await;
    let again = loader.load("t", "").await;
    assert_eq!((again.rows_inserted, again.rows_duplicate), (0, 4_750));
    loader.folder.write("3.csv", "id,name\n1,name 1\n9999,new\n9999,new\n");
    let more = loader.load("t", "").await;
    assert_eq!((more.rows_inserted, more.rows_duplicate), (1, 4_752));
    assert_eq!((more.files[2].rows_inserted, more.files[2].rows_duplicate), (1, 2));
}

/// Loads into the table `t`. Returns the report, and how many rows were sent to the target.
async fn load_counting_sent(loader: &Loader) -> (RunReport, u64) {
    let context = loader.begin("run", &loader.yaml("t", "")).await;
    let report = loader.execute(&context).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert!(report.files.iter().all(|file| file.balances()), "{report:#?}");
    (report, context.progress.snapshot().progress.rows_sent)
}

#[tokio::test]
async fn of_a_table_larger_than_memory_only_new_rows_are_sent() {
    let loader = little_memory(4_096, 16_384).await;
    let filler = "x".repeat(200);
    let rows = |ids: std::ops::Range<u32>| ids.map(|id| format!("{id},{filler}\n")).collect::<String>();
    let header = "id,filler\n";
    loader.only("1.csv", format!("{header}{}{}", rows(0..3_000), rows(500..1_000)));
    assert_eq!(loader.load("t", "").await.rows_inserted, 3_000);

    let (again, sent) = load_counting_sent(&loader).await;
    assert_eq!((again.rows_inserted, again.rows_duplicate, sent), (0, 3_500, 0));

    // New rows stand between known ones, and one of them comes twice.
    loader.folder.write("2.csv", format!("{header}{}{}{}", rows(2_990..3_010), rows(10..20), rows(3_005..3_006)));
    let (more, sent) = load_counting_sent(&loader).await;
    assert_eq!((more.rows_inserted, more.rows_duplicate, sent), (10, 3_521, 10));
    assert_eq!((more.files[1].rows_inserted, more.files[1].rows_duplicate), (10, 21));
    assert_eq!(
        loader.value("select count(distinct id) || '/' || count(*) || '/' || max(id) from t").await,
        "3010/3010/3009"
    );

    // A row that somebody deleted is new again.
    sqlx::query("delete from t where id = 7").execute(&loader.target).await.expect("deleted");
    let (refilled, sent) = load_counting_sent(&loader).await;
    assert_eq!((refilled.rows_inserted, sent), (1, 1));
}

#[tokio::test]
async fn a_replace_keeps_each_row_once() {
    let loader = little_memory(4_096, 4_096).await;
    loader.only("0.csv", "id,name\n1,name 1\n-1,gone\n");
    loader.load("t", REPLACE).await;
    write(&loader);
    let report = loader.load("t", REPLACE).await;
    assert_eq!((report.rows_inserted, report.rows_duplicate, report.rows_deleted), (3_499, 1_251, 1));
    assert_eq!(loader.value("select count(distinct id) || '/' || count(*) from t").await, "3500/3500");
}

#[tokio::test]
async fn what_fits_is_fetched_and_not_sent() {
    let loader = little_memory(4_096, 1 << 20).await;
    write(&loader);
    loader.load("t", "").await;
    loader.folder.write("3.csv", "id,name\n9999,new\n");
    assert_eq!(loader.load("t", "").await.rows_inserted, 1);
}
