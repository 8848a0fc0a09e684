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

/// Longest leap of a local clock we look back over.
const LONGEST_SHIFT: TimeDelta = TimeDelta::hours(3);

/// Reads five fields. The error says what was expected.
pub(super) fn parse(text: &str) -> Result<Cron, String> {
    let expected =
        || "five cron fields such as \"0 2 * * *\" (minute, hour, day of month, month, day of week)".to_owned();
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields[..] else { return Err(expected()) };
    let weekday = weekdays(weekday).ok_or_else(expected)?;
    let schedule = |day: &str, weekday: &str| {
        cron::Schedule::from_str(&format!("0 {minute} {hour} {day} {month} {weekday}")).map_err(|_| expected())
    };
    let both = !day.starts_with(['*', '?']) && !weekday.starts_with(['*', '?']);
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
