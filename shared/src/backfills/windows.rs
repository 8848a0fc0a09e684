//! Dividing a range of time into windows. Everything is UTC, so a day has 24 hours whatever the clocks of a country do.

use std::fmt;

use chrono::{DateTime, Months, NaiveDate, NaiveTime, SecondsFormat, TimeDelta, Timelike, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::explained::{Code, Explained};

/// Windows that a backfill has at most.
pub const MOST_WINDOWS: usize = 10_000;

/// A part of time: `from` belongs to it, `to` does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Window {
    /// Beginning of the window, which belongs to it.
    pub from: DateTime<Utc>,
    /// Its end, which is the beginning of the next window.
    pub to: DateTime<Utc>,
}

impl fmt::Display for Window {
    /// `2024-01-01 to 2024-02-01` if both are at midnight, else with the times.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_midnight = |at: DateTime<Utc>| at.num_seconds_from_midnight() == 0;
        if is_midnight(self.from) && is_midnight(self.to) {
            return write!(f, "{} to {}", self.from.format("%Y-%m-%d"), self.to.format("%Y-%m-%d"));
        }
        let text = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        write!(f, "{} to {}", text(self.from), text(self.to))
    }
}

/// The length of the windows of a backfill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowSize {
    /// Whole minutes, as seconds.
    Seconds(i64),
    /// Months of the calendar.
    Months(u32),
}

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// Units of exact lengths, the longest first.
const EXACT: [(&str, i64); 4] = [("w", 7 * DAY), ("d", DAY), ("h", HOUR), ("m", MINUTE)];
/// Units of the calendar, in months, the longest first.
const CALENDAR: [(&str, u32); 2] = [("y", 12), ("mo", 1)];
/// The longest window: a hundred years.
const LONGEST_DAYS: i64 = 36_525;
const LONGEST_MONTHS: u32 = 1_200;

impl WindowSize {
    /// Reads `30d`, `6h`, `1w`, `1mo`, `1y`.
    ///
    /// # Errors
    /// `invalid_backfill` when it is something else, zero, or longer than a hundred years.
    pub fn parse(text: &str) -> Result<Self, Explained> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let exact = EXACT.iter().find(|(name, _)| *name == unit).and_then(|(_, seconds)| {
            let length = number.parse::<i64>().ok()?.checked_mul(*seconds)?;
            (length > 0 && length <= LONGEST_DAYS * DAY).then_some(Self::Seconds(length))
        });
        let calendar = CALENDAR.iter().find(|(name, _)| *name == unit).and_then(|(_, months)| {
            let length = number.parse::<u32>().ok()?.checked_mul(*months)?;
            (length > 0 && length <= LONGEST_MONTHS).then_some(Self::Months(length))
        });
        exact.or(calendar).ok_or_else(|| {
            let shown: String = text.chars().take(40).collect();
            invalid(
                format!("{shown:?} is not the length of a window"),
                "Write a whole number and a unit: m (minutes), h, d, w, mo (months) or y, such as 6h, 30d or 1mo.",
            )
        })
    }

    /// The instant `count` windows after `from`. `None`: it is beyond all calendars.
    fn after(self, from: DateTime<Utc>, count: u32) -> Option<DateTime<Utc>> {
        match self {
            Self::Seconds(seconds) => {
                from.checked_add_signed(TimeDelta::try_seconds(seconds.checked_mul(i64::from(count))?)?)
            }
            // Counted from the beginning and not from the window before, because 31 January and one month is 29 February,
            // and one month more is 31 March again.
            Self::Months(months) => from.checked_add_months(Months::new(months.checked_mul(count)?)),
        }
    }
}

impl fmt::Display for WindowSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Seconds(seconds) => {
                let unit = EXACT.iter().skip(1).find(|(_, unit)| seconds % unit == 0);
                let (name, unit) = unit.copied().unwrap_or(("m", MINUTE));
                write!(f, "{}{name}", seconds / unit)
            }
            Self::Months(months) => {
                let unit = CALENDAR.iter().find(|(_, unit)| months % unit == 0);
                let (name, unit) = unit.copied().unwrap_or(("mo", 1));
                write!(f, "{}{name}", months / unit)
            }
        }
    }
}

/// Reads a day (midnight UTC) or an instant of RFC 3339, with whole seconds.
///
/// # Errors
/// `invalid_backfill`; `what` names the value: `the beginning`.
pub fn instant(text: &str, what: &str) -> Result<DateTime<Utc>, Explained> {
    let text = text.trim();
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(|day| day.and_time(NaiveTime::MIN).and_utc());
    let instant = day.or_else(|| DateTime::parse_from_rfc3339(text).ok().map(|instant| instant.to_utc()));
    let usual = NaiveDate::from_ymd_opt(1, 1, 2).zip(NaiveDate::from_ymd_opt(9999, 12, 30));
    let is_usual = |at: &DateTime<Utc>| usual.is_some_and(|(first, last)| (first..=last).contains(&at.date_naive()));
    instant.filter(|at| at.timestamp_subsec_nanos() == 0 && is_usual(at)).ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        invalid(
            format!("{what} {shown:?} is not a day or an instant with whole seconds"),
            "Write a day such as 2024-01-01, which begins at midnight UTC, or 2024-01-01T06:00:00Z.",
        )
    })
}

