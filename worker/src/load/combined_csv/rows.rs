//! The rows of the combined output: every row that keeps the contract, whether it is new to the table or not.

use std::sync::Arc;

use elt_shared::config::OutputFormat;
use polars::prelude::PolarsError;

use super::parquet::ParquetFile;
use super::{CombinedCsv, needs_quotes};
use crate::contract::cells::{Canonical, Cells};
use crate::contract::{Layout, TypedBatch};
use crate::error::PipelineError;
use crate::frame::value;
use crate::load::copy::SecondPassError;

/// Writes batches into the combined output.
pub struct CombinedRows {
    csv: CombinedCsv,
    layout: Arc<Layout>,
    /// The names of the columns as JSON, each with a colon after it.
    members: Vec<Vec<u8>>,
    /// The row groups of a Parquet file.
    parquet: Option<ParquetFile>,
    /// For each column of the batch, whether none of its cells needs quotes unless it is empty.
    plain: Vec<bool>,
    scratch: Vec<u8>,
}

impl CombinedRows {
    /// Writes the header, unless the layout has no columns.
    pub fn begin(mut csv: CombinedCsv, layout: Arc<Layout>) -> Result<Self, SecondPassError> {
        let names = layout.columns.iter().map(|column| column.name.as_str());
        let (mut members, mut parquet) = (Vec::new(), None);
        match csv.format {
            OutputFormat::Csv if layout.columns.is_empty() => {}
            OutputFormat::Csv => csv.header(names).map_err(failed)?,
            OutputFormat::Ndjson => {
                let member = |name: &str| {
                    serde_json::to_vec(name).map(|mut name| {
                        name.push(b':');
                        name
                    })
                };
                members = names.map(member).collect::<Result<_, _>>().map_err(|error| failed(error.into()))?;
            }
            OutputFormat::Parquet => {
                let file = ParquetFile::begin(csv.file.clone(), layout.clone(), csv.compression);
                parquet = Some(file.map_err(|error| encoding_failed(&error, csv.file.failure()))?);
            }
        }
        Ok(Self { csv, layout, members, parquet, plain: Vec::new(), scratch: Vec::new() })
    }

    /// Writes the rows of a batch that keep the contract.
    pub fn batch(&mut self, typed: &TypedBatch) -> Result<(), SecondPassError> {
        if let Some(parquet) = &mut self.parquet {
            return parquet.batch(typed).map_err(|error| encoding_failed(&error, self.csv.file.failure()));
        }
        let cells: Vec<_> = typed.frame.columns().iter().map_while(Cells::of).collect();
        self.plain.clear();
        let columns = self.layout.columns.iter().zip(&*typed.places);
        self.plain.extend(columns.map(|(column, place)| {
            let raw = place.map(|place| &typed.raw.columns[place]);
            // A JSON document is written in its canonical form, so the text in the file says nothing about quotes.
            column.canonical != Canonical::Json && raw.is_some_and(|raw| !needs_quotes(&raw.bytes))
        }));
        let mut violations = typed.violations.iter().peekable();
        for row in 0..typed.raw.rows() {
            if violations.next_if(|violation| violation.row == row).is_some() {
                continue;
            }
            match self.csv.format {
                OutputFormat::Ndjson => self.object(&cells, row)?,
                _ => self.row(typed, &cells, row)?,
            }
        }
        Ok(())
    }

