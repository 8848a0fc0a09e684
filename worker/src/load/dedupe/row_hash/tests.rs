//! What the row hash must not notice, and what it must.

use elt_shared::config::ColumnType;
use proptest::prelude::*;
use proptest::sample::subsequence;

use super::*;
use crate::contract::{Column, Converter};
use crate::frame::{CellKind, RawBatch, RawColumn};

const TYPES: [ColumnType; 9] = [
    ColumnType::BigInt,
    ColumnType::Numeric(None),
    ColumnType::Double,
    ColumnType::Boolean,
    ColumnType::Date,
    ColumnType::Timestamp,
    ColumnType::TimestampTz,
    ColumnType::Json,
    ColumnType::Text,
];

fn column(name: &str, history: &[ColumnType]) -> Column {
    let history: Vec<_> = history.iter().map(|column_type| Typing::inferred(*column_type)).collect();
    let now = history[history.len() - 1].sql_type.clone();
    Column {
        name: name.to_owned(),
        sql: now.to_string(),
        canonical: Canonical::of(&now),
        history,
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

fn batch(names: &[String], rows: &[Vec<(CellKind, String)>]) -> RawBatch {
    let mut columns = vec![RawColumn::default(); names.len()];
    for row in rows {
        row.iter().zip(&mut columns).for_each(|((kind, text), column)| column.push(*kind, text.as_bytes()));
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

/// Hashes rows the way a load does; no row may break the contract.
fn hashes(columns: Vec<Column>, names: &[String], rows: &[Vec<(CellKind, String)>]) -> Vec<u128> {
    let layout = Arc::new(Layout { columns, ..Layout::default() });
    let mut hasher = RowHasher::new(&layout);
    let typed = Converter::new(layout).convert(batch(names, rows)).unwrap();
    assert_eq!(typed.violations, []);
    let reading = Reading::of(&typed);
    let cells: Vec<_> = typed.frame.columns().iter().map(|column| Cells::of(column).unwrap()).collect();
    (0..rows.len()).map(|row| hasher.typed(&cells, row, reading)).collect()
}

/// A cell as a delimited file has it, and as a JSON file has it; or NULL.
type Cell = Option<(String, CellKind, String)>;

/// A value as a delimited file has it, and as a JSON file has it.
fn value(column_type: ColumnType) -> BoxedStrategy<(String, CellKind, String)> {
    let same = |text: String, kind| (text.clone(), kind, text);
    match column_type {
        ColumnType::BigInt => any::<i64>().prop_map(move |n| same(n.to_string(), CellKind::Number)).boxed(),
        ColumnType::Numeric(_) => "-?(0|[1-9][0-9]{0,25})\\.[0-9]{1,12}"
            .prop_map(move |text| (text.clone(), CellKind::Number, format!("{text}0")))
            .boxed(),
        ColumnType::Double => {
            (-1e12..1e12_f64).prop_map(|n| (format!("{n:e}"), CellKind::Number, format!("{n}"))).boxed()
        }
        ColumnType::Boolean => {
            any::<bool>().prop_map(|flag| (flag.to_string().to_uppercase(), CellKind::Bool, flag.to_string())).boxed()
        }
        ColumnType::Date => (-700_000..2_900_000_i32)
            .prop_map(move |days| same(chrono::NaiveDate::from_epoch_days(days).unwrap().to_string(), CellKind::String))
            .boxed(),
        ColumnType::Timestamp | ColumnType::TimestampTz => (-60_000_000_000..250_000_000_000_i64, 0..1_000_000_u32)
            .prop_map(move |(seconds, micros)| {
                let stamp = chrono::DateTime::from_timestamp(seconds, micros * 1_000).unwrap();
                let zone = if column_type == ColumnType::TimestampTz { ["+00:00", "Z"] } else { ["", ""] };
                let at = |separator| stamp.format(&format!("%Y-%m-%d{separator}%H:%M:%S%.6f")).to_string();
                (at(' ') + zone[0], CellKind::String, at('T') + zone[1])
            })
            .boxed(),
        ColumnType::Json => ("[a-z]{1,4}", any::<i32>())
            .prop_map(|(key, n)| {
                let csv = format!("{{\"{key}\": [{n}.0], \"_\": null}}");
                (csv, CellKind::Nested, format!("{{\"_\":null,\"{key}\":[{n}]}}"))
            })
            .boxed(),
        _ => "[a-z]{1,3}[ -~]{0,12}".prop_map(move |text| same(text, CellKind::String)).boxed(),
    }
}

/// Rows of one column a type, each cell as delimited and as JSON text, or NULL.
fn table() -> impl Strategy<Value = Vec<Vec<Cell>>> {
    let row: Vec<_> = TYPES.iter().map(|column_type| proptest::option::weighted(0.8, value(*column_type))).collect();
    proptest::collection::vec(row, 1..12)
}

fn names() -> Vec<String> {
    (0..TYPES.len()).map(|index| format!("c{index}")).collect()
}

fn as_csv(cell: &Cell, column: usize) -> (CellKind, String) {
    match cell {
        Some((text, ..)) if TYPES[column] == ColumnType::Json => (CellKind::Nested, text.clone()),
        Some((text, ..)) => (CellKind::Quoted, text.clone()),
        None => (CellKind::Null, String::new()),
    }
}

fn csv_rows(table: &[Vec<Cell>]) -> Vec<Vec<(CellKind, String)>> {
    table.iter().map(|row| row.iter().enumerate().map(|(column, cell)| as_csv(cell, column)).collect()).collect()
}

fn columns() -> Vec<Column> {
    names().iter().zip(TYPES).map(|(name, column_type)| column(name, &[column_type])).collect()
}

proptest! {
    #[test]
    fn neither_order_nor_batches_nor_a_column_of_nulls_matter(
        table in table(),
        order in Just((0..TYPES.len()).collect::<Vec<_>>()).prop_shuffle(),
        cut in 0..12_usize,
    ) {
        let rows = csv_rows(&table);
        let whole = hashes(columns(), &names(), &rows);

        let mut turned = vec![column("added", &[ColumnType::Date])];
        turned.extend(order.iter().map(|index| columns().swap_remove(*index)));
        let turned_names: Vec<_> = order.iter().rev().map(|index| names().swap_remove(*index)).collect();
        let pick = |row: &Vec<(CellKind, String)>| order.iter().rev().map(|index| row[*index].clone()).collect();
        let turned_rows: Vec<Vec<_>> = rows.iter().map(pick).collect();
        let (first, second) = turned_rows.split_at(cut.min(rows.len()));
        let mut parts = hashes(turned.clone(), &turned_names, first);
        parts.extend(hashes(turned, &turned_names, second));
        prop_assert_eq!(whole, parts);
    }

    #[test]
    fn csv_and_json_of_the_same_values_are_the_same_rows(table in table()) {
        let json: Vec<Vec<_>> = table
            .iter()
            .map(|row| {
                let cell = |cell: &Cell| match cell {
                    Some((_, kind, text)) => (*kind, text.clone()),
                    None => (CellKind::Null, String::new()),
                };
                row.iter().map(cell).collect()
            })
            .collect();
        prop_assert_eq!(hashes(columns(), &names(), &csv_rows(&table)), hashes(columns(), &names(), &json));
    }

    #[test]
    fn widening_changes_no_hash(table in table(), widened in subsequence((0..TYPES.len()).collect::<Vec<_>>(), 0..TYPES.len())) {
        let rows = csv_rows(&table);
        let mut wider = columns();
        for index in widened {
            let mut history = crate::contract::type_order::path(TYPES[index]);
            history.truncate(if index % 2 == 0 { history.len() } else { 2 });
            wider[index] = column(&names()[index], &history);
        }
        prop_assert_eq!(hashes(columns(), &names(), &rows), hashes(wider, &names(), &rows));
    }

    #[test]
    fn a_row_read_back_from_the_table_has_its_hash(table in table()) {
        let rows = csv_rows(&table);
        let layout = Layout { columns: columns(), ..Layout::default() };
        let mut hasher = RowHasher::new(&layout);
        let written: Vec<_> = rows
            .iter()
            .map(|row| hasher.written(|index| {
                let (kind, text) = &row[index];
                (*kind != CellKind::Null).then_some(text.as_bytes())
            }))
            .collect();
        prop_assert_eq!(hashes(columns(), &names(), &rows), written);
    }

    #[test]
    fn different_rows_have_different_hashes(table in table()) {
        let rows = csv_rows(&table);
        let hashes = hashes(columns(), &names(), &rows);
        for (index, one) in rows.iter().enumerate() {
            for (other, row) in rows.iter().enumerate().skip(index + 1) {
                if one[8] != row[8] {
                    prop_assert_ne!(hashes[index], hashes[other]);
                }
            }
        }
    }
}

#[test]
fn a_value_cannot_pass_for_a_name() {
    let two = |one: &str, other: &str| {
        let names = ["a".to_owned(), "b".to_owned()];
        let columns = vec![column("a", &[ColumnType::Text]), column("b", &[ColumnType::Text])];
        let row = vec![(CellKind::Bare, one.to_owned()), (CellKind::Bare, other.to_owned())];
        hashes(columns, &names, &[row])[0]
    };
    assert_ne!(two("x", "y"), two("xb", "y"));
    assert_ne!(two("", "y"), two("y", ""));
}

/// The hashes are in every target: they may never change.
#[test]
fn the_hash_is_what_it_always_was() {
    let names = ["id".to_owned(), "name".to_owned(), "price".to_owned()];
    let columns = vec![
        column("id", &[ColumnType::BigInt]),
        column("name", &[ColumnType::Text]),
        column("price", &[ColumnType::Numeric(None)]),
    ];
    let row = ["7", "Ann", "12.50"].map(|text| (CellKind::Bare, text.to_owned())).to_vec();
    let canonical = b"\x02\0\0\0id\x01\0\0\x007\x04\0\0\0name\x03\0\0\0Ann\x05\0\0\0price\x04\0\0\x0012.5";
    assert_eq!(hashes(columns, &names, &[row]), [xxh3_128(canonical)]);
    assert_eq!(xxh3_128(canonical), HASH_OF_THE_FIRST_RELEASE);
}

const HASH_OF_THE_FIRST_RELEASE: u128 = 118_123_676_192_533_371_922_742_981_247_213_417_796;
