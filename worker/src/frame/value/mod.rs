//! Which text is which type: the one place that says so.
//!
//! There are two questions. [`infers`]: may a column *without* a contract be of this type when it holds this cell?
//! Only spellings nobody would mean otherwise count: `007`, `+49170`, `54E019` and `yes` are text.
//! [`parses`]: does this cell convert when a contract *asks* for the type? There `007` is 7 and `yes` is true.
//!
//! # Layout
//! - [`number`]: integers, exact decimals, doubles
//! - [`time`]: dates, times and timestamps, ISO or with a `format:`
//! - this file: booleans, UUIDs, missing values, and the two questions

mod number;
mod time;

use elt_shared::config::ColumnType;
use uuid::Uuid;

pub(crate) use number::{EXACT_DOUBLE_DIGITS, NumberShape, number_shape};
pub use number::{numeric_canonical, numeric_fits, parse_bigint, parse_double, parse_integer, parse_smallint};
pub use time::{
    TimeFormat, parse_date, parse_date_as, parse_time, parse_timestamp, parse_timestamp_as, parse_timestamptz,
    parse_timestamptz_as,
};
pub(crate) use time::{is_iso_date, iso_timestamp};

use super::CellKind;

/// Whether a text of a delimited file means "missing" in a column whose other values are numbers, dates or booleans.
/// In a text column it is text (Namibia's `NA`). JSON strings are never missing.
#[inline]
pub fn is_null_token(bytes: &[u8]) -> bool {
    match bytes.len() {
        2 => bytes == b"NA",
        3 => matches!(bytes, b"N/A" | b"NaN"),
        4 => matches!(bytes, b"null" | b"NULL" | b"None" | b"#N/A"),
        _ => false,
    }
}

/// Whether a cell is NULL in a column that is not text: missing, quoted but empty, or a null token of a delimited file.
/// `tokens`: whether the file uses the default null tokens (it does unless `csv.null_values` is written).
#[inline]
pub fn is_missing(kind: CellKind, bytes: &[u8], tokens: bool) -> bool {
    match kind {
        CellKind::Null => true,
        CellKind::Bare | CellKind::Quoted => bytes.is_empty() || (tokens && is_null_token(bytes)),
        CellKind::Number | CellKind::Bool | CellKind::String | CellKind::Nested => false,
    }
}

/// Whether a cell that is not missing converts to a type a contract asks for.
pub fn parses(column_type: ColumnType, kind: CellKind, bytes: &[u8], format: Option<&str>) -> bool {
    if let Some(format) = format {
        let parsed = match column_type {
            ColumnType::Date => parse_date_as(bytes, format).is_some(),
            ColumnType::Timestamp => parse_timestamp_as(bytes, format).is_some(),
            ColumnType::TimestampTz => parse_timestamptz_as(bytes, format).is_some(),
            _ => return parses(column_type, kind, bytes, None),
        };
        return parsed;
    }
    if kind == CellKind::Nested {
        return matches!(column_type, ColumnType::Json | ColumnType::Text);
    }
    match column_type {
        ColumnType::Boolean => parse_boolean(bytes).is_some(),
        ColumnType::SmallInt => parse_smallint(bytes).is_some(),
        ColumnType::Integer => parse_integer(bytes).is_some(),
        ColumnType::BigInt => parse_bigint(bytes).is_some(),
        ColumnType::Numeric(limits) => numeric_fits(bytes, limits),
        ColumnType::Real => parse_double(bytes).is_some_and(|value| !value.is_finite() || (value as f32).is_finite()),
        ColumnType::Double => parse_double(bytes).is_some(),
        ColumnType::Date => parse_date(bytes).is_some(),
        ColumnType::Time => parse_time(bytes).is_some(),
        ColumnType::Timestamp => parse_timestamp(bytes).is_some(),
        ColumnType::TimestampTz => parse_timestamptz(bytes).is_some(),
        ColumnType::Uuid => parse_uuid(bytes).is_some(),
        ColumnType::Json => match kind {
            CellKind::Number | CellKind::Bool | CellKind::String => true,
            _ => is_json(bytes),
        },
        ColumnType::Text => true,
        ColumnType::Varchar(length) => chars(bytes) <= length as usize,
    }
}

