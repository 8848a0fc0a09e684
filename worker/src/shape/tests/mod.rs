//! Files with every kind of shape: the rows that are read, those that are left out and those that are rejected.

mod expressions;
mod spellings;

use std::io::Write as _;
use std::sync::Arc;

use elt_shared::config::{Document, FileOptions, NoReferences, Shaping, SourceConfig};
use tokio_util::sync::CancellationToken;

use super::open;
use crate::frame::profile::{Profile, profile_opened};
use crate::frame::read::FileError;
use crate::frame::{CellKind, Piece};
use crate::input::{InputFile, format_of};
use crate::progress::Progress;

/// Everything that is read of a shaped file.
#[derive(Debug, Default)]
struct Outcome {
    names: Vec<String>,
    /// The cells of each row with tabs between them; NULL is `-`.
    rows: Vec<String>,
    kinds: Vec<Vec<CellKind>>,
    /// The text by which each row is shown.
    shown: Vec<String>,
    /// Line, column and reason.
    bad: Vec<(u64, Option<String>, String)>,
    filtered: u64,
    warnings: Vec<String>,
}

fn shaping(shape: &str) -> Arc<Shaping> {
    let indented: String = shape.lines().map(|line| format!("  {line}\n")).collect();
    let text = format!("sources: [{{type: local, path: ./in}}]\ntarget: {{table: t}}\nshape:\n{indented}");
    let config = Document::parse(&text).and_then(|document| document.pipeline(&NoReferences));
    let config = config.unwrap_or_else(|error| panic!("{error}")).value;
    let SourceConfig::Local(source) = &config.sources[0] else { panic!("a local source") };
    source.files.shape.clone().expect("a shape")
}

struct TestFile {
    input: InputFile,
    _folder: tempfile::TempDir,
}

fn file(name: &str, text: &str, shape: &str) -> TestFile {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::File::create(&path).and_then(|mut file| file.write_all(text.as_bytes())).unwrap();
    let (format, compression) = format_of(name, &FileOptions::default()).unwrap();
    let mut input = InputFile::at(name.into(), path, format, compression).unwrap();
    Arc::make_mut(&mut input.options).shape = Some(shaping(shape));
    TestFile { input, _folder: folder }
}

