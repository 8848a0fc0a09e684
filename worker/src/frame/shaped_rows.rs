//! Rows whose columns are changed while they are read. Both passes over a file, and whatever shows its rows, then see the
//! changed ones, because the reader of a shaped file is a reader like any other.

use std::sync::Arc;

use elt_shared::explained::Code;

use super::profile::Declared;
use super::read::{FileError, FileSummary, Reader, Rows};
use super::record_batch::{Cell, RecordBatch};
use super::written_rows::WrittenRows;
use super::{BadRecord, Piece, RawBatch, RawColumn};

/// Most bytes of a batch's shaped cells, because the places of cells are kept in 32 bits.
const MAX_BATCH_BYTES: usize = 1 << 30;
/// Most bytes of a shaped cell.
const MAX_CELL_BYTES: usize = 64 << 20;

/// Changes the columns and rows of one file.
pub trait ShapeRows: Send {
    /// The columns of the shaped rows, for the columns of the file that are known so far. Columns are only ever added at the end.
    ///
    /// # Errors
    /// When the file does not have the columns that the shape needs.
    fn names(&mut self, names: &Arc<Vec<String>>) -> Result<Arc<Vec<String>>, FileError>;

    /// The shaped columns of a batch, as many as there are names.
    ///
    /// # Errors
    /// When they cannot be computed at all.
    fn shape(&mut self, batch: &RawBatch) -> Result<ShapedBatch, FileError>;

    /// Whether values are masked, so that the text of the file must not be shown.
    fn hides(&self) -> bool;

    /// Sentences for the report, once the file was read to its end.
    fn warnings(&self) -> Vec<String>;
}

/// The shaped columns of a batch.
#[derive(Debug, Default)]
pub struct ShapedBatch {
    /// The columns, with a cell for each row of the batch.
    pub columns: Vec<ShapedColumn>,
    /// What becomes of each row.
    pub fates: Vec<Fate>,
}

/// A column of a shaped batch.
#[derive(Debug)]
pub enum ShapedColumn {
    /// A column of the file as it is, by its index.
    Source(usize),
    /// A column that was computed.
    Own(RawColumn),
}

/// What becomes of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// The row goes on to the load.
    Kept,
    /// It is left out because of `where`.
    Filtered,
    /// The row goes to quarantine.
    Rejected {
        /// The column that cannot be computed. `None`: the reason is about the whole row.
        column: Option<String>,
        /// A sentence without values.
        reason: String,
    },
}

/// The rows of a file, shaped.
pub(super) struct ShapedRows {
    source: Reader,
    shaper: Box<dyn ShapeRows>,
    names: Arc<Vec<String>>,
    text: Text,
    ended: bool,
    filtered: u64,
    /// The column of the file that each shaped column is, if it is one.
    sources: Vec<Option<usize>>,
}

/// The text that a batch's rows are shown by.
enum Text {
    /// The text of the file. The cells are kept beside it.
    OfFile(Vec<u8>),
    /// The shaped cells, because the text of the file has values that are masked.
    OfCells(WrittenRows),
}

impl ShapedRows {
    pub(super) fn new(source: Reader, mut shaper: Box<dyn ShapeRows>) -> Result<Self, FileError> {
        let names = shaper.names(&source.names())?;
        let text = if shaper.hides() { Text::OfCells(WrittenRows::default()) } else { Text::OfFile(Vec::new()) };
        Ok(Self { source, shaper, names, text, ended: false, filtered: 0, sources: Vec::new() })
    }

    /// Adds the rows of a batch that are kept, and those that are rejected.
    fn add(&mut self, batch: &RawBatch, record_batch: &mut RecordBatch) -> Result<(), FileError> {
        self.names = self.shaper.names(&batch.names)?;
        record_batch.widen(self.names.len());
        let shaped = self.shaper.shape(batch)?;
        self.sources.clear();
        self.sources.extend(shaped.columns.iter().map(|column| match column {
            ShapedColumn::Source(index) => Some(*index),
            ShapedColumn::Own(_) => None,
        }));
        for (row, fate) in shaped.fates.iter().enumerate() {
            match fate {
                Fate::Kept => self.keep(batch, &shaped, row, record_batch)?,
                Fate::Filtered => self.filtered += 1,
                Fate::Rejected { column, reason } => record_batch.bad.push(BadRecord {
                    file: batch.file,
                    line: batch.lines[row],
                    column: column.clone(),
                    code: Code::ShapeFailed,
                    reason: reason.clone(),
                    raw: self.shown(batch.raw_row(row)),
                }),
            }
        }
        Ok(())
    }

