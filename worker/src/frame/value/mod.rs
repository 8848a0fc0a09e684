//! The rules by which a text is a value of a type, in one place for inference, contracts and row hashes.
//!
//! There are two questions. [`infers`]: may a column *without* a contract be of this type when it holds this cell? Only
//! unambiguous spellings count: `007`, `+49170`, `54E019` and `yes` are text, because they may be codes or phone numbers.
//! [`parses`]: does this cell convert when a contract *asks* for the type? There `007` is 7 and `yes` is true.
//!
//! # Layout
//! - [`exact`]: whether a floating-point number is the decimal that is written
//! - [`local_number`]: numbers with a decimal comma or separators between groups of digits
//! - [`number`]: integers, exact decimals, doubles
//! - [`time`]: dates, times and timestamps, ISO or with a `format:`
//! - this file: booleans, UUIDs, missing values, and the two questions

mod exact;
mod local_number;
mod number;
mod time;

use elt_shared::config::ColumnType;
use uuid::Uuid;

pub use exact::{is_exact_double, is_exact_real};
pub(crate) use local_number::{Foreign, LocalNumber, foreign, plain};
pub(crate) use number::{EXACT_DOUBLE_DIGITS, NumberShape, number_shape, plain_integer};
pub use number::{
    decimal_digits, numeric_canonical, numeric_fits, numeric_fits_into, parse_bigint, parse_double, parse_integer,
    parse_smallint, significant_digits,
};
pub use time::{
    TimeFormat, parse_date, parse_date_as, parse_time, parse_timestamp, parse_timestamp_as, parse_timestamptz,
    parse_timestamptz_as, why_no_time,
};
pub(crate) use time::{is_iso_date, iso_timestamp};

use super::CellKind;

/// Whether a text of a delimited file means "missing" in a column whose other values are numbers, dates or booleans. In a
/// column of texts it is a text, such as the country code `NA` of Namibia. JSON strings are never missing.
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

/// Whether a cell that is not missing converts to a type that a contract asks for. No cell does when `format` is invalid.
pub fn parses(column_type: ColumnType, kind: CellKind, bytes: &[u8], format: Option<&str>) -> bool {
    match format.map(TimeFormat::new) {
        None => parses_as(column_type, kind, bytes, None),
        Some(Some(format)) => parses_as(column_type, kind, bytes, Some(&format)),
        Some(None) => false,
    }
}

/// As [`parses`], with a format that was parsed before.
pub fn parses_as(column_type: ColumnType, kind: CellKind, bytes: &[u8], format: Option<&TimeFormat<'_>>) -> bool {
    match (column_type, format) {
        (ColumnType::Date, Some(format)) => return format.date(bytes).is_some(),
        (ColumnType::Timestamp, Some(format)) => return format.timestamp(bytes).is_some(),
        (ColumnType::TimestampTz, Some(format)) => return format.timestamptz(bytes).is_some(),
        _ => {}
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
/// JSON numbers are numbers, and JSON strings never are. A text of a delimited file may be any type, quoted or not.
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

/// Parses `true` or `false` in any case, the only spellings from which a boolean is inferred.
#[inline]
pub(crate) fn is_true_or_false(bytes: &[u8]) -> bool {
    match bytes.len() {
        4 => bytes.eq_ignore_ascii_case(b"true"),
        5 => bytes.eq_ignore_ascii_case(b"false"),
        _ => false,
    }
}

/// Parses a boolean in the spellings that a contract accepts, in any case: true/false, t/f, yes/no, y/n, on/off, 1/0.
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

/// Parses a UUID with or without dashes, in any case.
pub fn parse_uuid(bytes: &[u8]) -> Option<Uuid> {
    Uuid::try_parse_ascii(trim(bytes)).ok()
}

/// Whether a text is one JSON document that PostgreSQL can store as `jsonb`.
pub fn is_json(bytes: &[u8]) -> bool {
    super::json::is_document(bytes)
}

/// Number of characters of a UTF-8 text.
fn chars(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte & 0xC0 != 0x80).count()
}

/// The text without the spaces and tabs around it, which have no meaning in a number, a date or a boolean.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contract_accepts_more_spellings_than_inference() {
        for (column_type, text) in [
            (ColumnType::Boolean, "Yes"),
            (ColumnType::Boolean, "1"),
            (ColumnType::BigInt, "007"),
            (ColumnType::BigInt, "+7"),
            (ColumnType::BigInt, "7.0"),
            (ColumnType::Numeric(Some((5, 2))), "012.50"),
            (ColumnType::Double, "54E019"),
            (ColumnType::Double, "12345678901234567890"),
            (ColumnType::Json, "{\"a\": [1]}"),
            (ColumnType::TimestampTz, "2024-01-01"),
        ] {
            assert!(parses(column_type, CellKind::Bare, text.as_bytes(), None), "{column_type} {text}");
            assert!(!infers(column_type, CellKind::Bare, text.as_bytes()), "{column_type} {text}");
        }
    }

    #[test]
    fn what_does_not_convert_is_told() {
        for (column_type, text) in [
            (ColumnType::Boolean, "maybe"),
            (ColumnType::SmallInt, "40000"),
            (ColumnType::Integer, "3000000000"),
            (ColumnType::BigInt, "7.5"),
            (ColumnType::Numeric(Some((5, 2))), "1.234"),
            (ColumnType::Real, "1e39"),
            (ColumnType::Date, "31.12.2024"),
            (ColumnType::Time, "25:00"),
            (ColumnType::Uuid, "123"),
            (ColumnType::Json, "{'a': 1}"),
            (ColumnType::Json, "NaN"),
            (ColumnType::Json, "\"\\ud800\""),
            (ColumnType::Json, "1 2"),
            (ColumnType::Varchar(2), "äöü"),
        ] {
            assert!(!parses(column_type, CellKind::Bare, text.as_bytes(), None), "{column_type} {text}");
        }
        assert!(parses(ColumnType::Varchar(3), CellKind::Bare, "äöü".as_bytes(), None));
        assert!(parses(ColumnType::Date, CellKind::Bare, b"31.12.2024", Some("%d.%m.%Y")));
        assert!(!parses(ColumnType::Date, CellKind::Bare, b"2024-12-31", Some("%d.%m.%Y")));
        assert!(parses(ColumnType::Uuid, CellKind::String, b"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", None));
        assert!(parses(ColumnType::Time, CellKind::String, b"23:59:59.5", None));
        assert!(!parses(ColumnType::BigInt, CellKind::Nested, b"[1]", None));
    }

    #[test]
    fn null_tokens_are_missing_only_in_delimited_text() {
        for token in ["NA", "N/A", "NaN", "null", "NULL", "None", "#N/A"] {
            assert!(is_missing(CellKind::Bare, token.as_bytes(), true), "{token}");
            assert!(!is_missing(CellKind::Bare, token.as_bytes(), false), "{token}");
            assert!(!is_missing(CellKind::String, token.as_bytes(), true), "{token}");
        }
        assert!(is_missing(CellKind::Quoted, b"", false));
        assert!(!is_missing(CellKind::String, b"", true));
        assert!(!is_missing(CellKind::Bare, b"na", true));
    }

    #[test]
    fn booleans_are_read_in_any_case() {
        assert_eq!(parse_boolean(b" TRUE "), Some(true));
        assert_eq!(parse_boolean(b"off"), Some(false));
        assert_eq!(parse_boolean(b"2"), None);
    }
}
