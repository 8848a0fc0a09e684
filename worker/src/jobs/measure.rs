//! Counts an attempt for Prometheus, once its end is recorded.

use std::time::Duration;

use elt_shared::runs::{End, RunState};
use elt_shared::store::runs::Run;

use super::decision::Decision;
use super::record::Written;
use crate::metrics::{AttemptEnd, WorkerMetrics};
use crate::progress::Progress;

/// Counts an attempt by its decision. A decision that was not written counts as the loss that it was.
pub(super) fn measure(
    metrics: &WorkerMetrics,
    run: &Run,
    decision: &Decision,
    written: Written,
    lease_lost: bool,
    progress: &Progress,
) {
    let end = match (written, decision) {
        (Written::No, _) => AttemptEnd::Lost,
        (Written::Yes, Decision::Lost) if lease_lost => AttemptEnd::Lost,
        (Written::Fenced, _) => AttemptEnd::Fenced,
        (Written::Yes, decision) => end(decision),
    };
    let stages = progress.stage_times();
    metrics.attempt_ended(run, end, &stages);
    if written != Written::Yes {
        return;
    }
    let took: Duration = stages.iter().map(|(_, time)| *time).sum();
    match decision {
        Decision::Succeeded(report, _) => metrics.run_ended(run, RunState::Succeeded, took, Some(report)),
        Decision::Finished(end) => metrics.run_ended(run, end.state(), took, None),
        Decision::Retry { code, .. } => metrics.retried(code),
        Decision::WaitForOutage(wait) => metrics.retried(&wait.code),
        _ => {}
    }
}

fn end(decision: &Decision) -> AttemptEnd {
    match decision {
        Decision::Succeeded(..) => AttemptEnd::Succeeded,
        Decision::Finished(End::Stopped) => AttemptEnd::Stopped,
        Decision::Finished(_) => AttemptEnd::Failed,
        Decision::Retry { .. } => AttemptEnd::Retried,
        Decision::Wait(_) => AttemptEnd::Waits,
        Decision::WaitForOutage(_) => AttemptEnd::Outage,
        Decision::AskTarget { .. } | Decision::AskAgain { .. } => AttemptEnd::Unknown,
        Decision::HandBack => AttemptEnd::HandedBack,
        Decision::Lost => AttemptEnd::Fenced,
    }
}
