//! The decision about a run after an attempt. [`table`] holds the rules;
//! [`lifecycle`](elt_shared::runs::lifecycle) says what each decision does to the run.

use std::time::Duration;

use elt_shared::config::RetryConfig;
use elt_shared::explained::{Code, sentence};
use elt_shared::redaction;
use elt_shared::runs::backoff::{outage_pause, retry_pause};
use elt_shared::runs::lifecycle::NewPart;
use elt_shared::runs::report::RunReport;
use elt_shared::runs::{AttemptEnd, End, Outcome};
use elt_shared::store::runs::Run;
use elt_shared::store::target_outages::Pauses;
use elt_shared::target::TargetPlace;
use uuid::Uuid;

use super::execute_run::{Cause, Worked};
use super::success;
use crate::error::PipelineError;
use crate::error::outage::Outage;

pub(super) mod outage_wait;
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
    /// It waits for the runs of its tables, of which these are to be made. `report`: what it found out about its sources.
    WaitForTables { tables: Vec<NewPart>, report: Option<Box<RunReport>> },
    /// It waits for something that is away.
    WaitForOutage(OutageWait),
    /// It may have loaded, so its target is asked. If it did not load, it ends as `if_not_loaded` says; `None`: it is
    /// tried again, and the attempt does not count then unless `counts` says so. `left` is written as the end of the attempt.
    AskTarget { if_not_loaded: Option<End>, left: AttemptEnd, counts: bool, because: String },
    /// The target was asked and did not answer.
    AskAgain { code: String, error: String },
    /// It goes back unfinished; the attempt does not count.
    HandBack,
    /// It belongs to a newer attempt now.
    Lost,
}

/// A wait for something that is away.
#[derive(Debug, PartialEq)]
pub(super) struct OutageWait {
    /// What is away, for people: `target db.example.com:5432/shop`.
    pub shown: String,
    /// Stable code of the failure.
    pub code: String,
    /// The failure as a sentence.
    pub error: String,
    /// Longest time that the run waits, from when it first met an outage.
    pub longest: Duration,
    /// Pause before the run tries again by itself.
    pub pause: Duration,
    /// Hash of the server that is away, and the pauses between tries to reach it. `None`: something else is away.
    pub server: Option<(String, Pauses)>,
    /// Whether the run waited for the same reason before this attempt.
    pub is_known: bool,
}

/// What a decision must know about the attempt beside its result.
#[derive(Debug, Default)]
pub(super) struct Circumstances {
    /// The target of the run. `None`: its config could not be read, or its address cannot be used.
    pub place: Option<TargetPlace>,
    /// Time since the run first met an outage.
    pub waited: Duration,
    /// Whether the attempt's COMMIT was sent and not refused.
    pub commit_sent: bool,
}

impl Decision {
    /// Decides by the result of an attempt.
    pub(super) fn of(run: &Run, about: &Circumstances, cause: Option<Cause>, worked: Worked) -> Self {
        let (failure, retry) = match worked {
            // A report is proof that the work is done, so it counts even if the attempt was asked to stop, or lost its
            // lease, meanwhile. If a newer attempt began, writing the end fails and that attempt finds the work done.
            Ok(Some((Ok(report), _))) => return Self::succeeded(report),
            Ok(Some((Err(error), retry))) => (Failure::Error(error), retry),
            Ok(None) => (Failure::CutOff, RetryConfig::default()),
            Err(panicked) => (Failure::Error(PipelineError::Internal(panic_message(panicked))), RetryConfig::default()),
        };
        let longest = outage_wait::longest_wait(run, &retry);
        let row = Row::of(&Situation {
            asked: run.is_unknown(),
            result: failure.result(longest.is_some()),
            cause,
            attempts_left: run.attempt < run.max_attempts,
            time_left: longest.is_some_and(|longest| about.waited < longest),
            has_verdict: run.verdict.is_some(),
        });
        tracing::debug!(rule = row.case, because = row.because, "the attempt is over");
        let because = failure.sentence();
        let decision = Self::by(row.then, run, about, &failure, &retry);
        match row.unanswered {
            Unanswered::AskFirst if about.commit_sent => decision.once_asked(because),
            Unanswered::AskFirst | Unanswered::NoMatter => decision,
        }
    }

