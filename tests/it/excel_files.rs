//! Workbooks through the whole pipeline: every cell is compared with what another reader finds in it.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::loader::{Loader, told};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/excel").join(name)
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The config of the loader's folder with these keys for workbooks.
fn with_excel(loader: &Loader, table: &str, excel: &str) -> String {
    loader.yaml(table, "").replace("settle_seconds: 0,", &format!("settle_seconds: 0, excel: {{{excel}}},"))
}

/// A cell of an answer as the target's JSON writes it: NULL and the empty text as `-`, fractions of seconds without zeros.
fn as_in_the_target(cell: &Value) -> String {
    match cell.as_str() {
        None | Some("") => "-".to_owned(),
        Some(stamp) if stamp.len() == 23 && stamp.as_bytes()[10] == b'T' => stamp.trim_end_matches('0').to_owned(),
        Some(text) => text.to_owned(),
    }
}

/// Loads a sheet into a table of its own and compares all of it with the answer of another reader.
async fn compare(loader: &Loader, table: &str, name: &str, sheet: &str, answer: &Value) {
    // Equal rows are loaded, too.
    let yaml = with_excel(loader, table, &format!("sheet: {sheet:?}")) + "load: {dedupe: none}\n";
    let report = loader.run("run", &yaml).await.unwrap_or_else(|error| panic!("{name}!{sheet}: {}", told(&error)));
    assert!(report.files.iter().all(|file| file.balances()), "{report:#?}");
    assert_eq!(report.files[0].name, format!("{name}!{sheet}"));
    let (header, rows) = answer["rows"].as_array().expect("rows").split_first().expect("a header");
    let header: Vec<&str> = header.as_array().expect("a row").iter().filter_map(Value::as_str).collect();
    let columns: Vec<String> = header.iter().map(|name| format!("{name:?}")).collect();
    let expected: Vec<String> = rows
        .iter()
        .map(|row| {
            let cells = row.as_array().expect("a row")[1..].iter().take(header.len());
            cells.map(as_in_the_target).collect::<Vec<_>>().join("|")
        })
        .collect();
    let found = loader.rows(&format!("select {} from {table} order by _elt_loaded_at, ctid", columns.join(", "))).await;
    let found: Vec<String> = found
        .iter()
        .map(|row| row.split('|').map(|cell| if cell.is_empty() { "-" } else { cell }).collect::<Vec<_>>().join("|"))
        .collect();
    assert_eq!(found, expected, "{name}!{sheet}");
    let bad: Vec<String> = answer["bad"].as_array().expect("rows").iter().map(Value::to_string).collect();
    let quarantined =
        loader.rows(&format!("select line from _elt_quarantine where table_name = '{table}' order by line")).await;
    assert_eq!(quarantined, bad, "{name}!{sheet}");
}

#[tokio::test]
async fn every_cell_arrives_as_another_reader_finds_it() {
    let loader = Loader::start().await;
    let mut tables = 0;
    for name in [
        "cells.xlsx",
        "iso_dates.xlsx",
        "calendar_1904.xlsx",
        "sheets.xlsx",
        "excel.xlsx",
        "strict.xlsx",
        "old.xls",
        "binary.xlsb",
        "libre.ods",
    ] {
        loader.only(name, bytes(name));
        let answer: Value = serde_json::from_slice(&bytes(&format!("{name}.json"))).expect("JSON");
        for (sheet, answer) in answer.as_object().expect("sheets") {
            if answer["rows"].as_array().expect("rows").len() > 1 {
                tables += 1;
                compare(&loader, &format!("sheet_{tables}"), name, sheet, answer).await;
            }
        }
    }
    assert_eq!(tables, 12);
    let types = loader.columns("sheet_1").await.join(", ");
    assert_eq!(
        types,
        "id bigint, number numeric, text text, day date, stamp timestamp without time zone, time text, duration text, \
         truth boolean, percent numeric, money numeric, result bigint"
    );
}

#[tokio::test]
async fn several_sheets_become_one_table_with_a_column_for_the_sheet() {
    let loader = Loader::start().await;
    loader.only("sheets.xlsx", bytes("sheets.xlsx"));
    let report = loader.run("run", &with_excel(&loader, "months", "sheets: \"*\"")).await.expect("loaded");
    let names: Vec<_> = report.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["sheets.xlsx!Empty", "sheets.xlsx!Jan", "sheets.xlsx!Feb", "sheets.xlsx!März 2024"]);
    assert_eq!((report.rows_inserted, report.warnings.len()), (5, 0), "{:?}", report.warnings);
    assert_eq!(
        loader.rows("select sheet, id, amount from months order by id").await,
        ["Jan|1|10.5", "Jan|2|20", "Feb|3|30", "Feb|4|40.25", "März 2024|5|50"]
    );
    // The same again is nothing new.
    let again = loader.run("run", &with_excel(&loader, "months", "sheets: \"*\"")).await.expect("loaded");
    assert_eq!((again.rows_inserted, again.rows_duplicate), (0, 5));
    let excel = "sheets: [Secret, F*], sheet_column: month";
    loader.run("run", &with_excel(&loader, "chosen", excel)).await.expect("loaded");
    assert_eq!(loader.rows("select month, id from chosen order by id").await, ["Feb|3", "Feb|4", "Secret|99"]);
}

