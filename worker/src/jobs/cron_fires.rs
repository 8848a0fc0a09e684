//! The runs that a schedule's cron expression asks for: fires that are due, fires left out, and the next one.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use elt_shared::config::{CatchUp, Overlap};
use elt_shared::cron::Cron;
use elt_shared::store::schedules::Schedule;

/// Age from which a fire counts as missed. A younger one is only late, because ticks themselves take a while.
const MISSED_AFTER: TimeDelta = TimeDelta::seconds(60);
/// Runs that one tick makes at most for missed fires.
const MOST_RUNS_PER_TICK: usize = 100;
/// Missed fires that are counted at most, because counting a year of minutes would take longer than a tick may.
const MOST_FIRES_COUNTED: usize = 10_000;

/// The runs that a cron expression asks for at one tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Fires {
    /// Number of runs to make.
    pub runs: usize,
    /// Number of fires that get no run.
    pub skipped: i64,
    /// The next fire; `None`: it never fires again.
    pub next: Option<DateTime<Utc>>,
}

/// The fires of a schedule that are due at `now`. `live`: a run of it is unfinished.
pub(super) fn due(schedule: &Schedule, now: DateTime<Utc>, live: bool) -> Fires {
    let Some((cron, zone)) = expression(schedule) else { return Fires::default() };
    let next = cron.next(now, zone).filter(|next| schedule.end_at.is_none_or(|end| *next < end));
    let Some(first) = schedule.next_run_at.filter(|first| *first <= now) else {
        return Fires { next, ..Fires::default() };
    };
    let due: Vec<_> = std::iter::successors(Some(first), |last| cron.next(*last, zone))
        .take_while(|fire| *fire <= now)
        .take(MOST_FIRES_COUNTED)
        .collect();
    let runs = match (schedule.overlap, schedule.catch_up) {
        // The overlap comes first, because missed fires must not be caught up beside a run that is going on either.
        (Overlap::Skip, _) if live => 0,
        (_, CatchUp::All) => due.len().min(MOST_RUNS_PER_TICK),
        // Only the last fire can be on time: the others are at least one interval of the expression older.
        (_, CatchUp::None) => due.last().is_some_and(|last| now - *last <= MISSED_AFTER).into(),
        (_, CatchUp::Latest) => 1,
    };
    Fires { runs, skipped: i64::try_from(due.len() - runs).unwrap_or(i64::MAX), next }
}

/// The expression and its zone; `None` without an expression. Both were checked when the schedule was made.
fn expression(schedule: &Schedule) -> Option<(Cron, Tz)> {
    let cron = Cron::parse(schedule.cron.as_deref()?).ok()?;
    Some((cron, schedule.timezone.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(overlap: Overlap, catch_up: CatchUp) -> Schedule {
        Schedule {
            cron: Some("*/10 * * * *".into()),
            timezone: "Europe/Berlin".into(),
            overlap,
            catch_up,
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
        let fires = due(&schedule(Overlap::Skip, CatchUp::Latest), at("2026-11-25T10:00:00.2Z"), false);
        assert_eq!(fires, Fires { runs: 1, skipped: 0, next: Some(at("2026-11-25T10:10:00Z")) });
    }

    #[test]
    fn overlap_skips_or_queues() {
        assert_eq!(counts(&schedule(Overlap::Skip, CatchUp::Latest), "2026-11-25T10:00:00Z", true), (0, 1));
        assert_eq!(counts(&schedule(Overlap::Queue, CatchUp::Latest), "2026-11-25T10:00:00Z", true), (1, 0));
    }

    #[test]
    fn what_was_missed_is_caught_up_as_asked() {
        let an_hour_late = "2026-11-25T11:05:00Z";
        assert_eq!(counts(&schedule(Overlap::Skip, CatchUp::Latest), an_hour_late, false), (1, 6));
        assert_eq!(counts(&schedule(Overlap::Skip, CatchUp::All), an_hour_late, false), (7, 0));
        assert_eq!(counts(&schedule(Overlap::Skip, CatchUp::None), an_hour_late, false), (0, 7));
        assert_eq!(
            counts(&schedule(Overlap::Skip, CatchUp::None), "2026-11-25T11:00:30Z", false),
            (1, 6),
            "the last one is on time"
        );
        assert_eq!(counts(&schedule(Overlap::Skip, CatchUp::All), "2026-11-26T10:00:00Z", false), (100, 45), "bounded");
    }

    #[test]
    fn no_fire_is_to_come_after_the_window() {
        let schedule =
            Schedule { end_at: Some(at("2026-11-25T10:10:00Z")), ..schedule(Overlap::Skip, CatchUp::Latest) };
        assert_eq!(due(&schedule, at("2026-11-25T10:00:01Z"), false).next, None);
    }
}
