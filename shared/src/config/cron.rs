//! Five crontab fields, read as crontab reads them, on the `cron` crate that knows seconds and counts Sunday as 1.

use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::moment;

/// When a schedule fires, in local time.
#[derive(Debug)]
pub(super) struct Cron {
    /// Two when day of month and day of week are both restricted: crontab then fires on either.
    schedules: Vec<cron::Schedule>,
}

/// Longest text read.
const MAX_LENGTH: usize = 400;

/// Longest leap of a local clock we look back over.
const LONGEST_SHIFT: TimeDelta = TimeDelta::hours(3);

/// Reads five fields. The error says what was expected.
pub(super) fn parse(text: &str) -> Result<Cron, String> {
    let expected =
        || "five cron fields such as \"0 2 * * *\" (minute, hour, day of month, month, day of week)".to_owned();
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields[..] else { return Err(expected()) };
    if text.len() > MAX_LENGTH {
        return Err(expected());
    }
    let both = !day.starts_with(['*', '?']) && !weekday.starts_with(['*', '?']);
    let weekday = weekdays(weekday).ok_or_else(expected)?;
    let schedule = |day: &str, weekday: &str| {
        cron::Schedule::from_str(&format!("0 {minute} {hour} {day} {month} {weekday}")).map_err(|_| expected())
    };
    let schedules =
        if both { vec![schedule(day, "*")?, schedule("*", &weekday)?] } else { vec![schedule(day, &weekday)?] };
    let cron = Cron { schedules };
    // February 30th never comes.
    match cron.schedules.iter().any(|schedule| schedule.after(&DateTime::UNIX_EPOCH).next().is_some()) {
        true => Ok(cron),
        false => Err("cron fields that ever fire".into()),
    }
}

impl Cron {
    /// The first instant after `after`.
    pub fn next_after(&self, after: DateTime<Utc>, timezone: Tz) -> Option<DateTime<Utc>> {
        let local = after.with_timezone(&timezone).naive_local();
        // A time shifted out of a gap may lie behind `local` on the clock and still be to come.
        let from = local.checked_sub_signed(LONGEST_SHIFT)?;
        let mut best: Option<(NaiveDateTime, DateTime<Utc>)> = None;
        for schedule in &self.schedules {
            // Local times are walked as if they were UTC: the crate must not decide about daylight saving.
            for candidate in schedule.after(&from.and_utc()) {
                let candidate = candidate.naive_utc();
                if best.is_some_and(|(latest, _)| candidate > latest) {
                    break;
                }
                let Some(instant) = moment::instant(candidate, timezone) else { continue };
                if instant > after && best.is_none_or(|(_, earliest)| instant < earliest) {
                    best = Some((instant.with_timezone(&timezone).naive_local(), instant));
                }
            }
        }
        best.map(|(_, instant)| instant)
    }
}

/// Crontab's days of the week (0 or 7 is Sunday) as the crate's (1 is Sunday); names stay.
fn weekdays(field: &str) -> Option<String> {
    let list: Option<Vec<String>> = field.split(',').map(weekday_item).collect();
    list.map(|items| items.join(","))
}

fn weekday_item(item: &str) -> Option<String> {
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => (range, Some(step.parse::<usize>().ok().filter(|step| (1..=7).contains(step))?)),
        None => (item, None),
    };
    if matches!(range, "*" | "?") {
        return match step {
            None => Some("*".to_owned()),
            Some(step) => Some(days((0..=6).step_by(step))),
        };
    }
    let (first, last) = match range.split_once('-') {
        Some((first, last)) => (weekday(first)?, weekday(last)?),
        // `2/3` runs to the end of the week.
        None => (weekday(range)?, if step.is_some() { 6 } else { weekday(range)? }),
    };
    // `fri-mon` and `5-7` go over the week's end.
    let last = if last < first { last + 7 } else { last };
    Some(days((first..=last).step_by(step.unwrap_or(1))))
}

/// 0 to 6, Sunday first.
fn weekday(text: &str) -> Option<usize> {
    const NAMES: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
    match text.parse::<usize>() {
        Ok(number) => (number <= 7).then_some(number % 7),
        Err(_) => NAMES.iter().position(|name| text.eq_ignore_ascii_case(name)),
    }
}

