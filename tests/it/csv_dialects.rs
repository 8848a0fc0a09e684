//! Delimited files in the dialects that `csv:` describes, from the file to the table: every cell, every count, every warning.

use elt_shared::runs::lifecycle;
use elt_shared::runs::report::RunReport;
use serde_json::json;

use crate::support::loader::{Loader, told};

/// A source of the loader's folder, or of a folder below it.
fn source(loader: &Loader, below: &str, more: &str) -> String {
    format!("{{type: local, settle_seconds: 0, path: {}{below}, {more}}}", loader.folder.path().display())
}

fn yaml(sources: &[String], table: &str, more: &str) -> String {
    format!("sources: [{}]\ntarget: {{table: {table}}}\n{more}", sources.join(", "))
}

/// Loads the folder with these options for text files.
async fn load(loader: &Loader, table: &str, csv: &str, more: &str) -> RunReport {
    let yaml = yaml(&[source(loader, "", &format!("csv: {{{csv}}}"))], table, more);
    let report = loader.run("run", &yaml).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert!(report.files.iter().all(|file| file.balances()), "{report:#?}");
    report
}

fn because<'a>(report: &'a RunReport, column: &str) -> &'a str {
    &report.columns.iter().find(|one| one.name == column).expect("a column").because
}

#[tokio::test]
async fn every_cell_of_a_dialect_arrives() {
    let loader = Loader::start().await;
    for (table, name, csv, content, columns, rows) in [
        (
            "escapes",
            "a.csv",
            "escape: \"\\\\\"",
            &b"id,note\n1,\"say \\\"hi\\\", ok\"\n2,a\\,b\n3,two\\\nlines\n4,\\N\n"[..],
            "id bigint,note text",
            &["1|say \"hi\", ok", "2|a,b", "3|two\nlines", "4|-"][..],
        ),
        (
            "outfile",
            "a.txt",
            "delimiter: tab, quote: none, escape: \"\\\\\", header: [id, note]",
            b"1\ta\\\tb\n2\tc\\\\d \"e\"\n3\t\\N\n",
            "id bigint,note text",
            &["1|a\tb", "2|c\\d \"e\"", "3|-"],
        ),
        (
            "inches",
            "a.csv",
            "quote: none",
            b"id,size\n1,6\"\n2,\"7\n3,\"a\" b\n",
            "id bigint,size text",
            &["1|6\"", "2|\"7", "3|\"a\" b"],
        ),
        (
            "trimmed",
            "a.csv",
            "trim: true",
            b" id , name \n 1 , \" kept \" \n 2 ,  \n3,a b\n",
            "id bigint,name text",
            &["1| kept ", "2|-", "3|a b"],
        ),
        (
            "framed",
            "a.csv",
            "comment: \"#\", header: 4, skip_footer: 2",
            b"# made on Monday\nSales of May\n\nshop,amount\n1,5\n# corrected\n2,6.50\nTotal,11.50\n\nprinted, by, Ann\n",
            "shop bigint,amount numeric",
            &["1|5", "2|6.50"],
        ),
        (
            "german",
            "a.csv",
            "delimiter: \";\", decimal: \",\", thousands: \".\"",
            b"id;price;code;day\n1;1.234,50;1,5a;2026-01-31\n2;-0,25;b;2026-02-01\n3;;NA;\n",
            "id bigint,price numeric,code text,day date",
            &["1|1234.50|1,5a|2026-01-31", "2|-0.25|b|2026-02-01", "3|-|NA|-"],
        ),
        (
            "french",
            "a.csv",
            "delimiter: \";\", decimal: \",\", thousands: \" \"",
            "id;price\n1;1 234,5\n2;1\u{A0}234\u{202F}567,25\n".as_bytes(),
            "id bigint,price numeric",
            &["1|1234.5", "2|1234567.25"],
        ),
        (
            "swiss",
            "a.csv",
            "thousands: \"'\"",
            "id,price\n1,1'234.5\n2,1\u{2019}000\n".as_bytes(),
            "id bigint,price numeric",
            &["1|1234.5", "2|1000"],
        ),
        (
            "old_encoding",
            "a.csv",
            "encoding: auto",
            b"id,name\n1,M\xFCller\n2,Stra\xDFe\n",
            "id bigint,name text",
            &["1|Müller", "2|Straße"],
        ),
    ] {
        loader.only(name, content);
        let report = load(&loader, table, csv, "").await;
        let found: Vec<_> = report.columns.iter().map(|column| format!("{} {}", column.name, column.sql_type)).collect();
        assert_eq!(found.join(","), columns, "{table}");
        let names: Vec<_> = report.columns.iter().map(|column| column.name.as_str()).collect();
        let sql = format!("select {} from {table} order by 1", names.join(", "));
        assert_eq!(loader.rows(&sql).await, rows, "{table}");
        // The same files again bring nothing.
        let again = load(&loader, table, csv, "").await;
        assert_eq!((again.rows_inserted, again.rows_quarantined), (0, 0), "{table}");
    }
}

