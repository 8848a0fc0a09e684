//! Dates, times and timestamps. ISO 8601 is parsed by hand, because most cells are in it and chrono is slower; other formats are
//! parsed by their `format:`.

use chrono::format::{Item, Parsed, StrftimeItems};
use chrono::{NaiveTime, Timelike};

use super::trim;

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;
/// Most digits of a fraction of a second, because PostgreSQL stores microseconds and more digits would be lost.
const FRACTION_DIGITS: usize = 6;
/// Bytes of `YYYY-MM-DDTHH:MM`, with which every ISO timestamp begins.
const LOCAL_BYTES: usize = 16;

/// An ISO timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IsoStamp {
    /// Microseconds since 1970-01-01T00:00, in UTC if it names a zone.
    pub micros: i64,
    /// Whether it names a zone: `Z`, `+02`, `+02:00`, `+0200`.
    pub zoned: bool,
}

/// Whether a text is an ISO date that exists.
#[inline]
pub(crate) fn is_iso_date(bytes: &[u8]) -> bool {
    iso_date(trim(bytes)).is_some()
}

/// Days since 1970 of `YYYY-MM-DD`.
#[inline]
fn iso_date(text: &[u8]) -> Option<i32> {
    let &[a, b, c, d, b'-', e, f, b'-', g, h] = text else { return None };
    let year = i32::from(two(a, b)?) * 100 + i32::from(two(c, d)?);
    days(year, two(e, f)?, two(g, h)?)
}

/// Days since 1970 of a date that exists, year 1 to 9999.
#[inline]
fn days(year: i32, month: u8, day: u8) -> Option<i32> {
    const LENGTHS: [u8; 13] = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = *LENGTHS.get(usize::from(month))? + u8::from(leap && month == 2);
    if year == 0 || day == 0 || day > length {
        return None;
    }
    // Years are counted from March, because the leap day is then the last day of a year.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((i32::from(month) + 9) % 12) + 2) / 5 + i32::from(day) - 1;
    Some(era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468)
}

/// Parses two digits.
#[inline]
fn two(tens: u8, ones: u8) -> Option<u8> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| tens * 10 + ones)
}

/// Parses `HH:MM[:SS[.ffffff]]`. Returns microseconds since midnight and the rest of the text.
fn iso_time(text: &[u8]) -> Option<(i64, &[u8])> {
    let &[a, b, b':', c, d, ref rest @ ..] = text else { return None };
    let (hour, minute) = (two(a, b)?, two(c, d)?);
    let (second, rest) = match rest {
        &[b':', e, f, ref rest @ ..] => (two(e, f)?, rest),
        rest => return (hour < 24 && minute < 60).then_some((micros_of(hour, minute, 0, 0), rest)),
    };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let Some((b'.' | b',', rest)) = rest.split_first() else {
        return Some((micros_of(hour, minute, second, 0), rest));
    };
    let length = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
    if length == 0 || length > FRACTION_DIGITS {
        return None;
    }
    let (digits, rest) = rest.split_at(length);
    let fraction = digits.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    Some((micros_of(hour, minute, second, fraction * 10_i64.pow((FRACTION_DIGITS - length) as u32)), rest))
}

fn micros_of(hour: u8, minute: u8, second: u8, micros: i64) -> i64 {
    (i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second)) * MICROS_PER_SECOND + micros
}

/// Seconds east of Greenwich of `Z`, `+02`, `+0200` or `+02:00`, up to 15:59.
fn iso_zone(text: &[u8]) -> Option<i64> {
    let (sign, hour, minute) = match *text {
        [b'Z' | b'z'] => return Some(0),
        [sign, a, b] => (sign, two(a, b)?, 0),
        [sign, a, b, c, d] | [sign, a, b, b':', c, d] => (sign, two(a, b)?, two(c, d)?),
        _ => return None,
    };
    if hour > 15 || minute > 59 {
        return None;
    }
    let seconds = i64::from(hour) * 3_600 + i64::from(minute) * 60;
    match sign {
        b'+' => Some(seconds),
        b'-' => Some(-seconds),
        _ => None,
    }
}

/// An ISO date and time with `T` or one space between them, with or without a zone.
pub(crate) fn iso_timestamp(bytes: &[u8]) -> Option<IsoStamp> {
    let text = trim(bytes);
    let (date, rest) = text.split_at_checked(10)?;
    let day = iso_date(date)?;
    let Some((b'T' | b't' | b' ', rest)) = rest.split_first() else { return None };
    let (time, zone) = iso_time(rest)?;
    let micros = i64::from(day) * MICROS_PER_DAY + time;
    if zone.is_empty() {
        return Some(IsoStamp { micros, zoned: false });
    }
    let zone = if zone[0] == b' ' { &zone[1..] } else { zone };
    Some(IsoStamp { micros: micros - iso_zone(zone)? * MICROS_PER_SECOND, zoned: true })
}

