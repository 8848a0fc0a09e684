//! Append: new rows are added, known rows are not, whatever they come from.

use crate::support::loader::Loader;

#[tokio::test]
async fn three_formats_become_one_table() {
    let loader = Loader::start().await;
    loader.folder.write("1.csv", "id,name\n1,Ann\n2,Bob\n");
    loader.folder.write("2.json", r#"[{"id": 3, "name": "Cy", "age": 40}]"#);
    loader.folder.write("3.txt", "id|name\n4|Dee\n");

    let report = loader.load("people", "").await;

    assert_eq!((report.rows_read, report.rows_inserted), (4, 4));
    assert_eq!(loader.columns("people").await, ["id bigint", "name text", "age bigint"]);
    assert_eq!(
        loader.rows("select id, name, age from people order by id").await,
        ["1|Ann|-", "2|Bob|-", "3|Cy|40", "4|Dee|-"]
    );
}

#[tokio::test]
async fn the_same_data_twice_adds_nothing() {
    let loader = Loader::start().await;
    loader.folder.write("people.csv", "id,name\n1,Ann\n2,Bob\n2,Bob\n");
    let first = loader.load("people", "").await;
    assert_eq!((first.rows_inserted, first.rows_duplicate), (2, 1));

    let second = loader.load("people", "").await;
    assert_eq!((second.rows_inserted, second.rows_duplicate), (0, 3));
    assert!(second.ddl.is_empty() && second.drift.is_empty(), "{second:#?}");

    loader.folder.write("more.csv", "id,name\n2,Bob\n3,Cy\n");
    let third = loader.load("people", "").await;
    assert_eq!((third.rows_inserted, third.rows_duplicate), (1, 4));
    assert_eq!(loader.count("people").await, 3);
}

#[tokio::test]
async fn the_same_values_are_one_row_in_any_format_and_column_order() {
    let loader = Loader::start().await;
    loader
        .only("a.csv", "id,price,seen,ok,note\n1,12.50,2024-02-29T10:00:00,true,\n2,3.0,2024-03-01 00:00:00,FALSE,x\n");
    loader.load("things", "").await;

    loader.only("b.csv", "note,ok,seen,price,id\n,TRUE,2024-02-29 10:00:00.000,12.5,1\n");
    assert_eq!(loader.load("things", "").await.rows_inserted, 0);

    loader.only("c.json", r#"[{"ok": false, "note": "x", "id": 2, "price": 3, "seen": "2024-03-01T00:00:00"}]"#);
    assert_eq!(loader.load("things", "").await.rows_inserted, 0);

    loader.only("d.csv", "id,price,seen,ok,note,extra\n1,12.50,2024-02-29T10:00:00,true,,\n");
    let extra = loader.load("things", "").await;
    assert_eq!(extra.rows_inserted, 0, "a column without values changes nothing");
}

#[tokio::test]
async fn values_arrive_as_they_are() {
    let loader = Loader::start().await;
    loader.folder.write(
        "all.csv",
        "small,big,exact,double,flag,day,at,zoned,zip,note\n\
         1,9223372036854775807,12345678901234567890.123456789,1.5e-3,true,2024-02-29,2024-02-29 23:59:59.123456,2024-02-29T23:00:00+01:00,00123,\"a \"\"b\"\"\nc\"\n\
         -1,-9223372036854775808,-0.10,1e300,FALSE,0001-01-01,0001-01-01 00:00:00,2024-02-29T22:00:00Z,99999,NA\n\
         ,,,,,,,,,\"\"\n",
    );
    loader.load("all_types", "").await;
    assert_eq!(
        loader.columns("all_types").await,
        [
            "small bigint",
            "big bigint",
            "exact numeric",
            "double double precision",
            "flag boolean",
            "day date",
            "at timestamp without time zone",
            "zoned timestamp with time zone",
            "zip text",
            "note text"
        ]
    );
    assert_eq!(
        loader.rows("select * from (select small, big::text, exact::text, double::text, flag, day, at, zoned at time zone 'UTC', zip, note from all_types) x order by small").await,
        [
            "-1|-9223372036854775808|-0.10|1e+300|false|0001-01-01|0001-01-01T00:00:00|2024-02-29T22:00:00|99999|NA",
            "1|9223372036854775807|12345678901234567890.123456789|0.0015|true|2024-02-29|2024-02-29T23:59:59.123456|2024-02-29T22:00:00|00123|a \"b\"\nc",
            "-|-|-|-|-|-|-|-|-|",
        ]
    );
}

#[tokio::test]
async fn json_keeps_its_five_kinds_of_nothing_apart() {
    let loader = Loader::start().await;
    loader.folder.write(
        "a.ndjson",
        "{\"k\":1,\"v\":null}\n{\"k\":2,\"v\":\"\"}\n{\"k\":3,\"v\":\"null\"}\n{\"k\":4,\"v\":0}\n{\"k\":5,\"v\":false}\n{\"k\":6,\"v\":{\"b\":[1.0,2]}}\n",
    );
    loader.load("nothing", "").await;
    assert_eq!(
        loader.rows("select k, v from nothing order by k").await,
        ["1|-", "2|", "3|null", "4|0", "5|false", "6|{\"b\":[1.0,2]}"]
    );
}

#[tokio::test]
async fn a_table_survives_truncation_and_loads_again() {
    let loader = Loader::start().await;
    loader.folder.write("people.csv", "id\n1\n2\n");
    loader.load("people", "").await;
    loader.sql("truncate people").await;
    assert_eq!(loader.load("people", "").await.rows_inserted, 2);
}

#[tokio::test]
async fn without_dedupe_every_row_is_loaded() {
    let loader = Loader::start().await;
    loader.folder.write("people.csv", "id\n1\n1\n2\n");
    assert_eq!(loader.load("people", "load: {dedupe: none}\n").await.rows_inserted, 3);
    assert_eq!(loader.load("people", "load: {dedupe: none}\n").await.rows_inserted, 3);
    assert_eq!(loader.value("select count(*) filter (where _elt_row_hash is null) from people").await, "6");
}

#[tokio::test]
async fn names_are_quoted_and_schemas_are_made() {
    let loader = Loader::start().await;
    loader.folder.write("a.csv", "\"select\",\"a \"\"b\"\"; drop table x\",Ünï\n1,2,3\n");
    loader.load("'my schema.my table', create_schema: true", "").await;
    let rows = r#"select "select", "a ""b""; drop table x", "Ünï" from "my schema"."my table""#;
    assert_eq!(loader.rows(rows).await, ["1|2|3"]);
    assert_eq!(loader.load("'my schema.my table', create_schema: true", "").await.rows_inserted, 0);
}

#[tokio::test]
async fn the_combined_csv_holds_all_rows_of_the_run() {
    let loader = Loader::start().await;
    loader.folder.write("1.csv", "id,name\n1,Ann\n");
    loader.folder.write("2.csv", "id,town\n1,\"a,b\"\n2,\n");
    let more = "output_csv_path: ../out.csv\n";
    let path = loader.folder.path().parent().unwrap().join("out.csv");
    for _ in 0..2 {
        loader.load("people", more).await;
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "id,name,town\n1,Ann,\n1,,\"a,b\"\n2,,\n");
    }
    std::fs::remove_file(path).unwrap();
}

#[tokio::test]
async fn a_schema_may_have_any_name() {
    let loader = Loader::start().await;
    loader.folder.write("people.csv", "id,name\n1,Ann\n");
    for schema in ["x$make$", "a'b", "Two Words", "$$"] {
        loader.load(&format!("\"{schema}.people\", create_schema: true"), "").await;
        assert_eq!(loader.rows(&format!("select id, name from \"{schema}\".people")).await, ["1|Ann"], "{schema}");
    }
}
