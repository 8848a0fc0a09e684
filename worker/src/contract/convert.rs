//! A batch of raw cells becomes a batch of typed ones. Every row that breaks the contract gets a violation with the reason.

use std::sync::Arc;

use elt_shared::config::ColumnType;
use elt_shared::explained::Code;
use polars::prelude::{Column as FrameColumn, DataFrame, IntoColumn, Series, TimeUnit};

use super::cast::Cast;
use super::cells::{Canonical, Cells};
use super::column_limits::ColumnLimit;
use super::layout::{Column, Layout};
use super::local_numbers::plain_cells;
use super::{SqlType, Typing};
use crate::error::{PipelineError, Result};
use crate::frame::{CellKind, RawBatch, RawColumn};

/// Most characters of a value that are shown.
const SHOWN_CHARS: usize = 80;

/// Some rows of one file in the types of the target.
pub struct TypedBatch {
    /// One column for each column of the layout. A cell that does not convert is NULL here and a violation.
    pub frame: DataFrame,
    /// The rows as they were read.
    pub raw: RawBatch,
    /// Index of the raw column that each column of the layout comes from. `None`: the file has no such column.
    pub places: Arc<Vec<Option<usize>>>,
    /// Rows that break the contract, in the order of the rows, each with its first violation.
    pub violations: Vec<Violation>,
}

/// The reason why a row breaks the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Index of the row in the batch.
    pub row: usize,
    /// Column of the layout; `None`: the violation is about the whole row.
    pub column: Option<usize>,
    /// Stable code. Of the contract: `wrong_type`, `does_not_fit`, `null_not_allowed`, `null_key`, `not_allowed`, `below_min`,
    /// `above_max`, `pattern`, `nul_byte`. Of the table: `check`, `foreign_key`, `unique`, `exclusion`, `trigger`,
    /// `key_too_long`, `too_long`, `encoding`, `refused`.
    pub code: Code,
    /// A sentence about the value, without the column's name. It may show the value.
    pub reason: String,
    /// The same sentence without the value, where it is not clear from the code.
    pub rule: Option<String>,
    /// Whether the server refused the row. False: the row broke a rule of the contract and was not sent.
    pub refused: bool,
}

impl Violation {
    /// A violation of a rule of the contract.
    pub(super) fn of_contract(row: usize, column: usize, code: Code, reason: String) -> Self {
        Self { row, column: Some(column), code, reason, rule: None, refused: false }
    }
}

/// Converts the batches of a run's files, one after the other.
pub struct Converter {
    layout: Arc<Layout>,
    names: Option<Arc<Vec<String>>>,
    places: Arc<Vec<Option<usize>>>,
    violations: Vec<Violation>,
}

impl Converter {
    /// A converter to the columns of a layout.
    pub fn new(layout: Arc<Layout>) -> Self {
        Self { layout, names: None, places: Arc::new(Vec::new()), violations: Vec::new() }
    }

    /// Converts a batch.
    ///
    /// # Errors
    /// When a batch has columns of different lengths, which is a bug of its reader.
    pub fn convert(&mut self, raw: RawBatch) -> Result<TypedBatch> {
        if !self.names.as_ref().is_some_and(|names| Arc::ptr_eq(names, &raw.names)) {
            self.places = Arc::new(self.layout.places(&raw.names));
            self.names = Some(raw.names.clone());
        }
        let rows = raw.rows();
        let layout = self.layout.clone();
        let mut columns = Vec::with_capacity(layout.columns.len());
        for (index, column) in layout.columns.iter().enumerate() {
            let source = self.places[index].map(|place| &raw.columns[place]);
            columns.push(self.column(index, column, source, &raw)?);
        }
        let frame = DataFrame::new(rows, columns)
            .map_err(|error| PipelineError::Internal(format!("a batch has no shape: {error}")))?;
        let mut violations = std::mem::take(&mut self.violations);
        violations.sort_by_key(|violation| (violation.row, violation.column));
        violations.dedup_by_key(|violation| violation.row);
        Ok(TypedBatch { frame, raw, places: self.places.clone(), violations })
    }

