//! A verification compares what an earlier run loaded with the table and the sources as they are now. It changes nothing.
//!
//! Three things are compared: the rows that the run wrote with their own hashes, which shows values that something else
//! changed; the files with the hashes of their contents; and the rows of unchanged files with the table, in the way in which a
//! plan does it.

use std::collections::HashMap;

use elt_shared::config::{Dedupe, KeepConfig, OnFail, PartitionConfig, PipelineConfig, SourceConfig};
use elt_shared::explained::{Code, Explained};
use elt_shared::runs::report::{FileReceipt, RunReport};
use elt_shared::runs::{RunVerification, VerifiedFile, VerifiedState};
use elt_shared::store::runs;
use uuid::Uuid;

use super::extract_and_load::Execution;
use crate::contract::existing_columns::ExistingTable;
use crate::contract::{Layout, decide};
use crate::error::{PipelineError, Result};
use crate::frame::profile::Profile;
use crate::load::session::Session;
use crate::load::verify::{self, StoredRows};
use crate::run_context::RunContext;

/// Most files that the report lists.
const LISTED_FILES: usize = 1_000;

/// Verifies the run that the verification is about.
pub async fn run(context: &RunContext) -> Result<RunReport> {
    let subject = context.run.subject_id;
    let subject = subject.ok_or_else(|| PipelineError::Internal("the verification names no run".into()))?;
    let told = told_by(context, subject).await?;
    let mut session = Session::open(context).await?;
    let Some(before) = session.table_state().await? else {
        return Err(cannot(subject, format!("the table {} is gone", session.table)));
    };
    let layout = layout_of(&told, &context.config, &before.known)?;
    let stored = verify::rows_of(&mut session, told.loaded_by.unwrap_or(subject), &layout).await?;
    if stored.undone {
        return Err(cannot(subject, "it was undone".to_owned()));
    }
    let again = read_again(context, &mut session).await?;
    session.close().await;
    let keep = context.config.target.partition.as_ref().and_then(PartitionConfig::keep);
    Ok(compare(subject, &told, (&stored, keep), again))
}

/// The report of the run that is verified.
async fn told_by(context: &RunContext, subject: Uuid) -> Result<RunReport> {
    if context.config.load.dedupe == Dedupe::None {
        return Err(cannot(subject, "its rows have no hashes, because the config says `dedupe: none`".to_owned()));
    }
    let found = runs::find(&context.control, subject).await;
    let found = found.map_err(|source| PipelineError::Control { doing: "find the run to verify", source })?;
    let report = found.and_then(|run| run.report).and_then(|report| serde_json::from_value(report).ok());
    match report {
        Some(report @ RunReport { lists_removed: false, partial: false, .. }) => Ok(report),
        _ => Err(cannot(subject, "its report is no longer complete".to_owned())),
    }
}

fn cannot(run: Uuid, because: String) -> PipelineError {
    PipelineError::Load(Explained {
        code: Code::CannotVerify,
        message: format!("the run {run} cannot be verified: {because}"),
        next_step: "Choose a run that loaded rows, with their hashes, and was not undone.".into(),
    })
}

/// The columns that the run loaded, with the types that they have now. Other columns of the table were filled by the server or
/// by other runs, and are no part of the hashes.
fn layout_of(told: &RunReport, config: &PipelineConfig, known: &ExistingTable) -> Result<Layout> {
    let there = |name: &String| known.columns.iter().any(|column| column.table.name == *name);
    let names = told.columns.iter().map(|column| column.name.clone()).filter(there).collect();
    let config = PipelineConfig { schema: None, strict: false, ..config.clone() };
    let mut decision = decide::decide(&Profile::of_columns(names), &config, Some(known))?;
    decision.layout.provenance.clear();
    Ok(decision.layout)
}

/// What the sources hold now.
enum Again {
    /// The report of a plan of the sources that have files.
    Plan(Box<RunReport>),
    /// Why they cannot be read.
    Unreadable(String),
    /// Every source is an API.
    OnlyApis,
}

/// Plans a load of the sources that have files. An API may have answered otherwise since, so it is not asked.
async fn read_again(context: &RunContext, session: &mut Session) -> Result<Again> {
    let has_files = |source: &SourceConfig| !matches!(source, SourceConfig::Api(_));
    let sources: Vec<SourceConfig> =
        context.config.sources.iter().filter(|source| has_files(source)).cloned().collect();
    if sources.is_empty() {
        return Ok(Again::OnlyApis);
    }
    // Rows that a check keeps aside are not in the table, so they must not count as missing. What the other checks say is no
    // part of a verification.
    let checks = context.config.checks.iter().filter(|check| check.on_fail == OnFail::Quarantine).cloned().collect();
    let config = PipelineConfig { sources, checks, ..context.config.clone() };
    let context = RunContext { config, ..context.clone() };
    let planned = Execution::dry_run(&context)?.execute(session).await;
    match planned {
        Ok(report) => Ok(Again::Plan(Box::new(report))),
        Err(error @ PipelineError::Extract(_)) => Ok(Again::Unreadable(error.to_string())),
        Err(error) => Err(error),
    }
}

