//! Shapes the batches of one file: cells become columns of polars, the plan's steps are added to them, and the results become
//! cells again.

use std::sync::Arc;

use elt_shared::config::expression::ValueType;
use elt_shared::config::{NumberFormat, Shaping};
use elt_shared::explained::Code;
use polars::prelude::{
    Column, DataFrame, IntoColumn, IntoSeries, PolarsError, PolarsResult, StringChunked, StringChunkedBuilder,
};
use polars_lazy::frame::IntoLazy;

use super::kernels::shown_timestamp;
use super::mask::Masker;
use super::plan::{Missing, Output, Plan, Slot, Value, cell, in_order};
use super::spelling::{Spelling, kind_of_plain};
use crate::frame::read::FileError;
use crate::frame::shaped_rows::{Fate, ShapeRows, ShapedBatch, ShapedColumn};
use crate::frame::{CellKind, RawBatch, RawColumn};
use crate::input::{Format, InputFile};

/// Names of columns that a message lists.
const NAMES_SHOWN: usize = 20;

/// Shapes the batches of one file.
pub(super) struct Shaper {
    shaping: Arc<Shaping>,
    file: String,
    /// Whether the texts of the file are texts whatever digits they have, as in JSON and Parquet.
    has_texts: bool,
    /// Whether columns may appear in later rows, as in JSON and XML.
    grows: bool,
    /// Whether all columns were known when the file was opened, so that a missing one is an error. A member of a JSON object may
    /// be missing in any row, and even in all of them. `None`: the file was not looked at yet.
    complete: Option<bool>,
    masker: Masker,
    /// The way in which the file writes numbers. `None`: the plain one.
    numbers: Option<NumberFormat>,
    /// The file's columns that the plan is for.
    columns: Option<Arc<Vec<String>>>,
    plan: Plan,
    names: Arc<Vec<String>>,
    /// Whether the file had a row.
    has_rows: bool,
}

impl Shaper {
    /// Shapes the rows of a file.
    pub(super) fn new(shaping: Arc<Shaping>, file: &InputFile, numbers: Option<NumberFormat>) -> Self {
        let key = shaping.mask_secret.as_ref().map(|secret| secret.expose().as_bytes());
        Self {
            masker: Masker::new(key),
            numbers,
            plan: Plan::of(&Shaping::default(), &[], None),
            shaping,
            file: file.name.clone(),
            has_texts: matches!(file.format, Format::Json | Format::Ndjson | Format::Parquet | Format::Arrow),
            grows: matches!(file.format, Format::Json | Format::Ndjson | Format::Xml),
            complete: None,
            columns: None,
            names: Arc::default(),
            has_rows: false,
        }
    }

    fn make_plan(&mut self, columns: &Arc<Vec<String>>) -> Result<(), FileError> {
        let mut plan = Plan::of(&self.shaping, columns, self.numbers);
        let error = |what: String| {
            FileError::new(Code::ShapeColumns, &self.file, None, what)
                .hint("Correct the name in the config, or give the source of such files a `shape` of its own.")
        };
        if let (Some(missing), true) = (plan.missing.first(), self.complete == Some(true)) {
            return Err(error(sentence(missing, columns)));
        }
        if let Some(name) = &plan.double {
            return Err(error(format!("after shape.rename two columns are named {name:?}")));
        }
        if plan.outputs.is_empty() && self.complete == Some(true) {
            return Err(error("the shape leaves no column".to_owned()));
        }
        self.names = in_order(&mut plan, &self.names);
        self.plan = plan;
        self.columns = Some(columns.clone());
        Ok(())
    }

    /// The batch as a frame with the results of all steps.
    fn computed(&self, batch: &RawBatch) -> PolarsResult<DataFrame> {
        let mut columns = Vec::with_capacity(self.plan.inputs.len() + 1);
        // A frame that has a column has its number of rows, even if the expressions use no cell.
        columns.push(Column::new_scalar("rows".into(), true.into(), batch.rows()));
        for &index in &self.plan.inputs {
            columns.push(texts(&batch.columns[index], &cell(index))?);
        }
        let frame = DataFrame::new(batch.rows(), columns)?;
        if self.plan.steps.is_empty() {
            return Ok(frame);
        }
        let mut steps = frame.lazy();
        for step in &self.plan.steps {
            steps = steps.with_columns([step.clone()]);
        }
        let mut frame = steps.collect()?;
        frame.rechunk_mut();
        Ok(frame)
    }

