//! The end of a load: quarantine, receipt and marker join the rows, and the transaction commits.

use std::time::Instant;

use elt_shared::config::{LoadMode, OnBadRow, ProfileLevel};
use elt_shared::runs::report::{FileReceipt, RunReport};
use elt_shared::target::{TableRef, quote_ident};
use sqlx::{AssertSqlSafe, PgConnection, Postgres, Row, Transaction};

use super::column_profile::Profiler;
use super::combined_csv::CombinedCsv;
use super::commit::Commit;
use super::copy::{Dedupe, RowSuffix, SecondPass, SecondPassResult, writer};
use super::first_pass::{Decided, FirstPass};
use super::marker::{self, Attempt};
use super::quarantine::reject::{RejectHandler, RejectRules};
use super::quarantine::rejected_rows::RejectedRows;
use super::quarantine::replay;
use super::session::{RUN_ID, Session, TableState};
use super::{Halt, LoadTask, checks, cursors, failure, left_behind, receipt, records_path};
use crate::contract::Layout;
use crate::contract::decide::Change;
use crate::error::PipelineError;
use crate::frame::profile::Profile;
use crate::input::InputFile;

/// Number of rows that the report of a plan shows.
const SAMPLES: u32 = 20;

/// What was done in the loading transaction.
pub struct WrittenRows {
    /// Number of inserted rows.
    pub inserted: u64,
    /// Number of rows that a merge updated, by index of their file.
    pub updated: Vec<(usize, u64)>,
    /// Number of rows that a replace deleted.
    pub deleted: u64,
    /// Statements that changed the table's shape.
    pub statements: Vec<String>,
    /// The result of the second pass.
    pub second_pass: SecondPassResult,
}

/// The second pass over the files of a load.
///
/// # Errors
/// [`PipelineError::Io`] when the work folder cannot be written to.
pub fn second_pass(
    task: &mut LoadTask<'_>,
    table: &TableRef,
    attempt: Attempt,
    suffix: RowSuffix,
    dedupe: Dedupe,
    first_pass: &FirstPass,
) -> Result<SecondPass, PipelineError> {
    let context = task.context;
    let transcoded = task.layout.transcoded;
    let rejected = RejectedRows::in_folder(task.spool, table, attempt, transcoded).map_err(failure::spool)?;
    let rules = RejectRules {
        on_bad_row: context.config.on_bad_row.unwrap_or(OnBadRow::Quarantine),
        limit: context.config.schema.as_ref().and_then(|schema| schema.max_rejected),
        too_many_refused: task.refused.exceeded,
    };
    // A plan loads nothing, so it has no profile.
    let level = if task.dry_run { ProfileLevel::None } else { context.config.load.profile };
    Ok(SecondPass {
        files: task.readable.iter().map(|&index| (index, task.files[index].clone())).collect(),
        expected: first_pass.profile(),
        layout: task.layout.clone(),
        suffix,
        dedupe,
        attempt,
        csv: task.csv.take(),
        rejects: RejectHandler::new(rejected, rules, context.progress.clone()),
        profiler: Profiler::new(&task.layout, level),
        refused: task.refused.clone(),
        spool: task.spool.to_owned(),
        stop: context.stop.clone(),
        progress: context.progress.clone(),
    })
}

/// The load of files without a column. They have no rows, but they may have records that are rejected and kept.
pub async fn without_columns(
    session: &mut Session,
    mut task: LoadTask<'_>,
    first_pass: FirstPass,
) -> Result<(RunReport, Option<CombinedCsv>), Halt> {
    let (table, attempt) = (session.table.clone(), session.attempt);
    let tx = task.begin(session).await?;
    let second_pass =
        second_pass(&mut task, &table, attempt, RowSuffix::Table { loaded_at: 0 }, Dedupe::None, &first_pass)?;
    let second_pass = writer::run_without_rows(second_pass).await?;
    let decided = first_pass.ended(&second_pass.contents).await?;
    let written = WrittenRows { inserted: 0, updated: Vec::new(), deleted: 0, statements: Vec::new(), second_pass };
    commit(tx, &table, attempt, &task, decided, written).await
}

