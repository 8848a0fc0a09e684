//! Odd files, one line each in `tests/corpus/cases.tsv`: the file, how it is read, what happens, and why that is right.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

use elt_shared::config::{CsvOptions, HeaderPlace, NumberFormat, Quote, TextEncoding, Thousands};
use tokio_util::sync::CancellationToken;

use super::{CellKind, Outcome, TestFile, input};
use crate::frame::profile::{ColumnProfile, profile};
use crate::input::InputFile;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus")
}

/// A line of the table.
pub(super) struct Case<'a> {
    pub(super) file: &'a str,
    pub(super) options: &'a str,
    pub(super) outcome: &'a str,
}

pub(super) fn cases(table: &str) -> impl Iterator<Item = Case<'_>> {
    table.lines().skip(1).map(|line| {
        let mut cells = line.split('\t');
        let mut next = || cells.next().expect("file, options, outcome and why");
        let (file, options, outcome, why) = (next(), next(), next(), next());
        assert!(!why.is_empty(), "{file} says why");
        Case { file, options, outcome }
    })
}

/// The file of a case, with its options: `delimiter=; header=false`.
fn input_of(case: &Case<'_>) -> InputFile {
    let mut input = input(case.file, folder().join(case.file));
    let csv: &mut CsvOptions = &mut Arc::make_mut(&mut input.options).csv;
    // Several options are separated by a space.
    for (key, value) in case.options.split(' ').filter_map(|option| option.split_once('=')) {
        match key {
            "delimiter" => csv.delimiter = Some(if value == "tab" { b'\t' } else { value.as_bytes()[0] }),
            "quote" if value == "none" => csv.quote = Quote::Never,
            "quote" => csv.quote = Quote::Byte(value.as_bytes()[0]),
            "escape" => csv.escape = Some(value.as_bytes()[0]),
            "comment" => csv.comment = Some(value.into()),
            "trim" => csv.trim = value == "true",
            "skip_footer" => csv.skip_footer = value.parse().expect("a number"),
            "encoding" if value == "auto" => csv.encoding = TextEncoding::Guessed,
            "encoding" => csv.encoding = TextEncoding::Named(value.into()),
            "skip_rows" => csv.skip_rows = value.parse().expect("a number"),
            "decimal" => numbers(csv).decimal = value.as_bytes()[0],
            "thousands" => {
                numbers(csv).thousands = Some(match value {
                    "." => Thousands::Point,
                    "," => Thousands::Comma,
                    "space" => Thousands::Space,
                    _ => Thousands::Apostrophe,
                });
            }
            "header" => {
                csv.header = match value {
                    "true" => HeaderPlace::First,
                    "false" => HeaderPlace::Missing,
                    line if line.parse::<u16>().is_ok() => HeaderPlace::Line(line.parse().expect("a line")),
                    names => HeaderPlace::Names(names.split('|').map(str::to_owned).collect()),
                };
            }
            "null" => csv.null_values = Some(value.split(';').map(str::to_owned).collect()),
            "records" => input.records = Some(value.into()),
            other => panic!("unknown option {other}"),
        }
    }
    input
}

fn numbers(csv: &mut CsvOptions) -> &mut NumberFormat {
    csv.numbers.get_or_insert(NumberFormat { decimal: b'.', thousands: None })
}

/// `2 rows of id bigint, name text; blank 1; bad 3 too_many_cells; 1 warning`, or `error unclosed_quote:2`.
pub(super) fn describe(file: &TestFile) -> String {
    let outcome = file.read();
    let profile = profile(std::slice::from_ref(&file.input), &[], &CancellationToken::new()).expect("nobody stops it");
    let found = &profile.files[0];
    assert_eq!(found.error.as_ref().map(|error| (error.code.as_str(), error.line)), outcome.error, "both passes agree");
    if let Some((code, line)) = outcome.error {
        return line.map_or(format!("error {code}"), |line| format!("error {code}:{line}"));
    }
    assert_eq!((found.rows, found.bad), (outcome.rows.len() as u64, outcome.bad.len() as u64));
    assert_eq!(found.summary, outcome.summary);
    let mut text = format!("{} rows", outcome.rows.len());
    let columns: Vec<_> = profile.columns.iter().map(column).collect();
    if !columns.is_empty() {
        let _ = write!(text, " of {}", columns.join(", "));
    }
    if outcome.summary.filtered > 0 {
        let _ = write!(text, "; blank {}", outcome.summary.filtered);
    }
    for (line, code, _) in &outcome.bad {
        let _ = write!(text, "; bad {line} {code}");
    }
    if !outcome.summary.warnings.is_empty() {
        let _ = write!(text, "; warnings {}", outcome.summary.warnings.len());
    }
    text
}

/// Name, type, and the line that decided.
fn column(column: &ColumnProfile) -> String {
    let name = if column.name.chars().all(|c| c.is_alphanumeric() || c == '_') {
        column.name.clone()
    } else {
        format!("{:?}", column.name)
    };
    match column.deciding() {
        Some(cell) => format!("{name} {}:{}", column.inferred(), cell.line),
        None => format!("{name} {}", column.inferred()),
    }
}

