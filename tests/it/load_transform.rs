//! Transform: models made anew after a load.

use crate::support::loader::Loader;

const MODELS: &str = "transform:\n  - {name: totals, materialized: table, sql: 'select count(*) as n, sum(v) as total from t'}\n  \
                      - {name: doubled, materialized: view, sql: 'select n * 2 as n from totals'}\n";

#[tokio::test]
async fn models_follow_every_load_in_their_order() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,v\n1,10\n2,20\n");
    let report = loader.load("t", MODELS).await;
    assert_eq!(report.models, ["totals (table)", "doubled (view)"]);
    assert_eq!(loader.value("select n, total from totals").await, "2|30");
    assert_eq!(loader.value("select n from doubled").await, "4");

    loader.folder.write("b.csv", "id,v\n3,30\n");
    loader.load("t", MODELS).await;
    assert_eq!(loader.value("select n, total from totals").await, "3|60");
    assert_eq!(loader.value("select n from doubled").await, "6");
}

#[tokio::test]
async fn a_failing_model_leaves_rows_and_old_models() {
    let loader = Loader::start().await;
    let models = "transform: [{name: totals, materialized: table, sql: 'select count(*) as n from t'}]\n";
    loader.only("a.csv", "id\n1\n");
    loader.load("t", models).await;
    loader.only("a.csv", "id\n2\n");
    let broken = "transform: [{name: totals, materialized: table, sql: 'select count(*) as n from t'}, \
                  {name: bad, materialized: view, sql: 'select nope from t'}]\n";
    let error = loader.fail("t", broken).await;
    assert_eq!(error.code(), "transform_failed");
    assert_eq!(error.to_string(), "transform[1] bad failed at character 8 of its sql: column \"nope\" does not exist");
    assert_eq!(loader.count("t").await, 2, "the rows are loaded");
    assert_eq!(loader.value("select n from totals").await, "1", "the old model is as it was");
}

#[tokio::test]
async fn a_model_never_replaces_what_elt_did_not_make() {
    let loader = Loader::start().await;
    loader.sql("create table mine (id int)").await;
    loader.only("a.csv", "id\n1\n");
    let error = loader.fail("t", "transform: [{name: mine, materialized: table, sql: 'select 1 as x'}]\n").await;
    assert_eq!(error.code(), "transform_in_the_way");
    let two = "transform: [{name: x, materialized: view, sql: 'select 1 as x; drop table mine'}]\n";
    assert_eq!(loader.fail("t", two).await.code(), "transform_failed");
    assert_eq!(loader.count("mine").await, 0);
}

#[tokio::test]
async fn a_model_knows_its_run() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id\n1\n");
    let sql = "select count(*) as n from t where _elt_run_id = current_setting(''elt.run_id'')::uuid";
    let models = format!("transform: [{{name: fresh, materialized: table, sql: '{sql}'}}]\n");
    loader.load("t", &models).await;
    loader.load("t", &models).await;
    assert_eq!(loader.value("select n from fresh").await, "0");
}
