//! The meaning of a column's values, as its file declares it.

use elt_shared::config::ColumnType;

use super::texts::Unit;
use crate::frame::profile::Declared;

/// The meaning of the values of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::frame) enum Shape {
    /// Arrow's `Null`: every value is NULL.
    Null,
    Boolean,
    /// Whole numbers. `signed` says how the bits are read where the storage does not.
    Integer {
        signed: bool,
        bits: u8,
    },
    /// Floating-point numbers of 16, 32 or 64 bits.
    Float {
        bits: u8,
    },
    /// Half numbers that are stored as two bytes.
    HalfBytes,
    /// Exact decimals with a number of digits after the point.
    Decimal {
        precision: usize,
        scale: usize,
    },
    /// Days since 1970.
    Date,
    /// Milliseconds since 1970 that are whole days.
    DateMillis,
    Time(Unit),
    /// A date and time; with a zone it is an instant in UTC.
    Timestamp {
        unit: Unit,
        zoned: bool,
    },
    /// Parquet's INT96: nanoseconds of a day, and a Julian day.
    JulianTimestamp,
    Duration(Unit),
    /// Months, days and milliseconds in twelve bytes.
    IntervalBytes,
    /// Months, or days and milliseconds, or months, days and nanoseconds.
    Interval,
    Text,
    /// Texts that are JSON documents.
    Json,
    Binary,
    Uuid,
    List(Box<Shape>),
    Struct(Vec<(String, Shape)>),
    Map(Box<Shape>, Box<Shape>),
}

impl Shape {
    /// The most digits after the point that a decimal in it has; 0 without one.
    pub(super) fn largest_scale(&self) -> usize {
        match self {
            Self::Decimal { scale, .. } => *scale,
            Self::List(item) => item.largest_scale(),
            Self::Struct(members) => members.iter().map(|(_, member)| member.largest_scale()).max().unwrap_or(0),
            Self::Map(key, value) => key.largest_scale().max(value.largest_scale()),
            _ => 0,
        }
    }

    /// The type of a column that the file declares, and the word for it. `None`: the file declares nothing about it.
    pub(super) fn declared(&self) -> Option<Declared> {
        let (column_type, word) = match self {
            Self::Null => return None,
            Self::Boolean => (ColumnType::Boolean, "bool".to_owned()),
            Self::Integer { signed, bits } => {
                (ColumnType::BigInt, format!("{}int{bits}", if *signed { "" } else { "u" }))
            }
            Self::Float { bits: 64 } => (ColumnType::Double, "float64".to_owned()),
            Self::Float { bits } => (ColumnType::Real, format!("float{bits}")),
            Self::HalfBytes => (ColumnType::Real, "float16".to_owned()),
            Self::Decimal { precision, scale } => (ColumnType::Numeric(None), format!("decimal({precision}, {scale})")),
            Self::Date | Self::DateMillis => (ColumnType::Date, "date".to_owned()),
            Self::Time(_) => (ColumnType::Time, "time".to_owned()),
            Self::Timestamp { zoned: true, .. } => (ColumnType::TimestampTz, "timestamp with time zone".to_owned()),
            Self::Timestamp { zoned: false, .. } | Self::JulianTimestamp => {
                (ColumnType::Timestamp, "timestamp".to_owned())
            }
            Self::Duration(_) => (ColumnType::Text, "duration".to_owned()),
            Self::Interval | Self::IntervalBytes => (ColumnType::Text, "interval".to_owned()),
            Self::Text => (ColumnType::Text, "string".to_owned()),
            Self::Json => (ColumnType::Json, "json".to_owned()),
            Self::Binary => (ColumnType::Text, "binary".to_owned()),
            Self::Uuid => (ColumnType::Uuid, "uuid".to_owned()),
            Self::List(_) => (ColumnType::Json, "list".to_owned()),
            Self::Struct(_) => (ColumnType::Json, "struct".to_owned()),
            Self::Map(..) => (ColumnType::Json, "map".to_owned()),
        };
        Some(Declared { column_type, word })
    }
}