#[tokio::test]
async fn the_report_says_how_a_file_was_read() {
    let loader = Loader::start().await;
    loader.only("a.txt", b"Sales\nid;name\n1;M\xFCller\nTotal;1\n");
    let report = load(&loader, "t", "skip_rows: 1, skip_footer: 1, encoding: auto, decimal: \",\"", "").await;
    let file = &report.files[0];
    assert_eq!((file.rows_read, file.rows_inserted, file.rows_filtered), (3, 1, 2));
    let dialect = file.dialect.as_ref().expect("a dialect");
    assert_eq!(file.delimiter.as_deref(), Some("\";\""));
    assert_eq!((dialect.encoding.as_str(), dialect.quote.as_str()), ("windows-1252", "\"\\\"\""));
    assert_eq!((dialect.header_line, dialect.skipped_lines, dialect.footer_lines), (Some(2), 1, 1));
    assert_eq!((dialect.decimal.as_deref(), dialect.thousands.as_deref()), (Some(","), None));
    let [warning] = &report.warnings[..] else { panic!("{:?}", report.warnings) };
    assert!(
        warning.contains("a.txt") && warning.contains("ü") && warning.contains("encoding: windows-1252"),
        "{warning}"
    );
}

#[tokio::test]
async fn a_header_in_the_middle_of_joined_files_is_not_a_row() {
    let loader = Loader::start().await;
    loader.only("joined.csv", "id,amount\n1,10.50\n2,7.25\nid,amount\n3,4.00\n4,1.10\n");
    let report = loader.load("t", "").await;
    assert_eq!((report.rows_inserted, report.rows_filtered), (4, 2 - 1));
    assert_eq!(loader.value("select sum(amount) from t").await, "22.85", "amount is a number");
    assert!(report.warnings.iter().any(|text| text.contains("joined.csv:4: the header")), "{report:#?}");
}

#[tokio::test]
async fn the_same_number_in_two_formats_is_one_row() {
    let loader = Loader::start().await;
    loader.folder.write("de/a.csv", "id;price;note\n1;1.234,50;x\n2;0,5;y\n");
    loader.folder.write("us/a.csv", "id,price,note\n1,1234.5,x\n2,.5,y\n3,7,z\n");
    let german = source(&loader, "/de", "csv: {delimiter: \";\", decimal: \",\", thousands: \".\"}");
    let yaml = yaml(&[german, source(&loader, "/us", "recursive: false")], "t", "");
    let report = loader.run("run", &yaml).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!((report.rows_read, report.rows_inserted, report.rows_duplicate), (5, 3, 2), "{report:#?}");
    assert_eq!(loader.rows("select id, price from t order by id").await, ["1|1234.50", "2|0.5", "3|7"]);
}

#[tokio::test]
async fn a_number_keeps_its_hash_when_its_column_becomes_text() {
    let loader = Loader::start().await;
    let csv = "delimiter: \";\", decimal: \",\", thousands: \".\"";
    loader.only("a.csv", "id;price\n1;1.234,50\n2;0,5\n");
    assert_eq!(load(&loader, "t", csv, "").await.rows_inserted, 2);
    loader.only("a.csv", "id;price\n1;1.234,50\n2;0,5\n3;on request\n4;1.5\n");
    let report = load(&loader, "t", csv, "").await;
    assert_eq!((report.rows_inserted, report.rows_duplicate), (2, 2), "{report:#?}");
    assert!(because(&report, "price").contains("a.csv:4 has \"on request\""), "{}", because(&report, "price"));
    // A new row of the text column is stored as it is written.
    loader.only("a.csv", "id;price\n5;2.000,10\n");
    assert_eq!(load(&loader, "t", csv, "").await.rows_inserted, 1);
    assert_eq!(load(&loader, "t", csv, "").await.rows_duplicate, 1);
    let rows = loader.rows("select id, price from t order by id").await;
    assert_eq!(rows, ["1|1234.50", "2|0.5", "3|on request", "4|1.5", "5|2.000,10"]);
}

