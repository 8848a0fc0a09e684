//! The decision about a run after an attempt. [`table`] holds the rules;
//! [`lifecycle`](elt_shared::runs::lifecycle) says what each decision does to the run.

use std::error::Error;
use std::time::Duration;

use elt_shared::config::RetryConfig;
use elt_shared::redaction;
use elt_shared::runs::report::RunReport;
use elt_shared::runs::timing::retry_pause;
use elt_shared::runs::{AttemptEnd, End, Outcome};
use elt_shared::store::runs::Run;
use uuid::Uuid;

use super::execute_run::{Cause, Worked};
use super::success;
use crate::error::PipelineError;

mod table;

use table::{AttemptResult, Row, Situation, Step, Unanswered};

/// The next state of the run.
#[derive(Debug, PartialEq)]
pub(super) enum Decision {
    /// It completed the work of its kind.
    Succeeded(Box<RunReport>, Outcome),
    /// It is over and loaded nothing.
    Finished(End),
    /// It waits for its next attempt.
    Retry { pause: Duration, code: String, error: String },
    /// It waits for the run that has its target.
    Wait(Uuid),
    /// It may have loaded, so its target is asked. If it did not load, it ends as `if_not_loaded` says; `None`: it is
    /// tried again. `left` is written as the end of the attempt.
    AskTarget { if_not_loaded: Option<End>, left: AttemptEnd, because: String },
    /// The target was asked and did not answer.
    AskAgain { code: String, error: String },
    /// It goes back unfinished; the attempt does not count.
    HandBack,
    /// It belongs to a newer attempt now.
    Lost,
}

impl Decision {
    /// Decides by the result of an attempt. `commit_sent`: its COMMIT was sent and not refused.
    pub(super) fn of(run: &Run, cause: Option<Cause>, worked: Worked, commit_sent: bool) -> Self {
        let (failure, retry) = match worked {
            // A report is proof that the work is done, so it counts even if the attempt was told to stop, or lost its
            // lease, meanwhile. If a newer attempt began, writing the end fails and that attempt finds the work done.
            Ok(Some((Ok(report), _))) => return Self::succeeded(report),
            Ok(Some((Err(error), retry))) => (Failure::Error(error), retry),
            Ok(None) => (Failure::CutOff, RetryConfig::default()),
            Err(panicked) => (Failure::Error(PipelineError::Internal(panic_message(panicked))), RetryConfig::default()),
        };
        let row = Row::of(&Situation {
            asked: run.is_unknown(),
            result: failure.result(),
            cause,
            attempts_left: run.attempt < run.max_attempts,
            has_verdict: run.verdict.is_some(),
        });
        tracing::debug!(rule = row.case, because = row.because, "the attempt is over");
        let because = failure.sentence();
        let decision = Self::by(row.then, run, &failure, &retry);
        match row.unanswered {
            Unanswered::AskFirst if commit_sent => decision.once_asked(because),
            Unanswered::AskFirst | Unanswered::NoMatter => decision,
        }
    }

    fn succeeded(mut report: RunReport) -> Self {
        let outcome = report.outcome.unwrap_or_else(|| report.judge());
        report.outcome = Some(outcome);
        Self::Succeeded(Box::new(report), outcome)
    }

    fn by(step: Step, run: &Run, failure: &Failure, retry: &RetryConfig) -> Self {
        let (code, error) = (failure.code(), failure.sentence());
        match step {
            Step::Lose => Self::Lost,
            Step::EndByVerdict => match &run.verdict {
                Some(verdict) => Self::Finished(verdict.0.clone()),
                None => Self::Finished(failure.end()),
            },
            Step::RetryAtOnce => Self::Retry {
                pause: Duration::ZERO,
                code,
                error: "the target says that the earlier attempt did not load".to_owned(),
            },
            Step::RetryLater => Self::Retry { pause: retry_pause(retry, run.attempt), code, error },
            Step::Wait => failure.holder().map_or_else(|| Self::Finished(failure.end()), Self::Wait),
            Step::HandBack => Self::HandBack,
            Step::AskAgain => Self::AskAgain { code, error },
            Step::Stop => Self::Finished(End::Stopped),
            Step::FailAsTooLong => Self::Finished(too_long()),
            Step::Fail => Self::Finished(failure.end()),
        }
    }

    /// The decision to ask the target first, because the attempt's COMMIT was sent. `self` applies if it did not load.
    fn once_asked(self, because: String) -> Self {
        let (if_not_loaded, left) = match self {
            Self::Finished(end) => (Some(end), AttemptEnd::Unknown),
            Self::HandBack => (None, AttemptEnd::HandedBack),
            _ => (None, AttemptEnd::Unknown),
        };
        Self::AskTarget { if_not_loaded, left, because }
    }

