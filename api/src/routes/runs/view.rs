//! A run as people and programs see it.

use chrono::{DateTime, Utc};
use elt_shared::backfills::Window;
use elt_shared::runs::{AttemptEnd, Outcome, Priority, RunKind, RunProgress, RunReport, RunState, Stage, Trigger};
use elt_shared::store::runs::{AttemptRow, Hold, Run};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// One execution of a pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RunView {
    /// Sorts by time.
    pub id: Uuid,
    /// What the run does: `run`, `plan`, `check`, `verify`, `test_connection`, `replay` or `undo`.
    pub kind: RunKind,
    /// The config version it executes.
    pub config_id: i64,
    /// Pipeline name.
    pub name: String,
    /// Target table as the config names it.
    pub target_table: String,
    /// Why it was made.
    pub trigger: Trigger,
    /// The schedule that made it.
    pub schedule_id: Option<Uuid>,
    /// The run this one comes from: `retry_of`, else `subject_id`.
    pub parent_id: Option<Uuid>,
    /// The run that a replay or an undo is about. A retry of it is about the same run.
    pub subject_id: Option<Uuid>,
    /// The run that this one repeats.
    pub retry_of: Option<Uuid>,
    /// The backfill that made it; `null` when none did.
    pub backfill_id: Option<Uuid>,
    /// The run that made it for one of its tables; `null`: the run is not a part of a whole run.
    pub part_of: Option<Uuid>,
    /// The part of time that it loads; `null`: what the sources deliver.
    pub window: Option<Window>,
    /// The queue its ticket is on.
    pub queue: String,
    /// What the kind needs beside the config.
    pub options: Value,
    /// Waiting, at work, or how it ended.
    pub state: RunState,
    /// It waits for this instant.
    pub not_before: Option<DateTime<Utc>>,
    /// It must not start later than this.
    pub not_after: Option<DateTime<Utc>>,
    /// How early it starts among the runs that wait.
    pub priority: Priority,
    /// The pause or the limit that keeps it from starting; `null` when there is nothing of that kind.
    pub held: Option<Hold>,
    /// A sentence, while it waits for something.
    pub waits_for: Option<String>,
    /// The run that holds the target it wants.
    pub waits_for_run: Option<Uuid>,
    /// What it waits for in the queue, if that is something that is away, another run, a pause or a limit; else `null`.
    pub waiting: Option<Waiting>,
    /// Attempts that failed because something was away. They do not count against `max_attempts`.
    pub outages: i32,
    /// The stage it is in, or in which it failed or was stopped; `null` before the first attempt and after a success.
    pub stage: Option<Stage>,
    /// Files, rows and bytes of that stage.
    #[schema(value_type = Option<RunProgress>)]
    pub progress: Option<Value>,
    /// Starts that count against `max_attempts`.
    pub attempt: i32,
    /// Attempts after which a failure that may pass fails the run for good.
    pub max_attempts: i32,
    /// Raised by every start.
    pub epoch: i64,
    /// Who works on it, or did last.
    pub worker_id: Option<String>,
    /// Until when the worker has it, by the database's clock.
    pub lease_expires_at: Option<DateTime<Utc>>,
    /// Since when it is at work without any progress that can be seen: no further row, byte or file, and no other stage. A
    /// long statement of the target looks like this, too. `null` while there is progress, and in other states.
    pub silent_since: Option<DateTime<Utc>>,
    /// Someone asked it to stop.
    pub stop_requested_at: Option<DateTime<Utc>>,
    /// Since when it is unknown whether the run loaded, because its target does not answer; `null` when it is known. A
    /// run of which it is unknown neither ends nor can be retried.
    pub unknown_since: Option<DateTime<Utc>>,
    /// Stable code of the failure.
    pub error_code: Option<String>,
    /// The failure as a sentence.
    pub error: Option<String>,
    /// What to do about it.
    pub next_step: Option<String>,
    /// What a run that succeeded achieved; `null` in other states.
    pub outcome: Option<Outcome>,
    /// The run report, once it finished. A run that ended without loading anything has a partial one, if any.
    #[schema(value_type = Option<RunReport>)]
    pub report: Option<Value>,
    /// Rows read, once known.
    pub rows_read: Option<i64>,
    /// Rows inserted, once known.
    pub rows_inserted: Option<i64>,
    /// Rows of the table that a merge updated, once it finished with a report.
    pub rows_updated: Option<i64>,
    /// Rows that were in the table already, or came more than once; once it finished with a report.
    pub rows_duplicate: Option<i64>,
    /// Rows kept in quarantine, once it finished with a report.
    pub rows_quarantined: Option<i64>,
    /// Files that were not read, once it finished with a report.
    pub files_left_out: Option<i64>,
    /// W3C trace context of the request that asked for it.
    pub traceparent: Option<String>,
    /// Username.
    pub created_by: String,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When its first attempt started.
    pub started_at: Option<DateTime<Utc>>,
    /// When it reached its last state.
    pub finished_at: Option<DateTime<Utc>>,
}

