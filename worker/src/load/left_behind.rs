//! What a run leaves behind: the config it ran with, the table and the combined output. A later run that finds all of it
//! unchanged, and the same files, would load nothing new, so it need not read a row.
//!
//! Only a plain load leaves it: one that appends, recognises rows by their hash, rejected no row, gave no warning, and knows the
//! digest of the whole table (`of_load`). After any other load the next run reads its files, because its report may differ.

use elt_shared::config::{Dedupe, LoadMode, PipelineConfig, SourceConfig};
use elt_shared::runs::report::{FileReceipt, LeftBehind, RunReport};
use elt_shared::target::{Existing, TableRef};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

use super::combined_csv::CombinedCsv;
use super::commit::Commit;
use super::cursors::NewCursor;
use super::dedupe::hash_digest::HashDigest;
use super::failure::Failing;
use super::session::Session;
use super::{LoadTask, marker, receipt};
use crate::error::{PipelineError, Result};
use crate::run_context::RunContext;

/// Raised when the same files are read in another way, within one release.
const READING: u32 = 1;

/// What a load leaves behind, to be committed with its rows. `sent`: the digest of the rows that were sent. `None`: a later run
/// is to read its files in any case.
pub(super) async fn of_load(
    tx: &mut PgConnection,
    table: &TableRef,
    task: &LoadTask<'_>,
    cursors: &[NewCursor],
    report: &RunReport,
    sent: HashDigest,
    csv: Option<&CombinedCsv>,
) -> sqlx::Result<Option<LeftBehind>> {
    let config = &task.context.config;
    let is_plain = may_be_unchanged(config) && task.context.run.window().is_none() && !task.dry_run;
    let is_complete = task.replayed.is_empty() && cursors.is_empty() && !task.layout.transcoded;
    let unremarkable = report.rows_quarantined == 0
        && report.warnings.is_empty()
        && report.left_out_total == 0
        && report.files_total == report.files.len() as u64;
    // Rows that were sent may have been left out in the target, and rows that were compared on disk are not in the digest.
    let is_known = sent.rows == report.rows_inserted;
    let (Some(before), true) = (task.digest, is_plain && is_complete && unremarkable && is_known) else {
        return Ok(None);
    };
    let Some(existing) = table.existing(tx).await? else { return Ok(None) };
    let after = before + sent;
    Ok(Some(LeftBehind {
        config_hash: config_hash(config),
        table_hash: table_hash(&existing),
        rows: after.rows,
        row_hash_sum: after.sum_as_hex(),
        output_hash: csv.map(|csv| Uuid::from_u128(csv.content_hash())),
    }))
}

/// Whether a run of this config can find that nothing has changed: it appends rows that it recognises by their hash, and what
/// it does depends on nothing but its files and its table.
pub fn may_be_unchanged(config: &PipelineConfig) -> bool {
    let is_incremental = |source: &SourceConfig| matches!(source, SourceConfig::Api(api) if api.incremental.is_some());
    (config.load.mode, config.load.dedupe) == (LoadMode::Append, Dedupe::RowHash)
        // The secret of masks decides which values are loaded, and the hash of the config does not contain it.
        && !config.sources.iter().filter_map(SourceConfig::shape).any(|shape| shape.mask_secret.is_some())
        // An incremental source is asked for other rows each time.
        && !config.sources.iter().any(is_incremental)
        // Checks may look at other tables and at the clock, and so does the age of rows in a partitioned table.
        && config.checks.is_empty()
        && config.target.partition.is_none()
}

/// Hash of a config with its references resolved. It contains the release, because another one may read the same files in
/// another way.
pub fn config_hash(config: &PipelineConfig) -> String {
    // The debug text has every member. It hides secrets, which say who may read and not what is read, but for that of masks:
    // see `may_be_unchanged`.
    hex(&format!("{} {READING} {config:?}", env!("CARGO_PKG_VERSION")))
}

/// Hash of a table's identity, and of the names, types and nullability of its columns.
pub fn table_hash(table: &Existing) -> String {
    let columns: Vec<_> =
        table.columns.iter().map(|column| (&column.name, &column.sql_type, column.not_null)).collect();
    hex(&format!("{} {columns:?}", table.oid))
}

fn hex(text: &str) -> String {
    format!("{:032x}", xxh3_128(text.as_bytes()))
}

/// The receipt of a file whose rows are all in the table.
pub fn all_known(file: FileReceipt) -> FileReceipt {
    let rows_duplicate = file.rows_duplicate + file.rows_inserted + file.rows_updated;
    FileReceipt { rows_duplicate, rows_inserted: 0, rows_updated: 0, ..file }
}

/// Commits receipts and marker of a run that found nothing changed. `None`: the table was altered meanwhile, and nothing is
/// committed.
///
/// # Errors
/// As [`load`](super::load()).
pub async fn commit(session: &mut Session, context: &RunContext, report: RunReport) -> Result<Option<RunReport>> {
    let Session { connection, table, attempt, .. } = session;
    let fail = Failing::at(table, "store the receipts of the run");
    let written = async {
        let mut tx = connection.begin().await?;
        marker::lock(&mut tx, table).await?;
        Ok::<_, sqlx::Error>(tx)
    };
    let mut tx = written.await.map_err(|error| fail.because(error))?;
    marker::fence(&mut tx, table, *attempt).await?;
    let now = table.existing(&mut tx).await.map_err(|error| fail.because(error))?;
    let expected = report.left_behind.as_ref().map(|left| left.table_hash.as_str());
    if now.as_ref().map(table_hash).as_deref() != expected {
        tx.rollback().await.map_err(|error| fail.because(error))?;
        return Ok(None);
    }
    let written = async {
        receipt::write(&mut tx, table, attempt.run_id, &report.files).await?;
        marker::finish(&mut *tx, table, *attempt, &report, None).await
    };
    written.await.map_err(|error| fail.because(error))?;
    if context.stop.is_cancelled() {
        return Err(PipelineError::Stopped);
    }
    Commit::of(context).send(tx, table).await?;
    Ok(Some(report))
}