fn try_read(file: &TestFile) -> Result<Outcome, FileError> {
    let mut outcome = Outcome::default();
    let mut reader = open(0, &file.input)?;
    while let Some(piece) = reader.next()? {
        match piece {
            Piece::Bad(bad) => outcome.bad.push((bad.line, bad.column, bad.reason)),
            Piece::Rows(batch) => {
                for row in 0..batch.rows() {
                    let cells = batch.columns.iter().map(|column| match column.cell(row) {
                        (CellKind::Null, _) => "-".to_owned(),
                        (_, bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
                    });
                    outcome.rows.push(cells.collect::<Vec<_>>().join("\t"));
                    outcome.kinds.push(batch.columns.iter().map(|column| column.cell(row).0).collect());
                    outcome.shown.push(String::from_utf8(batch.raw_row(row).to_vec()).unwrap());
                }
            }
        }
    }
    outcome.names = reader.names().to_vec();
    let summary = reader.summary();
    (outcome.filtered, outcome.warnings) = (summary.filtered, summary.warnings);
    Ok(outcome)
}

#[track_caller]
fn read(name: &str, text: &str, shape: &str) -> Outcome {
    try_read(&file(name, text, shape)).unwrap_or_else(|error| panic!("{error}"))
}

/// The only column of the only row.
#[track_caller]
fn value(text: &str, expression: &str) -> String {
    let quoted = text.replace('"', "\"\"");
    let outcome =
        read("a.csv", &format!("a,b,c\n\"{quoted}\",2.50,\n"), &format!("columns:\n  x: {expression:?}\nselect: [x]"));
    match outcome.bad.first() {
        Some((.., reason)) => format!("rejected: {reason}"),
        None => outcome.rows[0].clone(),
    }
}

#[test]
fn every_step_is_made_in_its_order() {
    let outcome = read(
        "orders.csv",
        "id,Kunden-Nr.,name,price,quantity,country\n1,7,  Ann ,2.50,3,DE\n2,8,BOB,1.00,2,FR\n3,9,\"\",4,1,AT\n",
        "rename: {\"Kunden-Nr.\": customer}\n\
         clean: {name: [trim, lower]}\n\
         columns: {total: \"cast(price as decimal(18, 2)) * quantity\", label: \"customer || ':' || name\"}\n\
         where: country in ('DE', 'AT') and total >= 4\n\
         mask: {customer: redact}\n\
         drop: [price, quantity]",
    );
    assert_eq!(outcome.names, ["id", "customer", "name", "country", "total", "label"]);
    assert_eq!(outcome.rows, ["1\t***\tann\tDE\t7.50\t7:ann", "3\t***\t\tAT\t4.00\t9:"]);
    assert_eq!(outcome.filtered, 1);
    use CellKind::{Bare, Number, Quoted, String as Text};
    assert_eq!(outcome.kinds[0], [Bare, Text, Bare, Bare, Number, Quoted]);
    assert_eq!(outcome.kinds[1], [Bare, Text, Quoted, Bare, Number, Quoted]);
    // The text of the file has what is masked, so the shaped cells are shown in its place.
    assert_eq!(outcome.shown[0], outcome.rows[0]);
}

#[test]
fn cells_that_are_not_changed_stay_what_they_are() {
    let json = "{\"a\":1.10,\"b\":\"x \",\"c\":true,\"d\":{\"e\":1},\"f\":null}\n{\"a\":2,\"b\":\"y\",\"c\":false,\"d\":[2],\"f\":\"z\"}\n";
    let outcome = read(
        "a.ndjson",
        json,
        "clean: {a: trim, b: trim, c: upper, d: trim, f: lower}\ncolumns: {copy: a, e: \"d ->> 'e'\"}\nwhere: a::numeric < 2",
    );
    assert_eq!(outcome.names, ["a", "b", "c", "d", "f", "copy", "e"]);
    assert_eq!(outcome.rows, ["1.10\tx\tTRUE\t{\"e\":1}\t-\t1.10\t1"]);
    use CellKind::{Nested, Null, Number, String as Text};
    assert_eq!(outcome.kinds[0], [Number, Text, Text, Nested, Null, Number, Text]);
}

#[test]
fn a_name_that_is_not_there_is_told_with_its_place_and_the_nearest_one() {
    let error = try_read(&file("a.csv", "id,price\n1,2\n", "columns: {x: prise * 2}")).unwrap_err();
    assert_eq!(
        error.message,
        "a.csv: shape.columns.x (line 4 column 16 of the config) names the column \"prise\", which is not there (did you \
         mean \"price\"?)"
    );
    for shape in [
        "rename: {prise: x}",
        "clean: {prise: trim}",
        "where: prise = '2'",
        "mask: {prise: redact}",
        "select: [prise]",
        "drop: [prise]",
    ] {
        let error = try_read(&file("a.csv", "id,price\n1,2\n", shape)).unwrap_err();
        assert!(error.message.contains("\"prise\", which is not there"), "{shape}: {error}");
    }
    let error = try_read(&file("a.csv", "a,b\n1,2\n", "rename: {a: b}")).unwrap_err();
    assert!(error.message.contains("two columns are named \"b\""), "{error}");
    let error = try_read(&file("a.csv", "a,b\n1,2\n", "drop: [a, b]")).unwrap_err();
    assert!(error.message.contains("leaves no column"), "{error}");
    // A member of JSON may be missing.
    let outcome = read("a.ndjson", "{\"id\":1}\n", "columns: {x: upper(nmae)}\nmask: {email: redact}");
    assert_eq!(outcome.rows, ["1\t-"]);
    assert!(outcome.warnings.iter().any(|warning| warning.contains("\"email\", which is not there")), "{outcome:?}");
}

#[test]
fn names_are_found_in_any_case_and_columns_of_json_are_added_at_the_end() {
    let outcome = read(
        "a.ndjson",
        "{\"Name\":\"Ann\"}\n{\"Name\":\"Bob\",\"EMAIL\":\"b@x\",\"b\":1}\n",
        "clean: {name: upper}\ncolumns: {x: name || '!'}\nmask: {email: redact}\ndrop: [b]",
    );
    assert_eq!(outcome.names, ["Name", "EMAIL", "x"]);
    assert_eq!(outcome.rows, ["ANN\t-\tANN!", "BOB\t***\tBOB!"]);
}

#[test]
fn a_masked_value_is_nowhere_in_what_is_read() {
    let canary = "canary@example.com";
    let text = format!("id,email,note\n1,{canary},x\n2,{canary},y,{canary}\n\"3\",{canary},\"a\"\"b\"\n4,{canary},z\n");
    let shape = "columns: {n: note}\nwhere: id <> '4'\nmask: {email: hash}\nmask_secret: correct-horse-battery";
    let outcome = read("a.csv", &text, shape);
    assert!(!format!("{outcome:?}").contains("canary"), "{outcome:?}");
    assert_eq!((outcome.rows.len(), outcome.bad.len(), outcome.filtered), (2, 1, 1));
    let hash = outcome.rows[0].split('\t').nth(1).unwrap().to_owned();
    assert_eq!(hash.len(), 64);
    assert_eq!(outcome.rows[1].split('\t').nth(1).unwrap(), hash);
    let shaped = file("a.csv", &text, shape);
    let mut reader = open(0, &shaped.input).unwrap();
    while let Some(piece) = reader.next().unwrap() {
        if let Piece::Bad(bad) = piece {
            assert!(bad.raw.is_empty());
        }
    }
    let profile = profiled(&shaped);
    assert!(!format!("{profile:?}").contains("canary"), "{profile:?}");
}

fn profiled(file: &TestFile) -> Profile {
    profile_opened(std::slice::from_ref(&file.input), &[], open, &CancellationToken::new(), &Progress::default())
        .unwrap()
}

#[test]
fn the_types_are_those_of_the_shaped_columns() {
    let shaped = file(
        "a.csv",
        "id,price\n1,\"2,50\"\n2,\"3,00\"\n3,\n",
        "clean: {price: {replace: {text: \",\", with: .}}}\ncolumns: {half: price / 2, ok: price > 2}\nwhere: id <> '3'",
    );
    let profile = profiled(&shaped);
    let types: Vec<_> =
        profile.columns.iter().map(|column| (column.name.as_str(), column.inferred().to_string())).collect();
    assert_eq!(
        types,
        [("id", "bigint".into()), ("price", "numeric".into()), ("half", "numeric".into()), ("ok", "boolean".into())]
            .map(|(name, sql): (&str, String)| (name, sql))
    );
    assert_eq!((profile.files[0].rows, profile.files[0].summary.filtered), (2, 1));
}

#[test]
fn both_passes_over_a_large_file_agree_whatever_its_batches_are() {
    let mut text = String::from("id,value\n");
    let rows = 30_000;
    for id in 0..rows {
        text.push_str(&format!("{id},{}\n", if id % 1_000 == 7 { "x".to_owned() } else { format!("{id}.5") }));
    }
    let shape = "columns: {twice: value * 2}\nwhere: id::int % 2 = 1";
    let shaped = file("a.csv", &text, shape);
    let outcome = try_read(&shaped).unwrap();
    assert_eq!((outcome.rows.len(), outcome.bad.len(), outcome.filtered), (14_970, 30, 15_000));
    assert_eq!(outcome.rows[0], "1\t1.5\t3.0");
    assert_eq!(outcome.rows.last().unwrap(), "29999\t29999.5\t59999.0");
    assert_eq!(outcome.shown[0], "1,1.5");
    let profile = profiled(&shaped);
    assert_eq!((profile.files[0].rows, profile.files[0].bad), (14_970, 30));
    assert_eq!(profile.files[0].summary.filtered, 15_000);
}

#[test]
fn a_file_whose_rows_are_all_left_out_is_read_in_pieces() {
    let text = format!("a\n{}", "x\n".repeat(20_000));
    let shaped = file("a.csv", &text, "where: a = 'y'");
    let mut reader = open(0, &shaped.input).unwrap();
    let mut pieces = 0;
    while let Some(piece) = reader.next().unwrap() {
        let Piece::Rows(batch) = piece else { panic!("no record is wrong") };
        assert_eq!(batch.rows(), 0);
        pieces += 1;
    }
    assert!(pieces > 1, "{pieces}");
    assert_eq!(reader.summary().filtered, 20_000);
    assert!(profiled(&shaped).files[0].nothing_readable.is_none());
}

#[test]
fn a_file_of_which_no_row_can_be_computed_fails_with_the_reason() {
    let profile = profiled(&file("a.csv", "a\nx\ny\n", "columns: {b: a::int}"));
    let error = profile.files[0].nothing_readable.as_ref().expect("an error");
    assert!(error.message.contains("every row is rejected, the first one in line 2: `a::INT` fails"), "{error}");
    assert!(error.next_step.contains("`shape`"), "{}", error.next_step);
}