/// `keep`: how long rows stay in the table.
fn compare(
    subject: Uuid,
    told: &RunReport,
    (stored, keep): (&StoredRows, Option<&KeepConfig>),
    again: Again,
) -> RunReport {
    let mut found = RunVerification {
        run: subject,
        agrees: true,
        rows_written: told.rows_inserted + told.rows_updated,
        rows_there: stored.there,
        rows_changed: stored.changed,
        changed: stored.first_changed.clone(),
        ..RunVerification::default()
    };
    compare_table(&mut found, stored, keep);
    // A report lists a thousand files, so a file that it does not list need not be gone.
    let mut is_cut = false;
    let now = match again {
        Again::Plan(plan) => {
            is_cut = plan.files_total > plan.files.len() as u64;
            Some(plan.files.into_iter().map(|file| (file.name.clone(), file)).collect())
        }
        Again::Unreadable(reason) => {
            found.says.push(format!("The sources cannot be read now: {reason}"));
            Some(HashMap::new())
        }
        Again::OnlyApis => {
            found.says.push("The answers of an API cannot be asked for again, so only the table was looked at.".into());
            None
        }
    };
    found.files = told.files.iter().map(|file| verified(file, now.as_ref(), is_cut)).collect();
    found.rows_missing = found.files.iter().map(|file| file.rows_missing).sum();
    sum_up(&mut found);
    // The counts of the plan are left out, because a verification neither loads nor rejects a row.
    RunReport {
        table: told.table.clone(),
        warnings: if found.agrees { Vec::new() } else { found.says.clone() },
        verification: Some(found),
        ..RunReport::default()
    }
}

/// Compares the numbers and hashes of the rows in the table.
fn compare_table(found: &mut RunVerification, stored: &StoredRows, keep: Option<&KeepConfig>) {
    let gone = found.rows_written.saturating_sub(found.rows_there);
    if gone > 0 && stored.overwritten_since {
        found.says.push(format!(
            "Rows that later runs updated or replaced: {gone} of the {} that the run wrote.",
            found.rows_written
        ));
    } else if gone > 0
        && let Some(keep) = keep
    {
        found.says.push(format!(
            "Rows that are not in the table: {gone} of the {} that the run wrote. The table keeps {keep} \
             (`target.partition.keep`), so their partitions may have been detached.",
            found.rows_written
        ));
    } else if gone > 0 {
        found.agrees = false;
        found.says.push(format!(
            "Rows that are gone: {gone} of the {} that the run wrote. No later run updated or deleted rows, so something \
             other than elt did.",
            found.rows_written
        ));
    }
    if stored.changed > 0 {
        found.agrees = false;
        found.says.push(format!(
            "Rows with other values than those that the run wrote: {} of {}. Something other than elt changed them. Find \
             them by their `_elt_row_hash`.",
            stored.changed, stored.there
        ));
    }
}

/// A file of the run beside the same file now. `now`: the receipts of a plan by name, some of which are left out if `is_cut`;
/// `None` when nothing was read.
fn verified(then: &FileReceipt, now: Option<&HashMap<String, FileReceipt>>, is_cut: bool) -> VerifiedFile {
    let is_api = now.is_none() || then.name.starts_with("http://") || then.name.starts_with("https://");
    let found = now.and_then(|now| now.get(&then.name));
    let (state, rows_missing) = match found {
        Some(found) if found.content_hash == then.content_hash => {
            (VerifiedState::Same, found.rows_inserted + found.rows_updated)
        }
        Some(_) => (VerifiedState::Changed, 0),
        None if is_api || is_cut => (VerifiedState::NotCompared, 0),
        None => (VerifiedState::Gone, 0),
    };
    VerifiedFile { name: then.name.clone(), state, rows_missing }
}

/// Says how many files are in which state, and whether rows of the same files are missing.
fn sum_up(found: &mut RunVerification) {
    let count = |state: VerifiedState| found.files.iter().filter(|file| file.state == state).count();
    let (same, not_compared) = (count(VerifiedState::Same), count(VerifiedState::NotCompared));
    let (changed, gone) = (count(VerifiedState::Changed), count(VerifiedState::Gone));
    let mut says = Vec::new();
    if same > 0 {
        let (files, them) =
            if same == 1 { ("1 file has".into(), "it") } else { (format!("{same} files have"), "them") };
        says.push(match found.rows_missing {
            0 => format!("{files} the same content as then, and the table has every row of {them}."),
            1 => format!(
                "{files} the same content as then, and 1 row of {them} is missing in the table or has other values there."
            ),
            missing => format!(
                "{files} the same content as then, and {missing} rows of {them} are missing in the table or have other \
                 values there."
            ),
        });
    }
    if changed + gone > 0 {
        says.push(format!(
            "Files that have changed since: {changed}; that are gone: {gone}. Their rows were not compared."
        ));
    }
    if not_compared > 0 && not_compared < found.files.len() {
        says.push(format!("Files and answers of APIs that were not compared: {not_compared}."));
    }
    found.agrees &= found.rows_missing == 0;
    found.says.extend(says);
    found.files.truncate(LISTED_FILES);
}
