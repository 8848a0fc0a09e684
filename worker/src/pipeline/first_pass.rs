//! The first pass over the files of a run, and what follows from it before the columns are decided: refused input, cursors, the
//! beginning of the report.

use std::sync::Arc;

use elt_shared::config::LoadMode;
use elt_shared::runs::Stage;
use elt_shared::runs::report::{RunReport, Stages};
use elt_shared::target::TableRef;
use tracing::{Instrument, info_span};

use super::delivery::Delivery;
use super::extract_and_load::{Execution, Purpose};
use super::refuse_input::{refuse_failed_source, refuse_incomplete_replace};
use crate::contract::existing_columns::ExistingTable;
use crate::contract::expectations::expectations;
use crate::error::{PipelineError, Result};
use crate::extract::{Extracted, LeftOut, LeftOutKind};
use crate::frame::profile::{self, Profile};
use crate::input::{Compression, Format, InputFile};
use crate::load::cursors::NewCursor;
use crate::load::session::Session;
use crate::progress::{Expected, Progress};
use crate::shape;

/// What the report of a run says about its table. It is copied, because an early load uses the session meanwhile.
pub(super) struct Target {
    table: TableRef,
    /// The statement that makes its schema. `None`: the schema exists.
    makes_schema: Option<String>,
}

impl Target {
    pub fn of(session: &Session) -> Self {
        Self { table: session.table.clone(), makes_schema: session.makes_schema.clone() }
    }

    pub fn table(&self) -> &TableRef {
        &self.table
    }
}

/// What the first pass found.
pub(super) struct Findings {
    /// The findings about the files and their columns.
    pub profile: Arc<Profile>,
    /// The cursors of incremental sources after this run.
    pub cursors: Vec<NewCursor>,
    /// The report so far.
    pub report: RunReport,
}

impl Findings {
    /// Indexes of the files that can be read to their end.
    pub fn readable(&self) -> Vec<usize> {
        self.profile.readable().map(|file| file.index).collect()
    }

    /// Number of rows of these files.
    pub fn rows(&self) -> u64 {
        self.profile.readable().map(|file| file.rows).sum()
    }
}

impl Execution<'_> {
    /// The first pass over a delivery. It counts what it reads in `progress`.
    ///
    /// # Errors
    /// Input that must not be loaded; [`PipelineError::Stopped`].
    pub(super) async fn first_pass(
        &self,
        target: &Target,
        delivery: &Delivery,
        progress: &Arc<Progress>,
    ) -> Result<Findings> {
        let Delivery { extracted, located, asking, .. } = delivery;
        let reading = self.profile(&extracted.files, delivery.known_columns(), progress);
        let profile = reading.instrument(info_span!("validate")).await?;
        // A replay is exempt, because rows that were rejected before may all be rejected again, and stay in quarantine.
        if !matches!(self.purpose, Purpose::Replay { .. }) {
            refuse_failed_source(&extracted.files, &profile)?;
        }
        let mut report = self.report(target, extracted, &profile);
        report.warnings.extend(asking.warnings.iter().chain(&located.warnings).cloned());
        let cursors = asking.new_cursors(&extracted.files, &mut report.warnings).await?;
        report.stages = Stages { extract: delivery.extract_seconds, ..Stages::default() };
        if self.context.config.load.mode == LoadMode::Replace {
            refuse_incomplete_replace(extracted, &profile, &report)?;
        }
        Ok(Findings { profile: Arc::new(profile), cursors, report })
    }

    /// Reads every cell of every file, for the types of the columns. `known`: the table's columns.
    pub(super) async fn profile(
        &self,
        files: &[InputFile],
        known: Option<&ExistingTable>,
        progress: &Arc<Progress>,
    ) -> Result<Profile> {
        progress.enter(Stage::Validate, files.len(), Expected { rows: None, bytes: bytes_to_read(files) });
        let expectations = expectations(&self.context.config, known);
        let (files, stop, progress) = (files.to_vec(), self.context.stop.clone(), Arc::clone(progress));
        let span = tracing::Span::current();
        tokio::task::spawn_blocking(move || {
            span.in_scope(|| profile::profile_opened(&files, &expectations, shape::open, &stop, &progress))
        })
        .await
        .map_err(|error| PipelineError::Internal(format!("looking at the files: {error}")))?
    }

    /// The report as far as it is known before the load. It also logs the files that are left out.
    pub(super) fn report(&self, target: &Target, extracted: &Extracted, profile: &Profile) -> RunReport {
        let mut report = RunReport {
            table: target.table.to_string(),
            window: self.context.run.window(),
            ddl: target.makes_schema.iter().cloned().collect(),
            left_out: extracted.left_out.clone(),
            warnings: extracted.warnings.clone(),
            ..RunReport::default()
        };
        for file in &profile.files {
            let name = &extracted.files[file.index].name;
            if let Some(error) = &file.error {
                let reason = error.reason.clone();
                report.left_out.push(LeftOut { name: name.clone(), kind: LeftOutKind::Failed, reason });
            }
            report.warnings.extend(file.summary.warnings.iter().map(|warning| about(name, warning)));
        }
        for left_out in &report.left_out {
            match left_out.kind {
                LeftOutKind::Skipped => tracing::warn!("skipped {}: {}", left_out.name, left_out.reason),
                LeftOutKind::Failed => tracing::error!("left out {}: {}", left_out.name, left_out.reason),
            }
        }
        report
    }
}

/// Number of bytes that a pass over the files reads. `None`: it is only known at the end, because a file is compressed, its
/// bytes are not its text, or its rows are shaped.
pub(super) fn bytes_to_read(files: &[InputFile]) -> Option<u64> {
    let is_text = |file: &InputFile| {
        file.compression == Compression::None
            && !matches!(file.format, Format::Workbook | Format::Parquet | Format::Arrow)
            && file.options.shape.is_none()
    };
    files.iter().map(|file| is_text(file).then_some(file.stamp.size)).sum()
}

/// A sentence about a file, with the file's name in front unless the sentence begins with it.
fn about(file: &str, sentence: &str) -> String {
    if sentence.starts_with(file) { sentence.to_owned() } else { format!("{file}: {sentence}") }
}
