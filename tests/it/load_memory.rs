//! With hardly any memory for row hashes, rows are still loaded exactly once.

use elt_worker::run_context::HashMemory;

use crate::support::loader::Loader;

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
