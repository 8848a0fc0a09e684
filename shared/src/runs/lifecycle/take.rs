//! What a worker does with a ticket: it begins the run, unless the worker is drained, something is paused, a limit is
//! reached, or the run waits for its target.
//!
//! A run that a pause or a limit keeps from beginning is *held*: its ticket is used up, so that it occupies no slot, and it
//! gets another one as soon as it may begin.

use std::time::Duration;

use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::waiting::{Start, start};
use crate::job::ExecuteRun;
use crate::runs::RunState;
use crate::store::pauses::PauseScope;
use crate::store::runs::{self, Application, Hold, Started};
use crate::target::TargetPlace;

/// What became of a ticket.
#[derive(Debug)]
pub enum Taken {
    /// An attempt of its run began.
    Begun {
        /// The attempt that has begun.
        started: Box<Started>,
        /// Whether a limit counts the run, so that its end may let others begin: call [`release`] then.
        is_limited: bool,
    },
    /// Its run waits: its server is away, or another run has its table.
    Waits,
    /// Its run needs no attempt: it has ended, another worker has it, or it is not due.
    NotNeeded,
    /// The run may not start now, because of a pause or a limit.
    Held,
    /// Its run is held because its queue, or everything, is paused: no other ticket of the queue begins a run either.
    QueuePaused,
    /// The worker is drained. The ticket was passed on to the other workers.
    PassedOn,
}

/// Begins the run of a ticket, if it needs an attempt and nothing keeps it from starting.
///
/// - `place`: the table that it loads into; `None`: no other run can keep it from starting.
/// - `longest`: how long it may wait while its server is known to be away; `None`: it starts at once and meets the outage
///   itself.
pub async fn take(
    db: &PgPool,
    id: Uuid,
    worker_id: &str,
    place: Option<&TargetPlace>,
    longest: Option<Duration>,
) -> sqlx::Result<Taken> {
    let mut tx = db.begin().await?;
    if runs::is_drained(&mut tx, worker_id).await? {
        pass_on(&mut tx, id).await?;
        tx.commit().await?;
        return Ok(Taken::PassedOn);
    }
    let application = runs::application(&mut tx, id).await?;
    let hold = match &application {
        Some(application) => hold_of(&mut tx, id, application).await?,
        // A run that is not queued may still be one whose worker was lost.
        None => None,
    };
    let taken = match hold {
        Some((hold, waits_for)) => {
            runs::hold(&mut tx, id, hold, &waits_for).await?;
            let pause = application.as_ref().and_then(|application| application.pause.as_ref());
            let is_wide = pause.is_some_and(|pause| pause.scope != PauseScope::Pipeline);
            if is_wide { Taken::QueuePaused } else { Taken::Held }
        }
        None => match start(&mut tx, id, worker_id, place, longest).await? {
            Start::Begun(started) => {
                let is_limited = application.as_ref().is_some_and(Application::has_limits);
                Taken::Begun { started, is_limited }
            }
            Start::Waits => {
                runs::take_off_hold(&mut tx, id).await?;
                Taken::Waits
            }
            Start::NotNow => Taken::NotNeeded,
        },
    };
    tx.commit().await?;
    // Runs behind it waited for this one under a limit, and now it waits for something else.
    if let Some(application) = application.filter(Application::was_limited)
        && !matches!(taken, Taken::Begun { .. })
    {
        release(db, &application.queue, &application.name).await?;
    }
    Ok(taken)
}

/// Wakes the other workers with a new ticket in place of this one. The run keeps its place in the queue.
async fn pass_on(db: &mut PgConnection, id: Uuid) -> sqlx::Result<()> {
    let run = runs::find(&mut *db, id).await?;
    if let Some(run) = run.filter(|run| run.state == RunState::Queued) {
        ExecuteRun { run_id: id }.enqueue(db, &run.queue).await?;
    }
    Ok(())
}

/// What keeps a run from beginning, and the sentence about it. `None`: no pause and no limit does.
async fn hold_of(db: &mut PgConnection, id: Uuid, application: &Application) -> sqlx::Result<Option<(Hold, String)>> {
    if let Some(pause) = &application.pause {
        return Ok(Some((Hold::Paused, pause.sentence())));
    }
    if !application.has_limits() {
        return Ok(None);
    }
    // Counting and beginning are one transaction under a lock, so that two workers cannot both take the last place.
    runs::lock_counts(db, &application.queue, &application.name).await?;
    let counts = runs::count(db, id).await?;
    Ok(counts.hold(application).map(|(hold, limit)| {
        let what = match hold {
            Hold::QueueLimit => format!("the queue {}", application.queue),
            Hold::PipelineLimit | Hold::Paused => "its pipeline".to_owned(),
        };
        (hold, format!("another run to end: at most {limit} of {what} are at work at the same time"))
    }))
}

/// Issues tickets for held runs that may begin, after a run of this queue and this pipeline has ended or a limit has
/// changed. Only for promptness: the sweeper does the same every few seconds.
pub async fn release(db: &PgPool, queue: &str, pipeline: &str) -> sqlx::Result<()> {
    let mut tx = db.begin().await?;
    // A worker that counted before the run ended holds the lock until its own run is held, so that run is seen here.
    runs::lock_counts(&mut tx, queue, pipeline).await?;
    for (run_id, queue) in runs::free_to_begin(&mut tx, queue, pipeline).await? {
        ExecuteRun { run_id }.enqueue(&mut tx, &queue).await?;
    }
    tx.commit().await
}

/// Issues tickets for all held runs that may begin: at most `most` of those whose pause has ended, and of `most` pipelines
/// those that a limit held.
pub async fn release_all(db: &PgPool, most: i64) -> sqlx::Result<()> {
    let mut tx = db.begin().await?;
    wake_resumed(&mut tx, most).await?;
    let limited = runs::with_held(&mut tx, most).await?;
    tx.commit().await?;
    for (queue, pipeline) in limited {
        release(db, &queue, &pipeline).await?;
    }
    Ok(())
}

/// Issues tickets for at most `most` runs whose pause has ended.
pub async fn wake_resumed(db: &mut PgConnection, most: i64) -> sqlx::Result<()> {
    for (run_id, queue) in runs::take_resumed(&mut *db, most).await? {
        ExecuteRun { run_id }.enqueue(db, &queue).await?;
    }
    Ok(())
}
