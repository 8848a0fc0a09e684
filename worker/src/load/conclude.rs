//! The end of a load: quarantine, receipt and marker join the rows, and the transaction commits.

use elt_shared::config::LoadMode;
use elt_shared::runs::report::{FileReceipt, RunReport};
use elt_shared::target::{TableRef, quote_ident};
use sqlx::{AssertSqlSafe, PgConnection, Postgres, Row, Transaction};

use super::feed::{Dedupe, Fed, Feed, RejectRules, Rejecting, Tail};
use super::marker::{self, Attempt};
use super::quarantine::Rejected;
use super::session::{Before, RUN_ID, Session};
use super::{Halt, Work, pump, receipt, replayed, rows_at};
use crate::contract::Layout;
use crate::contract::decide::Change;
use crate::error::PipelineError;
use crate::frame::combined::CombinedCsv;

/// Rows a plan shows.
const SAMPLES: u32 = 20;

/// What was done in the loading transaction.
pub struct Outcome {
    /// Rows inserted.
    pub inserted: u64,
    /// Rows of a merge that were updated, by file.
    pub updated: Vec<(usize, u64)>,
    /// Rows a replace took away.
    pub deleted: u64,
    /// Statements that changed the table's shape.
    pub statements: Vec<String>,
    /// What the second pass did.
    pub fed: Fed,
}

/// What the second pass needs.
pub fn feed(
    work: &mut Work<'_>,
    table: &TableRef,
    attempt: Attempt,
    tail: Tail,
    (dedupe, hash_budget): (Dedupe, usize),
) -> Result<Feed, PipelineError> {
    let spool = |source| PipelineError::Io { doing: "write to the run's work folder".into(), source };
    let rejected = Rejected::in_folder(work.spool, table, attempt, work.layout.transcoded).map_err(spool)?;
    let readable = work.profile.files.iter().filter(|file| file.error.is_none());
    Ok(Feed {
        files: readable.map(|file| (file.index, work.files[file.index].clone(), file.summary.clone())).collect(),
        layout: work.layout.clone(),
        tail,
        dedupe,
        hash_budget,
        attempt,
        csv: work.csv.take(),
        rejecting: Rejecting::new(
            rejected,
            RejectRules {
                on_bad_row: work.on_bad_row,
                limit: work.max_rejected,
                too_many_refused: work.refused.exceeded,
            },
            work.progress.clone(),
        ),
        refused: work.refused.clone(),
        spool: work.spool.to_owned(),
        stop: work.stop.clone(),
        progress: work.progress.clone(),
    })
}

/// No file has a column: there are no rows to load. Records that are no rows there may be, and they are kept.
pub async fn nothing(session: &mut Session, mut work: Work<'_>) -> Result<(RunReport, Option<CombinedCsv>), Halt> {
    let (table, attempt) = (session.table.clone(), session.attempt);
    let tx = work.begin(session).await?;
    let feed = feed(&mut work, &table, attempt, Tail::Direct { loaded_at: 0 }, (Dedupe::None, 0))?;
    let fed = pump::without_rows(feed).await?;
    let outcome = Outcome { inserted: 0, updated: Vec::new(), deleted: 0, statements: Vec::new(), fed };
    commit(tx, &table, attempt, work, outcome).await
}

