//! Typed columns of a batch, and the canonical text of their values, from which row hashes are computed.

use std::io::Write as _;

use elt_shared::config::ColumnType;
use polars::prelude::*;
use polars_arrow::array::Array as _;
use polars_arrow::bitmap::Bitmap;

use super::{SqlType, json};
use crate::frame::{civil_date, value};

type Array<T> = <T as PolarsDataType>::Array;

/// One column of a batch.
#[derive(Clone, Copy)]
pub enum Cells<'a> {
    /// Values of `boolean`.
    Boolean(&'a Array<BooleanType>),
    /// Integers of every width.
    Integer(&'a Array<Int64Type>),
    /// Floating-point numbers of both widths.
    Double(&'a Array<Float64Type>),
    /// Dates, in days since 1970.
    Date(&'a Array<Int32Type>),
    /// Times, in nanoseconds since midnight.
    Time(&'a Array<Int64Type>),
    /// Timestamps, in microseconds since 1970.
    Timestamp(&'a Array<Int64Type>),
    /// Texts, and all types that are sent as text: `numeric`, `uuid`, `jsonb`, and types that the server converts to.
    Text(&'a Array<StringType>),
}

impl<'a> Cells<'a> {
    /// The column by its type. `None`: the type is not one that elt builds.
    pub fn of(column: &'a Column) -> Option<Self> {
        let series = column.as_materialized_series();
        if series.n_chunks() != 1 {
            return None;
        }
        Some(match series.dtype() {
            DataType::Boolean => Self::Boolean(series.bool().ok()?.downcast_as_array()),
            DataType::Int64 => Self::Integer(series.i64().ok()?.downcast_as_array()),
            DataType::Float64 => Self::Double(series.f64().ok()?.downcast_as_array()),
            DataType::Date => Self::Date(series.date().ok()?.physical().downcast_as_array()),
            DataType::Time => Self::Time(series.time().ok()?.physical().downcast_as_array()),
            DataType::Datetime(..) => Self::Timestamp(series.datetime().ok()?.physical().downcast_as_array()),
            DataType::String => Self::Text(series.str().ok()?.downcast_as_array()),
            _ => return None,
        })
    }

    /// Which cells are not NULL. `None`: all of them.
    #[inline]
    pub fn validity(self) -> Option<&'a Bitmap> {
        match self {
            Self::Boolean(array) => array.validity(),
            Self::Integer(array) | Self::Time(array) | Self::Timestamp(array) => array.validity(),
            Self::Double(array) => array.validity(),
            Self::Date(array) => array.validity(),
            Self::Text(array) => array.validity(),
        }
    }

    /// Whether the cell of a row is NULL.
    #[inline]
    pub fn is_null(self, row: usize) -> bool {
        self.validity().is_some_and(|validity| !validity.get_bit(row))
    }

    /// Appends the canonical text of a cell that is not NULL.
    #[inline]
    pub fn canonical(self, row: usize, how: Canonical, out: &mut Vec<u8>) {
        match (self, how) {
            (Self::Boolean(array), _) => out.extend_from_slice(if array.value(row) { b"true" } else { b"false" }),
            (Self::Integer(array), _) => integer(array.value(row), out),
            (Self::Double(array), Canonical::Real) => real(array.value(row) as f32, out),
            (Self::Double(array), _) => double(array.value(row), out),
            (Self::Date(array), _) => date(array.value(row), out),
            (Self::Time(array), _) => time(array.value(row) / 1_000, out),
            (Self::Timestamp(array), how) => {
                timestamp(array.value(row), out);
                if how == Canonical::TimestampTz {
                    out.push(b'Z');
                }
            }
            (Self::Text(array), how) => {
                let text = array.value(row).as_bytes();
                match how {
                    Canonical::Number => {
                        if !value::numeric_canonical(text, out) {
                            out.extend_from_slice(text);
                        }
                    }
                    Canonical::Json => json::canonical(text, out),
                    _ => out.extend_from_slice(text),
                }
            }
        }
    }
}

/// The form of a type's canonical text. Equal values have equal texts, whatever the width of their column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Canonical {
    /// `true` or `false`.
    Boolean,
    /// Integers and decimals: `12` for 12, 12.0 and 1.2e1.
    Number,
    /// The shortest digits that identify this `real`.
    Real,
    /// The shortest digits that identify this double.
    Double,
    /// A date such as `2024-02-29`.
    Date,
    /// A time such as `23:59:59.5`.
    Time,
    /// A timestamp such as `2024-02-29T23:59:59.5`.
    Timestamp,
    /// A timestamp in UTC such as `2024-02-29T22:59:59.5Z`.
    TimestampTz,
    /// A UUID in lower case with dashes.
    Uuid,
    /// JSON with sorted members and numbers as above.
    Json,
    /// The text as it is.
    Text,
}

impl Canonical {
    /// The form of the values of a type.
    pub fn of(sql_type: &SqlType) -> Self {
        let SqlType::Known(column_type) = sql_type else { return Self::Text };
        match column_type {
            ColumnType::Boolean => Self::Boolean,
            ColumnType::SmallInt | ColumnType::Integer | ColumnType::BigInt | ColumnType::Numeric(_) => Self::Number,
            ColumnType::Real => Self::Real,
            ColumnType::Double => Self::Double,
            ColumnType::Date => Self::Date,
            ColumnType::Time => Self::Time,
            ColumnType::Timestamp => Self::Timestamp,
            ColumnType::TimestampTz => Self::TimestampTz,
            ColumnType::Uuid => Self::Uuid,
            ColumnType::Json => Self::Json,
            ColumnType::Text | ColumnType::Varchar(_) => Self::Text,
        }
    }

    /// Appends the canonical text of a whole number, a date or a time from its number: days or microseconds since 1970, or
    /// microseconds since midnight.
    pub fn of_number(self, number: i64, out: &mut Vec<u8>) {
        match self {
            Self::Date => date(number as i32, out),
            Self::Time => time(number, out),
            Self::Timestamp => timestamp(number, out),
            Self::TimestampTz => {
                timestamp(number, out);
                out.push(b'Z');
            }
            _ => integer(number, out),
        }
    }

    /// Appends the canonical text of a value that is written as text. A text that is not a value of the type stays as it is.
    pub fn of_text(self, text: &[u8], out: &mut Vec<u8>) {
        let understood = match self {
            Self::Boolean => value::parse_boolean(text)
                .map(|boolean| out.extend_from_slice(if boolean { b"true" } else { b"false" })),
            Self::Number => value::numeric_canonical(text, out).then_some(()),
            Self::Real => value::parse_double(text).map(|number| real(number as f32, out)),
            Self::Double => value::parse_double(text).map(|number| double(number, out)),
            Self::Date => value::parse_date(text).map(|days| date(days, out)),
            Self::Time => value::parse_time(text).map(|micros| time(micros, out)),
            Self::Timestamp => value::parse_timestamp(text).map(|micros| timestamp(micros, out)),
            Self::TimestampTz => value::parse_timestamptz(text).map(|micros| {
                timestamp(micros, out);
                out.push(b'Z');
            }),
            Self::Uuid => value::parse_uuid(text).map(|uuid| {
                let mut digits = uuid::Uuid::encode_buffer();
                out.extend_from_slice(uuid.as_hyphenated().encode_lower(&mut digits).as_bytes());
            }),
            Self::Json => {
                json::canonical(text, out);
                Some(())
            }
            Self::Text => None,
        };
        if understood.is_none() {
            out.extend_from_slice(text);
        }
    }
}

/// Writes into memory, which does not fail.
fn write(out: &mut Vec<u8>, arguments: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(arguments);
}

fn integer(value: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// The digits of the numbers `00` to `99`.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut value = 0;
    while value < 100 {
        pairs[value] = [b'0' + (value / 10) as u8, b'0' + (value % 10) as u8];
        value += 1;
    }
    pairs
};

/// The two digits of a number below 100.
#[inline]
fn pair(value: i64) -> [u8; 2] {
    PAIRS[value.unsigned_abs() as usize % 100]
}

/// Writes a double with the digits that `numeric` has for the same value, so that 12.5 has one hash as a double and as a
/// decimal.
fn double(value: f64, out: &mut Vec<u8>) {
    if !value.is_finite() {
        return special(value, out);
    }
    if value.fract() == 0.0 && value.abs() < 9e15 {
        return integer(value as i64, out);
    }
    // In this range the JSON serializer writes the same digits, and is several times as fast.
    let quick = (1e-4..1e9).contains(&value.abs()) && serde_json::to_writer(&mut *out, &value).is_ok();
    if !quick {
        write(out, format_args!("{value}"));
    }
}

fn real(value: f32, out: &mut Vec<u8>) {
    if value.is_finite() && value.fract() == 0.0 && value.abs() < 1e7 {
        integer(value as i64, out);
    } else if value.is_finite() {
        write(out, format_args!("{value}"));
    } else {
        special(f64::from(value), out);
    }
}

fn special(value: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(match value {
        _ if value.is_nan() => b"NaN".as_slice(),
        _ if value > 0.0 => b"Infinity",
        _ => b"-Infinity",
    });
}

/// Writes a date. Its year is from 1 to 9999, because other dates are not converted.
fn date(days: i32, out: &mut Vec<u8>) {
    let (year, month, day) = civil_date::of_days(i64::from(days));
    let [[y1, y2], [y3, y4], [m1, m2], [d1, d2]] = [year / 100, year, month, day].map(pair);
    out.extend_from_slice(&[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2]);
}

fn time(micros: i64, out: &mut Vec<u8>) {
    let (seconds, fraction) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    let [[h1, h2], [m1, m2], [s1, s2]] = [seconds / 3_600, seconds / 60 % 60, seconds].map(|part| pair(part % 60));
    out.extend_from_slice(&[h1, h2, b':', m1, m2, b':', s1, s2]);
    if fraction > 0 {
        out.push(b'.');
        for part in [fraction / 10_000, fraction / 100, fraction] {
            out.extend_from_slice(&pair(part));
        }
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
}

fn timestamp(micros: i64, out: &mut Vec<u8>) {
    const DAY: i64 = 86_400_000_000;
    date(micros.div_euclid(DAY) as i32, out);
    out.push(b'T');
    time(micros.rem_euclid(DAY), out);
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, NaiveDate};
    use proptest::prelude::*;

    use super::*;

    fn text(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn of_text(how: Canonical, value: &str) -> String {
        text(|out| how.of_text(value.as_bytes(), out))
    }

    #[test]
    fn equal_numbers_have_one_text() {
        for number in ["12", "12.0", "12.00", "1.2e1", "+12", "012"] {
            assert_eq!(of_text(Canonical::Number, number), "12", "{number}");
            assert_eq!(of_text(Canonical::Double, number), "12", "{number}");
            assert_eq!(of_text(Canonical::Real, number), "12", "{number}");
        }
        assert_eq!(of_text(Canonical::Number, "-0"), "0");
        assert_eq!(of_text(Canonical::Double, "-0"), "0");
        assert_eq!(of_text(Canonical::Double, "1e-7"), "0.0000001");
        assert_eq!(of_text(Canonical::Real, "0.1"), "0.1");
        assert_eq!(of_text(Canonical::Double, "nan"), "NaN");
        assert_eq!(of_text(Canonical::Double, "-inf"), "-Infinity");
    }

    #[test]
    fn a_server_s_spelling_has_the_same_text_as_a_file_s() {
        assert_eq!(of_text(Canonical::TimestampTz, "2024-02-29 01:00:00+02"), "2024-02-28T23:00:00Z");
        assert_eq!(of_text(Canonical::TimestampTz, "2024-02-28T23:00:00Z"), "2024-02-28T23:00:00Z");
        assert_eq!(of_text(Canonical::Timestamp, "2024-02-29 01:00:00.120000"), "2024-02-29T01:00:00.12");
        assert_eq!(of_text(Canonical::Timestamp, "infinity"), "infinity");
        assert_eq!(of_text(Canonical::Boolean, "t"), "true");
        assert_eq!(
            of_text(Canonical::Uuid, "A0EEBC999C0B4EF8BB6D6BB9BD380A11"),
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
        );
    }

    proptest! {
        #[test]
        fn dates_agree_with_chrono(days in -719_162_i32..2_932_897) {
            let expected = NaiveDate::from_epoch_days(days).unwrap().format("%Y-%m-%d").to_string();
            prop_assert_eq!(text(|out| date(days, out)), expected);
        }

        #[test]
        fn timestamps_agree_with_chrono(micros in -62_135_596_800_000_000_i64..253_402_300_800_000_000) {
            let stamp = DateTime::from_timestamp_micros(micros).unwrap().naive_utc();
            let written = text(|out| timestamp(micros, out));
            prop_assert_eq!(written.parse::<chrono::NaiveDateTime>().unwrap(), stamp);
        }

        #[test]
        fn integers_agree_with_std(value: i64) {
            prop_assert_eq!(text(|out| integer(value, out)), value.to_string());
        }

        #[test]
        fn quick_doubles_are_the_same(value in -1e9..1e9_f64) {
            let mut slow = Vec::new();
            write(&mut slow, format_args!("{value}"));
            prop_assert_eq!(text(|out| double(value, out)), String::from_utf8(slow).unwrap());
        }

        #[test]
        fn doubles_hash_as_the_decimals_they_print_as(value in proptest::num::f64::NORMAL | proptest::num::f64::ZERO) {
            let printed = format!("{value:e}");
            let as_number = of_text(Canonical::Number, &printed);
            prop_assert_eq!(text(|out| double(value, out)), as_number);
        }
    }
}
