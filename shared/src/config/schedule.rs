//! `start_time`, `end_time`, `schedule:`, `monitor:`, `retry:`: when a pipeline runs.

use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

/// The time a pipeline may run in. Instants are UTC; the zone is kept to show them as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Runs wait for it.
    pub start: Option<DateTime<Utc>>,
    /// Monitoring ends with it.
    pub end: Option<DateTime<Utc>>,
    /// The zone local times were written in.
    pub timezone: Tz,
}

/// `schedule:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleConfig {
    /// Five fields, as crontab reads them.
    pub cron: String,
    /// Zone the fields are read in.
    pub timezone: Tz,
    /// When a run of it is still going.
    pub overlap: Overlap,
    /// After a time without a worker.
    pub catch_up: CatchUp,
}

/// `schedule.overlap`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overlap {
    /// The new one is left out, and counted.
    #[default]
    Skip,
    /// The new one waits.
    Queue,
}

/// `schedule.catch_up`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CatchUp {
    /// One run for all that was missed.
    #[default]
    Latest,
    /// One run each.
    All,
    /// None.
    None,
}

/// `monitor:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonitorConfig {
    /// Default true.
    pub enabled: bool,
    /// `None`: the server's setting (60 s).
    pub interval: Option<Duration>,
}

/// `retry:`: attempts after database and worker losses, with persisted exponential backoff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryConfig {
    /// 1 to 10, default 3.
    pub max_attempts: u32,
    /// Before the second attempt; doubled after each. Default 2 s.
    pub initial: Duration,
    /// Default 60 s.
    pub max: Duration,
}
