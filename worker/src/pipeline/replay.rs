//! A replay: rows in quarantine become files, which are loaded as any others are.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::RunContext;
use crate::error::{PipelineError, Result};
use crate::extract::{Compression, Format, InputFile};
use crate::load::replayed::{self, Wanted};
use crate::load::session::Session;

/// What a replay is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Options {
    /// Only these rows; absent: all the run rejected.
    quarantine_ids: Option<Vec<i64>>,
    /// Mended cells by row and column; `null` is NULL.
    edits: BTreeMap<i64, BTreeMap<String, Option<String>>>,
}

/// The rows to load.
pub struct RejectedRows {
    /// As files.
    pub files: Vec<InputFile>,
    /// The same rows by their ids.
    pub ids: Vec<i64>,
    /// What cannot be loaded again.
    pub warning: Option<String>,
}

/// Writes the rejected rows of the run this one is about into files.
pub async fn rejected_rows(context: &RunContext, session: &mut Session, folder: &Path) -> Result<RejectedRows> {
    let subject = context.run.subject_id;
    let rejected_by = subject
        .ok_or_else(|| PipelineError::Internal("the replay does not say whose rejected rows it loads".into()))?;
    let options: Options = serde_json::from_value(context.run.options.clone())
        .map_err(|error| PipelineError::Internal(format!("the replay's options cannot be read: {error}")))?;
    let wanted = Wanted { run_id: rejected_by, ids: options.quarantine_ids, edits: options.edits };
    let table = session.table.clone();
    let replayed = replayed::write(&mut session.connection, &table, &wanted, folder).await?;
    let files = replayed.files.into_iter().map(|file| {
        let doing = format!("look at {}", file.path.display());
        InputFile::at(file.name, file.path, (Format::Csv, Compression::None))
            .map_err(|source| PipelineError::Io { doing, source })
    });
    let files = files.collect::<Result<_>>()?;
    let warning = match (replayed.records, replayed.ids.is_empty()) {
        (0, false) => None,
        (0, true) => Some(
            "nothing was left to load: the rows were replayed before; those that were rejected again are in the \
             quarantine of that replay"
                .to_owned(),
        ),
        (records, _) => Some(format!("{records} rejected records are not rows: correct them in their file")),
    };
    Ok(RejectedRows { files, ids: replayed.ids, warning })
}