    /// What becomes of each row.
    fn fates(&self, frame: &DataFrame, rows: usize) -> PolarsResult<Vec<Fate>> {
        let mut fates = vec![Fate::Kept; rows];
        for value in &self.plan.computed {
            let Some(failure) = &value.failure else { continue };
            reject(&mut fates, frame.column(failure)?, Some(&value.name))?;
        }
        let Some((value, failure)) = &self.plan.condition else { return Ok(fates) };
        let value = frame.column(value)?.as_materialized_series().bool()?.clone();
        let failures = failure.as_ref().map(|failure| texts_of(frame, failure)).transpose()?;
        for (row, fate) in fates.iter_mut().enumerate() {
            // A row that `where` leaves out needs no other columns, and one for which it cannot be computed is not left out.
            match failures.as_ref().and_then(|failures| failures.get(row)) {
                Some(reason) => *fate = Fate::Rejected { column: None, reason: format!("where: {reason}") },
                None if value.get(row) != Some(true) => *fate = Fate::Filtered,
                None => {}
            }
        }
        Ok(fates)
    }

    fn column(&self, output: &Output, batch: &RawBatch, frame: &DataFrame) -> PolarsResult<ShapedColumn> {
        let mut own = match output.slot {
            Slot::File(index) if output.mask.is_none() => return Ok(ShapedColumn::Source(index)),
            Slot::File(index) => batch.columns[index].clone(),
            Slot::Computed(index) => {
                let value = &self.plan.computed[index];
                if let (Some(origin), true, None) = (value.origin, value.copies, output.mask) {
                    return Ok(ShapedColumn::Source(origin));
                }
                self.cells(value, batch, frame)?
            }
        };
        if let Some(mask) = output.mask {
            let (mut masked, mut shown) = (RawColumn::default(), Vec::new());
            for row in 0..batch.rows() {
                let (kind, bytes) = own.cell(row);
                let is_value = kind != CellKind::Null && self.masker.write(mask, bytes, &mut shown);
                // What is shown is a text, whatever digits it has.
                masked.push(
                    if is_value { CellKind::String } else { CellKind::Null },
                    if is_value { &shown } else { b"" },
                );
            }
            own = masked;
        }
        Ok(ShapedColumn::Own(own))
    }

    /// The cells of a computed column.
    fn cells(&self, value: &Value, batch: &RawBatch, frame: &DataFrame) -> PolarsResult<RawColumn> {
        let rows = batch.rows();
        let mut cells = RawColumn::default();
        if value.value_type == ValueType::Boolean {
            let results = frame.column(&value.value)?.as_materialized_series().bool()?.clone();
            for row in 0..rows {
                match results.get(row) {
                    Some(truth) => cells.push(CellKind::Bool, if truth { b"true" } else { b"false" }),
                    None => cells.push(CellKind::Null, b""),
                }
            }
            return Ok(cells);
        }
        let results = texts_of(frame, &value.value)?;
        let text_kind = if self.has_texts { CellKind::String } else { CellKind::Quoted };
        let of_file = match &value.spelling {
            Spelling::Where(condition) => Some(frame.column(condition)?.as_materialized_series().bool()?.clone()),
            Spelling::OfFile | Spelling::Plain => None,
        };
        let is_plain = |row: usize| match &of_file {
            Some(of_file) => of_file.get(row) != Some(true),
            None => value.spelling == Spelling::Plain,
        };
        for row in 0..rows {
            let Some(text) = results.get(row) else {
                cells.push(CellKind::Null, b"");
                continue;
            };
            match (value.value_type, value.origin) {
                (ValueType::Number, _) => cells.push(CellKind::Number, text.as_bytes()),
                (ValueType::Timestamp, _) => {
                    cells.push(text_kind, shown_timestamp(text).unwrap_or_default().as_bytes());
                }
                (_, Some(origin)) => {
                    let (kind, before) = batch.columns[origin].cell(row);
                    cells.push(cleaned_kind(kind, before, text), text.as_bytes());
                }
                _ => {
                    let numbers = self.numbers.filter(|_| is_plain(row));
                    let kind = numbers.map_or(text_kind, |numbers| kind_of_plain(text_kind, text, numbers));
                    cells.push(kind, text.as_bytes());
                }
            }
        }
        Ok(cells)
    }
}

