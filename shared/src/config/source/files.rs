//! The keys by which a source says how its files are read. They are the same in every kind of source that has files.

use super::csv::{self, CsvOptions};
use super::excel::{self, ExcelOptions};
use super::json_path;
use crate::config::keys::{Key, Shape};
use crate::config::section::Section;

/// How the files of a source are read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FileOptions {
    /// How CSV and TXT files are read.
    pub csv: CsvOptions,
    /// How workbooks are read.
    pub excel: ExcelOptions,
    /// JSON path to the rows of JSON files. `None`: it is found.
    pub records: Option<String>,
}

pub(super) const KEYS: &[Key] = &[
    Key::of("csv", Shape::Section(csv::KEYS), "How CSV and TXT files are read."),
    Key::of("excel", Shape::Section(excel::KEYS), "How workbooks (`.xlsx`, `.xlsm`, `.xlsb`, `.xls`, `.ods`) are read."),
    Key::text(
        "records",
        "JSON path to the rows of JSON files, `data.items`, or `$` when an object is the row. Default: the elements of \
         an object's only member that is an array of objects; what was found holds for later runs.",
    )
    .or(&["records_path"]),
];

/// Reads the keys; the defaults for those that are not written.
pub(super) fn read(section: &Section<'_>) -> Option<FileOptions> {
    let csv = csv::read(section.field("csv"));
    let excel = excel::read(section.field("excel"));
    Some(FileOptions { records: json_path(section, "records"), csv: csv?, excel: excel? })
}