fn days(days: impl Iterator<Item = usize>) -> String {
    days.map(|day| (day % 7 + 1).to_string()).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first instants after one, in local time.
    #[track_caller]
    fn fires(cron: &str, zone: &str, after: &str, expected: &[&str]) {
        let zone = moment::timezone(zone).unwrap();
        let cron = parse(cron).unwrap();
        let mut after = moment::parse(after, zone).unwrap();
        for expected in expected {
            after = cron.next_after(after, zone).unwrap();
            assert_eq!(after.with_timezone(&zone).format("%a %Y-%m-%d %H:%M %z").to_string(), *expected);
        }
    }

    #[test]
    fn the_days_of_the_week_are_crontabs() {
        fires("0 9 * * 0", "UTC", "2026-11-25 00:00", &["Sun 2026-11-29 09:00 +0000"]);
        fires("0 9 * * 7", "UTC", "2026-11-25 00:00", &["Sun 2026-11-29 09:00 +0000"]);
        fires("0 9 * * 1-5", "UTC", "2026-11-27 10:00", &["Mon 2026-11-30 09:00 +0000"]);
        fires(
            "0 9 * * fri-mon",
            "UTC",
            "2026-11-27 10:00",
            &["Sat 2026-11-28 09:00 +0000", "Sun 2026-11-29 09:00 +0000"],
        );
        fires("0 9 * * 5-7", "UTC", "2026-11-29 10:00", &["Fri 2026-12-04 09:00 +0000"]);
        fires("0 9 * * */3", "UTC", "2026-11-29 10:00", &["Wed 2026-12-02 09:00 +0000", "Sat 2026-12-05 09:00 +0000"]);
    }

    #[test]
    fn a_day_of_month_and_a_day_of_week_fire_on_either() {
        let expected = ["Tue 2026-12-01 00:00 +0000", "Fri 2026-12-04 00:00 +0000", "Fri 2026-12-11 00:00 +0000"];
        fires("0 0 1 * 5", "UTC", "2026-11-27 10:00", &expected);
    }

    #[test]
    fn a_time_that_daylight_saving_leaves_out_shifts_forward() {
        let nightly = ["Sat 2026-03-28 02:30 +0100", "Sun 2026-03-29 03:30 +0200", "Mon 2026-03-30 02:30 +0200"];
        fires("30 2 * * *", "Europe/Berlin", "2026-03-27 12:00", &nightly);
        let half_an_hour = ["Sun 2026-10-04 02:45 +1100", "Mon 2026-10-05 02:15 +1100"];
        fires("15 2 * * *", "Australia/Lord_Howe", "2026-10-03 12:00", &half_an_hour);
    }

    #[test]
    fn a_time_that_comes_twice_fires_once() {
        let nightly = ["Sun 2026-10-25 02:30 +0200", "Mon 2026-10-26 02:30 +0100"];
        fires("30 2 * * *", "Europe/Berlin", "2026-10-24 12:00", &nightly);
        let half_an_hour = ["Sun 2026-04-05 01:45 +1100", "Mon 2026-04-06 01:45 +1030"];
        fires("45 1 * * *", "Australia/Lord_Howe", "2026-04-04 12:00", &half_an_hour);
    }

    #[test]
    fn frequent_schedules_pass_a_change_of_the_clock_in_order() {
        let spring = ["Sun 2026-03-29 01:45 +0100", "Sun 2026-03-29 03:00 +0200", "Sun 2026-03-29 03:15 +0200"];
        fires("*/15 * * * *", "Europe/Berlin", "2026-03-29 01:30", &spring);
        let zone = Tz::Europe__Berlin;
        let (cron, end) = (parse("*/7 * * * *").unwrap(), moment::parse("2026-10-25 12:00", zone).unwrap());
        let mut last = moment::parse("2026-10-24 12:00", zone).unwrap();
        while last < end {
            let next = cron.next_after(last, zone).unwrap();
            assert!(next > last);
            last = next;
        }
    }

    #[test]
    fn what_is_no_cron_is_refused() {
        let refused = [
            "",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 8",
            "* * * * mon-",
            "@daily",
            "a b c d e",
            "0 0 30 2 *",
            "* * * * 1/0",
        ];
        for text in refused {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse("0 0 29 2 *").is_ok());
    }
}
