//! A replay: rows of the quarantine become files, which are loaded like others.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use elt_shared::config::FileOptions;
use elt_shared::runs::Outcome;
use elt_shared::runs::report::RunReport;
use serde::Deserialize;

use super::begin::{Beginning, begin};
use super::extract_and_load::{Execution, Purpose};
use super::replay_dialect;
use super::work_folder::WorkFolder;
use crate::error::{PipelineError, Result};
use crate::input::{Compression, Format, InputFile};
use crate::load::quarantine::replay::{self, ReplayRequest};
use crate::load::session::Session;
use crate::run_context::RunContext;

/// Loads rows that were rejected, by the rules of the config as it is now. A row that was loaded since is a duplicate.
pub async fn run(context: &RunContext) -> Result<RunReport> {
    let mut session = match begin(context).await? {
        // A replay writes no combined CSV, whatever the target says.
        Beginning::Loaded(finished) => return Ok(RunReport { combined_csv: None, ..*finished.report }),
        Beginning::Nothing(session) => session,
    };
    let folder = WorkFolder::create(context)?;
    let replayed = rejected_rows(context, &mut session, folder.path()).await?;
    let purpose = Purpose::Replay { files: replayed.files, ids: replayed.ids };
    let mut report = Execution::new(context, folder, purpose).execute(&mut session).await?;
    if replayed.warning.is_some() && report.rows_read == 0 {
        // A replay is asked for to load rows, so a replay that loads none is not clean.
        report.outcome = Some(Outcome::NothingLoaded);
    }
    report.warnings.extend(replayed.warning);
    session.close().await;
    Ok(report)
}

/// The options of a replay.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Options {
    /// Ids of the rows to load. `None`: all rows that the run was the first or the last one to reject.
    quarantine_ids: Option<Vec<i64>>,
    /// Corrected cells, by id of the row and name of the column; `null` is NULL.
    edits: BTreeMap<i64, BTreeMap<String, Option<String>>>,
}

/// The rejected rows that a replay loads.
struct RejectedRows {
    /// The rows as files, one for each original file.
    files: Vec<InputFile>,
    /// Ids of the same rows.
    ids: Vec<i64>,
    /// A sentence about rejected records that cannot be loaded again. `None`: all of them can.
    warning: Option<String>,
}

/// Writes the rejected rows of the run that the replay is about into files.
async fn rejected_rows(context: &RunContext, session: &mut Session, folder: &Path) -> Result<RejectedRows> {
    let subject = context.run.subject_id;
    let rejected_by = subject
        .ok_or_else(|| PipelineError::Internal("the replay does not say whose rejected rows it loads".into()))?;
    let options: Options = serde_json::from_value(context.run.options.clone())
        .map_err(|error| PipelineError::Internal(format!("the replay's options cannot be read: {error}")))?;
    let request = ReplayRequest { run_id: rejected_by, ids: options.quarantine_ids, edits: options.edits };
    let table = session.table.clone();
    let reading = |name: &str| replay_dialect::options(&context.config.sources, name, &context.base);
    let replayed = replay::write(&mut session.connection, &table, &request, folder, reading).await?;
    let files = replayed.files.into_iter().map(|file| {
        let doing = format!("look at {}", file.path.display());
        let name = format!("{}{}", file.original, replay_dialect::REJECTED_ROWS);
        let input = InputFile::at(name, file.path, Format::Csv, Compression::None)
            .map_err(|source| PipelineError::Io { doing, source })?;
        Ok(InputFile { options: Arc::new(FileOptions { csv: file.csv, ..FileOptions::default() }), ..input })
    });
    let files = files.collect::<Result<_>>()?;
    let warning = match (replayed.records, replayed.ids.is_empty()) {
        (0, false) => None,
        (0, true) => Some(
            "nothing was left to load: the rows were replayed before, or a later run rejected them again and has them now \
             (see its quarantine, or that of the config); those that a replay rejected again are in the quarantine of that \
             replay"
                .to_owned(),
        ),
        (records, _) => Some(format!(
            "{records} rejected records could not be read or shaped as rows, so a replay cannot load them: correct them in \
             the source's file, or the expression in the config's `shape`, then run the pipeline"
        )),
    };
    Ok(RejectedRows { files, ids: replayed.ids, warning })
}
