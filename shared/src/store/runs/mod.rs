//! Runs: one row for each execution of a pipeline, and the truth about it.
//!
//! This is the SQL. What happens to a run in which order is in [`lifecycle`](crate::runs::lifecycle); the statements that
//! only it may use are visible in this crate alone.
//!
//! # Layout
//! - [`admission`]: whether a worker may begin the run of a ticket
//! - [`attempt`]: what the worker that executes a run writes, fenced by the attempt's epoch
//! - [`requeue`]: sending a run from its attempt back to the queue
//! - [`waiting`]: runs that wait for something that is away, or for another run
//! - [`parts`](mod@parts): runs that make a run for each of their tables
//! - [`backfill_turn`]: when the run of a window may load
//! - [`end`]: ending a run, and asking it to end
//! - [`mod@failed`]: failed runs that may be retried together
//! - [`sweep`]: finding runs that no process takes care of any more
//! - [`mod@list`]: what people look at
//! - [`old`]: deleting old runs, and shortening their reports
//! - [`order`]: the places of runs in the queue

mod admission;
mod attempt;
mod backfill_turn;
mod end;
mod failed;
mod list;
pub mod old;
mod order;
mod page;
mod parts;
mod requeue;
mod sweep;
mod waiting;

pub use admission::Hold;
pub(in crate::store) use admission::TICKET_IS_GONE;
pub(crate) use admission::{
    Application, application, count, free_to_begin, hold, is_drained, lock_counts, take_off_hold, take_resumed,
    with_held,
};
pub(crate) use attempt::begin_into;
pub use attempt::{Claim, Renewed, Started, begin, claim_target, note_commit, note_progress, note_silence, renew};
pub use backfill_turn::{Turn, claim_turn};
pub(crate) use end::{lock_unfinished, note_stop_request, withdraw_ticket, write_end};
pub(crate) use failed::failed;
pub use failed::{FailedFilter, FailedRun, lock_retries};
pub use list::{
    AttemptRow, LiveRuns, attempts, combined_csvs, find_all, live_of_schedule, live_previews_of, newest_report,
    repeated,
};
pub(crate) use order::ticket;
pub use page::{RunFilter, list};
pub(crate) use parts::{lock_if_parts_ended, note_part, queue_for_parts, unfinished_parts};
pub use parts::{other_pipeline_of, parts, undone};
pub(crate) use requeue::{
    Released, end_attempt, is_stopping, lock_holder, queue_after_loss, queue_ask, queue_for_target, queue_handed_back,
    queue_retry, queue_unknown, take_next_for_target,
};
pub(crate) use sweep::move_unknown;
pub use sweep::{LostRun, WithoutTicket, abandoned, lost, overdue, put_away_dead_tickets, without_ticket};
pub use waiting::note_outage_at_commit;
pub(crate) use waiting::{
    WaitsFor, end_wait_for_holder, end_wait_for_server, holder, is_due, lock_table, park_for_holder, park_for_server,
    queue_wait, thin_out_attempts,
};

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, PgExecutor};
use ulid::Ulid;
use uuid::Uuid;

use self::order::HEAD_START;
use crate::backfills::Window;
use crate::queue::STOP_CHANNEL;
use crate::runs::{End, Outcome, Priority, RunKind, RunState, Stage, Trigger};

