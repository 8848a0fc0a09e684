//! Workers take runs from the queue and execute them: extract, validate, load.
//!
//! # Layout
//! - [`settings`]: flags and environment of a worker
//! - `shell`: the process around the work: registering, heartbeat, draining
//! - `jobs`: what makes a worker do something, a file a job
//! - `watch`: local folders that bring a tick forward when something stirs
//! - `places`, `known_configs`, `thread`: where a run's files are, what its config says, what it runs on
//! - [`pipeline`]: a run as a table of contents
//! - [`roots`]: which files configs may name
//! - [`extract`]: sources become files on this machine
//! - [`frame`]: bytes become batches of cells
//! - [`contract`]: cells become typed rows, or quarantined ones
//! - [`load`]: rows become rows of the target table, exactly once
//! - [`progress`]: how far a run is
//! - [`error`]: why a run failed

pub mod contract;
pub mod error;
pub mod extract;
pub mod frame;
pub mod load;
pub mod pipeline;
pub mod progress;
pub mod roots;
pub mod settings;

mod jobs;
mod known_configs;
mod places;
mod shell;
mod thread;
mod watch;

pub use elt_shared::json_path;

use std::time::Duration;

use elt_shared::backoff::jittered;
use elt_shared::runs::lifecycle;
use elt_shared::store::runs::{self, Run};
use elt_shared::store::schedules;
use sqlx::PgPool;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use settings::WorkerSettings;
use shell::Shell;

/// How often [`run_one`] looks whether its run is over.
const LOOK: Duration = Duration::from_millis(200);

/// Why a worker could not go on.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The control database failed where nothing but giving up is left.
    #[error("could not {doing}")]
    Database {
        /// What we were doing: "register the worker".
        doing: &'static str,
        /// Why.
        source: sqlx::Error,
    },
    /// There is no such run.
    #[error("there is no run {0}")]
    NoSuchRun(Uuid),
    /// The worker ended before its run did.
    #[error("the worker ended before the run did; this is a bug in elt, please report it with the log")]
    Ended(#[source] Option<tokio::task::JoinError>),
}

/// Works until `stop` is cancelled, then drains: takes nothing new, and finishes its runs within the grace period
/// or hands them back.
///
/// # Errors
/// When the worker cannot start. Later losses of the database are waited out.
pub async fn run(db: PgPool, settings: WorkerSettings, stop: CancellationToken) -> Result<(), WorkerError> {
    Shell::start(db, settings, stop).await?.work().await;
    Ok(())
}

/// Works the queue `run_id` is on until that run has finished and its schedule has ended; answers how the run ended.
///
/// Cancelling `stop` stops the run and its schedule: at the next batch boundary, with nothing half-loaded.
///
/// # Errors
/// When there is no such run or the worker cannot start.
pub async fn run_one(
    db: PgPool,
    settings: WorkerSettings,
    run_id: Uuid,
    stop: CancellationToken,
) -> Result<Run, WorkerError> {
    let database = |doing| move |source| WorkerError::Database { doing, source };
    let found = runs::find(&db, run_id).await.map_err(database("find the run"))?;
    let run = found.ok_or(WorkerError::NoSuchRun(run_id))?;
    let force = settings.force.clone();
    let done = CancellationToken::new();
    let settings = WorkerSettings { queue: run.queue.clone(), ..settings };
    let mut working = tokio::spawn(Shell::start(db.clone(), settings, done.clone()).await?.work());
    let over = async {
        tokio::select! {
            () = ended(&db, &run) => {}
            () = force.cancelled() => {}
            () = stop_when_asked(&db, &run, &stop) => {
                tokio::select! {
                    () = ended(&db, &run) => {}
                    () = force.cancelled() => {}
                }
            }
        }
    };
    while_working(over, &mut working).await?;
    done.cancel();
    working.await.map_err(|panicked| WorkerError::Ended(Some(panicked)))?;
    let ended = runs::find(&db, run_id).await.map_err(database("read how the run ended"))?;
    ended.ok_or(WorkerError::NoSuchRun(run_id))
}

/// Waits for `over` while the worker runs.
///
/// # Errors
/// When the worker ends first, because `over` would then never come.
async fn while_working(over: impl Future<Output = ()>, working: &mut JoinHandle<()>) -> Result<(), WorkerError> {
    tokio::select! {
        () = over => Ok(()),
        ended = working => Err(WorkerError::Ended(ended.err())),
    }
}

/// Waits until a run has finished and its schedule has ended.
async fn ended(db: &PgPool, run: &Run) {
    loop {
        match is_over(db, run).await {
            Ok(true) => return,
            Ok(false) => sleep(LOOK).await,
            Err(error) => {
                tracing::warn!(%error, "could not look at the run");
                sleep(jittered(LOOK * 5)).await;
            }
        }
    }
}

async fn is_over(db: &PgPool, run: &Run) -> sqlx::Result<bool> {
    let finished = runs::find(db, run.id).await?.is_none_or(|run| run.finished_at.is_some());
    let Some(schedule) = run.schedule_id.filter(|_| finished) else { return Ok(finished) };
    Ok(schedules::find(db, schedule).await?.is_none_or(|schedule| !schedule.is_live()))
}

/// Waits for the wish to stop and passes it on.
async fn stop_when_asked(db: &PgPool, run: &Run, stop: &CancellationToken) {
    stop.cancelled().await;
    let pass_on = async || {
        let mut tx = db.begin().await?;
        if let Some(schedule) = run.schedule_id {
            elt_shared::schedules::stop(&mut tx, schedule, "stopped at the terminal").await?;
        }
        lifecycle::request_stop(&mut tx, run.id).await?;
        tx.commit().await
    };
    while let Err(error) = pass_on().await {
        tracing::warn!(%error, "could not ask the run to stop, trying again");
        sleep(jittered(LOOK * 5)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_worker_that_panics_is_not_waited_for() {
        let mut working = tokio::spawn(async { panic!("a bug") });
        let waited = while_working(std::future::pending(), &mut working).await;
        assert!(matches!(waited, Err(WorkerError::Ended(Some(_)))), "{waited:?}");
        let mut idle = tokio::spawn(std::future::pending());
        while_working(async {}, &mut idle).await.expect("what was waited for is over");
        idle.abort();
    }
}