    #[inline]
    fn row(&mut self, typed: &TypedBatch, cells: &[Cells<'_>], row: usize) -> Result<(), SecondPassError> {
        for (index, (cells, column)) in cells.iter().zip(&self.layout.columns).enumerate() {
            if cells.is_null(row) {
                self.csv.null();
                continue;
            }
            let bytes = match (*cells, typed.places[index]) {
                (Cells::Text(array), _) => array.value(row).as_bytes(),
                (_, Some(place)) if column.verbatim => typed.raw.columns[place].cell(row).1,
                (cells, _) => {
                    self.scratch.clear();
                    cells.canonical(row, column.canonical, &mut self.scratch);
                    &self.scratch
                }
            };
            if self.plain[index] && !bytes.is_empty() { self.csv.plain(bytes) } else { self.csv.value(bytes) }
        }
        self.csv.end_row().map_err(failed)
    }

    /// Writes a row as a JSON object on one line. A NULL is a member that is `null`.
    fn object(&mut self, cells: &[Cells<'_>], row: usize) -> Result<(), SecondPassError> {
        self.scratch.clear();
        for (index, (cells, column)) in cells.iter().zip(&self.layout.columns).enumerate() {
            self.scratch.push(if index == 0 { b'{' } else { b',' });
            self.scratch.extend_from_slice(&self.members[index]);
            match cells {
                cells if cells.is_null(row) => self.scratch.extend_from_slice(b"null"),
                cells => json_value(*cells, row, column.canonical, &mut self.scratch),
            }
        }
        if self.layout.columns.is_empty() {
            self.scratch.push(b'{');
        }
        self.scratch.extend_from_slice(b"}\n");
        self.csv.raw(&self.scratch).map_err(failed)
    }

    /// Syncs the file to disk.
    pub fn finish(mut self) -> Result<CombinedCsv, SecondPassError> {
        if let Some(parquet) = self.parquet.take() {
            parquet.finish().map_err(|error| encoding_failed(&error, self.csv.file.failure()))?;
        }
        self.csv.sync().map_err(failed)?;
        Ok(self.csv)
    }
}

fn failed(source: std::io::Error) -> SecondPassError {
    PipelineError::Io { doing: "write the combined CSV".into(), source }.into()
}

fn encoding_failed(error: &PolarsError, disk: Option<std::io::Error>) -> SecondPassError {
    match disk {
        Some(error) => failed(error),
        None => PipelineError::Internal(format!("a Parquet file cannot be written: {error}")).into(),
    }
}

/// Writes a value as JSON: numbers with all their digits, documents as they are, and anything else as a string. `NaN` and
/// `Infinity`, which JSON does not have, are strings.
fn json_value(cells: Cells<'_>, row: usize, how: Canonical, out: &mut Vec<u8>) {
    let start = out.len();
    match (cells, how) {
        (Cells::Double(array), how) => {
            let number = array.value(row);
            // Writing into memory does not fail.
            let _ = match how {
                Canonical::Real if number.is_finite() => serde_json::to_writer(&mut *out, &(number as f32)),
                _ if number.is_finite() => serde_json::to_writer(&mut *out, &number),
                _ => return string(cells, row, how, out),
            };
        }
        (Cells::Text(array), Canonical::Json)
            if memchr::memchr2(b'\n', b'\r', array.value(row).as_bytes()).is_none() =>
        {
            out.extend_from_slice(array.value(row).as_bytes());
        }
        // A document of several lines is written on one.
        (Cells::Boolean(_) | Cells::Integer(_), _) | (Cells::Text(_), Canonical::Json) => {
            cells.canonical(row, how, out);
        }
        (Cells::Text(array), Canonical::Number) if value::is_json(array.value(row).as_bytes()) => {
            out.extend_from_slice(array.value(row).as_bytes());
        }
        (Cells::Text(_), Canonical::Number) => {
            // `.5` and `NaN` are not JSON.
            cells.canonical(row, how, out);
            if !value::is_json(&out[start..]) {
                out.truncate(start);
                string(cells, row, how, out);
            }
        }
        _ => string(cells, row, how, out),
    }
}

fn string(cells: Cells<'_>, row: usize, how: Canonical, out: &mut Vec<u8>) {
    let mut text = Vec::new();
    cells.canonical(row, how, &mut text);
    // Writing into memory does not fail.
    let _ = serde_json::to_writer(out, &String::from_utf8_lossy(&text));
}
