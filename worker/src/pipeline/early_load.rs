//! A load that begins before the first pass has ended. The first rows of the files show the columns in nearly all deliveries, so
//! that a large one is sent to the target with the columns that they show, while the first pass is still reading.
//!
//! The first pass alone decides. When it has ended, the columns are decided from all rows as ever. If they are those that the load
//! began with, the second pass has done what it would have done later, because its result follows from the bytes of the files and
//! the columns. If they are others, or a file cannot be read, nothing of the early load is committed, and the run loads in the
//! ordinary way.

use std::sync::Arc;
use std::time::Instant;

use elt_shared::explained::Code;
use elt_shared::runs::Stage;
use tokio::sync::oneshot;
use tracing::{Instrument, info_span};

use super::delivery::Delivery;
use super::extract_and_load::{Execution, LoadPlan, Purpose};
use super::first_pass::{Findings, Target, bytes_to_read};
use crate::contract::expectations::expectations;
use crate::contract::{Layout, decide};
use crate::error::{PipelineError, Result};
use crate::frame::profile::sample::{self, Sample};
use crate::input::{Format, InputFile};
use crate::load::checks::names;
use crate::load::first_pass::{Decided, FirstPass};
use crate::load::quarantine::refused::Refused;
use crate::load::session::Session;
use crate::load::{self, Loaded};
use crate::progress::Expected;
use crate::run_context::RunContext;
use crate::shape;

/// How a run with an early load went on.
pub(super) struct Early {
    /// What the first pass found.
    pub findings: Findings,
    /// The result of the load. `None`: it began with other columns or files than the first pass found, and was rolled back.
    pub loaded: Option<Loaded>,
}

/// The columns that a load begins with.
struct Assumed {
    layout: Layout,
    /// Number of rows of all files, as their size and the first rows make it likely. 0: unknown.
    rows: u64,
    /// Seconds that it took to find out.
    seconds: f64,
}