    fn column(
        &mut self,
        index: usize,
        column: &Column,
        source: Option<&RawColumn>,
        raw: &RawBatch,
    ) -> Result<FrameColumn> {
        let (rows, tokens) = (raw.rows(), raw.null_tokens);
        let first = self.violations.len();
        let series = match (source, &column.through) {
            (None, _) => all_null(&column.name, column.sql_type(), rows),
            (Some(source), None) => {
                let foreign = column.foreign.as_deref();
                let plain = plain_cells(raw.numbers, column.typing(), foreign, source);
                let mut cast = Cast::new(index, column.typing(), column.proven, tokens, &mut self.violations);
                (cast.foreign, cast.written) = (foreign, plain.as_ref().map(|_| source));
                cast.series(&column.name, plain.as_ref().unwrap_or(source))?
            }
            (Some(source), Some(through)) => {
                let plain = plain_cells(raw.numbers, through, None, source);
                let mut cast = Cast::new(index, through, false, tokens, &mut self.violations);
                cast.written = plain.as_ref().map(|_| source);
                let narrow = cast.series("", plain.as_ref().unwrap_or(source))?;
                let texts = canonical_texts(narrow.into_column(), through, rows)?;
                Cast::new(index, column.typing(), false, false, &mut self.violations).series(&column.name, &texts)?
            }
        };
        let converted = series.into_column();
        self.apply_rules(index, column, source, &converted, first)?;
        if let Some(source) = source {
            self.find_misfits(index, column, source, &converted)?;
        }
        Ok(converted)
    }

    /// Finds rows with a value that converted, but that the table's column would change.
    fn find_misfits(
        &mut self,
        index: usize,
        column: &Column,
        source: &RawColumn,
        converted: &FrameColumn,
    ) -> Result<()> {
        if column.limit == ColumnLimit::Any && column.sql_type().known().is_some() {
            return Ok(());
        }
        let cells = Cells::of(converted).ok_or_else(|| PipelineError::Internal("a column has no type".into()))?;
        for row in (0..converted.len()).filter(|&row| !cells.is_null(row)) {
            let (kind, written) = source.cell(row);
            if let Some((code, rule)) = column.limit.misfit(cells, row, kind, &column.sql) {
                let reason = format!("{} {rule}", shown(written));
                let rule = Some(rule);
                self.violations.push(Violation { rule, ..Violation::of_contract(row, index, code, reason) });
            }
        }
        Ok(())
    }

    /// Finds rows with a value that converted, but breaks a rule.
    fn apply_rules(
        &mut self,
        index: usize,
        column: &Column,
        source: Option<&RawColumn>,
        converted: &FrameColumn,
        first: usize,
    ) -> Result<()> {
        let Some(rules) = &column.rules else { return Ok(()) };
        let cells = Cells::of(converted).ok_or_else(|| PipelineError::Internal("a column has no type".into()))?;
        let failed: Vec<usize> = self.violations[first..].iter().map(|violation| violation.row).collect();
        let mut scratch = Vec::new();
        for row in 0..converted.len() {
            if cells.is_null(row) {
                if rules.not_null && failed.binary_search(&row).is_err() {
                    let code = if column.key { Code::NullKey } else { Code::NullNotAllowed };
                    self.violations.push(Violation::of_contract(row, index, code, "is missing".into()));
                }
            } else if rules.apply_to_values() {
                let written = source.map_or(&b""[..], |source| source.cell(row).1);
                if let Some((code, broken)) = rules.broken(cells, row, written, &mut scratch) {
                    let reason = format!("{} {broken}", shown(written));
                    self.violations.push(Violation::of_contract(row, index, code, reason));
                }
            }
        }
        Ok(())
    }
}

/// A value as people see it, quoted and cut.
pub fn shown(bytes: &[u8]) -> String {
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * SHOWN_CHARS)]);
    let mut text: String = start.chars().take(SHOWN_CHARS).collect();
    if text.len() < bytes.len() {
        text.push('…');
    }
    format!("{text:?}")
}

/// A column that the file of the batch does not have.
fn all_null(name: &str, sql_type: &SqlType, rows: usize) -> Series {
    use polars::prelude::DataType;
    let dtype = match sql_type.known() {
        Some(ColumnType::Boolean) => DataType::Boolean,
        Some(ColumnType::SmallInt | ColumnType::Integer | ColumnType::BigInt) => DataType::Int64,
        Some(ColumnType::Real | ColumnType::Double) => DataType::Float64,
        Some(ColumnType::Date) => DataType::Date,
        Some(ColumnType::Time) => DataType::Time,
        Some(ColumnType::Timestamp | ColumnType::TimestampTz) => DataType::Datetime(TimeUnit::Microseconds, None),
        _ => DataType::String,
    };
    Series::full_null(name.into(), rows, &dtype)
}

/// The values of a column as raw cells again, in canonical text.
fn canonical_texts(column: FrameColumn, typing: &Typing, rows: usize) -> Result<RawColumn> {
    let cells = Cells::of(&column).ok_or_else(|| PipelineError::Internal("a column has no type".into()))?;
    let how = Canonical::of(&typing.sql_type);
    let mut texts = RawColumn::default();
    for row in 0..rows {
        if cells.is_null(row) {
            texts.push(CellKind::Null, b"");
        } else {
            cells.canonical(row, how, &mut texts.bytes);
            texts.push(CellKind::Quoted, b"");
        }
    }
    Ok(texts)
}
