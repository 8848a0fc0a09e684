//! The exact texts of values that were not text in their file: numbers, dates, times, durations and bytes.

use std::io::Write as _;

use crate::frame::civil_date;
use crate::frame::value::is_exact_double;

/// Most characters of a number in the short form, so that it has at most fifteen digits.
const SHORT_NUMBER: usize = 16;
/// 2^53, from which on doubles are further apart than whole numbers.
const MIDDLES: f64 = 9_007_199_254_740_992.0;
const NANOS_PER_DAY: i128 = 86_400_000_000_000;

/// The unit of a time or timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::frame) enum Unit {
    Second,
    Milli,
    Micro,
    Nano,
}

impl Unit {
    /// Nanoseconds of one unit.
    pub(in crate::frame) const fn nanos(self) -> i64 {
        match self {
            Self::Second => 1_000_000_000,
            Self::Milli => 1_000_000,
            Self::Micro => 1_000,
            Self::Nano => 1,
        }
    }
}

pub(super) fn integer(value: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

pub(super) fn unsigned(value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Writes into memory, which does not fail.
fn write(out: &mut Vec<u8>, arguments: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(arguments);
}

/// Writes digits that are read as this double again, the shortest ones where those say it exactly. With more than fifteen digits it is in scientific
/// notation, which no reader takes for an exact decimal.
pub(super) fn double(value: f64, out: &mut Vec<u8>) {
    let start = out.len();
    if !value.is_finite() {
        return special(value, out);
    }
    if serde_json::to_writer(&mut *out, &value).is_err() || out.len() - start > SHORT_NUMBER {
        out.truncate(start);
        write(out, format_args!("{value:e}"));
    }
    // Digits in the very middle between two doubles are no exact value to a reader, and 17 digits always are. Below 2^53 there
    // are none: the middle has more digits than the shortest text.
    if value.abs() >= MIDDLES && !is_exact_double(&out[start..], value) {
        out.truncate(start);
        write(out, format_args!("{value:.16e}"));
    }
}

/// Writes the shortest digits that are read as this `real` again, also by a program that reads a double first.
pub(super) fn real(value: f32, out: &mut Vec<u8>) {
    let start = out.len();
    if !value.is_finite() {
        return special(f64::from(value), out);
    }
    if serde_json::to_writer(&mut *out, &value).is_err() || out.len() - start > SHORT_NUMBER {
        out.truncate(start);
        write(out, format_args!("{value:e}"));
    }
    let read = std::str::from_utf8(&out[start..]).ok().and_then(|text| text.parse::<f64>().ok());
    if read.is_none_or(|read| (read as f32).to_bits() != value.to_bits()) {
        out.truncate(start);
        write(out, format_args!("{:.16e}", f64::from(value)));
    }
}

fn special(value: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(match value {
        _ if value.is_nan() => b"NaN".as_slice(),
        _ if value > 0.0 => b"Infinity",
        _ => b"-Infinity",
    });
}

/// The value of two bytes that hold half a `real`.
pub(super) fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1F), f32::from(bits & 0x3FF));
    match exponent {
        0 => sign * fraction * 2_f32.powi(-24),
        31 if fraction == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        _ => sign * (1.0 + fraction / 1024.0) * 2_f32.powi(exponent - 15),
    }
}

/// Writes a whole number of `10^-scale`, with all digits of its scale.
pub(super) fn decimal(unscaled: i128, scale: usize, out: &mut Vec<u8>) {
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(unscaled);
    decimal_digits(digits, scale, out);
}

/// As [`decimal`], from the digits of the whole number with their sign.
pub(super) fn decimal_digits(digits: &str, scale: usize, out: &mut Vec<u8>) {
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", digits),
    };
    out.extend_from_slice(sign.as_bytes());
    if scale == 0 {
        out.extend_from_slice(digits.as_bytes());
        return;
    }
    let whole = digits.len().saturating_sub(scale);
    if whole == 0 {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(b'0', scale - digits.len()));
        out.extend_from_slice(digits.as_bytes());
    } else {
        out.extend_from_slice(&digits.as_bytes()[..whole]);
        out.push(b'.');
        out.extend_from_slice(&digits.as_bytes()[whole..]);
    }
}

