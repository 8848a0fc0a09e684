//! Frame: the bytes of a file become batches of cells, and the first pass finds the types that each column could have.
//!
//! A file is read twice with the same reader. The first pass ([`profile`]) tests every cell and decides nothing. The second
//! pass reads [`RawBatch`]es, whose cells are converted to the types that were decided in between.
//!
//! # Layout
//! - `decode`: bytes become UTF-8 text: decompressed, decoded, hashed
//! - `constant_columns`: columns that a file does not have itself
//! - `encoding_guess`: the encoding of text that does not say it
//! - `written_rows`: the text of rows that were not text in their file
//! - `columnar`, `parquet`, `arrow_ipc`: formats that hold columns of typed values
//! - `window`: the part of the text that is in memory
//! - [`shaped_rows`]: rows whose columns are changed while they are read
//! - `delimited`, [`fixed_width`], [`json`], [`xml`], `excel`: the formats: the text of a window becomes a `record_batch`
//! - [`read`]: one reader for all formats
//! - [`column_names`]: the names of a file's columns, as PostgreSQL can have them
//! - [`dialect_proposal`]: the keys of `csv:` that files need
//! - [`civil_date`]: a number of days as a date
//! - [`value`]: the rules by which a text is a value of a type
//! - [`profile`]: the first pass

pub mod civil_date;
pub mod column_names;
pub mod dialect_proposal;
pub mod fixed_width;
pub mod json;
pub mod profile;
pub mod read;
pub mod value;
pub mod xml;

mod arrow_ipc;
mod columnar;
mod constant_columns;
mod decode;
mod delimited;
mod encoding_guess;
mod excel;
mod parquet;
mod record_batch;
pub mod shaped_rows;
#[cfg(test)]
mod tests;
mod window;
mod written_rows;

pub(crate) use excel::choice as sheets;

use std::sync::Arc;

use elt_shared::config::NumberFormat;
use elt_shared::explained::Code;

/// Rows of a batch. Small enough that a batch of wide rows stays small, large enough for the server to be busy.
pub const BATCH_ROWS: usize = 8_192;
/// A batch also ends at this many bytes of cells.
pub const BATCH_BYTES: usize = 4 << 20;
/// The mark that a text in UTF-8 may begin with.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
/// Most characters of a unit below the name of a column, such as `kg` and `°C`.
const UNIT_CHARS: usize = 3;
/// Most bytes of a bad record's text that are kept.
pub const MAX_RAW_BYTES: usize = 64 << 10;

/// The way in which a cell was written: unquoted, quoted, as a JSON number, and so on. It limits the types that the cell may
/// be read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum CellKind {
    /// An empty unquoted CSV cell, a missing cell, a JSON null or an absent member.
    Null = 0,
    /// Unquoted text of a delimited file, a cell of a fixed-width file, or a text of XML. It may be read as any type.
    Bare = 1,
    /// Quoted text of a delimited file. It may be read as any type, and is the empty text when it is empty.
    Quoted = 2,
    /// A JSON number, with its digits as they are written.
    Number = 3,
    /// A JSON `true` or `false`.
    Bool = 4,
    /// A JSON string, unescaped. Never a number or a boolean, but may be a date.
    String = 5,
    /// A JSON object or array, as text without white space between its tokens.
    Nested = 6,
}

/// One column of a batch as it was read, with the bytes of its cells one after the other.
#[derive(Debug, Clone, Default)]
pub struct RawColumn {
    /// The bytes of all cells, as UTF-8. Cell `i` is `bytes[ends[i - 1]..ends[i]]`.
    pub bytes: Vec<u8>,
    /// End of the cell of each row.
    pub ends: Vec<u32>,
    /// Kind of the cell of each row.
    pub kinds: Vec<CellKind>,
}

impl RawColumn {
    /// Reserves memory for a number of cells and their bytes.
    pub fn reserve(&mut self, cells: usize, bytes: usize) {
        self.bytes.reserve(bytes);
        self.ends.reserve(cells);
        self.kinds.reserve(cells);
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.kinds.clear();
    }

    /// The cell of row `row`: its kind and its UTF-8 bytes.
    #[inline]
    pub fn cell(&self, row: usize) -> (CellKind, &[u8]) {
        let start = if row == 0 { 0 } else { self.ends[row - 1] as usize };
        (self.kinds[row], &self.bytes[start..self.ends[row] as usize])
    }

    /// Adds the cell of the next row.
    #[inline]
    pub fn push(&mut self, kind: CellKind, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.ends.push(self.bytes.len() as u32);
        self.kinds.push(kind);
    }
}

/// Some rows of one file as they were read.
#[derive(Debug, Clone, Default)]
pub struct RawBatch {
    /// Index of the file among the run's input files.
    pub file: usize,
    /// Names of the file's columns, in the order of the file, unique and at most 63 bytes long. All batches of a delimited file
    /// share them; later batches of a JSON file may have more.
    pub names: Arc<Vec<String>>,
    /// One column for each name.
    pub columns: Vec<RawColumn>,
    /// Whether the default null tokens mean NULL in this file's typed columns: see [`value::is_missing`].
    pub null_tokens: bool,
    /// The way in which the file writes numbers. `None`: the plain one, as in JSON.
    pub numbers: Option<NumberFormat>,
    /// Line of the file at which each row starts, counted from 1. In a JSON array it is the line of the row's `{`.
    pub lines: Vec<u64>,
    /// The text of the rows, for the quarantine, and the bytes between them. Row `i` is `raw[raw_starts[i]..raw_ends[i]]`.
    pub raw: Vec<u8>,
    /// Start of each row's text.
    pub raw_starts: Vec<u32>,
    /// End of each row's text, without its line end.
    pub raw_ends: Vec<u32>,
}

impl RawBatch {
    /// Empties the batch for rows of `width` columns, and keeps its memory.
    fn clear(&mut self, width: usize) {
        self.columns.resize_with(width, RawColumn::default);
        self.columns.iter_mut().for_each(RawColumn::clear);
        self.lines.clear();
        self.raw.clear();
        self.raw_starts.clear();
        self.raw_ends.clear();
    }

    /// Number of rows in the batch.
    pub fn rows(&self) -> usize {
        self.lines.len()
    }

    /// The text of row `row` as it is in the file.
    pub fn raw_row(&self, row: usize) -> &[u8] {
        &self.raw[self.raw_starts[row] as usize..self.raw_ends[row] as usize]
    }
}

/// A record that is not a row, because it has too many cells, invalid JSON or a NUL byte, or because a column cannot be
/// computed. It goes to the quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRecord {
    /// Index of the file among the run's input files.
    pub file: usize,
    /// Line of the file at which it starts, counted from 1.
    pub line: u64,
    /// The column that the reason is about. `None`: it is about the whole record.
    pub column: Option<String>,
    /// Stable code: `too_many_cells`, `broken_json`, `nul_byte`, `not_an_object`, …
    pub code: Code,
    /// A sentence about what is wrong with it.
    pub reason: String,
    /// Its text as it is in the file, cut at 64 KiB.
    pub raw: Vec<u8>,
}

/// What a reader returns next.
#[derive(Debug)]
pub enum Piece {
    /// The next rows.
    Rows(RawBatch),
    /// A record that is not a row.
    Bad(BadRecord),
}
