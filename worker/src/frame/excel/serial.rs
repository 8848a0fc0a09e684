//! Dates and times. A spreadsheet stores them as days since the beginning of its calendar, with the time of the day as a
//! fraction of a day.
//!
//! Times are rounded to milliseconds, because spreadsheets show nothing finer, and the digits of a fraction of a day end near
//! there: 12:30 is stored as 0.520833333333333.

use std::fmt::Write;

use chrono::{Datelike, NaiveDate};

use super::number_format::Shown;

const MILLIS_PER_DAY: f64 = 86_400_000.0;
/// 9999-12-31, the last day of a spreadsheet's calendar, in days since 1970.
const LAST_DAY: i64 = 2_932_896;
/// The day that Excel counts as 29 February 1900. The year had no such day.
const NOT_A_DAY: i64 = 60;
/// Days from the first day of the common era to 1970, as chrono counts them.
const DAYS_BEFORE_1970: i64 = 719_163;

/// The first day of a workbook's calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Calendar {
    /// Day 1 is 1900-01-01, and day 60 is a day that never was.
    #[default]
    From1900,
    /// Day 0 is 1904-01-01.
    From1904,
}

impl Calendar {
    /// The number of a day in days since 1970. `None`: the calendar has no such day.
    fn day(self, number: i64) -> Option<i64> {
        let day = match self {
            Self::From1900 if number < 1 || number == NOT_A_DAY => return None,
            Self::From1900 if number < NOT_A_DAY => number - 25_568,
            Self::From1900 => number - 25_569,
            Self::From1904 if number < 0 => return None,
            Self::From1904 => number - 24_107,
        };
        (day <= LAST_DAY).then_some(day)
    }
}

/// A number as the date, time or duration that it is shown as, in ISO 8601. `None`: it is outside the range.
pub(super) fn text(number: f64, shown: Shown, calendar: Calendar) -> Option<String> {
    if !number.is_finite() || number.abs() > 1e8 {
        return None;
    }
    let total = (number * MILLIS_PER_DAY).round();
    if shown == Shown::Duration {
        return Some(duration(total as i64));
    }
    let (days, millis) = ((total / MILLIS_PER_DAY).floor() as i64, total.rem_euclid(MILLIS_PER_DAY) as i64);
    if shown == Shown::Time && (0.0..1.0).contains(&number) {
        // The last half millisecond of a day would be rounded to the next one.
        return Some(clock(if days == 0 { millis } else { MILLIS_PER_DAY as i64 - 1 }));
    }
    let day = calendar.day(days)?;
    let date = NaiveDate::from_num_days_from_ce_opt(i32::try_from(day + DAYS_BEFORE_1970).ok()?)?;
    let mut text = format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day());
    if shown != Shown::Date || millis != 0 {
        let _ = write!(text, "T{}", clock(millis));
    }
    Some(text)
}

/// `12:30:00` or `12:30:00.250`.
fn clock(millis: i64) -> String {
    let seconds = millis / 1_000;
    let mut text = format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if millis % 1_000 != 0 {
        let _ = write!(text, ".{:03}", millis % 1_000);
    }
    text
}

/// `36:00:00` or `-0:30:00.500`.
fn duration(millis: i64) -> String {
    let size = millis.unsigned_abs();
    let (sign, seconds) = (if millis < 0 { "-" } else { "" }, size / 1_000);
    let mut text = format!("{sign}{}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if !size.is_multiple_of(1_000) {
        let _ = write!(text, ".{:03}", size % 1_000);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_with_the_leap_year_that_excel_believes_in() {
        let date = |number| text(number, Shown::Date, Calendar::From1900);
        for (number, expected) in [
            (1.0, "1900-01-01"),
            (59.0, "1900-02-28"),
            (61.0, "1900-03-01"),
            (25_569.0, "1970-01-01"),
            (45_000.0, "2023-03-15"),
            (2_958_465.0, "9999-12-31"),
            (45_000.5, "2023-03-15T12:00:00"),
        ] {
            assert_eq!(date(number).as_deref(), Some(expected), "{number}");
        }
        for number in [-1.0, 0.0, 0.5, 60.0, 60.5, 2_958_466.0, 1e300, f64::INFINITY, f64::NAN] {
            assert_eq!(date(number), None, "{number}");
        }
    }

    #[test]
    fn the_other_calendar_begins_in_1904() {
        let date = |number| text(number, Shown::Date, Calendar::From1904);
        assert_eq!(date(0.0).as_deref(), Some("1904-01-01"));
        assert_eq!(date(43_538.0).as_deref(), Some("2023-03-15"));
        assert_eq!(date(-1.0), None);
    }

    #[test]
    fn times_are_exact_to_the_millisecond() {
        let shown = |number, shown| text(number, shown, Calendar::From1900);
        for (number, format, expected) in [
            (0.520_833_333_333_333, Shown::Time, "12:30:00"),
            (0.0, Shown::Time, "00:00:00"),
            (0.999_999_999_9, Shown::Time, "23:59:59.999"),
            (45_000.520_833_333_336, Shown::Time, "2023-03-15T12:30:00"),
            (45_000.0, Shown::DateTime, "2023-03-15T00:00:00"),
            (45_000.000_002_893_52, Shown::DateTime, "2023-03-15T00:00:00.250"),
            (45_000.999_999_999_9, Shown::DateTime, "2023-03-16T00:00:00"),
            (1.5, Shown::Duration, "36:00:00"),
            (-0.020_839_120_370_370_37, Shown::Duration, "-0:30:00.500"),
            (0.0, Shown::Duration, "0:00:00"),
        ] {
            assert_eq!(shown(number, format).as_deref(), Some(expected), "{number}");
        }
        assert_eq!(shown(-0.5, Shown::Time), None);
    }
}
