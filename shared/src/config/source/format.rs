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
    /// Columns at fixed places of each line.
    FixedWidth,
    /// Elements of an XML document.
    Xml,
    /// A spreadsheet. Its content shows which kind it is.
    Workbook,
    /// Apache Parquet.
    Parquet,
    /// Arrow IPC: a file (Feather V2) or a stream.
    Arrow,
    /// No rows, but files that have rows. It is found by suffixes and has no word, and the extraction puts those files into its
    /// place.
    Container(FileContainer),
}

/// The kind of a file that holds other files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileContainer {
    /// A zip archive.
    Zip,
    /// A tar archive, whose bytes may be compressed.
    Tar,
    /// One file or archive that is encrypted with OpenPGP.
    Pgp,
}

impl Choice for FileFormat {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("csv", Self::Csv),
        ("txt", Self::Txt),
        ("json", Self::Json),
        ("ndjson", Self::Ndjson),
        ("jsonl", Self::Ndjson),
        ("fixed_width", Self::FixedWidth),
        ("xml", Self::Xml),
        ("xlsx", Self::Workbook),
        ("xls", Self::Workbook),
        ("ods", Self::Workbook),
        ("parquet", Self::Parquet),
        ("arrow", Self::Arrow),
        ("feather", Self::Arrow),
    ];
}

impl FileFormat {
    /// Whether the beginning of a file shows nothing of it, because the list of its contents is at its end.
    pub fn needs_its_end(self) -> bool {
        matches!(self, Self::Workbook | Self::Parquet | Self::Arrow | Self::Container(_))
    }
}
