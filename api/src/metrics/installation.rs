//! The numbers of the whole installation, as the control database has them at the moment of a scrape.

use std::collections::BTreeMap;
use std::fmt;

use elt_shared::runs::{Outcome, RunKind, RunState};
use elt_shared::store::overview::Gauge;
use elt_shared::store::run_totals::RunTotal;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// What a scrape found out about the installation.
#[derive(Debug)]
pub struct Installation {
    /// Whether the control database answers.
    pub is_up: bool,
    /// `None` when the control database did not answer in time.
    pub numbers: Option<Numbers>,
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
        const UP: &str = "elt_database_up";
        let up = encoder.encode_descriptor(UP, "Whether the control database answers.", None, MetricType::Gauge)?;
        ConstGauge::new(i64::from(self.is_up)).encode(up)?;
        if let Some(numbers) = &self.numbers {
            encode_gauges(&mut encoder, &numbers.gauges)?;
            encode_totals(&mut encoder, &numbers.totals)?;
        }
        Ok(())
    }
}

fn encode_gauges(encoder: &mut DescriptorEncoder<'_>, gauges: &[Gauge]) -> fmt::Result {
    for gauges in gauges.chunk_by(|one, next| one.name == next.name) {
        let Gauge { name, help, .. } = &gauges[0];
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for gauge in gauges {
            let labels = gauge.state.as_deref().map(|state| ("state", state));
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
