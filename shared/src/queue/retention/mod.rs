//! Retention: deletes what is no longer needed, so that nothing grows for ever.
//!
//! Each kind of things has a setting that says what stays. Workers take turns: one of them deletes a kind at a time, about
//! once an hour, in small batches, and notes what it did where people see it. A backlog that is too large for one turn is
//! continued in the next one, which comes soon.
//!
//! # Layout
//! - [`kind`]: the kinds, and their settings
//! - [`batches`]: the batches of each kind in the control database
//!
//! What is in targets and data folders is deleted by workers; it counts as kinds here so that it is shown.

mod batches;
mod kind;

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use self::batches::Batches;
pub use self::kind::Kind;
use crate::backoff::jittered;
use crate::secret::KeyRing;
use crate::store::retention_turns::{self as turns, Left, Subject, TurnEnd};

/// Time between two turns of a worker.
const EVERY: Duration = Duration::from_secs(3600);
/// The first time soon after the start, so that processes that live shorter than an hour do their part.
const FIRST: Duration = Duration::from_secs(60);
/// Pause after a turn that left old things behind.
const AGAIN: Duration = Duration::from_secs(60);
/// A turn that another worker ended within this time is not taken again, so that many workers delete as often as one.
const NOT_AGAIN_WITHIN: Duration = Duration::from_secs(3000);
/// Longest time that a turn spends on one kind, so that a large backlog of one does not keep the others waiting.
const TURN: Duration = Duration::from_secs(300);
/// Time between two renewals of a turn.
const RENEW: Duration = Duration::from_secs(30);
/// Longest pause between two batches.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The time without a turn after which a kind counts as behind.
pub const LATE_AFTER: Duration = Duration::from_secs(3 * 3600);

/// What retention leaves: days after which it deletes things, and how many of them stay.
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    /// Days: finished tickets, and workers that are gone.
    pub tickets: u16,
    /// Days: log lines in the control database.
    pub log_lines: u16,
    /// Newest log lines that stay; older ones are deleted whatever their age is.
    pub most_log_lines: u32,
    /// Days: runs, with their attempts.
    pub runs: u16,
    /// Newest runs of each pipeline that stay whatever their age is.
    pub newest_runs: u32,
    /// Days: long lists of files in reports.
    pub reports: u16,
    /// Days: schedules that ended and have no runs any more.
    pub schedules: u16,
    /// Days: config versions without runs that have a newer version.
    pub unused_configs: u16,
    /// Newest coverage reports that stay.
    pub coverage_reports: u32,
    /// Days: messages that were sent or given up, and incidents that are over.
    pub notifications: u16,
    /// Days: rows of the audit.
    pub audit: u16,
    /// Days: API tokens that were revoked or have expired.
    pub ended_tokens: u16,
    /// Days: markers and receipts in targets.
    pub loads: u16,
    /// Days: rejected rows in targets that no run has seen again.
    pub quarantine: u16,
    /// Newest config versions of each pipeline whose combined CSV stays in the data folder.
    pub outputs: u32,
    /// Days: unfinished uploads to inboxes that receive no more bytes.
    pub uploads: u16,
}

impl Keep {
    /// What stays unless settings say otherwise.
    pub const DEFAULT: Self = Self {
        tickets: 7,
        log_lines: 30,
        most_log_lines: 2_000_000,
        runs: 90,
        newest_runs: 50,
        reports: 30,
        schedules: 90,
        unused_configs: 365,
        coverage_reports: 100,
        notifications: 90,
        audit: 400,
        ended_tokens: 90,
        loads: 400,
        quarantine: 365,
        outputs: 3,
        uploads: 1,
    };
}

impl Default for Keep {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The result of a turn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Number of things that it deleted.
    pub removed: u64,
    /// Whether it ended before everything old was deleted.
    pub behind: bool,
}

/// A turn that failed midway.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub struct Midway<E: std::error::Error + 'static> {
    /// Number of things that it deleted before; they stay deleted.
    pub removed: u64,
    /// Why it failed.
    pub source: E,
}

/// Deletes what is older than `keep` says, every hour until `stop`.
///
/// `keys` sign what is left of the audit; without them its rows stay.
pub async fn keep_deleting(db: PgPool, keep: Keep, keys: Option<Arc<KeyRing>>, stop: CancellationToken) {
    let mut pause = FIRST;
    loop {
        tokio::select! {
            () = sleep(jittered(pause)) => {}
            () = stop.cancelled() => return,
        }
        // A stop between two batches loses nothing: the rest is deleted by another worker, or after the next start.
        let turns = stop.run_until_cancelled(take_turns(&db, &keep, keys.as_deref())).await;
        let Some(is_behind) = turns else { return };
        pause = if is_behind { AGAIN } else { EVERY };
    }
}

