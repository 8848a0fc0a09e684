//! Files and streams that pyarrow wrote, and damaged ones. Their cells are those of the Parquet file of the same table.

use crate::frame::parquet::tests::{fixture, read};
use crate::frame::tests::TestFile;

#[test]
fn a_record_batch_has_the_cells_of_the_same_table_in_parquet() {
    let expected = read("scalars-snappy.parquet");
    for name in ["scalars.arrow", "scalars-stream.arrows", "scalars-lz4.feather", "scalars-zstd.feather"] {
        let outcome = read(name);
        assert_eq!(outcome.error, None, "{name}");
        assert_eq!(outcome.names, expected.names, "{name}");
        for (row, expected) in outcome.rows.iter().zip(&expected.rows) {
            for (index, (cell, expected)) in row.cells.iter().zip(&expected.cells).enumerate() {
                assert_eq!(cell, expected, "{name}, row {}, {}", row.line, outcome.names[index]);
            }
        }
        assert_eq!(outcome.rows.len(), expected.rows.len(), "{name}");
        let bytes = fixture(name);
        assert_eq!(
            (outcome.summary.bytes, outcome.summary.content_hash),
            (bytes.len() as u64, xxhash_rust::xxh3::xxh3_128(&bytes))
        );
    }
    let nested = read("nested.arrow");
    assert_eq!(nested.error, None);
    for (row, expected) in nested.rows.iter().zip(&read("nested-one-page.parquet").rows) {
        assert_eq!(row.texts(), expected.texts(), "row {}", row.line);
    }
}

#[test]
fn files_of_other_kinds_are_named() {
    for (bytes, code) in [
        (&b"FEA1xxxxxxxxxxxxFEA1"[..], "columnar_unsupported"),
        (b"id,name\n1,Ann\n", "columnar_damaged"),
        (b"", "columnar_damaged"),
        (b"ARROW1\0\0 and more that is long enough", "truncated"),
    ] {
        assert_eq!(TestFile::new("a.arrow", bytes).read().error, Some((code, None)));
    }
}

#[test]
fn a_damaged_file_never_panics() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    for name in ["nested.arrow", "scalars-lz4.feather", "scalars-stream.arrows"] {
        let bytes = fixture(name);
        for at in (0..bytes.len()).step_by(29) {
            let mut changed = bytes.clone();
            changed[at] ^= 0x81;
            let _ = TestFile::new("changed.arrow", &changed).read();
        }
        for length in (0..bytes.len()).step_by(211) {
            let outcome = TestFile::new("cut.arrow", &bytes[..length]).read();
            assert!(outcome.error.is_some() || name.ends_with("arrows"), "{name} cut to {length} bytes");
        }
    }
    std::panic::set_hook(hook);
}