    fn keep(
        &mut self,
        batch: &RawBatch,
        shaped: &ShapedBatch,
        row: usize,
        record_batch: &mut RecordBatch,
    ) -> Result<(), FileError> {
        let start = self.text.bytes().len();
        if let Text::OfFile(text) = &mut self.text {
            text.extend_from_slice(batch.raw_row(row));
        }
        for column in &shaped.columns {
            let (kind, bytes) = match column {
                ShapedColumn::Source(index) => batch.columns[*index].cell(row),
                ShapedColumn::Own(column) => column.cell(row),
            };
            let held = record_batch.extra.len() + self.text.bytes().len();
            if bytes.len() > MAX_CELL_BYTES || held + bytes.len() > MAX_BATCH_BYTES {
                return Err(self.too_large(batch.lines[row]));
            }
            match &mut self.text {
                Text::OfCells(text) => text.cell(record_batch, kind, bytes),
                Text::OfFile(_) => {
                    let first = record_batch.extra.len();
                    record_batch.extra.extend_from_slice(bytes);
                    record_batch.cells.push(Cell::of_extra(kind, first, first + bytes.len()));
                }
            }
        }
        match &mut self.text {
            Text::OfCells(text) => text.end_row(record_batch, batch.lines[row]),
            Text::OfFile(text) => {
                record_batch.lines.push(batch.lines[row]);
                record_batch.spans.push((start as u32, text.len() as u32));
            }
        }
        Ok(())
    }

    fn too_large(&self, line: u64) -> FileError {
        FileError::record_too_large(self.source.name(), line, MAX_CELL_BYTES)
    }

    /// The text of a rejected record, unless it has values that are masked.
    fn shown(&self, raw: &[u8]) -> Vec<u8> {
        match self.text {
            Text::OfFile(_) => raw[..raw.len().min(super::MAX_RAW_BYTES)].to_vec(),
            Text::OfCells(_) => Vec::new(),
        }
    }
}

impl Text {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::OfFile(text) => text,
            Self::OfCells(text) => text.text(),
        }
    }

    fn clear(&mut self) {
        match self {
            Self::OfFile(text) => text.clear(),
            Self::OfCells(text) => text.clear(),
        }
    }
}

impl Rows for ShapedRows {
    /// A batch may come back empty, so that a reader of a file whose rows are all left out can be stopped.
    fn read(&mut self, record_batch: &mut RecordBatch) -> Result<bool, FileError> {
        record_batch.clear(self.names.len());
        self.text.clear();
        while !self.ended && !record_batch.is_full() {
            match self.source.next()? {
                None => self.ended = true,
                Some(Piece::Bad(bad)) => {
                    let raw = self.shown(&bad.raw);
                    record_batch.bad.push(BadRecord { raw, ..bad });
                }
                Some(Piece::Rows(batch)) => {
                    self.add(&batch, record_batch)?;
                    self.source.recycle(batch);
                    return Ok(true);
                }
            }
        }
        if self.ended && record_batch.is_empty() {
            // Names that appeared with records that are not rows.
            self.names = self.shaper.names(&self.source.names())?;
            return Ok(false);
        }
        Ok(true)
    }

    fn text(&self) -> &[u8] {
        self.text.bytes()
    }

    fn names(&self) -> Arc<Vec<String>> {
        self.names.clone()
    }

    /// The type that the file declares for a column that is one of the file's.
    fn declared(&self, column: usize) -> Option<&Declared> {
        self.source.declared((*self.sources.get(column)?)?)
    }

    fn summary(&self) -> FileSummary {
        let mut summary = self.source.summary();
        summary.filtered += self.filtered;
        if self.ended {
            summary.warnings.extend(self.shaper.warnings());
        }
        summary
    }
}
