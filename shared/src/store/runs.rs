//! Runs: one row for each execution of a pipeline, and the truth about it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::{FromRow, PgExecutor, PgPool};
use uuid::Uuid;

/// A worker that says nothing for this long has lost its runs.
pub const LEASE: Duration = Duration::from_secs(25);

/// One execution of a pipeline.
#[derive(Debug, Clone, FromRow, Serialize)]
pub struct Run {
    /// UUIDv7: sorts by time.
    pub id: Uuid,
    /// `run`, `plan`, `check`, `test_connection`, `replay` or `undo`.
    pub kind: String,
    /// The config version it executes.
    pub config_id: i64,
    /// Pipeline name.
    pub name: String,
    /// Target table as the config names it.
    pub target_table: String,
    /// `manual`, `schedule`, `file_change` or `retry`.
    pub trigger: String,
    /// The schedule that made it.
    pub schedule_id: Option<Uuid>,
    /// The run this one retries, replays or undoes.
    pub parent_id: Option<Uuid>,
    /// The queue its ticket is on.
    pub queue: String,
    /// What the kind needs beside the config.
    pub options: Value,
    /// `queued`, `running`, `succeeded`, `failed` or `stopped`.
    pub state: String,
    /// It waits for this instant.
    pub not_before: Option<DateTime<Utc>>,
    /// A sentence, while it waits for something.
    pub waits_for: Option<String>,
    /// `extract`, `validate` or `load`, while it runs.
    pub stage: Option<String>,
    /// Rows and bytes so far, while it runs.
    pub progress: Option<Value>,
    /// Starts that count against `max_attempts`.
    pub attempt: i32,
    /// Bound of `attempt`.
    pub max_attempts: i32,
    /// Raised by every start.
    pub epoch: i64,
    /// Who works on it, or did last.
    pub worker_id: Option<String>,
    /// Until when the worker has it, by the database's clock.
    pub lease_expires_at: Option<DateTime<Utc>>,
    /// Someone asked it to stop.
    pub stop_requested_at: Option<DateTime<Utc>>,
    /// Stable code of the failure.
    pub error_code: Option<String>,
    /// The failure as a sentence.
    pub error: Option<String>,
    /// What to do about it.
    pub next_step: Option<String>,
    /// The run report, once it finished.
    pub report: Option<Value>,
    /// Rows read, once known.
    pub rows_read: Option<i64>,
    /// Rows inserted, once known.
    pub rows_inserted: Option<i64>,
    /// W3C trace context of whoever asked for it.
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

const COLUMNS: &str = "id, kind, config_id, name, target_table, trigger, schedule_id, parent_id, queue, options, state, \
     not_before, waits_for, stage, progress, attempt, max_attempts, epoch, worker_id, lease_expires_at, \
     stop_requested_at, error_code, error, next_step, report, rows_read, rows_inserted, traceparent, created_by, \
     created_at, started_at, finished_at";

/// What is asked for.
#[derive(Debug, Clone)]
pub struct NewRun<'a> {
    /// See [`Run::kind`].
    pub kind: &'a str,
    /// The config version.
    pub config_id: i64,
    /// Pipeline name.
    pub name: &'a str,
    /// Target table as the config names it.
    pub target_table: &'a str,
    /// See [`Run::trigger`].
    pub trigger: &'a str,
    /// The schedule that makes it.
    pub schedule_id: Option<Uuid>,
    /// The run it retries, replays or undoes.
    pub parent_id: Option<Uuid>,
    /// The queue its ticket goes to.
    pub queue: &'a str,
    /// What the kind needs beside the config.
    pub options: Value,
    /// It waits for this instant.
    pub not_before: Option<DateTime<Utc>>,
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
        "insert into runs (id, kind, config_id, name, target_table, trigger, schedule_id, parent_id, queue, options,
                           not_before, max_attempts, traceparent, created_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
         returning {COLUMNS}"
    )))
    .bind(Uuid::now_v7())
    .bind(new.kind)
    .bind(new.config_id)
    .bind(new.name)
    .bind(new.target_table)
    .bind(new.trigger)
    .bind(new.schedule_id)
    .bind(new.parent_id)
    .bind(new.queue)
    .bind(new.options)
    .bind(new.not_before)
    .bind(new.max_attempts as i32)
    .bind(new.traceparent)
    .bind(new.created_by)
    .fetch_one(db)
    .await
}

