//! Merge and replace.

use crate::support::loader::Loader;

const MERGE: &str = "load: {mode: merge, key: [id]}\n";
const REPLACE: &str = "load: {mode: replace}\n";

#[tokio::test]
async fn merge_updates_known_keys_and_the_latest_row_wins() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,v\n1,a\n2,b\n1,c\n,x\n");
    let first = loader.load("t", MERGE).await;
    assert_eq!(
        (first.rows_inserted, first.rows_duplicate, first.rows_quarantined, first.rows_updated),
        (2, 1, 1, 0),
        "{first:#?}"
    );
    assert_eq!(loader.rows("select id, v from t order by id").await, ["1|c", "2|b"]);

    loader.only("b.csv", "ID,v\n2,new\n3,d\n1,c\n");
    let second = loader.load("t", MERGE).await;
    assert_eq!((second.rows_inserted, second.rows_updated, second.rows_duplicate), (1, 1, 1));
    assert_eq!(loader.rows("select id, v from t order by id").await, ["1|c", "2|new", "3|d"]);

    let again = loader.load("t", MERGE).await;
    assert_eq!((again.rows_inserted, again.rows_updated, again.rows_duplicate), (0, 0, 3));
}

#[tokio::test]
async fn an_older_row_between_two_newer_ones_does_not_win() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,v\n1,a\n");
    loader.load("t", MERGE).await;
    loader.only("a.csv", "id,v\n1,b\n1,a\n");
    loader.load("t", MERGE).await;
    assert_eq!(loader.value("select v from t").await, "a");
    loader.only("a.csv", "id,v\n1,a\n1,b\n");
    loader.load("t", MERGE).await;
    assert_eq!(loader.value("select v from t").await, "b");
}

#[tokio::test]
async fn merge_needs_a_key_that_is_loaded_and_unique() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,v\n1,a\n1,b\n");
    assert_eq!(loader.fail("t", "load: {mode: merge, key: [nope]}\n").await.code().as_str(), "missing_key");
    loader.load("t", "").await;
    let error = loader.fail("t", MERGE).await;
    assert_eq!(error.code().as_str(), "target_unique", "{error}");
}

#[tokio::test]
async fn merge_takes_new_columns_as_the_remedy_for_changed_rows() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,v\n1,a\n2,b\n");
    loader.load("t", MERGE).await;
    loader.only("a.csv", "id,v,w\n1,a,x\n2,b,y\n");
    let report = loader.load("t", MERGE).await;
    assert_eq!((report.rows_inserted, report.rows_updated), (0, 2));
    assert_eq!(loader.rows("select id, v, w from t order by id").await, ["1|a|x", "2|b|y"]);
}

#[tokio::test]
async fn replace_leaves_exactly_the_rows_of_the_run() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,v\n1,a\n2,b\n3,c\n");
    loader.load("t", REPLACE).await;
    let kept = loader.value("select _elt_run_id from t where id = 2").await;
    loader.only("a.csv", "id,v\n2,b\n4,d\n");
    let report = loader.load("t", REPLACE).await;
    assert_eq!((report.rows_inserted, report.rows_duplicate, report.rows_deleted), (1, 1, 2));
    assert_eq!(loader.rows("select id, v from t order by id").await, ["2|b", "4|d"]);
    assert_eq!(loader.value("select _elt_run_id from t where id = 2").await, kept, "a row that stays is not touched");
}

#[tokio::test]
async fn a_failed_or_empty_replace_leaves_the_old_rows() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,v\n1,a\n");
    loader.load("t", REPLACE).await;
    loader.only("a.csv", "id,v\n");
    assert_eq!(loader.fail("t", REPLACE).await.code().as_str(), "replace_empty");
    loader.only("a.csv", "id,v\n2,b\n");
    loader.folder.write("b.json", "[{\"id\": 3");
    assert_eq!(loader.fail("t", REPLACE).await.code().as_str(), "replace_incomplete");
    assert_eq!(loader.rows("select id, v from t").await, ["1|a"]);
}

#[tokio::test]
async fn replace_without_dedupe_replaces_every_row() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id\n1\n1\n");
    let more = "load: {mode: replace, dedupe: none}\n";
    loader.load("t", more).await;
    let report = loader.load("t", more).await;
    assert_eq!((report.rows_inserted, report.rows_deleted), (2, 2));
    assert_eq!(loader.count("t").await, 2);
}