/// As [`decimal`], from the bytes of the whole number in two's complement, highest byte first. There may be any number of
/// bytes.
pub(super) fn decimal_bytes(bytes: &[u8], scale: usize, out: &mut Vec<u8>) {
    if bytes.len() <= 16 {
        let negative = bytes.first().is_some_and(|&byte| byte >= 0x80);
        let mut whole = [if negative { 0xFF } else { 0 }; 16];
        whole[16 - bytes.len()..].copy_from_slice(bytes);
        return decimal(i128::from_be_bytes(whole), scale, out);
    }
    decimal_digits(&long_digits(bytes), scale, out);
}

/// The decimal digits of a long number in two's complement, by repeated division.
fn long_digits(bytes: &[u8]) -> String {
    const BASE: u64 = 1_000_000_000;
    let negative = bytes[0] >= 0x80;
    let mut size: Vec<u8> = bytes.iter().map(|byte| if negative { !byte } else { *byte }).collect();
    if negative {
        for byte in size.iter_mut().rev() {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                break;
            }
        }
    }
    let mut groups = Vec::new();
    while size.iter().any(|&byte| byte != 0) {
        let mut rest = 0_u64;
        for byte in &mut size {
            let value = rest << 8 | u64::from(*byte);
            *byte = (value / BASE) as u8;
            rest = value % BASE;
        }
        groups.push(rest);
    }
    let mut text = String::from(if negative { "-" } else { "" });
    text.push_str(&groups.last().copied().unwrap_or(0).to_string());
    for group in groups.iter().rev().skip(1) {
        text.push_str(&format!("{group:09}"));
    }
    text
}

/// Writes the date that is a number of days after 1970-01-01 in ISO 8601. A year before 1 or after 9999 has its sign, as
/// `-0043` for 44 BC.
pub(super) fn date(days: i64, out: &mut Vec<u8>) {
    let (year, month, day) = civil_date::of_days(days);
    match year {
        1..=9999 => out.extend_from_slice(&[digit(year / 1000), digit(year / 100), digit(year / 10), digit(year)]),
        ..=0 => write(out, format_args!("-{:04}", year.unsigned_abs())),
        _ => write(out, format_args!("+{year}")),
    }
    out.extend_from_slice(&[b'-', digit(month / 10), digit(month), b'-', digit(day / 10), digit(day)]);
}

/// The last digit of a number that is not negative.
fn digit(value: i64) -> u8 {
    b'0' + (value.unsigned_abs() % 10) as u8
}

