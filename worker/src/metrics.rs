//! What a worker counts about itself, for Prometheus.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use elt_shared::metrics::ProcessMetrics;
use elt_shared::queue::heartbeat::Heartbeat;
use elt_shared::runs::report::RunReport;
use elt_shared::runs::{RunKind, RunState, Stage};
use elt_shared::store::runs::Run;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use tokio::sync::Semaphore;

/// Upper bounds of all histograms, in seconds: from a file of some rows to a load of a night.
const BUCKETS: [f64; 10] = [0.1, 0.5, 2.0, 10.0, 30.0, 120.0, 600.0, 1_800.0, 7_200.0, 28_800.0];
/// The label of all pipelines that have none of their own. No pipeline can be called so, because a name begins with a
/// letter or a digit.
const OTHER: &str = "_other";

type Label = [(&'static str, &'static str); 1];
type Histograms = Family<Label, Histogram, fn() -> Histogram>;
type Named = Family<[(&'static str, String); 2], Counter>;

/// What a worker counted since it started. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct WorkerMetrics {
    attempts: Family<[(&'static str, &'static str); 2], Counter>,
    retries: Family<[(&'static str, String); 1], Counter>,
    leases_lost: Counter,
    queue_wait: Histogram,
    run_seconds: Histograms,
    stage_seconds: Histograms,
    rows: Named,
    runs: Named,
    named: Arc<Mutex<HashSet<String>>>,
    most_named: usize,
}

/// How an attempt ended: the value of the label `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AttemptEnd {
    /// The attempt's run succeeded.
    Succeeded,
    /// Its run failed for good.
    Failed,
    /// Its run was stopped.
    Stopped,
    /// Its run is tried again.
    Retried,
    /// Its run waits for the run that has its table.
    Waits,
    /// Its run waits for a target, a source or a disk that is away.
    Outage,
    /// It is unknown whether its run loaded.
    Unknown,
    /// Its run went back to the queue, because the worker stops.
    HandedBack,
    /// A newer attempt took over its run, so it was not allowed to write anything.
    Fenced,
    /// The lease of its run was lost, or would have been.
    Lost,
}

impl AttemptEnd {
    const ALL: [Self; 10] = [
        Self::Succeeded,
        Self::Failed,
        Self::Stopped,
        Self::Retried,
        Self::Waits,
        Self::Outage,
        Self::Unknown,
        Self::HandedBack,
        Self::Fenced,
        Self::Lost,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Retried => "retried",
            Self::Waits => "waits",
            Self::Outage => "outage",
            Self::Unknown => "unknown",
            Self::HandedBack => "handed_back",
            Self::Fenced => "fenced",
            Self::Lost => "lost",
        }
    }
}

impl WorkerMetrics {
    /// Adds the metrics of a worker to those of its process. `most_named` pipelines have series of their own.
    pub fn new(process: &ProcessMetrics, most_named: usize, gauges: WorkerGauges) -> Self {
        let histograms = || Family::new_with_constructor((|| Histogram::new(BUCKETS)) as fn() -> Histogram);
        let metrics = Self {
            attempts: Family::default(),
            retries: Family::default(),
            leases_lost: Counter::default(),
            queue_wait: Histogram::new(BUCKETS),
            run_seconds: histograms(),
            stage_seconds: histograms(),
            rows: Family::default(),
            runs: Family::default(),
            named: Arc::default(),
            most_named,
        };
        // Series whose labels are known exist from the start, because `increase()` does not see a counter that first
        // appears with the value 1.
        for end in AttemptEnd::ALL {
            drop(metrics.attempts.get_or_create(&[("kind", RunKind::Run.as_str()), ("end", end.label())]));
        }
        process.register(|registry| {
            let m = &metrics;
            registry.register(
                "elt_attempts",
                "Attempts that ended on this worker, by kind and end",
                m.attempts.clone(),
            );
            let help = "Attempts whose run is tried again, by the code of their error";
            registry.register("elt_retries", help, m.retries.clone());
            let help = "Leases of runs that this worker lost";
            registry.register("elt_leases_lost", help, m.leases_lost.clone());
            let help = "Time from the moment a run is due until this worker starts it, its wait for its table included";
            registry.register("elt_queue_wait_seconds", help, m.queue_wait.clone());
            let help = "Time of attempts after which their run was over, by kind";
            registry.register("elt_run_duration_seconds", help, m.run_seconds.clone());
            let help = "Time that attempts spent in each stage";
            registry.register("elt_stage_duration_seconds", help, m.stage_seconds.clone());
            registry.register_collector(Box::new(gauges));
        });
        process.register_naming_pipelines(|registry| {
            let help = "Rows of runs and replays that succeeded on this worker, by pipeline and outcome";
            registry.register("elt_pipeline_rows", help, metrics.rows.clone());
            let help = "Runs and replays that ended on this worker, by pipeline and state";
            registry.register("elt_pipeline_runs", help, metrics.runs.clone());
        });
        metrics
    }

    /// Counts the seconds that a run waited for this worker.
    pub fn waited(&self, seconds: f64) {
        self.queue_wait.observe(seconds.max(0.0));
    }

    /// Counts an attempt and the time that it spent in each stage.
    pub fn attempt_ended(&self, run: &Run, end: AttemptEnd, stages: &[(Stage, Duration)]) {
        self.attempts.get_or_create(&[("kind", run.kind.as_str()), ("end", end.label())]).inc();
        for (stage, time) in stages {
            self.stage_seconds.get_or_create(&[("stage", stage.as_str())]).observe(time.as_secs_f64());
        }
        if end == AttemptEnd::Lost {
            self.leases_lost.inc();
        }
    }

    /// Counts a run that is tried again for this reason.
    pub fn retried(&self, code: &str) {
        self.retries.get_or_create(&[("code", code.to_owned())]).inc();
    }

    /// Counts a run that is over. `report` is there when it succeeded.
    pub fn run_ended(&self, run: &Run, state: RunState, took: Duration, report: Option<&RunReport>) {
        self.run_seconds.get_or_create(&[("kind", run.kind.as_str())]).observe(took.as_secs_f64());
        if !matches!(run.kind, RunKind::Run | RunKind::Replay) {
            return;
        }
        let pipeline = self.label_of(&run.name);
        self.runs.get_or_create(&[("pipeline", pipeline.clone()), ("state", state.as_str().to_owned())]).inc();
        let Some(report) = report else { return };
        for (outcome, rows) in [
            ("inserted", report.rows_inserted),
            ("updated", report.rows_updated),
            ("deleted", report.rows_deleted),
            ("duplicate", report.rows_duplicate),
            ("quarantined", report.rows_quarantined),
        ] {
            let labels = [("pipeline", pipeline.clone()), ("outcome", outcome.to_owned())];
            self.rows.get_or_create(&labels).inc_by(rows);
        }
    }

    /// The pipeline's name while there is room for another one, else [`OTHER`].
    fn label_of(&self, pipeline: &str) -> String {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if !named.contains(pipeline) {
            if named.len() >= self.most_named {
                return OTHER.to_owned();
            }
            named.insert(pipeline.to_owned());
        }
        pipeline.to_owned()
    }
}

/// What is measured at the moment of a scrape.
#[derive(Debug)]
pub(crate) struct WorkerGauges {
    /// Runs that the worker executes at a time.
    pub slots: usize,
    /// One permit for each of them that is free.
    pub free: Arc<Semaphore>,
    /// The heartbeat of the worker.
    pub heartbeat: Heartbeat,
}

impl Collector for WorkerGauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut gauge = |name: &str, help: &str, value: f64| {
            ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
        };
        gauge("elt_worker_slots", "Runs that this worker executes at a time.", self.slots as f64)?;
        let used = self.slots.saturating_sub(self.free.available_permits());
        gauge("elt_worker_slots_used", "Runs that this worker executes now.", used as f64)?;
        if let Some(arrived) = self.heartbeat.pulse().arrived {
            let help = "Seconds since the last heartbeat of this worker that reached the control database.";
            gauge("elt_heartbeat_age_seconds", help, arrived.elapsed().as_secs_f64())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use elt_shared::metrics::Audience;

    use super::*;

    fn metrics(most_named: usize) -> (ProcessMetrics, WorkerMetrics) {
        let process = ProcessMetrics::default();
        let free = Arc::new(Semaphore::new(4));
        let gauges = WorkerGauges { slots: 4, free, heartbeat: Heartbeat::default() };
        let worker = WorkerMetrics::new(&process, most_named, gauges);
        (process, worker)
    }

    fn run(name: &str) -> Run {
        Run { name: name.into(), ..Run::default() }
    }

    fn lines(process: &ProcessMetrics, begin: &str) -> Vec<String> {
        let text = process.text(Audience::Operators).expect("a text");
        let mut lines: Vec<_> = text.lines().filter(|line| line.starts_with(begin)).map(Into::into).collect();
        lines.sort_unstable();
        lines
    }

    #[test]
    fn pipelines_beyond_the_limit_count_together() {
        let (process, worker) = metrics(2);
        let report = RunReport { rows_inserted: 10, rows_quarantined: 1, ..RunReport::default() };
        for name in ["orders", "people", "orders", "third", "fourth", "people"] {
            worker.run_ended(&run(name), RunState::Succeeded, Duration::from_secs(1), Some(&report));
        }
        assert_eq!(
            lines(&process, "elt_pipeline_runs_total"),
            [
                r#"elt_pipeline_runs_total{pipeline="_other",state="succeeded"} 2"#,
                r#"elt_pipeline_runs_total{pipeline="orders",state="succeeded"} 2"#,
                r#"elt_pipeline_runs_total{pipeline="people",state="succeeded"} 2"#,
            ]
        );
        let rows = lines(&process, "elt_pipeline_rows_total");
        assert!(
            rows.contains(&r#"elt_pipeline_rows_total{pipeline="_other",outcome="inserted"} 20"#.to_owned()),
            "{rows:?}"
        );
        assert_eq!(rows.len(), 3 * 5);
        let shown = process.text(Audience::Anyone).expect("a text");
        assert!(
            !shown.contains("orders") && shown.contains("elt_run_duration_seconds_count{kind=\"run\"} 6"),
            "{shown}"
        );
    }

    #[test]
    fn an_attempt_counts_its_end_its_stages_and_a_lost_lease() {
        let (process, worker) = metrics(0);
        let stages = [(Stage::Connect, Duration::from_millis(20)), (Stage::Load, Duration::from_secs(45))];
        worker.attempt_ended(&run("a"), AttemptEnd::Retried, &stages);
        worker.retried("target_unreachable");
        worker.attempt_ended(&run("a"), AttemptEnd::Lost, &[]);
        worker.waited(-0.5);
        for line in [
            r#"elt_attempts_total{kind="run",end="retried"} 1"#,
            r#"elt_attempts_total{kind="run",end="fenced"} 0"#,
            r#"elt_retries_total{code="target_unreachable"} 1"#,
            "elt_leases_lost_total 1",
            r#"elt_stage_duration_seconds_bucket{stage="load",le="30"} 0"#,
            r#"elt_stage_duration_seconds_bucket{stage="load",le="120"} 1"#,
            "elt_queue_wait_seconds_sum 0",
            "elt_worker_slots 4",
            "elt_worker_slots_used 0",
        ] {
            let found = lines(&process, line.split(['{', ' ']).next().unwrap_or_default());
            assert!(found.iter().any(|found| found.replace(".0", "") == line), "{line} in {found:?}");
        }
    }
}
