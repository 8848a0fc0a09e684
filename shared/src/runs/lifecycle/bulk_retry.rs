//! Retrying many failed runs at once.

use std::collections::HashMap;

use sqlx::PgConnection;
use uuid::Uuid;

use super::stop::{RetryAnswer, repeat};
use crate::explained::Code;
use crate::runs::RunKind;
use crate::store::runs::{self, FailedFilter, FailedRun, Run};

/// Most failed runs that one request looks at.
pub const MOST_RETRIED: u16 = 500;

/// What came of a request to retry failed runs.
#[derive(Debug, Default)]
pub struct BulkRetry {
    /// The runs that are retried, with the new run of each. `None`: only asked, and nothing was queued.
    pub retried: Vec<(FailedRun, Option<Run>)>,
    /// The runs that are left alone, and why.
    pub skipped: Vec<SkippedRetry>,
    /// Whether more failed runs can be retried than were looked at.
    pub more: bool,
}

/// A failed run that is not retried.
#[derive(Debug)]
pub struct SkippedRetry {
    /// The run that failed.
    pub run: FailedRun,
    /// Stable code of the reason.
    pub code: Code,
    /// The reason as a sentence.
    pub reason: String,
}

/// Retries the oldest `limit` of the failed runs, at most [`MOST_RETRIED`]. `dry_run`: only finds out which. Waits for other
/// requests to retry runs, so that none is retried twice.
pub async fn retry_failed(
    db: &mut PgConnection,
    filter: &FailedFilter<'_>,
    limit: u16,
    dry_run: bool,
    (traceparent, created_by): (Option<String>, &str),
) -> sqlx::Result<BulkRetry> {
    let limit = usize::from(limit.min(MOST_RETRIED));
    if !dry_run {
        runs::lock_retries(&mut *db).await?;
    }
    let mut found = runs::failed(&mut *db, filter, limit as i64 + 1).await?;
    // Runs that must be left alone come last, so behind one of them there is nothing to retry.
    let more = found.get(limit).is_some_and(|run| reason_to_skip(run).is_none());
    let mut all = BulkRetry { more, ..BulkRetry::default() };
    found.truncate(limit);
    // The failed undos that are retried here, by the run that each undoes.
    let mut undos: HashMap<Uuid, Uuid> = HashMap::new();
    for run in found {
        let undoes = run.subject_id.filter(|_| run.kind == RunKind::Undo);
        let undone = undoes.and_then(|subject| undos.get(&subject)).map(|undo| undone_by_retry_of(*undo));
        if let Some((code, reason)) = reason_to_skip(&run).or(undone) {
            all.skipped.push(SkippedRetry { run, code, reason });
            continue;
        }
        let new = match dry_run {
            true => None,
            false => match repeat(db, run.id, traceparent.clone(), created_by).await? {
                Some(RetryAnswer::Started(new)) => Some(*new),
                // The run was deleted in the meantime. A failed run never changes otherwise.
                Some(
                    RetryAnswer::Unfinished(_)
                    | RetryAnswer::Unknown(_)
                    | RetryAnswer::OfBackfill(_)
                    | RetryAnswer::PartOf(_),
                )
                | None => continue,
            },
        };
        undos.extend(undoes.map(|subject| (subject, run.id)));
        all.retried.push((run, new));
    }
    Ok(all)
}

fn undone_by_retry_of(undo: Uuid) -> (Code, String) {
    (Code::AlreadyUndone, format!("the retry of the run {undo} undoes the same run"))
}

fn reason_to_skip(run: &FailedRun) -> Option<(Code, String)> {
    if let Some(retry) = run.retried_by {
        return Some((Code::AlreadyRetried, format!("the run {retry} retries it already")));
    }
    if let Some(backfill) = run.backfill_id {
        return Some((
            Code::RunOfBackfill,
            format!("the backfill {backfill} loads its window again when it is resumed"),
        ));
    }
    if let Some(whole) = run.part_of {
        return Some((Code::RunOfTables, format!("a retry of the run {whole} loads its table again")));
    }
    run.undone_by.map(|undo| (Code::AlreadyUndone, format!("the run {undo} undoes it already")))
}
