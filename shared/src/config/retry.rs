//! `retry:`: when a run is tried again.

use std::time::Duration;

use super::field::Field;
use super::keys::{Choice, Key};

/// `retry:`: when a run is tried again after it failed or lost its worker, or because something that it needs was away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryConfig {
    /// Attempts that may fail by themselves or lose their worker, the first included: 1 to 10, default 3.
    pub max_attempts: u32,
    /// Pause before the second attempt, doubled after each. Default 2 s.
    pub initial: Duration,
    /// Longest pause. Default 60 s.
    pub max: Duration,
    /// Whether the config names the pauses. They then also apply while the run waits for something that is away; otherwise
    /// each kind of outage has pauses of its own.
    pub names_pauses: bool,
    /// How long the run waits for something that is away.
    pub outages: Outages,
}

/// How a run bears that something it needs is away: its target, a source, the control database, room on a disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Outages {
    /// It waits for as long as is usual for a run of its kind, and no attempt counts. The default.
    #[default]
    WaitAsUsual,
    /// It waits this long after the first attempt that failed so, and no attempt counts: `max_elapsed`.
    WaitFor(Duration),
    /// An attempt that failed so counts like every other. This is what a config asks for that bounds the attempts with
    /// `max_attempts` and names no time.
    CountAsAttempts,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            initial: Duration::from_secs(2),
            max: Duration::from_secs(60),
            names_pauses: false,
            outages: Outages::default(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Backoff {
    Exponential,
    Constant,
}

impl Choice for Backoff {
    const WORDS: &'static [(&'static str, Self)] = &[("exponential", Self::Exponential), ("constant", Self::Constant)];
}

/// Most seconds that a run may wait for something that is away: 30 days.
const LONGEST_WAIT: u64 = 30 * 86_400;

pub(super) const RETRY_KEYS: &[Key] = &[
    Key::duration(
        "max_elapsed",
        LONGEST_WAIT,
        "How long a run waits for a target, source, database or disk that is away: 90s, 10m, 24h, 7d. Default 24h.",
    )
    .or(&["max_elapsed_seconds"]),
    Key::whole(
        "max_attempts",
        1,
        10,
        "Attempts that may fail by themselves, the first included. Default 3. Without `max_elapsed`, a number written \
         here also bounds the attempts that fail because something is away.",
    ),
    Key::choice::<Backoff>("backoff", "How the wait grows. Default `exponential`."),
    Key::whole("initial_seconds", 0, 86_400, "Wait before the second attempt. Default 2."),
    Key::whole("max_seconds", 0, 86_400, "Longest wait. Default 60."),
];

/// Reads `retry:`.
pub(super) fn read(field: Option<&Field<'_>>) -> Option<RetryConfig> {
    let default = RetryConfig::default();
    let Some(field) = field else { return Some(default) };
    let section = field.section(RETRY_KEYS)?;
    let initial = section.whole("initial_seconds").map_or(default.initial, Duration::from_secs);
    let max = section.whole("max_seconds").map_or(default.max, Duration::from_secs).max(initial);
    let constant = section.choice("backoff") == Some(Backoff::Constant);
    let outages = match section.duration("max_elapsed") {
        Some(longest) => Outages::WaitFor(longest),
        None if section.has("max_attempts") => Outages::CountAsAttempts,
        None => Outages::WaitAsUsual,
    };
    Some(RetryConfig {
        max_attempts: section.small("max_attempts").unwrap_or(default.max_attempts),
        initial,
        max: if constant { initial } else { max },
        names_pauses: ["initial_seconds", "max_seconds", "backoff"].iter().any(|name| section.has(name)),
        outages,
    })
}
