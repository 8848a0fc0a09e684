//! Tables that were there before elt.

use crate::support::loader::{Loader, told, unique};

#[tokio::test]
async fn a_table_is_adopted_once_and_its_rows_are_known() {
    let loader = Loader::start().await;
    loader
        .sql(
            "create table t (id integer, price numeric(10,2), at timestamptz, note text, own text default 'mine');
             insert into t values (1, 12.5, '2024-02-29 01:00+01', 'a'), (1, 12.50, '2024-02-29 00:00Z', 'a'), (2, null, null, null)",
        )
        .await;
    loader.only("a.csv", "note,at,price,id\na,2024-02-29T00:00:00Z,12.500,1\n,,,2\nb,,1,3\n");
    let report = loader.load("t", "").await;
    assert_eq!((report.rows_inserted, report.rows_duplicate), (1, 2), "{report:#?}");
    assert_eq!(loader.count("t").await, 4, "nothing is deleted");
    assert_eq!(loader.value("select count(*) from t where _elt_row_hash is null").await, "1", "the copy keeps NULL");
    assert_eq!(loader.value("select own from t where id = 3").await, "mine");
    assert_eq!(loader.load("t", "").await.rows_inserted, 0);
}

#[tokio::test]
async fn a_foreign_column_is_not_widened_to_text() {
    let loader = Loader::start().await;
    loader.sql("create table t (id integer, v date)").await;
    loader.only("a.csv", "id,v\n1,2024-02-29\n2,soon\n3000000000,2024-03-01\n");
    let report = loader.load("t", "").await;
    assert_eq!((report.rows_inserted, report.rows_quarantined), (2, 1));
    assert_eq!(loader.columns("t").await, ["id bigint", "v date"]);
    assert!(report.warnings[0].contains("was not made by elt"), "{:?}", report.warnings);
}

#[tokio::test]
async fn identity_generated_default_and_not_null_columns_are_respected() {
    let loader = Loader::start().await;
    loader
        .sql(
            "create table t (id bigint generated always as identity primary key, name text not null,
                             upper_name text generated always as (upper(name)) stored, made date not null default '2020-01-01')",
        )
        .await;
    loader.only("a.csv", "name,upper_name\nann,x\n,y\n");
    let report = loader.load("t", "").await;
    assert_eq!((report.rows_inserted, report.rows_quarantined), (1, 1), "{report:#?}");
    assert_eq!(loader.rows("select name, upper_name, made from t").await, ["ann|ANN|2020-01-01"]);

    loader.only("a.csv", "id,name\n77,bob\n");
    loader.load("t", "").await;
    assert_eq!(loader.value("select name from t where id = 77").await, "bob");

    loader.only("a.csv", "id\n5\n");
    let error = loader.fail("t", "").await;
    assert_eq!(error.code().as_str(), "missing_not_null_column");
    assert!(error.next_step().contains("alter column \"name\" drop not null"), "{}", told(&error));
}

#[tokio::test]
async fn types_of_others_are_converted_by_the_server() {
    let loader = Loader::start().await;
    loader.sql("create type mood as enum ('sad', 'happy'); create table t (id int, m mood, ip inet, tags text[], c char(3))").await;
    loader.only("a.csv", "id,m,ip,tags,c\n1,happy,10.0.0.1,\"{a,b}\",x\n2,,,,\n");
    loader.load("t", "").await;
    assert_eq!(
        loader.rows("select id, m, ip, tags::text, c from t order by id").await,
        ["1|happy|10.0.0.1|{a,b}|x  ", "2|-|-|-|-"]
    );
    assert_eq!(loader.load("t", "").await.rows_inserted, 0);
    loader.only("a.csv", "id,m\n3,angry\n4,sad\n");
    let report = loader.load("t", "").await;
    assert_eq!((report.rows_inserted, report.rows_quarantined), (1, 1), "{report:#?}");
    assert_eq!(loader.rows("select column_name, line from _elt_quarantine").await, ["m|2"]);
}

#[tokio::test]
async fn what_is_no_ordinary_table_is_refused_with_a_sentence() {
    let loader = Loader::start().await;
    loader
        .sql(
            "create table base (id int); create view a_view as select * from base;
             create materialized view mat as select * from base",
        )
        .await;
    loader.only("a.csv", "id\n1\n");
    for (table, what) in [("a_view", "a view"), ("mat", "a materialized view")] {
        let error = loader.fail(table, "").await;
        assert_eq!(error.code().as_str(), "target_unusable");
        assert!(error.to_string().contains(what), "{error}");
    }
}

#[tokio::test]
async fn a_table_of_another_owner_is_refused_with_the_statement_to_run() {
    let loader = Loader::start().await;
    let role = unique("elt_it_stranger");
    let admin = loader.admin().await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("create role {role}; create schema theirs authorization {role}; create table theirs.t (id int); grant usage on schema theirs to public; grant all on theirs.t to public")))
        .execute(&admin)
        .await
        .expect("made another role's table");
    loader.only("a.csv", "id\n1\n");
    let error = loader.fail("theirs.t", "").await;
    assert_eq!(error.code().as_str(), "target_not_allowed", "{}", told(&error));
    assert!(error.next_step().contains("grant usage, create on schema \"theirs\""), "{}", told(&error));
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("drop schema theirs cascade; drop role {role}")))
        .execute(&admin)
        .await
        .expect("cleaned up");
}

#[tokio::test]
async fn the_table_s_own_constraints_bind_single_rows() {
    let loader = Loader::start().await;
    loader.sql("create table t (id int primary key, v int check (v > 0))").await;
    loader.only("a.csv", "id,v\n1,1\n1,2\n2,-1\n");
    let report = loader.load("t", "").await;
    assert_eq!((report.rows_inserted, report.rows_quarantined), (1, 2), "{report:#?}");
    loader.sql("delete from t").await;
    loader.only("a.csv", "id,v\n1,1\n1,2\n");
    assert_eq!(loader.load("t", "load: {mode: merge, key: [id]}\n").await.rows_inserted, 1);
    assert_eq!(loader.value("select v from t").await, "2");
}

#[tokio::test]
async fn a_trigger_that_drops_rows_fails_the_run() {
    let loader = Loader::start().await;
    loader
        .sql(
            "create table t (id int);
             create function drop_odd() returns trigger language plpgsql as 'begin if new.id % 2 = 1 then return null; end if; return new; end';
             create trigger odd before insert on t for each row execute function drop_odd()",
        )
        .await;
    loader.only("a.csv", "id\n1\n2\n");
    let error = loader.fail("t", "").await;
    assert_eq!(error.code().as_str(), "target_trigger");
    assert_eq!(loader.count("t").await, 0);
}

#[tokio::test]
async fn more_columns_than_postgresql_has_are_explained() {
    let loader = Loader::start().await;
    let columns = |from: usize, to: usize| (from..to).map(|n| format!("c{n}")).collect::<Vec<_>>().join(",");
    loader.only("a.csv", format!("{}\n", columns(0, 1_000)));
    loader.folder.write("b.csv", format!("{}\n", columns(900, 1_900)));
    assert_eq!(loader.fail("t", "").await.code().as_str(), "too_many_columns");
}
