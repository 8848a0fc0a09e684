//! When a config runs by itself, according to its YAML.

use chrono::{DateTime, Utc};
use elt_shared::config::{CatchUp, Overlap, PipelineConfig};
use serde::Serialize;
use utoipa::ToSchema;

/// When a config runs by itself: its window, its cron expression, and whether it watches its sources.
#[derive(Serialize, ToSchema)]
pub struct Timing {
    /// `start_time`: runs wait for this instant.
    start_at: Option<DateTime<Utc>>,
    /// `end_time`: nothing runs by itself from this instant on.
    end_at: Option<DateTime<Utc>>,
    /// IANA zone of local times: the config's `timezone`, or the server's own.
    timezone: String,
    /// `schedule.cron`, five fields; `null` when the config has no fixed times.
    cron: Option<String>,
    /// IANA zone the cron expression is read in.
    cron_timezone: String,
    /// What happens when a fixed time comes while a run is still going.
    overlap: Overlap,
    /// Which fixed times are caught up after a time without a worker.
    catch_up: CatchUp,
    /// Whether changed sources start a run.
    monitor: bool,
    /// Seconds between two looks at the sources; `null` when the workers' `ELT_MONITOR_INTERVAL` applies.
    interval_seconds: Option<u64>,
}

impl From<PipelineConfig> for Timing {
    fn from(pipeline: PipelineConfig) -> Self {
        let (window, schedule) = (pipeline.window, pipeline.schedule);
        let (overlap, catch_up) = match &schedule {
            Some(schedule) => (schedule.overlap, schedule.catch_up),
            None => (Overlap::default(), CatchUp::default()),
        };
        Self {
            start_at: window.start,
            end_at: window.end,
            timezone: window.timezone.name().to_owned(),
            cron_timezone: schedule.as_ref().map_or(window.timezone, |schedule| schedule.timezone).name().to_owned(),
            cron: schedule.map(|schedule| schedule.cron),
            overlap,
            catch_up,
            monitor: pipeline.monitor.enabled,
            interval_seconds: pipeline.monitor.interval.map(|interval| interval.as_secs()),
        }
    }
}