/// Whether a column without a contract may have this type when it holds this cell (which is not missing).
/// JSON numbers are numbers, JSON strings never are; text of a delimited file is what it looks like, quoted or not.
pub fn infers(column_type: ColumnType, kind: CellKind, bytes: &[u8]) -> bool {
    let delimited = matches!(kind, CellKind::Bare | CellKind::Quoted);
    match column_type {
        ColumnType::Text => true,
        ColumnType::Varchar(length) => chars(bytes) <= length as usize,
        ColumnType::Json => kind == CellKind::Nested,
        ColumnType::Boolean => kind == CellKind::Bool || (delimited && is_true_or_false(bytes)),
        ColumnType::SmallInt | ColumnType::Integer | ColumnType::BigInt => {
            matches!(number_shape(kind, bytes), NumberShape::Integer { .. }) && parses(column_type, kind, bytes, None)
        }
        ColumnType::Numeric(limits) => match number_shape(kind, bytes) {
            NumberShape::Integer { .. } | NumberShape::Decimal { .. } => numeric_fits(bytes, limits),
            NumberShape::Exponent | NumberShape::Special | NumberShape::No => false,
        },
        ColumnType::Real | ColumnType::Double => match number_shape(kind, bytes) {
            NumberShape::Integer { digits } | NumberShape::Decimal { digits } => digits <= EXACT_DOUBLE_DIGITS,
            NumberShape::Exponent | NumberShape::Special => true,
            NumberShape::No => false,
        },
        ColumnType::Date => (delimited || kind == CellKind::String) && is_iso_date(bytes),
        ColumnType::Timestamp => {
            (delimited || kind == CellKind::String)
                && (is_iso_date(bytes) || iso_timestamp(bytes).is_some_and(|stamp| !stamp.zoned))
        }
        ColumnType::TimestampTz => {
            (delimited || kind == CellKind::String) && iso_timestamp(bytes).is_some_and(|stamp| stamp.zoned)
        }
        ColumnType::Time => (delimited || kind == CellKind::String) && parse_time(bytes).is_some(),
        ColumnType::Uuid => (delimited || kind == CellKind::String) && bytes.len() == 36 && parse_uuid(bytes).is_some(),
    }
}

/// `true` or `false` in any case: the only spellings a boolean is inferred from.
#[inline]
pub(crate) fn is_true_or_false(bytes: &[u8]) -> bool {
    match bytes.len() {
        4 => bytes.eq_ignore_ascii_case(b"true"),
        5 => bytes.eq_ignore_ascii_case(b"false"),
        _ => false,
    }
}

/// A boolean in the spellings a contract accepts, in any case: true/false, t/f, yes/no, y/n, on/off, 1/0.
pub fn parse_boolean(bytes: &[u8]) -> Option<bool> {
    let text = trim(bytes);
    let is = |word: &&[u8]| text.eq_ignore_ascii_case(word);
    const TRUE: [&[u8]; 6] = [b"true", b"t", b"yes", b"y", b"on", b"1"];
    const FALSE: [&[u8]; 6] = [b"false", b"f", b"no", b"n", b"off", b"0"];
    if TRUE.iter().any(is) {
        Some(true)
    } else if FALSE.iter().any(is) {
        Some(false)
    } else {
        None
    }
}

/// A UUID with or without dashes, in any case.
pub fn parse_uuid(bytes: &[u8]) -> Option<Uuid> {
    Uuid::try_parse_ascii(trim(bytes)).ok()
}

/// Whether a text is one JSON document PostgreSQL can keep as `jsonb`.
pub fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}

/// Number of characters of a UTF-8 text.
fn chars(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte & 0xC0 != 0x80).count()
}

/// Without the spaces and tabs around it: they mean nothing in a number, a date or a boolean.
#[inline]
pub(crate) fn trim(bytes: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    match (bytes.first(), bytes.last()) {
        (Some(first), Some(last)) if blank(first) || blank(last) => {
            let start = bytes.iter().position(|byte| !blank(byte)).unwrap_or(bytes.len());
            let end = bytes.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
            &bytes[start..end]
        }
        _ => bytes,
    }
}