#[tokio::test]
async fn a_contract_reads_numbers_as_the_file_writes_them() {
    let loader = Loader::start().await;
    let csv = "delimiter: \";\", decimal: \",\", thousands: \".\"";
    let schema = "schema: {columns: {id: int64, price: {type: \"decimal(8,2)\", min: 0, max: 2000}, n: float64}}\n\
                  strict_mode: true\n";
    loader.only("a.csv", "id;price;n\n1;1.234,50;0,1\n2;1234.5;1\n3;-1,00;1\n4;2.000,01;1\n5;1,005;1\n6.000;7;NA\n");
    let report = load(&loader, "t", csv, schema).await;
    assert_eq!((report.rows_inserted, report.rows_quarantined), (2, 4), "{report:#?}");
    assert_eq!(loader.rows("select id, price, n from t order by id").await, ["1|1234.50|0.1", "6000|7.00|-"]);
    let rejected = loader.rows("select line, code, reason from _elt_quarantine order by line").await;
    assert_eq!(rejected.len(), 4);
    assert!(rejected[0].starts_with("3|wrong_type|") && rejected[0].contains("\"1234.5\""), "{rejected:?}");
    assert!(rejected[1].starts_with("4|below_min|") && rejected[1].contains("\"-1,00\""), "{rejected:?}");
    assert!(rejected[2].starts_with("5|above_max|") && rejected[2].contains("\"2.000,01\""), "{rejected:?}");
    assert!(rejected[3].starts_with("6|") && rejected[3].contains("\"1,005\""), "{rejected:?}");
}

/// Replays the rejected rows of a run with a config.
async fn replay(loader: &Loader, yaml: &str, options: serde_json::Value, rejected_by: uuid::Uuid) -> RunReport {
    let replay = loader.create("replay", yaml, options, Some(rejected_by)).await;
    let replay = lifecycle::begin(&loader.control, replay.id, "tests").await.expect("asked").expect("begun");
    let context = loader.context(replay, yaml);
    loader.execute(&context).await.unwrap_or_else(|error| panic!("{}", told(&error)))
}

#[tokio::test]
async fn a_replay_reads_numbers_as_the_config_says_by_then() {
    let loader = Loader::start().await;
    let schema = "schema: {id: int64, price: float64}\nstrict_mode: true\n";
    let config = |csv: &str| yaml(&[source(&loader, "", &format!("csv: {{{csv}}}"))], "t", schema);
    loader.only("a.csv", "id;price\n1;1.234,5\n2;1.5\n3;x\n");
    let before = config("delimiter: \";\"");
    let context = loader.begin("run", &before).await;
    let report = loader.execute(&context).await.expect("loaded");
    assert_eq!((report.rows_inserted, report.rows_quarantined), (1, 2));
    // The config now says how numbers are written: the row loads, and a corrected cell is read in the same way.
    let after = config("delimiter: \";\", decimal: \",\", thousands: \".\"");
    let id: i64 = loader.value("select id from _elt_quarantine where line = 4").await.parse().expect("an id");
    let report =
        replay(&loader, &after, json!({"edits": {id.to_string(): {"price": "2.000,25"}}}), context.run.id).await;
    assert_eq!((report.rows_inserted, report.rows_quarantined), (2, 0), "{report:#?}");
    let rows = loader.rows("select id, price from t order by id").await;
    assert_eq!(rows, ["1|1234.5", "2|1.5", "3|2000.25"]);
}

