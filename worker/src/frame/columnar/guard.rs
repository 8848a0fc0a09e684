//! Hostile files end in a sentence: what polars answers about a damaged file, and what it does not expect at all.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

use elt_shared::explained::Code;

use crate::frame::read::FileError;

/// Calls the decoder of a format. It may panic on a file that no program wrote, which is a damaged file like any other.
///
/// # Errors
/// When the file is damaged, or has something that polars does not read.
pub(in crate::frame) fn guarded<T, E: Display>(
    file: &str,
    doing: &str,
    decode: impl FnOnce() -> Result<T, E>,
) -> Result<T, FileError> {
    // What the closure changes is not used after a panic, because the file is read no further.
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            let error = error.to_string();
            let is_unsupported = ["not yet supported", "Not yet supported", "not supported", "not implemented"];
            if is_unsupported.iter().any(|word| error.contains(word)) {
                Err(unsupported(
                    file,
                    format_args!("{doing}, because it is written in a way that elt does not read: {error}"),
                ))
            } else {
                Err(damaged(file, format_args!("{doing}: {error}")))
            }
        }
        Err(_) => Err(damaged(file, format_args!("{doing}: its bytes make no sense"))),
    }
}

/// A file that is damaged, or is not of its format.
pub(in crate::frame) fn damaged(file: &str, what: impl Display) -> FileError {
    FileError::new(Code::ColumnarDamaged, file, None, what)
        .hint("Write or copy the file again; it is read again when it changes.")
}

/// A file with something that elt does not read.
pub(in crate::frame) fn unsupported(file: &str, what: impl Display) -> FileError {
    FileError::new(Code::ColumnarUnsupported, file, None, what)
        .hint("Write the file with the usual settings of its program, or in another format such as CSV.")
}
