//! Profiles of typed batches.

use std::sync::Arc;

use elt_shared::config::ColumnType;
use elt_shared::runs::ColumnProfile;

use super::*;
use crate::contract::cells::Canonical;
use crate::contract::{self, Converter, Typing};
use crate::frame::{CellKind, RawBatch, RawColumn};

fn column(name: &str, of: ColumnType) -> contract::Column {
    let typing = Typing::inferred(of);
    contract::Column {
        name: name.to_owned(),
        sql: typing.sql_type.to_string(),
        canonical: Canonical::of(&typing.sql_type),
        history: vec![typing],
        through: None,
        rules: None,
        foreign: None,
        limit: Default::default(),
        collation: None,
        transcoded: false,
        key: false,
        any_case: false,
        verbatim: true,
        proven: true,
    }
}

/// A batch of one file. An empty text is NULL.
fn batch(names: &[String], rows: &[Vec<String>]) -> RawBatch {
    let mut columns = vec![RawColumn::default(); names.len()];
    for row in rows {
        for (text, column) in row.iter().zip(&mut columns) {
            let kind = if text.is_empty() { CellKind::Null } else { CellKind::Bare };
            column.push(kind, text.as_bytes());
        }
    }
    RawBatch {
        file: 0,
        names: Arc::new(names.to_vec()),
        columns,
        null_tokens: true,
        numbers: None,
        lines: (1..=rows.len() as u64).collect(),
        raw: Vec::new(),
        raw_starts: vec![0; rows.len()],
        raw_ends: vec![0; rows.len()],
    }
}

/// The profile of rows that arrive in batches of a size.
fn profile(types: &[ColumnType], rows: &[Vec<String>], size: usize, level: ProfileLevel) -> RunProfile {
    let names: Vec<String> = (0..types.len()).map(|index| format!("c{index}")).collect();
    let columns = names.iter().zip(types).map(|(name, of)| column(name, *of)).collect();
    let layout = Arc::new(Layout { columns, ..Layout::default() });
    let mut profiler = Profiler::new(&layout, level).expect("a profile is wanted");
    let mut converter = Converter::new(layout);
    for rows in rows.chunks(size) {
        let typed = converter.convert(batch(&names, rows)).expect("converted");
        let cells: Vec<_> = typed.frame.columns().iter().map(|column| Cells::of(column).expect("cells")).collect();
        profiler.batch(&cells, rows.len(), &typed.violations);
    }
    profiler.finish().expect("rows")
}

fn of_one(of: ColumnType, texts: &[&str]) -> ColumnProfile {
    let rows: Vec<Vec<String>> = texts.iter().map(|text| vec![(*text).to_owned()]).collect();
    let whole = profile(&[of], &rows, rows.len(), ProfileLevel::Full);
    for size in [1, 2, 3] {
        assert_eq!(profile(&[of], &rows, size, ProfileLevel::Full), whole, "batches of {size}");
    }
    whole.columns.into_iter().next().expect("a column")
}

fn ends(column: &ColumnProfile) -> (&str, &str) {
    (column.min.as_deref().unwrap_or("-"), column.max.as_deref().unwrap_or("-"))
}

#[test]
fn each_type_has_its_own_order() {
    let whole = of_one(ColumnType::BigInt, &["9", "", "10", "-3", "9"]);
    assert_eq!((whole.nulls, whole.distinct, whole.distinct_exact, ends(&whole)), (1, 3, true, ("-3", "10")));
    assert_eq!((whole.top[0].value.as_str(), whole.top[0].count, whole.top.len()), ("9", 2, 3));

    let decimal = of_one(ColumnType::Numeric(None), &["9.50", "10", "9.5", "-0.1", "100000000000000000002"]);
    assert_eq!((decimal.distinct, ends(&decimal)), (4, ("-0.1", "100000000000000000002")));

    let date = of_one(ColumnType::Date, &["0001-01-01", "9999-12-31", "2024-02-29", ""]);
    assert_eq!((date.distinct, ends(&date)), (3, ("0001-01-01", "9999-12-31")));
    let histogram = date.histogram.expect("a histogram");
    assert_eq!((histogram.counts.iter().sum::<u64>(), histogram.from.as_str()), (3, "0001-01-01"));

    let text = of_one(ColumnType::Text, &["b", "é", "abc"]);
    let length = text.length.clone().expect("lengths");
    assert_eq!((ends(&text), length.min, length.max, length.average), (("abc", "é"), 1, 3, 1.67));

    let boolean = of_one(ColumnType::Boolean, &["true", "false", "true"]);
    assert_eq!((boolean.distinct, boolean.top[0].value.as_str(), boolean.top[0].count), (2, "true", 2));
}

