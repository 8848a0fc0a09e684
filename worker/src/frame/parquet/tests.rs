//! Files that pyarrow wrote in many ways, and damaged ones.

use std::path::PathBuf;

use crate::frame::CellKind;
use crate::frame::tests::{Outcome, TestFile};

/// The bytes of a file that pyarrow wrote.
pub(in crate::frame) fn fixture(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/parquet"));
    std::fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub(in crate::frame) fn read(name: &str) -> Outcome {
    TestFile::new(name, &fixture(name)).read()
}

/// The texts of one column, top to bottom.
fn column(outcome: &Outcome, name: &str) -> Vec<Option<String>> {
    let index = outcome.names.iter().position(|other| other == name).unwrap_or_else(|| panic!("{name} is there"));
    outcome.rows.iter().map(|row| row.texts()[index].clone()).collect()
}

fn some(texts: &[&str]) -> Vec<Option<String>> {
    texts.iter().map(|text| (*text != "NULL").then(|| (*text).to_owned())).collect()
}

#[test]
fn the_way_in_which_a_file_was_written_changes_no_cell() {
    let first = read("scalars-snappy.parquet");
    assert_eq!((first.rows.len(), first.error, first.names.len()), (8, None, 44));
    for name in [
        "scalars-none-small-pages.parquet",
        "scalars-gzip-v2.parquet",
        "scalars-zstd-plain.parquet",
        "scalars-lz4.parquet",
        "scalars-brotli.parquet",
    ] {
        let other = read(name);
        assert_eq!(other.error, None, "{name}");
        assert_eq!(other.names, first.names, "{name}");
        assert_eq!(other.rows, first.rows, "{name}");
    }
}

#[test]
fn nested_values_are_the_same_however_their_pages_are_cut() {
    let first = read("nested-one-page.parquet");
    assert_eq!((first.rows.len(), first.error), (40, None));
    for name in ["nested-small-pages.parquet", "nested-v2.parquet"] {
        let other = read(name);
        assert_eq!(other.error, None, "{name}");
        for (row, expected) in other.rows.iter().zip(&first.rows) {
            assert_eq!(row.texts(), expected.texts(), "{name}, row {}", row.line);
        }
        assert_eq!(other.rows.len(), 40);
    }
    assert_eq!(column(&first, "ints")[..4], some(&["[]", "[10]", "[20,21]", "NULL"]));
    assert_eq!(column(&first, "tags")[2..4], some(&["{\"k0\":0,\"k1\":null}", "NULL"]));
    assert_eq!(column(&first, "deep")[2], Some("[[],[0.02]]".into()));
}

#[test]
fn texts_are_exact_and_have_the_kind_that_keeps_their_type() {
    let outcome = read("scalars-snappy.parquet");
    let expected: &[(&str, CellKind, &[&str])] = &[
        ("u64", CellKind::Number, &["18446744073709551615", "0", "1", "NULL"]),
        ("f32", CellKind::Number, &["0.1", "3.4028235e+38", "1e-45", "NULL", "-0.0"]),
        ("f64", CellKind::Number, &["0.1", "1.7976931348623157e308", "5e-324", "NULL", "-0.0", "3.333333333333333e-1"]),
        ("d9", CellKind::Number, &["1.50", "-9999999.99", "0.00", "NULL", "1.00"]),
        ("day", CellKind::String, &["1970-01-01", "0001-01-01", "9999-12-31"]),
        ("tz_utc", CellKind::String, &["1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"]),
        ("code", CellKind::String, &["007", "1", "true", "NULL", "2024-01-01"]),
        ("yes", CellKind::Bool, &["true", "false", "NULL"]),
        ("raw", CellKind::String, &["\\x", "\\x00ff", "NULL", "\\x616263"]),
        ("nothing", CellKind::Null, &["NULL"]),
    ];
    for (name, kind, texts) in expected {
        if *name == "f64" {
            // The digits of a third, which is checked by its bits.
            let third: f64 = column(&outcome, name)[5].as_ref().expect("a number").parse().expect("a number");
            assert_eq!(third.to_bits(), (1.0_f64 / 3.0).to_bits());
            assert_eq!(column(&outcome, name)[..5], some(&texts[..5]));
        } else {
            assert_eq!(column(&outcome, name)[..texts.len()], some(texts), "{name}");
        }
        let index = outcome.names.iter().position(|other| other == name).expect("there");
        assert!(outcome.rows.iter().all(|row| [*kind, CellKind::Null].contains(&row.cells[index].0)), "{name}");
    }
}

#[test]
fn rows_are_counted_from_one_over_all_row_groups() {
    let lines: Vec<u64> = read("scalars-lz4.parquet").rows.iter().map(|row| row.line).collect();
    assert_eq!(lines, [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn times_that_postgres_cannot_keep_are_still_read_exactly() {
    assert_eq!(
        column(&read("nanoseconds.parquet"), "at"),
        some(&["1970-01-01T00:00:00.000000001", "1970-01-01T00:00:00.000001"])
    );
    assert_eq!(column(&read("far-dates.parquet"), "day"), some(&["-0001-12-31", "1970-01-01", "+10000-01-01"]));
    let old = read("int96.parquet");
    assert_eq!(column(&old, "at")[2..], some(&["0001-01-01T00:00:00", "9999-12-31T23:59:59.999999"]));
}

#[test]
fn a_file_without_rows_has_its_columns() {
    let outcome = read("empty.parquet");
    assert_eq!((outcome.names.join(","), outcome.rows.len(), outcome.error), ("a,b,c".into(), 0, None));
    let bytes = fixture("empty.parquet");
    assert_eq!(outcome.summary.bytes, bytes.len() as u64);
    assert_eq!(outcome.summary.content_hash, xxhash_rust::xxh3::xxh3_128(&bytes));
}

#[test]
fn names_are_made_unique_and_short() {
    let outcome = read("names.parquet");
    assert_eq!(outcome.names[..2], ["a", "a_2"]);
    assert_eq!(outcome.names[2].len(), 63);
    assert_eq!(outcome.rows[0].texts()[..2], [Some("1".into()), Some("x".into())]);
    assert_eq!(outcome.summary.warnings.len(), 2);
}

#[test]
fn a_map_with_one_key_twice_is_no_row() {
    let outcome = read("repeated-keys.parquet");
    assert_eq!(outcome.rows.iter().map(|row| row.line).collect::<Vec<_>>(), [1, 3]);
    assert_eq!((outcome.bad[0].0, outcome.bad[0].1), (2, "repeated_map_key"));
}

#[test]
fn encrypted_and_packed_files_are_named() {
    for name in ["encrypted-footer.parquet", "encrypted-column.parquet"] {
        assert_eq!(read(name).error, Some(("columnar_encrypted", None)), "{name}");
    }
    let packed = TestFile::new("a.parquet.gz", b"x").read();
    assert_eq!(packed.error, Some(("columnar_unsupported", None)));
    assert_eq!(TestFile::new("a.parquet", b"id,name\n1,Ann\n").read().error, Some(("columnar_damaged", None)));
    assert_eq!(TestFile::new("a.parquet", b"").read().error, Some(("columnar_damaged", None)));
}

#[test]
fn a_file_that_was_cut_off_fails_wherever_it_was_cut() {
    for name in ["nested-one-page.parquet", "scalars-snappy.parquet"] {
        let bytes = fixture(name);
        for length in (0..bytes.len()).step_by(97) {
            let outcome = TestFile::new("cut.parquet", &bytes[..length]).read();
            assert!(outcome.error.is_some(), "{name} cut to {length} bytes");
        }
    }
}

#[test]
fn a_changed_byte_never_panics_and_a_checksum_finds_it() {
    // What polars panics about is caught; its messages would only hide those of the tests.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut found = Vec::new();
    for name in ["nested-one-page.parquet", "names.parquet", "int96.parquet", "repeated-keys.parquet"] {
        let bytes = fixture(name);
        for at in (4..bytes.len() - 8).step_by(11) {
            let mut changed = bytes.clone();
            changed[at] ^= 0x15;
            let _ = TestFile::new("changed.parquet", &changed).read();
        }
    }
    let bytes = fixture("scalars-none-small-pages.parquet");
    let expected = read("scalars-none-small-pages.parquet");
    for at in (4..bytes.len() / 3).step_by(151) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x01;
        let outcome = TestFile::new("changed.parquet", &changed).read();
        // Statistics in the header of a page may change, because nothing reads them.
        if outcome.error.is_none() && outcome.rows != expected.rows {
            found.push(at);
        }
    }
    std::panic::set_hook(hook);
    assert_eq!(found, Vec::<usize>::new(), "a cell differs, and no error says so");
}
