//! What columns are, and which cell decided.

use elt_shared::config::ColumnType;
use proptest::prelude::*;
use tokio_util::sync::CancellationToken;

use super::TestFile;
use crate::frame::CellKind;
use crate::frame::profile::{Expectation, Profile, profile};
use crate::frame::value;

fn profile_of(files: &[TestFile]) -> Profile {
    let inputs: Vec<_> = files.iter().map(|file| file.input.clone()).collect();
    profile(&inputs, &[], &CancellationToken::new()).expect("nobody stops it")
}

fn one(name: &str, text: &str) -> Profile {
    profile_of(&[TestFile::new(name, text.as_bytes())])
}

/// The type of a CSV column with these cells.
fn csv(cells: &[&str]) -> String {
    one("t.csv", &format!("a,b\n{}", cells.iter().map(|cell| format!("{cell},x\n")).collect::<String>())).columns[0]
        .inferred()
        .to_string()
}

/// The type of a JSON member with these values.
fn json(values: &[&str]) -> String {
    let rows: Vec<_> = values.iter().map(|value| format!("{{\"a\": {value}}}")).collect();
    one("t.json", &format!("[{}]", rows.join(","))).columns[0].inferred().to_string()
}

#[test]
fn csv_columns_get_the_narrowest_type_that_loses_nothing() {
    for (cells, expected) in [
        (&["1", "2"][..], "bigint"),
        (&["1", "", "2"], "bigint"),
        (&["1", "NA", "N/A", "NaN", "null", "NULL", "None", "#N/A"], "bigint"),
        (&["\"1\"", "\"\""], "bigint"),
        (&["9223372036854775807"], "bigint"),
        (&["9223372036854775808"], "numeric"),
        (&["-0"], "bigint"),
        (&["1", "2.50"], "numeric"),
        (&["0.1234567890123456789"], "numeric"),
        (&["1.5e-3", "2"], "double precision"),
        (&["1.5e-3", "1234567890123456"], "text"),
        (&["1.5", "inf", "-Infinity"], "double precision"),
        (&["inf", "nan"], "text"),
        (&["007", "1"], "text"),
        (&["54E019", "54E020"], "text"),
        (&["54E19"], "text"),
        (&["+49170123"], "text"),
        (&["1,5"], "text"),
        (&["true", "False", "TRUE"], "boolean"),
        (&["yes", "no"], "text"),
        (&["true", "1"], "text"),
        (&["2024-02-29", "0001-01-01"], "date"),
        (&["2024-02-30"], "text"),
        (&["01/02/2024"], "text"),
        (&["2024-02-29", "2024-02-29 10:00"], "timestamp"),
        (&["2024-02-29T10:00:00Z", "2024-02-29T10:00:00.5+02:00"], "timestamptz"),
        (&["2024-02-29T10:00:00Z", "2024-02-29T10:00:00"], "text"),
        (&["2024-02-29T10:00:00.1234567"], "text"),
        (&["2024-02-29", "NA"], "date"),
        (&["DE", "NA"], "text"),
        (&["NA", "NA"], "text"),
        (&["", ""], "text"),
        (&["x", "\"\""], "text"),
        (&["{\"\"a\"\": 1}"], "text"),
        (&[" 1", "2 "], "bigint"),
    ] {
        assert_eq!(csv(cells), expected, "{cells:?}");
    }
}

#[test]
fn json_strings_are_never_numbers() {
    for (values, expected) in [
        (&["1", "null"][..], "bigint"),
        (&["1", "12345678901234567890"], "numeric"),
        (&["1", "1.50"], "numeric"),
        (&["1", "1e5"], "double precision"),
        (&["1.5", "NaN"], "double precision"),
        (&["1e400"], "text"),
        (&["\"1\"", "\"2\""], "text"),
        (&["1", "\"NA\""], "text"),
        (&["true", "false"], "boolean"),
        (&["\"true\""], "text"),
        (&["true", "0"], "text"),
        (&["\"2024-02-29\""], "date"),
        (&["\"2024-02-29T10:00:00Z\""], "timestamptz"),
        (&["\"2024-02-29\"", "\"\""], "text"),
        (&["{\"b\": 1}", "[1]"], "jsonb"),
        (&["{\"b\": 1}", "1"], "text"),
        (&["null"], "text"),
    ] {
        assert_eq!(json(values), expected, "{values:?}");
    }
}

#[test]
fn the_deciding_cell_is_named() {
    let profile = profile_of(&[
        TestFile::new("orders1.csv", b"id,balance\n1,10.5\n2,\n"),
        TestFile::new("orders3.csv", b"id,balance\n3,7\n4,12 EUR\n5,x\n"),
    ]);
    let balance = profile.column("balance").expect("a column");
    assert_eq!(balance.inferred(), ColumnType::Text);
    let cell = balance.deciding().expect("a cell");
    assert_eq!((cell.file.as_str(), cell.line, cell.value.as_str()), ("orders3.csv", 3, "12 EUR"));
    let cell = balance.evidence(ColumnType::BigInt).expect("a cell");
    assert_eq!((cell.file.as_str(), cell.line, cell.value.as_str()), ("orders1.csv", 2, "10.5"));
    assert_eq!(profile.column("ID").map(|column| column.inferred()), Some(ColumnType::BigInt));
}

