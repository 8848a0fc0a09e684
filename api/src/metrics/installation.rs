//! The numbers of the whole installation as Prometheus reads them. Every API process reports the same numbers, so a query
//! over several processes takes the maximum of them, and never the sum.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use elt_shared::runs::{Outcome, RunKind, RunState};
use elt_shared::store::gauges::Gauge;
use elt_shared::store::run_totals::RunTotal;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Name, label and help text of each gauge that [`elt_shared::store::gauges::list`] returns.
const GAUGES: [(&str, Option<&str>, &str); 18] = [
    ("elt_host_keys_waiting", None, "Host keys of SFTP servers that an admin should look at."),
    (
        "elt_notifications_waiting",
        None,
        "Messages about pipelines that are not sent yet, those that wait for their time included.",
    ),
    ("elt_oldest_notification_seconds", None, "Seconds that the message that waits longest to be sent has been due."),
    ("elt_oldest_queued_seconds", None, "Seconds that the run that waits longest for a worker has been due."),
    ("elt_retention_behind", None, "Kinds of old things whose last deletion failed or did not come to its end."),
    ("elt_rows_inserted_24h", None, "Rows that runs and replays inserted in the last 24 hours."),
    ("elt_runs", Some("state"), "Unfinished runs of all kinds and all queues, by state."),
    ("elt_runs_finished_24h", Some("state"), "Runs and replays that finished in the last 24 hours, by state."),
    ("elt_runs_silent", None, "Running runs whose target or source has been silent for too long."),
    (
        "elt_runs_unknown",
        None,
        "Runs of which it is unknown whether they loaded, because their target does not answer.",
    ),
    ("elt_runs_waiting", Some("for"), "Queued runs by what they wait for."),
    ("elt_schedule_lateness_seconds", None, "Seconds by which the latest look of a schedule at its sources is late."),
    ("elt_schedules", Some("state"), "Live schedules by state."),
    ("elt_schedules_failing", None, "Live schedules whose last look at their sources failed."),
    ("elt_slots", None, "Runs that all workers together can execute at a time."),
    ("elt_slots_used", None, "Runs that are being executed."),
    ("elt_workers", Some("state"), "Workers whose heartbeat is fresh, by state."),
    ("elt_workers_alive", None, "Workers that take runs and whose heartbeat is fresh."),
];

/// What is known about the installation at the moment of a scrape.
#[derive(Debug)]
pub struct Installation {
    /// Whether the control database answers.
    pub is_up: bool,
    /// The newest numbers that could be read, and the time since then. `None` until they were read once.
    pub numbers: Option<(Arc<Numbers>, Duration)>,
}

/// What the control database counts.
#[derive(Debug)]
pub struct Numbers {
    /// Gauges, grouped by name.
    pub gauges: Vec<Gauge>,
    /// Ended runs.
    pub totals: Vec<RunTotal>,
}

impl Collector for Installation {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let up = "Whether the control database answers.";
        let up = encoder.encode_descriptor("elt_database_up", up, None, MetricType::Gauge)?;
        ConstGauge::new(i64::from(self.is_up)).encode(up)?;
        let Some((numbers, age)) = &self.numbers else { return Ok(()) };
        let help = "Seconds since the installation's numbers were read from the control database.";
        let encoded = encoder.encode_descriptor("elt_numbers_age_seconds", help, None, MetricType::Gauge)?;
        ConstGauge::new(age.as_secs_f64()).encode(encoded)?;
        encode_gauges(&mut encoder, &numbers.gauges)?;
        encode_totals(&mut encoder, &numbers.totals)
    }
}

fn encode_gauges(encoder: &mut DescriptorEncoder<'_>, gauges: &[Gauge]) -> fmt::Result {
    for gauges in gauges.chunk_by(|one, next| one.name == next.name) {
        let Some((name, label, help)) = GAUGES.iter().find(|(name, ..)| *name == gauges[0].name) else { continue };
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for gauge in gauges {
            let labels = label.zip(gauge.label.as_deref());
            encode_gauge(family.encode_family(&labels.as_slice())?, gauge.value)?;
        }
    }
    Ok(())
}

/// Counts are written without a fraction: `0`, and not `0.0`.
fn encode_gauge(encoder: MetricEncoder<'_>, value: f64) -> fmt::Result {
    match value.fract() == 0.0 {
        true => ConstGauge::new(value as i64).encode(encoder),
        false => ConstGauge::new(value).encode(encoder),
    }
}

/// Counters of ended runs. The series of runs and replays exist from the start, at 0, because `increase()` does not see
/// a counter that first appears with the value 1.
fn encode_totals(encoder: &mut DescriptorEncoder<'_>, totals: &[RunTotal]) -> fmt::Result {
    let ways = Outcome::ALL.iter().map(|outcome| (RunState::Succeeded, Some(*outcome)));
    let ways = ways.chain([(RunState::Failed, None), (RunState::Stopped, None)]);
    let loads = ways.flat_map(|(state, outcome)| [RunKind::Run, RunKind::Replay].map(|kind| (kind, state, outcome)));
    let labels = |kind: RunKind, state: RunState, outcome: Option<Outcome>| {
        (kind.as_str(), state.as_str(), outcome.map_or("", Outcome::as_str))
    };
    let mut series: BTreeMap<(&str, &str, &str), i64> =
        loads.map(|(kind, state, outcome)| (labels(kind, state, outcome), 0)).collect();
    for total in totals {
        series.insert(labels(total.kind, total.state, total.outcome), total.runs);
    }
    let help = "Runs that ended, by kind, state and outcome.";
    let mut family = encoder.encode_descriptor("elt_runs_finished", help, None, MetricType::Counter)?;
    for ((kind, state, outcome), runs) in series {
        let labels = [("kind", kind), ("state", state), ("outcome", outcome)];
        count(family.encode_family(&labels)?, runs)?;
    }
    let rows = totals.iter().map(|total| total.rows_inserted).sum();
    let help = "Rows that runs and replays inserted.";
    count(encoder.encode_descriptor("elt_rows_inserted", help, None, MetricType::Counter)?, rows)
}

fn count(encoder: MetricEncoder<'_>, total: i64) -> fmt::Result {
    ConstCounter::new(u64::try_from(total).unwrap_or_default()).encode(encoder)
}

#[cfg(test)]
impl Installation {
    /// An installation whose database answers, with these numbers.
    pub fn of(gauges: Vec<Gauge>, totals: Vec<RunTotal>) -> Self {
        Self { is_up: true, numbers: Some((Arc::new(Numbers { gauges, totals }), Duration::from_millis(1_500))) }
    }

    /// An installation whose database answers, before its numbers were read.
    pub fn without_numbers() -> Self {
        Self { is_up: true, numbers: None }
    }
}
