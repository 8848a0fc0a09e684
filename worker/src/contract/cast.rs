//! The conversion of the cells of one column to one type.

use elt_shared::config::ColumnType;
use elt_shared::explained::Code;
use polars::prelude::{
    BooleanChunkedBuilder, ChunkedBuilder, Float64Type, Int32Type, Int64Type, IntoSeries, PolarsNumericType,
    PrimitiveChunkedBuilder, Series, StringChunkedBuilder, TimeUnit,
};

use super::convert::{Violation, shown};
use super::foreign::ForeignType;
use super::{Typing, column_limits};
use crate::error::{PipelineError, Result};
use crate::frame::value::{self, TimeFormat};
use crate::frame::{CellKind, RawColumn};

/// Converts one column of a batch to one type.
pub struct Cast<'a> {
    column: usize,
    typing: &'a Typing,
    format: Option<TimeFormat<'a>>,
    /// Whether a cell that parses is a value of the type, because nothing else is required or the first pass tested the rest.
    parsing_is_enough: bool,
    tokens: bool,
    /// The catalog's description of a type that elt does not convert to.
    pub foreign: Option<&'a ForeignType>,
    /// The cells as they are written in the file, for the reasons of violations. `None`: the converted cells are these.
    pub written: Option<&'a RawColumn>,
    violations: &'a mut Vec<Violation>,
}

impl<'a> Cast<'a> {
    /// `proven`: the profile showed that every cell is a value of the type; `tokens`: the file uses the default null tokens.
    pub fn new(
        column: usize,
        typing: &'a Typing,
        proven: bool,
        tokens: bool,
        violations: &'a mut Vec<Violation>,
    ) -> Self {
        let format = typing.format.as_deref().and_then(TimeFormat::new);
        let parsing_is_enough = proven || typing.declared;
        Self { column, typing, format, parsing_is_enough, tokens, foreign: None, written: None, violations }
    }

    /// Converts the cells. A cell that does not convert becomes NULL and a violation.
    pub fn series(&mut self, name: &str, source: &RawColumn) -> Result<Series> {
        let text = simdutf8::basic::from_utf8(&source.bytes)
            .map_err(|_| PipelineError::Internal("a column's cells are not UTF-8".into()))?;
        let Some(column_type) = self.typing.sql_type.known() else {
            return Ok(self.foreign_texts(name, source, text));
        };
        // Only a declared type can lose digits, because `real` and `double` are inferred from values that they hold
        // exactly.
        let declared = self.typing.declared;
        Ok(match column_type {
            ColumnType::Boolean => self.booleans(name, source),
            ColumnType::SmallInt => self.integers(name, source, i64::from(i16::MIN), i64::from(i16::MAX)),
            ColumnType::Integer => self.integers(name, source, i64::from(i32::MIN), i64::from(i32::MAX)),
            ColumnType::BigInt => self.integers(name, source, i64::MIN, i64::MAX),
            ColumnType::Real => self.values::<Float64Type>(name, source, |_, bytes| {
                let number = value::parse_double(bytes)?;
                let fits = !number.is_finite() || (number as f32).is_finite();
                (fits && (!declared || value::is_exact_real(bytes, number as f32))).then_some(number)
            }),
            ColumnType::Double => self.values::<Float64Type>(name, source, |_, bytes| {
                value::parse_double(bytes).filter(|number| !declared || value::is_exact_double(bytes, *number))
            }),
            ColumnType::Date => {
                let days = self.values::<Int32Type>(name, source, |format, bytes| match format {
                    Some(format) => format.date(bytes),
                    None => value::parse_date(bytes),
                });
                days.i32().map_err(internal)?.clone().into_date().into_series()
            }
            ColumnType::Time => {
                let micros = self.values::<Int64Type>(name, source, |_, bytes| value::parse_time(bytes));
                (micros.i64().map_err(internal)?.clone() * 1_000).into_time().into_series()
            }
            ColumnType::Timestamp => {
                let micros = self.values::<Int64Type>(name, source, |format, bytes| match format {
                    Some(format) => format.timestamp(bytes),
                    None => value::parse_timestamp(bytes),
                });
                micros.i64().map_err(internal)?.clone().into_datetime(TimeUnit::Microseconds, None).into_series()
            }
            ColumnType::TimestampTz => {
                let micros = self.values::<Int64Type>(name, source, |format, bytes| match format {
                    Some(format) => format.timestamptz(bytes),
                    None => value::parse_timestamptz(bytes),
                });
                micros.i64().map_err(internal)?.clone().into_datetime(TimeUnit::Microseconds, None).into_series()
            }
            ColumnType::Numeric(limits) => self.texts(name, source, text, move |_, text| {
                value::numeric_fits(text.as_bytes(), limits).then(|| text.trim_matches([' ', '\t']).into())
            }),
            ColumnType::Uuid => self.texts(name, source, text, |_, text| {
                value::parse_uuid(text.as_bytes()).map(|uuid| uuid.to_string().into())
            }),
            ColumnType::Json => self.texts(name, source, text, json_text),
            ColumnType::Text => self.plain_texts(name, source, text, usize::MAX),
            ColumnType::Varchar(length) => self.plain_texts(name, source, text, length as usize),
        })
    }

