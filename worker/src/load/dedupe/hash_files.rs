//! Row hashes of a table and of the rows that a run delivers, in files, for tables whose hashes do not fit into memory.
//!
//! It is the hash join of Kitsuregawa, Tanaka and Moto-oka ("Application of hash to data base machine and its architecture",
//! 1983): both sides are split into parts by the upper bits of their hashes, so that equal hashes are in the same part, and
//! the parts are compared in memory one after the other.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

use super::hash_set::{Inserted, RowHashSet};

/// Most parts. Each has an open file and its buffer.
const MAX_PARTS: u64 = 64;
/// Bytes of the buffer that a part is written through.
const WRITE_BUFFER_BYTES: usize = 16 << 10;
/// Bytes of the buffer that a part is read through.
const READ_BUFFER_BYTES: usize = 256 << 10;
/// Bytes of a hash.
const HASH_BYTES: usize = 16;
/// Bytes of a delivered row: its hash, its number, the index of its file.
pub const DELIVERED_BYTES: usize = HASH_BYTES + 8 + 4;

/// The hashes, split into parts. Those of the table are all added before the first of a delivered row.
pub struct HashFiles {
    parts: Vec<Part>,
    /// Bytes of memory to compare them in.
    budget: usize,
}

/// A part: the hashes of the table, then the delivered rows.
struct Part {
    file: BufWriter<File>,
    known: u64,
    delivered: u64,
}

impl HashFiles {
    /// Empty files for about `hashes` hashes of both sides, without names, in a folder.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn in_folder(folder: &Path, hashes: u64, budget: usize) -> io::Result<Self> {
        let parts = hashes.div_ceil(in_memory(budget)).clamp(1, MAX_PARTS);
        let part = || {
            let file = BufWriter::with_capacity(WRITE_BUFFER_BYTES, tempfile::tempfile_in(folder)?);
            Ok(Part { file, known: 0, delivered: 0 })
        };
        Ok(Self { parts: (0..parts).map(|_| part()).collect::<io::Result<_>>()?, budget })
    }

    /// Adds the hash of a row that the table has.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn push_known(&mut self, hash: u128) -> io::Result<()> {
        let part = self.part_of(hash);
        part.known += 1;
        part.file.write_all(&hash.to_le_bytes())
    }

    /// Adds a delivered row by its number, and the index of its file.
    ///
    /// # Errors
    /// When the disk is full.
    #[inline]
    pub fn push_delivered(&mut self, hash: u128, row: u64, file: u32) -> io::Result<()> {
        let mut record = [0; DELIVERED_BYTES];
        record[..16].copy_from_slice(&hash.to_le_bytes());
        record[16..24].copy_from_slice(&row.to_le_bytes());
        record[24..].copy_from_slice(&file.to_le_bytes());
        let part = self.part_of(hash);
        part.delivered += 1;
        part.file.write_all(&record)
    }

    /// Calls `decided` for every delivered row with its number, the index of its file, and whether it is new: neither the
    /// table has an equal row, nor was one delivered before it.
    ///
    /// # Errors
    /// When a file cannot be read back, and the first error of `decided`.
    pub fn decide<E: From<io::Error>>(self, mut decided: impl FnMut(u64, u32, bool) -> Result<(), E>) -> Result<(), E> {
        let largest = self.parts.iter().map(|part| part.known + part.delivered).max().unwrap_or(0);
        let mut memory = RowHashSet::with_room(largest.min(in_memory(self.budget)), self.budget);
        for part in self.parts {
            let mut file = part.file.into_inner().map_err(io::IntoInnerError::into_error)?;
            // A part that got more hashes than memory holds is split again, by bits that neither the parts nor the set use.
            let slices = (part.known + part.delivered).div_ceil(in_memory(self.budget)).max(1);
            for slice in 0..slices {
                memory.clear();
                file.rewind()?;
                let mut reader = BufReader::with_capacity(READ_BUFFER_BYTES, &file);
                let is_here = |hash: u128| (hash as u64 & 0xffff_ffff) % slices == slice;
                for _ in 0..part.known {
                    let hash = u128::from_le_bytes(read(&mut reader)?);
                    if is_here(hash) {
                        insert(&mut memory, hash)?;
                    }
                }
                for _ in 0..part.delivered {
                    let hash = u128::from_le_bytes(read(&mut reader)?);
                    let (row, file) = (u64::from_le_bytes(read(&mut reader)?), u32::from_le_bytes(read(&mut reader)?));
                    if is_here(hash) {
                        decided(row, file, insert(&mut memory, hash)?)?;
                    }
                }
            }
        }
        Ok(())
    }

    #[inline]
    fn part_of(&mut self, hash: u128) -> &mut Part {
        let index = ((hash >> 64) * self.parts.len() as u128) >> 64;
        &mut self.parts[index as usize]
    }
}

/// Number of hashes that are compared together. A tenth of the memory is left free, because parts are not exactly equal.
fn in_memory(budget: usize) -> u64 {
    (RowHashSet::capacity_of(budget) as u64 * 9 / 10).max(1)
}

/// The next bytes of a file of hashes.
pub(super) fn read<const N: usize>(reader: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Whether the hash was not in the set. The set places hashes by their upper bits, which are alike within a part, so the
/// halves are swapped.
#[inline]
pub(super) fn insert(memory: &mut RowHashSet, hash: u128) -> io::Result<bool> {
    match memory.insert(hash.rotate_left(64)) {
        Inserted::New => Ok(true),
        Inserted::Known => Ok(false),
        Inserted::Full => Err(io::Error::other("a part of the row hashes does not fit in memory")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn hash(n: u64) -> u128 {
        xxhash_rust::xxh3::xxh3_128(&n.to_le_bytes())
    }

    /// Decides about delivered rows as a standard set does. `expected`: the number of hashes that the files are made for.
    fn agrees(known: &[u64], delivered: &[u64], expected: u64, budget: usize) {
        let folder = tempfile::tempdir().unwrap();
        let mut files = HashFiles::in_folder(folder.path(), expected, budget).unwrap();
        let mut set: HashSet<u64> = known.iter().copied().collect();
        for n in known {
            files.push_known(hash(*n)).unwrap();
        }
        for (row, n) in (0..).zip(delivered) {
            files.push_delivered(hash(*n), row, (row % 7) as u32).unwrap();
        }
        let mut found = vec![None; delivered.len()];
        let note = |row: u64, file: u32, is_new| -> io::Result<()> {
            assert_eq!(u64::from(file), row % 7);
            assert_eq!(found[row as usize].replace(is_new), None, "each row is decided once");
            Ok(())
        };
        files.decide(note).unwrap();
        let wanted: Vec<_> = delivered.iter().map(|n| Some(set.insert(*n))).collect();
        assert!(found == wanted);
    }

    #[test]
    fn rows_are_new_exactly_once() {
        let known: Vec<_> = (0..20_000).collect();
        let delivered: Vec<_> = (10_000..30_000).chain(25_000..31_000).collect();
        agrees(&known, &delivered, 46_000, 64 << 10);
        // Parts that must be split again: of the most files, and of one file that was made for fewer hashes than it gets.
        agrees(&known, &delivered, u64::MAX, 4 << 10);
        agrees(&known, &delivered, 0, 4 << 10);
        agrees(&[], &delivered, 26_000, 1 << 20);
        agrees(&known, &[], 20_000, 4 << 10);
    }
}