/// Parses a date as days since 1970. A timestamp at midnight without a zone is a date, too.
pub fn parse_date(bytes: &[u8]) -> Option<i32> {
    let text = trim(bytes);
    iso_date(text).or_else(|| {
        let stamp = iso_timestamp(text)?;
        (!stamp.zoned && stamp.micros.rem_euclid(MICROS_PER_DAY) == 0)
            .then(|| stamp.micros.div_euclid(MICROS_PER_DAY) as i32)
    })
}

/// Parses a timestamp without a zone as microseconds since 1970. A date is its midnight. `Z` is accepted, and other zones are
/// not, because dropping an offset would change the time.
pub fn parse_timestamp(bytes: &[u8]) -> Option<i64> {
    let text = trim(bytes);
    if let Some(day) = iso_date(text) {
        return Some(i64::from(day) * MICROS_PER_DAY);
    }
    let stamp = iso_timestamp(text)?;
    (!stamp.zoned || matches!(text.last(), Some(b'Z' | b'z'))).then_some(stamp.micros)
}

/// Parses a timestamp as microseconds since 1970 in UTC. One without a zone is taken as UTC.
pub fn parse_timestamptz(bytes: &[u8]) -> Option<i64> {
    let text = trim(bytes);
    match iso_date(text) {
        Some(day) => Some(i64::from(day) * MICROS_PER_DAY),
        None => iso_timestamp(text).map(|stamp| stamp.micros),
    }
}

/// Parses `HH:MM[:SS[.ffffff]]` as microseconds since midnight.
pub fn parse_time(bytes: &[u8]) -> Option<i64> {
    match iso_time(trim(bytes))? {
        (micros, []) => Some(micros),
        _ => None,
    }
}

/// The reason why a text is not a time of a column, as the end of a sentence: it has too many digits of a second, or an offset
/// that the column cannot keep. `None`: neither is the reason. `parse` reads a time of the column.
pub fn why_no_time(bytes: &[u8], parse: fn(&[u8]) -> Option<i64>) -> Option<String> {
    let text = trim(bytes);
    let point = text.iter().position(|byte| matches!(byte, b'.' | b',')).unwrap_or(text.len());
    let (whole, fraction) = text.split_at(point);
    let digits = fraction.iter().skip(1).take_while(|byte| byte.is_ascii_digit()).count();
    let shorter = if digits > 0 { [whole, &fraction[1 + digits..]].concat() } else { text.to_vec() };
    if parse(&shorter).is_some() {
        return (digits > FRACTION_DIGITS)
            .then(|| format!("has {digits} digits of a second; the column holds {FRACTION_DIGITS}"));
    }
    // Without its offset it would be one.
    let is_zoned = iso_timestamp(&shorter).is_some_and(|stamp| stamp.zoned);
    let local = shorter.get(..LOCAL_BYTES).filter(|local| is_zoned && parse(local).is_some());
    local.map(|_| "has an offset, which the column cannot keep".into())
}

/// Parsed strftime formats.
#[derive(Debug, Clone)]
pub struct TimeFormat<'a> {
    formats: Vec<Vec<Item<'a>>>,
}

impl<'a> TimeFormat<'a> {
    /// Parses one or several formats, one a line. `None`: chrono does not know a part of one.
    pub fn new(formats: &'a str) -> Option<Self> {
        let formats: Vec<Vec<_>> = formats.split('\n').map(|format| StrftimeItems::new(format).collect()).collect();
        (!formats.iter().any(|items| items.contains(&Item::Error))).then_some(Self { formats })
    }

    /// The value of a text in the formats. `None`: it has none, or two formats read it differently, because one of these
    /// values would then be wrong.
    fn only<T: PartialEq>(&self, bytes: &[u8], value: impl Fn(&Parsed) -> Option<T>) -> Option<T> {
        let mut found = None;
        for value in self.readings(bytes).filter_map(|parsed| value(&parsed)) {
            match &found {
                Some(other) if *other != value => return None,
                _ => found = Some(value),
            }
        }
        found
    }

    fn readings(&self, bytes: &[u8]) -> impl Iterator<Item = Parsed> {
        let text = std::str::from_utf8(trim(bytes)).ok();
        self.formats.iter().filter_map(move |items| {
            let mut parsed = Parsed::new();
            chrono::format::parse(&mut parsed, text?, items.iter()).ok()?;
            Some(parsed)
        })
    }

