//! Files that hold columns of typed values, Parquet and Arrow: a part of the file becomes columns in memory, whose rows are
//! written as cells.
//!
//! # Layout
//! - [`texts`]: the exact text of a value; [`shape`]: the meaning of a column's values
//! - [`column`](mod@column): a column in memory; [`cells`]: its values as cells; [`nested`]: nested values as JSON
//! - [`arrow_types`]: the columns of record batches, and their types
//! - [`guard`]: hostile files end in a sentence
//! - this file: rows become a record batch

pub(super) mod arrow_types;
pub(super) mod cells;
pub(super) mod column;
pub(super) mod guard;
mod nested;
pub(super) mod shape;
pub(super) mod texts;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use elt_shared::explained::Code;
use xxhash_rust::xxh3::Xxh3;

use super::column_names::{NameError, Names};
use super::profile::Declared;
use super::read::{FileError, FileSummary, Rows};
use super::record_batch::RecordBatch;
use super::written_rows::WrittenRows;
use super::{BadRecord, CellKind, MAX_RAW_BYTES};
use crate::input::{Compression, InputFile};
use cells::Problem;
use column::Column;
use guard::unsupported;
use shape::Shape;

/// A record batch ends when its text has this many bytes.
const TEXT_BYTES: usize = 1 << 20;
/// Bytes of the largest row, as for text files.
const MAX_ROW_BYTES: usize = 64 << 20;
/// Most digits after the point of a `numeric`.
const MAX_SCALE: usize = 16_383;

/// The columns of some rows of a file, one after the other.
pub(super) trait Parts: Send {
    /// Reads the columns of the next rows, and their number. `None`: the file has ended.
    fn next(&mut self) -> Result<Option<Part>, FileError>;
}

/// The columns of some rows.
pub(super) struct Part {
    pub columns: Vec<Column>,
    pub rows: usize,
}

/// A column as the file declares it.
pub(super) struct DeclaredColumn {
    pub name: String,
    pub shape: Shape,
}

/// A file of columns that is being read.
pub(super) struct Columnar<P> {
    parts: P,
    part: Part,
    /// The next row of the part.
    row: usize,
    /// Number of rows before it in the file.
    rows: u64,
    written: WrittenRows,
    names: Arc<Vec<String>>,
    declared: Vec<Option<Declared>>,
    warnings: Vec<String>,
    file_index: usize,
    file: Arc<File>,
    name: String,
    seen: Option<(u64, u128)>,
    scratch: Vec<u8>,
}

/// Opens a file of columns, which must not be compressed as a whole.
pub(super) fn open_file(input: &InputFile) -> Result<Arc<File>, FileError> {
    if input.compression != Compression::None {
        return Err(FileError::new(
            Code::ColumnarUnsupported,
            &input.name,
            None,
            "a Parquet or Arrow file is not read inside a .gz or .zst file, because it is not read from its start to its end",
        )
        .hint("Unpack it; the columns in such a file are compressed already."));
    }
    input.open().map(Arc::new).map_err(|error| FileError::io(&input.name, &error))
}

impl<P: Parts> Columnar<P> {
    /// A reader of the rows of a file with these columns.
    pub(super) fn new(
        parts: P,
        columns: Vec<DeclaredColumn>,
        file: Arc<File>,
        file_index: usize,
        input: &InputFile,
    ) -> Result<Self, FileError> {
        if let Some(column) = columns.iter().find(|column| column.shape.largest_scale() > MAX_SCALE) {
            let (name, scale) = (&column.name, column.shape.largest_scale());
            let what = format_args!(
                "the column {name} has {scale} digits after the point, and a number of PostgreSQL has at most {MAX_SCALE}"
            );
            return Err(unsupported(&input.name, what));
        }
        let header = Names::of_header(columns.iter().map(|column| column.name.as_str()));
        let names = header.map_err(|error| name_error(&input.name, &error))?;
        Ok(Self {
            parts,
            part: Part { columns: Vec::new(), rows: 0 },
            row: 0,
            rows: 0,
            written: WrittenRows::default(),
            warnings: names.changes().map(|change| format!("{}: {change}", input.name)).collect(),
            names: Arc::new(names.as_slice().to_vec()),
            declared: columns.iter().map(|column| column.shape.declared()).collect(),
            file_index,
            file,
            name: input.name.clone(),
            seen: None,
            scratch: Vec::new(),
        })
    }