#[test]
fn values_that_are_not_finite_are_counted_apart() {
    let double = of_one(ColumnType::Double, &["1.5", "NaN", "Infinity", "-Infinity", "-0", "0", ""]);
    // The null token `NaN` of a file is NULL.
    assert_eq!((double.nulls, double.not_finite, double.distinct), (2, 2, 4));
    assert_eq!(ends(&double), ("-Infinity", "Infinity"));
    assert_eq!(double.histogram.expect("a histogram").counts.iter().sum::<u64>(), 3);
}

#[test]
fn a_column_without_a_value_has_counts_only() {
    for of in [ColumnType::BigInt, ColumnType::Double, ColumnType::Numeric(None), ColumnType::Date, ColumnType::Text] {
        let column = of_one(of, &["", ""]);
        assert_eq!((column.nulls, column.distinct, column.distinct_exact), (2, 0, true));
        assert_eq!((column.min, column.histogram, column.length), (None, None, None));
        assert!(column.top.is_empty());
    }
}

#[test]
fn rows_that_break_the_contract_are_not_profiled() {
    let column = of_one(ColumnType::BigInt, &["1", "no number", "3"]);
    assert_eq!((column.nulls, column.distinct, ends(&column)), (0, 2, ("1", "3")));
}

#[test]
fn a_huge_text_is_cut() {
    let huge = "ü".repeat(1_000_000);
    let column = of_one(ColumnType::Text, &[&huge, &huge, "a"]);
    assert_eq!(column.max, Some("ü".repeat(SHOWN_CHARS) + "…"));
    assert_eq!((column.top[0].value.chars().count(), column.top[0].count), (SHOWN_CHARS + 1, 2));
    assert_eq!(column.length.expect("lengths").max, 1_000_000);
}

#[test]
fn counts_have_no_values() {
    let rows: Vec<Vec<String>> = (0..900).map(|row| vec![row.to_string(), format!("t{}", row % 2)]).collect();
    let profile = profile(&[ColumnType::BigInt, ColumnType::Text], &rows, 100, ProfileLevel::Counts);
    for column in &profile.columns {
        assert_eq!((&column.min, &column.max, &column.histogram, column.top.len()), (&None, &None, &None, 0));
    }
    assert!(profile.columns[0].distinct.abs_diff(900) < 45 && profile.columns[1].distinct == 2);
    assert_eq!(profile.columns[1].length.as_ref().expect("lengths").max, 2);
    assert!(Profiler::new(&Layout::default(), ProfileLevel::None).is_none());
}

#[test]
fn many_columns_stay_bounded() {
    let types = [ColumnType::Text; 1_600];
    let value = |row: usize, column: usize| format!("{row}-{column}-{}", "x".repeat(200));
    let rows: Vec<Vec<String>> = (0..60).map(|row| (0..1_600).map(|column| value(row, column)).collect()).collect();
    let profile = profile(&types, &rows, 20, ProfileLevel::Full);
    assert_eq!(profile.columns.len(), 1_600);
    assert!(profile.columns.iter().all(|column| column.nulls == 0 && column.distinct.abs_diff(60) <= 10));
    assert!(profile.columns.iter().all(|column| column.distinct <= 60), "no more than the values");
    assert!(serde_json::to_vec(&profile).expect("JSON").len() <= 1 << 20);
}
