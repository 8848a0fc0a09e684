//! The run report: what a run read, loaded, changed and left out. Workers write it, the database keeps it, and people
//! see it. Fields are only added, with a default, because reports of earlier releases are read with the same types.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{CheckResult, Outcome, ProbeReport, Rejections, RunProfile, RunState, RunVerification, SourcePreview};
use crate::backfills::Window;

mod columns;
mod files;
#[cfg(test)]
mod tests;

pub use columns::{ColumnReport, DecidingCell, Drift};
pub use files::{FileDialect, FileReceipt, LeftOut, LeftOutKind};

/// The work of a run. Kept in the target beside the rows, and with the run.
///
/// A partial report is that of a run that ended without loading anything: it has only `rejected` and `checks`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RunReport {
    /// True for a partial report.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
    /// The outcome of the run. `null` until its last step is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The part of time that the sources were asked for, by a run of a backfill.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
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
    /// What was read and is neither loaded nor rejected: blank lines, lines above the header, rows that `where` of a shape leaves
    /// out, and rows that are older than `target.partition.keep`.
    pub rows_filtered: u64,
    /// Rows that a replace or an undo deleted from the table.
    pub rows_deleted: u64,
    /// Size of all files as they were read, in bytes.
    pub bytes: u64,
    /// The target table, `schema.table`.
    pub table: String,
    /// The receipts of the first thousand files, in the order they were read. The target has those of all files.
    pub files: Vec<FileReceipt>,
    /// Number of files that were read.
    pub files_total: u64,
    /// The tables of a run with a table for each file, in the order of their names. The numbers of the report are their sums.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<TableReport>,
    /// The loaded columns, with their types and the reasons for them.
    pub columns: Vec<ColumnReport>,
    /// Differences from the contract, or from the table as it was.
    pub drift: Vec<Drift>,
    /// Statements that created or changed the table, in order.
    pub ddl: Vec<String>,
    /// Duration of each stage.
    pub stages: Stages,
    /// The first thousand files that were not read, and the reasons.
    pub left_out: Vec<LeftOut>,
    /// Number of files that were not read.
    pub left_out_total: u64,
    /// Sentences about what needs attention; the first hundred.
    pub warnings: Vec<String>,
    /// The incremental sources: where each began to read, and where its next run begins.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub incremental: Vec<IncrementalReport>,
    /// A sentence about each partition that the run detached because it is older than `target.partition.keep`; of a plan, about
    /// those that a run would detach.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub old_partitions: Vec<String>,
    /// Models of `transform:` that were rebuilt, `totals (view)`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Path of the combined output, which is a CSV unless `output:` says otherwise; `null` when the run wrote none.
    pub combined_csv: Option<String>,
    /// First new rows of a plan, as texts in the order of `columns`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<Vec<Option<String>>>,
    /// The results of a test of the connections: the sources in their order, then the target, then the combined CSV
    /// when it cannot be written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub connections: Vec<ProbeReport>,
    /// The beginnings of the sources, in their order, when the test of the connections was asked for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub previews: Vec<SourcePreview>,
    /// The result of a verification; `null` for runs of other kinds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verification: Option<RunVerification>,
    /// The first rejected rows and the reasons of all of them; `null` when no row was rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected: Option<Rejections>,
    /// The results of the config's checks, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckResult>,
    /// What the values of each column look like. It travels with the report, so that it commits with the rows; the control
    /// database keeps it in a table of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub profile: Option<RunProfile>,
    /// The loading attempt was lost after its commit; this attempt found its work done and took over the report.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub finished_from_marker: bool,
    /// The run that this one repeats and that had loaded: its rows are the ones this report counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loaded_by: Option<Uuid>,
    /// The run that last read these files, and left the table and the combined output as they are. This run found all of that
    /// unchanged, so it read no row: every row is counted as one that was there already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unchanged_since: Option<Uuid>,
    /// What the run left behind, by which a later run finds out that nothing has changed. `null`: a later run reads its files in
    /// any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_behind: Option<LeftBehind>,
    /// The lists of files were removed, because the run is older than `ELT_KEEP_REPORTS_DAYS`. The numbers are complete.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub lists_removed: bool,
}

/// Files and left-out files that a report lists at most.
const LISTED_FILES: usize = 1_000;
/// Warnings that a report lists at most.
const LISTED_WARNINGS: usize = 100;

impl RunReport {
    /// Adds a table to a report about several, with its numbers.
    pub fn add_table(&mut self, table: TableReport) {
        self.files_total += table.files_total;
        self.rows_read += table.rows_read;
        self.rows_inserted += table.rows_inserted;
        self.rows_updated += table.rows_updated;
        self.rows_duplicate += table.rows_duplicate;
        self.rows_quarantined += table.rows_quarantined;
        self.rows_filtered += table.rows_filtered;
        self.rows_deleted += table.rows_deleted;
        self.left_out_total += table.left_out_total;
        self.tables.push(table);
    }

