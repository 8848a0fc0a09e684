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
        (Written::Stopped, _) => AttemptEnd::Stopped,
        (Written::Yes, decision) => end(decision),
    };
    let stages = progress.stage_times();
    metrics.attempt_ended(run, end, &stages);
    let took: Duration = stages.iter().map(|(_, time)| *time).sum();
    match (written, decision) {
        (Written::Stopped, _) => metrics.run_ended(run, RunState::Stopped, took, None),
        (Written::Yes, Decision::Succeeded(report, _)) => {
            // The rows of several tables are counted at the runs that loaded them.
            metrics.run_ended(
                run,
                RunState::Succeeded,
                took,
                Some(&**report).filter(|report| report.tables.is_empty()),
            );
        }
        (Written::Yes, Decision::Finished(end)) => metrics.run_ended(run, end.state(), took, None),
        (Written::Yes, Decision::Retry { code, .. }) => metrics.retried(code),
        (Written::Yes, Decision::WaitForOutage(wait)) => metrics.retried(&wait.code),
        _ => {}
    }
}

fn end(decision: &Decision) -> AttemptEnd {
    match decision {
        Decision::Succeeded(..) => AttemptEnd::Succeeded,
        Decision::Finished(End::Stopped) => AttemptEnd::Stopped,
        Decision::Finished(_) => AttemptEnd::Failed,
        Decision::Retry { .. } => AttemptEnd::Retried,
        Decision::Wait(_) | Decision::WaitForTables { .. } => AttemptEnd::Waits,
        Decision::WaitForOutage(_) => AttemptEnd::Outage,
        Decision::AskTarget { .. } | Decision::AskAgain { .. } => AttemptEnd::Unknown,
        Decision::HandBack => AttemptEnd::HandedBack,
        Decision::Lost => AttemptEnd::Fenced,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use elt_shared::metrics::{Audience, ProcessMetrics};
    use elt_shared::queue::heartbeat::Heartbeat;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::metrics::WorkerGauges;

    #[test]
    fn a_run_that_was_stopped_in_place_of_its_next_attempt_counts_as_stopped() {
        let process = ProcessMetrics::default();
        let gauges = WorkerGauges { slots: 1, free: Arc::new(Semaphore::new(1)), heartbeat: Heartbeat::default() };
        let metrics = WorkerMetrics::new(&process, 9, gauges);
        let run = Run { name: "orders".into(), ..Run::default() };
        let retry = Decision::Retry { pause: Duration::ZERO, code: "reset".into(), error: "it was cut".into() };
        let count = |written| measure(&metrics, &run, &retry, written, false, &Progress::default());
        count(Written::Stopped);
        count(Written::Yes);
        let text = process.text(Audience::Operators).expect("a text");
        for line in [
            r#"elt_attempts_total{kind="run",end="stopped"} 1"#,
            r#"elt_attempts_total{kind="run",end="retried"} 1"#,
            r#"elt_pipeline_runs_total{pipeline="orders",state="stopped"} 1"#,
            r#"elt_retries_total{code="reset"} 1"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
    }
}
