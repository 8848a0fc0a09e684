//! The files of a run report: the receipt of each file that was read, and the files that were left out.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The rows of one file. Those read are the sum of the others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct FileReceipt {
    /// The file as people see it.
    pub name: String,
    /// Size in bytes.
    pub bytes: u64,
    /// xxh3-128 of its content, as 32 hexadecimal digits.
    pub content_hash: String,
    /// The delimiter it was read with, as it would be written in the config; `null` for JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<String>,
    /// How else a delimited file was read; `null` for other formats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dialect: Option<FileDialect>,
    /// Number of records that were found in the file.
    pub rows_read: u64,
    /// Rows inserted into the table.
    pub rows_inserted: u64,
    /// Rows of the table that it updated.
    pub rows_updated: u64,
    /// Rows that were in the table already, or came more than once.
    pub rows_duplicate: u64,
    /// Rows that were rejected.
    pub rows_quarantined: u64,
    /// What was read and is neither loaded nor rejected: blank lines, rows that `where` of the shape leaves out, and rows that are
    /// older than `target.partition.keep`.
    pub rows_filtered: u64,
}

impl FileReceipt {
    /// Whether every row read is accounted for.
    pub fn balances(&self) -> bool {
        self.rows_read
            == self.rows_inserted + self.rows_updated + self.rows_duplicate + self.rows_quarantined + self.rows_filtered
    }
}

/// How a delimited file was read: as its config says, and as it was found where the config says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct FileDialect {
    /// WHATWG name of the encoding, such as `utf-8` or `windows-1252`.
    pub encoding: String,
    /// The quote as it would be written in the config, `none` when no character encloses cells.
    pub quote: String,
    /// Line of the header, counted from 1. `null`: the file has no header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_line: Option<u64>,
    /// Number of lines above the header that the config or a `sep=` line passes over.
    pub skipped_lines: u64,
    /// Number of lines at the end that are not rows.
    pub footer_lines: u64,
    /// The decimal separator that the config names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decimal: Option<String>,
    /// The separator between groups of digits that the config names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thousands: Option<String>,
}

/// A file that was not read, and the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LeftOut {
    /// The file as people see it.
    pub name: String,
    /// Whether it should have been read.
    pub kind: LeftOutKind,
    /// Why the file was left out, as a sentence.
    pub reason: String,
}

/// Whether a file that was not read should have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum LeftOutKind {
    /// The source does not read it, for its suffix, or because it may still be written.
    Skipped,
    /// It is one of the source's files, but could not be read.
    Failed,
}
