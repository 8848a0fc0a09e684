//! The rows of one sheet as batches of cells.

use std::collections::VecDeque;
use std::fs::File;
use std::sync::Arc;

use elt_shared::explained::Code;
use xxhash_rust::xxh3::Xxh3;

use super::problem::Problem;
use super::row::{Defect, SheetCell, SheetRow, letters};
use super::table::{self, Table};
use super::title::filled;
use super::{SheetRows, Workbook, choice, read_some};
use crate::frame::read::{FileError, FileSummary, Rows};
use crate::frame::record_batch::RecordBatch;
use crate::frame::written_rows::WrittenRows;
use crate::frame::{BATCH_ROWS, BadRecord, CellKind, MAX_RAW_BYTES};
use crate::input::{InputFile, SpoolFolder, Stamp};

/// Bytes of text after which a batch ends.
const BATCH_TEXT_BYTES: usize = 1 << 20;
/// Bytes of the file that are hashed at a time.
const HASH_BYTES: usize = 256 << 10;

/// A sheet that is being read.
pub(in crate::frame) struct Excel {
    file: usize,
    /// Name of the file for people.
    name: String,
    /// Name of the sheet.
    sheet: String,
    rows: Box<dyn SheetRows>,
    /// Rows that were read to find the table.
    ahead: VecDeque<SheetRow>,
    row: SheetRow,
    table: Table,
    null_values: Vec<Vec<u8>>,
    written: WrittenRows,
    /// Number of the last row that was counted.
    counted: u32,
    filtered: u64,
    content: Content,
}

impl Excel {
    /// Opens the sheet and finds its table.
    pub(in crate::frame) fn open(file: usize, input: &InputFile) -> Result<Self, FileError> {
        let failed = |problem: Problem| problem.of_file(&input.name);
        choice::packed(input)?;
        let content = Content::read(input).map_err(failed)?;
        let workbook = Workbook::open(&content.file).map_err(failed)?;
        let options = &input.options.excel;
        let (index, spool, doubt) = match &input.sheet {
            Some(sheet) => (sheet.index, sheet.spool.clone(), None),
            None => {
                let (chosen, doubt) = choice::only(&workbook, options).map_err(failed)?;
                (chosen.index, SpoolFolder { folder: std::env::temp_dir(), keep_free: 0 }, doubt)
            }
        };
        let sheet = workbook.sheets().into_iter().nth(index).ok_or_else(|| failed(Problem::cut_off()))?.name;
        let mut rows = workbook.rows(index, &spool).map_err(failed)?;
        let mut ahead = VecDeque::new();
        let merged = |row| workbook.merged_in_row(index, row);
        let mut table = table::find(rows.as_mut(), options, &input.name, merged, &mut ahead)?;
        table.warnings.extend(doubt);
        let counted = table.header_row;
        let bytes = |values: &Vec<String>| values.iter().map(|value| value.clone().into_bytes()).collect();
        Ok(Self {
            file,
            name: input.name.clone(),
            sheet,
            rows,
            ahead,
            row: SheetRow::default(),
            table,
            null_values: options.null_values.as_ref().map(bytes).unwrap_or_default(),
            written: WrittenRows::default(),
            counted,
            filtered: u64::from(counted.saturating_sub(1)),
            content,
        })
    }

    /// Reads the next row of the table that has a value. Returns false at its end.
    fn next_row(&mut self) -> Result<bool, FileError> {
        loop {
            match self.ahead.pop_front() {
                Some(row) => self.row = row,
                None => {
                    let read = self.rows.next(&mut self.row).map_err(|problem| problem.of_file(&self.name))?;
                    if !read {
                        return Ok(false);
                    }
                }
            }
            if self.row.number > self.table.last_row {
                return Ok(false);
            }
            let (first, last) = self.table.bounds;
            self.row.cells.retain(|cell| (first..=last).contains(&cell.column));
            if self.row.number >= self.table.first_row && filled(&self.row).next().is_some() {
                return Ok(true);
            }
        }
    }

