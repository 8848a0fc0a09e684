//! The steps after the commit. They cannot undo the load any more, so every failure is a warning in the report.

use std::path::Path;
use std::time::{Duration, Instant};

use elt_shared::config::PartitionConfig;
use elt_shared::runs::report::{FileReceipt, RunReport};
use tokio::time::sleep;

use super::combined_csv_owner;
use crate::error::PipelineError;
use crate::load::partitions::detach;
use crate::load::session::Session;
use crate::load::transform;
use crate::run_context::RunContext;

/// Pauses before the models are tried again after a lost connection.
const MODEL_PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(6)];

/// Renames the combined CSV of the attempt that loaded to its final name. That attempt's worker may have been lost
/// before or after it did so, or on another machine: then the file under the final name may be an older run's, and a
/// warning says so.
///
/// The report and the name of the unfinished file come from the target, which is not trusted with paths: the final name is
/// the config's, and it is checked as before a load.
pub async fn publish_left_behind(context: &RunContext, report: &mut RunReport, unfinished_csv: Option<&Path>) {
    if report.unchanged_since.is_some() {
        // An unchanged run writes no combined CSV: the file that has the name already holds its rows, so nothing is renamed.
        report.combined_csv = report.combined_csv.take().map(|_| context.combined_csv().display().to_string());
        return;
    }
    let wrote = report.combined_csv.take().is_some();
    let (Some(unfinished), true) = (unfinished_csv, wrote) else { return };
    let published = combined_csv_owner::publish_left_behind(context, unfinished).await;
    match &published {
        Ok(_) => report.combined_csv = Some(context.combined_csv().display().to_string()),
        Err(error) => tracing::warn!(code = error.code().as_str(), "{error}. {}", error.next_step()),
    }
    if !matches!(published, Ok(true)) {
        report
            .warnings
            .push("the combined CSV may be an older run's: the worker that wrote this run's was lost".into());
    }
}

/// Detaches partitions that are older than the config keeps, also when an earlier attempt loaded: it may have been lost before it
/// came to them.
pub async fn detach_old_partitions(context: &RunContext, session: &mut Session, mut report: RunReport) -> RunReport {
    let partition = context.config.target.partition.as_ref();
    if partition.and_then(PartitionConfig::keep).is_none() {
        return report;
    }
    // The connection may be lost, because files may have been moved for a long time since the commit.
    if let Err(error) = session.revive(context).await {
        let what = "partitions that are older than `target.partition.keep` may be left";
        let warning = format!("{what}: {error}. {} The next run tries again", error.next_step());
        tracing::warn!(code = error.code().as_str(), "{warning}");
        report.warnings.push(warning);
        return report;
    }
    let detached = detach::detach(session, partition).await;
    report.old_partitions = detached.partitions;
    report.ddl.extend(detached.statements);
    report.warnings.extend(detached.hindrance);
    report
}

/// Makes the models, also when an earlier attempt loaded: it may have been lost before it came to them.
///
/// The rows are committed, so every failure here is only a warning: a failed run would hide that the rows are there. A
/// lost connection is made again, because no later attempt makes the models.
pub async fn make_models(context: &RunContext, session: &mut Session, mut report: RunReport) -> RunReport {
    let started = Instant::now();
    let mut made = transform::run(session, &context.config.transform).await;
    for pause in MODEL_PAUSES {
        if !made.as_ref().is_err_and(PipelineError::is_retryable) {
            break;
        }
        sleep(pause).await;
        made = match session.revive(context).await {
            Ok(()) => transform::run(session, &context.config.transform).await,
            Err(error) => Err(error),
        };
    }
    match made {
        Ok(models) => report.models = models,
        Err(error) => {
            let (code, next_step) = (error.code().as_str(), error.next_step());
            tracing::error!(code, "the rows are loaded, but the models could not be made: {error}. {next_step}");
            report
                .warnings
                .push(format!("the rows are loaded, but the models could not be made: {error}. {next_step}"));
        }
    }
    report.stages.transform = started.elapsed().as_secs_f64();
    report
}

/// A sentence about a file whose rows were all rejected by the contract or the table.
pub fn wholly_rejected(file: &FileReceipt) -> Option<String> {
    let rows = file.rows_read - file.rows_filtered;
    let rejected = rows > 0 && file.rows_quarantined == rows;
    rejected.then(|| {
        let name = &file.name;
        format!("{name}: all of its rows were rejected ({rows}); correct the file or the schema by the reasons in the run's rejected rows")
    })
}
