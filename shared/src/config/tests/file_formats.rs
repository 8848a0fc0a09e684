//! `format:`, `fixed_width:` and `xml:` of a source with files.

use super::*;
use crate::config::{FileFormat, FileOptions, NamePrefixes, SourceConfig, Surplus, WidthUnit};

fn files(keys: &str) -> FileOptions {
    let config = pipeline(&format!("sources: [{{type: local, path: x, {keys}}}]\ntarget: {{table: t}}\n"));
    match config.sources.into_iter().next() {
        Some(SourceConfig::Local(source)) => source.files,
        other => panic!("{other:?}"),
    }
}

/// The first problem of a source with these keys, without its place.
fn problem(keys: &str) -> String {
    let problems = problems(&format!("sources: [{{type: local, path: x, {keys}}}]\ntarget: {{table: t}}\n"));
    let first = problems.first().unwrap_or_else(|| panic!("{keys} is accepted"));
    first.strip_prefix("sources[0].").unwrap_or(first).split(" at line ").next().unwrap_or_default().to_owned()
}

#[test]
fn a_format_is_one_of_its_words() {
    assert_eq!(files("format: CSV").format, Some(FileFormat::Csv));
    assert_eq!(files("format: jsonl").format, Some(FileFormat::Ndjson));
    assert_eq!(files("recursive: true").format, None);
    assert!(problem("format: doc").starts_with("format: unknown variant \"doc\", expected csv, txt, json, "));
    assert_eq!(
        problem("format: fixed_width"),
        "format: needs the key `fixed_width:` beside it, because nothing in the files says the same"
    );
    assert!(problem("format: xml").starts_with("format: needs the key `xml:`"));
    assert!(
        problem("format: csv, xml: {records: /a}").starts_with("xml: has no effect on files of the format \"csv\"")
    );
    assert!(
        problem("fixed_width: {widths: [1]}, xml: {records: /a}")
            .starts_with("xml: has no effect beside `fixed_width:`")
    );
}

#[test]
fn columns_have_places() {
    let options = files("fixed_width: {widths: [5, '10'], names: [id, name]}");
    assert_eq!(options.format, Some(FileFormat::FixedWidth), "no suffix says it");
    let fixed_width = options.fixed_width.expect("it is written");
    let places: Vec<_> =
        fixed_width.columns.iter().map(|column| (column.name.as_deref(), column.start, column.end())).collect();
    assert_eq!(places, [(Some("id"), 0, 5), (Some("name"), 5, 15)]);
    assert_eq!((fixed_width.header, fixed_width.trim, fixed_width.unit), (false, true, WidthUnit::Characters));
    let options =
        files("fixed_width: {columns: [{name: a, start: 3, width: 2}], header: true, unit: bytes, surplus: ignore}");
    let fixed_width = options.fixed_width.expect("it is written");
    assert_eq!((fixed_width.columns[0].start, fixed_width.header), (2, true));
    assert_eq!((fixed_width.unit, fixed_width.surplus), (WidthUnit::Bytes, Surplus::Ignore));
    assert!(
        files("fixed_width: {widths: [5]}").fixed_width.expect("it is written").header,
        "the header names the columns"
    );
}

#[test]
fn columns_without_a_place_are_refused() {
    for (keys, expected) in [
        ("{}", "fixed_width: missing key \"columns\" or \"widths\""),
        ("{widths: []}", "fixed_width.widths: must have at least one column"),
        ("{widths: 5}", "fixed_width.widths: expected a list, found a"),
        ("{widths: [0]}", "fixed_width.widths[0]: expected a whole number from 1 to 10000000, found \"0\""),
        ("{widths: [x]}", "fixed_width.widths[0]: expected a whole number"),
        ("{widths: [9999999, 9]}", "fixed_width.widths: must end at or before place 10000000"),
        ("{widths: [1], names: [a, b]}", "fixed_width.names: names 2 columns, and `widths` has 1"),
        ("{widths: [1], columns: [{name: a, start: 1, width: 1}]}", "fixed_width.widths: is written beside `columns`"),
        ("{columns: [{name: a, width: 1}]}", "fixed_width.columns[0]: missing key \"start\""),
        ("{columns: [{start: 1, width: 1}]}", "fixed_width.columns[0]: missing key \"name\""),
        ("{columns: [{name: a, start: 0, width: 1}]}", "fixed_width.columns[0].start: expected a whole number from 1"),
        ("{columns: [{name: a, start: 9999999, width: 9}]}", "fixed_width.columns[0]: must end at or before"),
        ("{columns: [{name: a, start: 1, width: 1}], names: [a]}", "fixed_width.names: is written beside `columns`"),
        ("{widths: [5, 5], record_length: 9}", "fixed_width.record_length: the columns are longer than the record"),
        ("{widths: [5], encoding: klingon}", "fixed_width.encoding: unknown encoding"),
        ("{widths: [5], unit: inches}", "fixed_width.unit: unknown variant \"inches\", expected characters or bytes"),
    ] {
        let said = problem(&format!("fixed_width: {keys}"));
        assert!(said.starts_with(expected), "{keys}: {said}");
    }
    let many = vec!["1"; 1_601].join(", ");
    assert!(problem(&format!("fixed_width: {{widths: [{many}]}}")).contains("more than 1600 columns"));
}

#[test]
fn records_of_xml_have_a_path() {
    let xml = files("xml: {records: /a/b.c, prefixes: keep, lists: [x, y], attribute_prefix: '@'}")
        .xml
        .expect("it is written");
    assert_eq!(xml.records, ["a", "b.c"]);
    assert_eq!((xml.prefixes, xml.lists.len(), xml.attribute_prefix.as_str()), (NamePrefixes::Keep, 2, "@"));
    assert_eq!(files("xml: {records: a}").xml.expect("it is written").records, ["a"]);
    assert_eq!(problem("xml: {}"), "xml: missing key \"records\"");
    for path in ["/", "//a", "/a/", "/a//b", "/a[1]", "/a/@b", "/a b", "/*"] {
        let said = problem(&format!("xml: {{records: '{path}'}}"));
        assert!(said.starts_with("xml.records: expected the names of elements from the root"), "{path}: {said}");
    }
}

#[test]
fn a_range_of_a_sheet_has_as_many_names_as_columns() {
    assert_eq!(problem("excel: {range: 'B4:D', header: [a, b]}"), "excel.header: names 2 columns, and `range` has 3");
    for keys in
        ["range: 'B4:D', header: [a, b, c]", "range: 'B4', header: [a, b]", "header: [a, b]", "range: 'B:D', header: 4"]
    {
        files(&format!("excel: {{{keys}}}"));
    }
}

#[test]
fn missing_values_of_csv_files_are_those_of_no_other_format() {
    let options = files("csv: {null_values: ['-']}, xml: {records: /a/b}, excel: {null_values: ['#N/A']}");
    let null_values = |format| options.null_values(format).map(<[String]>::to_vec);
    assert_eq!(null_values(FileFormat::Csv), Some(vec!["-".to_owned()]));
    assert_eq!(null_values(FileFormat::Txt), Some(vec!["-".to_owned()]));
    assert_eq!(null_values(FileFormat::Workbook), Some(vec!["#N/A".to_owned()]));
    assert_eq!(null_values(FileFormat::Xml), None);
}
