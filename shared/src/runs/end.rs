//! How runs end, and how their attempts end.

use serde::{Deserialize, Serialize};

use super::{Outcome, RunState};
use crate::explained::Code;
use crate::text_enum::text_enum;

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum End {
    /// It completed the work of its kind.
    Succeeded {
        /// Whether everything that arrived was loaded.
        outcome: Outcome,
    },
    /// It was stopped on request and loaded nothing.
    Stopped,
    /// It failed for good and loaded nothing.
    Failed {
        /// Code of the failure, for programs: `source_unreachable`.
        code: String,
        /// A sentence about what happened.
        error: String,
        /// Advice on what to do about it.
        next_step: String,
    },
}

impl End {
    /// The final state of the run.
    pub fn state(&self) -> RunState {
        match self {
            Self::Succeeded { .. } => RunState::Succeeded,
            Self::Stopped => RunState::Stopped,
            Self::Failed { .. } => RunState::Failed,
        }
    }

    /// The outcome of the run; `None` unless it succeeded.
    pub fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::Succeeded { outcome } => Some(*outcome),
            Self::Stopped | Self::Failed { .. } => None,
        }
    }

    /// The end of the attempt that ends the run.
    pub(crate) fn of_attempt(&self) -> AttemptEnd {
        match self {
            Self::Succeeded { .. } => AttemptEnd::Succeeded,
            Self::Stopped => AttemptEnd::Stopped,
            Self::Failed { .. } => AttemptEnd::Failed,
        }
    }

    /// Code and sentence of a failure.
    pub(crate) fn failure(&self) -> Option<Failure<'_>> {
        match self {
            Self::Failed { code, error, .. } => Some(Failure { code, error }),
            Self::Succeeded { .. } | Self::Stopped => None,
        }
    }

    /// The end of a run whose process of `elt run` is gone.
    pub(crate) fn process_gone() -> Self {
        Self::Failed {
            code: Code::WorkerLost.as_str().into(),
            error: "the process that executed the run is gone".into(),
            next_step: "Nothing was loaded: run it again.".into(),
        }
    }
}

/// The failure of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure<'a> {
    /// Code of the failure, for programs: `source_unreachable`.
    pub code: &'a str,
    /// A sentence about what happened.
    pub error: &'a str,
}

text_enum! {
    /// How an attempt of a run ended. The first three end the run, too.
    pub enum AttemptEnd {
        /// The attempt did the work of its run.
        Succeeded = "succeeded",
        /// It failed, and the run with it.
        Failed = "failed",
        /// It was stopped on request, and the run with it.
        Stopped = "stopped",
        /// It failed in a way that another attempt may not.
        Retry = "retry",
        /// It found its target taken by another run.
        TargetBusy = "target_busy",
        /// It made a run for each of its tables, or found that these have not ended. It does not count against the run's
        /// attempts.
        WaitsForTables = "waits_for_tables",
        /// Its worker stopped and gave the run back. It does not count against the run's attempts.
        HandedBack = "handed_back",
        /// Its worker said nothing for longer than the lease.
        WorkerLost = "worker_lost",
        /// It cannot tell whether it loaded, or asked the target and got no answer.
        Unknown = "unknown",
    }
}
