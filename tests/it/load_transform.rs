//! Transform: models made anew after a load.

use elt_shared::runs::Outcome;

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
    let report = loader.load("t", broken).await;
    assert_eq!((report.rows_inserted, report.judge()), (1, Outcome::WithWarnings));
    assert_eq!(
        report.warnings,
        ["the rows are loaded, but the models could not be made: transform[1] bad failed at character 8 of its sql: \
          column \"nope\" does not exist. The rows are loaded and the old models are as they were. Correct the model's \
          sql, then run again."]
    );
    assert_eq!(loader.count("t").await, 2, "the rows are loaded");
    assert_eq!(loader.value("select n from totals").await, "1", "the old model is as it was");
}

#[tokio::test]
async fn a_model_never_replaces_what_elt_did_not_make() {
    let loader = Loader::start().await;
    loader.sql("create table mine (id int)").await;
    loader.only("a.csv", "id\n1\n");
    let report = loader.load("t", "transform: [{name: mine, materialized: table, sql: 'select 1 as x'}]\n").await;
    assert!(report.warnings[0].contains("a table or view of this name was not made by elt"), "{report:#?}");
    let two = "transform: [{name: x, materialized: view, sql: 'select 1 as x; drop table mine'}]\n";
    let report = loader.load("t", two).await;
    assert!(report.warnings[0].contains("the models could not be made"), "{report:#?}");
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
