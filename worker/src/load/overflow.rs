//! Repeated rows among those whose hashes found no room in memory: found exactly, from a file, a part at a time.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

use super::seen::{HashSet, Put};

/// A hash and its file's place.
const RECORD_BYTES: usize = 20;

/// Hashes of sent rows that found no room in memory.
pub struct Overflow {
    file: BufWriter<File>,
    len: u64,
}

impl Overflow {
    /// Kept in a file without a name in a folder.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn in_folder(folder: &Path) -> io::Result<Self> {
        Ok(Self { file: BufWriter::with_capacity(256 << 10, tempfile::tempfile_in(folder)?), len: 0 })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a hash.
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

    /// Calls `repeated` with the file of every row that is not the first of its hash. `memory` is used and left empty.
    ///
    /// # Errors
    /// When the file cannot be read back.
    pub fn find_repeated(
        self,
        memory: &mut HashSet,
        memory_bytes: usize,
        mut repeated: impl FnMut(u32),
    ) -> io::Result<()> {
        if self.len == 0 {
            return Ok(());
        }
        let mut file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        // Hashes are evenly spread: each part gets about as many, with room to spare.
        let parts = self.len.div_ceil((HashSet::capacity_of(memory_bytes) as u64 * 9 / 10).max(1)) as u128;
        for part in 0..parts {
            memory.clear();
            file.rewind()?;
            let mut reader = BufReader::with_capacity(256 << 10, &file);
            let mut record = [0; RECORD_BYTES];
            for _ in 0..self.len {
                reader.read_exact(&mut record)?;
                let (hash, place) = record.split_at(16);
                let hash = u128::from_le_bytes(hash.try_into().unwrap_or_default());
                if ((hash >> 64) * parts) >> 64 != part {
                    continue;
                }
                // Within a part the upper bits are alike; the set looks at them, so they are spread again.
                match memory.put(hash.rotate_left(64)) {
                    Put::New => {}
                    Put::Known => repeated(u32::from_le_bytes(place.try_into().unwrap_or_default())),
                    Put::Full => return Err(io::Error::other("a part of the row hashes does not fit in memory")),
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
        let mut overflow = Overflow::in_folder(folder.path()).unwrap();
        let hash = |n: u64| xxhash_rust::xxh3::xxh3_128(&n.to_le_bytes());
        for n in 0..20_000 {
            overflow.push(hash(n), 1).unwrap();
        }
        for n in (0..20_000).step_by(3) {
            overflow.push(hash(n), 2).unwrap();
        }
        let bytes = 64 << 10;
        let mut memory = HashSet::with_room(0, bytes);
        let mut found = [0_u32; 3];
        overflow.find_repeated(&mut memory, bytes, |file| found[file as usize] += 1).unwrap();
        assert_eq!(found, [0, 0, 6_667]);
    }
}
