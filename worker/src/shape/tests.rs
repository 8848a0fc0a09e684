//! Files with every kind of shape: the rows that are read, those that are left out and those that are rejected.

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
fn every_function_computes_what_it_promises() {
    let mut wrong = Vec::new();
    for (text, expression, result) in [
        ("x", "lower('ÄB') || upper('ß')", "äbSS"),
        ("  x ", "'[' || trim(a) || '|' || ltrim(a) || '|' || rtrim(a) || ']'", "[x|x |  x]"),
        ("äöü", "length(a)", "3"),
        ("äöüß", "substring(a, 2, 2) || left(a, 1) || right(a, 1) || substr(a, 4)", "öüäßß"),
        ("a.b.c", "replace(a, '.', '$1')", "a$1b$1c"),
        ("+49 (0)30-12", "regexp_replace(a, '[^0-9+]', '')", "+4903012"),
        ("2024-05", "regexp_replace(a, '(\\d+)-(\\d+)', '$2/$1')", "05/2024"),
        ("DE-123", "regexp_extract(a, '([A-Z]+)-(\\d+)', 2)", "123"),
        ("none", "regexp_extract(a, '\\d+')", "-"),
        ("a-b-c", "split_part(a, '-', 2) || split_part(a, '-', -1)", "bc"),
        ("a", "split_part(a, '-', 2)", "-"),
        ("7", "lpad(a, 3, '0') || rpad(a, 3, 'x') || lpad('1234', 3, '0')", "0077xx1234"),
        ("abc", "starts_with(a, 'ab') and ends_with(a, 'bc') and contains(a, 'b') and not contains(a, 'B')", "true"),
        ("xäb", "strpos(a, 'b') + position('z' in a)", "3"),
        ("x", "concat(a, null, 1, true)", "x1true"),
        ("x", "a || c", "-"),
        ("x", "coalesce(c, a, 'z')", "x"),
        ("n/a", "nullif(a, 'n/a')", "-"),
        ("x", "nullif(a, c)", "x"),
        ("5", "case when a::int > 4 then 'big' else 'small' end", "big"),
        ("b", "case a when 'a' then 1 when 'b' then 2.50 end", "2.50"),
        ("z", "case a when 'a' then 1 end", "-"),
        ("1.10", "a + 0.2", "1.30"),
        ("10", "a / 4", "2.5"),
        ("1", "a / 3", "0.3333333333333333"),
        ("7", "a % 4 - 0.5", "2.5"),
        ("-2.5", "abs(a) + round(a) + floor(a) + ceil(a)", "-5.5"),
        ("2.345", "round(a, 2)", "2.35"),
        ("12345678901234567890.123456789", "a * 2", "24691357802469135780.246913578"),
        ("10", "a > 9", "true"),
        ("10", "a > '9'", "false"),
        ("1.0", "a in (1, 2)", "true"),
        ("x", "a in ('1', 'x') and a not in ('y')", "true"),
        ("1.0", "a::numeric in (1, 2)", "true"),
        ("1.0", "a::numeric = 1 and a <> '1'", "true"),
        ("5", "a::int between 1 and 5 and a::int not between 6 and 7", "true"),
        ("Anna", "a like 'A%a' and a not like '_' and a ilike 'a__a' and a ~ '^A' and a !~* 'x'", "true"),
        ("x", "c is null and a is not null and (c is distinct from a) and (c is not distinct from null)", "true"),
        ("x", "(c = 'x') is null and ((c = 'x') is not true) and not ((c = 'x') is false)", "true"),
        ("x", "c = 'x' or true", "true"),
        ("x", "c = 'x' and false", "false"),
        (
            r#"{"city": "Wien", "n": [1, 2.50]}"#,
            "a ->> '$.city' || json_value(a, '$.n[1]') || coalesce(a ->> 'zip', '?')",
            "Wien2.50?",
        ),
        ("31.12.2024", "to_date(a, '%d.%m.%Y')", "2024-12-31"),
        ("31.12.2024 23:59", "to_timestamp(a, '%d.%m.%Y %H:%M')", "2024-12-31T23:59:00"),
        ("2024-02-29", "a::date < '2024-03-01' and a::date = a::timestamp", "true"),
        ("2024-02-29 08:05:07.5", "a::timestamp", "2024-02-29T08:05:07.5"),
        ("2024-02-29 08:05:07.5", "a::timestamp::date::text || 'x'", "2024-02-29x"),
        (
            "2024-02-09T08:05:07",
            "extract(year from a) * 10000 + extract(month from a) * 100 + extract(day from a)",
            "20240209",
        ),
        ("2024-02-09", "extract(hour from a::date) + extract(second from a::date)", "0"),
        ("yes", "a::boolean", "true"),
        ("12.0", "a::integer", "12"),
        ("12.5", "cast(a as decimal(4, 2))", "12.50"),
        ("x", "1 + 2 * 3", "7"),
        ("x", "'plain'", "plain"),
        ("x", "null", "-"),
    ] {
        let found = value(text, expression);
        if found != result {
            wrong.push(format!("{expression} of {text:?} is {found}, expected {result}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_fails_rejects_the_row_and_is_never_null() {
    for (text, expression, reason) in [
        ("12 EUR", "cast(a as integer)", "`CAST(a AS INTEGER)` fails: the value is not a valid integer"),
        ("", "cast(a as integer)", "fails: the value is not a valid integer"),
        ("40000", "a::smallint", "is not a valid smallint"),
        ("1.5", "a::bigint", "is not a valid bigint"),
        ("1.239", "a::decimal(18, 2)", "is not a valid decimal(18, 2)"),
        ("x", "a + 1", "`a` fails: the value is not a number of at most 38 digits"),
        ("x", "a > 1", "`a` fails: the value is not a number"),
        ("0", "b / a", "`b / a` fails: the divisor is zero"),
        ("99999999999999999999999999999999999999", "a * 10", "fails: the result has more than 38 digits"),
        ("31.02.2024", "to_date(a, '%d.%m.%Y')", "is not a date in the format %d.%m.%Y"),
        ("maybe", "a::boolean", "is not a valid boolean"),
        ("{city: Wien}", "a ->> 'city'", "the value is not JSON"),
        ("x", "coalesce(c, a::int::text)", "is not a valid integer"),
        ("x", "case when b = '2.50' then a::int else 0 end", "is not a valid integer"),
        ("x", "b = '2.50' and a::int > 1", "is not a valid integer"),
        ("x", "length(lower((a::int)::text)) > 0", "is not a valid integer"),
    ] {
        let found = value(text, expression);
        assert!(found.starts_with("rejected: ") && found.contains(reason), "{expression} of {text:?}: {found}");
    }
    // A branch that is not taken does not count.
    for expression in [
        "case when a ~ '^[0-9]+$' then a::int else 0 end = 0",
        "(a ~ '^[0-9]+$' and a::int > 5) is not true",
        "a = 'x' or a::int > 5",
        "coalesce(b, a::int::text) = '2.50'",
    ] {
        assert_eq!(value("x", expression), "true", "{expression}");
    }
}

#[test]
fn a_rejected_row_has_its_line_and_column_and_the_others_go_on() {
    let outcome = read(
        "a.csv",
        "id,price\n1,2\n2,x\n\n3,4,5\n4,y\n5,6\n",
        "columns: {twice: price * 2, more: twice + 1}\nwhere: id <> '4'",
    );
    assert_eq!(outcome.rows, ["1\t2\t4\t5", "5\t6\t12\t13"]);
    let bad: Vec<_> = outcome.bad.iter().map(|(line, column, _)| (*line, column.as_deref())).collect();
    assert!(bad.contains(&(3, Some("twice"))) && bad.contains(&(5, None)) && bad.len() == 2, "{bad:?}");
    // The blank line, and the row that `where` leaves out although a column of it cannot be computed.
    assert_eq!(outcome.filtered, 2);
    let outcome = read("a.csv", "id,price\n1,x\n2,3\n", "where: price > 2");
    assert_eq!((outcome.rows.len(), outcome.filtered), (1, 0));
    assert_eq!(outcome.bad[0].1, None);
    assert!(outcome.bad[0].2.starts_with("where: `price` fails"), "{}", outcome.bad[0].2);
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

/// What polars' own SQL makes of a text. NULL is `-`.
fn polars_says(text: &str, expression: &str) -> String {
    use polars::prelude::{Column, DataFrame, DataType};
    use polars_lazy::frame::IntoLazy;
    let columns = vec![
        Column::new("a".into(), [Some(text)]),
        Column::new("b".into(), [Some("2.50")]),
        Column::new("c".into(), [None::<&str>]),
    ];
    let frame = DataFrame::new(1, columns).unwrap();
    let computed = polars_sql::sql_expr(expression).unwrap().alias("x").cast(DataType::String);
    let frame = frame.lazy().with_columns([computed]).collect().unwrap();
    let found = frame.column("x").unwrap().as_materialized_series().str().unwrap().get(0).map(str::to_owned);
    found.unwrap_or_else(|| "-".to_owned())
}

#[test]
fn what_polars_own_sql_has_as_well_has_the_same_result_there() {
    let mut wrong = Vec::new();
    for expression in [
        "upper(a)",
        "lower(a)",
        "a || b",
        "a || c",
        "concat(a, b)",
        "left(a, 2)",
        "right(a, 2)",
        "substr(a, 2, 2)",
        "replace(a, 'n', 'm')",
        "starts_with(a, 'A')",
        "ends_with(a, 'a')",
        "a like 'A%a'",
        "a not like '_'",
        "a ilike 'an%'",
        "a ~ '^[A-Z]'",
        "a !~ 'x'",
        "a in ('Anna', 'x')",
        "a not in ('x')",
        "a between 'A' and 'B'",
        "a is null or c is null",
        "c = 'x'",
        "c = 'x' or a <> 'x'",
        "not (a = 'Anna')",
        "coalesce(c, a)",
        "nullif(a, 'Anna')",
        "case when a = 'Anna' then b else c end",
        "case a when 'Otto' then 'o' when 'Anna' then 'a' end",
    ] {
        for text in ["Anna", "x", "", "Änne-ß", "a-b"] {
            let (ours, theirs) = (value(text, expression), polars_says(text, expression));
            if ours != theirs {
                wrong.push(format!("{expression} of {text:?} is {ours}, and {theirs} for polars"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
