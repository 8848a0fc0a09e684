//! Workbooks are read, and every cell is compared with what another reader finds in it. See `tests/fixtures/excel/make.py`.

mod hostile;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use elt_shared::config::{CellRange, ExcelOptions, FileOptions, SheetChoice, SheetHeader};
use serde_json::Value;

use super::choice::chosen;
use crate::frame::read::{FileError, FileSummary, open};
use crate::frame::{CellKind, Piece};
use crate::input::{InputFile, SheetPlace, SpoolFolder};

/// Everything that a reader finds in a sheet.
#[derive(Debug, Default)]
struct Found {
    names: Vec<String>,
    /// The number of each row, and its cells.
    rows: Vec<(u64, Vec<Option<String>>)>,
    bad: Vec<(u64, &'static str, String)>,
    summary: FileSummary,
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/excel").join(name)
}

fn input(path: PathBuf, options: ExcelOptions) -> InputFile {
    let name = path.file_name().expect("a name").to_string_lossy().into_owned();
    let (format, compression) = crate::input::format_of(&name, &FileOptions::default()).expect("a format");
    let mut input = InputFile::at(name, path, format, compression).expect("a file");
    Arc::make_mut(&mut input.options).excel = options;
    input
}

fn read_input(input: &InputFile) -> Result<Found, FileError> {
    let mut reader = open(0, input)?;
    let mut found = Found { names: reader.names().to_vec(), ..Found::default() };
    while let Some(piece) = reader.next()? {
        match piece {
            Piece::Bad(bad) => found.bad.push((bad.line, bad.code.as_str(), bad.reason)),
            Piece::Rows(batch) => {
                for row in 0..batch.rows() {
                    let cells = batch.columns.iter().map(|column| match column.cell(row) {
                        (CellKind::Null, _) => None,
                        (_, bytes) => Some(String::from_utf8(bytes.to_vec()).expect("text")),
                    });
                    found.rows.push((batch.lines[row], cells.collect()));
                }
            }
        }
    }
    found.summary = reader.summary();
    Ok(found)
}

fn read_with(name: &str, options: ExcelOptions) -> Result<Found, FileError> {
    read_input(&input(fixture(name), options))
}

fn of_sheet(sheet: &str) -> ExcelOptions {
    ExcelOptions { sheets: SheetChoice::One(sheet.to_owned()), ..ExcelOptions::default() }
}

/// Compares a sheet with the answer of another reader, whose rows begin with their numbers.
fn compare(name: &str, sheet: &str, answer: &Value) {
    let found = read_with(name, of_sheet(sheet)).unwrap_or_else(|error| panic!("{error}"));
    let texts = |row: &Value| -> Vec<Option<String>> {
        let cells = row.as_array().expect("a row").iter().skip(1);
        cells.map(|cell| cell.as_str().filter(|text| !text.is_empty()).map(str::to_owned)).collect()
    };
    let (header, rows) = answer["rows"].as_array().expect("rows").split_first().expect("a header");
    let header: Vec<String> = texts(header).into_iter().flatten().collect();
    assert_eq!(found.names, header, "{name}!{sheet}");
    assert_eq!(found.rows.len(), rows.len(), "{name}!{sheet}: {found:#?}");
    for ((line, cells), expected) in found.rows.iter().zip(rows) {
        assert_eq!(Some(*line), expected[0].as_u64(), "{name}!{sheet}");
        let cells: Vec<_> = cells.iter().map(|cell| cell.clone().filter(|text| !text.is_empty())).collect();
        assert_eq!(cells, texts(expected)[..cells.len()], "{name}!{sheet}:{line}");
    }
    let bad: Vec<u64> = found.bad.iter().map(|bad| bad.0).collect();
    let expected: Vec<u64> = answer["bad"].as_array().expect("rows").iter().filter_map(Value::as_u64).collect();
    assert_eq!(bad, expected, "{name}!{sheet}");
}

#[test]
fn every_cell_is_what_another_reader_finds() {
    let mut sheets = 0;
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
        let answer = std::fs::read(fixture(&format!("{name}.json"))).expect("an answer");
        let answer: Value = serde_json::from_slice(&answer).expect("JSON");
        for (sheet, answer) in answer.as_object().expect("sheets") {
            if !answer["rows"].as_array().expect("rows").is_empty() {
                compare(name, sheet, answer);
                sheets += 1;
            }
        }
    }
    assert_eq!(sheets, 13);
}

#[test]
fn blank_rows_are_counted_also_those_that_are_not_in_the_file() {
    let found = read_with("excel.xlsx", ExcelOptions::default()).expect("readable");
    assert_eq!((found.rows.len(), found.summary.filtered), (10, 2 + 987));
    let found = read_with("cells.xlsx", ExcelOptions::default()).expect("readable");
    assert_eq!((found.rows.len() + found.bad.len(), found.summary.filtered), (14, 1 + 4));
}

