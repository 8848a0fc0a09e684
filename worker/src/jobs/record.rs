//! Records the decision about a run in the control database.

use std::time::Duration;

use elt_shared::backoff::jittered;
use elt_shared::queue::heartbeat::HeldRun;
use elt_shared::runs::lifecycle::{self, EndedBy};
use elt_shared::runs::report::RunReport;
use elt_shared::runs::{End, Failure, RunState};
use elt_shared::store::runs::Run;
use elt_shared::store::schedules;
use serde_json::{Value, json};
use sqlx::{PgConnection, PgPool};
use tokio::time::sleep;

use super::decision::Decision;
use crate::progress::Snapshot;

/// First pause after a decision could not be written; it doubles up to [`LONGEST_WRITE_PAUSE`].
const FIRST_WRITE_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_WRITE_PAUSE: Duration = Duration::from_secs(3);

/// Whether a decision is in the control database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// It is, or there was nothing to write.
    Yes,
    /// The run was asked to stop meanwhile, and has ended stopped in place of another attempt.
    Stopped,
    /// A newer attempt took over the run.
    Fenced,
    /// The control database did not answer before the lease ended.
    No,
}

impl From<bool> for Written {
    /// False: the attempt was fenced off.
    fn from(done: bool) -> Self {
        if done { Self::Yes } else { Self::Fenced }
    }
}

impl From<Option<RunState>> for Written {
    /// By the new state of a run that should be attempted again. `None`: the attempt was fenced off.
    fn from(state: Option<RunState>) -> Self {
        match state {
            Some(RunState::Stopped) => Self::Stopped,
            Some(_) => Self::Yes,
            None => Self::Fenced,
        }
    }
}

/// Records a decision, and how far a run that did not succeed came. Waits while the control database does not answer. If
/// it does not answer before the lease ends, the sweeper takes over the run.
pub(super) async fn record(db: &PgPool, run: &Run, held: &HeldRun, decision: &Decision, at: &Snapshot) -> Written {
    decision.log(run);
    let mut pause = FIRST_WRITE_PAUSE;
    loop {
        match write(db, run, decision, at).await {
            Ok(Written::Fenced) => {
                tracing::warn!("the end of the attempt was not written: a newer attempt took over");
                return Written::Fenced;
            }
            Ok(Written::Stopped) => {
                tracing::info!("{} stopped on request", run.kind);
                return Written::Stopped;
            }
            Ok(written) => return written,
            // Without the lease another try is useless: the write would be fenced off, and the sweeper decides by
            // what the control database knows.
            Err(error) if held.lost.is_cancelled() => {
                tracing::error!(%error, "could not write how the attempt ended; the sweeper takes care of the run");
                return Written::No;
            }
            Err(error) => tracing::warn!(%error, "could not write how the attempt ended, trying again"),
        }
        sleep(jittered(pause)).await;
        pause = (pause * 2).min(LONGEST_WRITE_PAUSE);
    }
}

async fn write(db: &PgPool, run: &Run, decision: &Decision, at: &Snapshot) -> sqlx::Result<Written> {
    let mut tx = db.begin().await?;
    let (id, epoch, by) = (run.id, run.epoch, EndedBy::Attempt(run.epoch));
    // The end of a run also ends a schedule that has nothing left. Its lock comes before that of the run, because ticks lock in
    // this order, and the other order would let both wait for each other.
    if matches!(decision, Decision::Succeeded(..) | Decision::Finished(_)) {
        schedules::lock_of_run(&mut *tx, id).await?;
    }
    let written = match decision {
        Decision::Succeeded(report, outcome) => {
            let end = End::Succeeded { outcome: *outcome };
            lifecycle::finish(&mut tx, id, by, &end, Some(&as_json(report))).await?.into()
        }
        Decision::Finished(end) => {
            // How far it came is written first, because a run that has ended takes no more progress.
            note_how_far(&mut tx, run, at).await?;
            lifecycle::finish(&mut tx, id, by, end, at.partial_report().as_ref()).await?.into()
        }
        Decision::AskTarget { if_not_loaded, left, counts, .. } => {
            note_how_far(&mut tx, run, at).await?;
            if !counts {
                lifecycle::note_outage_at_commit(&mut tx, id, epoch).await?;
            }
            lifecycle::leave_unknown(&mut tx, id, epoch, if_not_loaded.as_ref(), *left).await?.into()
        }
        Decision::AskAgain { code, error } => {
            lifecycle::ask_again(&mut tx, id, epoch, Failure { code, error }).await?.into()
        }
        Decision::Retry { pause, code, error } => {
            lifecycle::retry_later(&mut tx, id, epoch, *pause, Failure { code, error }).await?.into()
        }
        Decision::WaitForOutage(wait) => {
            let server = wait.server.as_ref().map(|(server, pauses)| (server.as_str(), *pauses));
            let (failure, longest) = (Failure { code: &wait.code, error: &wait.error }, wait.longest);
            let wait = lifecycle::Wait { shown: &wait.shown, failure, longest, pause: wait.pause, server };
            lifecycle::wait(&mut tx, id, epoch, &wait).await?.into()
        }
        Decision::WaitForTables { tables, report } => {
            let report = report.as_deref().map(as_json);
            lifecycle::wait_for_parts(&mut tx, run, tables, report.as_ref()).await?.into()
        }
        Decision::Wait(holder) => lifecycle::wait_for_target(&mut tx, id, epoch, *holder).await?.into(),
        Decision::HandBack => lifecycle::hand_back(&mut tx, id, epoch).await?.into(),
        // Nothing of a lost attempt may be written, so there is nothing to commit either.
        Decision::Lost => return Ok(Written::Yes),
    };
    tx.commit().await?;
    Ok(written)
}

/// The report as it is stored. The rows are committed, so a report that cannot be stored must not fail the run: the
/// counts and a warning are stored in its place.
fn as_json(report: &RunReport) -> Value {
    serde_json::to_value(report).unwrap_or_else(|error| {
        tracing::error!(%error, "the run's report could not be stored");
        let (read, inserted, rejected) = (report.rows_read, report.rows_inserted, report.rows_quarantined);
        let warnings = ["the details of this run could not be stored; please report this as a bug in elt"];
        json!({ "rows_read": read, "rows_inserted": inserted, "rows_quarantined": rejected, "warnings": warnings })
    })
}

/// Notes how far the attempt came. An attempt that only asked has no progress of its own: what is shown stays that of the
/// attempt that may have loaded.
async fn note_how_far(db: &mut PgConnection, run: &Run, at: &Snapshot) -> sqlx::Result<()> {
    if !run.is_unknown() {
        lifecycle::note_progress(db, run.id, run.epoch, &at.progress).await?;
    }
    Ok(())
}
