//! A sheet: the rows found in one window of a file's text, as spans of it. Both passes read it; nothing is copied.

use super::{BadRecord, CellKind};

/// A sheet ends early at so many cells: rows of many columns may be short in the text.
const MAX_CELLS: usize = 1 << 20;
/// It also ends early at so many bad records.
const MAX_BAD: usize = 8_192;

/// One cell: where its bytes are and what it was.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell {
    start: u32,
    /// Length, where it lies, and kind: `length << 4 | extra << 3 | kind`.
    packed: u32,
}

impl Cell {
    /// A cell that holds nothing.
    pub(super) const NULL: Self = Self { start: 0, packed: CellKind::Null as u32 };

    /// A cell that is a piece of the text.
    #[inline(always)]
    pub(super) fn of_text(kind: CellKind, start: usize, end: usize) -> Self {
        Self { start: start as u32, packed: ((end - start) as u32) << 4 | kind as u32 }
    }

    /// A cell whose bytes had to be put together.
    #[inline]
    pub(super) fn of_extra(kind: CellKind, start: usize, end: usize) -> Self {
        Self { start: start as u32, packed: ((end - start) as u32) << 4 | 8 | kind as u32 }
    }

    /// What it was in its file.
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

    /// Whether it holds nothing.
    #[inline(always)]
    pub(super) fn is_null(self) -> bool {
        self.packed & 7 == CellKind::Null as u32
    }

    #[inline(always)]
    fn len(self) -> usize {
        (self.packed >> 4) as usize
    }
}

/// Rows as spans.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    /// Columns; every row has as many cells.
    pub width: usize,
    /// Row after row.
    pub cells: Vec<Cell>,
    /// Bytes of cells that are not in the text as they are: `""` became `"`, `\n` a newline.
    pub extra: Vec<u8>,
    /// 1-based line each row starts at.
    pub lines: Vec<u64>,
    /// Where each row's own text is.
    pub spans: Vec<(u32, u32)>,
    /// Records between the rows that are none.
    pub bad: Vec<BadRecord>,
}

impl Sheet {
    /// Empties it for the next window.
    pub(super) fn clear(&mut self, width: usize) {
        self.width = width;
        self.cells.clear();
        self.extra.clear();
        self.lines.clear();
        self.spans.clear();
        self.bad.clear();
    }

    /// Number of rows.
    pub(super) fn rows(&self) -> usize {
        self.lines.len()
    }

    /// Whether it should take no more rows.
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

    /// The bytes of a cell of this sheet, which was read from `text`.
    #[inline(always)]
    pub(super) fn bytes<'a>(&'a self, text: &'a [u8], cell: Cell) -> &'a [u8] {
        let source = if cell.packed & 8 == 0 { text } else { &self.extra };
        &source[cell.start as usize..cell.start as usize + cell.len()]
    }

    /// Makes room for columns that appeared after the first rows: they are missing there.
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