/// Writes quarantine, receipt and marker, and commits.
pub async fn commit(
    mut tx: Transaction<'_, Postgres>,
    table: &TableRef,
    attempt: Attempt,
    task: &LoadTask<'_>,
    decided: Decided,
    written: WrittenRows,
) -> Result<(RunReport, Option<CombinedCsv>), Halt> {
    let progress = &task.context.progress;
    let Decided { profile: first_pass, changes, cursors: new_cursors, mut report, .. } = decided;
    report.files = receipts(task.files, &first_pass, &written)?;
    report.rows_deleted = written.deleted;
    report.ddl.extend(written.statements);
    report.rejected = progress.rejected_rows();
    receipt::sum_up(&mut report);
    require_balance(&report, written.inserted)?;
    let SecondPassResult { sent, csv, rejected, profile, .. } = written.second_pass;
    // The control database keeps all letters of the values, and the marker those that the target has.
    let letters = task.layout.transcoded.then(|| profile.clone());
    report.profile = profile;
    report.combined_csv = csv.as_ref().map(|csv| csv.path().display().to_string());
    if task.layout.transcoded {
        report = in_ascii(&report);
    }
    rejected.load(&mut tx, table).await?;
    receipt::write(&mut tx, table, attempt.run_id, &report.files).await?;
    let fresh = !task.before.as_ref().is_some_and(TableState::has_elt_columns);
    records_path::store(&mut tx, table, task.records_paths, fresh).await?;
    let pipeline = (task.context.config.name.as_str(), attempt.run_id);
    report.incremental = cursors::store(&mut tx, table, pipeline, &new_cursors, fresh).await?;
    replay::mark_replayed(&mut tx, table, task.replayed, attempt.run_id).await?;
    if let Some(warning) = changed_columns(task, &changes, &report) {
        report.warnings.push(warning);
    }
    // The checks come last, so that they see everything else that would be committed.
    let loaded = Instant::now();
    report.checks = checks::run(&mut tx, table, attempt, task).await?;
    report.stages.check = loaded.elapsed().as_secs_f64();
    report.warnings.extend(checks::warnings(&report.checks));
    if task.layout.transcoded && !report.checks.is_empty() {
        report = in_ascii(&report);
    }
    report.bound();
    report.left_behind = left_behind::of_load(&mut tx, table, task, &new_cursors, &report, sent, csv.as_ref()).await?;
    report.stages.load = task.started.elapsed().as_secs_f64() - report.stages.check;
    if task.dry_run {
        report.samples = samples(&mut tx, table, &task.layout, attempt).await?;
        tx.rollback().await?;
        return Ok((report, csv));
    }
    let unfinished = csv.as_ref().map(CombinedCsv::unfinished);
    // The marker comes last, because a retry takes it as the proof that everything else of this transaction is there.
    marker::finish(&mut *tx, table, attempt, &report, unfinished.as_deref()).await?;
    if let Some(profile) = letters {
        report.profile = profile;
    }
    let csv = send_commit(tx, table, task, csv).await?;
    Ok((report, csv))
}

/// Checks that the receipts count as many new rows as the table received. The second pass counts the receipts and the target
/// counts `inserted`, so a difference means that a row was lost or doubled.
fn require_balance(report: &RunReport, inserted: u64) -> Result<(), Halt> {
    if report.rows_inserted == inserted {
        return Ok(());
    }
    let message = format!("{inserted} rows were inserted, {} should have been", report.rows_inserted);
    Err(PipelineError::Internal(message).into())
}