    fn integers(&mut self, name: &str, source: &RawColumn, low: i64, high: i64) -> Series {
        self.values::<Int64Type>(name, source, |_, bytes| {
            value::parse_bigint(bytes).filter(|value| (low..=high).contains(value))
        })
    }

    fn values<T: PolarsNumericType>(
        &mut self,
        name: &str,
        source: &RawColumn,
        parse: impl Fn(Option<&TimeFormat<'_>>, &[u8]) -> Option<T::Native>,
    ) -> Series
    where
        polars::prelude::ChunkedArray<T>: IntoSeries,
    {
        let rows = source.ends.len();
        let mut builder = PrimitiveChunkedBuilder::<T>::new(name.into(), rows);
        for row in 0..rows {
            let (kind, bytes) = source.cell(row);
            if value::is_missing(kind, bytes, self.tokens) {
                builder.append_null();
                continue;
            }
            match parse(self.format.as_ref(), bytes) {
                Some(value) if self.parsing_is_enough || self.accepts(kind, bytes) => builder.append_value(value),
                _ => {
                    builder.append_null();
                    self.refuse(row, bytes);
                }
            }
        }
        builder.finish().into_series()
    }

    fn booleans(&mut self, name: &str, source: &RawColumn) -> Series {
        let rows = source.ends.len();
        let mut builder = BooleanChunkedBuilder::new(name.into(), rows);
        for row in 0..rows {
            let (kind, bytes) = source.cell(row);
            if value::is_missing(kind, bytes, self.tokens) {
                builder.append_null();
                continue;
            }
            match value::parse_boolean(bytes) {
                Some(value) if self.parsing_is_enough || self.accepts(kind, bytes) => builder.append_value(value),
                _ => {
                    builder.append_null();
                    self.refuse(row, bytes);
                }
            }
        }
        builder.finish().into_series()
    }

    /// Converts the cells of a type that is sent as text. `keep` returns the text to send; `None`: it is not a value.
    fn texts<'t>(
        &mut self,
        name: &str,
        source: &RawColumn,
        text: &'t str,
        keep: impl Fn(CellKind, &'t str) -> Option<std::borrow::Cow<'t, str>>,
    ) -> Series {
        let rows = source.ends.len();
        let mut builder = StringChunkedBuilder::new(name.into(), rows);
        let mut start = 0;
        for row in 0..rows {
            let end = source.ends[row] as usize;
            let (kind, cell) = (source.kinds[row], &text[start..end]);
            start = end;
            if value::is_missing(kind, cell.as_bytes(), self.tokens) {
                builder.append_null();
                continue;
            }
            match keep(kind, cell) {
                Some(kept) if self.parsing_is_enough || self.accepts(kind, cell.as_bytes()) => {
                    builder.append_value(&kept)
                }
                _ => {
                    builder.append_null();
                    self.refuse(row, cell.as_bytes());
                }
            }
        }
        builder.finish().into_series()
    }

    /// Keeps texts that the server converts. Null tokens such as `NA` are values in a column of texts and in an enum
    /// that has such a label.
    fn foreign_texts(&mut self, name: &str, source: &RawColumn, text: &str) -> Series {
        let rows = source.ends.len();
        let foreign = self.foreign;
        let is_value = |cell: &str| {
            foreign.is_some_and(|of| of.is_text() || (of.is_enum() && of.labels.iter().any(|label| label == cell)))
        };
        let mut builder = StringChunkedBuilder::new(name.into(), rows);
        let mut start = 0;
        for row in 0..rows {
            let end = source.ends[row] as usize;
            let (kind, cell) = (source.kinds[row], &text[start..end]);
            start = end;
            let missing =
                kind == CellKind::Null || (value::is_missing(kind, cell.as_bytes(), self.tokens) && !is_value(cell));
            if missing { builder.append_null() } else { builder.append_value(cell) }
        }
        builder.finish().into_series()
    }

    /// Keeps texts as they are. Only a missing cell becomes NULL, and only a text with a NUL byte is a violation.
    fn plain_texts(&mut self, name: &str, source: &RawColumn, text: &str, longest: usize) -> Series {
        let rows = source.ends.len();
        let nul = memchr::memchr(0, text.as_bytes()).is_some();
        let mut builder = StringChunkedBuilder::new(name.into(), rows);
        let mut start = 0;
        for row in 0..rows {
            let end = source.ends[row] as usize;
            let cell = &text[start..end];
            start = end;
            if source.kinds[row] == CellKind::Null {
                builder.append_null();
            } else if cell.len() > longest && cell.chars().count() > longest {
                builder.append_null();
                self.refuse(row, cell.as_bytes());
            } else if nul && cell.contains('\0') {
                builder.append_null();
                let reason = "holds a NUL byte, which PostgreSQL cannot keep".into();
                self.violations.push(Violation::of_contract(row, self.column, Code::NulByte, reason));
            } else {
                builder.append_value(cell);
            }
        }
        builder.finish().into_series()
    }

    fn accepts(&self, kind: CellKind, bytes: &[u8]) -> bool {
        self.typing.accepts(kind, bytes, self.format.as_ref())
    }

    #[cold]
    fn refuse(&mut self, row: usize, bytes: &[u8]) {
        let written = shown(self.written.map_or(bytes, |written| written.cell(row).1));
        let sql_type = &self.typing.sql_type;
        let reason = match &self.typing.format {
            Some(formats) if self.format.as_ref().is_some_and(|format| format.is_read_twice(bytes)) => {
                let formats = formats.replace('\n', " and ");
                format!("{written} is another {sql_type} in each of the formats {formats}")
            }
            Some(formats) => {
                format!("{written} is not a valid {sql_type} in the format {}", formats.replace('\n', " or "))
            }
            None => format!("{written} is not a valid {sql_type}"),
        };
        let violation = Violation::of_contract(row, self.column, Code::WrongType, reason);
        self.violations.push(match self.too_much(bytes) {
            Some(rule) => {
                Violation { reason: format!("{}: it {rule}", violation.reason), rule: Some(rule), ..violation }
            }
            None => violation,
        });
    }
}

impl Cast<'_> {
    /// The end of a sentence about a value that is too long, too large or too precise for the column. `None`: it is not
    /// a value of a wider type either.
    fn too_much(&self, bytes: &[u8]) -> Option<String> {
        let column_type = self.typing.sql_type.known()?;
        let sql = column_type.to_string();
        match column_type {
            ColumnType::Varchar(most) => {
                let length = String::from_utf8_lossy(bytes).chars().count();
                Some(format!("has {length} characters; the column holds {most} ({sql})"))
            }
            ColumnType::Numeric(Some((precision, scale))) if value::numeric_fits(bytes, None) => {
                let whole = i64::from(precision) - i64::from(scale);
                Some(column_limits::misfit_decimal(bytes, whole, i64::from(scale), &sql))
            }
            ColumnType::SmallInt | ColumnType::Integer | ColumnType::BigInt if value::numeric_fits(bytes, None) => {
                let (_, decimals) = value::decimal_digits(bytes)?;
                Some(if decimals > 0 {
                    format!("has decimals; the column holds whole numbers ({sql})")
                } else {
                    format!("is out of range ({sql})")
                })
            }
            ColumnType::Real | ColumnType::Double => {
                let number = value::parse_double(bytes).filter(|number| number.is_finite())?;
                let too_large = column_type == ColumnType::Real && !(number as f32).is_finite();
                (!too_large).then(|| column_limits::more_digits(bytes, &sql))
            }
            ColumnType::Time if self.format.is_none() => value::why_no_time(bytes, value::parse_time),
            ColumnType::Timestamp if self.format.is_none() => value::why_no_time(bytes, value::parse_timestamp),
            ColumnType::TimestampTz if self.format.is_none() => value::why_no_time(bytes, value::parse_timestamptz),
            _ => None,
        }
    }
}

/// A cell as a JSON document, which a JSON string is, too. `None`: PostgreSQL cannot store it.
fn json_text(kind: CellKind, cell: &str) -> Option<std::borrow::Cow<'_, str>> {
    if kind == CellKind::String {
        return if cell.contains('\0') { None } else { serde_json::to_string(cell).ok().map(Into::into) };
    }
    value::is_json(cell.as_bytes()).then(|| cell.into())
}

fn internal(error: polars::prelude::PolarsError) -> PipelineError {
    PipelineError::Internal(format!("a column has another type than it was made with: {error}"))
}
