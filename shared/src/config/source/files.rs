//! The keys by which a source says how its files are read. They are the same in every kind of source that has files.

use super::archive::{self, ArchiveOptions};
use super::csv::{self, CsvOptions};
use super::json_path;
use super::pgp::{self, PgpOptions};
use crate::config::keys::{Key, Shape};
use crate::config::section::Section;

/// How the files of a source are read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FileOptions {
    /// How CSV and TXT files are read.
    pub csv: CsvOptions,
    /// JSON path to the rows of JSON files. `None`: it is found.
    pub records: Option<String>,
    /// How archives are opened.
    pub archive: ArchiveOptions,
    /// How encrypted files are decrypted. `None`: they are left out.
    pub pgp: Option<PgpOptions>,
}

pub(super) const KEYS: &[Key] = &[
    Key::of("csv", Shape::Section(csv::KEYS), "How CSV and TXT files are read."),
    Key::text(
        "records",
        "JSON path to the rows of JSON files, `data.items`, or `$` when an object is the row. Default: the elements of \
         an object's only member that is an array of objects; what was found holds for later runs.",
    )
    .or(&["records_path"]),
    Key::of("archive", Shape::Section(archive::KEYS), "How zip and tar archives are opened."),
    Key::of("pgp", Shape::Section(pgp::KEYS), "How files that are encrypted with OpenPGP are decrypted."),
];

/// Reads the keys; the defaults for those that are not written.
pub(super) fn read(section: &Section<'_>) -> Option<FileOptions> {
    let (csv, archive) = (csv::read(section.field("csv")), archive::read(section.field("archive")));
    let pgp = pgp::read(section.field("pgp"));
    Some(FileOptions { records: json_path(section, "records"), csv: csv?, archive: archive?, pgp: pgp? })
}