    fn succeeded(mut report: RunReport) -> Self {
        let outcome = report.outcome.unwrap_or_else(|| report.judge());
        report.outcome = Some(outcome);
        Self::Succeeded(Box::new(report), outcome)
    }

    fn by(step: Step, run: &Run, about: &Circumstances, failure: &Failure, retry: &RetryConfig) -> Self {
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
            Step::WaitForOutage => Self::wait_for_outage(run, about, failure, retry),
            Step::FailAfterWait => Self::Finished(failure.end_after_wait(about)),
            Step::WaitForTables => failure.tables().unwrap_or_else(|| Self::Finished(failure.end())),
            Step::Wait => failure.holder().map_or_else(|| Self::Finished(failure.end()), Self::Wait),
            Step::HandBack => Self::HandBack,
            Step::AskAgain => Self::AskAgain { code, error },
            Step::Stop => Self::Finished(End::Stopped),
            Step::FailAsTooLong => Self::Finished(too_long()),
            Step::Fail => Self::Finished(failure.end()),
        }
    }

    fn wait_for_outage(run: &Run, about: &Circumstances, failure: &Failure, retry: &RetryConfig) -> Self {
        let (Some(outage), Some(longest)) = (failure.outage(), outage_wait::longest_wait(run, retry)) else {
            return Self::Finished(failure.end());
        };
        let pauses = outage_wait::pauses(outage, retry);
        let server = about.place.as_ref().filter(|_| outage.rule().is_of_server).map(|place| place.server.clone());
        let code = failure.code();
        Self::WaitForOutage(OutageWait {
            shown: failure.shown(about),
            is_known: run.outages > 0 && run.waiting_code.as_ref() == Some(&code),
            code,
            error: failure.sentence(),
            longest,
            pause: outage_pause(pauses, run.outages),
            server: server.map(|server| (server, pauses)),
        })
    }

    /// The decision to ask the target first, because the attempt's COMMIT was sent. `self` applies if it did not load.
    fn once_asked(self, because: String) -> Self {
        // An attempt that was handed back does not count either, which its end says.
        let counts = !matches!(self, Self::WaitForOutage(_));
        let (if_not_loaded, left) = match self {
            Self::Finished(end) => (Some(end), AttemptEnd::Unknown),
            Self::HandBack => (None, AttemptEnd::HandedBack),
            _ => (None, AttemptEnd::Unknown),
        };
        Self::AskTarget { if_not_loaded, left, counts, because }
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
            // One line for each change, because a run may try a thousand times while something is away.
            Self::WaitForOutage(wait) if wait.is_known => {
                tracing::debug!(code = wait.code, "the run still waits for {}: {}", wait.shown, wait.error);
            }
            Self::WaitForOutage(wait) => {
                let (code, longest) = (&wait.code, outage_wait::in_words(wait.longest));
                tracing::warn!(code, "the run waits for {}, at most {longest} in all: {}", wait.shown, wait.error);
            }
            Self::AskTarget { because, .. } => {
                tracing::warn!("whether the run loaded is unknown, so its target is asked: {because}");
            }
            Self::AskAgain { code, error } => {
                tracing::warn!(code, "whether the run loaded is still unknown; its target is asked again: {error}");
            }
            Self::Wait(holder) => tracing::info!("run waits for run {holder}, which loads into the same table"),
            Self::WaitForTables { tables, .. } => {
                tracing::info!(tables = tables.len(), "the run waits for its tables, each loaded by a run of its own");
            }
            Self::HandBack => tracing::info!("run handed back to the queue: the worker stops"),
            Self::Lost => tracing::warn!("another attempt has taken over the run"),
        }
    }
}

