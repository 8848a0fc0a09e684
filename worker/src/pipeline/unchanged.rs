//! A run that finds everything as an earlier one left it: the same config, the same files, the same rows in the table, and the
//! same combined output. It would load nothing new, so it reads no row: the files are only hashed, and so is the combined
//! output, and the table's row hashes are added up.
//!
//! Nothing is believed that can be looked at. A row that was deleted from the table, a combined output that was edited and a
//! file with one other byte all lead to a run that reads its files.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Instant;

use elt_shared::runs::Stage;
use elt_shared::runs::report::{FileReceipt, LeftBehind, RunReport, Stages};
use elt_shared::store::{run_profiles, runs};
use tokio::task::{JoinError, spawn_blocking};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use xxhash_rust::xxh3::Xxh3;

use crate::error::{PipelineError, Result};
use crate::extract::Extracted;
use crate::input::InputFile;
use crate::load::dedupe::table_hashes;
use crate::load::left_behind::{all_known, config_hash, may_be_unchanged, table_hash};
use crate::load::receipt;
use crate::load::session::{Session, TableState};
use crate::progress::{Expected, Progress};
use crate::roots::OutputPlace;
use crate::run_context::RunContext;

/// Bytes that are read at once.
const PIECE_BYTES: usize = 256 << 10;
/// The table's row hashes are added up when it has at most this many rows for each row that was delivered. Reading all rows is
/// faster otherwise.
const TABLE_ROWS_PER_DELIVERED: u64 = 4;

/// A run that left its table and combined output behind.
struct Earlier {
    run: Uuid,
    report: RunReport,
    left: LeftBehind,
}

/// The report of a run that finds nothing changed, to be committed. `None`: something is different, or cannot be compared, so
/// that the files are to be read.
///
/// # Errors
/// Failures of the control database and the target; [`PipelineError::Stopped`].
pub async fn find(
    context: &RunContext,
    session: &mut Session,
    before: Option<&TableState>,
    extracted: &Extracted,
    output: Option<&Arc<OutputPlace>>,
) -> Result<Option<RunReport>> {
    let began = Instant::now();
    let Some(earlier) = earlier(context).await? else { return Ok(None) };
    if !earlier.fits(context, before, extracted, output) {
        return Ok(None);
    }
    let bytes = extracted.files.iter().map(|file| file.stamp.size).sum();
    context.progress.enter(Stage::Validate, extracted.files.len(), Expected { rows: None, bytes: Some(bytes) });
    let (files, receipts) = (extracted.files.clone(), earlier.report.files.clone());
    let (stop, progress) = (context.stop.clone(), Arc::clone(&context.progress));
    let (hash, place) = (earlier.left.output_hash, output.cloned());
    let (same_files, same_output, digest) = tokio::join!(
        spawn_blocking(move || are_same(&files, &receipts, &stop, &progress)),
        spawn_blocking(move || is_same_output(hash, place.as_deref())),
        table_hashes::digest(session, earlier.left.rows),
    );
    let same_rows = digest?.is_some_and(|digest| {
        (digest.rows, digest.sum_as_hex()) == (earlier.left.rows, earlier.left.row_hash_sum.clone())
    });
    let same_files = same_files.map_err(died)?;
    if context.stop.is_cancelled() {
        return Err(PipelineError::Stopped);
    }
    if !(same_files && same_output.map_err(died)? && same_rows) {
        return Ok(None);
    }
    let mut report = earlier.into_report(context, extracted).await?;
    report.stages = Stages { validate: began.elapsed().as_secs_f64(), ..Stages::default() };
    Ok(Some(report))
}

/// The newest run of this config that loaded into this table, if it left something behind. An older one does not count, because
/// the newest may have reported what this run should report again.
async fn earlier(context: &RunContext) -> Result<Option<Earlier>> {
    if !may_be_unchanged(&context.config) || context.run.window().is_some() {
        return Ok(None);
    }
    let newest = runs::newest_report(&context.control, &context.run).await;
    let newest = newest.map_err(|source| PipelineError::Control { doing: "read what the last run left", source })?;
    let Some((run, report)) = newest else { return Ok(None) };
    // A report of another release may have another shape.
    let Ok(report) = serde_json::from_value::<RunReport>(report) else { return Ok(None) };
    let left = report.left_behind.clone();
    Ok(left.map(|left| Earlier { run: report.unchanged_since.unwrap_or(run), report, left }))
}

