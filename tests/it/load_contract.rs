//! The contract: what a schema keeps, converts, widens and rejects, strict and not.

use elt_shared::runs::report::Drift;

use crate::support::loader::{Loader, told};

const SCHEMA: &str = "schema: {columns: {id: int64, name: object}}\n";

#[tokio::test]
async fn a_missing_column_fails_the_run_and_nothing_is_loaded() {
    let loader = Loader::start().await;
    loader.folder.write("a.csv", "id,town\n1,x\n");
    for strict in ["true", "false"] {
        let error = loader.fail("people", &format!("{SCHEMA}strict_mode: {strict}\n")).await;
        assert_eq!(error.code(), "missing_column");
        assert!(error.to_string().contains("column name is in no source"), "{error}");
    }
    assert_eq!(loader.value("select to_regclass('people')").await, "-");
}

#[tokio::test]
async fn the_union_of_all_files_has_the_schema_s_columns_in_any_case() {
    let loader = Loader::start().await;
    loader.folder.write("a.csv", "ID\n7\n");
    loader.folder.write("b.csv", "id,Name\n8,Bob\n");
    loader.load("people", &format!("{SCHEMA}strict_mode: true\n")).await;
    assert_eq!(loader.rows("select id, name from people order by id").await, ["7|-", "8|Bob"]);
}

#[tokio::test]
async fn strict_keeps_only_the_schema_s_columns_and_quarantines_bad_rows() {
    let loader = Loader::start().await;
    loader.folder.write("a.csv", "id,name,secret\n1,Ann,x\nabc,Bob,y\n 007 ,Cy,z\n");
    let report = loader.load("people", &format!("{SCHEMA}strict_mode: true\noutput_csv_path: out/p.csv\n")).await;

    assert_eq!((report.rows_inserted, report.rows_quarantined), (2, 1));
    assert_eq!(loader.columns("people").await, ["id bigint", "name text"]);
    assert_eq!(loader.rows("select id, name from people order by id").await, ["1|Ann", "7|Cy"]);
    assert_eq!(loader.folder.read("out/p.csv"), "id,name\n1,Ann\n7,Cy\n");
    assert_eq!(
        loader.rows("select split_part(file, '/', -1), line, column_name, code, reason, raw, cells->0->>'text' from _elt_quarantine").await,
        ["a.csv|3|id|wrong_type|\"abc\" is not a valid bigint|abc,Bob,y|abc"]
    );
    assert!(report.drift.contains(&Drift::LeftOut { column: "secret".into(), reason: "strict".into() }));
}

#[tokio::test]
async fn on_bad_row_fail_names_the_place_and_loads_nothing() {
    let loader = Loader::start().await;
    loader.folder.write("a.csv", "id,name\n1,Ann\nabc,Bob\n");
    let error = loader.fail("people", &format!("{SCHEMA}on_bad_row: fail\n")).await;
    assert_eq!(error.code(), "bad_row");
    assert!(error.to_string().ends_with("a.csv:3: the value of id is not a valid bigint"), "{error}");
    assert!(!told(&error).contains("abc"), "values stay out of errors");
    assert_eq!(loader.value("select to_regclass('people')").await, "-");
}

#[tokio::test]
async fn not_strict_loads_all_rows_and_all_columns_and_widens() {
    let loader = Loader::start().await;
    loader.folder.write("a.csv", "id,name,extra\n1,Ann,5\nabc,Bob,6\n");
    let report = loader.load("people", &format!("{SCHEMA}strict_mode: 'False'\n")).await;
    assert_eq!((report.rows_inserted, report.rows_quarantined), (2, 0));
    assert_eq!(loader.columns("people").await, ["id text", "name text", "extra bigint"]);
    let Some(Drift::Widened { column, from, decided_by: Some(cell), .. }) = report.drift.first() else {
        panic!("{:?}", report.drift)
    };
    assert_eq!((column.as_str(), from.as_str(), cell.line, cell.value.as_str()), ("id", "bigint", 3, "abc"));
    assert!(report.columns[0].because.ends_with("a.csv:3 has \"abc\""), "{}", report.columns[0].because);
}

#[tokio::test]
async fn not_strict_with_on_bad_row_written_quarantines_instead_of_widening() {
    let loader = Loader::start().await;
    loader.folder.write("a.csv", "id,name\n1,Ann\nabc,Bob\n");
    let report = loader.load("people", &format!("{SCHEMA}on_bad_row: quarantine\n")).await;
    assert_eq!((report.rows_inserted, report.rows_quarantined), (1, 1));
}