/// How a cell of the file is written once its text was cleaned. One that stays the same stays what it is.
fn cleaned_kind(kind: CellKind, before: &[u8], after: &str) -> CellKind {
    match kind {
        _ if before == after.as_bytes() => kind,
        // An empty cell without quotes is NULL.
        CellKind::Bare if after.is_empty() => CellKind::Null,
        CellKind::Bare | CellKind::Quoted => kind,
        _ => CellKind::String,
    }
}

fn reject(fates: &mut [Fate], failures: &Column, column: Option<&str>) -> PolarsResult<()> {
    let failures = failures.as_materialized_series().str()?.clone();
    for (fate, failure) in fates.iter_mut().zip(failures.iter()) {
        if let (Fate::Kept, Some(reason)) = (&*fate, failure) {
            *fate = Fate::Rejected { column: column.map(str::to_owned), reason: reason.to_owned() };
        }
    }
    Ok(())
}

fn texts_of(frame: &DataFrame, name: &str) -> PolarsResult<StringChunked> {
    Ok(frame.column(name)?.as_materialized_series().str()?.clone())
}

/// A column of cells as texts. NULL stays NULL.
fn texts(column: &RawColumn, name: &str) -> PolarsResult<Column> {
    let rows = column.kinds.len();
    let mut texts = StringChunkedBuilder::new(name.into(), rows);
    for row in 0..rows {
        match column.cell(row) {
            (CellKind::Null, _) => texts.append_null(),
            (_, bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => texts.append_value(text),
                Err(_) => return Err(PolarsError::ComputeError("a cell is not UTF-8".into())),
            },
        }
    }
    Ok(texts.finish().into_series().into_column())
}

impl ShapeRows for Shaper {
    fn names(&mut self, names: &Arc<Vec<String>>) -> Result<Arc<Vec<String>>, FileError> {
        self.complete.get_or_insert(!self.grows && !names.is_empty());
        // The columns of JSON and XML are known from the first row on.
        if names.is_empty() {
            return Ok(self.names.clone());
        }
        let same = self.columns.as_ref().is_some_and(|columns| Arc::ptr_eq(columns, names) || columns == names);
        if !same {
            self.make_plan(names)?;
        }
        Ok(self.names.clone())
    }

    fn shape(&mut self, batch: &RawBatch) -> Result<ShapedBatch, FileError> {
        self.has_rows |= batch.rows() > 0;
        let shaped = || {
            let frame = self.computed(batch)?;
            let fates = self.fates(&frame, batch.rows())?;
            let columns = self.plan.outputs.iter().map(|output| self.column(output, batch, &frame));
            Ok(ShapedBatch { columns: columns.collect::<PolarsResult<_>>()?, fates })
        };
        // The error is not shown, because it may have values of the rows.
        shaped().map_err(|_: PolarsError| {
            let line = batch.lines.first().copied();
            FileError::new(Code::ShapeColumns, &self.file, line, "the shape cannot be computed for these rows")
                .hint("Report this with the config: elt should have refused the expression.")
        })
    }

    fn hides(&self) -> bool {
        self.shaping.hides()
    }

    fn warnings(&self) -> Vec<String> {
        let columns = self.columns.as_ref().filter(|_| self.has_rows && self.complete == Some(false));
        let sentences = columns.map(|columns| self.plan.missing.iter().map(|missing| sentence(missing, columns)));
        sentences.into_iter().flatten().collect()
    }
}

/// A sentence about a name that the file does not have.
fn sentence(missing: &Missing, columns: &[String]) -> String {
    let Missing { name, at } = missing;
    let near = elt_shared::config::nearest(name, columns.iter().map(String::as_str));
    let hint = match near {
        Some(near) => format!("did you mean {near:?}?"),
        None => {
            let more = if columns.len() > NAMES_SHOWN { ", …" } else { "" };
            let shown = columns.iter().take(NAMES_SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
            format!("the columns are {shown}{more}")
        }
    };
    format!("{at} names the column {name:?}, which is not there ({hint})")
}