/// The wait of a queued run.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Waiting {
    /// What it waits for.
    #[serde(rename = "for")]
    #[schema(example = "target db.example.com:5432/shop")]
    pub what: String,
    /// Since when; for something that is away, since it first met an outage, by an attempt of its own or because its server
    /// was known to be away.
    pub since: DateTime<Utc>,
    /// When it, or another run in its place, tries again; `null` when something else wakes it.
    pub next_at: Option<DateTime<Utc>>,
    /// Stable code of the reason: that of the outage, `target_busy`, or `outcome_unknown`.
    #[schema(example = "target_unreachable")]
    pub code: Option<String>,
}

impl Waiting {
    fn of(run: &Run) -> Option<Self> {
        let since = run.waiting_since.filter(|_| run.state == RunState::Queued)?;
        let what = run.waits_for.clone()?;
        Some(Self { what, since, next_at: run.next_attempt_at, code: run.waiting_code.clone() })
    }
}

impl RunView {
    /// Whether nothing about it changes any more.
    pub fn is_finished(&self) -> bool {
        self.finished_at.is_some()
    }
}

impl From<Run> for RunView {
    fn from(run: Run) -> Self {
        Self {
            waiting: Waiting::of(&run),
            window: run.window(),
            backfill_id: run.backfill_id,
            part_of: run.part_of,
            outages: run.outages,
            id: run.id,
            kind: run.kind,
            config_id: run.config_id,
            name: run.name,
            target_table: run.target_table,
            trigger: run.trigger,
            schedule_id: run.schedule_id,
            parent_id: run.parent_id,
            subject_id: run.subject_id,
            retry_of: run.retry_of,
            queue: run.queue,
            options: run.options,
            state: run.state,
            not_before: run.not_before,
            not_after: run.not_after,
            priority: run.priority,
            held: run.held.filter(|_| run.state == RunState::Queued),
            waits_for: run.waits_for,
            waits_for_run: run.waits_for_run,
            stage: run.stage,
            progress: run.progress,
            attempt: run.attempt,
            max_attempts: run.max_attempts,
            epoch: run.epoch,
            worker_id: run.worker_id,
            lease_expires_at: run.lease_expires_at,
            silent_since: run.silent_since,
            stop_requested_at: run.stop_requested_at,
            unknown_since: run.unknown_since,
            error_code: run.error_code,
            error: run.error,
            next_step: run.next_step,
            outcome: run.outcome,
            report: run.report,
            rows_read: run.rows_read,
            rows_inserted: run.rows_inserted,
            rows_updated: run.rows_updated,
            rows_duplicate: run.rows_duplicate,
            rows_quarantined: run.rows_quarantined,
            files_left_out: run.files_left_out,
            traceparent: run.traceparent,
            created_by: run.created_by,
            created_at: run.created_at,
            started_at: run.started_at,
            finished_at: run.finished_at,
        }
    }
}

/// One start of a run.
#[derive(Serialize, ToSchema)]
pub struct AttemptView {
    /// Number of the attempt: every start of the run raises it by one.
    epoch: i64,
    /// Id of the worker that executed the attempt.
    worker_id: String,
    started_at: DateTime<Utc>,
    /// When it ended, however it did.
    finished_at: Option<DateTime<Utc>>,
    /// How it ended; `null` while it is going on.
    outcome: Option<AttemptEnd>,
    /// Stable code of a failure.
    error_code: Option<String>,
    /// The failure as a sentence.
    error: Option<String>,
}

impl From<AttemptRow> for AttemptView {
    fn from(attempt: AttemptRow) -> Self {
        Self {
            epoch: attempt.epoch,
            worker_id: attempt.worker_id,
            started_at: attempt.started_at,
            finished_at: attempt.finished_at,
            outcome: attempt.outcome,
            error_code: attempt.error_code,
            error: attempt.error,
        }
    }
}