/// One execution of a pipeline.
#[derive(Debug, Clone, Default, FromRow, Serialize)]
pub struct Run {
    /// UUIDv7: sorts by time.
    pub id: Uuid,
    /// What the run does: a run, plan, check, verification, test of connections, replay or undo.
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
    /// The run whose rejected rows a replay loads, or whose rows an undo deletes. A retry of either has the same one.
    pub subject_id: Option<Uuid>,
    /// The run that this one repeats.
    pub retry_of: Option<Uuid>,
    /// The backfill that made it.
    pub backfill_id: Option<Uuid>,
    /// The run that made it for one of its tables. `None`: the run is not a part of a whole run.
    pub part_of: Option<Uuid>,
    /// When it made a run for each of its tables. `None`: it loads itself, or has not come to that yet.
    pub divided_at: Option<DateTime<Utc>>,
    /// The beginning of its window. `None`: it has no window, and loads what the sources deliver.
    pub window_from: Option<DateTime<Utc>>,
    /// The end of its window, which is not part of it.
    pub window_to: Option<DateTime<Utc>>,
    /// The queue its ticket is on.
    pub queue: String,
    /// What the kind needs beside the config.
    pub options: Value,
    /// Waiting, at work, or how it ended.
    pub state: RunState,
    /// It waits for this instant.
    pub not_before: Option<DateTime<Utc>>,
    /// It stops then, and does not start later.
    pub not_after: Option<DateTime<Utc>>,
    /// How early it starts among the runs that wait.
    pub priority: Priority,
    /// The pause or the limit that keeps it from starting; `None`: nothing of that kind.
    pub held: Option<Hold>,
    /// A sentence, while it waits for something.
    pub waits_for: Option<String>,
    /// The run that holds the target it wants.
    pub waits_for_run: Option<Uuid>,
    /// Since when it waits in the queue for something that is away, or for the run that has its target. `None`: for
    /// neither.
    pub waiting_since: Option<DateTime<Utc>>,
    /// Stable code of what it waited for last: that of the outage, or `target_busy`.
    pub waiting_code: Option<String>,
    /// When it, or another run in its place, tries again to reach what is away.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// Attempts that failed because something was away. They do not count against `max_attempts`.
    pub outages: i32,
    /// When it first met an outage, by an attempt of its own or because its server was known to be away.
    pub outage_since: Option<DateTime<Utc>>,
    /// Hash of the server that it waits for, or, while it runs, that it tries to reach for all runs that wait.
    pub waits_on: Option<String>,
    /// The stage it is in, or in which it failed or was stopped. `None` before the first attempt and after a success.
    pub stage: Option<Stage>,
    /// Rows and bytes of that stage.
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
    /// Since when it is at work without any progress that can be seen. `None` while there is progress, and in other states.
    pub silent_since: Option<DateTime<Utc>>,
    /// Someone asked it to stop.
    pub stop_requested_at: Option<DateTime<Utc>>,
    /// Stable code of the failure.
    pub error_code: Option<String>,
    /// The failure as a sentence.
    pub error: Option<String>,
    /// What to do about it.
    pub next_step: Option<String>,
    /// Since when it is unknown whether the run loaded; `None`: it is known. Attempts at an unknown run only ask the
    /// target.
    pub unknown_since: Option<DateTime<Utc>>,
    /// The end of an unknown run if its target says that it did not load. `None`: it is tried again.
    pub verdict: Option<Json<End>>,
    /// Its outcome. `None` unless it succeeded.
    pub outcome: Option<Outcome>,
    /// The run report, once it finished.
    pub report: Option<Value>,
    /// Rows read, once known.
    pub rows_read: Option<i64>,
    /// Rows inserted, once known.
    pub rows_inserted: Option<i64>,
    /// Rows of the table a merge updated, once it finished with a report.
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

impl Run {
    /// Whether its attempts only ask the target whether it loaded.
    pub fn is_unknown(&self) -> bool {
        self.unknown_since.is_some()
    }

    /// The part of time that it loads. `None`: it loads what the sources deliver.
    pub fn window(&self) -> Option<Window> {
        Some(Window { from: self.window_from?, to: self.window_to? })
    }
}

const COLUMNS: &str = "priority, held, \
     id, kind, config_id, name, target_table, trigger, schedule_id, parent_id, subject_id, retry_of, \
     backfill_id, part_of, divided_at, window_from, window_to, queue, options, state, \
     not_before, not_after, waits_for, waits_for_run, waiting_since, waiting_code, outages, outage_since, waits_on, \
     case when state = 'queued' and waiting_since is not null then \
         coalesce((select o.next_try_at from target_outages o where o.server = waits_on), not_before) end as next_attempt_at, stage, progress, attempt, max_attempts, epoch, worker_id, lease_expires_at, \
     case when state = 'running' then silent_since end as silent_since, \
     stop_requested_at, error_code, error, next_step, unknown_since, verdict, outcome, report, rows_read, rows_inserted, \
     rows_updated, rows_duplicate, rows_quarantined, files_left_out, traceparent, created_by, created_at, started_at, finished_at";

/// A run that is not stored yet.
#[derive(Debug, Clone)]
pub struct NewRun<'a> {
    /// See [`Run::kind`].
    pub kind: RunKind,
    /// The config version.
    pub config_id: i64,
    /// Pipeline name.
    pub name: &'a str,
    /// Target table as the config names it.
    pub target_table: &'a str,
    /// See [`Run::trigger`].
    pub trigger: Trigger,
    /// The schedule that makes it.
    pub schedule_id: Option<Uuid>,
    /// The run whose rejected rows a replay loads, or whose rows an undo deletes.
    pub subject_id: Option<Uuid>,
    /// The run that it repeats.
    pub retry_of: Option<Uuid>,
    /// The backfill that makes it, and its window.
    pub window: Option<(Uuid, Window)>,
    /// The queue its ticket goes to.
    pub queue: &'a str,
    /// What the kind needs beside the config.
    pub options: Value,
    /// It waits for this instant.
    pub not_before: Option<DateTime<Utc>>,
    /// It stops then, and does not start later.
    pub not_after: Option<DateTime<Utc>>,
    /// How early it starts; `None`: as its config says.
    pub priority: Option<Priority>,
    /// A sentence about what it waits for.
    pub waits_for: Option<String>,
    /// Bound of the attempts.
    pub max_attempts: u32,
    /// W3C trace context of the caller.
    pub traceparent: Option<String>,
    /// Username.
    pub created_by: &'a str,
}

