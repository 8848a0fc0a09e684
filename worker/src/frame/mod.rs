//! Bytes become batches of cells: parsing, what types a column could have, and the combined CSV.
//!
//! A file is read twice with the same reader: [`profile`] looks at every cell and decides nothing;
//! the loading pass reads [`RawBatch`]es again and converts them to what was decided.

pub mod combined;
pub mod json;
pub mod names;
pub mod profile;
pub mod read;
pub mod value;

mod delimited;
mod heading;
mod marks;
mod opening;
mod sheet;
mod sniff;
mod split;
mod table_below;
#[cfg(test)]
mod tests;
mod unpack;
mod window;

use std::sync::Arc;

use elt_shared::explained::Code;
/// Rows of a batch. Small enough that a batch of wide rows stays small, large enough for the server to be busy.
pub const BATCH_ROWS: usize = 8_192;
/// A batch also ends at this many bytes of cells.
pub const BATCH_BYTES: usize = 4 << 20;
/// A bad record's own text is kept up to this many bytes.
pub const MAX_RAW_BYTES: usize = 64 << 10;

/// What a cell was in its file. Decides what it may mean, never what it contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum CellKind {
    /// An empty unquoted CSV cell, a missing cell, a JSON null or an absent member.
    Null = 0,
    /// Unquoted text of a delimited file: may be anything.
    Bare = 1,
    /// Quoted text of a delimited file: may be anything; when empty it is the empty text.
    Quoted = 2,
    /// A JSON number, its digits as written.
    Number = 3,
    /// A JSON `true` or `false`.
    Bool = 4,
    /// A JSON string, unescaped. Never a number or a boolean, but may be a date.
    String = 5,
    /// A JSON object or array, its text compact.
    Nested = 6,
}

/// One column of a batch as it was read: the cells' bytes one after the other.
#[derive(Debug, Clone, Default)]
pub struct RawColumn {
    /// UTF-8. Cell `i` is `bytes[ends[i - 1]..ends[i]]`.
    pub bytes: Vec<u8>,
    /// End of each cell; one a row.
    pub ends: Vec<u32>,
    /// Kind of each cell; one a row.
    pub kinds: Vec<CellKind>,
}

impl RawColumn {
    /// Makes room for so many cells and bytes.
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

    /// Adds a cell.
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
    /// Which file: index into the run's input files.
    pub file: usize,
    /// The file's column names, in file order, made unique and bounded (PRODUCT §2.3). The same `Arc` for a whole delimited file;
    /// a JSON file's later batches may have more.
    pub names: Arc<Vec<String>>,
    /// One column a name.
    pub columns: Vec<RawColumn>,
    /// Whether the default null tokens mean NULL in this file's typed columns: see [`value::is_missing`].
    pub null_tokens: bool,
    /// 1-based line in the file at which each row starts (for a JSON array: the line of the row's `{`).
    pub lines: Vec<u64>,
    /// The rows' own text, for quarantine, and what stands between them: row `i` is `raw[raw_starts[i]..raw_ends[i]]`.
    pub raw: Vec<u8>,
    /// Start of each row's text.
    pub raw_starts: Vec<u32>,
    /// End of each row's text, without its line end.
    pub raw_ends: Vec<u32>,
}

impl RawBatch {
    /// Empties it, keeping its memory, for rows of so many columns.
    fn clear(&mut self, width: usize) {
        self.columns.resize_with(width, RawColumn::default);
        self.columns.iter_mut().for_each(RawColumn::clear);
        self.lines.clear();
        self.raw.clear();
        self.raw_starts.clear();
        self.raw_ends.clear();
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.lines.len()
    }

    /// The text of row `row` as it stands in the file.
    pub fn raw_row(&self, row: usize) -> &[u8] {
        &self.raw[self.raw_starts[row] as usize..self.raw_ends[row] as usize]
    }
}

/// A record that is no row: too many cells, a broken NDJSON line, a NUL byte. It goes to quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRecord {
    /// Which file.
    pub file: usize,
    /// 1-based line.
    pub line: u64,
    /// Stable: `too_many_cells`, `broken_json`, `nul_byte`, `not_an_object`, …
    pub code: Code,
    /// A sentence.
    pub reason: String,
    /// Its text as it stands in the file, cut at 64 KiB.
    pub raw: Vec<u8>,
}

/// What a reader hands out next.
#[derive(Debug)]
pub enum Piece {
    /// Rows.
    Rows(RawBatch),
    /// A record that is no row.
    Bad(BadRecord),
}