impl Execution<'_> {
    /// Loads while the first pass is reading. `None`: the delivery is small, or its first rows do not show the columns, and nothing
    /// was loaded.
    ///
    /// # Errors
    /// Those of the first pass, and those of the load if it began with the right columns.
    pub(super) async fn load_early(&self, session: &mut Session, delivery: &Delivery) -> Result<Option<Early>> {
        if !self.may_load_early(&delivery.extracted.files) {
            return Ok(None);
        }
        let Some(assumed) = self.assume(session, delivery).await? else { return Ok(None) };
        let target = Target::of(session);
        let context = RunContext { stop: self.context.stop.child_token(), ..self.context.clone() };
        // Progress counts the rows of the load, because the first pass ends sooner.
        let files = &delivery.extracted.files;
        context.progress.enter(Stage::Load, files.len(), Expected { rows: None, bytes: bytes_to_read(files) });
        let (send, receive) = oneshot::channel();
        let deciding = async {
            let judged = self.judge(&target, delivery, &assumed).await;
            let (findings, decided) = judged.inspect_err(|_| context.stop.cancel())?;
            let is_right = decided.is_some();
            match decided {
                Some(decided) => {
                    context.progress.expect_rows(findings.rows());
                    // Sending fails when the load has already ended with an error. That error is returned below.
                    let _ = send.send(decided);
                }
                None => context.stop.cancel(),
            }
            Ok::<_, PipelineError>((findings, is_right))
        };
        let loading = self.load_assumed(session, delivery, &context, &assumed, FirstPass::Running(receive));
        let (judged, loaded) = tokio::join!(deciding, loading.instrument(info_span!("load")));
        match (judged, loaded) {
            (Ok((findings, true)), loaded) if !loaded.as_ref().is_err_and(may_be_about_other_bytes) => {
                Ok(Some(Early { findings, loaded: Some(loaded?) }))
            }
            (judged, loaded) => {
                // What the load counted and rejected is not the outcome of the run.
                self.context.progress.enter(Stage::Validate, files.len(), Expected::default());
                // A load whose sender was dropped ends as if it was stopped. The first pass has the reason.
                let (findings, is_right) = judged?;
                match loaded {
                    Err(error) if is_right => {
                        tracing::info!("the early load ended ({error}): loading from the beginning")
                    }
                    _ => tracing::info!(
                        "the first rows did not show how all rows are to be read, or a file cannot be read: loading from the \
                         beginning"
                    ),
                }
                Ok(Some(Early { findings, loaded: None }))
            }
        }
    }

    /// The first pass, and what was decided by it. `None`: the load began with other columns than it found, or with a file that
    /// cannot be read.
    async fn judge(
        &self,
        target: &Target,
        delivery: &Delivery,
        assumed: &Assumed,
    ) -> Result<(Findings, Option<Decided>)> {
        let findings = self.first_pass(target, delivery, &Arc::new(self.context.progress.beside())).await?;
        let (layout, mut decided) = self.decide(target.table(), delivery, &findings)?;
        if layout != assumed.layout || findings.readable().len() < delivery.extracted.files.len() {
            return Ok((findings, None));
        }
        // The rest of the first pass took place during the load.
        decided.report.stages.validate = assumed.seconds;
        Ok((findings, Some(decided)))
    }

    /// Whether a delivery is large enough to begin early, and of formats that are read from the beginning.
    fn may_load_early(&self, files: &[InputFile]) -> bool {
        let is_text = |file: &InputFile| {
            matches!(file.format, Format::Csv | Format::Txt | Format::Json | Format::Ndjson | Format::FixedWidth)
        };
        let bytes: u64 = files.iter().map(|file| file.stamp.size).sum();
        matches!(self.purpose, Purpose::Run { .. })
            && !files.is_empty()
            && bytes >= self.context.early_load_bytes
            && files.iter().all(is_text)
    }

    /// The columns that the first rows of some files show. `None`: one of these files cannot be read, they have no columns, or
    /// the config or the table does not accept the columns.
    async fn assume(&self, session: &Session, delivery: &Delivery) -> Result<Option<Assumed>> {
        let began = Instant::now();
        let files = &delivery.extracted.files;
        let bytes = bytes_to_read(files);
        self.context.progress.enter(Stage::Validate, files.len(), Expected { rows: None, bytes });
        let expectations = expectations(&self.context.config, delivery.known_columns());
        let (files, stop) = (files.clone(), self.context.stop.clone());
        let sampling = move || sample::first_rows(&files, &expectations, shape::open, &stop);
        let died = |error| PipelineError::Internal(format!("looking at the first rows: {error}"));
        let Sample { profile, bytes: sampled } = tokio::task::spawn_blocking(sampling).await.map_err(died)??;
        // A problem in the first rows is not reported here, because the first pass finds it again and reports it.
        let rows: u64 = profile.files.iter().map(|file| file.rows).sum();
        if rows == 0 || profile.readable().count() < profile.files.len() {
            return Ok(None);
        }
        let decision = decide::decide(&profile, &self.context.config, delivery.known_columns());
        let Some(decision) = decision.ok().filter(|decision| !decision.layout.columns.is_empty()) else {
            return Ok(None);
        };
        let before = delivery.before.as_ref();
        if names::require(&self.context.config, &session.table, &decision.layout, before).is_err() {
            return Ok(None);
        }
        let rows = bytes.map_or(0, |all| (u128::from(all) * u128::from(rows) / u128::from(sampled.max(1))) as u64);
        Ok(Some(Assumed { layout: decision.layout, rows, seconds: began.elapsed().as_secs_f64() }))
    }

    /// Loads all files with the columns that were assumed.
    async fn load_assumed(
        &self,
        session: &mut Session,
        delivery: &Delivery,
        context: &RunContext,
        assumed: &Assumed,
        first_pass: FirstPass,
    ) -> Result<Loaded> {
        let started = Instant::now();
        let hashes = self.fetch_hashes(session, delivery).await?;
        // The first pass may have found other columns meanwhile.
        if context.stop.is_cancelled() {
            return Err(PipelineError::Stopped);
        }
        let plan = LoadPlan {
            layout: assumed.layout.clone(),
            readable: (0..delivery.extracted.files.len()).collect(),
            rows: assumed.rows,
            hashes,
            refused: Refused::default(),
            context,
            started,
        };
        load::load(session, self.load_task(delivery, plan)?, first_pass).await
    }
}

/// Whether an early load failed by rows that the first pass may not have seen, because the file changed between both. An ordinary
/// load compares what it has read, and starts over.
fn may_be_about_other_bytes(error: &PipelineError) -> bool {
    matches!(error.code(), Code::BadRow | Code::TooManyRejected)
}
