//! A record batch: the rows of one window of a file's text, as spans of the text. Both passes over a file read its rows in this
//! form, because no cell is copied.

use super::{BadRecord, CellKind};

/// Most cells of a batch. Rows of many columns may be short in the text, so the window does not bound their number.
const MAX_CELLS: usize = 1 << 20;
/// Most bad records of a batch.
const MAX_BAD: usize = 8_192;

/// One cell: the place of its bytes, and how it was written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell {
    start: u32,
    /// Length, whether the bytes are in `extra`, and kind: `length << 4 | extra << 3 | kind`.
    packed: u32,
}

impl Cell {
    /// A NULL cell.
    pub(super) const NULL: Self = Self { start: 0, packed: CellKind::Null as u32 };

    /// A cell whose bytes are in the text, from `start` to `end`.
    #[inline(always)]
    pub(super) fn of_text(kind: CellKind, start: usize, end: usize) -> Self {
        Self { start: start as u32, packed: ((end - start) as u32) << 4 | kind as u32 }
    }

    /// A cell whose bytes are in `extra`, from `start` to `end`, because they differ from the text.
    #[inline]
    pub(super) fn of_extra(kind: CellKind, start: usize, end: usize) -> Self {
        Self { start: start as u32, packed: ((end - start) as u32) << 4 | 8 | kind as u32 }
    }

    /// The way in which it was written in its file.
    #[inline(always)]
    pub(super) fn kind(self) -> CellKind {
        match self.packed & 7 {
            0 => CellKind::Null,
            1 => CellKind::Bare,
            2 => CellKind::Quoted,
            3 => CellKind::Number,
            4 => CellKind::Bool,
            5 => CellKind::String,
            _ => CellKind::Nested,
        }
    }

    /// Whether it is NULL.
    #[inline(always)]
    pub(super) fn is_null(self) -> bool {
        self.packed & 7 == CellKind::Null as u32
    }

    /// Length of its bytes.
    #[inline(always)]
    pub(super) fn len(self) -> usize {
        (self.packed >> 4) as usize
    }
}

/// The rows of one window, as spans of its text.
#[derive(Debug, Default)]
pub(super) struct RecordBatch {
    /// Number of columns. Every row has as many cells.
    pub width: usize,
    /// The cells of all rows, row after row.
    pub cells: Vec<Cell>,
    /// Bytes of cells that differ from the text: `""` became `"`, `\n` became a newline.
    pub extra: Vec<u8>,
    /// Line at which each row starts, counted from 1.
    pub lines: Vec<u64>,
    /// Start and end of each row's text.
    pub spans: Vec<(u32, u32)>,
    /// Records between the rows that cannot be rows.
    pub bad: Vec<BadRecord>,
}

impl RecordBatch {
    /// Empties the batch for the next window, whose rows have `width` columns.
    pub(super) fn clear(&mut self, width: usize) {
        self.width = width;
        self.cells.clear();
        self.extra.clear();
        self.lines.clear();
        self.spans.clear();
        self.bad.clear();
    }

    /// Number of bytes of the text between its first and its last row.
    pub(super) fn text_bytes(&self) -> u64 {
        let (first, last) = (self.spans.first().map_or(0, |span| span.0), self.spans.last().map_or(0, |span| span.1));
        u64::from(last.saturating_sub(first))
    }

    /// Number of rows in the batch.
    pub(super) fn rows(&self) -> usize {
        self.lines.len()
    }

    /// Whether the batch has as many cells or bad records as it may have.
    pub(super) fn is_full(&self) -> bool {
        self.cells.len() >= MAX_CELLS || self.bad.len() >= MAX_BAD
    }

    /// Whether it holds neither rows nor bad records.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.bad.is_empty()
    }

    /// The cells of one column, top to bottom.
    pub(super) fn column(&self, column: usize) -> impl Iterator<Item = Cell> {
        self.cells.get(column..).unwrap_or_default().iter().copied().step_by(self.width.max(1))
    }

    /// The bytes of a cell of this batch, which was read from `text`.
    #[inline(always)]
    pub(super) fn bytes<'a>(&'a self, text: &'a [u8], cell: Cell) -> &'a [u8] {
        let source = if cell.packed & 8 == 0 { text } else { &self.extra };
        &source[cell.start as usize..cell.start as usize + cell.len()]
    }

    /// Adds cells in front of those of each row.
    pub(super) fn put_in_front(&mut self, front: &[Cell]) {
        let rows = self.lines.len();
        let mut cells = Vec::with_capacity(rows * (front.len() + self.width));
        for row in 0..rows {
            cells.extend_from_slice(front);
            cells.extend_from_slice(&self.cells[row * self.width..(row + 1) * self.width]);
        }
        self.cells = cells;
        self.width += front.len();
    }

    /// Adds columns that appeared after the first rows. Their cells in these rows are NULL.
    pub(super) fn widen(&mut self, width: usize) {
        if self.width == width {
            return;
        }
        if self.width > 0 {
            let mut cells = Vec::with_capacity(self.lines.len() * width);
            for row in self.cells.chunks(self.width) {
                cells.extend_from_slice(row);
                cells.resize(cells.len() + width - row.len(), Cell::NULL);
            }
            self.cells = cells;
        } else {
            self.cells.resize(self.lines.len() * width, Cell::NULL);
        }
        self.width = width;
    }
}
