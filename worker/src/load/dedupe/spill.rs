//! Row hashes that found no room in memory, spilled to a file. Repeated ones among them are found exactly, one part of the
//! hashes after the other.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek, Write};
use std::path::Path;

use super::hash_files;
use super::hash_set::RowHashSet;

/// Bytes of a record: the hash and the index of the row's file.
const RECORD_BYTES: usize = 16 + 4;
/// Bytes of the buffers that the file is written and read through.
const BUFFER_BYTES: usize = 256 << 10;

/// Hashes of sent rows that found no room in memory.
pub struct Spill {
    file: BufWriter<File>,
    /// Number of hashes.
    len: u64,
}

impl Spill {
    /// An empty spill, kept in an unnamed file of a folder.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn in_folder(folder: &Path) -> io::Result<Self> {
        Ok(Self { file: BufWriter::with_capacity(BUFFER_BYTES, tempfile::tempfile_in(folder)?), len: 0 })
    }

    /// Whether no hash was spilled.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds the hash of a row of a file, by the file's index.
    ///
    /// # Errors
    /// When the disk is full.
    #[inline]
    pub fn push(&mut self, hash: u128, file: u32) -> io::Result<()> {
        let mut record = [0; RECORD_BYTES];
        record[..16].copy_from_slice(&hash.to_le_bytes());
        record[16..].copy_from_slice(&file.to_le_bytes());
        self.len += 1;
        self.file.write_all(&record)
    }

    /// Calls `repeated` with the file of every row that is not the first with its hash. `memory` is overwritten and left
    /// empty.
    ///
    /// # Errors
    /// When the file cannot be read back.
    pub fn find_repeated(self, memory: &mut RowHashSet, mut repeated: impl FnMut(u32)) -> io::Result<()> {
        if self.len == 0 {
            return Ok(());
        }
        let mut file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        // The hashes are split into parts by their upper bits. Each part gets about as many of them, because hashes are
        // evenly spread, and a tenth of the memory is left free because the parts are not exactly equal.
        let parts = self.len.div_ceil((memory.capacity() as u64 * 9 / 10).max(1)) as u128;
        for part in 0..parts {
            memory.clear();
            file.rewind()?;
            let mut reader = BufReader::with_capacity(BUFFER_BYTES, &file);
            for _ in 0..self.len {
                let hash = u128::from_le_bytes(hash_files::read(&mut reader)?);
                let file = u32::from_le_bytes(hash_files::read(&mut reader)?);
                if ((hash >> 64) * parts) >> 64 == part && !hash_files::insert(memory, hash)? {
                    repeated(file);
                }
            }
        }
        memory.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_rows_are_found_exactly_with_little_memory() {
        let folder = tempfile::tempdir().unwrap();
        let mut spill = Spill::in_folder(folder.path()).unwrap();
        let hash = |n: u64| xxhash_rust::xxh3::xxh3_128(&n.to_le_bytes());
        for n in 0..20_000 {
            spill.push(hash(n), 1).unwrap();
        }
        for n in (0..20_000).step_by(3) {
            spill.push(hash(n), 2).unwrap();
        }
        let bytes = 64 << 10;
        let mut memory = RowHashSet::with_room(0, bytes);
        let mut found = [0_u32; 3];
        spill.find_repeated(&mut memory, |file| found[file as usize] += 1).unwrap();
        assert_eq!(found, [0, 0, 6_667]);
    }
}
