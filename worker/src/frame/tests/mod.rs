//! Files of every kind are read, and every row, record and warning is compared.

mod corpus;
mod csv_dialects;
mod damaged_files;
mod delimited;
mod fixed_width;
mod format_corpus;
mod json;
mod profile;
mod xml;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use elt_shared::config::{CsvOptions, FileOptions};

use super::read::{FileError, FileSummary, open, open_with_window};
use super::window::WINDOW_BYTES;
use super::{CellKind, Piece};
use crate::input::{Compression, Format, InputFile, format_of};

/// A file on disk for as long as a test needs it.
pub(super) struct TestFile {
    pub input: InputFile,
    _folder: tempfile::TempDir,
}

/// Everything a reader hands out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Outcome {
    pub names: Vec<String>,
    pub rows: Vec<Row>,
    pub bad: Vec<(u64, &'static str, Vec<u8>)>,
    pub error: Option<(&'static str, Option<u64>)>,
    pub summary: FileSummary,
}

/// One row that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub line: u64,
    pub raw: Vec<u8>,
    pub cells: Vec<(CellKind, Vec<u8>)>,
}

impl Row {
    /// The cells as text; `None` is NULL.
    pub(super) fn texts(&self) -> Vec<Option<String>> {
        let text = |(kind, bytes): &(CellKind, Vec<u8>)| {
            (*kind != CellKind::Null).then(|| String::from_utf8(bytes.clone()).expect("cells are UTF-8"))
        };
        self.cells.iter().map(text).collect()
    }
}

impl TestFile {
    pub(super) fn new(name: &str, bytes: &[u8]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name);
        std::fs::File::create(&path).and_then(|mut file| file.write_all(bytes)).expect("a file");
        Self { input: input(name, path), _folder: folder }
    }

    pub(super) fn with(mut self, change: impl FnOnce(&mut CsvOptions)) -> Self {
        change(&mut Arc::make_mut(&mut self.input.options).csv);
        self
    }

    pub(super) fn read_as(mut self, format: Format, change: impl FnOnce(&mut FileOptions)) -> Self {
        self.input.format = format;
        change(Arc::make_mut(&mut self.input.options));
        self
    }

    pub(super) fn records(mut self, path: &str) -> Self {
        self.input.records = Some(path.into());
        self
    }

    pub(super) fn read(&self) -> Outcome {
        self.read_with_window(WINDOW_BYTES)
    }

    pub(super) fn read_with_window(&self, size: usize) -> Outcome {
        let mut outcome = Outcome::default();
        if let Err(error) = self.read_into(&mut outcome, size) {
            outcome.error = Some((error.code.as_str(), error.line));
            assert!(error.message.starts_with(&self.input.name), "{error} names the file");
        }
        outcome
    }

    fn read_into(&self, outcome: &mut Outcome, size: usize) -> Result<(), FileError> {
        let mut reader =
            if size == WINDOW_BYTES { open(3, &self.input)? } else { open_with_window(3, &self.input, size)? };
        outcome.names = reader.names().to_vec();
        while let Some(piece) = reader.next()? {
            match piece {
                Piece::Bad(bad) => outcome.bad.push((bad.line, bad.code.as_str(), bad.raw)),
                Piece::Rows(batch) => {
                    assert_eq!(batch.names.len(), batch.columns.len());
                    assert!(batch.columns.iter().all(|column| column.kinds.len() == batch.rows()));
                    for row in 0..batch.rows() {
                        let cell = |column: &super::RawColumn| {
                            let (kind, bytes) = column.cell(row);
                            (kind, bytes.to_vec())
                        };
                        let cells = batch.columns.iter().map(cell).collect();
                        outcome.rows.push(Row { line: batch.lines[row], raw: batch.raw_row(row).to_vec(), cells });
                    }
                }
            }
        }
        outcome.names = reader.names().to_vec();
        let width = outcome.names.len();
        outcome.rows.iter_mut().for_each(|row| row.cells.resize(width, (CellKind::Null, Vec::new())));
        outcome.bad.sort();
        outcome.summary = reader.summary();
        Ok(())
    }
}

/// A file with the format that a local source would read it as.
pub(super) fn input(name: &str, path: PathBuf) -> InputFile {
    let (format, compression) = format_of(name, &FileOptions::default()).unwrap_or((Format::Csv, Compression::None));
    InputFile::at(name.into(), path, format, compression).expect("a file")
}
