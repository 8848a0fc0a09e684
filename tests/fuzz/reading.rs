//! What holds for any bytes as a file: both passes read the same rows, or fail alike, and a batch is a rectangle of UTF-8.

use elt_shared::config::FileOptions;
use elt_worker::frame::profile::profile;
use elt_worker::frame::read::{self, FileError};
use elt_worker::frame::{Piece, RawBatch};
use elt_worker::input::{InputFile, format_of};
use tokio_util::sync::CancellationToken;

/// Reads `bytes` as a file of this name, as a source with these options would.
pub fn twice(name: &str, options: FileOptions, bytes: &[u8]) {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder");
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("written");
    let (format, compression) = format_of(name, &options).expect("a format");
    let mut file = InputFile::at(name.into(), path, format, compression).expect("a file");
    file.options = options.into();
    let profile = profile(std::slice::from_ref(&file), &[], &CancellationToken::new()).expect("nobody stops it");
    let first = &profile.files[0];
    match rows_and_bad(&file) {
        Ok(counts) => {
            assert_eq!((counts, None), ((first.rows, first.bad), first.error.as_ref().map(|error| error.code)))
        }
        Err(error) => assert_eq!(Some(&error), first.error.as_ref()),
    }
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
