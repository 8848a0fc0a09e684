//! Retrying many failed runs at once.

use sqlx::PgConnection;

use super::stop::{RetryAnswer, retry};
use crate::explained::Code;
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
    /// Whether there are more failed runs than were looked at.
    pub more: bool,
}

/// A failed run that is not retried.
#[derive(Debug)]
pub struct SkippedRetry {
    /// The run.
    pub run: FailedRun,
    /// Stable code of the reason.
    pub code: Code,
    /// The reason as a sentence.
    pub reason: String,
}

/// Retries the oldest `limit` of the failed runs, at most [`MOST_RETRIED`]. `dry_run`: only finds out which.
pub async fn retry_failed(
    db: &mut PgConnection,
    filter: &FailedFilter<'_>,
    limit: u16,
    dry_run: bool,
    (traceparent, created_by): (Option<String>, &str),
) -> sqlx::Result<BulkRetry> {
    let limit = usize::from(limit.min(MOST_RETRIED));
    let mut found = runs::failed(&mut *db, filter, limit as i64 + 1).await?;
    let mut all = BulkRetry { more: found.len() > limit, ..BulkRetry::default() };
    found.truncate(limit);
    for run in found {
        if let Some((code, reason)) = reason_to_skip(&run) {
            all.skipped.push(SkippedRetry { run, code, reason });
            continue;
        }
        let new = match dry_run {
            true => None,
            false => match retry(db, run.id, traceparent.clone(), created_by).await? {
                Some(RetryAnswer::Started(new)) => Some(*new),
                // The run was deleted in the meantime. A failed run never changes otherwise.
                Some(RetryAnswer::Unfinished(_) | RetryAnswer::Unknown(_)) | None => continue,
            },
        };
        all.retried.push((run, new));
    }
    Ok(all)
}

fn reason_to_skip(run: &FailedRun) -> Option<(Code, String)> {
    if let Some(retry) = run.retried_by {
        return Some((Code::AlreadyRetried, format!("the run {retry} retries it already")));
    }
    run.undone_by.map(|undo| (Code::AlreadyUndone, format!("the run {undo} undoes it already")))
}
