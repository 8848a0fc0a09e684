//! The result of comparing the table and the sources with what an earlier run loaded.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// What a verification found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RunVerification {
    /// The run whose rows were compared.
    pub run: Uuid,
    /// Whether nothing was found that differs from what the run loaded without elt having changed it.
    pub agrees: bool,
    /// Rows that the run inserted or updated.
    pub rows_written: u64,
    /// Rows of the table that the run wrote last.
    pub rows_there: u64,
    /// Rows among them whose values are others than those that the run wrote.
    pub rows_changed: u64,
    /// The hashes (`_elt_row_hash`) of the first of these rows.
    pub changed: Vec<Uuid>,
    /// Rows of unchanged files that the table lacks or has with other values.
    pub rows_missing: u64,
    /// The files of the run, the first thousand.
    pub files: Vec<VerifiedFile>,
    /// Sentences about what was found, for people.
    pub says: Vec<String>,
}

/// A file that the run loaded, as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VerifiedFile {
    /// The file as people see it.
    pub name: String,
    /// Its state compared with the run.
    pub state: VerifiedState,
    /// Rows of it that the table lacks or has with other values. Always 0 for a file that is not the same.
    pub rows_missing: u64,
}

/// The state of a file compared with an earlier run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VerifiedState {
    /// It has the same content.
    Same,
    /// The file no longer has the content that was loaded.
    Changed,
    /// It is no longer among the files of the source, or cannot be read.
    Gone,
    /// It was not looked at: an answer of an API, which cannot be asked for again, or one of more than a thousand files.
    NotCompared,
}
