//! How a run is to end, unless its target says otherwise.
//!
//! An attempt that was lost or cut off may have committed just before, and only the run's marker in the target knows.
//! Before such a run is given up it goes back to the queue once more, for a worker that asks and loads nothing.

use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::end::{End, Released, end_attempt, wake_next};
use crate::job::{ExecuteRun, is_private};

/// What a run says that waits for the answer.
pub(super) const WAITS_FOR: &str = "a look at its target: an attempt may have loaded before it was lost";

/// Whether a run of this kind and queue can be asked about: a plan commits nothing, and nobody takes the tickets of a
/// process that is gone.
pub fn can_ask(kind: &str, queue: &str) -> bool {
    matches!(kind, "run" | "replay") && !is_private(queue)
}

/// Sends a run that is about to end back to the queue: it ends as `verdict` says if its target has nothing of it.
/// `left` is how its attempt ended. It costs no attempt. False: the attempt was fenced off.
pub async fn ask_target(db: &mut PgConnection, id: Uuid, epoch: i64, verdict: &End, left: &str) -> sqlx::Result<bool> {
    let released: Option<Released> = sqlx::query_as(
        "update runs set state = 'queued', verdict = $3, waits_for = $4, worker_id = null, lease_expires_at = null
         where id = $1 and epoch = $2 and state = 'running'
         returning queue, target_key, schedule_id",
    )
    .bind(id)
    .bind(epoch)
    .bind(Json(verdict))
    .bind(WAITS_FOR)
    .fetch_optional(&mut *db)
    .await?;
    let Some(released) = released else { return Ok(false) };
    end_attempt(db, id, epoch, left, None).await?;
    ExecuteRun { run_id: id }.enqueue(db, &released.queue).await?;
    wake_next(db, released.target_key.as_deref()).await?;
    Ok(true)
}
