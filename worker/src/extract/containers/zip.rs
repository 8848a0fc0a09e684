//! Zip archives, whose directory is at their end.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use elt_shared::explained::Code;
use elt_shared::secret::Secret;
use flate2::Crc;
use zip::read::ZipReadOptions;
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::meter::{Allowance, Allowed};
use super::names::EntryName;
use super::opening::{Inside, Opening};
use super::problem::{Halt, Problem};
use crate::input::{Compression, decompressed};

/// Bytes of the directory that an archive may have for each of its files, on average.
const ENTRY_BYTES: u64 = 1 << 10;
/// Bytes at the end of the file that may be read to find the directory.
const SEARCH_BYTES: u64 = 4 << 20;
/// Largest dictionary of LZMA, which is held in memory.
const DICTIONARY_BYTES: u32 = 128 << 20;

type Zip = ZipArchive<BufReader<Allowed<File>>>;

/// A file as the directory has it.
struct Member {
    index: usize,
    name: EntryName,
    kind: Kind,
    is_encrypted: bool,
    method: CompressionMethod,
    /// Bytes of its contents, as the directory says.
    size: u64,
}

enum Kind {
    File,
    Folder,
    Link,
    Special,
}

/// Unpacks every file of an archive that is wanted.
pub(super) fn unpack(opening: &mut Opening<'_>, mut file: File, at: &Inside) -> Result<(), Halt> {
    let claimed = claimed_entries(&mut file)?;
    if claimed > u64::from(opening.meter.entries_left()) {
        opening.meter.count_entries(claimed)?;
    }
    let mut archive = open(file, opening.meter.entries_left())?;
    opening.meter.count_entries(archive.len() as u64)?;
    if archive.has_overlapping_entries().map_err(|error| of_opening(&error))? {
        let reason = "its files share the same bytes, as in a zip bomb";
        let next_step = "Find out who made it; no ordinary program packs files in this way.";
        return Err(Problem::new(Code::ArchiveTooLarge, reason, next_step).into());
    }
    for member in members(&archive)? {
        if opening.stop.is_cancelled() {
            return Err(Halt::Stopped);
        }
        match member.kind {
            Kind::Folder => continue,
            Kind::Link => {
                opening.skip_other(&member.name, at, "it is a link, and links in archives are not followed");
                continue;
            }
            Kind::Special => {
                opening.skip_other(&member.name, at, "it is a FIFO or a device, not a file");
                continue;
            }
            Kind::File => {}
        }
        let Some(wanted) = opening.judge(&member.name, at) else { continue };
        let password = opening.options.archive.password.as_ref();
        let taken = read(&mut archive, &member, password)
            .map_err(Halt::from)
            .and_then(|mut reader| opening.take(&member.name, at, wanted, &mut reader));
        match taken {
            Ok(_) => {}
            // The directory tells where the other files are, so that each can be read by itself.
            Err(Halt::Broken(problem)) => opening.fail(&member.name, at, of_member(problem, member.is_encrypted)),
            Err(halt) => return Err(halt),
        }
    }
    Ok(())
}

/// The number of files that an archive says it has, wherever its reader may find it. It is asked for first, because the
/// reader takes memory for that many.
///
/// # Errors
/// When the record of zip64 that has the number is further from the end than elt looks.
fn claimed_entries(file: &mut File) -> Result<u64, Problem> {
    const END: &[u8] = b"PK\x05\x06";
    const END64: &[u8] = b"PK\x06\x06";
    const LOCATOR: &[u8] = b"PK\x06\x07";
    /// Bytes of a directory's end and its longest comment, and of what zip64 has before it.
    const TAIL: u64 = 22 + (64 << 10) + 20 + 56;
    let size = file.seek(SeekFrom::End(0)).map_err(|error| Problem::of_reading(&error))?;
    let mut tail = last_bytes(file, size.min(TAIL))?;
    let (mut most, mut earliest) = (0, size - tail.len() as u64);
    for at in memchr::memmem::find_iter(&tail, END) {
        let number = tail.get(at + 10..at + 12).and_then(|bytes| bytes.try_into().ok()).map_or(0, u16::from_le_bytes);
        // This number means that the one of zip64 counts.
        if number != u16::MAX {
            most = most.max(u64::from(number));
        }
        let locator = at.checked_sub(20).and_then(|start| tail.get(start..at));
        let place = locator.filter(|locator| locator.starts_with(LOCATOR)).map(|locator| number_at(locator, 8));
        earliest = place.map_or(earliest, |place| earliest.min(place));
    }
    // The reader takes any record between the place that is named and the end for the one that counts, so all of that is
    // looked through.
    if size - earliest > SEARCH_BYTES {
        return Err(Problem::broken("the end of its directory is not where it says, or larger than one can be"));
    }
    if size - earliest > tail.len() as u64 {
        tail = last_bytes(file, size - earliest)?;
    }
    for at in memchr::memmem::find_iter(&tail, END64) {
        most = most.max(tail.get(at..).map_or(0, |record| number_at(record, 32)));
    }
    file.rewind().map_err(|error| Problem::of_reading(&error))?;
    Ok(most)
}

