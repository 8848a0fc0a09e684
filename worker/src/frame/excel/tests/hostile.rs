//! Workbooks that were made to harm their reader end in a sentence.

use std::io::Write;

use elt_shared::config::ExcelOptions;

use super::{fixture, input, read_input, workbook};

#[test]
fn hostile_workbooks_are_refused_with_a_sentence() {
    let folder = tempfile::tempdir().expect("a folder");
    let sheet = |rows: &str| format!("<worksheet><sheetData>{rows}</sheetData></worksheet>").into_bytes();
    let bomb = b"<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;\">]><worksheet><sheetData>&b;</sheetData></worksheet>";
    let long = format!("<row r=\"1\"><c t=\"str\"><v>{}</v></c></row>", "a".repeat(17 << 20));
    let deep = "<a>".repeat(1_000);
    for (sheet, code, what) in [
        (bomb.to_vec(), "broken_workbook", "entities of its own"),
        (sheet(&long), "workbook_too_large", "16 MiB"),
        (sheet(&deep), "broken_workbook", "nested deeper"),
        (sheet("<row r=\"1\"><c><v>&unknown;</v></c></row>"), "broken_workbook", "entity"),
        (sheet("<row r=\"1048577\"><c><v>1</v></c></row>"), "broken_workbook", "no possible number"),
        (
            sheet("<row r=\"2\"><c><v>1</v></c></row><row r=\"2\"><c><v>1</v></c></row>"),
            "broken_workbook",
            "not in their order",
        ),
        (
            sheet("<row r=\"1\"><c r=\"B1\"><v>1</v></c><c r=\"A1\"><v>1</v></c></row>"),
            "broken_workbook",
            "order of their columns",
        ),
        (sheet("<row r=\"1\"><c r=\"XFE1\"><v>1</v></c></row>"), "broken_workbook", "not in its row"),
        (sheet("<row r=\"1\"><c r=\"A7\"><v>1</v></c></row>"), "broken_workbook", "not in its row"),
        (sheet("<row r=\"1\"><c r=\"A1\" t=\"s\"><v>99</v></c></row>"), "broken_workbook", "A1 refers to a text"),
        (b"<worksheet><sheetData><row r=\"1\"><c r=\"A1\"><v>1".to_vec(), "truncated", "cut off"),
        (b"<worksheet/>".to_vec(), "broken_workbook", "no rows"),
    ] {
        let file = workbook(folder.path(), &sheet, b"<sst><si><t>a</t></si></sst>");
        let error = read_input(&file).expect_err(what);
        assert_eq!(error.code.as_str(), code, "{error}");
        assert!(error.message.contains(what), "{error}");
    }
}

#[test]
fn parts_that_are_larger_than_they_say_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let rows = "<row><c><v>1</v></c></row>".repeat(1_000);
    let sheet = format!("<worksheet><sheetData>{rows}</sheetData></worksheet>");
    let file = workbook(folder.path(), sheet.as_bytes(), b"<sst/>");
    assert_eq!(read_input(&file).expect("readable").rows.len(), 999);
    let mut bytes = std::fs::read(&file.path).expect("a file");
    let name = memchr::memmem::rfind(&bytes, b"xl/sheet.xml").expect("in the directory");
    for (at, code) in [(22, "broken_workbook"), (30, "broken_workbook")] {
        let before = bytes[name - at];
        // The size, and then the checksum.
        bytes[name - at] = before.wrapping_sub(1);
        std::fs::write(&file.path, &bytes).expect("written");
        let error = read_input(&file).expect_err("it is not what the directory says");
        assert_eq!(error.code.as_str(), code, "{error}");
        bytes[name - at] = before;
    }
}

#[test]
fn a_workbook_with_several_faults_is_always_refused_for_the_same_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("many.xlsb");
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&file).expect("a file"));
    for name in ["xl/workbook.bin", "a", "b", "c", "d", "e", "f", "g"] {
        let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        zip.start_file(name, stored).and_then(|()| zip.write_all(b"0123456789").map_err(Into::into)).expect("written");
    }
    zip.finish().expect("written");
    let mut bytes = std::fs::read(&file).expect("a file");
    // The way in which every part is compressed becomes an unknown one, and the message about it names the part.
    let directory = memchr::memmem::find(&bytes, b"PK\x01\x02").expect("a directory");
    for at in memchr::memmem::find_iter(&bytes.clone()[directory..], b"PK\x01\x02") {
        bytes[directory + at + 10] = 99;
    }
    std::fs::write(&file, &bytes).expect("written");
    for _ in 0..20 {
        let error = read_input(&input(file.clone(), ExcelOptions::default())).expect_err("it is damaged");
        assert!(error.message.contains("its part \"a\""), "{error}");
    }
}