#[test]
fn a_cell_without_a_value_rejects_its_row_and_is_named() {
    let found = read_with("defects.xlsx", ExcelOptions::default()).expect("readable");
    assert_eq!(found.rows, [(12, vec![Some("fine".to_owned()), Some("2023-03-15".to_owned())])]);
    let codes: Vec<_> = found.bad.iter().map(|(line, code, _)| (*line, *code)).collect();
    assert_eq!(
        codes,
        [
            (2, "cell_not_calculated"),
            (3, "cell_not_calculated"),
            (4, "cell_error"),
            (5, "cell_not_a_date"),
            (6, "cell_not_a_date"),
            (7, "cell_not_a_date"),
            (8, "cell_not_a_number"),
            (9, "cell_not_a_number"),
            (10, "cell_not_a_number"),
            (11, "nul_byte"),
        ]
    );
    for (line, _, reason) in &found.bad {
        assert!(reason.contains(&format!("Data!B{line}")), "{reason}");
        assert!(!reason.contains("12 EUR"), "no value is shown: {reason}");
    }
    assert_eq!(found.bad[2].2, "the cell Data!B4 holds the error #DIV/0!");
    let options = ExcelOptions { null_values: Some(vec!["#DIV/0!".into()]), ..ExcelOptions::default() };
    let found = read_with("defects.xlsx", options).expect("readable");
    assert_eq!(found.rows[0], (4, vec![Some("cell_error".to_owned()), None]));
}

#[test]
fn a_title_is_refused_with_the_row_of_the_header() {
    let error = read_with("report.xlsx", ExcelOptions::default()).expect_err("a title");
    assert_eq!(error.code.as_str(), "header_not_first");
    assert_eq!(error.line, Some(1));
    assert!(error.next_step.contains("`excel: {header: 4}`"), "{}", error.next_step);
    let options = |header, range| ExcelOptions { header, range, ..ExcelOptions::default() };
    let found = read_with("report.xlsx", options(SheetHeader::Row(4), CellRange::default())).expect("readable");
    // The note in H6 is beside the table, so that its row has more cells than names.
    assert_eq!(found.names, ["id", "region", "amount", "amount_2", "column_5", "column_6", "column_7"]);
    assert!(found.summary.warnings.iter().any(|warning| warning.contains("column F and 2 more")), "{found:#?}");
    let range = CellRange { first_column: Some(2), last_column: Some(5), first_row: Some(4), last_row: Some(6) };
    let found = read_with("report.xlsx", options(SheetHeader::Found, range)).expect("readable");
    assert_eq!(found.names, ["id", "region", "amount", "amount_2"]);
    assert_eq!(found.rows.iter().map(|row| row.0).collect::<Vec<_>>(), [5, 6]);
    assert_eq!((found.summary.filtered, found.bad.len()), (3, 0));
}

#[test]
fn names_come_from_the_config_when_it_has_them() {
    let range = CellRange { first_column: Some(2), first_row: Some(5), last_column: Some(5), last_row: None };
    let names = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
    let options = ExcelOptions { header: SheetHeader::Names(names), range, ..ExcelOptions::default() };
    let found = read_with("report.xlsx", options.clone()).expect("readable");
    assert_eq!((found.names.join(","), found.rows.len()), ("a,b,c,d".to_owned(), 3));
    let found = read_with("report.xlsx", ExcelOptions { header: SheetHeader::Missing, ..options.clone() });
    let found = found.expect("readable");
    assert_eq!((found.names.join(","), found.rows.len()), ("column_1,column_2,column_3,column_4".to_owned(), 3));
    let error =
        read_with("report.xlsx", ExcelOptions { header: SheetHeader::Row(3), ..options }).expect_err("a blank row");
    assert_eq!((error.code.as_str(), error.line), ("header_not_first", Some(3)));
}

#[test]
fn sheets_are_chosen_and_named() {
    let listed = |sheets| {
        let options = ExcelOptions { sheets, ..ExcelOptions::default() };
        let (chosen, doubt) = chosen(&input(fixture("sheets.xlsx"), options)).expect("readable");
        (chosen.into_iter().map(|chosen| chosen.name).collect::<Vec<_>>().join(","), doubt)
    };
    let (first, doubt) = listed(SheetChoice::First);
    assert_eq!(first, "Jan");
    let doubt = doubt.expect("other sheets have cells");
    assert!(doubt.contains("\"Feb\" and \"März 2024\" have cells"), "{doubt}");
    assert_eq!(listed(SheetChoice::Each(vec!["*".into()])), ("Empty,Jan,Feb,März 2024".into(), None));
    assert_eq!(listed(SheetChoice::One("2".into())), ("Secret".into(), None));
    assert_eq!(listed(SheetChoice::One("m*".into())), ("März 2024".into(), None));
    let found = read_with("libre.ods", ExcelOptions::default()).expect("readable");
    assert_eq!(found.summary.filtered, 2, "the hidden sheet is not read");
}

