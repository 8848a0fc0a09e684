//! The combined output in each of its formats: written by a run, and read back by another.

use std::fs;
use std::io::Read;
use std::path::PathBuf;

use crate::support::loader::Loader;

const ROWS: &str = "id,price,on,at,ok,name,ratio,more\n\
    1,12.50,2024-02-29,2024-01-01T10:00:00.5+02:00,true,\"a \"\"b\"\", c\",0.1,\"{\"\"b\"\": [1.50, null]}\"\n\
    2,,,,,\"\",,\n\
    x,1.00,2024-01-01,2024-01-01T00:00:00Z,false,not a row,1,\n\
    3,-0.05,1999-12-31,1970-01-01T00:00:00Z,false,ü,1e-300,[]\n";
const SCHEMA: &str = "schema: {id: bigint, price: \"decimal(10,2)\", on: date, at: timestamptz, ok: bool, name: text, ratio: double, more: json}\n\
    strict_mode: true\n";
/// The rows as PostgreSQL shows them.
const STORED: [&str; 3] = [
    "1|12.50|2024-02-29|2024-01-01 08:00:00.5+00|true|a \"b\", c|0.1|{\"b\": [1.50, null]}",
    "2|-|-|-|-||-|-",
    "3|-0.05|1999-12-31|1970-01-01 00:00:00+00|false|ü|1e-300|[]",
];

/// Loads the rows, and writes them into a file of the loader's data folder.
async fn written(loader: &Loader, name: &str, output: &str) -> PathBuf {
    loader.only("rows.csv", ROWS);
    let path = loader.data.path().join(name);
    let table = name.replace(['.', '-'], "_");
    let more = format!("{SCHEMA}output: {{path: {}{output}}}\n", path.display());
    let report = loader.load(&table, &more).await;
    assert_eq!((report.rows_inserted + report.rows_duplicate, report.rows_quarantined), (3, 1), "{name}");
    assert_eq!(report.combined_csv.as_deref(), path.to_str());
    assert_eq!(report.warnings, Vec::<String>::new(), "{name}");
    path
}

async fn stored(loader: &Loader, table: &str) -> Vec<String> {
    let columns = "id, price::text, \"on\"::text, at::text, ok, name, ratio::text, more::text";
    loader.rows(&format!("select {columns} from {table} order by id")).await
}

#[tokio::test]
async fn a_file_of_every_format_is_read_back_as_the_rows_that_were_loaded() {
    let loader = Loader::start().await;
    for (name, output) in [
        ("a.csv", ""),
        ("a.csv.gz", ""),
        ("b.csv.zst", ", format: csv, compression: zst"),
        ("a.ndjson", ""),
        ("a.ndjson.gz", ""),
        ("a.parquet", ""),
        ("b.parquet", ", format: parquet, compression: none"),
        ("c.parquet", ", compression: gz"),
    ] {
        let path = written(&loader, name, output).await;
        loader.only(name, fs::read(path).expect("the output"));
        let table = format!("back_{}", name.replace('.', "_"));
        let report = loader.load(&table, SCHEMA).await;
        assert_eq!((report.rows_inserted, report.rows_quarantined), (3, 0), "{name}");
        assert_eq!(stored(&loader, &table).await, STORED, "{name}");
    }
}

#[tokio::test]
async fn a_parquet_file_has_the_types_of_the_columns() {
    let loader = Loader::start().await;
    let path = written(&loader, "typed.parquet", "").await;
    loader.only("typed.parquet", fs::read(&path).expect("the output"));
    loader.load("typed", "").await;
    assert_eq!(
        loader.columns("typed").await,
        [
            "id bigint",
            "price numeric",
            "on date",
            "at timestamp with time zone",
            "ok boolean",
            "name text",
            "ratio double precision",
            "more jsonb",
        ]
    );
    assert_eq!(stored(&loader, "typed").await, STORED);
    // The next run replaces the file that this one wrote.
    written(&loader, "typed.parquet", "").await;
}

#[tokio::test]
async fn ndjson_has_numbers_documents_and_strings() {
    let loader = Loader::start().await;
    let path = written(&loader, "rows.ndjson.gz", "").await;
    let mut text = String::new();
    let file = fs::File::open(path).expect("the output");
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).expect("gzip");
    let lines = [
        r#"{"id":1,"price":12.50,"on":"2024-02-29","at":"2024-01-01T08:00:00.5Z","ok":true,"name":"a \"b\", c","ratio":0.1,"more":{"b": [1.50, null]}}"#,
        r#"{"id":2,"price":null,"on":null,"at":null,"ok":null,"name":"","ratio":null,"more":null}"#,
        r#"{"id":3,"price":-0.05,"on":"1999-12-31","at":"1970-01-01T00:00:00Z","ok":false,"name":"ü","ratio":1e-300,"more":[]}"#,
    ];
    assert_eq!(text.lines().collect::<Vec<_>>(), lines);
}

#[tokio::test]
async fn many_rows_become_several_row_groups_and_all_arrive() {
    let loader = Loader::start().await;
    let rows: String = (0..150_000).map(|id| format!("{id},name {}\n", id % 7)).collect();
    loader.only("rows.csv", format!("id,name\n{rows}"));
    let path = loader.data.path().join("many.parquet");
    loader.load("many", &format!("output: {{path: {}}}\n", path.display())).await;
    loader.only("many.parquet", fs::read(path).expect("the output"));
    loader.load("again", "").await;
    assert_eq!(
        loader.value("select count(*) from (select id, name from many except select id, name from again) x").await,
        "0"
    );
    assert_eq!(loader.value("select count(*) || '/' || count(distinct id) from again").await, "150000/150000");
}
