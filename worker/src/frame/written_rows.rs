//! The text of rows that were not text in their file, such as those of a spreadsheet.

use super::CellKind;
use super::record_batch::{Cell, RecordBatch};

/// Writes the cells of rows into a text of their own, of which the cells of a [`RecordBatch`] are spans. People see a rejected
/// row as its cells with tabs between them.
#[derive(Debug, Default)]
pub(super) struct WrittenRows {
    text: Vec<u8>,
    row_start: usize,
}

impl WrittenRows {
    /// Empties the text for the next batch.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.row_start = 0;
    }

    /// The text of the batch.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Adds the next cell of the current row, whose bytes are UTF-8.
    pub(super) fn cell(&mut self, record_batch: &mut RecordBatch, kind: CellKind, bytes: &[u8]) {
        if self.text.len() > self.row_start {
            self.text.push(b'\t');
        }
        let start = self.text.len();
        self.text.extend_from_slice(bytes);
        let is_null = kind == CellKind::Null;
        record_batch.cells.push(if is_null { Cell::NULL } else { Cell::of_text(kind, start, self.text.len()) });
    }

    /// Ends the current row, which the file has at `line`, counted from 1.
    pub(super) fn end_row(&mut self, record_batch: &mut RecordBatch, line: u64) {
        record_batch.lines.push(line);
        record_batch.spans.push((self.row_start as u32, self.text.len() as u32));
        self.text.push(b'\n');
        self.row_start = self.text.len();
    }

    /// Removes the text of the current row, which cannot be a row.
    pub(super) fn drop_row(&mut self) {
        self.text.truncate(self.row_start);
    }
}
