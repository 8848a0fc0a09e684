//! The footer of a Parquet file: which row groups and columns it has, and where they are.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use elt_shared::explained::Code;
use polars_buffer::Buffer;
use polars_parquet::parquet::metadata::FileMetadata;
use polars_parquet::parquet::read::deserialize_metadata;

use super::thrift::{self, Fault};
use crate::frame::columnar::arrow_types::MAX_DEPTH;
use crate::frame::columnar::guard::{damaged, guarded, unsupported};
use crate::frame::read::FileError;

const MAGIC: &[u8; 4] = b"PAR1";
/// The mark of a file whose footer is encrypted.
const ENCRYPTED: &[u8; 4] = b"PARE";
/// Bytes of the largest footer.
const MAX_FOOTER: u64 = 64 << 20;

/// Reads the footer.
///
/// # Errors
/// When the file is not Parquet, is cut off, damaged or encrypted.
pub(super) fn read(file: &File, name: &str) -> Result<FileMetadata, FileError> {
    let io_failed = |error: io::Error| FileError::io(name, &error);
    let size = file.metadata().map_err(io_failed)?.len();
    let mut start = [0; 4];
    if size < 12 {
        return Err(damaged(name, format_args!("it has {size} bytes, which is too short for a Parquet file")));
    }
    file.read_exact_at(&mut start, 0).map_err(io_failed)?;
    let mut end = [0; 8];
    file.read_exact_at(&mut end, size - 8).map_err(io_failed)?;
    let [l0, l1, l2, l3, magic @ ..] = end;
    if &start == ENCRYPTED || &magic == ENCRYPTED {
        return Err(encrypted(name));
    }
    if &start != MAGIC {
        return Err(damaged(name, "it is not a Parquet file, because it does not start with PAR1"));
    }
    if &magic != MAGIC {
        return Err(FileError::new(
            Code::Truncated,
            name,
            None,
            "it does not end with PAR1: the Parquet file was cut off, or is still being written",
        )
        .hint("Copy the file again; it is read again when it changes."));
    }
    let length = u64::from(u32::from_le_bytes([l0, l1, l2, l3]));
    if length + 12 > size {
        return Err(damaged(name, "its footer is longer than the file"));
    }
    if length > MAX_FOOTER {
        return Err(unsupported(name, format_args!("its footer has {} MiB, and elt reads 64", length >> 20)));
    }
    let mut footer = vec![0; length as usize];
    file.read_exact_at(&mut footer, size - 8 - length).map_err(io_failed)?;
    match thrift::check_footer(&footer, MAX_DEPTH) {
        Ok(false) => {}
        Ok(true) => return Err(encrypted(name)),
        Err(Fault::Cut) => return Err(damaged(name, "its footer claims more than it holds")),
        Err(Fault::Broken) => {
            return Err(damaged(
                name,
                format_args!("its footer makes no sense, or has columns more than {MAX_DEPTH} deep inside each other"),
            ));
        }
    }
    guarded(name, "its footer cannot be read", || deserialize_metadata(Buffer::from_vec(footer)))
}

fn encrypted(name: &str) -> FileError {
    FileError::new(Code::ColumnarEncrypted, name, None, "the Parquet file, or a column of it, is encrypted")
        .hint("Write the file without Parquet's encryption. To keep it secret, encrypt it as a whole with PGP.")
}