#[test]
fn columns_are_united_and_missing_ones_are_null() {
    let profile = profile_of(&[
        TestFile::new("a.csv", b"a,b\n1,2\n3,\n"),
        TestFile::new("b.json", br#"[{"b": 1, "c": {"x": 1}}, {"c": null}]"#),
        TestFile::new("broken.csv", b"b,c,d\nx,\"y,z\n"),
        TestFile::new("empty.csv", b""),
        TestFile::new("header.csv", b"e\n"),
    ]);
    let columns: Vec<_> =
        profile.columns.iter().map(|c| (c.name.as_str(), c.inferred().to_string(), c.nulls, c.non_nulls)).collect();
    assert_eq!(
        columns,
        [
            ("a", "bigint".into(), 2, 2),
            ("b", "bigint".into(), 2, 2),
            ("c", "jsonb".into(), 3, 1),
            ("e", "text".into(), 4, 0)
        ]
    );
    let errors: Vec<_> =
        profile.files.iter().map(|file| file.error.as_ref().map(|error| error.code.as_str())).collect();
    assert_eq!(errors, [None, None, Some("unclosed_quote"), None, None]);
    assert_eq!(profile.files[0].rows, 2);
}

#[test]
fn expected_types_are_tested_as_a_contract_would() {
    let files = [TestFile::new("t.csv", b"Id,day,n\n007,31.12.2024,1\n8,30.12.2024,40000\n9,2024-12-29,3000000000\n")];
    let inputs: Vec<_> = files.iter().map(|file| file.input.clone()).collect();
    let expect = |column: &str, types: &[ColumnType], format: Option<&str>| Expectation {
        column: column.into(),
        types: types.to_vec(),
        format: format.map(str::to_owned),
    };
    let expectations = [
        expect("id", &[ColumnType::BigInt], None),
        expect("day", &[ColumnType::Date], Some("%d.%m.%Y")),
        expect("n", &[ColumnType::SmallInt, ColumnType::Integer, ColumnType::BigInt], None),
    ];
    let profile = profile(&inputs, &expectations, &CancellationToken::new()).expect("nobody stops it");
    let line = |column: &str, column_type| {
        profile.column(column).expect("a column").evidence(column_type).map(|evidence| evidence.line)
    };
    assert_eq!(line("Id", ColumnType::BigInt), None);
    assert_eq!(line("day", ColumnType::Date), Some(4));
    assert_eq!(line("n", ColumnType::SmallInt), Some(3));
    assert_eq!(line("n", ColumnType::Integer), Some(4));
    assert_eq!(line("n", ColumnType::BigInt), None);
}

#[test]
fn a_stopped_profile_says_so() {
    let stop = CancellationToken::new();
    stop.cancel();
    let file = TestFile::new("t.csv", b"a\n1\n");
    let stopped = profile(std::slice::from_ref(&file.input), &[], &stop);
    assert_eq!(stopped.expect_err("stopped").code().as_str(), "stopped");
}

/// Cells that look like something.
fn cell() -> impl Strategy<Value = String> {
    prop_oneof![
        "-?[0-9]{1,20}",
        "-?[0-9]{1,9}\\.[0-9]{1,9}",
        "[0-9]\\.?[0-9]?[eE][+-]?[0-9]{1,3}",
        "(true|False|yes)",
        "20[0-9]{2}-0[1-9]-[0-3][0-9]",
        "2024-01-0[1-9][T ]1[0-9]:00(:00(\\.[0-9]{1,7})?)?(Z|\\+02:00)?",
        "(NA|null|inf|nan|x)?",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// The short tests in the hot loop must never accept what the long look refuses.
    #[test]
    fn a_column_may_be_exactly_what_each_of_its_cells_may_be(cells in proptest::collection::vec(cell(), 1..40)) {
        let text = format!("a,b\n{}", cells.iter().map(|cell| format!("{cell},x\n")).collect::<String>());
        let profile = one("t.csv", &text);
        for column_type in [
            ColumnType::Boolean, ColumnType::SmallInt, ColumnType::Integer, ColumnType::BigInt, ColumnType::Numeric(None),
            ColumnType::Double, ColumnType::Date, ColumnType::Timestamp, ColumnType::TimestampTz, ColumnType::Json,
        ] {
            let values = || cells.iter().enumerate().filter(|(_, cell)| !value::is_missing(CellKind::Bare, cell.as_bytes(), true));
            let refuting = values().find(|(_, cell)| !value::infers(column_type, CellKind::Bare, cell.as_bytes()));
            let evidence = profile.columns[0].evidence(column_type);
            prop_assert_eq!(evidence.map(|e| e.line), refuting.map(|(row, _)| row as u64 + 2), "{} {:?}", column_type, cells);
        }
    }

    #[test]
    fn how_rows_are_spread_over_files_does_not_matter(cells in proptest::collection::vec(cell(), 2..30), cut in any::<prop::sample::Index>()) {
        let text = |cells: &[String]| format!("a,b\n{}", cells.iter().map(|cell| format!("{cell},x\n")).collect::<String>());
        let (first, second) = cells.split_at(cut.index(cells.len()));
        let whole = one("t.csv", &text(&cells));
        let parts = profile_of(&[TestFile::new("1.csv", text(first).as_bytes()), TestFile::new("2.csv", text(second).as_bytes())]);
        prop_assert_eq!(whole.columns[0].inferred(), parts.columns[0].inferred());
        prop_assert_eq!(whole.columns[0].nulls, parts.columns[0].nulls);
        prop_assert_eq!(
            whole.columns[0].deciding().map(|cell| cell.value.clone()),
            parts.columns[0].deciding().map(|cell| cell.value.clone())
        );
    }
}
