//! Limits that a column sets to its values: characters, bits, digits, labels. A row with a value that does not fit
//! breaks the contract, because the server would change the value silently.

use std::collections::HashSet;
use std::sync::Arc;

use elt_shared::config::ColumnType;

use super::SqlType;
use super::cells::Cells;
use super::foreign::ForeignType;
use crate::frame::CellKind;
use crate::frame::value;

/// Most bytes of a value of PostgreSQL's type `name`.
const NAME_BYTES: usize = 63;
/// Digits of a fraction of a second that PostgreSQL stores.
const MICROSECOND_DIGITS: u32 = 6;

/// The limit of a column for values of its type.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ColumnLimit {
    /// Every value of the type fits.
    #[default]
    Any,
    /// Texts of at most this many characters.
    Chars(usize),
    /// Texts of at most this many bytes.
    Bytes(usize),
    /// Bit strings.
    Bits {
        /// Number of bits of the column.
        length: usize,
        /// Whether a shorter value does not fit, either.
        exact: bool,
    },
    /// Only the labels of an enum.
    Labels(Arc<HashSet<String>>),
    /// Decimals of at most this many digits before and behind the point. A negative scale means whole tens, hundreds, ….
    Decimal {
        /// Most digits before the point.
        whole: i64,
        /// Most digits behind the point.
        scale: i64,
    },
    /// Values of a type elt knows, for domains over it. `fraction`: digits of a second.
    Parses {
        /// The type below the domain.
        column_type: ColumnType,
        /// Most digits of a fraction of a second. `None`: six, or the type has no fractions.
        fraction: Option<u32>,
    },
    /// Times with at most this many digits of a second.
    Fraction(u32),
}

