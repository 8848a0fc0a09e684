//! The zip container of a workbook: its parts, each of which is read from its start as a stream.
//!
//! The directory is read here and not by a zip library, because its sizes come from the file and must not decide how much
//! memory is reserved, and because a part is read while the rest of the workbook stays open.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use elt_shared::explained::Code;
use flate2::{Crc, read::DeflateDecoder};

use super::problem::Problem;

/// Most parts of a workbook.
const MAX_PARTS: u64 = 20_000;
/// Most bytes of the directory.
const MAX_DIRECTORY_BYTES: u64 = 8 << 20;
/// Bytes at the end of a file in which the directory's end record is searched: the record and the longest comment.
const END_BYTES: u64 = 22 + 0xFFFF;
/// Most bytes of one part, unpacked.
pub(super) const MAX_PART_BYTES: u64 = 64 << 30;

const END_RECORD: &[u8] = b"PK\x05\x06";
const END_RECORD_64: &[u8] = b"PK\x06\x06";
const ENTRY: &[u8] = b"PK\x01\x02";
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// The parts of a workbook by their names in lower case, without a slash at the front.
#[derive(Debug)]
pub(super) struct Package {
    file: Arc<File>,
    parts: BTreeMap<String, Part>,
}

/// The place of one part.
#[derive(Debug, Clone, Copy)]
struct Part {
    /// Position of its local header in the file.
    header: u64,
    packed: u64,
    size: u64,
    crc: u32,
    method: u16,
    is_encrypted: bool,
}

/// The bytes of one part.
pub(super) type PartBytes = Box<dyn Read + Send>;

impl Package {
    /// Reads the directory.
    pub(super) fn open(file: &Arc<File>) -> Result<Self, Problem> {
        let directory = Directory::find(file, file.metadata()?.len())?;
        if directory.entries > MAX_PARTS || directory.bytes > MAX_DIRECTORY_BYTES {
            return Err(Problem::too_large(format!("it has more than {MAX_PARTS} parts")));
        }
        let bytes = read_at(file, directory.start, directory.bytes)?;
        let mut parts = BTreeMap::new();
        let mut rest = bytes.as_slice();
        for _ in 0..directory.entries {
            let (name, part, next) = entry(rest).ok_or_else(Problem::cut_off)?;
            parts.insert(name, part);
            rest = next;
        }
        Ok(Self { file: file.clone(), parts })
    }

    /// Bytes of all parts, unpacked, as the directory says.
    pub(super) fn unpacked_bytes(&self) -> u64 {
        self.parts.values().map(|part| part.size).fold(0, u64::saturating_add)
    }

    /// Names of all parts, always in the same order, so that a workbook with several faults is refused for the same one.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.keys().map(String::as_str)
    }

    /// Whether there is a part of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.parts.contains_key(&key(name))
    }

    /// A part from its start, unpacked. It is an error when its end is reached and it is not what the directory says.
    pub(super) fn part(&self, name: &str) -> Result<PartBytes, Problem> {
        let part =
            *self.parts.get(&key(name)).ok_or_else(|| Problem::broken(format!("its part {name:?} is missing")))?;
        if part.is_encrypted {
            return Err(Problem::new(Code::WorkbookEncrypted, "its parts are encrypted with a password"));
        }
        if part.size > MAX_PART_BYTES {
            return Err(Problem::too_large(format!("its part {name:?} has more than {} GiB", MAX_PART_BYTES >> 30)));
        }
        let header = read_at(&self.file, part.header, 30)?;
        let lengths = [number(&header, 26, 2), number(&header, 28, 2)];
        let [Some(name_length), Some(extra_length)] = lengths else { return Err(Problem::cut_off()) };
        let start = part.header.saturating_add(30 + name_length + extra_length);
        let slice = Slice { file: self.file.clone(), at: start, end: start.saturating_add(part.packed) };
        let packed = BufReader::with_capacity(64 << 10, slice);
        let unpacked = match part.method {
            STORED => Unpacked::Stored(packed),
            DEFLATED => Unpacked::Deflated(DeflateDecoder::new(packed)),
            _ => {
                return Err(Problem::broken(format!(
                    "its part {name:?} is compressed in a way that Excel does not read"
                )));
            }
        };
        Ok(Box::new(Checked { unpacked, part, read: 0, crc: Crc::new() }))
    }
}

/// The name of a part as it is looked up: names differ only by case or by the slash of another system.
fn key(name: &str) -> String {
    name.trim_start_matches('/').replace('\\', "/").to_ascii_lowercase()
}