#[test]
fn repeated_cells_and_rows_of_an_ods_are_bounded() {
    let folder = tempfile::tempdir().expect("a folder");
    let read = |body: &str| {
        let path = folder.path().join("made.ods");
        let mut zip = zip::ZipWriter::new(std::fs::File::create(&path).expect("a file"));
        zip.start_file("content.xml", zip::write::SimpleFileOptions::default()).expect("a part");
        let content = format!("<office:document-content><office:body>{body}</office:body></office:document-content>");
        zip.write_all(content.as_bytes()).expect("written");
        zip.finish().expect("written");
        read_input(&input(path, ExcelOptions::default()))
    };
    let sheet = |rows: &str| {
        format!("<office:spreadsheet><table:table table:name=\"S\">{rows}</table:table></office:spreadsheet>")
    };
    let cell = |more: &str| {
        format!("<table:table-cell office:value-type=\"string\"{more}><text:p>a</text:p></table:table-cell>")
    };
    let row = |more: &str, cells: &str| format!("<table:table-row{more}>{cells}</table:table-row>");
    for (body, code, what) in [
        (sheet(&row(" table:number-rows-repeated=\"4000000000\"", &cell(""))), "broken_workbook", "more rows"),
        (sheet(&row("", &cell(" table:number-columns-repeated=\"20000\""))), "broken_workbook", "last column"),
        ("<office:text/>".to_owned(), "not_a_workbook", "another kind of document"),
    ] {
        let error = read(&body).expect_err(what);
        assert_eq!(error.code.as_str(), code, "{error}");
        assert!(error.message.contains(what), "{error}");
    }
    let far = row(" table:number-rows-repeated=\"4294967295\"", "<table:table-cell/>") + &row("", &cell(""));
    let error = read(&sheet(&far)).expect_err("a row behind the last one");
    assert!(error.message.contains("more rows"), "{error}");
    // A cell that is repeated no time at all is there once.
    let never = row("", &cell(" table:number-columns-repeated=\"0\" table:number-columns-spanned=\"0\""));
    assert_eq!(read(&sheet(&(never.clone() + &never))).expect("readable").rows.len(), 1);
    let names = format!(
        "<style:style style:name=\"{}\"><style:table-properties table:display=\"false\"/>",
        "a".repeat(9 << 20)
    );
    let error = read(&(names.repeat(2) + &sheet(""))).expect_err("long names");
    assert_eq!(error.code.as_str(), "workbook_too_large", "{error}");
    let blank =
        row(" table:number-rows-repeated=\"1048570\"", "<table:table-cell table:number-columns-repeated=\"16384\"/>");
    let found = read(&sheet(&[row("", &cell("")), row("", &cell("")), blank].concat())).expect("readable");
    assert_eq!((found.rows.len(), found.summary.filtered), (1, 0));
}

/// An `.xls` in which some bytes were replaced.
fn changed_xls(folder: &std::path::Path, change: impl FnOnce(&mut [u8])) -> String {
    let mut bytes = std::fs::read(fixture("old.xls")).expect("a file");
    change(&mut bytes);
    let path = folder.join("changed.xls");
    std::fs::write(&path, bytes).expect("written");
    let error = read_input(&input(path, ExcelOptions::default())).expect_err("it is harmful");
    format!("{}: {}", error.code.as_str(), error.reason)
}

fn number(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize
}

#[test]
fn an_xls_that_would_fill_the_memory_is_refused_before_it_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let damaged = "broken_workbook: it cannot be read: it is damaged";
    // The directory goes on in its own first sector.
    let circle = changed_xls(folder.path(), |bytes| {
        let (first, table) = (number(bytes, 48), number(bytes, 76));
        let place = (table + 1) * 512 + first * 4;
        bytes[place..place + 4].copy_from_slice(&(first as u32).to_le_bytes());
    });
    assert_eq!(circle, damaged);
    // The list of the tables does so, too.
    let circle = changed_xls(folder.path(), |bytes| bytes[68..72].fill(0));
    assert_eq!(circle, damaged);
    let dimensions = |bytes: &[u8]| memchr::memmem::find(bytes, &[0, 2, 14, 0, 0, 0, 0, 0]).expect("a sheet");
    let many_rows = changed_xls(folder.path(), |bytes| {
        let at = dimensions(bytes);
        bytes[at + 8..at + 12].fill(0xFF);
    });
    assert_eq!(many_rows, "broken_workbook: a sheet of it says that it has more cells than a sheet can have");
    // A cell of numbers in the last column that 16 bits can name.
    let far_cell = changed_xls(folder.path(), |bytes| {
        let sheet = dimensions(bytes);
        let at = memchr::memmem::find(&bytes[sheet..], &[3, 2, 14, 0]).expect("a number") + sheet;
        bytes[at + 6..at + 8].fill(0xFF);
    });
    assert_eq!(far_cell, "broken_workbook: a cell of it is beyond the last column of a sheet");
}