/// The bytes at the end of a file.
fn last_bytes(file: &mut File, count: u64) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    let from = SeekFrom::End(-i64::try_from(count).unwrap_or(i64::MAX));
    let read = file.seek(from).and_then(|_| file.take(count).read_to_end(&mut bytes));
    read.map_err(|error| Problem::of_reading(&error))?;
    Ok(bytes)
}

/// The number of eight bytes at a place in a record. 0: the record ends before.
fn number_at(record: &[u8], at: usize) -> u64 {
    record.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// Reads the directory, as far as one for `entries` files can be long.
fn open(file: File, entries: u32) -> Result<Zip, Problem> {
    let allowance = Allowance::unlimited();
    allowance.set(SEARCH_BYTES + u64::from(entries) * ENTRY_BYTES);
    let opened = ZipArchive::new(BufReader::new(allowance.limit(file)));
    if allowance.is_used_up() {
        return Err(Problem::broken("its directory is damaged, or larger than that of an archive can be"));
    }
    allowance.lift();
    let archive = opened.map_err(|error| of_opening(&error))?;
    if archive.has_duplicate_names() {
        return Err(two_names());
    }
    Ok(archive)
}

/// The files of the directory, in the order of their names.
fn members(archive: &Zip) -> Result<Vec<Member>, Problem> {
    let mut members = Vec::with_capacity(archive.len());
    for index in 0..archive.len() {
        let entry = archive.by_index_data(index).map_err(|error| of_opening(&error))?;
        let name = entry.name().map_err(|error| of_opening(&error))?;
        /// The bits of a Unix mode that are the kind of the file, and their value for a regular file.
        const KIND: (u32, u32) = (0o170_000, 0o100_000);
        let is_special = entry.unix_mode().is_some_and(|mode| !matches!(mode & KIND.0, 0) && mode & KIND.0 != KIND.1);
        let kind = match () {
            () if entry.is_dir() => Kind::Folder,
            () if entry.is_symlink() => Kind::Link,
            () if is_special => Kind::Special,
            () => Kind::File,
        };
        members.push(Member {
            index,
            name: EntryName::of(name.as_bytes()),
            kind,
            is_encrypted: entry.encrypted(),
            method: entry.compression(),
            size: entry.size(),
        });
    }
    members.sort_by(|one, other| one.name.path.cmp(&other.name.path));
    let mut paths = HashSet::new();
    let files = members.iter().filter(|member| matches!(member.kind, Kind::File));
    if files.map(|member| &member.name.path).any(|path| !paths.insert(path)) {
        return Err(two_names());
    }
    Ok(members)
}

fn two_names() -> Problem {
    Problem::new(
        Code::ArchiveBroken,
        "two of its files have the same name, and which of them counts differs from program to program",
        "Pack it again with each file once.",
    )
}

/// Opens a file of the archive.
fn read<'a>(
    archive: &'a mut Zip,
    member: &Member,
    password: Option<&'a Secret>,
) -> Result<Box<dyn Read + 'a>, Problem> {
    if member.is_encrypted && password.is_none() {
        return Err(Problem::new(
            Code::ArchiveEncrypted,
            "it is encrypted, and the source has no password",
            "Write `archive: {password: \"${secret:NAME}\"}` in the source, and store the secret with `elt secret`.",
        ));
    }
    match (member.method, member.is_encrypted) {
        (CompressionMethod::Xz, false) => return read_xz(archive, member.index),
        (CompressionMethod::Lzma, false) => check_dictionary(archive, member.index)?,
        // What such a file says about its dictionary is encrypted, and the archive's own reader believes it. The dictionary of
        // LZMA is no larger than the contents, which end where the directory says.
        (CompressionMethod::Xz, true) => return Err(hidden_dictionary()),
        (CompressionMethod::Lzma, true) if member.size > u64::from(DICTIONARY_BYTES) => {
            return Err(hidden_dictionary());
        }
        _ => {}
    }
    let password = password.filter(|_| member.is_encrypted).map(|password| password.expose().as_bytes());
    let options = ZipReadOptions::new().password(password);
    match archive.by_index_with_options(member.index, options) {
        Ok(reader) => Ok(Box::new(reader)),
        Err(ZipError::InvalidPassword) => Err(wrong_password()),
        Err(error) => Err(of_opening(&error)),
    }
}

