//! The keys by which a source says how its files are read. They are the same in every kind of source that has files.

use super::csv::{self, CsvOptions};
use super::json_path;
use super::path_columns::{self, PathColumns};
use crate::config::keys::{Key, Shape};
use crate::config::section::Section;

/// How the files of a source are read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FileOptions {
    /// How CSV and TXT files are read.
    pub csv: CsvOptions,
    /// JSON path to the rows of JSON files. `None`: it is found.
    pub records: Option<String>,
    /// Columns whose values stand in the paths of the files.
    pub path_columns: Option<PathColumns>,
}

pub(super) const KEYS: &[Key] = &[
    Key::of("csv", Shape::Section(csv::KEYS), "How CSV and TXT files are read."),
    Key::text(
        "records",
        "JSON path to the rows of JSON files, `data.items`, or `$` when an object is the row. Default: the elements of \
         an object's only member that is an array of objects; what was found holds for later runs.",
    )
    .or(&["records_path"]),
    Key::text(
        "path_columns",
        "Columns from the end of each file's path: `region={region}/year={year:int}/*.csv`. `{name}` is a text, `{name:int}` \
         a whole number, `{name:date}` a date.",
    ),
];

/// Reads the keys; the defaults for those that are not written.
pub(super) fn read(section: &Section<'_>) -> Option<FileOptions> {
    let path_columns = match section.field("path_columns") {
        Some(field) => path_columns::read(field).map(Some),
        None => Some(None),
    };
    let csv = csv::read(section.field("csv"));
    Some(FileOptions { records: json_path(section, "records"), csv: csv?, path_columns: path_columns? })
}