    /// Whether several of the formats read a text.
    pub fn is_read_twice(&self, bytes: &[u8]) -> bool {
        self.readings(bytes).nth(1).is_some()
    }

    /// Parses a date as days since 1970.
    pub fn date(&self, bytes: &[u8]) -> Option<i32> {
        self.only(bytes, |parsed| {
            let date = parsed.to_naive_date().ok()?;
            bounded(date.and_time(NaiveTime::MIN).and_utc().timestamp_micros()).map(|_| date.to_epoch_days())
        })
    }

    /// Parses a timestamp as microseconds since 1970. A format without a time means midnight.
    pub fn timestamp(&self, bytes: &[u8]) -> Option<i64> {
        self.only(bytes, |parsed| bounded(naive(parsed)?))
    }

    /// Parses a timestamp as microseconds since 1970 in UTC. A format without a zone means UTC.
    pub fn timestamptz(&self, bytes: &[u8]) -> Option<i64> {
        self.only(bytes, |parsed| match parsed.offset() {
            None => bounded(naive(parsed)?),
            Some(_) => bounded(parsed.to_datetime().ok()?.timestamp_micros()),
        })
    }
}

/// The timestamp as written, without its zone.
fn naive(parsed: &Parsed) -> Option<i64> {
    if let Some(seconds) = parsed.timestamp() {
        return seconds.checked_mul(MICROS_PER_SECOND);
    }
    let date = parsed.to_naive_date().ok()?;
    let time = match (parsed.hour_div_12(), parsed.hour_mod_12()) {
        (None, None) => NaiveTime::MIN,
        _ => parsed.to_naive_time().ok()?,
    };
    // A leap second or a fraction below a microsecond is refused, because PostgreSQL would store another time.
    let exact = time.nanosecond() < 1_000_000_000 && time.nanosecond() % 1_000 == 0;
    exact.then(|| date.and_time(time).and_utc().timestamp_micros())
}

/// The time if its year is from 1 to 9999, as for ISO dates.
fn bounded(micros: i64) -> Option<i64> {
    const FIRST: i64 = -719_162 * MICROS_PER_DAY;
    const END: i64 = 2_932_897 * MICROS_PER_DAY;
    (FIRST..END).contains(&micros).then_some(micros)
}

/// Days since 1970 of a date in a strftime format.
pub fn parse_date_as(bytes: &[u8], format: &str) -> Option<i32> {
    TimeFormat::new(format)?.date(bytes)
}

/// Microseconds since 1970 of a timestamp in a strftime format.
pub fn parse_timestamp_as(bytes: &[u8], format: &str) -> Option<i64> {
    TimeFormat::new(format)?.timestamp(bytes)
}