    /// Writes the next row of the part, or a record that is not a row.
    fn write_row(&mut self, record_batch: &mut RecordBatch) -> Result<(), FileError> {
        let row = self.row;
        let line = self.rows + 1;
        let first = record_batch.cells.len();
        let start = self.written.text().len();
        let mut problem = None;
        for (index, column) in self.part.columns.iter().enumerate() {
            self.scratch.clear();
            match column.cell(row, &mut self.scratch) {
                Ok(kind) => self.written.cell(record_batch, kind, &self.scratch),
                Err(found) => {
                    self.written.cell(record_batch, CellKind::Null, b"");
                    problem = problem.or(Some((index, found)));
                }
            }
            if self.written.text().len() - start > MAX_ROW_BYTES {
                return Err(FileError::record_too_large(&self.name, line, MAX_ROW_BYTES));
            }
        }
        self.row += 1;
        self.rows = line;
        let Some((index, problem)) = problem else {
            self.written.end_row(record_batch, line);
            return Ok(());
        };
        let text = &self.written.text()[start..];
        let raw = text[..text.len().min(MAX_RAW_BYTES)].to_vec();
        record_batch.cells.truncate(first);
        self.written.drop_row();
        let column = Some(self.names[index].clone());
        let (code, reason) = problem.explained(&self.names[index]);
        record_batch.bad.push(BadRecord { file: self.file_index, line, column, code, reason, raw });
        Ok(())
    }

    /// Number and hash of the bytes of the whole file, which is read once more for it from start to end.
    fn hash_file(&self) -> io::Result<(u64, u128)> {
        let (mut hash, mut at, mut buffer) = (Xxh3::new(), 0, vec![0; 1 << 20]);
        loop {
            match self.file.read_at(&mut buffer, at) {
                Ok(0) => return Ok((at, hash.digest128())),
                Ok(count) => {
                    hash.update(&buffer[..count]);
                    at += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl<P: Parts> Rows for Columnar<P> {
    fn read(&mut self, record_batch: &mut RecordBatch) -> Result<bool, FileError> {
        record_batch.clear(self.names.len());
        self.written.clear();
        loop {
            while self.row < self.part.rows {
                self.write_row(record_batch)?;
                if record_batch.is_full() || self.written.text().len() >= TEXT_BYTES {
                    return Ok(true);
                }
            }
            self.part = Part { columns: Vec::new(), rows: 0 };
            self.row = 0;
            if let Some(part) = self.parts.next()? {
                self.part = part;
                continue;
            }
            if self.seen.is_none() {
                self.seen = Some(self.hash_file().map_err(|error| FileError::io(&self.name, &error))?);
            }
            return Ok(!record_batch.is_empty());
        }
    }

    fn text(&self) -> &[u8] {
        self.written.text()
    }

    fn names(&self) -> Arc<Vec<String>> {
        self.names.clone()
    }

    fn declared(&self, column: usize) -> Option<&Declared> {
        self.declared.get(column)?.as_ref()
    }

    fn summary(&self) -> FileSummary {
        let (bytes, content_hash) = self.seen.unwrap_or_default();
        FileSummary { bytes, content_hash, warnings: self.warnings.clone(), ..FileSummary::default() }
    }
}

fn name_error(file: &str, error: &NameError) -> FileError {
    let code = match error {
        NameError::TooMany => Code::TooManyColumns,
        NameError::Reserved(_) => Code::ReservedName,
        NameError::Nul(_) => Code::NulByte,
    };
    FileError::new(code, file, None, error).hint("Rename or drop the columns in the program that writes the file.")
}

impl Problem {
    /// The code and the sentence about a value of a column.
    fn explained(self, column: &str) -> (Code, String) {
        match self {
            Self::NotUtf8 => {
                (Code::InvalidEncoding, format!("the column {column} holds a text that is not valid UTF-8"))
            }
            Self::Nul => {
                (Code::NulByte, format!("a text inside the column {column} holds a NUL byte, which jsonb cannot"))
            }
            Self::RepeatedKey => (
                Code::RepeatedMapKey,
                format!("a map in the column {column} has one key twice, or a key without a value"),
            ),
            Self::TooLarge => (
                Code::RecordTooLarge,
                format!("the column {column} holds JSON of more than {} MiB", MAX_ROW_BYTES >> 20),
            ),
        }
    }
}