impl Earlier {
    /// Whether config, table, output and the list of files may be the same, by what can be found out without reading them.
    fn fits(
        &self,
        context: &RunContext,
        before: Option<&TableState>,
        extracted: &Extracted,
        output: Option<&Arc<OutputPlace>>,
    ) -> bool {
        let (report, left) = (&self.report, &self.left);
        let table = before.filter(|before| before.has_elt_columns()).map(|before| table_hash(&before.existing));
        let shown = output.map(|place| place.shown().display().to_string());
        let listed =
            |file: &InputFile, receipt: &FileReceipt| file.name == receipt.name && file.stamp.size == receipt.bytes;
        table.as_ref() == Some(&left.table_hash)
            && config_hash(&context.config) == left.config_hash
            && left.rows <= report.rows_read.saturating_mul(TABLE_ROWS_PER_DELIVERED)
            && shown == report.combined_csv
            && extracted.left_out.is_empty()
            && extracted.warnings.is_empty()
            && extracted.files.len() == report.files.len()
            && extracted.files.iter().zip(&report.files).all(|(file, receipt)| listed(file, receipt))
    }

    /// The report of a run whose rows are all known.
    async fn into_report(self, context: &RunContext, extracted: &Extracted) -> Result<RunReport> {
        let Self { run, report: earlier, left } = self;
        // The profile says what the rows of the files look like, which are the same rows.
        let profile = run_profiles::find(&context.control, run)
            .await
            .map_err(|source| PipelineError::Control { doing: "read the profile of the last run", source })?;
        tracing::info!("files, table and combined output are as the run {run} left them: no row is read");
        let mut report = RunReport {
            table: earlier.table,
            files: earlier.files.into_iter().map(all_known).collect(),
            columns: earlier.columns,
            combined_csv: earlier.combined_csv,
            profile: profile.map(|stored| stored.profile.0),
            unchanged_since: Some(run),
            left_behind: Some(left),
            ..RunReport::default()
        };
        receipt::sum_up(&mut report);
        report.bound();
        context.progress.enter(
            Stage::Load,
            extracted.files.len(),
            Expected { rows: Some(report.rows_read), bytes: None },
        );
        Ok(report)
    }
}

/// Whether the files have the content that their receipts say. A file that cannot be read has not, and the run that reads it
/// says why.
fn are_same(files: &[InputFile], receipts: &[FileReceipt], stop: &CancellationToken, progress: &Progress) -> bool {
    let mut piece = vec![0; PIECE_BYTES];
    files.iter().zip(receipts).all(|(file, receipt)| {
        progress.file(&file.name);
        let hash = content_hash(file, &mut piece, stop, progress);
        progress.file_done();
        hash.is_ok_and(|hash| format!("{hash:032x}") == receipt.content_hash)
    })
}

fn content_hash(file: &InputFile, piece: &mut [u8], stop: &CancellationToken, progress: &Progress) -> io::Result<u128> {
    let mut file = file.open()?;
    let mut hash = Xxh3::new();
    loop {
        if stop.is_cancelled() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        match file.read(piece)? {
            0 => return Ok(hash.digest128()),
            count => {
                hash.update(&piece[..count]);
                progress.read(0, count as u64);
            }
        }
    }
}

/// Whether the combined output is the one that the earlier run wrote, or neither run has one.
fn is_same_output(hash: Option<Uuid>, place: Option<&OutputPlace>) -> bool {
    match (hash, place) {
        (Some(hash), Some(place)) => place.content_hash().is_ok_and(|found| found == hash),
        (None, None) => true,
        _ => false,
    }
}

fn died(error: JoinError) -> PipelineError {
    PipelineError::Internal(format!("comparing the files with those of an earlier run: {error}"))
}
