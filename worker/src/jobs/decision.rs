//! The decision about a run after an attempt.
//!
//! ```text
//!             begin                       succeeded (with an outcome)
//!   queued ──────────▶ running ─────────▶ stopped
//!     ▲                   │               failed
//!     │                   │
//!     ├── retry ──────────┤ the failure may pass, and attempts are left
//!     ├── wait ───────────┤ another run loads into the same table
//!     ├── hand back ──────┤ the worker stops
//!     └── unknown ────────┘ COMMIT was sent and its answer is lost
//! ```
//!
//! An unknown run is queued and running in turn, too, but its attempts only ask the target ([`AskTarget`] puts it into
//! that state, [`AskAgain`] keeps it there):
//!
//! - the run's marker says that it loaded: the run *succeeded*
//! - the marker says that it did not: the run ends as its verdict says, or is tried again where attempts are left
//! - the target does not answer: it is asked again later, until it does
//!
//! No other way leads out: an unknown run is neither failed nor stopped nor retried.
//!
//! [`AskTarget`]: Decision::AskTarget
//! [`AskAgain`]: Decision::AskAgain

use std::time::Duration;

use elt_shared::backoff::{doubled, jittered};
use elt_shared::config::RetryConfig;
use elt_shared::explained::{Code, Explained, sentence};
use elt_shared::runs::Outcome;
use elt_shared::store::runs::{End, Run};
use uuid::Uuid;

use super::execute_run::{Cause, Worked};
use super::success;
use crate::error::PipelineError;
use crate::report::RunReport;

/// The next state of the run.
#[derive(Debug, PartialEq)]
pub(super) enum Decision {
    /// It completed the work of its kind.
    Succeeded(Box<RunReport>, Outcome),
    /// It is over and loaded nothing.
    Finished(End),
    /// It waits for its next attempt.
    Retry { delay: Duration, code: String, error: String },
    /// It waits for the run that has its target.
    Wait(Uuid),
    /// It may have loaded, so its target is asked. If it did not load, it ends as `if_not_loaded` says; `None`: it is
    /// tried again. `left` is the outcome that is written for the attempt.
    AskTarget { if_not_loaded: Option<End>, left: &'static str, because: String },
    /// The target was asked and did not answer.
    AskAgain { code: String, error: String },
    /// It goes back unfinished, and costs no attempt.
    HandBack,
    /// It belongs to a newer attempt now.
    Lost,
}

impl Decision {
    /// Decides by the result of an attempt. `commit_sent`: its COMMIT was sent and not refused.
    pub(super) fn of(run: &Run, cause: Option<Cause>, worked: Worked, commit_sent: bool) -> Self {
        let (failure, retry) = match worked {
            // A report is proof that the work is done, so it counts even if the attempt was asked to stop meanwhile.
            Ok(Some((Ok(report), _))) => return Self::succeeded(report),
            Ok(Some((Err(error), retry))) => (Failure::Error(error), retry),
            Ok(None) => (Failure::CutOff, RetryConfig::default()),
            Err(panicked) => (Failure::Error(PipelineError::Internal(panic_message(panicked))), RetryConfig::default()),
        };
        // A newer attempt settles the run. This comes before all else, because a lost attempt must write nothing.
        if cause == Some(Cause::Lost) || matches!(failure, Failure::Error(PipelineError::Fenced)) {
            return Self::Lost;
        }
        // This comes before the rules for ordinary attempts, because these may end or retry a run that may have loaded.
        if run.is_unknown() {
            return Self::after_ask(run, cause, failure);
        }
        let because = failure.sentence();
        let decision = Self::if_not_loaded(run, cause, failure, &retry);
        if commit_sent { decision.once_asked(because) } else { decision }
    }

    fn succeeded(mut report: RunReport) -> Self {
        let outcome = report.outcome.unwrap_or_else(|| report.judge());
        report.outcome = Some(outcome);
        Self::Succeeded(Box::new(report), outcome)
    }