/// Some bytes of the file. Each slice has a place of its own, so that several parts can be read at the same time.
struct Slice {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Read for Slice {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(out.len());
        let count = self.file.read_at(&mut out[..left], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

enum Unpacked {
    Stored(BufReader<Slice>),
    Deflated(DeflateDecoder<BufReader<Slice>>),
}

/// Checks that a part has the size and the checksum that the directory names.
struct Checked {
    unpacked: Unpacked,
    part: Part,
    read: u64,
    crc: Crc,
}

impl Read for Checked {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = match &mut self.unpacked {
            Unpacked::Stored(bytes) => bytes.read(out)?,
            Unpacked::Deflated(bytes) => bytes.read(out)?,
        };
        self.read += count as u64;
        self.crc.update(&out[..count]);
        let wrong = |what: &str| Err(io::Error::new(io::ErrorKind::InvalidData, what));
        if self.read > self.part.size {
            return wrong("a part of it is larger than its directory says");
        }
        if count == 0 && !out.is_empty() && self.read < self.part.size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if count == 0 && !out.is_empty() && self.crc.sum() != self.part.crc {
            return wrong("the checksum of a part is wrong");
        }
        Ok(count)
    }
}

/// The place of the directory.
struct Directory {
    start: u64,
    bytes: u64,
    entries: u64,
}

impl Directory {
    fn find(file: &File, size: u64) -> Result<Self, Problem> {
        let tail_start = size.saturating_sub(END_BYTES);
        let tail = read_at(file, tail_start, size - tail_start)?;
        // The record ends where its comment and the file end, so that the signature in a comment is not taken for it.
        let ends_here = |&at: &usize| {
            number(&tail, at + 20, 2).is_some_and(|comment| at as u64 + 22 + comment == tail.len() as u64)
        };
        let at = memchr::memmem::rfind_iter(&tail, END_RECORD).find(ends_here).ok_or_else(Problem::cut_off)?;
        let field = |offset, length| number(&tail, at + offset, length).ok_or_else(Problem::cut_off);
        let found = Self { start: field(16, 4)?, bytes: field(12, 4)?, entries: field(10, 2)? };
        if found.start != 0xFFFF_FFFF && found.bytes != 0xFFFF_FFFF && found.entries != 0xFFFF {
            return Ok(found);
        }
        // A large file has a second record, whose place is in the 20 bytes before the first one.
        let locator =
            at.checked_sub(20).and_then(|locator| number(&tail, locator + 8, 8)).ok_or_else(Problem::cut_off)?;
        let record = read_at(file, locator, 56)?;
        if !record.starts_with(END_RECORD_64) {
            return Err(Problem::cut_off());
        }
        let field = |offset| number(&record, offset, 8).ok_or_else(Problem::cut_off);
        Ok(Self { start: field(48)?, bytes: field(40)?, entries: field(32)? })
    }
}

/// The entry at the front of the directory, and what follows it. `None`: it is cut off.
fn entry(bytes: &[u8]) -> Option<(String, Part, &[u8])> {
    if !bytes.starts_with(ENTRY) {
        return None;
    }
    let field = |offset, length| number(bytes, offset, length);
    let name_end = 46 + usize::try_from(field(28, 2)?).ok()?;
    let extra_end = name_end + usize::try_from(field(30, 2)?).ok()?;
    let end = extra_end + usize::try_from(field(32, 2)?).ok()?;
    let name = key(&String::from_utf8_lossy(bytes.get(46..name_end)?));
    let (mut size, mut packed, mut header) = (field(24, 4)?, field(20, 4)?, field(42, 4)?);
    // Of values that do not fit, the extra field 1 has the long forms, in this order.
    let mut long = extra_field(bytes.get(name_end..extra_end)?, 1).unwrap_or_default();
    for value in [&mut size, &mut packed, &mut header] {
        if *value == 0xFFFF_FFFF
            && let Some(long_value) = number(long, 0, 8)
        {
            (*value, long) = (long_value, &long[8..]);
        }
    }
    let part = Part {
        header,
        packed,
        size,
        crc: u32::try_from(field(16, 4)?).ok()?,
        method: u16::try_from(field(10, 2)?).ok()?,
        is_encrypted: field(8, 2)? & 1 != 0,
    };
    Some((name, part, bytes.get(end..)?))
}

fn extra_field(mut extra: &[u8], id: u64) -> Option<&[u8]> {
    loop {
        let length = usize::try_from(number(extra, 2, 2)?).ok()?;
        let field = extra.get(4..4 + length)?;
        if number(extra, 0, 2)? == id {
            return Some(field);
        }
        extra = &extra[4 + length..];
    }
}

/// A number of at most 8 bytes, the lowest first. `None`: the bytes end before it does.
fn number(bytes: &[u8], at: usize, length: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(length)?)?;
    Some(bytes.iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte)))
}

/// Reads a number of bytes that the caller has bounded.
fn read_at(file: &File, at: u64, length: u64) -> Result<Vec<u8>, Problem> {
    let mut bytes = vec![0; usize::try_from(length).map_err(|_| Problem::cut_off())?];
    file.read_exact_at(&mut bytes, at)?;
    Ok(bytes)
}
