//! A run as a table of contents: what each kind of run does, and in which order.
//!
//! # Layout
//! - [`begin`]: the target is asked whether the run's work is done already
//! - [`execute`]: extract, validate, load; a plan does the same and rolls back, a replay does it with rejected rows
//! - [`replay`]: rejected rows as files
//! - [`undo`]: what a run inserted is deleted
//! - [`check`]: what would be loaded
//! - [`connections`]: every source and the target are tried
//! - [`json_rows`]: finds the place of the rows in JSON documents
//! - [`folder`]: the run's work folder and its combined CSV

mod after_commit;
mod begin;
mod check;
mod connections;
mod execute;
pub mod folder;
mod json_rows;
mod output;
mod refuse;
mod replay;
mod undo;

use std::path::PathBuf;
use std::sync::Arc;

use elt_shared::config::PipelineConfig;
use elt_shared::runs::RunKind;
use elt_shared::runs::report::RunReport;
use elt_shared::secret::Secret;
use elt_shared::settings::NetworkSettings;
use elt_shared::store::runs::Run;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::error::Result;
use crate::load::HashMemory;
use crate::progress::Progress;
use crate::roots::Roots;

/// What a run needs and may touch. Knows neither queue nor HTTP.
#[derive(Clone)]
pub struct RunContext {
    /// The control database.
    pub control: PgPool,
    /// The run as [`begin`](elt_shared::runs::lifecycle::begin) returned it: its epoch fences every write.
    pub run: Run,
    /// What to do, with every reference resolved.
    pub config: PipelineConfig,
    /// The process's own target, for configs that name no server.
    pub default_target: Option<Secret>,
    /// Relative paths start here.
    pub base: PathBuf,
    /// Spool folders and default output files are below it.
    pub data_dir: PathBuf,
    /// Which files may be read and written.
    pub roots: Roots,
    /// Which hosts may be called.
    pub network: Arc<NetworkSettings>,
    /// Cancelled when the run should stop: it ends at the next batch boundary with nothing loaded.
    pub stop: CancellationToken,
    /// How far the run is.
    pub progress: Arc<Progress>,
    /// How much memory it may take for row hashes.
    pub memory: HashMemory,
}

/// Executes one attempt of a run, whatever its kind.
///
/// # Errors
/// See [`PipelineError`](crate::error::PipelineError). Nothing of this attempt is in the target then, unless [`Progress::commit_sent`] says that it may
/// be.
pub async fn run(context: &RunContext) -> Result<RunReport> {
    match context.run.kind {
        RunKind::Run => execute::run(context).await,
        RunKind::Plan => execute::plan(context).await,
        RunKind::Replay => execute::replay(context).await,
        RunKind::Undo => undo::run(context).await,
        RunKind::Check => check::check(context).await,
        RunKind::TestConnection => connections::test(context).await,
    }
}