#[tokio::test]
async fn a_workbook_in_an_archive_is_read_sheet_by_sheet() {
    let loader = Loader::start().await;
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for name in ["in/sheets.xlsx", "old.xls"] {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).expect("started");
        std::io::Write::write_all(&mut archive, &bytes(name.trim_start_matches("in/"))).expect("written");
    }
    loader.only("all.zip", archive.finish().expect("finished").into_inner());
    let report = loader.run("run", &with_excel(&loader, "all_sheets", "sheets: \"*\"")).await.expect("loaded");
    let names: Vec<_> = report.files.iter().map(|file| (file.name.as_str(), file.rows_read)).collect();
    assert_eq!(
        names,
        [
            ("all.zip!in/sheets.xlsx!Empty", 0),
            ("all.zip!in/sheets.xlsx!Jan", 2),
            ("all.zip!in/sheets.xlsx!Feb", 2),
            ("all.zip!in/sheets.xlsx!März 2024", 1),
            ("all.zip!old.xls!Data", 6),
            ("all.zip!old.xls!Second", 0),
        ]
    );
    assert_eq!(loader.count("all_sheets").await, 10);
}

#[tokio::test]
async fn without_a_key_the_first_sheet_is_read_and_the_others_are_named() {
    let loader = Loader::start().await;
    loader.only("sheets.xlsx", bytes("sheets.xlsx"));
    let report = loader.load("first", "").await;
    assert_eq!((report.files[0].name.as_str(), report.rows_inserted), ("sheets.xlsx!Jan", 2));
    let [warning] = &report.warnings[..] else { panic!("{:?}", report.warnings) };
    assert!(
        warning.starts_with("sheets.xlsx: only its sheet \"Jan\" is read, and \"Feb\" and \"März 2024\""),
        "{warning}"
    );
    let missing = loader.run("run", &with_excel(&loader, "first", "sheet: Mar")).await;
    let report = missing.expect("a file of a folder is left out");
    assert!(report.left_out[0].reason.contains("no sheet of it is called \"Mar\"; it has \"Empty\", "), "{report:#?}");
    let path = loader.folder.path().join("sheets.xlsx");
    let yaml = format!(
        "sources: [{{type: local, settle_seconds: 0, path: {path:?}, excel: {{sheet: Mar}}}}]\ntarget: {{table: t}}\n"
    );
    let error = loader.run("run", &yaml).await.expect_err("a file that is named");
    assert_eq!(error.code().as_str(), "no_sheet");
    assert!(error.next_step().contains("excel: {sheet: NAME}"), "{}", told(&error));
}

#[tokio::test]
async fn a_cell_without_a_value_is_named_in_the_quarantine() {
    let loader = Loader::start().await;
    loader.only("defects.xlsx", bytes("defects.xlsx"));
    let report = loader.load("cells", "").await;
    assert_eq!((report.rows_inserted, report.rows_quarantined), (1, 10));
    let rows = loader.rows("select file, line, code, reason from _elt_quarantine order by line limit 3").await;
    assert_eq!(rows[2], "defects.xlsx!Data|4|cell_error|the cell Data!B4 holds the error #DIV/0!");
    assert!(rows[0].starts_with("defects.xlsx!Data|2|cell_not_calculated|the formula in the cell Data!B2 was never"));
    let raw = loader.value("select raw from _elt_quarantine where line = 4").await;
    assert_eq!(raw, "cell_error\t#DIV/0!");
    // Errors are NULL where the config says so.
    let report = loader.run("run", &with_excel(&loader, "nulls", "null_values: [\"#DIV/0!\"]")).await.expect("loaded");
    assert_eq!((report.rows_inserted, report.rows_quarantined), (2, 9));
    assert_eq!(loader.rows("select value from nulls order by value").await, ["2023-03-15", "-"]);
}

#[tokio::test]
async fn a_title_above_the_table_is_refused_with_the_key_to_write() {
    let loader = Loader::start().await;
    loader.only("report.xlsx", bytes("report.xlsx"));
    let error = loader.fail("report", "").await;
    assert_eq!(error.code().as_str(), "header_not_first");
    assert!(error.next_step().contains("`excel: {header: 4}`"), "{}", told(&error));
    let report = loader.run("run", &with_excel(&loader, "report", "header: 4, range: B:E")).await.expect("loaded");
    assert_eq!((report.rows_inserted, report.rows_filtered), (3, 3));
    let rows = loader.rows("select id, region, amount, amount_2 from report order by id").await;
    assert_eq!(rows, ["1|north|10|11", "2|south|20|21", "3|west|30|31"]);
}

#[tokio::test]
async fn files_that_are_no_workbooks_leave_the_others_alone() {
    let loader = Loader::start().await;
    loader.folder.write("a.xlsx", bytes("excel.xlsx"));
    loader.folder.write("b.xlsx", bytes("encrypted.xlsx"));
    loader.folder.write("c.xls", "<html><table><tr><td>1</td></tr></table></html>");
    loader.folder.write("d.xlsx", "id;number\n1;2\n");
    let report = loader.load("things", "").await;
    assert_eq!(report.rows_inserted, 10);
    let reasons: Vec<_> = report.left_out.iter().map(|file| format!("{}: {}", file.name, file.reason)).collect();
    assert_eq!(
        reasons,
        [
            "b.xlsx: it is encrypted with a password",
            "c.xls: it is not a workbook but a web page (HTML)",
            "d.xlsx: it is not a workbook but text, such as CSV",
        ]
    );
}
