//! Workers take runs from the queue and execute them: extract, validate, load.
//!
//! # Layout
//! Each room uses only rooms that are above it in this list; a test checks that.
//! - [`health`]: whether a worker is well, for probes
//! - [`settings`], [`error`], `humanize`, `thread`: flags and environment, errors, wording of quantities, a thread of its own
//! - [`roots`]: the folders that configs may read from and write to
//! - [`input`]: the files that a run reads, and their formats
//! - [`frame`]: bytes become batches of cells
//! - `shape`: columns are renamed, cleaned, computed, filtered and masked before anything else sees them
//! - [`extract`]: sources become files on this machine
//! - [`progress`]: how far a run is
//! - `metrics`: what a worker counts, for Prometheus
//! - [`contract`]: cells become typed rows, or rejected ones
//! - `paths`, [`run_context`]: the paths of a run, and everything an attempt works with
//! - [`load`]: typed rows become rows of the target table, exactly once
//! - [`pipeline`]: the steps of each kind of run
//! - [`data_retention`]: removing what lost workers and earlier config versions left behind
//! - `housekeeper`: deleting old rows of elt's own tables in a target, beside the runs
//! - `config_cache`, `worker_context`: state that the parts of a worker share
//! - `data_folder`: whether the data folder can take the files of runs
//! - `jobs`: the jobs of a worker: executing a run, the tick of a schedule
//! - `folder_watch`: a change in a watched folder brings a tick forward
//! - `worker`: the process around the jobs: heartbeat, sweeping, draining

pub mod contract;
pub mod data_retention;
pub mod error;
pub mod extract;
pub mod frame;
pub mod health;
pub mod input;
pub mod load;
pub mod pipeline;
pub mod progress;
pub mod roots;
pub mod run_context;
pub mod settings;

mod config_cache;
#[cfg(test)]
mod damaged_files;
mod data_folder;
mod folder_watch;
mod housekeeper;
mod humanize;
mod jobs;
mod metrics;
mod paths;
#[cfg(test)]
mod room_order;
mod shape;
mod thread;
mod worker;
mod worker_context;

pub use crate::worker_context::WorkerError;

use std::sync::Arc;
use std::time::Duration;

use elt_shared::backoff::jittered;
use elt_shared::runs::lifecycle;
use elt_shared::store::runs::{self, Run};
use elt_shared::store::schedules;
use sqlx::PgPool;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::settings::WorkerSettings;
use crate::worker_context::WorkerContext;

/// Time between two checks of [`run_one`] whether its run is over.
const RUN_OVER_CHECK: Duration = Duration::from_millis(200);

/// Works until `stop` is cancelled, then drains: takes nothing new, and finishes its runs within the grace period
/// or hands them back.
///
/// # Errors
/// When the worker cannot start. Later losses of the database are waited out.
pub async fn run(db: PgPool, settings: WorkerSettings, stop: CancellationToken) -> Result<(), WorkerError> {
    worker::work(WorkerContext::register(db, settings, stop).await?).await;
    Ok(())
}

/// Works the queue `run_id` is on until that run has finished and its schedule has ended; answers how the run ended.
///
/// Cancelling `stop` stops the run and its schedule: at the next batch boundary, with nothing half-loaded.
///
/// # Errors
/// When the run does not exist or the worker cannot start.
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
    let worker = WorkerContext::register(db.clone(), settings, done.clone()).await?;
    let attempt_ended = Arc::clone(&worker.attempt_ended);
    let mut working = tokio::spawn(worker::work(worker));
    let over = async {
        tokio::select! {
            () = ended(&db, &run, &attempt_ended) => {}
            () = force.cancelled() => {}
            () = stop_when_asked(&db, &run, &stop) => {
                tokio::select! {
                    () = ended(&db, &run, &attempt_ended) => {}
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

/// Waits until a run has finished and its schedule has ended. It looks when an attempt of this worker has ended, and now and
/// then, because other processes can end a run as well.
async fn ended(db: &PgPool, run: &Run, attempt_ended: &Notify) {
    loop {
        match is_over(db, run).await {
            Ok(true) => return,
            Ok(false) => {
                tokio::select! {
                    () = attempt_ended.notified() => {}
                    () = sleep(RUN_OVER_CHECK) => {}
                }
            }
            Err(error) => {
                tracing::warn!(%error, "could not look at the run");
                sleep(jittered(RUN_OVER_CHECK * 5)).await;
            }
        }
    }
}

async fn is_over(db: &PgPool, run: &Run) -> sqlx::Result<bool> {
    let finished = runs::find(db, run.id).await?.is_none_or(|run| run.finished_at.is_some());
    let Some(schedule) = run.schedule_id.filter(|_| finished) else { return Ok(finished) };
    Ok(schedules::find(db, schedule).await?.is_none_or(|schedule| !schedule.is_live()))
}

/// Waits until `stop` is cancelled, and asks the run and its schedule to stop.
async fn stop_when_asked(db: &PgPool, run: &Run, stop: &CancellationToken) {
    stop.cancelled().await;
    let pass_on = async || {
        let mut tx = db.begin().await?;
        if let Some(schedule) = run.schedule_id {
            elt_shared::end_schedules::stop(&mut tx, schedule, "stopped at the terminal").await?;
        }
        lifecycle::request_stop(&mut tx, run.id).await?;
        tx.commit().await
    };
    while let Err(error) = pass_on().await {
        tracing::warn!(%error, "could not ask the run to stop, trying again");
        sleep(jittered(RUN_OVER_CHECK * 5)).await;
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
