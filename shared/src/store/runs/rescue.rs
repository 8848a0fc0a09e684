//! Runs nobody takes care of any more, and what becomes of them. For the sweeper.

use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, PgExecutor};
use uuid::Uuid;

use super::end::{End, end_attempt, finish};
use super::verdict::{ask_target, can_ask};
use crate::job::{ExecuteRun, is_private};

/// A run whose lease is over.
#[derive(Debug, Clone, FromRow)]
pub struct LostRun {
    /// Which.
    pub id: Uuid,
    /// See [`Run::kind`](super::Run::kind).
    pub kind: String,
    /// The attempt that was lost.
    pub epoch: i64,
    /// Which attempt it was.
    pub attempt: i32,
    /// How many there may be.
    pub max_attempts: i32,
    /// Whose it was.
    pub worker_id: Option<String>,
    /// The queue it came from.
    pub queue: String,
    /// Someone asked it to stop, or its window is over.
    pub stop: bool,
    /// How it is to end: the lost attempt was to ask its target.
    pub verdict: Option<Json<End>>,
}

/// Runs whose worker said nothing for longer than their lease; locked until the caller's transaction ends.
pub async fn lost(db: impl PgExecutor<'_>, limit: i64) -> sqlx::Result<Vec<LostRun>> {
    sqlx::query_as(
        "select id, kind, epoch, attempt, max_attempts, worker_id, queue, verdict,
                stop_requested_at is not null or coalesce(not_after <= now(), false) as stop
         from runs where state = 'running' and lease_expires_at < now()
         order by lease_expires_at limit $1 for update skip locked",
    )
    .bind(limit)
    .fetch_all(db)
    .await
}

/// Sends a lost run back to the queue, or ends it: when it was to stop anyway, when its attempts are used up, or when
/// the process that owned it is gone. Before it ends, its target is asked once. True: it is tried again.
pub async fn rescue(db: &mut PgConnection, run: LostRun) -> sqlx::Result<bool> {
    let failed =
        |error: String, next_step: &str| End::Failed { code: "worker_lost".into(), error, next_step: next_step.into() };
    let asked = run.verdict.is_some();
    let end = if let Some(Json(verdict)) = run.verdict {
        Some(verdict)
    } else if run.stop {
        Some(End::Stopped)
    } else if is_private(&run.queue) {
        Some(failed(
            "the process that executed the run is gone".into(),
            "Look for this run's id in the column _elt_run_id of its table: if it is not there, run it again.",
        ))
    } else if run.attempt >= run.max_attempts {
        Some(failed(
            format!("the run lost its worker {} times", run.attempt),
            "Look for a killed worker (out of memory, a crash) in its log and in the system's; then retry the run.",
        ))
    } else {
        None
    };
    if let Some(outcome) = end {
        if can_ask(&run.kind, &run.queue) && !asked {
            ask_target(db, run.id, run.epoch, &outcome, "worker_lost").await?;
        } else {
            finish(db, run.id, run.epoch, &outcome, None).await?;
        }
        return Ok(false);
    }
    sqlx::query(
        "update runs set state = 'queued', worker_id = null, lease_expires_at = null, stage = null, progress = null,
                waits_for = format('attempt %s of %s: its worker was lost', attempt + 1, max_attempts)
         where id = $1 and epoch = $2 and state = 'running'",
    )
    .bind(run.id)
    .bind(run.epoch)
    .execute(&mut *db)
    .await?;
    end_attempt(db, run.id, run.epoch, "worker_lost", None).await?;
    ExecuteRun { run_id: run.id }.enqueue(db, &run.queue).await?;
    Ok(true)
}

/// Queued runs on the queue of a process of `elt run` that is gone.
pub async fn abandoned(db: impl PgExecutor<'_>, limit: i64) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar(
        "select r.id from runs r
         where r.state = 'queued' and r.queue like 'elt-run-%' and r.created_at < now() - interval '1 minute'
           and not exists (select from workers w where w.queue = r.queue and w.stopped_at is null
                                                    and w.heartbeat_at > now() - interval '1 minute')
         order by r.id limit $1",
    )
    .bind(limit)
    .fetch_all(db)
    .await
}

/// Queued runs whose window is over. Those that are only to be asked about end by themselves.
pub async fn overdue(db: impl PgExecutor<'_>, limit: i64) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar(
        "select id from runs where state = 'queued' and not_after <= now() and verdict is null order by id limit $1",
    )
    .bind(limit)
    .fetch_all(db)
    .await
}