#[tokio::test]
async fn a_replay_reads_each_source_in_its_own_format() {
    let loader = Loader::start().await;
    loader.folder.write("de/a.csv", "id;price\n1;1.234\nx;1.500\n");
    loader.folder.write("us/a.csv", "id,price\n3,1.234\ny,1.500\n");
    loader.folder.write("us/b.json", "[{\"id\": \"z\", \"price\": 2.5}]");
    let german = source(&loader, "/de", "csv: {delimiter: \";\", decimal: \",\", thousands: \".\"}");
    let schema = "schema: {id: int64, price: float64}\nstrict_mode: true\n";
    let yaml = yaml(&[german, source(&loader, "/us", "recursive: false")], "t", schema);
    let context = loader.begin("run", &yaml).await;
    let report = loader.execute(&context).await.expect("loaded");
    assert_eq!((report.rows_inserted, report.rows_quarantined), (2, 3), "{report:#?}");
    let mut edits = serde_json::Map::new();
    for row in loader.rows("select id, file from _elt_quarantine order by file").await {
        let (id, file) = row.split_once('|').expect("two cells");
        let number = ["de/a.csv", "us/a.csv", "us/b.json"].iter().position(|name| file.ends_with(name));
        edits.insert(id.to_owned(), json!({"id": (10 + number.expect("a file")).to_string()}));
    }
    let report = replay(&loader, &yaml, json!({"edits": edits}), context.run.id).await;
    assert_eq!((report.rows_inserted, report.rows_quarantined), (3, 0), "{report:#?}");
    let rows = loader.rows("select id, price from t order by id").await;
    assert_eq!(rows, ["1|1234", "3|1.234", "10|1500", "11|1.5", "12|2.5"]);
}

#[tokio::test]
async fn a_number_format_is_proposed_where_the_report_says_why_a_column_is_text() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,price,note\n1,\"0,20\",\"a, b\"\n2,\"1.234,50\",c\n");
    let report = loader.load("t", "").await;
    let reason = because(&report, "price");
    assert!(reason.contains("price is text because a.csv:2 has \"0,20\""), "{reason}");
    assert!(reason.contains("csv: {decimal: \",\", thousands: \".\"}"), "{reason}");
    assert!(!because(&report, "note").contains("csv: {"), "{}", because(&report, "note"));
    assert_eq!(loader.rows("select price from t order by id").await, ["0,20", "1.234,50"], "nothing is guessed");
}

#[tokio::test]
async fn several_date_formats_are_read_and_what_two_read_differently_is_rejected() {
    let loader = Loader::start().await;
    loader.only("a.csv", "id,day\n1,31.12.2025\n2,2026-01-31\n3,20260201\n4,31/12/2025\n");
    let schema = |formats: &str| {
        format!("schema: {{columns: {{id: int64, day: {{type: date, format: {formats}}}}}}}\nstrict_mode: true\n")
    };
    let report = loader.load("t", &schema("[\"%d.%m.%Y\", \"%Y-%m-%d\", \"%Y%m%d\"]")).await;
    assert_eq!((report.rows_inserted, report.rows_quarantined), (3, 1));
    assert_eq!(loader.rows("select day from t order by id").await, ["2025-12-31", "2026-01-31", "2026-02-01"]);
    let reason = loader.value("select reason from _elt_quarantine").await;
    assert!(reason.contains("%d.%m.%Y or %Y-%m-%d or %Y%m%d"), "{reason}");
    loader.only("b.csv", "id,day\n1,31/12/2025\n2,12/31/2025\n3,03/03/2026\n4,03/04/2026\n");
    let report = loader.load("u", &schema("[\"%d/%m/%Y\", \"%m/%d/%Y\"]")).await;
    assert_eq!((report.rows_inserted, report.rows_quarantined), (3, 1));
    let reason = loader.value("select reason from _elt_quarantine where table_name = 'u'").await;
    assert!(reason.contains("another date in each of the formats"), "{reason}");
}

#[tokio::test]
async fn what_cannot_be_read_says_which_key_to_write() {
    let loader = Loader::start().await;
    for (name, content, code, key) in [
        (
            "escaped.csv",
            &b"id,note\n1,\"a \\\"b\\\" c\"\n2,\"d \\\"e\\\"\"\n"[..],
            "source_unreadable_rows",
            "csv: {escape: ",
        ),
        ("speech.csv", b"id,note\n1,\"a\" b\n2,\"c\" d\n", "source_unreadable_rows", "csv: {quote: none}"),
        ("title.csv", b"Sales of May\nid,name\n1,x\n2,y\n", "header_not_first", "skip_rows: 1"),
    ] {
        loader.only(name, content);
        let error = loader.fail("things", "").await;
        assert_eq!(error.code().as_str(), code, "{}", told(&error));
        assert!(error.next_step().contains(key), "{}", told(&error));
    }
    loader.only("dos.csv", b"id,name\n1,Ann\n2,M\x81ller\n");
    let report = load(&loader, "things", "encoding: auto", "").await;
    assert_eq!((report.rows_inserted, report.rows_quarantined), (1, 1), "no letter is guessed");
    assert!(report.warnings.iter().any(|text| text.contains("could not be guessed")), "{report:#?}");
}
