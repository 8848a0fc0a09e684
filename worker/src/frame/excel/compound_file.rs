//! The container of an `.xls`: sectors that are linked to streams, as in a small file system.
//!
//! calamine follows the links as they are written, so that a sector that leads back to an earlier one would fill the memory.
//! This reads the stream of the workbook once before, and refuses such files.

use std::fs::File;

use super::problem::Problem;
use super::read_some;

/// Bytes of the header, and of a directory entry.
const HEADER_BYTES: usize = 512;
const ENTRY_BYTES: usize = 128;
/// The number of the last sector that can be in a chain, and the one that ends a chain of sectors.
const LAST_SECTOR: u32 = 0xFFFF_FFF9;
const END_OF_CHAIN: u32 = 0xFFFF_FFFE;
/// A shorter stream is in the mini stream, whose sectors are smaller.
const MINI_STREAM_BELOW: u64 = 4_096;
const MINI_SECTOR: usize = 64;

/// The sectors of a file.
struct Sectors<'f> {
    file: &'f File,
    /// Bytes of a sector.
    size: usize,
    /// The largest number of a sector.
    last: u32,
    /// For each sector the next one in its chain.
    next: Vec<u32>,
}

/// A stream in the directory.
struct Entry {
    name: String,
    start: u32,
    length: u64,
}

/// The stream with the workbook.
///
/// # Errors
/// When the stream does not exist, or the file is damaged.
pub(super) fn workbook_stream(file: &File) -> Result<Vec<u8>, Problem> {
    let mut header = vec![0; HEADER_BYTES];
    if read_some(file, &mut header, 0)? < HEADER_BYTES {
        return Err(damaged());
    }
    let (sectors, entries) = open(file, &header)?;
    let named = |name: &str| entries.iter().find(|entry| entry.name.eq_ignore_ascii_case(name));
    let workbook = named("Workbook").or_else(|| named("Book"));
    let workbook = workbook.ok_or_else(|| Problem::broken("it has no workbook in it"))?;
    if workbook.length >= MINI_STREAM_BELOW {
        return sectors.chain(workbook.start, workbook.length);
    }
    let root = entries.first().ok_or_else(damaged)?;
    let stream = sectors.chain(root.start, root.length)?;
    let count = u64::from(number(&header, 64)?) * sectors.size as u64;
    let next = numbers(&sectors.chain(number(&header, 60)?, count)?);
    mini_chain(&stream, &next, workbook)
}

fn open<'f>(file: &'f File, header: &[u8]) -> Result<(Sectors<'f>, Vec<Entry>), Problem> {
    let size = match header.get(30..32) {
        Some([9, 0]) => 512,
        Some([12, 0]) => 4_096,
        _ => return Err(damaged()),
    };
    let last = u32::try_from(file.metadata()?.len() / size as u64).map_err(|_| damaged())?;
    let mut sectors = Sectors { file, size, last, next: Vec::new() };
    // The sectors with the links are listed in the header, and in a chain of sectors of their own.
    let mut tables = numbers(&header[76..]);
    let (mut more, mut steps) = (number(header, 68)?, 0);
    while more <= LAST_SECTOR {
        steps += 1;
        if steps > u64::from(last) + 1 {
            return Err(damaged());
        }
        tables.extend(numbers(&sectors.read(more)?));
        more = tables.pop().ok_or_else(damaged)?;
    }
    tables.retain(|&table| table < END_OF_CHAIN - 2);
    if tables.len() > last as usize + 1 {
        return Err(damaged());
    }
    for table in tables {
        let next = numbers(&sectors.read(table)?);
        sectors.next.extend(next);
    }
    let directory = sectors.chain(number(header, 48)?, u64::MAX)?;
    let entries = directory.chunks_exact(ENTRY_BYTES).map(|entry| Entry::of(entry, size)).collect::<Result<_, _>>()?;
    Ok((sectors, entries))
}

impl Entry {
    fn of(entry: &[u8], sector: usize) -> Result<Self, Problem> {
        let units: Vec<u16> = entry[..64].as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
        let length = units.iter().position(|&unit| unit == 0).unwrap_or(units.len());
        let (low, high) = (u64::from(number(entry, 120)?), u64::from(number(entry, 124)?));
        Ok(Self {
            name: String::from_utf16_lossy(&units[..length]),
            start: number(entry, 116)?,
            length: if sector == 512 { low } else { high << 32 | low },
        })
    }
}

impl Sectors<'_> {
    /// The bytes of a sector, of which the last one of the file may be cut off.
    fn read(&self, sector: u32) -> Result<Vec<u8>, Problem> {
        if sector > self.last {
            return Err(damaged());
        }
        let mut bytes = vec![0; self.size];
        let count = read_some(self.file, &mut bytes, (u64::from(sector) + 1) * self.size as u64)?;
        bytes.truncate(count);
        Ok(bytes)
    }

    /// The first `length` bytes of the chain that begins with a sector.
    fn chain(&self, start: u32, length: u64) -> Result<Vec<u8>, Problem> {
        let (mut bytes, mut sector, mut steps) = (Vec::new(), start, 0);
        while sector != END_OF_CHAIN && (bytes.len() as u64) < length {
            steps += 1;
            // A chain that is longer than the file leads back to itself.
            if steps > u64::from(self.last) + 1 {
                return Err(damaged());
            }
            bytes.extend(self.read(sector)?);
            sector = match self.next.get(sector as usize) {
                Some(&next) => next,
                None if bytes.len() as u64 >= length => END_OF_CHAIN,
                None => return Err(damaged()),
            };
        }
        bytes.truncate(usize::try_from(length).unwrap_or(usize::MAX));
        Ok(bytes)
    }
}

fn mini_chain(stream: &[u8], next: &[u32], entry: &Entry) -> Result<Vec<u8>, Problem> {
    let (mut bytes, mut sector) = (Vec::new(), entry.start);
    while sector != END_OF_CHAIN && (bytes.len() as u64) < entry.length {
        let at = sector as usize * MINI_SECTOR;
        let end = stream.len().min(at + MINI_SECTOR);
        let part = stream.get(at..end).filter(|part| !part.is_empty()).ok_or_else(damaged)?;
        bytes.extend_from_slice(part);
        sector = *next.get(sector as usize).ok_or_else(damaged)?;
    }
    bytes.truncate(entry.length as usize);
    Ok(bytes)
}

fn number(bytes: &[u8], at: usize) -> Result<u32, Problem> {
    let number = bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
    number.map(u32::from_le_bytes).ok_or_else(damaged)
}

fn numbers(bytes: &[u8]) -> Vec<u32> {
    bytes.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect()
}

fn damaged() -> Problem {
    Problem::broken("it cannot be read: it is damaged")
}
