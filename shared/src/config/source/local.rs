//! `type: local`: files a worker can read.

use super::csv::{self, CsvOptions};
use super::json_path;
use crate::config::keys::{Key, Shape};
use crate::config::section::Section;

/// `type: local`.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalSource {
    /// A folder, a file or a glob, as written (relative to the worker's working folder).
    pub path: String,
    /// Joined to a folder: which files below it.
    pub glob: Option<String>,
    /// Look into folders below.
    pub recursive: bool,
    /// How CSV and TXT files are read.
    pub csv: CsvOptions,
    /// JSON path to the rows of JSON files.
    pub records: Option<String>,
    /// Seconds that a file must stay unchanged before it is loaded.
    pub settle_seconds: u64,
}

pub(super) const KEYS: &[Key] = &[
    Key::text("path", "A folder, a file or a glob, relative to the worker's working folder.")
        .or(&["folder", "folder_path", "directory"])
        .required(),
    Key::text("glob", "Which files below the folder `path`."),
    Key::flag("recursive", "Look into folders below."),
    Key::of("csv", Shape::Section(csv::KEYS), "How CSV and TXT files are read."),
    Key::text(
        "records",
        "JSON path to the rows of JSON files, `data.items`, or `$` when an object is the row. Default: the elements of \
         an object's only member that is an array of objects; what was found holds for later runs.",
    )
    .or(&["records_path"]),
    super::SETTLE_KEY,
];

pub(super) fn read(section: &Section<'_>) -> Option<LocalSource> {
    let path = section.required_text("path");
    let csv = csv::read(section.field("csv"));
    // The required ones come last: whatever else is wrong is told together with them.
    Some(LocalSource {
        glob: section.filled_text("glob"),
        recursive: section.flag("recursive").unwrap_or(false),
        records: json_path(section, "records"),
        settle_seconds: super::settle_seconds(section),
        path: path?,
        csv: csv?,
    })
}