    /// The decision about an attempt that certainly loaded nothing.
    fn if_not_loaded(run: &Run, cause: Option<Cause>, failure: Failure, retry: &RetryConfig) -> Self {
        let may_pass = failure.may_pass();
        let error = match failure {
            Failure::Error(PipelineError::TargetBusy { run: holder, .. }) => return Self::wait(&holder),
            Failure::Error(error) => error,
            Failure::CutOff => PipelineError::Stopped,
        };
        match cause {
            // An attempt that was told to end may fail with a lost connection before it obeys. The cause then decides,
            // because a run that was asked to stop must not be tried again. A failure that no retry cures is reported.
            Some(Cause::HandBack) if may_pass => Self::HandBack,
            Some(Cause::Asked) if may_pass => Self::Finished(End::Stopped),
            Some(Cause::TooLong) if may_pass => Self::Finished(too_long()),
            _ if matches!(error, PipelineError::Stopped) => Self::Finished(End::Stopped),
            _ if may_pass && run.attempt < run.max_attempts => {
                let (code, delay) = (error.code().as_str().to_owned(), backoff(retry, run.attempt));
                Self::Retry { delay, code, error: sentence(&error) }
            }
            _ => Self::Finished(failed(&error)),
        }
    }

    /// The decision to ask the target first, because the attempt's COMMIT was sent. `self` applies if it did not load.
    fn once_asked(self, because: String) -> Self {
        let (if_not_loaded, left) = match self {
            Self::Finished(end) => (Some(end), "unknown"),
            Self::Retry { .. } => (None, "unknown"),
            Self::HandBack => (None, "handed_back"),
            // These decide nothing about the run's end.
            other => return other,
        };
        Self::AskTarget { if_not_loaded, left, because }
    }

    /// The decision about an attempt that only asked.
    fn after_ask(run: &Run, cause: Option<Cause>, failure: Failure) -> Self {
        match failure {
            Failure::Error(PipelineError::NotLoaded) => match &run.verdict {
                Some(verdict) => Self::Finished(verdict.0.clone()),
                None => Self::Retry {
                    delay: Duration::ZERO,
                    code: PipelineError::NotLoaded.code().as_str().to_owned(),
                    error: "the target says that the earlier attempt did not load".to_owned(),
                },
            },
            Failure::Error(PipelineError::TargetBusy { run: holder, .. }) => Self::wait(&holder),
            // This worker stops, which says nothing about the target: another worker asks.
            _ if cause == Some(Cause::HandBack) => Self::HandBack,
            Failure::Error(error) => Self::AskAgain { code: error.code().as_str().to_owned(), error: sentence(&error) },
            Failure::CutOff => {
                Self::AskAgain { code: Code::Stopped.as_str().to_owned(), error: "the attempt was cut off".to_owned() }
            }
        }
    }

    fn wait(holder: &str) -> Self {
        match holder.parse() {
            Ok(holder) => Self::Wait(holder),
            Err(_) => Self::Finished(failed(&PipelineError::Internal(format!("{holder:?} is not a run")))),
        }
    }

