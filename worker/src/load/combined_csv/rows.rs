//! The rows of the combined CSV: every row that keeps the contract, whether it is new to the table or not.

use std::sync::Arc;

use super::{CombinedCsv, needs_quotes};
use crate::contract::cells::{Canonical, Cells};
use crate::contract::{Layout, TypedBatch};
use crate::error::PipelineError;
use crate::load::copy::SecondPassError;

/// Writes batches into the combined CSV.
pub struct CombinedRows {
    csv: CombinedCsv,
    layout: Arc<Layout>,
    /// For each column of the batch, whether none of its cells needs quotes unless it is empty.
    plain: Vec<bool>,
    scratch: Vec<u8>,
}

impl CombinedRows {
    /// Writes the header, unless the layout has no columns.
    pub fn begin(mut csv: CombinedCsv, layout: Arc<Layout>) -> Result<Self, SecondPassError> {
        if !layout.columns.is_empty() {
            csv.header(layout.columns.iter().map(|column| column.name.as_str())).map_err(failed)?;
        }
        Ok(Self { csv, layout, plain: Vec::new(), scratch: Vec::new() })
    }

    /// Writes the rows of a batch that keep the contract.
    pub fn batch(&mut self, typed: &TypedBatch) -> Result<(), SecondPassError> {
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
            if violations.next_if(|violation| violation.row == row).is_none() {
                self.row(typed, &cells, row)?;
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

    /// Syncs the file to disk.
    pub fn finish(mut self) -> Result<CombinedCsv, SecondPassError> {
        self.csv.sync().map_err(failed)?;
        Ok(self.csv)
    }
}

fn failed(source: std::io::Error) -> SecondPassError {
    PipelineError::Io { doing: "write the combined CSV".into(), source }.into()
}
