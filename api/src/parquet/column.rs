//! The columns of a Parquet file: which type holds all values of a column, and its cells.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use elt_shared::target::{ScalarType, ValueRange};
use polars_arrow::array::{Array, BooleanArray, PrimitiveArray, Utf8ViewArray};
use polars_arrow::datatypes::{ArrowDataType, TimeUnit};

/// Most digits of a decimal in 128 bits.
const DECIMAL_DIGITS: u16 = 38;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Boolean,
    Integer,
    BigInt,
    Real,
    Double,
    /// With this many digits, and this many of them after the decimal point.
    Decimal(u16, u16),
    Date,
    Time,
    Timestamp,
    TimestampTz,
    Json,
    /// Texts, types that only PostgreSQL has, and columns with a value that no other type holds.
    Text,
}

impl Kind {
    /// The kind of a column that has a type of PostgreSQL and these values.
    pub fn of(sql_type: &str, range: ValueRange) -> Self {
        match ScalarType::of(sql_type) {
            Some(ScalarType::Boolean) => Self::Boolean,
            Some(ScalarType::Integer) => Self::Integer,
            Some(ScalarType::BigInt) => Self::BigInt,
            Some(ScalarType::Real) => Self::Real,
            Some(ScalarType::Double) => Self::Double,
            Some(ScalarType::Json) => Self::Json,
            _ if range.has_special => Self::Text,
            Some(ScalarType::Numeric { limits }) => decimal(limits, range),
            Some(ScalarType::Date) => Self::Date,
            Some(ScalarType::Time) => Self::Time,
            Some(ScalarType::Timestamp) => Self::Timestamp,
            Some(ScalarType::TimestampTz) => Self::TimestampTz,
            None => Self::Text,
        }
    }

    pub fn arrow(self) -> ArrowDataType {
        match self {
            Self::Boolean => ArrowDataType::Boolean,
            Self::Integer => ArrowDataType::Int32,
            Self::BigInt => ArrowDataType::Int64,
            Self::Real => ArrowDataType::Float32,
            Self::Double => ArrowDataType::Float64,
            Self::Decimal(digits, fraction) => ArrowDataType::Decimal(digits.into(), fraction.into()),
            Self::Date => ArrowDataType::Date32,
            Self::Time => ArrowDataType::Time64(TimeUnit::Microsecond),
            Self::Timestamp => ArrowDataType::Timestamp(TimeUnit::Microsecond, None),
            Self::TimestampTz => ArrowDataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Json | Self::Text => ArrowDataType::Utf8View,
        }
    }

    /// No cells of this kind yet.
    pub fn cells(self) -> Cells {
        match self {
            Self::Boolean => Cells::Boolean(Vec::new()),
            Self::Integer => Cells::Int32(Vec::new(), whole),
            Self::Date => Cells::Int32(Vec::new(), days),
            Self::BigInt => Cells::Int64(Vec::new(), whole),
            Self::Time => Cells::Int64(Vec::new(), micros_of_day),
            Self::Timestamp => Cells::Int64(Vec::new(), micros),
            Self::TimestampTz => Cells::Int64(Vec::new(), micros_utc),
            Self::Real => Cells::Float32(Vec::new()),
            Self::Double => Cells::Float64(Vec::new()),
            Self::Decimal(digits, fraction) => Cells::Decimal(Vec::new(), digits, fraction),
            Self::Json | Self::Text => Cells::Text(Vec::new()),
        }
    }
}

/// A decimal with the limits of its type, or with as many digits as its values need when a file has no such type.
fn decimal(limits: Option<(u16, u16)>, range: ValueRange) -> Kind {
    let needed = (range.whole_digits.saturating_add(range.fraction_digits).max(1), range.fraction_digits);
    let fitting =
        limits.into_iter().chain([needed]).find(|(digits, fraction)| *digits <= DECIMAL_DIGITS && fraction <= digits);
    fitting.map_or(Kind::Text, |(digits, fraction)| Kind::Decimal(digits, fraction))
}

/// The cells of a column in one row group.
pub enum Cells {
    Boolean(Vec<Option<bool>>),
    Int32(Vec<Option<i32>>, fn(&str) -> Option<i32>),
    Int64(Vec<Option<i64>>, fn(&str) -> Option<i64>),
    Float32(Vec<Option<f32>>),
    Float64(Vec<Option<f64>>),
    /// The number of the last digit, with the digits of the type and those after the decimal point.
    Decimal(Vec<Option<i128>>, u16, u16),
    Text(Vec<Option<String>>),
}

impl Cells {
    /// Adds a value as PostgreSQL writes it. `None`: it is not one of this kind.
    pub fn push(&mut self, value: Option<&str>) -> Option<()> {
        match self {
            Self::Boolean(cells) => add(cells, value, |value| match value {
                "t" | "true" => Some(true),
                "f" | "false" => Some(false),
                _ => None,
            }),
            Self::Int32(cells, read) => add(cells, value, *read),
            Self::Int64(cells, read) => add(cells, value, *read),
            Self::Float32(cells) => add(cells, value, |value| value.parse().ok()),
            Self::Float64(cells) => add(cells, value, |value| value.parse().ok()),
            Self::Decimal(cells, digits, fraction) => add(cells, value, |value| unscaled(value, *digits, *fraction)),
            Self::Text(cells) => add(cells, value, |value| Some(value.to_owned())),
        }
    }