#[tokio::test]
async fn constraints_quarantine_what_breaks_them() {
    let loader = Loader::start().await;
    loader.folder.write(
        "a.csv",
        "id,kind,amount,day,code\n\
         1,a,5.00,01/02/2024,AB-1\n,a,5,01/02/2024,AB-1\n3,z,5,01/02/2024,AB-1\n4,a,-0.01,01/02/2024,AB-1\n\
         5,a,100.5,01/02/2024,AB-1\n6,a,5,2024-02-01,AB-1\n7,a,5,01/02/2024,x\n8,b,1.005,31/12/2023,AB-2\n",
    );
    let report = loader
        .load(
            "orders",
            "schema:\n  columns:\n    id: {type: int, nullable: false}\n    kind: {type: str, enum: [a, b]}\n    \
             amount: {type: 'decimal(18,2)', min: 0, max: '100'}\n    day: {type: date, format: '%d/%m/%Y', min: '01/01/2024'}\n    \
             code: {type: str, pattern: '[A-Z]{2}-\\d+'}\n",
        )
        .await;
    assert_eq!(report.rows_inserted, 1, "{report:#?}");
    assert_eq!(
        loader.rows("select line, column_name, code from _elt_quarantine order by line").await,
        [
            "3|id|null_not_allowed",
            "4|kind|not_allowed",
            "5|amount|below_min",
            "6|amount|above_max",
            "7|day|wrong_type",
            "8|code|pattern",
            "9|amount|wrong_type",
        ]
    );
    assert_eq!(loader.rows("select id, amount::text, day from orders").await, ["1|5.00|2024-02-01"]);
}

#[tokio::test]
async fn too_many_rejected_rows_fail_the_run() {
    let loader = Loader::start().await;
    loader.folder.write("a.csv", "id,name\n1,a\nx,b\ny,c\n2,d\n");
    for (limit, fails) in [("{rows: 1}", true), ("{rows: 2}", false), ("{percent: 49}", true), ("{percent: 50}", false)]
    {
        let more = format!("schema: {{columns: {{id: int64}}, max_rejected: {limit}}}\nstrict_mode: true\n");
        let ended = loader.run("run", &loader.yaml("people", &more)).await;
        assert_eq!(ended.as_ref().err().map(|error| error.code()), fails.then_some("too_many_rejected"), "{limit}");
    }
}

#[tokio::test]
async fn extra_columns_do_what_the_schema_says() {
    let loader = Loader::start().await;
    loader.folder.write("a.csv", "id,extra\n1,2\n");
    let schema = |on: &str| format!("schema: {{columns: {{id: int64}}, on_extra_column: {on}}}\n");
    assert_eq!(loader.fail("a", &schema("fail")).await.code(), "extra_column");
    loader.load("b", &schema("ignore")).await;
    assert_eq!(loader.columns("b").await, ["id bigint"]);
    loader.load("c", &schema("evolve")).await;
    assert_eq!(loader.columns("c").await, ["id bigint", "extra bigint"]);
}

#[tokio::test]
async fn strict_without_a_schema_has_no_effect() {
    let loader = Loader::start().await;
    loader.folder.write("a.csv", "id,x\n1,2\n");
    loader.load("people", "strict_mode: true\n").await;
    assert_eq!(loader.columns("people").await, ["id bigint", "x bigint"]);
}

#[tokio::test]
async fn every_type_of_a_schema_converts() {
    let loader = Loader::start().await;
    loader.folder.write(
        "a.json",
        r#"[{"b": "yes", "s": "7", "i": "8", "l": 9.0, "n": "1.50", "r": 0.5, "d": "1e3", "day": "2024-02-29", "t": "23:59:58.5",
             "ts": "2024-02-29", "tz": "2024-02-29T00:00:00+02:00", "u": "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "j": [1, {"a": null}], "v": "abc"}]"#,
    );
    let types = "b: bool, s: smallint, i: int32, l: int64, n: 'numeric(10,2)', r: float32, d: float64, day: date, t: time, \
                 ts: 'datetime64[ns]', tz: timestamptz, u: uuid, j: json, v: varchar(3)";
    loader.load("typed", &format!("schema: {{{types}}}\nstrict_mode: true\n")).await;
    assert_eq!(
        loader
            .rows("select b, s, i, l, n::text, r, d, day, t, ts, tz at time zone 'UTC', u, j::text, v from typed")
            .await,
        ["true|7|8|9|1.50|0.5|1000|2024-02-29|23:59:58.5|2024-02-29T00:00:00|2024-02-28T22:00:00|\
          a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11|[1, {\"a\": null}]|abc"]
    );
    assert_eq!(
        loader.columns("typed").await.join(", "),
        "b boolean, s smallint, i integer, l bigint, n numeric(10,2), r real, d double precision, day date, \
         t time without time zone, ts timestamp without time zone, tz timestamp with time zone, u uuid, j jsonb, \
         v character varying(3)"
    );
}

#[tokio::test]
async fn records_that_are_no_rows_are_kept_even_when_there_are_no_rows() {
    let loader = Loader::start().await;
    loader.folder.write("broken.ndjson", "{\"a\": \n");

    let report = loader.load("nothing_but_bad", "").await;

    assert_eq!((report.rows_read, report.rows_quarantined, report.rows_inserted), (1, 1, 0));
    assert_eq!(loader.value("select count(*) from _elt_quarantine where table_name = 'nothing_but_bad'").await, "1");
}