/// Creates a run in state `queued`. Enqueue its ticket in the same transaction.
pub async fn create(db: impl PgExecutor<'_>, new: NewRun<'_>) -> sqlx::Result<Run> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "insert into runs (id, kind, config_id, name, target_table, trigger, schedule_id, parent_id, subject_id, retry_of, queue,
                           options, not_before, not_after, waits_for, max_attempts, traceparent, created_by, priority, place,
                           backfill_id, window_from, window_to)
         select $1, $2, $3, $4, $5, $6, $7, coalesce($9, $8), $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, priority,
                greatest(now(), $12) + {HEAD_START}, $19, $20, $21
         from (select coalesce($18, (select priority from config_history where id = $3), 'normal') as priority) as said
         returning {COLUMNS}"
    )))
    .bind(Uuid::now_v7())
    .bind(new.kind)
    .bind(new.config_id)
    .bind(new.name)
    .bind(new.target_table)
    .bind(new.trigger)
    .bind(new.schedule_id)
    .bind(new.subject_id)
    .bind(new.retry_of)
    .bind(new.queue)
    .bind(new.options)
    .bind(new.not_before)
    .bind(new.not_after)
    .bind(new.waits_for)
    .bind(new.max_attempts as i32)
    .bind(new.traceparent)
    .bind(new.created_by)
    .bind(new.priority)
    .bind(new.window.map(|(backfill, _)| backfill))
    .bind(new.window.map(|(_, window)| window.from))
    .bind(new.window.map(|(_, window)| window.to))
    .fetch_one(db)
    .await
}

/// A run by its id. `None`: it does not exist.
pub async fn find(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<Option<Run>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!("select {COLUMNS} from runs where id = $1")))
        .bind(id)
        .fetch_optional(db)
        .await
}

/// The run of a schedule that waits for its window to open.
pub async fn find_waiting(db: impl PgExecutor<'_>, schedule_id: Uuid) -> sqlx::Result<Option<Run>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {COLUMNS} from runs where schedule_id = $1 and state = 'queued' and attempt = 0 and not_before > now()"
    )))
    .bind(schedule_id)
    .fetch_optional(db)
    .await
}

/// Makes the run of a schedule due that waits for its window to open. `None`: no run waits.
pub(crate) async fn open_window(db: impl PgExecutor<'_>, schedule_id: Uuid) -> sqlx::Result<Option<Run>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "update runs set not_before = null, waits_for = null
         where schedule_id = $1 and state = 'queued' and attempt = 0 and not_before > now()
         returning {COLUMNS}"
    )))
    .bind(schedule_id)
    .fetch_optional(db)
    .await
}

/// The runs of a schedule that wait for its window to open.
pub(crate) async fn waiting_for_window(db: impl PgExecutor<'_>, schedule_id: Uuid) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar(
        "select id from runs where schedule_id = $1 and state = 'queued' and not_before > now() and attempt = 0",
    )
    .bind(schedule_id)
    .fetch_all(db)
    .await
}

/// Notifies the workers, once the caller's transaction commits, that a run should stop.
pub(crate) async fn notify_stop(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<()> {
    sqlx::query("select pg_notify($1, $2)").bind(STOP_CHANNEL).bind(id.to_string()).execute(db).await?;
    Ok(())
}

/// Remembers which ticket wakes a worker for a run.
pub(crate) async fn note_ticket(db: &mut PgConnection, id: Uuid, ticket: Ulid) -> sqlx::Result<()> {
    sqlx::query("update runs set ticket_id = $2 where id = $1").bind(id).bind(ticket.to_string()).execute(db).await?;
    Ok(())
}
