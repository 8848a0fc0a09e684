//! Rows that are sent later, because whether the table has them is found out when all of them were read.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

use super::{RowCounts, SecondPassError};
use crate::load::dedupe::hash_files::HashFiles;

/// Bytes of the buffers that the file is written and read through.
const BUFFER_BYTES: usize = 256 << 10;

/// The encoded rows in a file, and their hashes.
pub struct DeferredRows {
    hashes: HashFiles,
    /// Each row is preceded by its length.
    rows: BufWriter<File>,
    /// Number of rows.
    len: u64,
}

/// The rows of [`DeferredRows`] that are to be sent.
pub struct NewRows {
    rows: BufReader<File>,
    /// A bit for each row: whether it is new.
    is_new: Vec<u64>,
    /// Number of rows that were read.
    at: u64,
    len: u64,
}

impl DeferredRows {
    /// No rows yet, in a file of a folder without a name. `hashes`: the hashes of the table's rows.
    pub fn in_folder(folder: &Path, hashes: HashFiles) -> io::Result<Self> {
        Ok(Self { hashes, rows: BufWriter::with_capacity(BUFFER_BYTES, tempfile::tempfile_in(folder)?), len: 0 })
    }

    /// Keeps an encoded row.
    #[inline]
    pub fn push(&mut self, hash: u128, file: usize, row: &[u8]) -> io::Result<()> {
        self.hashes.push_delivered(hash, self.len, file as u32)?;
        self.len += 1;
        self.rows.write_all(&(row.len() as u32).to_le_bytes())?;
        self.rows.write_all(row)
    }

    /// Finds the rows that are new. The others, which were counted as sent, are counted as duplicates. `stopped`: an error
    /// once the run should stop.
    pub fn find_new(
        self,
        row_counts: &mut [RowCounts],
        stopped: impl Fn() -> Result<(), SecondPassError>,
    ) -> Result<NewRows, SecondPassError> {
        let mut is_new = vec![0_u64; self.len.div_ceil(64) as usize];
        self.hashes.decide(|row, file, new| {
            if new {
                is_new[(row / 64) as usize] |= 1 << (row % 64);
            } else {
                row_counts[file as usize].sent -= 1;
                row_counts[file as usize].duplicate += 1;
            }
            if row.is_multiple_of(65_536) { stopped() } else { Ok(()) }
        })?;
        let mut file = self.rows.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        // Rows after the last new one are not read. When a source is loaded again, that is often the whole file.
        let words = is_new.iter().rposition(|word| *word != 0).map_or(0, |last| last as u64 + 1);
        let len = self.len.min(words * 64);
        Ok(NewRows { rows: BufReader::with_capacity(BUFFER_BYTES, file), is_new, at: 0, len })
    }
}

impl NewRows {
    /// Appends the next new row. Returns whether there was one. `stopped`: an error once the run should stop.
    pub fn append_next(
        &mut self,
        out: &mut Vec<u8>,
        stopped: impl Fn() -> Result<(), SecondPassError>,
    ) -> Result<bool, SecondPassError> {
        while self.at < self.len {
            if self.at.is_multiple_of(65_536) {
                stopped()?;
            }
            let mut length = [0; 4];
            self.rows.read_exact(&mut length)?;
            let length = u32::from_le_bytes(length);
            let is_new = self.is_new[(self.at / 64) as usize] >> (self.at % 64) & 1 == 1;
            self.at += 1;
            if is_new {
                let start = out.len();
                out.resize(start + length as usize, 0);
                self.rows.read_exact(&mut out[start..])?;
                return Ok(true);
            }
            self.rows.seek_relative(i64::from(length))?;
        }
        Ok(false)
    }
}
