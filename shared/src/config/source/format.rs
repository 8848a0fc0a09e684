//! `format:`: what the files of a source hold, when their suffixes do not say it.

use crate::config::keys::Choice;

/// The format of a file's contents. A new format is a variant and a word here, its suffixes in the worker's `input/format.rs`,
/// and a reader in the worker's `frame/read.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// Separated by commas unless the config names another delimiter.
    Csv,
    /// Separated by pipe, tab, `;` or `,`, which is found from the contents.
    Txt,
    /// An array of objects, one object, or NDJSON under the same suffix.
    Json,
    /// One JSON value on each line.
    Ndjson,
    /// A spreadsheet. Its content shows which kind it is.
    Workbook,
}

impl Choice for FileFormat {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("csv", Self::Csv),
        ("txt", Self::Txt),
        ("json", Self::Json),
        ("ndjson", Self::Ndjson),
        ("jsonl", Self::Ndjson),
        ("xlsx", Self::Workbook),
        ("xls", Self::Workbook),
        ("ods", Self::Workbook),
    ];
}
