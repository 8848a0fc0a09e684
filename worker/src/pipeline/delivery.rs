//! The delivery of a run: the sources become files, and the table is looked at, before the first pass reads the rows.

use std::time::Instant;

use elt_shared::explained::{Code, Explained};
use elt_shared::runs::Stage;
use elt_shared::runs::report::RunReport;
use tracing::{Instrument, info_span};

use super::extract_and_load::{Execution, Purpose};
use super::incremental::Asking;
use super::locate_json_rows::{self, Located};
use super::unchanged;
use crate::contract::existing_columns::ExistingTable;
use crate::error::{PipelineError, Result};
use crate::extract::{self, ExtractContext, Extracted, LeftOut, LeftOutKind};
use crate::input::InputFile;
use crate::load::session::{Session, TableState};
use crate::load::{left_behind, records_path};
use crate::progress::Expected;

/// Number of reads after which a file that changed during each of them is left for the next run.
const READS_PER_FILE: usize = 3;

/// The result of the extraction.
pub(super) enum Extraction {
    /// The files are to be read.
    Done(Box<Delivery>),
    /// Nothing has changed since an earlier run, and this one has committed.
    Unchanged { report: Box<RunReport>, files: Vec<InputFile> },
}

/// The files of the sources, and what is known before they are read.
pub(super) struct Delivery {
    pub extracted: Extracted,
    /// Where the rows of JSON documents are.
    pub located: Located,
    /// What each incremental source was asked for.
    pub asking: Asking,
    /// The table before the load. `None`: it does not exist.
    pub before: Option<TableState>,
    /// Duration of the extraction.
    pub extract_seconds: f64,
}

impl Delivery {
    /// The table's columns. `None`: there is no table.
    pub fn known_columns(&self) -> Option<&ExistingTable> {
        self.before.as_ref().map(|before| &before.known)
    }
}

impl Execution<'_> {
    /// Extracts the sources and looks at the table. `changed` names a file once for each time that it changed while it was
    /// read.
    pub(super) async fn fetch(&self, session: &mut Session, changed: &[String]) -> Result<Extraction> {
        let context = self.context;
        let asking = self.ask(session).await?;
        let (extracted, extract_seconds) = self.extract(&asking, changed).instrument(info_span!("extract")).await?;
        if context.claims_when_fetched() {
            session.wait_for_turn(context).await?;
        }
        // The extraction may have taken hours, in which the connection to the target was idle.
        session.revive(context).await?;
        let before = session.table_state().await?;
        if let Some(report) = self.find_unchanged(session, before.as_ref(), &extracted, extract_seconds).await? {
            let files = extract::loaded(&extracted.files, |_| true);
            return Ok(Extraction::Unchanged { report: Box::new(report), files });
        }
        let (extracted, located) = self.locate_rows(session, before.as_ref(), extracted).await?;
        Ok(Extraction::Done(Box::new(Delivery { extracted, located, asking, before, extract_seconds })))
    }

    /// Commits a run that finds everything as an earlier run left it. `None`: the files are to be read.
    async fn find_unchanged(
        &self,
        session: &mut Session,
        before: Option<&TableState>,
        extracted: &Extracted,
        extract_seconds: f64,
    ) -> Result<Option<RunReport>> {
        let Purpose::Run { csv } = &self.purpose else { return Ok(None) };
        let comparing = unchanged::find(self.context, session, before, extracted, csv.as_ref());
        let Some(mut report) = comparing.instrument(info_span!("compare")).await? else { return Ok(None) };
        report.stages.extract = extract_seconds;
        left_behind::commit(session, self.context, report).instrument(info_span!("load")).await
    }

    /// Decides what each incremental source is asked for.
    pub(super) async fn ask(&self, session: &mut Session) -> Result<Asking> {
        match &self.purpose {
            Purpose::Replay { .. } => Ok(Asking::default()),
            Purpose::Run { .. } => Asking::read(self.context, session, true).await,
            Purpose::DryRun => Asking::read(self.context, session, false).await,
        }
    }

    /// Gets the files. Those that changed too often while they were read are left for the next run.
    pub(super) async fn extract(&self, asking: &Asking, changed: &[String]) -> Result<(Extracted, f64)> {
        let started = Instant::now();
        self.context.progress.enter(Stage::Extract, 0, Expected::default());
        let mut extracted = match &self.purpose {
            Purpose::Replay { files, .. } => Extracted { files: files.clone(), ..Extracted::default() },
            Purpose::Run { .. } | Purpose::DryRun => {
                let mut context = self.context.extract_context();
                asking.set_values(&mut context.values);
                let (old_below, read_before) = (asking.old_below(), asking.read_before());
                let context = ExtractContext { old_below, read_before, ..context };
                extract::extract(&self.context.config, &context).await?
            }
        };
        let keeps_changing =
            |file: &InputFile| changed.iter().filter(|name| **name == file.name).count() >= READS_PER_FILE;
        let (left, files): (Vec<_>, Vec<_>) = extracted.files.into_iter().partition(keeps_changing);
        if let Some(required) = left.iter().find(|file| file.required) {
            return Err(PipelineError::Extract(Explained {
                code: Code::SourceChanged,
                message: format!("{} changed each of the {READS_PER_FILE} times it was read", required.name),
                next_step: "Wait until the file is written completely, then retry the run.".into(),
            }));
        }
        extracted.files = files;
        extracted.left_out.extend(left.into_iter().map(|file| LeftOut {
            name: file.name,
            kind: LeftOutKind::Failed,
            reason: format!("it changed {READS_PER_FILE} times while it was read; the next run reads it again"),
        }));
        Ok((extracted, started.elapsed().as_secs_f64()))
    }

    /// Finds the places of the rows in JSON documents, from earlier runs and from the documents.
    pub(super) async fn locate_rows(
        &self,
        session: &mut Session,
        before: Option<&TableState>,
        extracted: Extracted,
    ) -> Result<(Extracted, Located)> {
        let context = self.context;
        let stored = records_path::stored(&mut session.connection, &session.table, before).await?;
        locate_json_rows::locate(extracted, &context.config, &context.base, stored, &context.stop).await
    }
}