/// Takes the turn of each kind of the control database that is due. Returns whether anything old was left.
async fn take_turns(db: &PgPool, keep: &Keep, keys: Option<&KeyRing>) -> bool {
    let mut is_behind = false;
    for kind in Kind::OF_CONTROL {
        let subject = Subject { kind: kind.name(), place: "" };
        if !begin_turn(db, subject, NOT_AGAIN_WITHIN, kind, keep).await {
            continue;
        }
        let cleaned = clean(db, kind, keep, keys).await;
        let end = turn_end(kind, "", &cleaned);
        is_behind |= end.behind;
        finish_turn(db, subject, kind, &end, None).await;
    }
    if let Err(error) = turns::forget_places(db, keep.loads).await {
        tracing::warn!(%error, "could not forget targets and data folders of long ago");
    }
    is_behind
}

/// Takes the turn of a kind at a place. Returns `false` when it is not due, when another worker has it, and when the control
/// database fails, which is logged: the next turn tries again.
pub async fn begin_turn(db: &PgPool, subject: Subject<'_>, every: Duration, kind: Kind, keep: &Keep) -> bool {
    turns::take(db, subject, every, &kind.settings(keep)).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "could not begin to delete {}", kind.words());
        false
    })
}

/// Notes the end of a turn. A failure is logged: the turn ends by itself then, because it is not renewed any more.
pub async fn finish_turn(db: &PgPool, subject: Subject<'_>, kind: Kind, end: &TurnEnd, left: Option<Left>) {
    if let Err(error) = turns::finish(db, subject, end, left).await {
        tracing::warn!(%error, "could not note that {} were deleted", kind.words());
    }
}

/// The end of a turn, as it is kept. It is logged here.
pub fn turn_end<E: std::error::Error>(kind: Kind, place: &str, cleaned: &Result<Cleaned, Midway<E>>) -> TurnEnd {
    let removed = cleaned.as_ref().map_or_else(|midway| midway.removed, |cleaned| cleaned.removed);
    if removed > 0 {
        tracing::info!(count = removed, place, "deleted {removed} {}", kind.words());
    }
    match cleaned {
        Ok(cleaned) => TurnEnd { removed, behind: cleaned.behind, failure: None },
        Err(error) => {
            tracing::warn!(%error, place, "could not delete {}", kind.words());
            let failure = format!("could not delete {}; the worker's log has the cause", kind.words());
            TurnEnd { removed, behind: true, failure: Some(failure) }
        }
    }
}

/// Deletes one kind of the control database, without a look at whose turn it is, for some minutes at most.
///
/// # Errors
/// When the database fails. What was deleted before that stays deleted.
pub async fn clean(
    db: &PgPool,
    kind: Kind,
    keep: &Keep,
    keys: Option<&KeyRing>,
) -> Result<Cleaned, Midway<sqlx::Error>> {
    let mut batches = Batches::new(db, kind, keep, keys);
    let mut cleaned = Cleaned::default();
    let began = Instant::now();
    let mut renewed = began;
    loop {
        let batch_began = Instant::now();
        let midway = |source| Midway { removed: cleaned.removed, source };
        let batch = batches.next().await.map_err(midway)?;
        cleaned.removed += batch.removed;
        if !batch.more {
            return Ok(cleaned);
        }
        if began.elapsed() > TURN {
            return Ok(Cleaned { behind: true, ..cleaned });
        }
        if renewed.elapsed() > RENEW {
            let renew = turns::renew(db, Subject { kind: kind.name(), place: "" }).await;
            renew.map_err(|source| Midway { removed: cleaned.removed, source })?;
            renewed = Instant::now();
        }
        // Deleting takes half of the time at most, so that the work of others does not wait long.
        sleep(batch_began.elapsed().min(LONGEST_PAUSE)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_that_fails_midway_notes_what_it_deleted() {
        let end = |removed| {
            turn_end(Kind::Runs, "", &Err::<Cleaned, _>(Midway { removed, source: sqlx::Error::PoolTimedOut }))
        };
        for removed in [0, 5_000] {
            let end = end(removed);
            assert!(end.removed == removed && end.behind && end.failure.is_some(), "{end:?}");
        }
    }
}