/// One run.
pub async fn find(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<Option<Run>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!("select {COLUMNS} from runs where id = $1")))
        .bind(id)
        .fetch_optional(db)
        .await
}

/// Starts an attempt: takes the run if it is queued and due, or if its worker lost it. `None`: nothing to do.
///
/// A start raises the epoch, so that whatever an older attempt still writes is fenced off.
pub async fn begin(db: impl PgExecutor<'_>, id: Uuid, worker_id: &str) -> sqlx::Result<Option<Run>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "with taken as (
             update runs set state = 'running', epoch = epoch + 1, attempt = attempt + 1, worker_id = $2,
                    lease_expires_at = now() + make_interval(secs => $3), waits_for = null, stage = 'extract',
                    started_at = coalesce(started_at, now())
             where id = $1
               and ((state = 'queued' and coalesce(not_before, now()) <= now())
                    or (state = 'running' and lease_expires_at < now()))
             returning *
         ), noted as (
             insert into run_attempts (run_id, epoch, worker_id) select id, epoch, worker_id from taken
         )
         select {COLUMNS} from taken"
    )))
    .bind(id)
    .bind(worker_id)
    .bind(LEASE.as_secs_f64())
    .fetch_optional(db)
    .await
}

/// Whether a run may load into a target table now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// It is this run's until the run ends.
    Taken,
    /// Another run has it.
    Busy {
        /// Which.
        run: Uuid,
    },
    /// A newer attempt of this run began.
    Fenced,
}

/// Claims a target table for a running run: one running run per table, whatever configs name it.
pub async fn claim_target(db: &PgPool, id: Uuid, epoch: i64, target_key: &str) -> sqlx::Result<Claim> {
    loop {
        let claimed = sqlx::query("update runs set target_key = $3 where id = $1 and epoch = $2 and state = 'running'")
            .bind(id)
            .bind(epoch)
            .bind(target_key)
            .execute(db)
            .await;
        match claimed {
            Ok(done) if done.rows_affected() == 1 => return Ok(Claim::Taken),
            Ok(_) => return Ok(Claim::Fenced),
            Err(error) if error.as_database_error().is_some_and(|e| e.constraint() == Some("runs_one_per_target")) => {
                let holder = sqlx::query_scalar("select id from runs where state = 'running' and target_key = $1")
                    .bind(target_key)
                    .fetch_optional(db)
                    .await?;
                // Without a holder it finished in between: try again.
                if let Some(run) = holder {
                    return Ok(Claim::Busy { run });
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Everything is loaded.
    Succeeded,
    /// Stopped on request; nothing half-loaded.
    Stopped,
    /// Failed for good.
    Failed {
        /// Stable code.
        code: String,
        /// What happened, as a sentence.
        error: String,
        /// What to do about it.
        next_step: String,
    },
}

/// Ends the attempt that holds `epoch`, and wakes whoever waits for its target. False: the attempt was fenced off.
pub async fn finish(
    db: impl PgExecutor<'_>,
    id: Uuid,
    epoch: i64,
    outcome: &Outcome,
    report: Option<&Value>,
) -> sqlx::Result<bool> {
    let (state, code, error, next_step) = match outcome {
        Outcome::Succeeded => ("succeeded", None, None, None),
        Outcome::Stopped => ("stopped", None, None, None),
        Outcome::Failed { code, error, next_step } => ("failed", Some(code), Some(error), Some(next_step)),
    };
    let done = sqlx::query(
        "with done as (
             update runs set state = $3, error_code = $4, error = $5, next_step = $6, report = coalesce($7, report),
                    rows_read = coalesce(($7 ->> 'rows_read')::bigint, rows_read),
                    rows_inserted = coalesce(($7 ->> 'rows_inserted')::bigint, rows_inserted),
                    finished_at = now(), lease_expires_at = null, stage = null, waits_for = null
             where id = $1 and epoch = $2 and state = 'running'
             returning id, epoch
         )
         update run_attempts a set finished_at = now(), outcome = $3, error_code = $4, error = $5
         from done where a.run_id = done.id and a.epoch = done.epoch",
    )
    .bind(id)
    .bind(epoch)
    .bind(state)
    .bind(code)
    .bind(error)
    .bind(next_step)
    .bind(report)
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}
