//! How an attempt ended, and writing that down: the run is finished, waits for its next attempt, or goes back.

use std::error::Error;
use std::time::Duration;

use elt_shared::config::RetryConfig;
use elt_shared::queue::jittered;
use elt_shared::queue::pulse::HeldRun;
use elt_shared::store::runs::{self, End, Outcome, Run};
use serde_json::{Value, json};
use sqlx::{PgConnection, PgPool};
use tokio::time::sleep;
use uuid::Uuid;

use super::execute_run::{Cause, Worked};
use super::success;
use crate::error::PipelineError;
use crate::progress::Snapshot;
use crate::report::RunReport;

/// What becomes of the run.
#[derive(Debug)]
pub(super) enum Ending {
    /// It did what its kind does; the report says what came of it.
    Succeeded(Box<RunReport>, Outcome),
    /// It is over and loaded nothing.
    Finished(End),
    /// It waits for its next attempt.
    Retry { delay: Duration, code: &'static str, error: String },
    /// It waits for the run that has its target.
    Wait(Uuid),
    /// It is given up, unless its target says that it loaded.
    AskTarget(End),
    /// It goes back unfinished.
    HandBack,
    /// It is someone else's now.
    Lost,
}

impl Ending {
    /// Judges what an attempt came to.
    pub(super) fn of(run: &Run, cause: Option<Cause>, worked: Worked) -> Self {
        let (answer, retry) = match worked {
            Ok(Some(worked)) => worked,
            Ok(None) => return Self::cut_off(run, cause),
            Err(panicked) => return Self::given_up(run, failed(&PipelineError::Internal(panic_message(panicked)))),
        };
        let error = match answer {
            Ok(mut report) => {
                let outcome = report.outcome.unwrap_or_else(|| report.judge());
                report.outcome = Some(outcome);
                return Self::Succeeded(Box::new(report), outcome);
            }
            Err(error) => error,
        };
        match (error, cause) {
            (PipelineError::Fenced, _) | (_, Some(Cause::Lost)) => Self::Lost,
            (PipelineError::TargetBusy { run: holder, .. }, _) => match holder.parse() {
                Ok(holder) => Self::Wait(holder),
                Err(_) => Self::Finished(failed(&PipelineError::Internal(format!("{holder:?} is no run")))),
            },
            (PipelineError::Stopped, Some(Cause::HandBack)) => Self::HandBack,
            (error, Some(Cause::HandBack)) if error.is_retryable() => Self::HandBack,
            (error, _) if run.verdict.is_some() => Self::asked(run, &error),
            (PipelineError::Stopped, Some(Cause::TooLong)) => Self::Finished(too_long()),
            (PipelineError::Stopped, _) => Self::Finished(End::Stopped),
            (error, _) if error.is_retryable() && run.attempt < run.max_attempts => {
                Self::Retry { delay: backoff(&retry, run.attempt), code: error.code(), error: sentence(&error) }
            }
            // The answer to its COMMIT may be what was lost.
            (error @ PipelineError::Load { .. }, _) if error.is_retryable() => Self::given_up(run, failed(&error)),
            (error, _) => Self::Finished(failed(&error)),
        }
    }

    /// The attempt did not reach its end in time: it may have been about to commit.
    fn cut_off(run: &Run, cause: Option<Cause>) -> Self {
        match cause {
            Some(Cause::Lost) => Self::Lost,
            Some(Cause::HandBack) => Self::HandBack,
            Some(Cause::TooLong) => Self::given_up(run, too_long()),
            Some(Cause::Asked) | None => Self::given_up(run, End::Stopped),
        }
    }

    /// Ends a run that may have loaded: its target is asked first, once.
    fn given_up(run: &Run, outcome: End) -> Self {
        match &run.verdict {
            Some(_) => Self::asked(run, &PipelineError::Stopped),
            None if runs::can_ask(&run.kind, &run.queue) => Self::AskTarget(outcome),
            None => Self::Finished(outcome),
        }
    }

    /// The target was asked and has nothing of the run, or it could not be asked.
    fn asked(run: &Run, error: &PipelineError) -> Self {
        let verdict = run.verdict.as_ref().map_or(End::Stopped, |verdict| verdict.0.clone());
        if matches!(error, PipelineError::NotLoaded) {
            return Self::Finished(verdict);
        }
        let because = sentence(error);
        let unknown = format!("Whether it loaded before that could not be asked: {because}");
        let next_step = format!(
            "Look for this run's id in the column _elt_run_id of {} before anything is loaded again.",
            run.target_table
        );
        let (code, error) = match verdict {
            End::Failed { code, error, .. } => (code, format!("{error}. {unknown}")),
            End::Stopped | End::Succeeded { .. } => {
                ("outcome_unknown".to_owned(), format!("the run was stopped. {unknown}"))
            }
        };
        Self::Finished(End::Failed { code, error, next_step })
    }

