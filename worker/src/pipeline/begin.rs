//! The beginning of every run that changes its target. It asks the target first, because an earlier attempt may have
//! done the work already.

use std::path::PathBuf;
use std::time::Duration;

use elt_shared::runs::report::RunReport;
use elt_shared::store::runs;
use tokio::time::timeout;

use crate::error::{PipelineError, Result};
use crate::load::marker::{self, Begun};
use crate::load::session::Session;
use crate::run_context::RunContext;

/// Longest wait for a target to say whether a run loaded. The target is asked again later.
const ANSWERED_WITHIN: Duration = Duration::from_secs(60);

/// The answer of the target when an attempt begins.
pub enum Beginning {
    /// Nothing of the run is in the target, so the attempt may load.
    Nothing(Session),
    /// The work of the run is done.
    Loaded(Finished),
}

/// A run whose work was done by an earlier attempt, or by a run that it repeats.
pub struct Finished {
    /// The session with the target, whose table is claimed.
    pub session: Session,
    /// The report of the work that was done.
    pub report: Box<RunReport>,
    /// Path of the combined CSV before it gets its final name; `None` when the run wrote no combined CSV.
    pub unfinished_csv: Option<PathBuf>,
}

/// Opens the target, claims the table (the run of a window does so later), fences off older attempts and reads the run's marker.
///
/// An attempt at an unknown run only asks. What it wrote into the marker keeps older attempts from loading later.
///
/// # Errors
/// [`PipelineError::NotLoaded`] when the attempt only asks and the target has nothing of the run; a target that cannot be
/// reached or used.
pub async fn begin(context: &RunContext) -> Result<Beginning> {
    if !context.run.is_unknown() {
        return read_markers(context).await;
    }
    // An attempt that only asks does no other work, so it gives up soon and leaves its worker to other runs.
    match timeout(ANSWERED_WITHIN, read_markers(context)).await {
        Ok(Ok(Beginning::Nothing(session))) => {
            session.close().await;
            Err(PipelineError::NotLoaded)
        }
        Ok(beginning) => beginning,
        Err(_) => {
            let doing = format!("could not ask the target about {}", context.run.target_table);
            Err(PipelineError::lost(&doing, &format!("it did not answer within {} s", ANSWERED_WITHIN.as_secs())))
        }
    }
}

async fn read_markers(context: &RunContext) -> Result<Beginning> {
    let mut session = Session::open(context).await?;
    // The run of a window claims the table when it has its rows, so that windows are fetched at the same time.
    let claims_later = context.claims_when_fetched();
    if !claims_later {
        session.claim(context).await?;
    }
    match session.begin().await? {
        Begun::Loaded { mut report, unfinished_csv } => {
            if claims_later {
                session.claim(context).await?;
            }
            tracing::info!(
                rows = report.rows_inserted,
                "already loaded by an earlier attempt: nothing is loaded again"
            );
            report.finished_from_marker = true;
            Ok(Beginning::Loaded(Finished { session, report, unfinished_csv }))
        }
        Begun::MayLoad => match loaded_by_repeated(context, &mut session).await? {
            Some(report) => {
                if claims_later {
                    session.claim(context).await?;
                }
                Ok(Beginning::Loaded(Finished { session, report, unfinished_csv: None }))
            }
            None => Ok(Beginning::Nothing(session)),
        },
    }
}

/// The report of a run that this one repeats, if that run is recorded as failed or stopped but its marker says that it
/// loaded. Loading again would then double its rows.
async fn loaded_by_repeated(context: &RunContext, session: &mut Session) -> Result<Option<Box<RunReport>>> {
    let repeated = runs::repeated(&context.control, context.run.id).await;
    let repeated =
        repeated.map_err(|source| PipelineError::Control { doing: "find the runs that this one repeats", source })?;
    if repeated.is_empty() {
        return Ok(None);
    }
    let loaded = marker::loaded_by_any(&mut session.connection, &session.table, &repeated).await?;
    Ok(loaded.map(|(run, mut report)| {
        tracing::warn!("the run {run}, which this one repeats, had loaded: nothing is loaded again");
        report.finished_from_marker = true;
        report.warnings.push(format!("the run {run}, which this one repeats, had loaded: nothing was loaded again"));
        report.loaded_by.get_or_insert(run);
        report
    }))
}
