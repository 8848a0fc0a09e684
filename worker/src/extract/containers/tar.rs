//! Tar archives, which are read from start to end.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, Read};

use elt_shared::explained::Code;
use tar::{Archive, Entry, EntryType};

use super::meter::Allowance;
use super::names::EntryName;
use super::opening::{Inside, Opening};
use super::problem::{Halt, Problem};
use crate::input::{Compression, decompressed};

/// Most bytes of the headers of one file: its name, the target of a link, and extended attributes.
const HEADER_BYTES: u64 = 1 << 20;

/// Unpacks every file of an archive that is wanted.
pub(super) fn unpack(opening: &mut Opening<'_>, file: File, compression: Compression, at: &Inside) -> Result<(), Halt> {
    let allowance = Allowance::unlimited();
    let bytes = decompressed(BufReader::new(file), compression).map_err(|error| Problem::of_reading(&error))?;
    let mut archive = Archive::new(allowance.limit(opening.meter.passing(bytes)));
    let mut names = HashSet::new();
    let mut entries = archive.entries().map_err(|error| broken(&error, &allowance))?;
    loop {
        allowance.set(HEADER_BYTES);
        let entry = entries.next().transpose().map_err(|error| broken(&error, &allowance))?;
        allowance.lift();
        opening.meter.check()?;
        let Some(mut entry) = entry else { break };
        opening.meter.count_entries(1)?;
        let name = EntryName::of(&entry.path_bytes());
        let (size, read) = match kind(&mut entry) {
            Kind::File => match opening.judge(&name, at) {
                Some(wanted) => {
                    if !names.insert(name.path.clone()) {
                        opening.take_back(&name, at);
                    }
                    (entry.size(), opening.take(&name, at, wanted, &mut entry)?)
                }
                None => (entry.size(), opening.pass_over(&mut entry)?),
            },
            Kind::Folder => (entry.size(), opening.pass_over(&mut entry)?),
            Kind::Other(reason) => {
                opening.skip_other(&name, at, reason);
                (entry.size(), opening.pass_over(&mut entry)?)
            }
            Kind::Unreadable(problem) => {
                opening.fail(&name, at, problem);
                (entry.size(), opening.pass_over(&mut entry)?)
            }
        };
        if size != read {
            return Err(cut_off().into());
        }
    }
    // Two empty blocks end an archive. An archive that was cut off between two files has none.
    if allowance.has_ended() {
        return Err(cut_off().into());
    }
    // The checksum of the compressed data is at its end.
    opening.pass_over(&mut archive.into_inner())?;
    Ok(())
}

enum Kind {
    File,
    Folder,
    Other(&'static str),
    Unreadable(Problem),
}

fn kind<R: Read>(entry: &mut Entry<'_, R>) -> Kind {
    match entry.header().entry_type() {
        EntryType::Directory | EntryType::XGlobalHeader => Kind::Folder,
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            // Archives of the oldest format have folders as files whose names end with a slash.
            if entry.path_bytes().ends_with(b"/") {
                return Kind::Folder;
            }
            match has_gaps(entry) {
                true => Kind::Unreadable(Problem::new(
                    Code::ArchiveBroken,
                    "its gaps are stored in a way that elt does not read",
                    "Pack it again without `--sparse`.",
                )),
                false => Kind::File,
            }
        }
        EntryType::Link | EntryType::Symlink => Kind::Other("it is a link, and links in archives are not followed"),
        EntryType::Char | EntryType::Block | EntryType::Fifo => Kind::Other("it is a FIFO or a device, not a file"),
        _ => Kind::Other("it is of a kind that elt does not know"),
    }
}

/// Whether a file is a sparse one of the newer format, whose contents begin with a list of its gaps.
fn has_gaps<R: Read>(entry: &mut Entry<'_, R>) -> bool {
    let Ok(Some(attributes)) = entry.pax_extensions() else { return false };
    attributes.flatten().any(|attribute| attribute.key_bytes().starts_with(b"GNU.sparse."))
}

fn cut_off() -> Problem {
    Problem::broken("it ends in the middle, as if it was cut off")
}

fn broken(error: &std::io::Error, allowance: &Allowance) -> Problem {
    if allowance.is_used_up() {
        return Problem::broken(format_args!("the headers of a file are larger than {} MiB", HEADER_BYTES >> 20));
    }
    if allowance.has_ended() {
        return cut_off();
    }
    match error.kind() {
        std::io::ErrorKind::Other => Problem::broken("it is damaged, or is not a tar archive"),
        _ => Problem::of_reading(error),
    }
}
