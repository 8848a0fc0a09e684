//! The rules of a contract for the values of a column, beside their type: nullable, enum, min, max, pattern.

use std::cmp::Ordering;
use std::collections::HashSet;

use elt_shared::config::{ColumnContract, ColumnType};
use elt_shared::explained::{Code, Explained};
use regex::bytes::Regex;

use super::cells::{Canonical, Cells};
use super::{SqlType, Typing};
use crate::error::{PipelineError, Result};
use crate::frame::value::{self, TimeFormat};

/// The rules of one column. Values are compared by their canonical texts, not as they are written in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Whether NULL breaks the rules.
    pub not_null: bool,
    how: Canonical,
    allowed: Option<HashSet<Vec<u8>>>,
    min: Option<Bound>,
    max: Option<Bound>,
    pattern: Option<Pattern>,
}

/// A regular expression that every value must match as a whole.
#[derive(Debug, Clone)]
struct Pattern(Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Bound {
    canonical: Vec<u8>,
    written: String,
}

/// A rule that was broken: its code, and a sentence.
pub type Broken = (Code, String);

impl Rules {
    /// The rules a contract sets.
    ///
    /// # Errors
    /// When a bound, an allowed value or the pattern is invalid for the column's type.
    pub fn of(contract: &ColumnContract) -> Result<Self> {
        let typing = &Typing::declared(contract.column_type, contract.format.clone());
        let how = Canonical::of(&typing.sql_type);
        let read = |key: &str, text: &str| {
            canonical_of(text, typing, how).ok_or_else(|| {
                let message =
                    format!("schema.columns.{}.{key}: {text:?} is not a valid {}", contract.name, typing.sql_type);
                let next_step = format!("Write `{key}` as a value of the column's type.");
                PipelineError::Contract(Explained { code: Code::SchemaValue, message, next_step })
            })
        };
        let bound = |key: &str, text: &Option<String>| {
            let bound = |text: &String| read(key, text).map(|canonical| Bound { canonical, written: text.clone() });
            text.as_ref().map(bound).transpose()
        };
        let allowed = contract.allowed.as_ref();
        let pattern = contract.pattern.as_ref().map(|pattern| {
            Regex::new(&format!("^(?:{pattern})$")).map(Pattern).map_err(|error| {
                PipelineError::Contract(Explained {
                    code: Code::SchemaValue,
                    message: format!("schema.columns.{}.pattern: {error}", contract.name),
                    next_step: "Correct the regular expression.".into(),
                })
            })
        });
        Ok(Self {
            not_null: !contract.nullable,
            how,
            allowed: allowed.map(|all| all.iter().map(|text| read("enum", text)).collect()).transpose()?,
            min: bound("min", &contract.min)?,
            max: bound("max", &contract.max)?,
            pattern: pattern.transpose()?,
        })
    }

    /// The rules of a column that only forbid NULL.
    pub fn not_null() -> Self {
        Self { not_null: true, how: Canonical::Text, allowed: None, min: None, max: None, pattern: None }
    }

    /// Whether a value that is not NULL can break a rule.
    pub fn apply_to_values(&self) -> bool {
        self.allowed.is_some() || self.min.is_some() || self.max.is_some() || self.pattern.is_some()
    }

    /// The first rule a value that is not NULL breaks. `written` is the cell as it stands in the file.
    pub fn broken(&self, cells: Cells<'_>, row: usize, written: &[u8], scratch: &mut Vec<u8>) -> Option<Broken> {
        scratch.clear();
        cells.canonical(row, self.how, scratch);
        if let Cells::Text(_) = cells
            && !matches!(self.how, Canonical::Text | Canonical::Number | Canonical::Json)
        {
            let text = std::mem::take(scratch);
            self.how.of_text(&text, scratch);
        }
        if self.allowed.as_ref().is_some_and(|allowed| !allowed.contains(scratch)) {
            return Some((Code::NotAllowed, "is not one of the values `enum` allows".into()));
        }
        if let Some(min) = &self.min
            && compare(self.how, scratch, &min.canonical) == Some(Ordering::Less)
        {
            return Some((Code::BelowMin, format!("is below `min`, {}", min.written)));
        }
        if let Some(max) = &self.max
            && compare(self.how, scratch, &max.canonical) == Some(Ordering::Greater)
        {
            return Some((Code::AboveMax, format!("is above `max`, {}", max.written)));
        }
        if self.pattern.as_ref().is_some_and(|pattern| !pattern.0.is_match(written)) {
            return Some((Code::Pattern, "does not match `pattern`".into()));
        }
        None
    }
}

fn canonical_of(text: &str, typing: &Typing, how: Canonical) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    if let (Some(format), SqlType::Known(column_type)) = (&typing.format, &typing.sql_type)
        && let Some(format) = TimeFormat::new(format)
    {
        let iso = match column_type {
            ColumnType::Date => format.date(text.as_bytes()).map(|days| i64::from(days) * 86_400_000_000),
            ColumnType::Timestamp => format.timestamp(text.as_bytes()),
            ColumnType::TimestampTz => format.timestamptz(text.as_bytes()),
            _ => None,
        };
        if let Some(stamp) = iso.and_then(chrono::DateTime::from_timestamp_micros) {
            how.of_text(stamp.naive_utc().format("%Y-%m-%dT%H:%M:%S%.f").to_string().as_bytes(), &mut out);
            return Some(out);
        }
    }
    let column_type = typing.sql_type.known()?;
    // A bound is read without the limits of length and scale, because these are limits for the values.
    let column_type = match column_type {
        ColumnType::Numeric(_) | ColumnType::SmallInt | ColumnType::Integer | ColumnType::BigInt => {
            ColumnType::Numeric(None)
        }
        ColumnType::Varchar(_) => ColumnType::Text,
        other => other,
    };
    value::parses(column_type, crate::frame::CellKind::Bare, text.as_bytes(), None)
        .then(|| how.of_text(text.as_bytes(), &mut out))?;
    Some(out)
}

