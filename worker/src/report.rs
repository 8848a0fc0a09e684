//! The run report: what a run read, loaded, changed and left out. Kept with the run and shown to people.

use elt_shared::config::ColumnType;
use serde::{Deserialize, Serialize};

use crate::extract::LeftOut;
use crate::extract::probe::ProbeReport;

/// What a run did. Kept in the target beside the rows, and with the run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunReport {
    /// Rows found in all files: `inserted + updated + duplicate + quarantined + filtered`.
    pub rows_read: u64,
    /// Rows that were not in the table before.
    pub rows_inserted: u64,
    /// Rows of a merge that replaced the row of their key.
    pub rows_updated: u64,
    /// Rows that were there already, or came more than once.
    pub rows_duplicate: u64,
    /// Rows kept in quarantine.
    pub rows_quarantined: u64,
    /// Blank lines and lines above the header.
    pub rows_filtered: u64,
    /// Rows of the table a replace took away.
    pub rows_deleted: u64,
    /// Bytes of all files as they were read.
    pub bytes: u64,
    /// The table, `schema.table`.
    pub table: String,
    /// One receipt a file, in the order they were read; the first thousand. The target has all of them.
    pub files: Vec<FileReceipt>,
    /// How many files were read.
    pub files_total: u64,
    /// The columns loaded, their types and why.
    pub columns: Vec<ColumnReport>,
    /// What is different from the contract or the table as it was.
    pub drift: Vec<Drift>,
    /// Statements that changed the table's shape, in order.
    pub ddl: Vec<String>,
    /// Seconds each stage took.
    pub stages: Stages,
    /// Files that were not read, and why; the first thousand.
    pub left_out: Vec<LeftOut>,
    /// How many files were not read.
    pub left_out_total: u64,
    /// Sentences to look at.
    pub warnings: Vec<String>,
    /// Models of `transform:` that were made anew, `totals (view)`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Where the combined CSV is.
    pub combined_csv: Option<String>,
    /// A plan's first new rows, as texts in the order of `columns`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<Vec<Option<String>>>,
    /// What a test of the connections showed: the sources in their order, then the target, then the combined CSV when it
    /// cannot be written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub connections: Vec<ProbeReport>,
    /// The loading attempt was lost after its commit; this attempt found its work done and took over the report.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub finished_from_marker: bool,
}

/// A report lists up to so many files.
const LISTED_FILES: usize = 1_000;
/// A report has up to so many warnings.
const LISTED_WARNINGS: usize = 100;

impl RunReport {
    /// Counts what is listed and cuts the lists: a report stays small however many files a run has.
    pub fn bound(&mut self) {
        self.files_total = self.files.len() as u64;
        self.left_out_total = self.left_out.len() as u64;
        self.files.truncate(LISTED_FILES);
        self.left_out.truncate(LISTED_FILES);
        if self.warnings.len() > LISTED_WARNINGS {
            let more = self.warnings.len() - LISTED_WARNINGS;
            self.warnings.truncate(LISTED_WARNINGS);
            self.warnings.push(format!("… and {more} more"));
        }
    }
}

/// What became of the rows of one file. It always balances.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FileReceipt {
    /// What people see.
    pub name: String,
    /// Bytes.
    pub bytes: u64,
    /// xxh3-128 of its bytes, 32 hexadecimal digits.
    pub content_hash: String,
    /// The delimiter it was read with, as it would be written in the config; `None` for JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<String>,
    /// Rows found.
    pub rows_read: u64,
    /// See [`RunReport`].
    pub rows_inserted: u64,
    /// See [`RunReport`].
    pub rows_updated: u64,
    /// See [`RunReport`].
    pub rows_duplicate: u64,
    /// See [`RunReport`].
    pub rows_quarantined: u64,
    /// See [`RunReport`].
    pub rows_filtered: u64,
}

impl FileReceipt {
    /// Whether every row read is accounted for.
    pub fn balances(&self) -> bool {
        self.rows_read
            == self.rows_inserted + self.rows_updated + self.rows_duplicate + self.rows_quarantined + self.rows_filtered
    }
}

/// A column of the table, and why it has its type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnReport {
    /// Name in the table.
    pub name: String,
    /// The type as SQL.
    #[serde(rename = "type")]
    pub sql_type: String,
    /// A sentence: `balance is text because orders3.csv:812 has "12 EUR"`.
    pub because: String,
    /// The cell that decided, when one did.
    pub decided_by: Option<DecidingCell>,
    /// Rows in which it is NULL.
    pub nulls: u64,
}

/// The cell that ruled a narrower type out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecidingCell {
    /// File as people see it.
    pub file: String,
    /// 1-based.
    pub line: u64,
    /// The text, cut.
    pub value: String,
}

/// One difference between what came and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "change")]
pub enum Drift {
    /// A column the table did not have.
    Added {
        /// Its name.
        column: String,
        /// Its type.
        #[serde(rename = "type")]
        column_type: ColumnType,
    },
    /// A column's type got wider.
    Widened {
        /// Its name.
        column: String,
        /// Before, as SQL.
        from: String,
        /// Now.
        to: ColumnType,
        /// The cell that did not fit.
        decided_by: Option<DecidingCell>,
    },
    /// A column of the table that no file has.
    Missing {
        /// Its name.
        column: String,
    },
    /// A column of the files that is not loaded.
    LeftOut {
        /// Its name.
        column: String,
        /// Why: `strict`, `on_extra_column`, `generated`.
        reason: String,
    },
}

/// Seconds each stage took.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stages {
    /// Getting the files.
    pub extract: f64,
    /// Looking at every cell and deciding columns.
    pub validate: f64,
    /// Converting, sending and committing.
    pub load: f64,
    /// Making the models of `transform:`.
    pub transform: f64,
}