/// Writes `HH:MM:SS` with the digits of the fraction that are not zero. A time outside a day keeps its sign and hours.
pub(super) fn time(value: i64, unit: Unit, out: &mut Vec<u8>) {
    let nanos = i128::from(value) * i128::from(unit.nanos());
    if !(0..NANOS_PER_DAY).contains(&nanos) {
        let sign = if nanos < 0 { "-" } else { "" };
        let seconds = nanos.unsigned_abs() / 1_000_000_000;
        write(out, format_args!("{sign}{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60));
        return fraction((nanos.unsigned_abs() % 1_000_000_000) as u64, out);
    }
    time_of_day(nanos as i64, out);
}

fn time_of_day(nanos: i64, out: &mut Vec<u8>) {
    let seconds = nanos / 1_000_000_000;
    for (index, part) in [seconds / 3_600, seconds / 60 % 60, seconds % 60].into_iter().enumerate() {
        if index > 0 {
            out.push(b':');
        }
        out.extend_from_slice(&[digit(part / 10), digit(part)]);
    }
    fraction((nanos % 1_000_000_000).unsigned_abs(), out);
}

/// Writes a fraction of a second without zeros at its end.
fn fraction(nanos: u64, out: &mut Vec<u8>) {
    if nanos == 0 {
        return;
    }
    write(out, format_args!(".{nanos:09}"));
    while out.last() == Some(&b'0') {
        out.pop();
    }
}

/// Writes a timestamp in ISO 8601, with `Z` when it is an instant.
pub(super) fn timestamp(value: i64, unit: Unit, zoned: bool, out: &mut Vec<u8>) {
    let day = 86_400 * (1_000_000_000 / unit.nanos());
    moment(value.div_euclid(day), value.rem_euclid(day) * unit.nanos(), zoned, out);
}

/// Writes the timestamp of a day after 1970-01-01 and nanoseconds after its midnight.
fn moment(days: i64, nanos: i64, zoned: bool, out: &mut Vec<u8>) {
    date(days, out);
    out.push(b'T');
    time_of_day(nanos, out);
    if zoned {
        out.push(b'Z');
    }
}

/// Writes a timestamp of Parquet's type INT96, which is stored as nanoseconds of the day followed by the Julian day.
pub(super) fn julian_timestamp(bytes: &[u8], out: &mut Vec<u8>) {
    const JULIAN_DAY_OF_1970: i64 = 2_440_588;
    let (nanos, day) = bytes.split_at(8.min(bytes.len()));
    let nanos = nanos.try_into().map_or(0, i64::from_le_bytes);
    let day = day.try_into().map_or(0, i32::from_le_bytes);
    let in_days = 86_400_000_000_000;
    let days = i64::from(day) - JULIAN_DAY_OF_1970 + nanos.div_euclid(in_days);
    moment(days, nanos.rem_euclid(in_days), false, out);
}

/// Writes a duration in ISO 8601 as hours, minutes and seconds, because a day is not always 24 hours.
pub(super) fn duration(value: i64, unit: Unit, out: &mut Vec<u8>) {
    let nanos = i128::from(value) * i128::from(unit.nanos());
    if nanos < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(b"PT");
    let (seconds, rest) = (nanos.unsigned_abs() / 1_000_000_000, (nanos.unsigned_abs() % 1_000_000_000) as u64);
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        write(out, format_args!("{hours}H"));
    }
    if minutes > 0 {
        write(out, format_args!("{minutes}M"));
    }
    if seconds > 0 || rest > 0 || (hours == 0 && minutes == 0) {
        write(out, format_args!("{seconds}"));
        fraction(rest, out);
        out.push(b'S');
    }
}

/// Writes an interval of months, days and nanoseconds in ISO 8601. Each part has its own sign.
pub(super) fn interval(months: i64, days: i64, nanos: i128, out: &mut Vec<u8>) {
    let start = out.len();
    out.push(b'P');
    if months != 0 {
        write(out, format_args!("{months}M"));
    }
    if days != 0 {
        write(out, format_args!("{days}D"));
    }
    if nanos != 0 || out.len() == start + 1 {
        let sign = if nanos < 0 { "-" } else { "" };
        write(out, format_args!("T{sign}{}", nanos.unsigned_abs() / 1_000_000_000));
        fraction((nanos.unsigned_abs() % 1_000_000_000) as u64, out);
        out.push(b'S');
    }
}

/// Writes bytes as PostgreSQL writes a `bytea`: `\x` and two hexadecimal digits for each.
pub(super) fn binary(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(b"\\x");
    for byte in bytes {
        out.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

/// Writes a UUID; bytes that are not 16 are written as [`binary`].
pub(super) fn uuid(bytes: &[u8], out: &mut Vec<u8>) {
    match uuid::Uuid::from_slice(bytes) {
        Ok(uuid) => {
            out.extend_from_slice(uuid.as_hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()).as_bytes())
        }
        Err(_) => binary(bytes, out),
    }
}

#[cfg(test)]
mod tests;
