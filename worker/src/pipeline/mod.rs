//! The steps of each kind of run, in their order.
//!
//! # Layout
//! - [`begin`]: the target is asked whether an earlier attempt did the work already
//! - [`run`](mod@run): a run, and a plan, which does the same and rolls back
//! - [`replay`]: rejected rows are loaded again
//! - [`extract_and_load`]: the steps that a run, a plan and a replay share
//! - [`delivery`]: the sources become files, and the table is looked at
//! - [`first_pass`]: every cell is read once, for the types of the columns
//! - [`early_load`]: a load that begins before the first pass has ended
//! - [`unchanged`]: a run that finds everything as an earlier one left it
//! - [`tables`]: a config with a table for each file
//! - [`undo`]: the rows that a run inserted are deleted
//! - [`verify`]: the table and the sources are compared with what a run loaded
//! - [`check`]: a report about what would be loaded
//! - [`connections`]: every source and the target are tried
//! - [`locate_json_rows`]: the places of the rows in JSON documents
//! - [`incremental`]: where incremental sources begin to read, and their cursors
//! - [`refuse_input`]: input that must not be loaded
//! - [`after_commit`]: the steps after the commit: combined CSV, old partitions and models
//! - [`combined_csv_owner`]: the pipeline that the path of a combined CSV belongs to
//! - [`work_folder`]: the folder for spooled files

mod after_commit;
mod begin;
mod check;
mod combined_csv_owner;
mod connections;
mod delivery;
mod early_load;
mod extract_and_load;
mod first_pass;
mod incremental;
mod locate_json_rows;
mod refuse_input;
mod replay;
mod replay_dialect;
mod run;
mod tables;
mod unchanged;
mod undo;
mod verify;
mod work_folder;

use elt_shared::runs::RunKind;
use elt_shared::runs::report::RunReport;
use futures::future::LocalBoxFuture;

use crate::error::Result;
use crate::run_context::RunContext;

/// Executes one attempt of a run, whatever its kind.
///
/// # Errors
/// See [`PipelineError`](crate::error::PipelineError). Nothing of this attempt is in the target then, unless
/// [`commit_sent`](crate::progress::Progress::commit_sent) says that it may be.
pub async fn run(context: &RunContext) -> Result<RunReport> {
    if context.config.target.has_tables() {
        return tables::run(context).await;
    }
    // On the heap, because a poll of a future of this size takes much of a thread's stack.
    let steps: LocalBoxFuture<'_, Result<RunReport>> = match context.run.kind {
        RunKind::Run => Box::pin(run::run(context)),
        RunKind::Plan => Box::pin(run::plan(context)),
        RunKind::Replay => Box::pin(replay::run(context)),
        RunKind::Undo => Box::pin(undo::run(context)),
        RunKind::Check => Box::pin(check::check(context)),
        RunKind::Verify => Box::pin(verify::run(context)),
        RunKind::TestConnection => Box::pin(connections::test(context)),
    };
    steps.await
}