/// Writes quarantine, receipt and marker, and commits.
pub async fn commit(
    mut tx: Transaction<'_, Postgres>,
    table: &TableRef,
    attempt: Attempt,
    mut work: Work<'_>,
    outcome: Outcome,
) -> Result<(RunReport, Option<CombinedCsv>), Halt> {
    let mut report = std::mem::take(&mut work.report);
    report.files = receipts(work.files, work.profile, &outcome)?;
    report.rows_deleted = outcome.deleted;
    report.ddl.extend(outcome.statements);
    report.rejected = work.progress.rejected_rows();
    receipt::sum_up(&mut report);
    if report.rows_inserted != outcome.inserted {
        let message = format!("{} rows were inserted, {} should have been", outcome.inserted, report.rows_inserted);
        return Err(PipelineError::Internal(message).into());
    }
    let Fed { csv, rejected, .. } = outcome.fed;
    report.combined_csv = csv.as_ref().map(|csv| csv.path().display().to_string());
    if work.layout.transcoded {
        report = in_ascii(&report);
    }
    rejected.load(&mut tx, table).await?;
    receipt::write(&mut tx, table, attempt.run_id, &report.files).await?;
    let fresh = !work.before.as_ref().is_some_and(Before::is_adopted);
    rows_at::keep(&mut tx, table, &work.rows_at, fresh).await?;
    replayed::mark(&mut tx, table, &work.replayed, attempt.run_id).await?;
    if let Some(warning) = changed_columns(&work, &report) {
        report.warnings.push(warning);
    }
    report.bound();
    report.stages.load = work.started.elapsed().as_secs_f64();
    if work.dry {
        report.samples = samples(&mut tx, table, &work.layout, attempt).await?;
        tx.rollback().await?;
        return Ok((report, csv));
    }
    let unfinished = csv.as_ref().map(CombinedCsv::unfinished);
    marker::finish(&mut *tx, table, attempt, &report, unfinished.as_deref()).await?;
    if work.stop.is_cancelled() {
        return Err(PipelineError::Stopped.into());
    }
    if let Err(error) = work.commit.send(tx, table).await {
        // The rows may be committed, and then a later attempt gives the file its name.
        if let Some(csv) = csv.filter(|_| work.progress.commit_sent())
            && let Err(error) = csv.leave()
        {
            tracing::warn!(%error, "could not keep the combined CSV of a run that may have loaded");
        }
        return Err(error.into());
    }
    Ok((report, csv))
}

/// The report with `?` for every character that is not ASCII, because the database's encoding may lack it.
fn in_ascii(report: &RunReport) -> RunReport {
    let text = serde_json::to_string(report).unwrap_or_default();
    let text: String = text.chars().map(|letter| if letter.is_ascii() { letter } else { '?' }).collect();
    serde_json::from_str(&text).unwrap_or_default()
}

/// A row is another row once it has a value in a column it did not have: whoever did not mean that should know the remedy.
fn changed_columns(work: &Work<'_>, report: &RunReport) -> Option<String> {
    let added = work.changes.iter().filter_map(|change| match change {
        Change::Add(index) => Some(work.layout.columns[*index].name.as_str()),
        Change::Widen(_) => None,
    });
    let added: Vec<_> = added.collect();
    let matters = work.load.mode == LoadMode::Append && work.hashed() && report.rows_inserted > 0;
    (matters && !added.is_empty()).then(|| {
        format!(
            "the columns loaded have changed (new: {}): {} rows count as new; rows loaded before without these columns \
             stay beside them. `load.mode: merge` with a `load.key` would bring them up to date instead",
            added.join(", "),
            report.rows_inserted
        )
    })
}

fn receipts(
    files: &[crate::extract::InputFile],
    profile: &crate::frame::profile::Profile,
    outcome: &Outcome,
) -> Result<Vec<FileReceipt>, PipelineError> {
    let mut receipts = Vec::new();
    for file in profile.files.iter().filter(|file| file.error.is_none()) {
        let tally = outcome.fed.tallies.get(file.index).copied().unwrap_or_default();
        let updated = outcome.updated.iter().filter(|(place, _)| *place == file.index).map(|(_, count)| count).sum();
        let receipt = FileReceipt {
            name: files[file.index].name.clone(),
            bytes: file.summary.bytes,
            content_hash: format!("{:032x}", file.summary.content_hash),
            delimiter: file.summary.delimiter.clone(),
            rows_read: tally.read + file.summary.filtered,
            rows_inserted: tally.sent,
            rows_updated: updated,
            rows_duplicate: tally.duplicate,
            rows_quarantined: tally.rejected,
            rows_filtered: file.summary.filtered,
        };
        if !receipt.balances() {
            return Err(PipelineError::Internal(format!("the receipt of {} does not balance", receipt.name)));
        }
        receipts.push(receipt);
    }
    Ok(receipts)
}

/// The first rows this run would add.
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
