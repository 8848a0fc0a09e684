//! A run that finds everything as an earlier one left it: the same config, the same files, the same rows in the table, and the
//! same combined output. It would load nothing new, so it reads no row: the files are only hashed, and so is the combined
//! output, and the table's row hashes are added up.
//!
//! Nothing is believed that can be looked at. A row that was deleted from the table, a combined output that was edited and a
//! file with one other byte all lead to a run that reads its files.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Instant;

use elt_shared::config::ProfileLevel;
use elt_shared::runs::report::{Drift, FileReceipt, LeftBehind, RunReport, Stages};
use elt_shared::runs::{RunProfile, Stage};
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

/// The newest run, which left its table and combined output behind.
struct Earlier {
    run: Uuid,
    /// The run that last read the files: this one, or the one that it was unchanged since.
    read_by: Uuid,
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
    let profile = run_profiles::find(&context.control, earlier.run).await.map_err(reading)?;
    if profile.is_none() && context.config.load.profile != ProfileLevel::None {
        // It was deleted, because it is old. Reading the files makes it anew.
        return Ok(None);
    }
    if !is_same(context, session, &earlier, extracted, output).await? {
        return Ok(None);
    }
    let mut report = earlier.into_report(profile.map(|stored| stored.profile.0));
    report.stages = Stages { validate: began.elapsed().as_secs_f64(), ..Stages::default() };
    context.progress.enter(Stage::Load, extracted.files.len(), Expected { rows: Some(report.rows_read), bytes: None });
    Ok(Some(report))
}

/// Whether files, combined output and table are those of the earlier run. All three are read at the same time.
async fn is_same(
    context: &RunContext,
    session: &mut Session,
    earlier: &Earlier,
    extracted: &Extracted,
    output: Option<&Arc<OutputPlace>>,
) -> Result<bool> {
    let bytes = extracted.files.iter().map(|file| file.stamp.size).sum();
    context.progress.enter(Stage::Validate, extracted.files.len(), Expected { rows: None, bytes: Some(bytes) });
    let (files, receipts) = (extracted.files.clone(), earlier.report.files.clone());
    // Hashing ends as soon as the table differs or cannot be read, because the files are then read in any case.
    let differs = context.stop.child_token();
    let _ended = differs.clone().drop_guard();
    let (stop, progress) = (differs.clone(), Arc::clone(&context.progress));
    let (hash, place) = (earlier.left.output_hash, output.cloned());
    let hashing = async {
        let same_files = spawn_blocking(move || are_same(&files, &receipts, &stop, &progress));
        let same_output = spawn_blocking(move || is_same_output(hash, place.as_deref()));
        Ok::<_, PipelineError>(same_files.await.map_err(died)? && same_output.await.map_err(died)?)
    };
    let adding = async {
        let digest = table_hashes::digest(session, earlier.left.rows).await?;
        let same = digest.is_some_and(|digest| {
            (digest.rows, digest.sum_as_hex()) == (earlier.left.rows, earlier.left.row_hash_sum.clone())
        });
        if !same {
            differs.cancel();
        }
        Ok(same)
    };
    // A stop does not wait for the table. The session is not used any more then.
    tokio::select! {
        biased;
        () = context.stop.cancelled() => Err(PipelineError::Stopped),
        same = async { tokio::try_join!(hashing, adding) } => same.map(|(same_files, same_rows)| same_files && same_rows),
    }
}

/// The newest run of this config that loaded into this table, if it left something behind. An older one does not count, because
/// the newest may have reported what this run should report again.
async fn earlier(context: &RunContext) -> Result<Option<Earlier>> {
    if !may_be_unchanged(&context.config) || context.run.window().is_some() {
        return Ok(None);
    }
    let newest = runs::newest_report(&context.control, &context.run).await;
    let Some((run, report)) = newest.map_err(reading)? else { return Ok(None) };
    // A report of another release may have another shape.
    let Ok(report) = serde_json::from_value::<RunReport>(report) else { return Ok(None) };
    // A report that was taken over from the target says what the target wants.
    if report.finished_from_marker || report.loaded_by.is_some() {
        return Ok(None);
    }
    let left = report.left_behind.clone();
    Ok(left.map(|left| Earlier { run, read_by: report.unchanged_since.unwrap_or(run), report, left }))
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
            && !report.lists_removed
            && report.files_total == report.files.len() as u64
            && extracted.files.len() == report.files.len()
            && extracted.files.iter().zip(&report.files).all(|(file, receipt)| listed(file, receipt))
    }

    /// The report of a run whose rows are all known. `profile`: that of the rows.
    fn into_report(self, profile: Option<RunProfile>) -> RunReport {
        let Self { read_by, report: earlier, left, .. } = self;
        tracing::info!(
            "files, table and combined output are as they were when the run {read_by} read them: no row is read"
        );
        // Columns that were added or widened are the table's own by now; the other differences are still there.
        let stays = |drift: &Drift| matches!(drift, Drift::Missing { .. } | Drift::LeftOut { .. });
        let mut report = RunReport {
            table: earlier.table,
            files: earlier.files.into_iter().map(all_known).collect(),
            columns: earlier.columns,
            drift: earlier.drift.into_iter().filter(stays).collect(),
            combined_csv: earlier.combined_csv,
            profile,
            unchanged_since: Some(read_by),
            left_behind: Some(left),
            ..RunReport::default()
        };
        receipt::sum_up(&mut report);
        report.bound();
        report
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

fn reading(source: sqlx::Error) -> PipelineError {
    PipelineError::Control { doing: "read what the last run left behind", source }
}

fn died(error: JoinError) -> PipelineError {
    PipelineError::Internal(format!("comparing the files with those of an earlier run: {error}"))
}
