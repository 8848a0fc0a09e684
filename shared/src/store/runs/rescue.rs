//! Runs nobody takes care of any more, and what becomes of them. For the sweeper.

use sqlx::{FromRow, PgConnection, PgExecutor};
use uuid::Uuid;

use super::end::{End, end_attempt, finish};
use super::unknown::{ask_again, leave_unknown};
use crate::explained::Code;
use crate::job::{ExecuteRun, is_private};

/// A run whose lease is over.
#[derive(Debug, Clone, FromRow)]
pub struct LostRun {
    /// Which.
    pub id: Uuid,
    /// The attempt that was lost.
    pub epoch: i64,
    /// Which attempt it was.
    pub attempt: i32,
    /// How many there may be.
    pub max_attempts: i32,
    /// The worker that had it.
    pub worker_id: Option<String>,
    /// The queue it came from.
    pub queue: String,
    /// Someone asked it to stop, or its window is over.
    pub stop: bool,
    /// Whether the lost attempt only asked the target whether the run had loaded.
    pub unknown: bool,
    /// Whether the lost attempt may have sent its COMMIT.
    pub commit_sent: bool,
}

/// Runs whose worker said nothing for longer than their lease; locked until the caller's transaction ends.
pub async fn lost(db: impl PgExecutor<'_>, limit: i64) -> sqlx::Result<Vec<LostRun>> {
    sqlx::query_as(
        "select r.id, r.epoch, r.attempt, r.max_attempts, r.worker_id, r.queue,
                r.stop_requested_at is not null or coalesce(r.not_after <= now(), false) as stop,
                r.unknown_since is not null as unknown,
                coalesce((select a.commit_sent from run_attempts a where a.run_id = r.id and a.epoch = r.epoch), true)
                    as commit_sent
         from runs r where r.state = 'running' and r.lease_expires_at < now()
         order by r.lease_expires_at limit $1 for update of r skip locked",
    )
    .bind(limit)
    .fetch_all(db)
    .await
}

/// Sends a lost run back to the queue, or ends it. True: a worker takes it again, to load or to ask the target.
pub async fn rescue(db: &mut PgConnection, run: LostRun) -> sqlx::Result<bool> {
    // An attempt that only asked has changed nothing: the run is as unknown as before, and the next worker asks.
    if run.unknown {
        let lost = ("worker_lost", "the worker that asked the target was lost");
        return ask_again(db, run.id, run.epoch, lost).await;
    }
    let end = end_of(&run);
    // The COMMIT may have arrived, so the run must neither end nor be tried again before the target was asked.
    if run.commit_sent {
        return leave_unknown(db, run.id, run.epoch, end.as_ref(), "worker_lost").await;
    }
    if let Some(end) = end {
        finish(db, run.id, run.epoch, &end, None).await?;
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

/// The end of a lost run if it loaded nothing. `None`: it has attempts left.
fn end_of(run: &LostRun) -> Option<End> {
    let failed = |error: String, next_step: &str| End::Failed {
        code: Code::WorkerLost.as_str().into(),
        error,
        next_step: next_step.into(),
    };
    if run.stop {
        return Some(End::Stopped);
    }
    if is_private(&run.queue) {
        let error = "the process that executed the run is gone".into();
        return Some(failed(error, "Nothing was loaded: run it again."));
    }
    (run.attempt >= run.max_attempts).then(|| {
        failed(
            format!("the run lost its worker {} times", run.attempt),
            "Look for a killed worker (out of memory, a crash) in its log and in the system's; then retry the run.",
        )
    })
}

/// Queued runs on the queue of a process of `elt run` that is gone. Unknown ones are left out: another worker
/// [adopts](super::adopt) them.
pub async fn abandoned(db: impl PgExecutor<'_>, limit: i64) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar(
        "select r.id from runs r
         where r.state = 'queued' and r.unknown_since is null and r.queue like 'elt-run-%' and r.created_at < now() - interval '1 minute'
           and not exists (select from workers w where w.queue = r.queue and w.stopped_at is null
                                                    and w.heartbeat_at > now() - interval '1 minute')
         order by r.id limit $1",
    )
    .bind(limit)
    .fetch_all(db)
    .await
}

/// Queued runs whose window is over. Unknown runs with a verdict are left out, because they end once the target
/// answers.
pub async fn overdue(db: impl PgExecutor<'_>, limit: i64) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar(
        "select id from runs where state = 'queued' and not_after <= now() and verdict is null order by id limit $1",
    )
    .bind(limit)
    .fetch_all(db)
    .await
}
