//! Times as APIs write them: a date, or a date and a time with or without a zone. What is computed is written in the same
//! form again.

use std::cmp::Ordering;

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};

use crate::config::TimeFormat;

/// A point in time, and the form in which it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Time {
    /// The time of day at the zone, without parts of a second.
    local: NaiveDateTime,
    /// Seconds that the zone is ahead of UTC.
    offset: i32,
    /// Digits of the second's fraction, as written.
    fraction: String,
    form: Form,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Form {
    /// Between date and time; `None`: there is only a date.
    separator: Option<char>,
    seconds: bool,
    /// The zone as written, with the space before it.
    zone: String,
}

impl Time {
    /// Reads a time. `None`: it is something else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let date = NaiveDate::parse_from_str(text.get(..10)?, "%Y-%m-%d").ok()?;
        if !text.is_ascii() || text.as_bytes()[4] != b'-' {
            return None;
        }
        let rest = &text[10..];
        let Some(separator) = rest.chars().next() else {
            let form = Form { separator: None, seconds: false, zone: String::new() };
            return Some(Self { local: date.and_time(NaiveTime::MIN), offset: 0, fraction: String::new(), form });
        };
        if !matches!(separator, 'T' | 't' | ' ') {
            return None;
        }
        let rest = &rest[1..];
        let (clock, rest) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit() && c != ':').unwrap_or(rest.len()));
        let seconds = clock.len() == 8;
        let pattern = if seconds { "%H:%M:%S" } else { "%H:%M" };
        if !seconds && clock.len() != 5 {
            return None;
        }
        let (clock, leap) = leap_second(clock);
        let time = NaiveTime::parse_from_str(&clock, pattern).ok()?;
        let (fraction, zone) = match rest.strip_prefix(['.', ',']).filter(|_| seconds) {
            Some(rest) => rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())),
            None => ("", rest),
        };
        if rest.starts_with(['.', ',']) && fraction.is_empty() {
            return None;
        }
        let offset = offset(zone)?;
        let local = date.and_time(time).checked_add_signed(TimeDelta::seconds(leap))?;
        let form = Form { separator: Some(separator), seconds, zone: zone.to_owned() };
        Some(Self { local, offset, fraction: fraction.to_owned(), form })
    }

    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let digits = |time: &Self| time.fraction.trim_end_matches('0').to_owned();
        self.seconds().cmp(&other.seconds()).then_with(|| digits(self).cmp(&digits(other)))
    }

    /// Seconds since 1970, rounded down.
    fn seconds(&self) -> i64 {
        self.local.and_utc().timestamp() - i64::from(self.offset)
    }

    /// The time this many seconds before, in the same form. `None`: it is out of range.
    pub(super) fn minus(&self, seconds: u64) -> Option<String> {
        let before = TimeDelta::try_seconds(i64::try_from(seconds).ok()?)?;
        let local = self.local.checked_sub_signed(before)?;
        let Some(separator) = self.form.separator else { return Some(local.format("%Y-%m-%d").to_string()) };
        let clock = if self.form.seconds { "%H:%M:%S" } else { "%H:%M" };
        let fraction = if self.fraction.is_empty() { String::new() } else { format!(".{}", self.fraction) };
        Some(format!("{}{separator}{}{fraction}{}", local.format("%Y-%m-%d"), local.format(clock), self.form.zone))
    }

    /// The time in another form, rounded down. `None`: it is out of range.
    pub(super) fn written(&self, format: TimeFormat) -> Option<String> {
        let at = DateTime::<Utc>::from_timestamp(self.seconds(), 0)?;
        match format {
            TimeFormat::Rfc3339 => {
                let fraction = if self.fraction.is_empty() { String::new() } else { format!(".{}", self.fraction) };
                let local = at.with_timezone(&FixedOffset::east_opt(self.offset)?).naive_local();
                let zone = match self.offset {
                    0 => "Z".to_owned(),
                    offset => format!(
                        "{}{:02}:{:02}",
                        if offset < 0 { '-' } else { '+' },
                        offset.abs() / 3_600,
                        offset.abs() / 60 % 60
                    ),
                };
                Some(format!("{}{fraction}{zone}", local.format("%Y-%m-%dT%H:%M:%S")))
            }
            // Whether the API means days of its own zone or of UTC is unknown, so the earlier day is sent.
            TimeFormat::Date => Some(at.date_naive().min(self.local.date()).format("%Y-%m-%d").to_string()),
            TimeFormat::Unix => Some(self.seconds().to_string()),
            TimeFormat::UnixMs => {
                let millis: i64 = format!("{:0<3.3}", self.fraction).parse().ok()?;
                Some(self.seconds().checked_mul(1_000)?.checked_add(millis)?.to_string())
            }
        }
    }
}

/// A clock time whose second is at most 59, and the seconds to add to it.
fn leap_second(clock: &str) -> (String, i64) {
    match clock.strip_suffix(":60") {
        Some(minute) if clock.len() == 8 => (format!("{minute}:59"), 1),
        _ => (clock.to_owned(), 0),
    }
}

/// The seconds that a zone is ahead of UTC. `None`: it is not a zone that is known.
fn offset(zone: &str) -> Option<i32> {
    let zone = zone.trim_start_matches(' ');
    if matches!(zone, "" | "Z" | "z" | "UTC" | "GMT") {
        return Some(0);
    }
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits: String = zone[1..].chars().filter(|c| *c != ':').collect();
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) || ![2, 4].contains(&digits.len()) {
        return None;
    }
    let hours: i32 = digits[..2].parse().ok()?;
    let minutes: i32 = if digits.len() == 4 { digits[2..].parse().ok()? } else { 0 };
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3_600 + minutes * 60))
}
