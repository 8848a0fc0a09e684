//! The run report: what a run read, loaded, changed and left out. Kept with the run and shown to people.

use elt_shared::config::ColumnType;
use elt_shared::runs::Outcome;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::extract::probe::ProbeReport;
use crate::extract::{LeftOut, LeftOutKind};
use crate::rejections::Rejections;

/// What a run did. Kept in the target beside the rows, and with the run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunReport {
    /// The outcome of the run. `None` until its last step is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
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
    /// The results of a test of the connections: the sources in their order, then the target, then the combined CSV
    /// when it cannot be written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub connections: Vec<ProbeReport>,
    /// The first rejected rows and the reasons of all of them; `None` when no row was rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected: Option<Rejections>,
    /// The loading attempt was lost after its commit; this attempt found its work done and took over the report.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub finished_from_marker: bool,
    /// The run that this one repeats and that had loaded: its rows are the ones this report counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loaded_by: Option<Uuid>,
}

/// A report lists up to so many files.
const LISTED_FILES: usize = 1_000;
/// A report has up to so many warnings.
const LISTED_WARNINGS: usize = 100;

impl RunReport {
    /// The outcome of the run, from the report as it is now.
    pub fn judge(&self) -> Outcome {
        if self.nothing_loaded() {
            return Outcome::NothingLoaded;
        }
        let unusable = self.connections.iter().any(|connection| !connection.usable);
        let lost = self.rows_quarantined > 0 || self.left_out_total > 0;
        if unusable || lost || !self.warnings.is_empty() { Outcome::WithWarnings } else { Outcome::Clean }
    }

    /// Whether rows or files arrived and none of them is in the table, or no connection that was tried can be used.
    fn nothing_loaded(&self) -> bool {
        if !self.connections.is_empty() {
            return self.connections.iter().all(|connection| !connection.usable);
        }
        // Rows that were in the table before are there: an unchanged source that is loaded again has lost nothing.
        let arrived = self.rows_inserted + self.rows_updated + self.rows_duplicate;
        // A check loads nothing, so it counts as arrived what it could read.
        let readable = self.rows_read.saturating_sub(self.rows_filtered + self.rows_quarantined);
        // A file with another suffix that is left out beside an empty file is no loss. When every file is left out, the
        // source was not empty, so nothing of it was loaded.
        let failed_files = self.left_out.iter().any(|file| file.kind == LeftOutKind::Failed);
        let only_left_out = self.left_out_total > 0 && self.files_total == 0;
        arrived == 0 && readable == 0 && (self.rows_quarantined > 0 || failed_files || only_left_out)
    }

    /// Counts what is listed and cuts the lists: a report stays small however many files a run has.
    pub fn bound(&mut self) {
        self.files_total = self.files.len() as u64;
        self.left_out_total = self.left_out.len() as u64;
        if self.left_out.len() > LISTED_FILES {
            // Failed files are what people must see, so they are not the ones that are cut off.
            self.left_out.sort_by_key(|file| file.kind == LeftOutKind::Skipped);
        }
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

#[cfg(test)]
mod tests {
    use elt_shared::explained::{Code, Explained};

    use super::*;
    use crate::extract::probe::ProbeReport;

    fn left_out(kind: LeftOutKind) -> Vec<LeftOut> {
        vec![LeftOut { name: "a.csv".into(), kind, reason: "a reason".into() }]
    }

    fn report(change: impl FnOnce(&mut RunReport)) -> RunReport {
        let mut report = RunReport::default();
        change(&mut report);
        let listed = report.files_total;
        report.bound();
        report.files_total = listed;
        report
    }

    fn tried(usable: bool) -> ProbeReport {
        if usable {
            return ProbeReport::usable("target", String::new(), 0.1);
        }
        ProbeReport::failed(Explained::new(Code::Io, "no", "none"))
    }

    #[test]
    fn a_run_that_lost_nothing_is_clean() {
        for clean in [
            report(|_| ()),
            report(|new| (new.rows_read, new.rows_inserted) = (3, 3)),
            report(|again| (again.rows_read, again.rows_duplicate) = (3, 3)),
            report(|blank| (blank.rows_read, blank.rows_filtered) = (2, 2)),
            report(|undo| undo.rows_deleted = 3),
            report(|check| check.rows_read = 3),
            report(|test| test.connections = vec![tried(true), tried(true)]),
        ] {
            assert_eq!(clean.judge(), Outcome::Clean, "{clean:#?}");
        }
    }

    #[test]
    fn a_run_that_lost_something_has_warnings() {
        for warned in [
            report(|rows| (rows.rows_read, rows.rows_inserted, rows.rows_quarantined) = (3, 2, 1)),
            report(|again| (again.rows_read, again.rows_duplicate, again.rows_quarantined) = (3, 2, 1)),
            report(|one| (one.rows_read, one.rows_inserted, one.left_out) = (3, 3, left_out(LeftOutKind::Failed))),
            report(|beside| (beside.files_total, beside.left_out) = (1, left_out(LeftOutKind::Skipped))),
            report(|said| (said.rows_inserted, said.warnings) = (3, vec!["look".into()])),
            report(|test| test.connections = vec![tried(true), tried(false)]),
        ] {
            assert_eq!(warned.judge(), Outcome::WithWarnings, "{warned:#?}");
        }
    }

    #[test]
    fn a_run_of_which_nothing_arrived_says_so() {
        for nothing in [
            report(|rows| (rows.rows_read, rows.rows_quarantined) = (3, 3)),
            report(|rows| (rows.rows_read, rows.rows_quarantined, rows.rows_filtered) = (4, 3, 1)),
            report(|only| only.left_out = left_out(LeftOutKind::Failed)),
            report(|folder| folder.left_out = left_out(LeftOutKind::Skipped)),
            report(|beside| (beside.files_total, beside.left_out) = (1, left_out(LeftOutKind::Failed))),
            report(|test| test.connections = vec![tried(false), tried(false)]),
        ] {
            assert_eq!(nothing.judge(), Outcome::NothingLoaded, "{nothing:#?}");
        }
    }

    #[test]
    fn failed_files_stay_in_a_list_that_is_cut() {
        let skipped = LeftOut { kind: LeftOutKind::Skipped, ..left_out(LeftOutKind::Failed).remove(0) };
        let mut files = vec![skipped; LISTED_FILES];
        files.extend(left_out(LeftOutKind::Failed));
        let mut report = RunReport { left_out: files, ..RunReport::default() };
        report.bound();
        assert_eq!((report.left_out.len(), report.left_out_total), (LISTED_FILES, 1 + LISTED_FILES as u64));
        assert_eq!(report.left_out[0].kind, LeftOutKind::Failed);
        assert_eq!(report.judge(), Outcome::NothingLoaded);
    }
}