/// The reason why a value does not fit: a code, and the end of a sentence, without the value.
pub type Misfit = (&'static str, String);

impl ColumnLimit {
    /// The values that fit into a column. `sql`: its type as the catalog spells it.
    pub fn of(sql_type: &SqlType, sql: &str, foreign: Option<&ForeignType>) -> Self {
        match (sql_type.known(), foreign) {
            (Some(known), _) if is_time(known) => fraction(sql).map_or(Self::Any, Self::Fraction),
            (None, Some(foreign)) if !foreign.array => Self::of_foreign(foreign),
            _ => Self::Any,
        }
    }

    fn of_foreign(foreign: &ForeignType) -> Self {
        if foreign.kind == "e" {
            return Self::Labels(Arc::new(foreign.labels.iter().cloned().collect()));
        }
        if !foreign.builtin || foreign.kind != "b" {
            return Self::Any;
        }
        let numbers = arguments(&foreign.scalar);
        let length = numbers.first().and_then(|length| usize::try_from(*length).ok());
        match (foreign.name.as_str(), length) {
            ("bpchar" | "varchar", Some(length)) => return Self::Chars(length),
            ("bit", length) => return length.map_or(Self::Any, |length| Self::Bits { length, exact: true }),
            ("varbit", Some(length)) => return Self::Bits { length, exact: false },
            ("name", _) => return Self::Bytes(NAME_BYTES),
            ("char", _) => return Self::Bytes(1),
            ("numeric", Some(_)) => {
                let (precision, scale) = (numbers[0], numbers.get(1).copied().unwrap_or(0));
                return Self::Decimal { whole: precision - scale, scale };
            }
            _ => {}
        }
        match SqlType::from(foreign.scalar.clone()).known() {
            None | Some(ColumnType::Text) => Self::Any,
            Some(known) => Self::Parses {
                column_type: known,
                fraction: is_time(known).then(|| fraction(&foreign.scalar)).flatten(),
            },
        }
    }

    /// The reason why a converted value does not fit; `None`: it fits. `sql`: the column's type as the catalog spells
    /// it.
    pub fn misfit(&self, cells: Cells<'_>, row: usize, kind: CellKind, sql: &str) -> Option<Misfit> {
        match (self, cells) {
            (Self::Fraction(digits), Cells::Timestamp(array)) => misfit_micros(array.value(row), *digits, sql),
            (Self::Fraction(digits), Cells::Time(array)) => misfit_micros(array.value(row) / 1_000, *digits, sql),
            (_, Cells::Text(array)) => self.misfit_text(array.value(row), kind, sql),
            _ => None,
        }
    }

    fn misfit_text(&self, text: &str, kind: CellKind, sql: &str) -> Option<Misfit> {
        if text.contains('\0') {
            return Some(("nul_byte", "holds a NUL byte, which PostgreSQL cannot keep".into()));
        }
        let too_much = |what: String, holds: String| {
            Some(("does_not_fit", format!("has {what}; the column holds {holds} ({sql})")))
        };
        match self {
            Self::Any | Self::Fraction(_) => None,
            Self::Chars(most) => {
                let length = text.chars().count();
                if length <= *most { None } else { too_much(counted(length, "character"), most.to_string()) }
            }
            Self::Bytes(most) => {
                if text.len() <= *most {
                    None
                } else {
                    too_much(counted(text.len(), "byte"), most.to_string())
                }
            }
            Self::Bits { length, exact } => match bits(text) {
                None => Some(("wrong_type", format!("is not a string of bits ({sql})"))),
                Some(bits) if bits > *length || (*exact && bits < *length) => {
                    let at_most = if *exact { "exactly" } else { "at most" };
                    too_much(counted(bits, "bit"), format!("{at_most} {length}"))
                }
                Some(_) => None,
            },
            Self::Labels(labels) => {
                (!labels.contains(text)).then(|| ("not_allowed", format!("is not one of the labels of {sql}")))
            }
            Self::Decimal { whole, scale } => (!value::numeric_fits_into(text.as_bytes(), *whole, *scale))
                .then(|| ("does_not_fit", misfit_decimal(text.as_bytes(), *whole, *scale, sql))),
            Self::Parses { column_type, fraction } => misfit_parsed(text, kind, *column_type, *fraction, sql),
        }
    }
}

/// A value of a domain over a type elt knows.
fn misfit_parsed(
    text: &str,
    kind: CellKind,
    column_type: ColumnType,
    fraction: Option<u32>,
    sql: &str,
) -> Option<Misfit> {
    let bytes = text.as_bytes();
    if !value::parses(column_type, kind, bytes, None) {
        return Some(("wrong_type", format!("is not a value of {sql} ({column_type})")));
    }
    let inexact = match column_type {
        ColumnType::Double => !value::parse_double(bytes).is_some_and(|number| value::is_exact_double(bytes, number)),
        ColumnType::Real => {
            !value::parse_double(bytes).is_some_and(|number| value::is_exact_real(bytes, number as f32))
        }
        _ => false,
    };
    if inexact {
        return Some(("does_not_fit", more_digits(bytes, sql)));
    }
    let micros = match column_type {
        ColumnType::Time => value::parse_time(bytes),
        ColumnType::Timestamp => value::parse_timestamp(bytes),
        ColumnType::TimestampTz => value::parse_timestamptz(bytes),
        _ => None,
    };
    misfit_micros(micros?, fraction?, sql)
}

fn misfit_micros(micros: i64, digits: u32, sql: &str) -> Option<Misfit> {
    let unit = 10_i64.pow(MICROSECOND_DIGITS.saturating_sub(digits));
    if micros % unit == 0 {
        return None;
    }
    let mut fraction = micros.rem_euclid(1_000_000);
    let mut has = MICROSECOND_DIGITS;
    while fraction % 10 == 0 && has > 0 {
        fraction /= 10;
        has -= 1;
    }
    let has = counted(has as usize, "digit");
    Some(("does_not_fit", format!("has {has} of a second; the column holds {digits} ({sql})")))
}

/// The reason why a decimal has too many digits for a column.
pub fn misfit_decimal(text: &[u8], whole: i64, scale: i64, sql: &str) -> String {
    match value::decimal_digits(text) {
        Some((digits, _)) if digits > whole => {
            format!(
                "has {} before the point; the column holds {} ({sql})",
                counted(digits as usize, "digit"),
                whole.max(0)
            )
        }
        Some((_, digits)) if digits > scale && scale >= 0 => {
            format!(
                "has {} behind the point; the column holds {scale} ({sql})",
                counted(digits.max(0) as usize, "digit")
            )
        }
        Some(_) => format!("has more digits than the column holds ({sql})"),
        None => format!("is not a number ({sql})"),
    }
}

/// The reason why a floating-point column would round a number.
pub fn more_digits(text: &[u8], sql: &str) -> String {
    let digits = value::significant_digits(text);
    format!("has {}, which the column would round ({sql})", counted(digits, "significant digit"))
}

fn is_time(column_type: ColumnType) -> bool {
    matches!(column_type, ColumnType::Time | ColumnType::Timestamp | ColumnType::TimestampTz)
}

/// Most digits of a fraction of a second, from the type's spelling. `None`: the type does not limit them below six.
fn fraction(sql: &str) -> Option<u32> {
    let digits = u32::try_from(*arguments(sql).first()?).ok()?;
    (digits < MICROSECOND_DIGITS).then_some(digits)
}

/// The numbers in a type's parentheses: 10 and 2 of `numeric(10,2)`.
fn arguments(sql: &str) -> Vec<i64> {
    let inside = sql.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
    inside.map_or_else(Vec::new, |(inside, _)| inside.split(',').map_while(|text| text.trim().parse().ok()).collect())
}

/// Number of bits of a bit string, which PostgreSQL also accepts as `b101` and `x1F`. `None`: it is not a bit string.
fn bits(text: &str) -> Option<usize> {
    let (digits, base, bits) = match text.as_bytes().first() {
        Some(b'x' | b'X') => (&text[1..], 16, 4),
        Some(b'b' | b'B') => (&text[1..], 2, 1),
        _ => (text, 2, 1),
    };
    digits.chars().all(|digit| digit.is_digit(base)).then_some(digits.len() * bits)
}

fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn foreign(name: &str, scalar: &str) -> ForeignType {
        let (name, scalar, kind) = (name.into(), scalar.into(), "b".into());
        ForeignType { name, scalar, kind, builtin: true, ..ForeignType::default() }
    }

    fn misfit(name: &str, scalar: &str, text: &str) -> Option<String> {
        let limit = ColumnLimit::of(&SqlType::Other("d".into()), "d", Some(&foreign(name, scalar)));
        limit.misfit_text(text, CellKind::Bare, "d").map(|(_, sentence)| sentence)
    }

    #[test]
    fn a_value_that_would_be_changed_does_not_fit() {
        for (name, scalar, fits, misfits) in [
            ("bpchar", "character(3)", &["ABC", "", "äöü", "AB "][..], &["ABCD", "AB  "][..]),
            ("varchar", "character varying(2)", &["ab"], &["abc"]),
            ("bit", "bit(4)", &["1010", "b1010", "xF"], &["101", "10101", "12", "xFF"]),
            ("varbit", "bit varying(4)", &["1", "1010"], &["10101"]),
            ("char", "\"char\"", &["a", ""], &["ab", "ä"]),
            ("numeric", "numeric(3,-2)", &["12300", "0", "1e4"], &["12345", "100000", "x"]),
            ("numeric", "numeric(3,5)", &["0.00123"], &["0.01", "0.001234"]),
            ("numeric", "numeric(5,2)", &["123.45", "123.450"], &["1234", "1.234"]),
            ("int4", "integer", &["12", "12.0"], &["1.5", "3000000000"]),
            ("float4", "real", &["0.1", "16777216"], &["16777217", "0.123456789"]),
            ("date", "date", &["2024-02-29"], &["2024-02-29 10:00", "2024-02-30"]),
            ("timestamp", "timestamp(0) without time zone", &["2024-01-01 10:00:00"], &["2024-01-01 10:00:00.5"]),
            ("timestamp", "timestamp without time zone", &["2024-01-01 10:00:00.5"], &["2024-01-01 10:00:00+02:00"]),
            ("text", "text", &["anything"], &["a\0b"]),
        ] {
            for text in fits {
                assert_eq!(misfit(name, scalar, text), None, "{scalar} {text}");
            }
            for text in misfits {
                assert!(misfit(name, scalar, text).is_some(), "{scalar} {text}");
            }
        }
        assert!(misfit("name", "name", &"n".repeat(64)).is_some());
    }

    #[test]
    fn the_sentence_has_the_length_and_the_limit_but_not_the_value() {
        assert_eq!(misfit("bpchar", "character(3)", "ABCDE").unwrap(), "has 5 characters; the column holds 3 (d)");
        assert_eq!(misfit("bit", "bit(4)", "1").unwrap(), "has 1 bit; the column holds exactly 4 (d)");
        assert_eq!(
            misfit("numeric", "numeric(5,2)", "1.239").unwrap(),
            "has 3 digits behind the point; the column holds 2 (d)"
        );
        let half = misfit("time", "time(0) without time zone", "10:00:00.5");
        assert_eq!(half.unwrap(), "has 1 digit of a second; the column holds 0 (d)");
    }

    #[test]
    fn times_of_fewer_digits_are_known_by_their_spelling() {
        for (sql, limit) in [
            ("timestamp(0) without time zone", ColumnLimit::Fraction(0)),
            ("timestamp(3) with time zone", ColumnLimit::Fraction(3)),
            ("time(2) without time zone", ColumnLimit::Fraction(2)),
            ("timestamp(6) without time zone", ColumnLimit::Any),
            ("timestamp without time zone", ColumnLimit::Any),
        ] {
            assert_eq!(ColumnLimit::of(&SqlType::from(sql.to_owned()), sql, None), limit, "{sql}");
        }
    }
}