/// Sends the COMMIT. Returns the combined CSV, which gets its name after the commit.
async fn send_commit(
    tx: Transaction<'_, Postgres>,
    table: &TableRef,
    task: &LoadTask<'_>,
    csv: Option<CombinedCsv>,
) -> Result<Option<CombinedCsv>, Halt> {
    // This is the last moment at which a stop can still keep the rows out of the target.
    if task.context.stop.is_cancelled() {
        return Err(PipelineError::Stopped.into());
    }
    let Err(error) = Commit::of(task.context).send(tx, table).await else { return Ok(csv) };
    // The rows may be committed, because the answer may be lost. Then a later attempt gives the file its name.
    if let Some(csv) = csv.filter(|_| task.context.progress.commit_sent())
        && let Err(error) = csv.leave()
    {
        tracing::warn!(%error, "could not keep the combined CSV of a run that may have loaded");
    }
    Err(error.into())
}

/// The report with `?` for every character that is not ASCII, because the database's encoding may lack it.
fn in_ascii(report: &RunReport) -> RunReport {
    let text = serde_json::to_string(report).unwrap_or_default();
    let text: String = text.chars().map(|letter| if letter.is_ascii() { letter } else { '?' }).collect();
    serde_json::from_str(&text).unwrap_or_default()
}

/// A warning that new columns change row hashes, so that rows which were loaded without these columns load again. It names
/// the remedy, because few people want that.
fn changed_columns(task: &LoadTask<'_>, changes: &[Change], report: &RunReport) -> Option<String> {
    let added = changes.iter().filter_map(|change| match change {
        Change::Add(index) => Some(task.layout.columns[*index].name.as_str()),
        Change::Widen(_) => None,
    });
    let added: Vec<_> = added.collect();
    let matters = task.config().mode == LoadMode::Append && task.hashed() && report.rows_inserted > 0;
    (matters && !added.is_empty()).then(|| {
        format!(
            "the columns loaded have changed (new: {}): {} rows count as new; rows loaded before without these columns \
             stay beside them. `load.mode: merge` with a `load.key` would bring them up to date instead",
            added.join(", "),
            report.rows_inserted
        )
    })
}

/// A receipt for each file that could be read, in the order of the files.
fn receipts(files: &[InputFile], profile: &Profile, written: &WrittenRows) -> Result<Vec<FileReceipt>, PipelineError> {
    let mut receipts = Vec::new();
    for file in profile.readable() {
        let counts = written.second_pass.row_counts.get(file.index).copied().unwrap_or_default();
        let updated = written.updated.iter().filter(|(place, _)| *place == file.index).map(|(_, count)| count).sum();
        let receipt = FileReceipt {
            name: files[file.index].name.clone(),
            bytes: file.summary.bytes,
            content_hash: format!("{:032x}", file.summary.content_hash),
            delimiter: file.summary.delimiter.clone(),
            dialect: file.summary.dialect.clone(),
            rows_read: counts.read + file.summary.filtered,
            rows_inserted: counts.sent,
            rows_updated: updated,
            rows_duplicate: counts.duplicate,
            rows_quarantined: counts.rejected,
            rows_filtered: file.summary.filtered + counts.too_old,
        };
        if !receipt.balances() {
            return Err(PipelineError::Internal(format!("the receipt of {} does not balance", receipt.name)));
        }
        receipts.push(receipt);
    }
    Ok(receipts)
}

/// The first rows that the run would insert, as the server writes their values.
async fn samples(
    tx: &mut PgConnection,
    table: &TableRef,
    layout: &Layout,
    attempt: Attempt,
) -> sqlx::Result<Vec<Vec<Option<String>>>> {
    if layout.columns.is_empty() {
        return Ok(Vec::new());
    }
    let fields: Vec<_> = layout.columns.iter().map(|column| format!("{}::text", quote_ident(&column.name))).collect();
    let rows = sqlx::query(AssertSqlSafe(format!(
        "select {} from {} where {RUN_ID} = $1 limit {SAMPLES}",
        fields.join(", "),
        table.sql()
    )))
    .bind(attempt.run_id)
    .fetch_all(tx)
    .await?;
    rows.iter().map(|row| (0..layout.columns.len()).map(|column| row.try_get(column)).collect()).collect()
}
