//! The keys by which a source says how its files are read. They are the same in every kind of source that has files.

use std::sync::Arc;

use super::csv::{self, CsvOptions};
use super::json_path;
use crate::config::keys::{Key, Shape};
use crate::config::section::Section;
use crate::config::shaping::{self, Shaping};

/// How the files of a source are read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FileOptions {
    /// How CSV and TXT files are read.
    pub csv: CsvOptions,
    /// JSON path to the rows of JSON files. `None`: it is found.
    pub records: Option<String>,
    /// What becomes of the columns. `None`: they stay as they are in the file.
    pub shape: Option<Arc<Shaping>>,
}

pub(super) const KEYS: &[Key] = &[
    Key::of("csv", Shape::Section(csv::KEYS), "How CSV and TXT files are read."),
    Key::text(
        "records",
        "JSON path to the rows of JSON files, `data.items`, or `$` when an object is the row. Default: the elements of \
         an object's only member that is an array of objects; what was found holds for later runs.",
    )
    .or(&["records_path"]),
    shaping::KEY,
];

/// Reads the keys; the defaults for those that are not written.
pub(super) fn read(section: &Section<'_>) -> Option<FileOptions> {
    let shape = shape(section);
    Some(FileOptions { records: json_path(section, "records"), csv: csv::read(section.field("csv"))?, shape: shape? })
}

/// Reads `shape:` of a source. `Some(None)`: it is not written.
pub(super) fn shape(section: &Section<'_>) -> Option<Option<Arc<Shaping>>> {
    match section.field("shape") {
        Some(field) => shaping::read(field).map(|shape| Some(Arc::new(shape))),
        None => Some(None),
    }
}