/// The reason why an attempt has no report.
enum Failure {
    /// The pipeline ended with an error.
    Error(PipelineError),
    /// It was dropped because it did not end in time.
    CutOff,
}

impl Failure {
    /// The failure as the table of decisions sees it.
    ///
    /// `waits`: the run may wait for what is away.
    fn result(&self, waits: bool) -> AttemptResult {
        match self {
            Self::CutOff | Self::Error(PipelineError::Stopped) => AttemptResult::Stopped,
            Self::Error(PipelineError::Fenced) => AttemptResult::Fenced,
            Self::Error(PipelineError::NotLoaded) => AttemptResult::NotLoaded,
            Self::Error(PipelineError::TargetBusy { .. }) => AttemptResult::TargetBusy,
            Self::Error(PipelineError::WaitsForTables { .. }) => AttemptResult::WaitsForTables,
            Self::Error(error) if waits && error.outage().is_some() => AttemptResult::Away,
            Self::Error(error) if error.is_retryable() => AttemptResult::MayPass,
            Self::Error(_) => AttemptResult::Permanent,
        }
    }

    fn outage(&self) -> Option<Outage> {
        match self {
            Self::Error(error) => error.outage(),
            Self::CutOff => None,
        }
    }

    /// What is away, for people, as the end of "the run waits for".
    fn shown(&self, about: &Circumstances) -> String {
        match (self, self.outage()) {
            (Self::Error(PipelineError::Away { source_name: Some(name), .. }), _) => format!("source {name}"),
            (_, Some(Outage::ControlAway)) => "the control database".to_owned(),
            (_, Some(Outage::WorkerShort)) => "a worker with free disk space and open files".to_owned(),
            _ => about.place.as_ref().map_or_else(|| "target".to_owned(), |place| place.shown.clone()),
        }
    }

    /// The end of a run that has waited for as long as it may.
    fn end_after_wait(&self, about: &Circumstances) -> End {
        let end = self.end();
        match end {
            // An attempt that met the outage first and may not wait at all has not waited.
            End::Failed { code, error, next_step } if !about.waited.is_zero() => {
                let (waited, shown) = (outage_wait::in_words(about.waited), self.shown(about));
                End::Failed {
                    code,
                    error: format!("the run waited {waited} in vain for {shown}: {error}"),
                    next_step: format!("{next_step} `retry.max_elapsed` in the config says how long a run waits."),
                }
            }
            end => end,
        }
    }

    /// The run that has the target; `None` unless the target is busy.
    fn holder(&self) -> Option<Uuid> {
        match self {
            Self::Error(PipelineError::TargetBusy { run, .. }) => run.parse().ok(),
            Self::Error(_) | Self::CutOff => None,
        }
    }

    /// The wait for the runs of its tables; `None` unless the attempt ended with it.
    fn tables(&self) -> Option<Decision> {
        match self {
            Self::Error(PipelineError::WaitsForTables { tables, report }) => {
                Some(Decision::WaitForTables { tables: tables.clone(), report: report.clone() })
            }
            Self::Error(_) | Self::CutOff => None,
        }
    }

    fn code(&self) -> String {
        match self {
            Self::Error(error) => error.code().as_str().to_owned(),
            Self::CutOff => PipelineError::Stopped.code().as_str().to_owned(),
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
        code: Code::Timeout.as_str().into(),
        error: "the run took longer than a run may take and was stopped".into(),
        next_step: "Split the sources, or raise ELT_RUN_TIMEOUT on the workers.".into(),
    }
}

fn panic_message(panicked: tokio::task::JoinError) -> String {
    let Ok(panic) = panicked.try_into_panic() else { return "the runtime is shutting down".into() };
    let text = panic.downcast_ref::<&str>().map(ToString::to_string).or_else(|| panic.downcast_ref().cloned());
    format!("a panic: {}", text.unwrap_or_else(|| "without a message".to_owned()))
}

#[cfg(test)]
mod tests;
