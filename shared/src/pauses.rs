//! Pausing and resuming: what belongs to both beside the row of the pause.

use sqlx::PgConnection;

use crate::runs::lifecycle;
use crate::store::pauses::{self, Pause, PauseScope};
use crate::store::{schedules, workers};

/// Runs that a resume wakes by itself; the sweeper wakes the others.
const WOKEN_AT_ONCE: i64 = 100;

/// Keeps everything of this scope from starting. Runs at work go on. The workers hear of it when the caller's transaction
/// commits.
pub async fn pause(
    db: &mut PgConnection,
    scope: PauseScope,
    name: &str,
    by: &str,
    reason: Option<&str>,
) -> sqlx::Result<Pause> {
    let pause = pauses::insert(&mut *db, scope, name, by, reason).await?;
    workers::announce(db).await?;
    Ok(pause)
}

/// Ends a pause: queued runs start again, and schedules look at once what they missed. `None`: it was not paused.
pub async fn resume(db: &mut PgConnection, scope: PauseScope, name: &str) -> sqlx::Result<Option<Pause>> {
    let Some(ended) = pauses::delete(&mut *db, scope, name).await? else { return Ok(None) };
    // Schedules are locked before runs, as everywhere. A tick that is due now applies `catch_up` to the fires of the pause,
    // and compares the sources with those before it.
    match scope {
        PauseScope::All => schedules::tick_now(&mut *db, None).await?,
        PauseScope::Pipeline => schedules::tick_now(&mut *db, Some(name)).await?,
        PauseScope::Queue => {}
    }
    lifecycle::wake_resumed(&mut *db, WOKEN_AT_ONCE).await?;
    // Runs that another pause still holds say so, and do not name the one that has ended.
    for left in pauses::list(&mut *db).await? {
        pauses::rename_holder(&mut *db, &ended, &left).await?;
    }
    workers::announce(db).await?;
    Ok(Some(ended))
}
