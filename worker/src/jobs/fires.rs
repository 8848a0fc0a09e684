//! What a cron expression asks for: the fires that are due, those left out, and the next one.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use elt_shared::cron::Cron;
use elt_shared::store::schedules::Schedule;

/// A fire seen later than this was missed, not just late.
const LATE: TimeDelta = TimeDelta::seconds(60);
/// Runs one tick makes at most for what was missed.
const MOST: usize = 100;
/// Missed fires counted at most: a year without a worker is not counted by the minute.
const COUNTED: usize = 10_000;

/// What a schedule's cron expression asks for at one tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Fires {
    /// Runs to make.
    pub runs: usize,
    /// Fires that get no run.
    pub skipped: i64,
    /// When it fires next; `None`: never again.
    pub next: Option<DateTime<Utc>>,
}

/// The fires of a schedule that are due at `now`; `live`: a run of it is queued or going on.
pub(super) fn due(schedule: &Schedule, now: DateTime<Utc>, live: bool) -> Fires {
    let Some((cron, zone)) = expression(schedule) else { return Fires::default() };
    let next = cron.next(now, zone).filter(|next| schedule.end_at.is_none_or(|end| *next < end));
    let Some(first) = schedule.next_run_at.filter(|first| *first <= now) else {
        return Fires { next, ..Fires::default() };
    };
    let due: Vec<_> = std::iter::successors(Some(first), |last| cron.next(*last, zone))
        .take_while(|fire| *fire <= now)
        .take(COUNTED)
        .collect();
    let runs = match (schedule.overlap.as_str(), schedule.catch_up.as_str()) {
        ("skip", _) if live => 0,
        (_, "all") => due.len().min(MOST),
        (_, "none") => due.last().is_some_and(|last| now - *last <= LATE).into(),
        _ => 1,
    };
    Fires { runs, skipped: i64::try_from(due.len() - runs).unwrap_or(i64::MAX), next }
}

/// The expression and its zone. Both were checked when the schedule was made.
fn expression(schedule: &Schedule) -> Option<(Cron, Tz)> {
    let cron = Cron::parse(schedule.cron.as_deref()?).ok()?;
    Some((cron, schedule.timezone.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(overlap: &str, catch_up: &str) -> Schedule {
        Schedule {
            cron: Some("*/10 * * * *".into()),
            timezone: "Europe/Berlin".into(),
            overlap: overlap.into(),
            catch_up: catch_up.into(),
            next_run_at: Some(at("2026-11-25T10:00:00Z")),
            ..Schedule::default()
        }
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("an instant")
    }

    fn counts(schedule: &Schedule, now: &str, live: bool) -> (usize, i64) {
        let fires = due(schedule, at(now), live);
        (fires.runs, fires.skipped)
    }

    #[test]
    fn a_fire_on_time_makes_a_run() {
        let fires = due(&schedule("skip", "latest"), at("2026-11-25T10:00:00.2Z"), false);
        assert_eq!(fires, Fires { runs: 1, skipped: 0, next: Some(at("2026-11-25T10:10:00Z")) });
    }

    #[test]
    fn overlap_skips_or_queues() {
        assert_eq!(counts(&schedule("skip", "latest"), "2026-11-25T10:00:00Z", true), (0, 1));
        assert_eq!(counts(&schedule("queue", "latest"), "2026-11-25T10:00:00Z", true), (1, 0));
    }

    #[test]
    fn what_was_missed_is_caught_up_as_asked() {
        let an_hour_late = "2026-11-25T11:05:00Z";
        assert_eq!(counts(&schedule("skip", "latest"), an_hour_late, false), (1, 6));
        assert_eq!(counts(&schedule("skip", "all"), an_hour_late, false), (7, 0));
        assert_eq!(counts(&schedule("skip", "none"), an_hour_late, false), (0, 7));
        assert_eq!(counts(&schedule("skip", "none"), "2026-11-25T11:00:30Z", false), (1, 6), "the last one is on time");
        assert_eq!(counts(&schedule("skip", "all"), "2026-11-26T10:00:00Z", false), (100, 45), "bounded");
    }

    #[test]
    fn no_fire_is_to_come_after_the_window() {
        let schedule = Schedule { end_at: Some(at("2026-11-25T10:10:00Z")), ..schedule("skip", "latest") };
        assert_eq!(due(&schedule, at("2026-11-25T10:00:01Z"), false).next, None);
    }
}