    /// Logs the decision.
    pub(super) fn log(&self, run: &Run) {
        match self {
            Self::Succeeded(report, outcome) => success::log(run, report, *outcome),
            Self::Finished(End::Failed { code, error, next_step }) => {
                tracing::error!(code, "{} failed: {error}. {next_step}", run.kind);
            }
            Self::Finished(_) => tracing::info!("{} stopped on request", run.kind),
            Self::Retry { pause, code, error } => {
                let (left, seconds) = (run.max_attempts - run.attempt, pause.as_secs_f64());
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
    /// The failure as the table of decisions sees it.
    fn result(&self) -> AttemptResult {
        match self {
            Self::CutOff | Self::Error(PipelineError::Stopped) => AttemptResult::Stopped,
            Self::Error(PipelineError::Fenced) => AttemptResult::Fenced,
            Self::Error(PipelineError::NotLoaded) => AttemptResult::NotLoaded,
            Self::Error(PipelineError::TargetBusy { .. }) => AttemptResult::TargetBusy,
            Self::Error(error) if error.is_retryable() => AttemptResult::MayPass,
            Self::Error(_) => AttemptResult::Permanent,
        }
    }

    /// The run that has the target; `None` unless the target is busy.
    fn holder(&self) -> Option<Uuid> {
        match self {
            Self::Error(PipelineError::TargetBusy { run, .. }) => run.parse().ok(),
            Self::Error(_) | Self::CutOff => None,
        }
    }

    fn code(&self) -> String {
        match self {
            Self::Error(error) => error.code().to_owned(),
            Self::CutOff => PipelineError::Stopped.code().to_owned(),
        }
    }

    fn sentence(&self) -> String {
        match self {
            Self::Error(error) => sentence(error),
            Self::CutOff => "the attempt was cut off".to_owned(),
        }
    }

    /// The end of a run that fails for this reason.
    fn end(&self) -> End {
        let next_step = match self {
            Self::Error(error) => error.next_step(),
            Self::CutOff => PipelineError::Stopped.next_step(),
        };
        End::Failed { code: self.code(), error: self.sentence(), next_step: redaction::hide(&next_step).into_owned() }
    }
}

fn too_long() -> End {
    End::Failed {
        code: "timeout".into(),
        error: "the run took longer than a run may take and was stopped".into(),
        next_step: "Split the sources, or raise ELT_RUN_TIMEOUT on the workers.".into(),
    }
}

/// An error and its sources in one line, secrets hidden.
fn sentence(error: &dyn Error) -> String {
    let sources = std::iter::successors(error.source(), |source: &&dyn Error| (*source).source());
    let said = sources.fold(error.to_string(), |said, source| {
        let more = source.to_string();
        // Some libraries repeat their source in their own words.
        if said.contains(&more) { said } else { format!("{said}: {more}") }
    });
    redaction::hide(&said).into_owned()
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
        PipelineError::Contract { code: "bad_row", message: "a row".into(), next_step: "mend it".into() }
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
        assert_eq!(asks(decide(&run(1), None, lost_connection(), true)), (None, AttemptEnd::Unknown));
        assert_eq!(
            asks(decide(&run(1), Some(Cause::HandBack), lost_connection(), true)),
            (None, AttemptEnd::HandedBack)
        );
        assert_eq!(asks(cut_off(&run(3), Some(Cause::HandBack), true)), (None, AttemptEnd::HandedBack));
        assert_eq!(asks(cut_off(&run(1), Some(Cause::Asked), true)), (Some(End::Stopped), AttemptEnd::Unknown));
        assert_eq!(asks(cut_off(&run(1), Some(Cause::TooLong), true)), (Some(too_long()), AttemptEnd::Unknown));
        for last in [lost_connection(), PipelineError::Internal("a bug".into()), bad_row()] {
            let failure = Failure::Error(last);
            let end = failure.end();
            let Failure::Error(last) = failure else { panic!("it was not cut off") };
            assert_eq!(asks(decide(&run(3), None, last, true)), (Some(end), AttemptEnd::Unknown));
        }
    }

    #[test]
    fn an_ask_ends_the_run_only_with_an_answer() {
        let nothing = || PipelineError::NotLoaded;
        let retried = decide(&unknown(None), None, nothing(), false);
        assert!(matches!(retried, Decision::Retry { pause: Duration::ZERO, .. }), "{retried:?}");
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