    /// Logs the decision.
    pub(super) fn log(&self, run: &Run) {
        match self {
            Self::Succeeded(report, outcome) => success::log(run, report, *outcome),
            Self::Finished(End::Failed { code, error, next_step }) => {
                tracing::error!(code, "{} failed: {error}. {next_step}", run.kind);
            }
            Self::Finished(_) => tracing::info!("{} stopped on request", run.kind),
            Self::Retry { delay, code, error } => {
                let (left, seconds) = (run.max_attempts - run.attempt, delay.as_secs_f64());
                tracing::warn!(code, left, "the run is tried again in {seconds:.1} s: {error}");
            }
            Self::AskTarget { because, .. } => {
                tracing::warn!("whether the run loaded is unknown, so its target is asked: {because}");
            }
            Self::AskAgain { code, error } => {
                tracing::warn!(code, "whether the run loaded is still unknown; its target is asked again: {error}");
            }
            Self::Wait(holder) => tracing::info!("run waits for run {holder}, which loads into the same table"),
            Self::HandBack => tracing::info!("run handed back to the queue: the worker stops"),
            Self::Lost => tracing::warn!("another attempt has taken over the run"),
        }
    }
}

/// The reason why an attempt has no report.
enum Failure {
    /// It failed.
    Error(PipelineError),
    /// It was dropped because it did not end in time.
    CutOff,
}

impl Failure {
    /// Whether the attempt was stopped, or failed in a way that a later attempt may not.
    fn may_pass(&self) -> bool {
        match self {
            Self::Error(error) => matches!(error, PipelineError::Stopped) || error.is_retryable(),
            Self::CutOff => true,
        }
    }

    fn sentence(&self) -> String {
        match self {
            Self::Error(error) => sentence(error),
            Self::CutOff => "the attempt was cut off".to_owned(),
        }
    }
}

fn failed(error: &PipelineError) -> End {
    let Explained { code, message, next_step } = error.explained();
    End::Failed { code: code.as_str().to_owned(), error: message, next_step }
}

fn too_long() -> End {
    End::Failed {
        code: Code::Timeout.as_str().into(),
        error: "the run took longer than a run may take and was stopped".into(),
        next_step: "Split the sources, or raise ELT_RUN_TIMEOUT on the workers.".into(),
    }
}

/// The pause before the next attempt. It doubles with every attempt, up to the config's bound.
fn backoff(retry: &RetryConfig, attempt: i32) -> Duration {
    jittered(doubled(retry.initial, retry.max, u32::try_from(attempt).unwrap_or(1)))
}

fn panic_message(panicked: tokio::task::JoinError) -> String {
    let Ok(panic) = panicked.try_into_panic() else { return "the runtime is shutting down".into() };
    let text = panic.downcast_ref::<&str>().map(ToString::to_string).or_else(|| panic.downcast_ref().cloned());
    format!("a panic: {}", text.unwrap_or_else(|| "without a message".to_owned()))
}

#[cfg(test)]
mod tests {

    use super::*;

    fn run(attempt: i32) -> Run {
        Run { attempt, max_attempts: 3, ..Run::default() }
    }

    fn unknown(verdict: Option<End>) -> Run {
        Run { unknown_since: Some(Default::default()), verdict: verdict.map(sqlx::types::Json), ..run(1) }
    }

    fn lost_connection() -> PipelineError {
        PipelineError::lost("could not load rows for public.t", "the server closed the connection")
    }

    fn bad_row() -> PipelineError {
        PipelineError::Contract(Explained { code: Code::BadRow, message: "a row".into(), next_step: "mend it".into() })
    }

    fn decide(run: &Run, cause: Option<Cause>, error: PipelineError, commit_sent: bool) -> Decision {
        Decision::of(run, cause, Ok(Some((Err(error), RetryConfig::default()))), commit_sent)
    }

    fn cut_off(run: &Run, cause: Option<Cause>, commit_sent: bool) -> Decision {
        Decision::of(run, cause, Ok(None), commit_sent)
    }

    #[test]
    fn an_attempt_that_never_sent_its_commit_is_certain() {
        assert!(matches!(decide(&run(1), None, lost_connection(), false), Decision::Retry { .. }));
        let Decision::Finished(End::Failed { error, next_step, .. }) = decide(&run(3), None, lost_connection(), false)
        else {
            panic!("its attempts are used up");
        };
        assert!(!format!("{error} {next_step}").contains("_elt_run_id"), "{error} {next_step}");
        assert!(matches!(decide(&run(1), None, bad_row(), false), Decision::Finished(End::Failed { .. })));
        assert_eq!(cut_off(&run(1), Some(Cause::Asked), false), Decision::Finished(End::Stopped));
        assert_eq!(cut_off(&run(1), Some(Cause::HandBack), false), Decision::HandBack);
        assert_eq!(cut_off(&run(1), Some(Cause::TooLong), false), Decision::Finished(too_long()));
    }

