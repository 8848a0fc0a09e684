//! The end of a run, and the one function that writes it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::job::ExecuteRun;
use crate::runs::{Outcome, RunState};

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum End {
    /// It completed the work of its kind.
    Succeeded {
        /// Whether everything that arrived was loaded.
        outcome: Outcome,
    },
    /// It was stopped on request and loaded nothing.
    Stopped,
    /// It failed for good and loaded nothing.
    Failed {
        /// Stable code.
        code: String,
        /// A sentence about what happened.
        error: String,
        /// Advice on what to do about it.
        next_step: String,
    },
}

/// Columns of a run that its attempt has just ended or handed back.
#[derive(FromRow)]
pub(super) struct Released {
    pub queue: String,
    pub target_key: Option<String>,
    pub schedule_id: Option<Uuid>,
}

/// Ends a run, and wakes the run that waits longest for its target. False: the attempt was fenced off.
pub async fn finish(
    db: &mut PgConnection,
    id: Uuid,
    epoch: i64,
    end: &End,
    report: Option<&Value>,
) -> sqlx::Result<bool> {
    let (state, outcome) = match end {
        End::Succeeded { outcome } => (RunState::Succeeded, Some(*outcome)),
        End::Stopped => (RunState::Stopped, None),
        End::Failed { .. } => (RunState::Failed, None),
    };
    let (code, error, next_step) = match end {
        End::Failed { code, error, next_step } => (Some(code), Some(error), Some(next_step)),
        End::Succeeded { .. } | End::Stopped => (None, None, None),
    };
    let released: Option<Released> = sqlx::query_as(
        "update runs set state = $3, error_code = $4, error = $5, next_step = $6, report = coalesce($7, report), outcome = $8,
                rows_read = coalesce(($7 ->> 'rows_read')::bigint, rows_read),
                rows_inserted = coalesce(($7 ->> 'rows_inserted')::bigint, rows_inserted),
                rows_updated = ($7 ->> 'rows_updated')::bigint,
                rows_duplicate = ($7 ->> 'rows_duplicate')::bigint,
                rows_quarantined = ($7 ->> 'rows_quarantined')::bigint,
                files_left_out = ($7 ->> 'left_out_total')::bigint,
                finished_at = now(), lease_expires_at = null, waits_for = null, verdict = null, unknown_since = null,
                stage = case when $3 <> 'succeeded' and kind in ('run', 'plan', 'replay') then stage end
         where id = $1 and epoch = $2 and state = 'running'
         returning queue, target_key, schedule_id",
    )
    .bind(id)
    .bind(epoch)
    .bind(state)
    .bind(code)
    .bind(error)
    .bind(next_step)
    .bind(report)
    .bind(outcome)
    .fetch_optional(&mut *db)
    .await?;
    let Some(released) = released else { return Ok(false) };
    end_attempt(db, id, epoch, state.as_str(), code.zip(error)).await?;
    wake_next(db, released.target_key.as_deref()).await?;
    if let Some(schedule) = released.schedule_id {
        crate::store::schedules::run_finished(db, schedule).await?;
    }
    Ok(true)
}

/// Writes how an attempt ended: `succeeded`, `retry`, `worker_lost`, `target_busy`, `unknown`, …
pub(super) async fn end_attempt(
    db: &mut PgConnection,
    id: Uuid,
    epoch: i64,
    outcome: &str,
    failure: Option<(&String, &String)>,
) -> sqlx::Result<()> {
    sqlx::query(
        "update run_attempts set finished_at = now(), outcome = $3, error_code = $4, error = $5
         where run_id = $1 and epoch = $2",
    )
    .bind(id)
    .bind(epoch)
    .bind(outcome)
    .bind(failure.map(|(code, _)| code))
    .bind(failure.map(|(_, error)| error))
    .execute(db)
    .await?;
    Ok(())
}

/// Wakes the run that waits longest for a target that was let go.
pub(super) async fn wake_next(db: &mut PgConnection, key: Option<&str>) -> sqlx::Result<()> {
    let Some(key) = key else { return Ok(()) };
    let next: Option<(Uuid, String)> = sqlx::query_as(
        "update runs set waits_for_run = null, waits_for = null
         where id = (select id from runs where target_key = $1 and state = 'queued' and waits_for_run is not null
                     order by id limit 1 for update skip locked)
         returning id, queue",
    )
    .bind(key)
    .fetch_optional(&mut *db)
    .await?;
    if let Some((run_id, queue)) = next {
        ExecuteRun { run_id }.enqueue(db, &queue).await?;
    }
    Ok(())
}