/// Opens a file that is compressed with xz, because the archive's own reader takes as much memory as the file asks for.
fn read_xz(archive: &mut Zip, index: usize) -> Result<Box<dyn Read + '_>, Problem> {
    let raw = archive.by_index_raw(index).map_err(|error| of_opening(&error))?;
    let expected = raw.crc32();
    let inner = decompressed(raw, Compression::Xz).map_err(|error| Problem::of_reading(&error))?;
    Ok(Box::new(Checked { inner, crc: Crc::new(), expected }))
}

/// Compares the checksum of what was read with that of the directory.
struct Checked<R> {
    inner: R,
    crc: Crc,
    expected: u32,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(out)?;
        self.crc.update(&out[..count]);
        if count == 0 && !out.is_empty() && self.crc.sum() != self.expected {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its checksum is wrong"));
        }
        Ok(count)
    }
}

/// Refuses a file that is compressed with LZMA and needs much memory.
fn check_dictionary(archive: &mut Zip, index: usize) -> Result<(), Problem> {
    let mut header = [0; 9];
    let mut raw = archive.by_index_raw(index).map_err(|error| of_opening(&error))?;
    raw.read_exact(&mut header).map_err(|error| Problem::of_reading(&error))?;
    // Two bytes of version, two of the length of the properties, one of the properties, and the size of the dictionary.
    let size = u32::from_le_bytes([header[5], header[6], header[7], header[8]]);
    if size > DICTIONARY_BYTES {
        return Err(Problem::of_reading(&io::ErrorKind::OutOfMemory.into()));
    }
    Ok(())
}

fn hidden_dictionary() -> Problem {
    Problem::new(
        Code::ArchiveEncrypted,
        "it is encrypted and compressed with xz, or with LZMA and larger than 128 MiB, so that the memory it needs is not known \
         before it is unpacked",
        "Pack it again with Deflate, or without encryption.",
    )
}

fn wrong_password() -> Problem {
    Problem::new(
        Code::ArchiveEncrypted,
        "the password of the source does not open it",
        "Write the right password in `archive: {password: …}` of the source.",
    )
}

/// The problem with a file. The older encryption cannot tell a wrong password from damage in every case.
fn of_member(problem: Problem, is_encrypted: bool) -> Problem {
    if !is_encrypted || problem.code != Code::ArchiveBroken {
        return problem;
    }
    Problem::new(
        Code::ArchiveEncrypted,
        "the password of the source does not open it, or it is damaged",
        "Check the password in `archive: {password: …}` of the source; if it is right, copy the archive again.",
    )
}

/// The problem behind an error of the archive's reader before a file is read.
fn of_opening(error: &ZipError) -> Problem {
    match error {
        ZipError::Io(error) => Problem::of_reading(error),
        ZipError::CompressionMethodNotSupported(_) => Problem::unknown_method(),
        ZipError::UnsupportedArchive(_) => Problem::broken(
            "it is a part of an archive that is split into several files, or of a kind that elt does not read",
        ),
        _ => Problem::broken("its directory is missing or damaged, as if it was cut off, or it is not a zip archive"),
    }
}
