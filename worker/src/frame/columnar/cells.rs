//! The values of a column as cells: their exact text, and the kind by which inference reads it.

use super::column::{Column, Values};
use super::shape::Shape;
use super::{nested, texts};
use crate::frame::{CellKind, json};

/// Most bytes of a decimal whose digits are written, which are 2,466 digits. The time for a longer one grows with the square of its
/// bytes, so that its bytes are written.
const MAX_DECIMAL_BYTES: usize = 1_024;

/// The reason why a value cannot be a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Problem {
    NotUtf8,
    /// A NUL inside a nested text.
    Nul,
    /// A map that cannot be an object, because a key is missing or is there twice.
    RepeatedKey,
    /// A nested value whose JSON is larger than a row may be.
    TooLarge,
}

impl Column {
    /// Writes the text of a row's value. Returns its kind.
    pub(super) fn cell(&self, row: usize, out: &mut Vec<u8>) -> Result<CellKind, Problem> {
        if self.is_null(row) {
            return Ok(CellKind::Null);
        }
        match &self.shape {
            Shape::List(_) | Shape::Struct(_) | Shape::Map(..) => {
                nested::write(self, row, out)?;
                return Ok(CellKind::Nested);
            }
            _ => {}
        }
        if let Values::Dictionary { keys, values } = &self.values {
            return values.cell(keys.get(row) as usize, out);
        }
        self.scalar(row, out)
    }

    /// Writes a value that is not nested.
    pub(super) fn scalar(&self, row: usize, out: &mut Vec<u8>) -> Result<CellKind, Problem> {
        match &self.values {
            Values::Null | Values::List { .. } | Values::Struct(_) => return Ok(CellKind::Null),
            Values::Dictionary { keys, values } => return values.cell(keys.get(row) as usize, out),
            Values::Boolean(array) => {
                out.extend_from_slice(if array.value(row) { b"true" } else { b"false" });
                return Ok(CellKind::Bool);
            }
            Values::Ints(ints) => return Ok(self.of_integer(ints.get(row), out)),
            Values::Half(values) => texts::real(values[row], out),
            Values::Real(array) => texts::real(array.value(row), out),
            Values::Double(array) => texts::double(array.value(row), out),
            Values::Wide(array) => texts::decimal(array.value(row), self.scale(), out),
            Values::MonthsDaysNanos(array) => {
                let value = array.value(row);
                texts::interval(value.months().into(), value.days().into(), value.ns().into(), out);
                return Ok(CellKind::String);
            }
            Values::Bytes(bytes) => return self.of_bytes(bytes.get(row), bytes.is_utf8(), out),
        }
        Ok(CellKind::Number)
    }

    fn scale(&self) -> usize {
        match self.shape {
            Shape::Decimal { scale, .. } => scale,
            _ => 0,
        }
    }

    fn of_integer(&self, value: i64, out: &mut Vec<u8>) -> CellKind {
        match self.shape {
            Shape::Decimal { scale, .. } => texts::decimal(value.into(), scale, out),
            Shape::Integer { signed: false, bits } => {
                let bits = u32::from(bits).clamp(1, 64);
                texts::unsigned(value.cast_unsigned() & (u64::MAX >> (64 - bits)), out);
            }
            Shape::Date => return string(out, |out| texts::date(value, out)),
            Shape::DateMillis if value.rem_euclid(86_400_000) == 0 => {
                return string(out, |out| texts::date(value.div_euclid(86_400_000), out));
            }
            Shape::DateMillis => return string(out, |out| texts::timestamp(value, texts::Unit::Milli, false, out)),
            Shape::Time(unit) => return string(out, |out| texts::time(value, unit, out)),
            Shape::Timestamp { unit, zoned } => return string(out, |out| texts::timestamp(value, unit, zoned, out)),
            Shape::Duration(unit) => return string(out, |out| texts::duration(value, unit, out)),
            Shape::Interval => return string(out, |out| texts::interval(value, 0, 0, out)),
            _ => texts::integer(value, out),
        }
        CellKind::Number
    }

    fn of_bytes(&self, bytes: &[u8], is_utf8: bool, out: &mut Vec<u8>) -> Result<CellKind, Problem> {
        match self.shape {
            Shape::Decimal { scale, .. } if bytes.len() <= MAX_DECIMAL_BYTES => {
                texts::decimal_bytes(bytes, scale, out);
                return Ok(CellKind::Number);
            }
            Shape::Decimal { .. } => texts::binary(bytes, out),
            Shape::HalfBytes => {
                texts::real(texts::half(bytes.try_into().map_or(0, u16::from_le_bytes)), out);
                return Ok(CellKind::Number);
            }
            Shape::JulianTimestamp => texts::julian_timestamp(bytes, out),
            Shape::IntervalBytes => interval_bytes(bytes, out),
            Shape::Interval => days_and_millis(bytes, out),
            Shape::Binary => texts::binary(bytes, out),
            Shape::Uuid => texts::uuid(bytes, out),
            _ => {
                if !is_utf8 && simdutf8::basic::from_utf8(bytes).is_err() {
                    return Err(Problem::NotUtf8);
                }
                out.extend_from_slice(bytes);
                if self.shape == Shape::Json && json::is_document(bytes) {
                    return Ok(CellKind::Nested);
                }
            }
        }
        Ok(CellKind::String)
    }
}

fn string(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> CellKind {
    write(out);
    CellKind::String
}

/// Writes Arrow's interval of days and milliseconds: two whole numbers.
fn days_and_millis(bytes: &[u8], out: &mut Vec<u8>) {
    let part = |at: usize| bytes.get(at..at + 4).and_then(|part| part.try_into().ok()).map_or(0, i32::from_le_bytes);
    texts::interval(0, part(0).into(), i128::from(part(4)) * 1_000_000, out);
}

/// Writes Parquet's INTERVAL: three whole numbers without a sign.
fn interval_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    let part = |at: usize| bytes.get(at..at + 4).and_then(|part| part.try_into().ok()).map_or(0, u32::from_le_bytes);
    texts::interval(part(0).into(), part(4).into(), i128::from(part(8)) * 1_000_000, out);
}