    pub fn array(self, kind: &Kind) -> Box<dyn Array> {
        match self {
            Self::Boolean(cells) => BooleanArray::from(cells).boxed(),
            Self::Int32(cells, _) => PrimitiveArray::from(cells).to(kind.arrow()).boxed(),
            Self::Int64(cells, _) => PrimitiveArray::from(cells).to(kind.arrow()).boxed(),
            Self::Float32(cells) => PrimitiveArray::from(cells).boxed(),
            Self::Float64(cells) => PrimitiveArray::from(cells).boxed(),
            Self::Decimal(cells, ..) => PrimitiveArray::from(cells).to(kind.arrow()).boxed(),
            Self::Text(cells) => Utf8ViewArray::from_slice(cells).boxed(),
        }
    }
}

fn add<T>(cells: &mut Vec<Option<T>>, value: Option<&str>, read: impl Fn(&str) -> Option<T>) -> Option<()> {
    let cell = match value {
        Some(value) => Some(read(value)?),
        None => None,
    };
    cells.push(cell);
    Some(())
}

fn whole<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

/// The digits of a decimal as one number, with zeros up to the last place of the type.
fn unscaled(text: &str, digits: u16, fraction: u16) -> Option<i128> {
    let (whole, after) = text.split_once('.').unwrap_or((text, ""));
    let fraction = usize::from(fraction);
    if after.len() > fraction || !after.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: i128 = format!("{whole}{after:0<fraction$}").parse().ok()?;
    (number.unsigned_abs() < 10_u128.pow(digits.into())).then_some(number)
}

fn days(text: &str) -> Option<i32> {
    let date: NaiveDate = text.parse().ok()?;
    i32::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).ok()
}

fn micros_of_day(text: &str) -> Option<i64> {
    let time: NaiveTime = text.parse().ok()?;
    Some(i64::from(time.num_seconds_from_midnight()) * 1_000_000 + i64::from(time.nanosecond() / 1_000))
}

fn micros(text: &str) -> Option<i64> {
    let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").ok()?;
    Some(time.and_utc().timestamp_micros())
}

fn micros_utc(text: &str) -> Option<i64> {
    let time = DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z").ok()?;
    Some(time.timestamp_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDINARY: ValueRange = ValueRange { has_special: false, whole_digits: 3, fraction_digits: 2 };

    #[test]
    fn a_type_holds_every_value_of_its_column_or_the_column_is_text() {
        for (sql_type, kind) in [
            ("integer", Kind::Integer),
            ("numeric", Kind::Decimal(5, 2)),
            ("numeric(10,4)", Kind::Decimal(10, 4)),
            ("numeric(39,0)", Kind::Decimal(5, 2)),
            ("numeric(3,5)", Kind::Decimal(5, 2)),
            ("numeric(5,-2)", Kind::Decimal(5, 2)),
            ("numeric(10,2)[]", Kind::Text),
            ("timestamp(3) with time zone", Kind::TimestampTz),
            ("timestamp without time zone", Kind::Timestamp),
            ("time with time zone", Kind::Text),
            ("jsonb", Kind::Json),
            ("uuid", Kind::Text),
            ("integer[]", Kind::Text),
        ] {
            assert_eq!(Kind::of(sql_type, ORDINARY), kind, "{sql_type}");
        }
        let special = ValueRange { has_special: true, ..ORDINARY };
        for sql_type in ["numeric(10,2)", "date", "timestamp with time zone", "time without time zone"] {
            assert_eq!(Kind::of(sql_type, special), Kind::Text, "{sql_type}");
        }
        let long = ValueRange { whole_digits: 30, fraction_digits: 9, ..ORDINARY };
        assert_eq!([Kind::of("numeric", long), Kind::of("numeric(39,9)", long)], [Kind::Text; 2]);
    }

    #[test]
    fn values_are_read_exactly_or_not_at_all() {
        assert_eq!(unscaled("-0.05", 4, 2), Some(-5));
        assert_eq!(unscaled("12", 4, 2), Some(1200));
        assert_eq!([unscaled("0.001", 4, 2), unscaled("100.00", 4, 2), unscaled("1e5", 9, 2)], [None; 3]);
        assert_eq!((days("1970-01-02"), days("0001-01-01")), (Some(1), Some(-719_162)));
        assert_eq!(micros_of_day("23:59:59.000001"), Some(86_399_000_001));
        assert_eq!(micros("1969-12-31 23:59:59.5"), Some(-500_000));
        assert_eq!(micros_utc("1970-01-01 02:00:00+02"), Some(0));
        assert_eq!([micros("infinity"), micros_utc("0044-03-15 00:00:00+00 BC")], [None; 2]);
    }
}