/// Divides a range into windows that follow each other without a gap. The last one is shorter if the range is not a multiple.
///
/// # Errors
/// `invalid_backfill` when the range is empty or has more than [`MOST_WINDOWS`] windows.
pub fn divide(range: Window, size: WindowSize) -> Result<Vec<Window>, Explained> {
    if range.from >= range.to {
        return Err(invalid(
            format!("the range {range} is empty"),
            "Let it begin before it ends; the end itself is not part of it.",
        ));
    }
    let mut windows: Vec<Window> = Vec::new();
    let mut from = range.from;
    for count in 1.. {
        if windows.len() == MOST_WINDOWS {
            return Err(invalid(
                format!("the range {range} has more than {MOST_WINDOWS} windows of {size}"),
                "Take longer windows, or load the range in parts.",
            ));
        }
        let to = size.after(range.from, count).map_or(range.to, |to| to.min(range.to));
        windows.push(Window { from, to });
        if to == range.to {
            break;
        }
        from = to;
    }
    Ok(windows)
}

/// What was asked for makes no backfill.
pub(super) fn invalid(message: String, next_step: &str) -> Explained {
    Explained { code: Code::InvalidBackfill, message, next_step: next_step.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(from: &str, to: &str) -> Window {
        Window { from: instant(from, "it").expect("an instant"), to: instant(to, "it").expect("an instant") }
    }

    fn shown(from: &str, to: &str, size: &str) -> Vec<String> {
        let size = WindowSize::parse(size).expect("a size");
        let windows = divide(range(from, to), size).expect("windows");
        assert_eq!(windows.first().map(|window| window.from), Some(range(from, to).from));
        assert_eq!(windows.last().map(|window| window.to), Some(range(from, to).to));
        assert!(windows.windows(2).all(|pair| pair[0].to == pair[1].from), "no gap and no overlap");
        assert!(windows.iter().all(|window| window.from < window.to));
        windows.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn windows_follow_each_other_and_the_last_one_ends_with_the_range() {
        assert_eq!(
            shown("2024-01-01", "2024-02-05", "2w"),
            ["2024-01-01 to 2024-01-15", "2024-01-15 to 2024-01-29", "2024-01-29 to 2024-02-05"]
        );
        assert_eq!(shown("2024-01-01", "2024-01-02", "30d"), ["2024-01-01 to 2024-01-02"]);
        assert_eq!(
            shown("2024-03-31T00:00:00Z", "2024-03-31T03:00:00+01:00", "90m"),
            ["2024-03-31T00:00:00Z to 2024-03-31T01:30:00Z", "2024-03-31T01:30:00Z to 2024-03-31T02:00:00Z"]
        );
        assert_eq!(shown("2024-01-01", "2025-01-01", "30d").len(), 13);
        assert_eq!(shown("2024-01-01", "2025-01-01", "1mo").len(), 12);
    }

    #[test]
    fn months_are_counted_from_the_beginning() {
        assert_eq!(
            shown("2024-01-31", "2024-06-01", "1mo"),
            [
                "2024-01-31 to 2024-02-29",
                "2024-02-29 to 2024-03-31",
                "2024-03-31 to 2024-04-30",
                "2024-04-30 to 2024-05-31",
                "2024-05-31 to 2024-06-01"
            ]
        );
        assert_eq!(shown("2023-02-28", "2026-02-28", "1y").len(), 3);
    }

    #[test]
    fn the_end_of_the_calendar_ends_the_last_window() {
        assert_eq!(shown("9999-01-01", "9999-12-30", "100y").len(), 1);
    }

    #[test]
    fn an_empty_range_and_too_many_windows_are_refused() {
        let day = WindowSize::parse("1d").expect("a size");
        let refused = |range, size| divide(range, size).expect_err("refused").message;
        assert_eq!(refused(range("2024-01-02", "2024-01-02"), day), "the range 2024-01-02 to 2024-01-02 is empty");
        assert!(refused(range("2024-01-02", "2024-01-01"), day).ends_with("is empty"));
        let minute = WindowSize::parse("1m").expect("a size");
        let many = range("2024-01-01T00:00:00Z", "2024-01-07T22:40:00Z");
        assert_eq!(divide(many, minute).expect("10,000 windows").len(), MOST_WINDOWS);
        let more = Window { to: many.to + TimeDelta::seconds(1), ..many };
        assert!(refused(more, minute).ends_with("has more than 10000 windows of 1m"));
        // This is answered at once, because no more windows are made than there may be.
        assert!(refused(range("0002-01-01", "9999-01-01"), minute).contains("more than 10000"));
    }

    #[test]
    fn a_size_is_read_and_shown() {
        for (text, shown) in [
            ("30d", "30d"),
            ("1w", "7d"),
            ("24h", "1d"),
            ("90m", "90m"),
            ("36h", "36h"),
            ("1mo", "1mo"),
            ("24mo", "2y"),
            ("18mo", "18mo"),
            (" 1y ", "1y"),
        ] {
            assert_eq!(WindowSize::parse(text).map(|size| size.to_string()).as_deref(), Ok(shown), "{text}");
        }
        for text in ["", "d", "0d", "-1d", "1.5d", "30", "30s", "1 d", "1M", "37000d", "101y", "99999999999999999999d"]
        {
            let refused = WindowSize::parse(text).expect_err(text);
            assert_eq!(refused.code, Code::InvalidBackfill, "{text}");
        }
    }

    #[test]
    fn an_instant_is_a_day_or_has_a_zone() {
        let utc = |text: &str| instant(text, "it").map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true));
        assert_eq!(utc("2024-01-01").as_deref(), Ok("2024-01-01T00:00:00Z"));
        assert_eq!(utc("2024-01-01T06:00:00+02:00").as_deref(), Ok("2024-01-01T04:00:00Z"));
        for text in [
            "",
            "2024",
            "2024-13-01",
            "2024-02-30",
            "2024-01-01 06:00",
            "2024-01-01T06:00:00",
            "now",
            "2024-01-01T06:00:00.5Z",
            "0000-01-01",
            "10000-01-01",
            "+12024-01-01",
        ] {
            assert!(instant(text, "the end").expect_err(text).message.starts_with("the end "), "{text}");
        }
    }
}