    #[test]
    fn an_attempt_whose_commit_is_unanswered_asks_before_anything_else() {
        let asks = |decision| match decision {
            Decision::AskTarget { if_not_loaded, left, .. } => (if_not_loaded, left),
            other => panic!("it may have loaded: {other:?}"),
        };
        assert_eq!(asks(decide(&run(1), None, lost_connection(), true)), (None, "unknown"));
        assert_eq!(asks(decide(&run(1), Some(Cause::HandBack), lost_connection(), true)), (None, "handed_back"));
        assert_eq!(asks(cut_off(&run(3), Some(Cause::HandBack), true)), (None, "handed_back"));
        assert_eq!(asks(cut_off(&run(1), Some(Cause::Asked), true)), (Some(End::Stopped), "unknown"));
        assert_eq!(asks(cut_off(&run(1), Some(Cause::TooLong), true)), (Some(too_long()), "unknown"));
        for last in [lost_connection(), PipelineError::Internal("a bug".into()), bad_row()] {
            let end = failed(&last);
            assert_eq!(asks(decide(&run(3), None, last, true)), (Some(end), "unknown"));
        }
    }

    #[test]
    fn an_ask_ends_the_run_only_with_an_answer() {
        let nothing = || PipelineError::NotLoaded;
        let retried = decide(&unknown(None), None, nothing(), false);
        assert!(matches!(retried, Decision::Retry { delay: Duration::ZERO, .. }), "{retried:?}");
        let stopped = unknown(Some(End::Stopped));
        assert_eq!(decide(&stopped, Some(Cause::Asked), nothing(), false), Decision::Finished(End::Stopped));
        for no_answer in [lost_connection(), bad_row(), PipelineError::Stopped, PipelineError::Internal("a bug".into())]
        {
            let decision = decide(&stopped, None, no_answer, false);
            assert!(matches!(decision, Decision::AskAgain { .. }), "{decision:?}");
        }
        for cause in [None, Some(Cause::Asked), Some(Cause::TooLong)] {
            assert!(matches!(cut_off(&stopped, cause, false), Decision::AskAgain { .. }));
        }
        assert_eq!(cut_off(&stopped, Some(Cause::HandBack), false), Decision::HandBack);
    }

    #[test]
    fn a_report_is_proof_that_it_loaded_whatever_the_attempt_was_told() {
        for cause in [None, Some(Cause::Asked), Some(Cause::HandBack), Some(Cause::TooLong), Some(Cause::Lost)] {
            let worked = Ok(Some((Ok(RunReport::default()), RetryConfig::default())));
            assert!(matches!(Decision::of(&run(1), cause, worked, true), Decision::Succeeded(_, Outcome::Clean)));
        }
    }

    #[test]
    fn a_stop_that_was_asked_for_is_not_answered_with_a_retry() {
        assert_eq!(decide(&run(1), Some(Cause::Asked), lost_connection(), false), Decision::Finished(End::Stopped));
        assert_eq!(decide(&run(1), Some(Cause::TooLong), lost_connection(), false), Decision::Finished(too_long()));
        let failed = decide(&run(1), Some(Cause::Asked), bad_row(), false);
        assert!(matches!(failed, Decision::Finished(End::Failed { .. })), "{failed:?}");
    }

    #[test]
    fn a_lost_attempt_decides_nothing() {
        for commit_sent in [false, true] {
            assert_eq!(decide(&run(1), Some(Cause::Lost), lost_connection(), commit_sent), Decision::Lost);
            assert_eq!(decide(&run(1), None, PipelineError::Fenced, commit_sent), Decision::Lost);
            assert_eq!(cut_off(&unknown(None), Some(Cause::Lost), commit_sent), Decision::Lost);
        }
    }
}
