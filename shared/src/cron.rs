//! Cron expressions of five fields as crontab(5) reads them, in an IANA zone that may skip or repeat an hour.
//!
//! A local time that a zone skips fires later by as much as was skipped; one that happens twice fires the first time.

use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// No zone ever moved its clocks by more than this at once (dates skipped when crossing the date line aside).
const LARGEST_SHIFT: TimeDelta = TimeDelta::hours(3);

/// A checked expression.
#[derive(Debug, Clone)]
pub struct Cron {
    /// Fires when any of them does: crontab joins day of month and day of week by "or".
    any: Vec<cron::Schedule>,
}

impl Cron {
    /// Reads five fields, or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let any = match fields.as_slice() {
            [shorthand] if shorthand.starts_with('@') => vec![schedule(shorthand)?],
            [minute, hour, day, month, weekday] => {
                let days = weekdays(weekday)?;
                let at = |day: &str, days: &str| schedule(&format!("0 {minute} {hour} {day} {month} {days}"));
                match (is_restricted(day), is_restricted(weekday)) {
                    (true, true) => vec![at(day, "*")?, at("*", &days)?],
                    _ => vec![at(day, &days)?],
                }
            }
            other => {
                return Err(format!(
                    "a cron expression has five fields (minute hour day month weekday), this one has {}",
                    other.len()
                ));
            }
        };
        Ok(Self { any })
    }

    /// The first instant after `after` at which it fires in `zone`.
    pub fn next(&self, after: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
        let wall = after.with_timezone(&zone).naive_local();
        let mut next: Option<DateTime<Utc>> = None;
        // Around a shift the order of wall times is not the order of instants, so look at all within reach of one.
        let mut slot = wall.checked_sub_signed(LARGEST_SHIFT)?;
        while let Some(candidate) = self.slot_after(slot) {
            slot = candidate;
            if let Some(found) = next
                && candidate > found.with_timezone(&zone).naive_local() + LARGEST_SHIFT
            {
                break;
            }
            if let Some(instant) = instant(candidate, zone).filter(|instant| *instant > after) {
                next = Some(next.map_or(instant, |found| found.min(instant)));
            }
        }
        next
    }

    /// The next `count` instants after `after`.
    pub fn upcoming(&self, after: DateTime<Utc>, zone: Tz, count: usize) -> Vec<DateTime<Utc>> {
        std::iter::successors(self.next(after, zone), |last| self.next(*last, zone)).take(count).collect()
    }

    /// The next wall time after `wall` the fields name, whether or not a zone has it.
    fn slot_after(&self, wall: NaiveDateTime) -> Option<NaiveDateTime> {
        let pretended = wall.and_utc();
        self.any.iter().filter_map(|schedule| schedule.after(&pretended).next()).min().map(|slot| slot.naive_utc())
    }
}

/// When a wall time happens: the first time if twice, shifted forward by the gap if never.
pub fn instant(wall: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    let local = wall.and_local_timezone(zone);
    if let Some(found) = local.earliest() {
        return Some(found.to_utc());
    }
    // In a gap the offset before it still counts: 02:30 read so is 03:30 on the clocks that were moved.
    // A day before is before every gap, the whole days skipped at the date line included.
    let before = zone.offset_from_utc_datetime(&wall.checked_sub_signed(TimeDelta::days(1))?).fix();
    Some(wall.checked_sub_offset(before)?.and_utc())
}

fn schedule(text: &str) -> Result<cron::Schedule, String> {
    cron::Schedule::from_str(text).map_err(|error| format!("not a cron expression: {error}"))
}

/// crontab calls a day field that starts with a star unrestricted, `*/2` included.
fn is_restricted(field: &str) -> bool {
    !field.starts_with(['*', '?'])
}

/// crontab counts weekdays from Sunday = 0 (and 7), the parser from Sunday = 1: names are the same in both.
fn weekdays(field: &str) -> Result<String, String> {
    if field == "*" || field == "?" {
        return Ok("*".into());
    }
    let mut chosen = [false; 7];
    for item in field.split(',') {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, step.parse().ok().filter(|step| *step > 0).ok_or_else(|| unknown(item))?),
            None => (item, 1_usize),
        };
        let (first, last) = match range.split_once('-') {
            Some((first, last)) => (weekday(first)?, weekday(last)?),
            None if range == "*" => (0, 6),
            None if item.contains('/') => (weekday(range)?, 6),
            None => (weekday(range)?, weekday(range)?),
        };
        // `fri-mon` and `5-7` go over the end of the week.
        let last = if last < first { last + 7 } else { last };
        for day in (first..=last).step_by(step) {
            chosen[day % 7] = true;
        }
    }
    let names = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
    Ok(names.iter().zip(chosen).filter(|(_, chosen)| *chosen).map(|(name, _)| *name).collect::<Vec<_>>().join(","))
}

fn weekday(text: &str) -> Result<usize, String> {
    let names = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
    let by_name = names.iter().position(|name| text.eq_ignore_ascii_case(name));
    by_name.or_else(|| text.parse().ok().filter(|day| *day <= 7)).ok_or_else(|| unknown(text))
}

