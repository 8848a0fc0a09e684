//! Any bytes as a file of any format: both passes read the same rows, or fail alike. Nothing panics.

#![no_main]

use elt_worker::frame::profile::profile;
use elt_worker::frame::read::{self, FileError};
use elt_worker::frame::{Piece, RawBatch};
use elt_worker::input::{InputFile, format_of};
use libfuzzer_sys::fuzz_target;
use tokio_util::sync::CancellationToken;

const NAMES: [&str; 8] = ["f.csv", "f.txt", "f.json", "f.ndjson", "f.csv.gz", "f.json.zst", "f.csv.bz2", "f.csv.xz"];

fuzz_target!(|input: (u8, &[u8])| {
    let (choice, bytes) = input;
    let folder = tempfile::tempdir_in("/dev/shm").expect("a folder");
    let file = input_file(folder.path(), NAMES[usize::from(choice) % NAMES.len()], bytes);
    let profile = profile(std::slice::from_ref(&file), &[], &CancellationToken::new()).expect("nobody stops it");
    let first = &profile.files[0];
    match rows_and_bad(&file) {
        Ok(counts) => assert_eq!((counts, None), ((first.rows, first.bad), first.error.as_ref().map(|error| error.code))),
        Err(error) => assert_eq!(Some(&error), first.error.as_ref()),
    }
});

fn input_file(folder: &std::path::Path, name: &str, bytes: &[u8]) -> InputFile {
    let path = folder.join(name);
    std::fs::write(&path, bytes).expect("written");
    let (format, compression) = format_of(name).expect("a format");
    InputFile::at(name.into(), path, format, compression).expect("a file")
}

/// Reads the file as the loading pass does.
fn rows_and_bad(file: &InputFile) -> Result<(u64, u64), FileError> {
    let mut reader = read::open(0, file)?;
    let (mut rows, mut bad) = (0, 0);
    while let Some(piece) = reader.next()? {
        match piece {
            Piece::Rows(batch) => {
                check(&batch);
                rows += batch.rows() as u64;
            }
            Piece::Bad(_) => bad += 1,
        }
    }
    Ok((rows, bad))
}

/// A batch is a rectangle of UTF-8.
fn check(batch: &RawBatch) {
    assert_eq!(batch.names.len(), batch.columns.len());
    for column in &batch.columns {
        assert_eq!((column.ends.len(), column.kinds.len()), (batch.rows(), batch.rows()));
        assert!((0..batch.rows()).all(|row| std::str::from_utf8(column.cell(row).1).is_ok()));
    }
}
