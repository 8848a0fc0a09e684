//! Odd files of other formats, and under other suffixes, one line each in `tests/corpus/formats/cases.tsv`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

use elt_shared::config::{Document, NoReferences, SourceConfig};

use super::corpus::{Case, cases, describe};
use super::{Row, TestFile};
use crate::input::{InputFile, format_of};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus/formats")
}

/// The file of a case. Its options are keys of a source.
fn file_of(case: &Case<'_>) -> TestFile {
    let keys = case.options.trim_start_matches('{').trim_end_matches('}');
    let closing = case.options.len() - case.options.trim_end_matches('}').len();
    let source = format!("{{\"type\": \"local\", \"path\": \"x\", {keys}{}", "}".repeat(closing));
    let yaml = format!("sources: [{source}]\ntarget: {{table: t}}\n");
    let document = Document::parse(&yaml).unwrap_or_else(|error| panic!("{}: {error}", case.file));
    let checked = document.pipeline(&NoReferences).unwrap_or_else(|error| panic!("{}: {error}", case.file));
    assert!(checked.warnings.is_empty(), "{}: {:?}", case.file, checked.warnings);
    let Some(SourceConfig::Local(source)) = checked.value.sources.into_iter().next() else { panic!("a local source") };
    let (format, compression) = format_of(case.file, &source.files).expect("a format");
    let mut input = InputFile::at(case.file.into(), folder().join(case.file), format, compression).expect("a file");
    input.options = Arc::new(source.files);
    TestFile { input, _folder: tempfile::tempdir().expect("a folder") }
}

fn table() -> String {
    std::fs::read_to_string(folder().join("cases.tsv")).expect("the table")
}

#[test]
fn every_odd_file_of_another_format_is_read_as_the_table_says() {
    let table = table();
    let mut wrong = String::new();
    let mut count = 0;
    for case in cases(&table) {
        let outcome = describe(&file_of(&case));
        if outcome != case.outcome {
            let _ = writeln!(wrong, "{}\t{}\t{outcome}", case.file, case.options);
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    let files = std::fs::read_dir(folder()).expect("the folder").count();
    assert_eq!(files, count + 3, "every file has a line, apart from the table, the cells and their script");
}

/// What Python reads, where it reads the file: rows of texts, NULL and empty alike.
#[test]
fn python_reads_the_same_cells_of_other_formats() {
    let text = std::fs::read_to_string(folder().join("python_cells.json")).expect("the cells");
    let expected: BTreeMap<String, Vec<Vec<String>>> = serde_json::from_str(&text).expect("JSON");
    assert!(expected.len() > 100);
    let table = table();
    let mut wrong = String::new();
    for case in cases(&table).filter(|case| expected.contains_key(case.file)) {
        let texts = |row: &Row| row.texts().into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>();
        let read: Vec<Vec<String>> = file_of(&case).read().rows.iter().map(texts).collect();
        if read != expected[case.file] {
            let _ = writeln!(wrong, "{}: {read:?}, and Python {:?}", case.file, expected[case.file]);
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// Every file through windows of several sizes: nothing may depend on where a window ends.
#[test]
fn no_window_shows_in_other_formats() {
    let table = table();
    for case in cases(&table).filter(|case| !case.options.contains("txt")) {
        let file = file_of(&case);
        let whole = file.read();
        for size in [3, 64, 77] {
            let narrow = file.read_with_window(size);
            if whole.error.is_some() {
                assert_eq!(narrow.error, whole.error, "{}", case.file);
            } else {
                assert_eq!(narrow, whole, "{}", case.file);
            }
        }
    }
}