    /// The outcome of the run, from the report as it is now.
    pub fn judge(&self) -> Outcome {
        if !self.tables.is_empty() {
            return self.judge_tables();
        }
        if self.nothing_loaded() {
            return Outcome::NothingLoaded;
        }
        let unusable = self.connections.iter().any(|connection| !connection.usable)
            || self.previews.iter().any(|preview| preview.problem.is_some());
        let lost = self.rows_quarantined > 0 || self.left_out_total > 0;
        if unusable || lost || !self.warnings.is_empty() { Outcome::WithWarnings } else { Outcome::Clean }
    }

    /// The outcome of a run with several tables: clean if it is that for each of them and no file was left out.
    fn judge_tables(&self) -> Outcome {
        let is = |outcome| self.tables.iter().all(|table| table.outcome == Some(outcome));
        if is(Outcome::NothingLoaded) {
            return Outcome::NothingLoaded;
        }
        let lost = self.left_out_total > 0 || !self.warnings.is_empty();
        if is(Outcome::Clean) && !lost { Outcome::Clean } else { Outcome::WithWarnings }
    }

    /// Whether rows or files arrived and none of them is in the table, or no connection that was tried can be used.
    fn nothing_loaded(&self) -> bool {
        if !self.connections.is_empty() {
            return self.connections.iter().all(|connection| !connection.usable);
        }
        if !self.previews.is_empty() {
            return self.previews.iter().all(|preview| preview.problem.is_some());
        }
        // Rows that were in the table before are there: an unchanged source that is loaded again has lost nothing.
        let arrived = self.rows_inserted + self.rows_updated + self.rows_duplicate;
        // A check loads nothing, so it counts as arrived what it could read.
        let readable = self.rows_read.saturating_sub(self.rows_filtered + self.rows_quarantined);
        // A file with another suffix that is left out beside an empty file is not a loss. When every file is left out, the
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

/// One table of a run with a table for each file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct TableReport {
    /// The table as its run names it.
    pub table: String,
    /// The run that loaded it, with the report. `None` in a plan and a check, which make no further runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<Uuid>,
    /// The state of that run. `None` in a plan and a check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<RunState>,
    /// The outcome. `None` unless the table was loaded, or could be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Stable code of the failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// The failure as a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Number of files that were read.
    pub files_total: u64,
    /// See [`RunReport`].
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
    /// See [`RunReport`].
    pub rows_deleted: u64,
    /// Number of files that were not read.
    pub left_out_total: u64,
    /// The report of a plan or a check about this table.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(no_recursion)]
    pub report: Option<Box<RunReport>>,
}

impl TableReport {
    /// A table with the numbers of a report about it.
    pub fn of(report: &RunReport) -> Self {
        Self {
            table: report.table.clone(),
            outcome: report.outcome,
            files_total: report.files_total,
            rows_read: report.rows_read,
            rows_inserted: report.rows_inserted,
            rows_updated: report.rows_updated,
            rows_duplicate: report.rows_duplicate,
            rows_quarantined: report.rows_quarantined,
            rows_filtered: report.rows_filtered,
            rows_deleted: report.rows_deleted,
            left_out_total: report.left_out_total,
            ..Self::default()
        }
    }
}

/// What an incremental source was asked for, and its cursor afterwards.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct IncrementalReport {
    /// Kind and place of the source, without secrets.
    pub source: String,
    /// Column or path of the cursor in a row.
    pub cursor: String,
    /// The value that the source was asked from. `null`: it was asked for everything.
    pub since: Option<String>,
    /// The value that the source was asked up to. `null`: it was asked for everything from `since` on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// The cursor after the run, the greatest value that was loaded. `null`: there is no cursor yet.
    pub next: Option<String>,
    /// Whether the run moved the cursor.
    pub moved: bool,
    /// Rows without a value that can be compared. They are loaded, and do not move the cursor.
    pub rows_without: u64,
    /// A sentence about it: where the next run begins, and why the cursor was not moved.
    pub says: String,
}

/// What a run left behind. The values are compared for equality only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct LeftBehind {
    /// Hash of the config with its references resolved, and of the release that read the files.
    pub config_hash: String,
    /// Hash of the table's identity and columns.
    pub table_hash: String,
    /// Number of rows of the table with a row hash.
    pub rows: u64,
    /// Sum of their row hashes modulo 2^128.
    pub row_hash_sum: String,
    /// xxh3-128 of the combined output. `null`: the run wrote none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_hash: Option<Uuid>,
}

/// Duration of each stage, in seconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Stages {
    /// Seconds for getting the files from the sources.
    pub extract: f64,
    /// Looking at every cell and deciding columns. For a load that began early, and committed at its first try, only looking at the
    /// first rows, because the rest is part of `load`.
    pub validate: f64,
    /// Converting, sending and committing, without the checks.
    pub load: f64,
    /// Trying the config's checks, before the commit.
    pub check: f64,
    /// Making the models of `transform:`.
    pub transform: f64,
}
