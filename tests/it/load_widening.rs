//! Tables grow with their sources: new columns, wider types, and a row hash that does not notice.

use elt_shared::runs::report::Drift;

use crate::support::loader::Loader;

#[tokio::test]
async fn a_new_column_is_added_and_reported() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id\n1\n");
    loader.load("people", "").await;
    loader.only("a.csv", "id,name\n1,\n2,Bob\n");
    let report = loader.load("people", "").await;
    assert_eq!((report.rows_inserted, report.rows_duplicate), (1, 1));
    assert!(matches!(&report.drift[..], [Drift::Added { column, .. }] if column == "name"), "{:?}", report.drift);
    assert_eq!(report.ddl, ["alter table \"public\".\"people\"\n    add column \"name\" text"]);

    loader.only("a.csv", "id\n1\n");
    let report = loader.load("people", "").await;
    assert_eq!(report.drift, [Drift::Missing { column: "name".into() }]);
}

#[tokio::test]
async fn widening_keeps_every_row_known() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,v\n1,10\n2,NA\n3,\n");
    loader.load("t", "").await;
    assert_eq!(loader.columns("t").await, ["id bigint", "v bigint"]);

    loader.only("a.csv", "id,v\n1,10\n2,NA\n3,\n4,1.50\n");
    let report = loader.load("t", "").await;
    assert_eq!((report.rows_inserted, report.rows_duplicate), (1, 3));
    assert_eq!(loader.columns("t").await, ["id bigint", "v numeric"]);

    loader.only("a.csv", "id,v\n1,10\n2,NA\n3,\n4,1.50\n5,1e-7\n");
    assert_eq!(loader.load("t", "").await.rows_inserted, 1);
    assert_eq!(loader.columns("t").await, ["id bigint", "v numeric"], "an exponent is a decimal still");

    loader.only("a.csv", "id,v\n1,10\n2,NA\n3,\n4,1.50\n5,1e-7\n6,12 EUR\n7,007\n");
    let report = loader.load("t", "").await;
    assert_eq!((report.rows_inserted, report.rows_duplicate), (2, 5));
    assert_eq!(loader.columns("t").await, ["id bigint", "v text"]);
    assert_eq!(
        loader.rows("select id, v from t order by id").await,
        ["1|10", "2|-", "3|-", "4|1.50", "5|0.0000001", "6|12 EUR", "7|007"]
    );
    assert_eq!(loader.load("t", "").await.rows_inserted, 0);
}

#[tokio::test]
async fn every_type_widens_to_text_without_new_rows() {
    let loader = Loader::start().await;
    let values = [
        ("true", "maybe"),
        ("2024-02-29", "yesterday"),
        ("2024-02-29T10:00:00.50", "then"),
        ("2024-02-29T10:00:00+02:00", "now"),
        ("1.5e300", "x"),
        ("12.50", "y"),
    ];
    for (index, (value, other)) in values.into_iter().enumerate() {
        let table = format!("t{index}");
        loader.only("a.csv", format!("id,v\n1,{value}\n"));
        loader.load(&table, "").await;
        loader.only("a.csv", format!("id,v\n1,{value}\n2,{other}\n"));
        let report = loader.load(&table, "").await;
        assert_eq!((report.rows_inserted, report.rows_duplicate), (1, 1), "{value}");
        assert_eq!(loader.columns(&table).await[1], "v text");
    }
}

#[tokio::test]
async fn json_widens_to_text_without_new_rows() {
    let loader = Loader::start().await;
    loader.only("a.json", r#"[{"id": 1, "v": {"b": 1.0, "a": [true]}}]"#);
    loader.load("t", "").await;
    assert_eq!(loader.columns("t").await, ["id bigint", "v jsonb"]);
    loader.only("a.json", r#"[{"id": 1, "v": {"a": [true], "b": 1}}, {"id": 2, "v": "text"}]"#);
    assert_eq!(loader.load("t", "").await.rows_inserted, 1);
    assert_eq!(loader.columns("t").await[1], "v text");
}

#[tokio::test]
async fn a_column_something_depends_on_stays_and_its_rows_are_quarantined() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,v\n1,10\n");
    loader.load("t", "").await;
    loader.sql("create view totals as select sum(v) from t").await;
    loader.only("a.csv", "id,v\n1,10\n2,x\n");
    let report = loader.load("t", "").await;
    assert_eq!((report.rows_inserted, report.rows_quarantined), (0, 1));
    assert!(report.warnings[0].contains("view totals depends on the column"), "{:?}", report.warnings);
    assert_eq!(loader.columns("t").await[1], "v bigint");
}

#[tokio::test]
async fn a_schema_that_comes_later_rules_what_comes_later() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,v\n1,10\n");
    loader.load("t", "").await;
    loader.only("a.csv", "id,v\n1,010\n2,x\n");
    let report = loader.load("t", "schema: {id: int64, v: int64}\nstrict_mode: true\n").await;
    assert_eq!((report.rows_duplicate, report.rows_quarantined), (1, 1));

    let wider = loader.load("t", "schema: {id: int64, v: object}\nstrict_mode: true\n").await;
    assert_eq!((wider.rows_inserted, wider.rows_duplicate, wider.rows_quarantined), (0, 1, 1), "strict does not widen");
    let wider = loader.load("t", "schema: {id: int64, v: object}\n").await;
    assert_eq!((wider.rows_inserted, wider.rows_duplicate), (1, 1));
    assert_eq!(loader.rows("select id, v from t order by id").await, ["1|10", "2|x"]);

    let error = loader.fail("t", "schema: {id: date, v: object}\n").await;
    assert_eq!(error.code(), "type_conflict");
}

#[tokio::test]
async fn a_table_wider_than_the_schema_keeps_what_the_schema_converted() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,v\n1,abc\n");
    loader.load("t", "").await;
    loader.only("a.csv", "id,v\n2,007\n3,zz\n");
    let report = loader.load("t", "schema: {id: int64, v: int64}\nstrict_mode: true\n").await;
    assert_eq!((report.rows_inserted, report.rows_quarantined), (1, 1));
    assert_eq!(loader.rows("select id, v from t order by id").await, ["1|abc", "2|7"]);
}