    /// Adds the current row to the batch: as a row, or as a record that is rejected.
    fn add_row(&mut self, record_batch: &mut RecordBatch) {
        // Rows in between are blank or above the table, and some of them are not in the file at all.
        self.filtered += u64::from(self.row.number - self.counted - 1);
        self.counted = self.row.number;
        if let Some((code, reason)) = self.defect() {
            let raw = self.raw();
            record_batch.bad.push(BadRecord {
                file: self.file,
                line: u64::from(self.row.number),
                column: None,
                code,
                reason,
                raw,
            });
            return;
        }
        let mut cells = self.row.cells.iter().peekable();
        for column in self.table.first_column..=self.table.last_column {
            match cells.next_if(|cell| cell.column == column) {
                Some(cell) if !self.is_null(cell) => {
                    self.written.cell(record_batch, cell.kind, self.row.bytes(cell));
                }
                _ => self.written.cell(record_batch, CellKind::Null, b""),
            }
        }
        self.written.end_row(record_batch, u64::from(self.row.number));
    }

    fn is_null(&self, cell: &SheetCell) -> bool {
        let bytes = self.row.bytes(cell);
        self.null_values.iter().any(|value| value == bytes)
    }

    /// The reason why the current row cannot be loaded: a code and a sentence that names the cell. `None`: it can.
    fn defect(&self) -> Option<(Code, String)> {
        let place = |cell: &SheetCell| format!("{}!{}{}", self.sheet, letters(cell.column), self.row.number);
        for cell in filled(&self.row).filter(|cell| !self.is_null(cell)) {
            if !(self.table.first_column..=self.table.last_column).contains(&cell.column) {
                let reason = format!("the cell {} has a value, and its column has no name in the header", place(cell));
                return Some((Code::TooManyCells, reason));
            }
            let defect: Option<Defect> = cell.defect;
            if let Some(defect) = defect {
                let text = String::from_utf8_lossy(self.row.bytes(cell));
                return Some((defect.code(), defect.reason(&place(cell), &text)));
            }
        }
        None
    }

    /// The cells of the current row with tabs between them, cut at a bound.
    fn raw(&self) -> Vec<u8> {
        let mut raw = Vec::new();
        let mut column = self.table.first_column;
        for cell in &self.row.cells {
            while column < cell.column && raw.len() < MAX_RAW_BYTES {
                raw.push(b'\t');
                column += 1;
            }
            raw.extend_from_slice(self.row.bytes(cell));
            column = column.max(cell.column);
        }
        raw.truncate(MAX_RAW_BYTES);
        raw
    }
}

impl Rows for Excel {
    fn read(&mut self, record_batch: &mut RecordBatch) -> Result<bool, FileError> {
        record_batch.clear(self.table.names.len());
        self.written.clear();
        while record_batch.rows() < BATCH_ROWS
            && !record_batch.is_full()
            && self.written.text().len() < BATCH_TEXT_BYTES
            && self.next_row()?
        {
            self.add_row(record_batch);
        }
        Ok(!record_batch.is_empty())
    }

    fn text(&self) -> &[u8] {
        self.written.text()
    }

    fn names(&self) -> Arc<Vec<String>> {
        self.table.names.clone()
    }

    fn summary(&self) -> FileSummary {
        FileSummary {
            bytes: self.content.bytes,
            content_hash: self.content.hash(),
            filtered: self.filtered,
            delimiter: None,
            dialect: None,
            warnings: self.table.warnings.clone(),
        }
    }
}

/// The bytes of the file, which are hashed before its parts are read in any order.
struct Content {
    file: Arc<File>,
    /// Its state before it was hashed.
    stamp: Option<Stamp>,
    bytes: u64,
    hash: u128,
}

impl Content {
    fn read(input: &InputFile) -> Result<Self, Problem> {
        let file = input.open()?;
        let stamp = stamp(&file);
        let (mut hash, mut bytes, mut block) = (Xxh3::new(), 0, vec![0; HASH_BYTES]);
        loop {
            let count = read_some(&file, &mut block, bytes)?;
            hash.update(&block[..count]);
            bytes += count as u64;
            if count < block.len() {
                return Ok(Self { file: Arc::new(file), stamp, bytes, hash: hash.digest128() });
            }
        }
    }

    /// The hash of the bytes. After a change since they were hashed it is turned over, so that it is that of no other read.
    fn hash(&self) -> u128 {
        if stamp(&self.file) == self.stamp { self.hash } else { !self.hash }
    }
}

fn stamp(file: &File) -> Option<Stamp> {
    file.metadata().ok().map(|metadata| Stamp::from(&metadata))
}
