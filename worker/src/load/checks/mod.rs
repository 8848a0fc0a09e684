//! The checks of the config, tried in the loading transaction on what is about to be committed. Other sessions do not
//! see the rows until the checks hold.
//!
//! # Layout
//! - [`names`]: columns of checks are found in the table
//! - [`query`]: the SQL of each rule, and what a failure is called
//! - [`trial`]: one check is tried, read-only and within its time limit
//! - [`changed`]: the rows that a run writes into a table with many others
//! - [`places`]: the files and lines of sample rows

pub mod changed;
pub mod names;
pub mod places;
mod query;
mod trial;

use std::sync::Arc;

use elt_shared::config::{Check, OnFail};
use elt_shared::explained::{Code, Explained};
use elt_shared::runs::{CheckResult, CheckState, CheckValue};
use elt_shared::target::TableRef;
use sqlx::PgConnection;

use super::marker::Attempt;
use super::quarantine::refused::{MOST_KEPT, Refusal, Refused};
use super::{Halt, LoadTask};
use crate::error::PipelineError;
use trial::{Found, Trial};

/// Most failed checks that the sentence of a failure names.
const NAMED: usize = 3;
/// Longest values of all sample rows together, in bytes. Reports stay small, however many checks a config has.
const LONGEST_SAMPLES: usize = 256 << 10;

/// Tries all checks. A plan gets the results of those that fail as well.
///
/// # Errors
/// [`Halt::Refused`] with the rows that go to the quarantine; [`Halt::Checks`] when a check forbids the load; database
/// failures that are not the check's own; a stop.
pub(in crate::load) async fn run(
    tx: &mut PgConnection,
    table: &TableRef,
    attempt: Attempt,
    task: &LoadTask<'_>,
) -> Result<Vec<CheckResult>, Halt> {
    let checks = &task.context.config.checks;
    if checks.is_empty() {
        return Ok(Vec::new());
    }
    task.context.progress.enter_checks();
    let trial = Trial::prepare(tx, table, attempt.run_id, task.config().mode).await?;
    quarantine(tx, &trial, task).await?;
    let mut results = Vec::with_capacity(checks.len());
    let mut room = LONGEST_SAMPLES;
    for (index, check) in checks.iter().enumerate() {
        stop_if_asked(task)?;
        let mut result = trial.result(tx, check).await?;
        if let Some(rows) = task.refused.by_check.get(&index).filter(|_| result.state == CheckState::Passed) {
            let says = query::says(check, *rows, table);
            result = CheckResult { state: CheckState::Quarantined, rows: *rows, says, ..result };
        }
        room = room.saturating_sub(bound(&mut result, room));
        results.push(result);
    }
    let forbids = results.iter().any(CheckResult::forbids_the_load);
    if forbids && !task.dry_run { Err(Halt::Checks(results)) } else { Ok(results) }
}

/// Removes sample rows beyond `room` bytes. Returns the bytes that the kept rows take.
fn bound(result: &mut CheckResult, room: usize) -> usize {
    let mut taken = 0;
    result.samples.retain(|sample| {
        let value = |value: &CheckValue| value.column.len() + value.value.as_ref().map_or(0, String::len);
        taken += sample.values.iter().map(value).sum::<usize>();
        taken <= room
    });
    taken.min(room)
}

/// Finds the rows that fail checks which quarantine, so that the load is tried again without them. The second pass over the
/// files then rejects them like rows that break the contract, with their files, lines and texts.
async fn quarantine(tx: &mut PgConnection, trial: &Trial<'_>, task: &LoadTask<'_>) -> Result<(), Halt> {
    let mut refused = Refused::default();
    let checks = task.context.config.checks.iter().enumerate();
    for (index, check) in checks.filter(|(_, check)| check.on_fail == OnFail::Quarantine) {
        stop_if_asked(task)?;
        // A check that cannot be tried is reported when the others are tried.
        let Found::Rows(hashes) = trial.failing_hashes(tx, check, MOST_KEPT + 1).await? else { continue };
        if hashes.len() > MOST_KEPT {
            let mut result = trial.result(tx, check).await?;
            result.says.push_str(&format!(", which are more than the {MOST_KEPT} that one run may quarantine"));
            result.state = CheckState::Failed;
            return Err(Halt::Checks(vec![result]));
        }
        if hashes.is_empty() {
            continue;
        }
        tracing::warn!(
            rows = hashes.len(),
            "{} rows fail the check {}: loading without them",
            hashes.len(),
            check.name
        );
        let refusal = Arc::new(refusal(check, task));
        refused.add_of_check(index, hashes.iter().map(|hash| hash.as_u128()), &refusal);
    }
    if refused.is_empty() { Ok(()) } else { Err(Halt::Refused(Box::new(refused))) }
}

fn refusal(check: &Check, task: &LoadTask<'_>) -> Refusal {
    let column = check.rule.columns().first().and_then(|written| {
        let columns: Vec<&str> = task.layout.columns.iter().map(|column| column.name.as_str()).collect();
        columns.iter().position(|name| Some(*name) == names::find(written, columns.iter().copied()))
    });
    let rule = format!("is not what the check {} accepts", check.name);
    Refusal { column, code: Code::RejectedByCheck, reason: rule.clone(), rule }
}

fn stop_if_asked(task: &LoadTask<'_>) -> Result<(), Halt> {
    if task.context.stop.is_cancelled() { Err(PipelineError::Stopped.into()) } else { Ok(()) }
}

/// The failure of a run that its checks forbid to load.
pub fn failure(table: &TableRef, checks: &[Check], results: &[CheckResult]) -> PipelineError {
    let failed: Vec<_> = results.iter().filter(|result| result.forbids_the_load()).collect();
    let mut sentences: Vec<_> = failed.iter().take(NAMED).map(|result| result.sentence()).collect();
    if failed.len() > NAMED {
        sentences.push(format!("{} more checks did not hold", failed.len() - NAMED));
    }
    let broken = failed.iter().all(|result| result.state == CheckState::Broken);
    let at = failed.first().and_then(|result| checks.iter().find(|check| check.name == result.name));
    let at = at.map_or_else(|| "the check".to_owned(), |check| check.at.to_string());
    PipelineError::Contract(Explained {
        code: if broken { Code::CheckBroken } else { Code::CheckFailed },
        message: format!("{}; nothing was loaded into {table}", sentences.join("; ")),
        next_step: if broken {
            format!("Correct {at}, then retry the run.")
        } else {
            format!(
                "Look at the sample rows in the run's report, correct the source or {at}, then retry the run. \
                 `on_fail: warn` loads the rows all the same."
            )
        },
    })
}

/// A warning for each check that does not hold and lets the load go on. A plan is warned of those that would forbid it.
pub fn warnings(results: &[CheckResult]) -> Vec<String> {
    let unheld = results.iter().filter(|result| result.state != CheckState::Passed);
    unheld
        .filter(|result| result.state != CheckState::Quarantined)
        .map(|result| match result.forbids_the_load() {
            true => format!("a run would load nothing, because {}", result.sentence()),
            false => result.sentence(),
        })
        .collect()
}