/// Compares two canonical texts of one type.
fn compare(how: Canonical, left: &[u8], right: &[u8]) -> Option<Ordering> {
    match how {
        Canonical::Number => Some(compare_decimals(left, right)),
        Canonical::Real | Canonical::Double => value::parse_double(left)?.partial_cmp(&value::parse_double(right)?),
        Canonical::Boolean | Canonical::Json => None,
        // Dates and times of four-digit years sort as their texts do; fractions have no trailing zeros.
        Canonical::Date | Canonical::Time | Canonical::Timestamp | Canonical::TimestampTz => {
            Some(strip_zone(left).cmp(strip_zone(right)))
        }
        Canonical::Uuid | Canonical::Text => Some(left.cmp(right)),
    }
}

fn strip_zone(text: &[u8]) -> &[u8] {
    text.strip_suffix(b"Z").unwrap_or(text)
}

/// Compares two canonical decimals of any length.
fn compare_decimals(left: &[u8], right: &[u8]) -> Ordering {
    let (left_negative, left) = sign(left);
    let (right_negative, right) = sign(right);
    match (left_negative, right_negative) {
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => compare_positive(left, right),
        (true, true) => compare_positive(right, left),
    }
}

fn sign(text: &[u8]) -> (bool, &[u8]) {
    text.strip_prefix(b"-").map_or((false, text), |rest| (true, rest))
}

fn compare_positive(left: &[u8], right: &[u8]) -> Ordering {
    let split = |text: &'_ [u8]| text.iter().position(|&byte| byte == b'.').unwrap_or(text.len());
    let (left_whole, left_fraction) = left.split_at(split(left));
    let (right_whole, right_fraction) = right.split_at(split(right));
    left_whole
        .len()
        .cmp(&right_whole.len())
        .then_with(|| left_whole.cmp(right_whole))
        .then_with(|| left_fraction.cmp(right_fraction))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_compare_by_value() {
        let sorted = ["-100", "-12.5", "-12", "-0.5", "0", "0.05", "0.5", "9", "10", "10.01", "99999999999999999999"];
        for (index, left) in sorted.iter().enumerate() {
            for (other, right) in sorted.iter().enumerate() {
                assert_eq!(compare_decimals(left.as_bytes(), right.as_bytes()), index.cmp(&other), "{left} {right}");
            }
        }
    }

    #[test]
    fn times_compare_with_and_without_fractions() {
        let (whole, more) = (b"2024-01-01T00:00:00Z", b"2024-01-01T00:00:00.5Z");
        assert_eq!(compare(Canonical::TimestampTz, whole, more), Some(Ordering::Less));
    }
}