/// Microseconds since 1970 in UTC of a timestamp in a strftime format.
pub fn parse_timestamptz_as(bytes: &[u8], format: &str) -> Option<i64> {
    TimeFormat::new(format)?.timestamptz(bytes)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, NaiveDate};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_that_two_formats_read_differently_has_no_value() {
        let formats = TimeFormat::new("%d/%m/%Y\n%m/%d/%Y\n%Y%m%d").expect("formats");
        assert_eq!(formats.date(b"31/01/2024"), parse_date(b"2024-01-31"));
        assert_eq!(formats.date(b"01/31/2024"), parse_date(b"2024-01-31"));
        assert_eq!(formats.date(b"20240131"), parse_date(b"2024-01-31"));
        assert_eq!(formats.date(b"03/03/2024"), parse_date(b"2024-03-03"));
        assert_eq!((formats.date(b"03/04/2024"), formats.is_read_twice(b"03/04/2024")), (None, true));
        assert_eq!((formats.date(b"2024-01-31"), formats.is_read_twice(b"2024-01-31")), (None, false));
    }

    #[test]
    fn only_iso_dates_that_exist_are_dates() {
        assert_eq!(parse_date(b"1970-01-01"), Some(0));
        assert_eq!(parse_date(b"2024-02-29"), Some(19_782));
        assert_eq!(parse_date(b"0001-01-01"), Some(-719_162));
        assert_eq!(parse_date(b"9999-12-31"), Some(2_932_896));
        assert_eq!(parse_date(b"2024-05-06 00:00:00"), parse_date(b"2024-05-06"));
        for text in ["2023-02-29", "1900-02-29", "2024-13-01", "2024-00-10", "0000-01-01", "2024-1-1", "01/02/2024", ""]
        {
            assert_eq!(parse_date(text.as_bytes()), None, "{text}");
        }
    }

    type Parse = fn(&[u8]) -> Option<i64>;

    #[test]
    fn a_time_that_the_column_cannot_keep_is_explained() {
        let digits = |digits: usize| Some(format!("has {digits} digits of a second; the column holds 6"));
        let offset = Some("has an offset, which the column cannot keep".to_owned());
        let (timestamp, timestamptz, time): (Parse, Parse, Parse) = (parse_timestamp, parse_timestamptz, parse_time);
        for (text, parse, why) in [
            ("2026-07-01T10:00:00.1234567", timestamp, digits(7)),
            ("2026-07-01T10:00:00.1234567Z", timestamp, digits(7)),
            ("2026-07-01T10:00:00.1234567Z", timestamptz, digits(7)),
            ("10:00:00,12345678", time, digits(8)),
            ("2026-07-01T10:00:00+02:00", timestamp, offset.clone()),
            ("2026-07-01T10:00:00.1234567+02:00", timestamp, offset),
            // A value of another type of column.
            ("10:00:00.1234567", timestamptz, None),
            ("2026-07-01T10:00:00.1234567", time, None),
            ("2026-07-01T10:00:00+02:00", time, None),
            ("2026-13-01T10:00:00.1234567", timestamp, None),
            ("1.2345678", timestamp, None),
            (".", time, None),
            ("", timestamptz, None),
        ] {
            assert_eq!(why_no_time(text.as_bytes(), parse), why, "{text}");
        }
    }

    #[test]
    fn timestamps_with_and_without_zone() {
        assert_eq!(parse_timestamp(b"1970-01-01T00:00:01"), Some(1_000_000));
        assert_eq!(parse_timestamp(b"1970-01-01 00:00:00.000001"), Some(1));
        assert_eq!(parse_timestamp(b"1970-01-01 00:01"), Some(60_000_000));
        assert_eq!(parse_timestamp(b"1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(parse_timestamp(b"1970-01-01T00:00:00+01:00"), None);
        assert_eq!(parse_timestamptz(b"1970-01-01T01:00:00+01:00"), Some(0));
        assert_eq!(parse_timestamptz(b"1970-01-01 00:00:00 -0130"), Some(5_400_000_000));
        for text in ["2024-01-01T24:00:00", "2024-01-01T23:59:60", "2024-01-01T1:00", "2024-01-01T00:00:00.1234567"] {
            assert_eq!(parse_timestamptz(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_format_decides_what_is_ambiguous() {
        assert_eq!(parse_date_as(b"03/04/2024", "%d/%m/%Y"), parse_date(b"2024-04-03"));
        assert_eq!(parse_date_as(b"31.12.2024", "%d.%m.%Y"), parse_date(b"2024-12-31"));
        assert_eq!(parse_date_as(b"2024-12-31", "%d.%m.%Y"), None);
        assert_eq!(
            parse_timestamp_as(b"03/04/2024 5 PM", "%d/%m/%Y %I %p"),
            None,
            "chrono wants minutes, so the cell is refused instead of guessed"
        );
        assert_eq!(
            parse_timestamp_as(b"03/04/2024 05:30 PM", "%d/%m/%Y %I:%M %p"),
            parse_timestamp(b"2024-04-03 17:30:00")
        );
        assert_eq!(
            parse_timestamptz_as(b"03.04.2024 01:00 +0100", "%d.%m.%Y %H:%M %z"),
            parse_timestamptz(b"2024-04-03")
        );
        assert_eq!(parse_date_as(b"x", "%Q"), None);
    }

    proptest! {
        #[test]
        fn dates_agree_with_chrono(days in -719_162_i32..2_932_897) {
            let date = NaiveDate::from_epoch_days(days).expect("in range");
            prop_assert_eq!(parse_date(date.format("%Y-%m-%d").to_string().as_bytes()), Some(days));
        }

        #[test]
        fn timestamps_agree_with_chrono(micros in -62_135_596_800_000_000_i64..253_402_300_800_000_000) {
            let stamp = DateTime::from_timestamp_micros(micros).expect("in range");
            let text = stamp.format("%Y-%m-%dT%H:%M:%S%.6f").to_string();
            prop_assert_eq!(parse_timestamp(text.as_bytes()), Some(micros));
            prop_assert_eq!(parse_timestamptz(stamp.to_rfc3339().as_bytes()), Some(micros));
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40), text in "[0-9T:. +-]{0,32}") {
            for bytes in [&bytes[..], text.as_bytes()] {
                let _ = (parse_date(bytes), parse_timestamp(bytes), parse_timestamptz(bytes), parse_time(bytes));
            }
        }
    }
}
