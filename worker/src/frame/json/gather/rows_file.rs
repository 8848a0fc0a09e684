//! The copy of the rows: a file that becomes an array.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use super::GatherError;

/// A file that becomes an array of rows.
pub struct RowsFile {
    out: BufWriter<File>,
    /// Bytes that were written.
    bytes: u64,
    /// Size that the file may have, in bytes.
    at_most: u64,
    is_empty: bool,
}

/// A place in a file of rows, to which it can go back.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    bytes: u64,
    is_empty: bool,
}

impl RowsFile {
    /// An array without rows in a new file, which may become this large.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn create(path: &Path, at_most: u64) -> io::Result<Self> {
        let mut out = BufWriter::with_capacity(256 << 10, File::create(path)?);
        out.write_all(b"[")?;
        Ok(Self { out, bytes: 1, at_most, is_empty: true })
    }

    /// The place behind the last row.
    pub fn mark(&self) -> Mark {
        Mark { bytes: self.bytes, is_empty: self.is_empty }
    }

    /// Takes away the rows behind a place.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn go_back(&mut self, to: Mark) -> io::Result<()> {
        self.out.flush()?;
        self.out.get_ref().set_len(to.bytes)?;
        self.out.seek(SeekFrom::Start(to.bytes))?;
        (self.bytes, self.is_empty) = (to.bytes, to.is_empty);
        Ok(())
    }

    /// Ends the array.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(mut self) -> io::Result<()> {
        self.out.write_all(b"\n]\n")?;
        self.out.flush()
    }

    pub(super) fn begin_row(&mut self) -> Result<(), GatherError> {
        let between: &[u8] = if self.is_empty { b"\n" } else { b",\n" };
        self.is_empty = false;
        self.write(between)
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), GatherError> {
        self.bytes += bytes.len() as u64;
        if self.bytes > self.at_most {
            return Err(GatherError::NoRoom(self.at_most));
        }
        Ok(self.out.write_all(bytes)?)
    }
}
