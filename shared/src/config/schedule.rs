//! `start_time`, `end_time`, `schedule:`, `monitor:`: when a pipeline runs.

use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::field::Field;
use super::keys::{Choice, Key};
use super::moment;
use super::section::Section;
use crate::cron::Cron;
use crate::runs::Priority;
use crate::text_enum::text_enum;

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

text_enum! {
    /// What happens when a fixed time comes while a run of the schedule is unfinished.
    #[derive(Default)]
    pub enum Overlap {
        /// The new run is left out and counted.
        #[default]
        Skip = "skip",
        /// The new run waits in the queue for the end of the earlier one.
        Queue = "queue",
    }
}

text_enum! {
    /// Which fixed times are caught up after a time without a worker.
    #[derive(Default)]
    pub enum CatchUp {
        /// One run for all times that were missed.
        #[default]
        Latest = "latest",
        /// One run for each time that was missed.
        All = "all",
        /// No run: times that were missed stay missed.
        None = "none",
    }
}

/// `concurrency` and `priority`: when a run of the pipeline may start, and before which others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StartRules {
    /// Runs, replays and undos of the pipeline that may be at work at the same time; `None`: any number.
    pub concurrency: Option<u16>,
    /// How early its runs start among those that wait.
    pub priority: Priority,
}

/// `monitor:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonitorConfig {
    /// Whether changes of the sources start runs. Default: true.
    pub enabled: bool,
    /// `None`: the server's setting (60 s).
    pub interval: Option<Duration>,
}

impl Choice for Overlap {
    const WORDS: &'static [(&'static str, Self)] = &[("skip", Self::Skip), ("queue", Self::Queue)];
}

impl Choice for CatchUp {
    const WORDS: &'static [(&'static str, Self)] =
        &[("latest", Self::Latest), ("all", Self::All), ("none", Self::None)];
}

impl Choice for Priority {
    const WORDS: &'static [(&'static str, Self)] =
        &[("high", Self::High), ("normal", Self::Normal), ("low", Self::Low)];
}

pub(super) const SCHEDULE_KEYS: &[Key] = &[
    Key::text("cron", "Five fields: minute, hour, day of month, month, day of week.").required(),
    Key::text("timezone", "IANA zone the fields are read in. Default: the config's `timezone`."),
    Key::choice::<Overlap>("overlap", "When a run of it is still going: leave the new one out, or queue it."),
    Key::choice::<CatchUp>("catch_up", "After a time without a worker: one run for all missed, one each, or none."),
];

pub(super) const MONITOR_KEYS: &[Key] = &[
    Key::flag("enabled", "Whether changes of the sources start a run. Default true."),
    Key::whole("interval_seconds", 1, 86_400, "How often the sources are looked at. Default: the server's setting."),
];

/// Reads `timezone`; the server's own when it is not written.
pub(super) fn timezone(field: Option<&Field<'_>>) -> Tz {
    field.and_then(|field| field.parsed(moment::timezone)).unwrap_or_else(moment::server_timezone)
}

/// Reads `start_time` and `end_time`.
pub(super) fn window(root: &Section<'_>, timezone: Tz) -> Window {
    let moment = |name: &str| root.field(name).and_then(|field| field.parsed(|text| moment::parse(text, timezone)));
    let (start, end) = (moment("start_time"), moment("end_time"));
    if let (Some(start), Some(end), Some(field)) = (start, end, root.field("end_time"))
        && end <= start
    {
        field.problem(format!("must be after start_time, found {}", field.shown()));
    }
    Window { start, end, timezone }
}

/// Reads `schedule:`.
pub(super) fn schedule(field: &Field<'_>, timezone: Tz) -> Option<ScheduleConfig> {
    let section = field.section(SCHEDULE_KEYS)?;
    let cron = section.required("cron").and_then(|field| {
        field.accepted(fires);
        field.text()
    });
    let timezone = match section.field("timezone") {
        Some(field) => field.parsed(moment::timezone).unwrap_or(timezone),
        None => timezone,
    };
    let (overlap, catch_up) = (section.choice("overlap"), section.choice("catch_up"));
    Some(ScheduleConfig {
        cron: cron?.trim().to_owned(),
        timezone,
        overlap: overlap.unwrap_or_default(),
        catch_up: catch_up.unwrap_or_default(),
    })
}

/// Longest cron expression, in bytes.
const LONGEST_CRON: usize = 400;

fn fires(text: &str) -> Result<(), String> {
    if text.len() > LONGEST_CRON {
        return Err(format!("a cron expression has at most {LONGEST_CRON} characters"));
    }
    // February 30th never comes.
    match Cron::parse(text)?.next(Utc::now(), Tz::UTC) {
        Some(_) => Ok(()),
        None => Err("this cron expression never fires".into()),
    }
}

/// Reads `concurrency` and `priority`.
pub(super) fn start_rules(root: &Section<'_>) -> StartRules {
    StartRules { concurrency: root.small("concurrency"), priority: root.choice("priority").unwrap_or_default() }
}

/// Reads `monitor:`.
pub(super) fn monitor(field: Option<&Field<'_>>) -> Option<MonitorConfig> {
    let Some(field) = field else { return Some(MonitorConfig { enabled: true, interval: None }) };
    let section = field.section(MONITOR_KEYS)?;
    Some(MonitorConfig {
        enabled: section.flag("enabled").unwrap_or(true),
        interval: section.whole("interval_seconds").map(Duration::from_secs),
    })
}