#[test]
fn files_that_are_no_workbooks_are_told_what_they_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let encrypted = std::fs::read(fixture("encrypted.xlsx")).expect("a file");
    let whole = std::fs::read(fixture("excel.xlsx")).expect("a file");
    let mut damaged = whole.clone();
    let middle = damaged.windows(4).position(|bytes| bytes == b"PK\x01\x02").expect("a directory") / 2;
    damaged[middle..middle + 40].fill(0x55);
    for (name, bytes, code, what) in [
        ("a.xlsx", &b"id;name\n1;x\n"[..], "not_a_workbook", "text, such as CSV"),
        ("a.xls", b"\xEF\xBB\xBF  <HTML><body><table>", "not_a_workbook", "HTML"),
        ("b.xls", b"<?xml version=\"1.0\"?><Workbook/>", "not_a_workbook", "XML Spreadsheet 2003"),
        ("b.xlsx", b"", "not_a_workbook", "empty"),
        ("c.xlsx", &encrypted, "workbook_encrypted", "password"),
        ("d.xlsx", &whole[..whole.len() - 100], "truncated", "cut off"),
        ("e.xlsx", b"PK\x03\x04 and more", "truncated", "cut off"),
        ("f.xlsx", &damaged, "broken_workbook", "unpacked"),
        ("g.xls", b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1\0\0\0\0", "broken_workbook", "cannot be read"),
        ("h.xls", b"\x00\x01\x02\x03", "not_a_workbook", "not a workbook"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("a file");
        let error = read_input(&input(path, ExcelOptions::default())).expect_err(name);
        assert_eq!(error.code.as_str(), code, "{error}");
        assert!(error.message.starts_with(name) && error.message.contains(what), "{error}");
    }
    // The content counts, not the suffix.
    let path = folder.path().join("really_xlsx.xls");
    std::fs::copy(fixture("excel.xlsx"), &path).expect("copied");
    assert_eq!(read_input(&input(path, ExcelOptions::default())).expect("readable").rows.len(), 10);
}

/// A workbook with one sheet of this XML.
fn workbook(folder: &Path, sheet: &[u8], strings: &[u8]) -> InputFile {
    let path = folder.join("made.xlsx");
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&path).expect("a file"));
    let relation = |id: &str, kind: &str, target: &str| {
        format!("<Relationship Id=\"{id}\" Type=\"http://x/{kind}\" Target=\"{target}\"/>")
    };
    let relations = |inside: String| format!("<Relationships>{inside}</Relationships>").into_bytes();
    let of_workbook = relation("a", "worksheet", "sheet.xml") + &relation("b", "sharedStrings", "strings.xml");
    for (name, content) in [
        ("[Content_Types].xml", b"<Types/>".to_vec()),
        ("_rels/.rels", relations(relation("a", "officeDocument", "xl/workbook.xml"))),
        ("xl/_rels/workbook.xml.rels", relations(of_workbook)),
        ("xl/workbook.xml", b"<workbook><sheets><sheet name=\"S\" r:id=\"a\"/></sheets></workbook>".to_vec()),
        ("xl/sheet.xml", sheet.to_vec()),
        ("xl/strings.xml", strings.to_vec()),
    ] {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).expect("a part");
        zip.write_all(&content).expect("written");
    }
    zip.finish().expect("written");
    input(path, ExcelOptions::default())
}

#[test]
fn a_file_that_changes_while_it_is_read_has_another_hash() {
    let folder = tempfile::tempdir().expect("a folder");
    let file =
        workbook(folder.path(), b"<worksheet><sheetData><row><c><v>1</v></c></row></sheetData></worksheet>", b"<sst/>");
    let hash = read_input(&file).expect("readable").summary.content_hash;
    assert_eq!(read_input(&file).expect("readable").summary.content_hash, hash);
    let mut reader = open(0, &file).expect("readable");
    std::fs::OpenOptions::new()
        .append(true)
        .open(&file.path)
        .and_then(|mut file| file.write_all(b"x"))
        .expect("changed");
    while reader.next().expect("readable").is_some() {}
    assert_ne!(reader.summary().content_hash, hash);
}

#[test]
fn cells_beyond_the_header_reject_their_row() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = |place: &str, text: &str| format!("<c r=\"{place}\" t=\"inlineStr\"><is><t>{text}</t></is></c>");
    let header = format!("<row r=\"1\">{}{}</row>", text("A1", "a"), text("B1", "b"));
    let rows: String =
        (2..=500).map(|row| format!("<row r=\"{row}\"><c r=\"A{row}\"><v>{row}</v></c></row>")).collect();
    let surplus = format!("<row r=\"501\"><c r=\"A501\"><v>1</v></c>{}</row>", text("D501", "x"));
    let sheet = format!("<worksheet><sheetData>{header}{rows}{surplus}</sheetData></worksheet>");
    let mut file = workbook(folder.path(), sheet.as_bytes(), b"<sst/>");
    file.sheet = Some(Arc::new(SheetPlace {
        index: 0,
        name: String::new(),
        spool: SpoolFolder { folder: folder.path().to_owned(), keep_free: 0 },
    }));
    let found = read_input(&file).expect("readable");
    assert_eq!(found.rows.len(), 499);
    let reason = "the cell S!D501 has a value, and its column has no name in the header";
    assert_eq!(found.bad, [(501, "too_many_cells", reason.to_owned())]);
}