fn unknown(item: &str) -> String {
    format!("not a weekday: {item:?} (0 to 7, sun to sat, ranges and steps of them)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fires(expression: &str, zone: Tz, after: &str, count: usize) -> Vec<String> {
        let after = after.parse().expect("an instant");
        let cron = Cron::parse(expression).expect("a cron expression");
        let upcoming = cron.upcoming(after, zone, count).into_iter();
        upcoming.map(|fire| fire.with_timezone(&zone).format("%m-%d %a %H:%M %z").to_string()).collect()
    }

    #[test]
    fn five_fields_fire_in_their_zone() {
        let fires = fires("0 2 * * *", Tz::Europe__Berlin, "2026-07-01T12:00:00Z", 2);
        assert_eq!(fires, ["07-02 Thu 02:00 +0200", "07-03 Fri 02:00 +0200"]);
    }

    #[test]
    fn a_skipped_time_fires_later_by_the_gap_and_once() {
        let spring = fires("30 2 * * *", Tz::Europe__Berlin, "2027-03-27T00:00:00Z", 3);
        assert_eq!(spring, ["03-27 Sat 02:30 +0100", "03-28 Sun 03:30 +0200", "03-29 Mon 02:30 +0200"]);
    }

    #[test]
    fn half_hours_around_a_gap_do_not_fire_twice() {
        let spring = fires("*/30 1-3 * * *", Tz::Europe__Berlin, "2027-03-28T00:00:00Z", 5);
        assert_eq!(
            spring,
            [
                "03-28 Sun 01:30 +0100",
                "03-28 Sun 03:00 +0200",
                "03-28 Sun 03:30 +0200",
                "03-29 Mon 01:00 +0200",
                "03-29 Mon 01:30 +0200"
            ]
        );
    }

    #[test]
    fn a_repeated_time_fires_the_first_time_only() {
        let autumn = fires("30 2 * * *", Tz::Europe__Berlin, "2026-10-24T12:00:00Z", 2);
        assert_eq!(autumn, ["10-25 Sun 02:30 +0200", "10-26 Mon 02:30 +0100"]);
        let between = fires("30 2 * * *", Tz::Europe__Berlin, "2026-10-25T01:00:00Z", 1);
        assert_eq!(between, ["10-26 Mon 02:30 +0100"]);
    }

    #[test]
    fn a_zone_that_moves_by_half_an_hour_keeps_every_slot() {
        // Lord Howe skips 02:00 to 02:30 on 2026-10-04: 02:15 fires at 02:45, after 02:40 which exists.
        let spring = fires("15,40 2 * * *", Tz::Australia__Lord_Howe, "2026-10-03T14:00:00Z", 3);
        assert_eq!(spring, ["10-04 Sun 02:40 +1100", "10-04 Sun 02:45 +1100", "10-05 Mon 02:15 +1100"]);
        let autumn = fires("45 1 * * *", Tz::Australia__Lord_Howe, "2027-04-03T12:00:00Z", 2);
        assert_eq!(autumn, ["04-04 Sun 01:45 +1100", "04-05 Mon 01:45 +1030"]);
    }

    #[test]
    fn weekdays_count_as_crontab_counts_them() {
        let sundays = ["0 0 * * 0", "0 0 * * 7", "0 0 * * sun"];
        for expression in sundays {
            assert_eq!(fires(expression, Tz::UTC, "2026-11-25T00:00:00Z", 1), ["11-29 Sun 00:00 +0000"]);
        }
        let workdays = fires("0 9 * * 1-5", Tz::UTC, "2026-11-27T10:00:00Z", 2);
        assert_eq!(workdays, ["11-30 Mon 09:00 +0000", "12-01 Tue 09:00 +0000"]);
        let weekend = fires("0 9 * * fri-sun/2", Tz::UTC, "2026-11-25T10:00:00Z", 2);
        assert_eq!(weekend, ["11-27 Fri 09:00 +0000", "11-29 Sun 09:00 +0000"]);
    }

    #[test]
    fn day_of_month_and_weekday_are_joined_by_or() {
        let both = fires("0 0 1 * mon", Tz::UTC, "2026-11-25T00:00:00Z", 3);
        assert_eq!(both, ["11-30 Mon 00:00 +0000", "12-01 Tue 00:00 +0000", "12-07 Mon 00:00 +0000"]);
    }

    #[test]
    fn nonsense_is_refused_with_a_sentence() {
        for (expression, part) in [
            ("* * * *", "this one has 4"),
            ("0 0 2 * * *", "this one has 6"),
            ("61 * * * *", "not a cron expression"),
            ("0 0 * * 8", "not a weekday"),
            ("0 0 * * 1/0", "not a weekday"),
            ("@sometimes", "not a cron expression"),
        ] {
            let error = Cron::parse(expression).expect_err(expression);
            assert!(error.contains(part), "{expression}: {error}");
        }
    }

    #[test]
    fn a_day_that_never_comes_fires_never() {
        let cron = Cron::parse("0 0 30 2 *").expect("valid");
        assert_eq!(cron.next("2026-01-01T00:00:00Z".parse().expect("an instant"), Tz::UTC), None);
    }
}