    fn log(&self, run: &Run) {
        match self {
            Self::Succeeded(report, outcome) => success::log(run, report, *outcome),
            Self::Finished(End::Failed { code, error, next_step }) => {
                tracing::error!(code, "run failed: {error}. {next_step}");
            }
            Self::Finished(_) => tracing::info!("run stopped on request"),
            Self::Retry { delay, code, error } => {
                let (left, seconds) = (run.max_attempts - run.attempt, delay.as_secs_f64());
                tracing::warn!(code, left, "the run is tried again in {seconds:.1} s: {error}");
            }
            Self::AskTarget(_) => tracing::warn!("the run may have loaded: its target is asked before it ends"),
            Self::Wait(holder) => tracing::info!("run waits for run {holder}, which loads into the same table"),
            Self::HandBack => tracing::info!("run handed back to the queue: the worker stops"),
            Self::Lost => tracing::warn!("the run is not this worker's any more"),
        }
    }
}

/// Writes an ending down, and how far a run that did not succeed came. Waits for the control database if it is away;
/// when it stays away longer than the lease, the next attempt finds out how far this one came.
pub(super) async fn settle(db: &PgPool, run: &Run, held: &HeldRun, ending: Ending, at: &Snapshot) {
    ending.log(run);
    let mut pause = Duration::from_millis(200);
    loop {
        match write(db, run, &ending, at).await {
            Ok(true) => return,
            Ok(false) => {
                tracing::warn!("how the attempt ended was not written: a newer one took over");
                return;
            }
            Err(error) if held.lost.is_cancelled() => {
                tracing::error!(%error, "could not write how the attempt ended; the sweeper takes care of the run");
                return;
            }
            Err(error) => tracing::warn!(%error, "could not write how the attempt ended, trying again"),
        }
        sleep(jittered(pause)).await;
        pause = (pause * 2).min(Duration::from_secs(3));
    }
}

async fn write(db: &PgPool, run: &Run, ending: &Ending, at: &Snapshot) -> sqlx::Result<bool> {
    let mut tx = db.begin().await?;
    let (id, epoch) = (run.id, run.epoch);
    let written = match ending {
        Ending::Succeeded(report, outcome) => {
            let end = End::Succeeded { outcome: *outcome };
            runs::finish(&mut tx, id, epoch, &end, Some(&as_json(report))).await?
        }
        Ending::Finished(end) => {
            note_how_far(&mut tx, run, at).await?;
            runs::finish(&mut tx, id, epoch, end, at.partial_report().as_ref()).await?
        }
        Ending::AskTarget(verdict) => {
            note_how_far(&mut tx, run, at).await?;
            runs::ask_target(&mut tx, id, epoch, verdict, "unknown").await?
        }
        Ending::Retry { delay, code, error } => runs::retry_later(&mut tx, id, epoch, *delay, (code, error)).await?,
        Ending::Wait(holder) => runs::wait_for_target(&mut tx, id, epoch, *holder).await?,
        Ending::HandBack => runs::hand_back(&mut tx, id, epoch).await?,
        Ending::Lost => return Ok(true),
    };
    tx.commit().await?;
    Ok(written)
}

/// The report as it is stored. The rows are committed, so a report that cannot be stored must not fail the run: the
/// counts and a warning are stored in its place.
fn as_json(report: &RunReport) -> Value {
    serde_json::to_value(report).unwrap_or_else(|error| {
        tracing::error!(%error, "the run's report could not be stored");
        let (read, inserted, rejected) = (report.rows_read, report.rows_inserted, report.rows_quarantined);
        let warnings = ["the details of this run could not be stored; please report this as a bug in elt"];
        json!({ "rows_read": read, "rows_inserted": inserted, "rows_quarantined": rejected, "warnings": warnings })
    })
}

/// Notes how far the attempt came. One that only asked goes nowhere.
async fn note_how_far(db: &mut PgConnection, run: &Run, at: &Snapshot) -> sqlx::Result<()> {
    if run.verdict.is_none() {
        let far = serde_json::to_value(at).unwrap_or_default();
        runs::note_progress(db, run.id, run.epoch, at.stage.as_str(), &far).await?;
    }
    Ok(())
}

fn failed(error: &PipelineError) -> End {
    End::Failed { code: error.code().to_owned(), error: sentence(error), next_step: error.next_step() }
}

fn too_long() -> End {
    End::Failed {
        code: "timeout".into(),
        error: "the run took longer than a run may and was stopped".into(),
        next_step: "Split the sources, or raise ELT_RUN_TIMEOUT on the workers.".into(),
    }
}

/// Doubles with every attempt, up to the config's bound.
fn backoff(retry: &RetryConfig, attempt: i32) -> Duration {
    let doublings = u32::try_from(attempt - 1).unwrap_or(0).min(16);
    jittered(retry.initial.saturating_mul(1 << doublings).min(retry.max))
}

/// An error and its sources in one line.
fn sentence(error: &dyn Error) -> String {
    let sources = std::iter::successors(error.source(), |source: &&dyn Error| (*source).source());
    sources.fold(error.to_string(), |said, source| {
        let more = source.to_string();
        // Some libraries repeat their source in their own words.
        if said.contains(&more) { said } else { format!("{said}: {more}") }
    })
}

fn panic_message(panicked: tokio::task::JoinError) -> String {
    let Ok(panic) = panicked.try_into_panic() else { return "the runtime is shutting down".into() };
    let text = panic.downcast_ref::<&str>().map(ToString::to_string).or_else(|| panic.downcast_ref().cloned());
    format!("a panic: {}", text.unwrap_or_else(|| "without a message".to_owned()))
}