#[test]
fn every_odd_file_is_read_as_the_table_says() {
    let table = std::fs::read_to_string(folder().join("cases.tsv")).expect("the table");
    let mut wrong = String::new();
    let mut count = 0;
    for case in cases(&table) {
        let file = TestFile { input: input_of(&case), _folder: tempfile::tempdir().expect("a folder") };
        let outcome = describe(&file);
        if outcome != case.outcome {
            let _ = writeln!(wrong, "{}\t{}\t{outcome}", case.file, case.options);
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    let files = std::fs::read_dir(folder()).expect("the folder").count();
    assert_eq!(
        files,
        count + 6,
        "every file has a line, apart from the table, the cells, their script, README, .gitattributes and the folder `formats`"
    );
}

/// What Python's `csv` and `json` modules read, where they read the file as we do: rows of texts, NULL and empty alike.
#[test]
fn python_reads_the_same_cells() {
    let text = std::fs::read_to_string(folder().join("python_cells.json")).expect("the cells");
    let expected: BTreeMap<String, Vec<Vec<Option<String>>>> = serde_json::from_str(&text).expect("JSON");
    assert!(expected.len() > 100);
    let table = std::fs::read_to_string(folder().join("cases.tsv")).expect("the table");
    let cases: BTreeMap<_, _> = cases(&table).map(|case| (case.file, case)).collect();
    for (name, rows) in expected {
        let case = &cases[name.as_str()];
        let file = TestFile { input: input_of(case), _folder: tempfile::tempdir().expect("a folder") };
        let read: Vec<Vec<Option<String>>> = file.read().rows.iter().map(super::Row::texts).collect();
        let same = |row: &Vec<Option<String>>| row.iter().cloned().map(Option::unwrap_or_default).collect::<Vec<_>>();
        assert_eq!(read.iter().map(same).collect::<Vec<_>>(), rows.iter().map(same).collect::<Vec<_>>(), "{name}");
    }
}

/// Files too large to keep: name, text, and what happens.
#[test]
fn large_odd_files_are_read_or_refused() {
    let columns = |count: usize| (1..=count).map(|n| format!("c{n}")).collect::<Vec<_>>().join(",") + "\n";
    let deep = |levels: usize| format!("[{{\"a\": {}{}}}, {{\"a\": []}}]", "[".repeat(levels), "]".repeat(levels));
    let numbers: String = (1..3_000).map(|n| format!("{n},{n}\n")).collect();
    for (name, text, expected) in [
        ("many_digits.csv", format!("id,n\n1,{}\n", "9".repeat(140_000)), "1 rows of id bigint, n text:2"),
        ("text_late.csv", format!("id,n\n{numbers}3000,x\n"), "3000 rows of id bigint, n text:3001"),
        ("large_cell.csv", format!("id,n\n1,\"{}\"\n2,y\n", "x\n".repeat(5 << 20)), "2 rows of id bigint, n text:2"),
        ("many_columns.csv", columns(1_601), "error too_many_columns:1"),
        ("very_many_columns.csv", columns(100_000), "error too_many_columns:1"),
        (
            "many_members.json",
            format!("[{{{}\"x\": 1}}]", (0..1_600).map(|n| format!("\"c{n}\":1,")).collect::<String>()),
            "error too_many_columns:1",
        ),
        ("deep.json", deep(10_000), "1 rows of a jsonb; bad 1 too_deep"),
        ("deep_document.json", "[".repeat(50_000), "error not_rows"),
        ("deep_object.json", "{\"a\":".repeat(50_000), "error truncated:1"),
        ("long_line.ndjson", format!("{{\"a\": \"{}\"}}\n{{\"a\": 1}}\n", "x".repeat(9 << 20)), "2 rows of a text:1"),
        ("long_name.json", format!("[{{\"{}\": 1}}]", "n".repeat(100_000)), "1 rows of WRITTEN bigint; warnings 1"),
    ] {
        let outcome = describe(&TestFile::new(name, text.as_bytes()));
        let long = format!("{}_", "n".repeat(54));
        let outcome = match outcome.find(&long) {
            Some(at) => format!("{}WRITTEN{}", &outcome[..at], &outcome[at + 63..]),
            None => outcome,
        };
        assert_eq!(outcome, expected, "{name}");
    }
    let full = TestFile::new("full.csv", format!("{}{}\n", columns(1_600), ",".repeat(1_599)).as_bytes()).read();
    assert_eq!((full.names.len(), full.rows.len(), full.error), (1_600, 1, None));
}

/// The whole corpus through windows of several sizes: nothing may depend on where a window ends.
#[test]
fn no_window_shows_in_the_corpus() {
    let table = std::fs::read_to_string(folder().join("cases.tsv")).expect("the table");
    for case in cases(&table).filter(|case| !case.file.ends_with(".txt")) {
        let file = TestFile { input: input_of(&case), _folder: tempfile::tempdir().expect("a folder") };
        let whole = file.read();
        for size in [64, 77, 300] {
            let narrow = file.read_with_window(size);
            if whole.error.is_some() {
                assert_eq!(narrow.error, whole.error, "{}", case.file);
            } else {
                assert_eq!(narrow, whole, "{}", case.file);
            }
        }
    }
}

/// NULL differs from the empty text, and a number from its text.
#[test]
fn kinds_are_told_apart() {
    let cells = |name: &str| {
        let file =
            TestFile { input: input(name, folder().join(name)), _folder: tempfile::tempdir().expect("a folder") };
        let Outcome { rows, .. } = file.read();
        rows.into_iter().map(|row| row.cells.last().expect("a cell").0).collect::<Vec<_>>()
    };
    assert_eq!(cells("quoted_empty_in_text.csv"), [CellKind::Quoted, CellKind::Null, CellKind::Bare]);
    assert_eq!(
        cells("five_different_things.json"),
        [CellKind::Null, CellKind::String, CellKind::String, CellKind::Number, CellKind::Bool]
    );
    assert_eq!(cells("nested.json"), [CellKind::Nested, CellKind::Nested]);
}
