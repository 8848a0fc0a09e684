//! Functions that polars does not have, or does not have exactly: numbers without rounding, JSON, and dates. Numbers and dates
//! are kept as texts: numbers in decimal digits, dates as `2024-02-29` and timestamps as `2024-02-29T23:59:59.000000`.

use std::cmp::Ordering;
use std::collections::HashSet;

use chrono::{DateTime, NaiveDate};
use elt_shared::config::NumberFormat;
use elt_shared::config::expression::{CastTo, Comparison, Function};
use elt_shared::json_path::JsonPath;
use polars::prelude::{
    BooleanChunkedBuilder, ChunkedBuilder, Column, DataType, Field, IntoColumn, IntoSeries, PolarsResult, Schema,
    StringChunked, StringChunkedBuilder,
};
use polars_lazy::dsl::Expr;

use super::json;
use super::number::Number;
use crate::frame::CellKind;
use crate::frame::value::{self, LocalNumber, TimeFormat};

/// The first day that a date has four digits of a year for, and the day after the last one, in days since 1970.
const DAYS: std::ops::Range<i32> = -719_162..2_932_897;
const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Computes a text from a text. `None` is NULL.
pub(super) fn map(of: Expr, compute: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Expr {
    of.map(
        move |column| {
            let texts = texts(&column)?;
            let mut out = StringChunkedBuilder::new(column.name().clone(), texts.len());
            for text in texts.iter() {
                out.append_option(text.and_then(&compute));
            }
            Ok(out.finish().into_series().into_column())
        },
        |_: &Schema, field: &Field| Ok(Field::new(field.name().clone(), DataType::String)),
    )
}

/// Computes true or false from a text. `None` is NULL.
fn test(of: Expr, compute: impl Fn(&str) -> Option<bool> + Send + Sync + 'static) -> Expr {
    of.map(
        move |column| {
            let texts = texts(&column)?;
            let mut out = BooleanChunkedBuilder::new(column.name().clone(), texts.len());
            for text in texts.iter() {
                out.append_option(text.and_then(&compute));
            }
            Ok(out.finish().into_series().into_column())
        },
        |_: &Schema, field: &Field| Ok(Field::new(field.name().clone(), DataType::Boolean)),
    )
}

fn texts(column: &Column) -> PolarsResult<StringChunked> {
    Ok(column.as_materialized_series().str()?.clone())
}

/// Two columns of texts, of which one may have a single row that holds for all rows of the other.
struct Pair(StringChunked, StringChunked);

impl Pair {
    fn of(columns: &[Column]) -> PolarsResult<Self> {
        Ok(Self(texts(&columns[0])?, texts(&columns[1])?))
    }

    fn rows(&self) -> usize {
        if self.0.len() == 1 { self.1.len() } else { self.0.len() }
    }

    /// The numbers of a row. `None`: one of them is NULL.
    fn numbers(&self, row: usize) -> Option<(Number, Number)> {
        let at = |texts: &StringChunked| Number::parse(texts.get(if texts.len() == 1 { 0 } else { row })?);
        Some((at(&self.0)?, at(&self.1)?))
    }
}

/// `+ - * / %`. NULL where the result has too many digits, or the divisor is zero.
pub(super) fn arithmetic(function: &Function, one: Expr, other: Expr) -> Expr {
    let compute: fn(Number, Number) -> Option<Number> = match function {
        Function::Add => Number::add,
        Function::Subtract => |one, other| one.add(other.negated()),
        Function::Multiply => Number::multiply,
        Function::Divide => Number::divide,
        _ => Number::remainder,
    };
    one.map_many(
        move |columns| {
            let pair = Pair::of(columns)?;
            let mut out = StringChunkedBuilder::new(columns[0].name().clone(), pair.rows());
            for row in 0..pair.rows() {
                let result = pair.numbers(row).and_then(|(one, other)| compute(one, other));
                out.append_option(result.map(|number| number.to_string()));
            }
            Ok(out.finish().into_series().into_column())
        },
        &[other],
        |_: &Schema, fields: &[Field]| Ok(Field::new(fields[0].name().clone(), DataType::String)),
    )
}

/// Compares two numbers by their values.
pub(super) fn compare_numbers(comparison: Comparison, one: Expr, other: Expr) -> Expr {
    let holds: fn(Ordering) -> bool = match comparison {
        Comparison::Equal => Ordering::is_eq,
        Comparison::NotEqual => Ordering::is_ne,
        Comparison::Less => Ordering::is_lt,
        Comparison::LessOrEqual => Ordering::is_le,
        Comparison::Greater => Ordering::is_gt,
        Comparison::GreaterOrEqual => Ordering::is_ge,
    };
    one.map_many(
        move |columns| {
            let pair = Pair::of(columns)?;
            let mut out = BooleanChunkedBuilder::new(columns[0].name().clone(), pair.rows());
            for row in 0..pair.rows() {
                out.append_option(pair.numbers(row).map(|(one, other)| holds(one.compare(other))));
            }
            Ok(out.finish().into_series().into_column())
        },
        &[other],
        |_: &Schema, fields: &[Field]| Ok(Field::new(fields[0].name().clone(), DataType::Boolean)),
    )
}

/// A function of one number.
pub(super) fn number(function: &Function, of: Expr) -> Expr {
    let function = function.clone();
    map(of, move |text| {
        let number = Number::parse(text)?;
        let result = match function {
            Function::Negate => number.negated(),
            Function::Absolute => number.absolute(),
            Function::Ceil => number.ceil(),
            Function::Round(scale) => number.round(scale),
            _ => number.floor(),
        };
        Some(result.to_string())
    })
}

/// Whether a value is one of these. Numbers are compared by their values.
pub(super) fn is_in(of: Expr, values: &[String], numbers: bool) -> Expr {
    let canonical = |text: &str| Number::parse(text).map(Number::canonical);
    if numbers {
        let values: HashSet<String> = values.iter().filter_map(|value| canonical(value)).collect();
        return test(of, move |text| canonical(text).map(|text| values.contains(&text)));
    }
    let values: HashSet<String> = values.iter().cloned().collect();
    test(of, move |text| Some(values.contains(text)))
}

/// The number that a text is, in the format in which its file writes numbers.
fn parsed(text: &str, format: Option<NumberFormat>) -> Option<Number> {
    let Some(format) = format else { return Number::parse(text) };
    let mut plain = Vec::new();
    match value::plain(format, CellKind::Bare, text.as_bytes(), &mut plain) {
        LocalNumber::Plain => Number::parse(std::str::from_utf8(&plain).ok()?),
        LocalNumber::Word => Number::parse(text),
        LocalNumber::Other => None,
    }
}

/// A text as a value of another type. NULL where it is not a value of that type. `format`: the way in which the file writes numbers.
pub(super) fn cast(of: Expr, to: CastTo, format: Option<NumberFormat>) -> Expr {
    match to {
        CastTo::Text => of,
        CastTo::Boolean => test(of, |text| value::parse_boolean(text.as_bytes())),
        CastTo::Date => map(of, |text| iso_date(value::parse_date(text.as_bytes())?)),
        CastTo::Timestamp => map(of, |text| iso_timestamp(value::parse_timestamp(text.as_bytes())?)),
        CastTo::Number => map(of, move |text| parsed(text, format).map(|number| number.to_string())),
        CastTo::Whole(bytes) => map(of, move |text| {
            let limit = 1_i128 << (8 * bytes - 1);
            let whole = parsed(text, format)?.whole()?;
            (-limit..limit).contains(&whole).then(|| whole.to_string())
        }),
        CastTo::Decimal(digits, scale) => {
            map(of, move |text| parsed(text, format)?.decimal(digits, scale).map(|number| number.to_string()))
        }
    }
}

/// A text in a strftime format as a date or timestamp. NULL where it does not have that format.
pub(super) fn date_as(of: Expr, format: String, with_time: bool) -> Expr {
    map(of, move |text| {
        let format = TimeFormat::new(&format)?;
        match with_time {
            true => iso_timestamp(format.timestamp(text.as_bytes())?),
            false => iso_date(format.date(text.as_bytes())?),
        }
    })
}

fn iso_date(days: i32) -> Option<String> {
    let date = NaiveDate::from_epoch_days(days).filter(|_| DAYS.contains(&days))?;
    Some(date.format("%Y-%m-%d").to_string())
}

fn iso_timestamp(micros: i64) -> Option<String> {
    let days = i32::try_from(micros.div_euclid(MICROS_PER_DAY)).ok()?;
    let stamp = DateTime::from_timestamp_micros(micros).filter(|_| DAYS.contains(&days))?;
    Some(stamp.format("%Y-%m-%dT%H:%M:%S%.6f").to_string())
}

/// The timestamp at the beginning of a date.
pub(super) fn midnight(date: &str) -> Option<String> {
    Some(format!("{date}T00:00:00.000000"))
}

/// The date of a timestamp.
pub(super) fn day(timestamp: &str) -> Option<String> {
    timestamp.get(..10).map(str::to_owned)
}

/// A timestamp as it is loaded: without a fraction that is zero.
pub(super) fn shown_timestamp(timestamp: &str) -> Option<String> {
    let whole = timestamp.trim_end_matches('0');
    Some(whole.strip_suffix('.').unwrap_or(whole).to_owned())
}

/// The value at a path of a JSON document.
pub(super) fn json_value(of: Expr, path: JsonPath) -> Expr {
    map(of, move |text| json::value(text, path.steps()))
}

/// Whether a text is JSON.
pub(super) fn is_json(of: Expr) -> Expr {
    test(of, |text| Some(json::is_json(text)))
}

/// The character at which a text begins, counted from 1, or 0.
pub(super) fn position(of: Expr, sought: String) -> Expr {
    map(of, move |text| {
        let characters = text.find(&sought).map_or(0, |at| text[..at].chars().count() + 1);
        Some(characters.to_string())
    })
}

/// A part of a text, counted from 1, or from -1 at its end. NULL where there are fewer parts.
pub(super) fn split_part(of: Expr, by: String, part: i32) -> Expr {
    let skipped = part.unsigned_abs() as usize - 1;
    map(of, move |text| {
        let found = if part > 0 { text.split(&by).nth(skipped) } else { text.rsplit(&by).nth(skipped) };
        found.map(str::to_owned)
    })
}
