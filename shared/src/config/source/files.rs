//! The keys by which a source says how its files are read. They are the same in every kind of source that has files.

use std::sync::Arc;

use super::csv::{self, CsvOptions};
use super::excel::{self, ExcelOptions};
use super::format::FileFormat;
use super::json_path;
use super::path_columns::{self, PathColumns};
use crate::config::keys::{Key, Shape};
use crate::config::reader::Field;
use crate::config::section::Section;
use crate::config::shaping::{self, Shaping};

/// How the files of a source are read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FileOptions {
    /// Format of every file. `None`: by the suffix of each, and files of other suffixes are not read.
    pub format: Option<FileFormat>,
    /// How CSV and TXT files are read.
    pub csv: CsvOptions,
    /// How workbooks are read.
    pub excel: ExcelOptions,
    /// JSON path to the rows of JSON files. `None`: it is found.
    pub records: Option<String>,
    /// Columns whose values stand in the paths of the files.
    pub path_columns: Option<PathColumns>,
    /// What becomes of the columns. `None`: they stay as they are in the file.
    pub shape: Option<Arc<Shaping>>,
}

pub(super) const KEYS: &[Key] = &[
    Key::choice::<FileFormat>(
        "format",
        "What every file of the source holds, whatever its suffix. Default: the suffix of each says it. The suffix of a \
         compression counts in either case.",
    ),
    Key::of("csv", Shape::Section(csv::KEYS), "How CSV and TXT files are read."),
    Key::of(
        "excel",
        Shape::Section(excel::KEYS),
        "How workbooks (`.xlsx`, `.xlsm`, `.xlsb`, `.xls`, `.ods`) are read.",
    ),
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
    shaping::KEY,
];

/// Reads the keys; the defaults for those that are not written.
pub(super) fn read(section: &Section<'_>) -> Option<FileOptions> {
    let csv = csv::read(section.field("csv"));
    let excel = excel::read(section.field("excel"));
    let path_columns = optional(section.field("path_columns"), path_columns::read);
    let shape = shape(section);
    Some(FileOptions {
        format: section.choice("format"),
        records: json_path(section, "records"),
        csv: csv?,
        excel: excel?,
        path_columns: path_columns?,
        shape: shape?,
    })
}

/// Reads `shape:` of a source. `Some(None)`: it is not written.
pub(super) fn shape(section: &Section<'_>) -> Option<Option<Arc<Shaping>>> {
    optional(section.field("shape"), |field| shaping::read(field).map(Arc::new))
}

/// `Some(None)`: not written; `None`: written, and wrong.
fn optional<'a, T>(field: Option<&Field<'a>>, read: impl FnOnce(&Field<'a>) -> Option<T>) -> Option<Option<T>> {
    match field {
        Some(field) => read(field).map(Some),
        None => Some(None),
    }
}
