//! CSV and TXT files: a header, then records.
//!
//! # Layout
//! - [`opening`]: the beginning of a file: the lines above its header, and its dialect
//! - [`dialect`]: delimiter, quote character and line ends
//! - [`preamble`], [`wide_preamble`]: lines above the header that are not part of the table
//! - [`split`]: text becomes records and cells
//! - [`byte_finder`]: positions of delimiters, quotes and line ends
//! - this file: a header, then rows

mod byte_finder;
pub(super) mod dialect;
mod opening;
mod preamble;
pub(super) mod split;
mod wide_preamble;

use std::sync::Arc;

use elt_shared::explained::Code;

use super::column_names::{MAX_COLUMNS, NameError, Names};
use super::read::{FileError, FileSummary, Rows};
use super::record_batch::{Cell, RecordBatch};
use super::window::Window;
use super::{BadRecord, MAX_RAW_BYTES};
use crate::input::InputFile;
use split::{Cut, Dialect, Record, Splitter};

pub(super) use opening::likely_fix;

/// A delimited file that is being read.
pub(super) struct Delimited {
    window: Window,
    file: usize,
    dialect: Dialect,
    names: Arc<Vec<String>>,
    warnings: Vec<String>,
    null_values: Option<Vec<Vec<u8>>>,
    /// Number of bytes of the window whose records were read.
    done: usize,
    /// Line of the next record, counted from 1.
    line: u64,
    filtered: u64,
}

impl Delimited {
    /// Finds the dialect, skips the lines above the header, and reads the header.
    pub(super) fn open(window: Window, file: usize, input: &InputFile) -> Result<Self, FileError> {
        let opening = opening::read(input)?;
        let null_values = input.options.csv.null_values.as_ref();
        let mut delimited = Self {
            window,
            file,
            dialect: opening.dialect,
            names: Arc::new(Vec::new()),
            warnings: opening.warnings,
            null_values: null_values.map(|values| values.iter().map(|value| value.clone().into_bytes()).collect()),
            done: 0,
            line: 1 + opening.skipped_lines,
            filtered: opening.skipped_lines,
        };
        delimited.window.skip(opening.skipped_bytes)?;
        delimited.read_header(input.options.csv.header.unwrap_or(true))?;
        Ok(delimited)
    }

    /// Reads the first record that is not blank. In a file without a header it only gives the number of columns.
    fn read_header(&mut self, header: bool) -> Result<(), FileError> {
        let mut record_batch = RecordBatch::default();
        loop {
            record_batch.clear(0);
            let text = self.window.text();
            if self.done == text.len() && self.window.ended() {
                return Ok(());
            }
            let mut splitter = Splitter::new(self.dialect, &text[self.done..], self.window.ended());
            let record = splitter.record(0, MAX_COLUMNS + 1, &mut record_batch);
            if record_batch.cells.len() > MAX_COLUMNS {
                return Err(self.name_error(&NameError::TooMany));
            }
            let record = match record {
                Ok(record) => record,
                Err(cut) => {
                    self.more(cut)?;
                    continue;
                }
            };
            let text = &text[self.done..];
            if is_blank(&text[..record.end], 2, self.dialect.delimiter) {
                self.filtered += 1;
                self.line += record.lines;
                self.done += record.next;
                continue;
            }
            if header {
                self.check_header(&text[..record.end])?;
                let cells = record_batch
                    .cells
                    .iter()
                    .map(|&cell| std::str::from_utf8(record_batch.bytes(text, cell)).unwrap_or_default());
                let names = Names::of_header(cells).map_err(|error| self.name_error(&error))?;
                self.line += record.lines;
                self.done += record.next;
                self.keep(names);
            } else {
                let names = Names::of_header(std::iter::repeat_n("", record_batch.cells.len()));
                let names = names.map_err(|error| self.name_error(&error))?;
                self.names = Arc::new(names.as_slice().to_vec());
            }
            return Ok(());
        }
    }

    fn keep(&mut self, names: Names) {
        self.names = Arc::new(names.as_slice().to_vec());
        self.warnings.extend(names.changes());
        if let [only] = self.names.as_slice()
            && let Some(other) = other_delimiter(only, self.dialect.delimiter)
        {
            let other = dialect::shown(other);
            self.warnings.push(format!(
                "it has one column, {only:?}; if {other} separates its cells, write it in csv.delimiter"
            ));
        }
    }

    fn check_header(&self, text: &[u8]) -> Result<(), FileError> {
        if text.contains(&0) {
            return Err(self
                .error(Code::NulByte, "the header holds NUL bytes")
                .hint("If the file is UTF-16 without a byte order mark, write csv.encoding: utf-16le (or utf-16be)."));
        }
        std::str::from_utf8(text).map(drop).map_err(|_| {
            self.error(Code::InvalidEncoding, "the header is not UTF-8")
                .hint("Write the file's encoding in csv.encoding, windows-1252 for example.")
        })
    }

    fn name_error(&self, error: &NameError) -> FileError {
        FileError::name(self.window.name(), self.line, error)
    }

    fn error(&self, code: Code, what: impl std::fmt::Display) -> FileError {
        FileError::new(code, self.window.name(), Some(self.line), what)
    }

    /// Reads on until a record ends that does not end in the window.
    fn more(&mut self, cut: Cut) -> Result<(), FileError> {
        match cut {
            Cut::More => {
                self.window.slide(self.done)?;
                self.done = 0;
                self.window.grow(self.line)
            }
            Cut::Unclosed { lines } => {
                let line = self.line + lines;
                Err(FileError::new(
                    Code::UnclosedQuote,
                    self.window.name(),
                    Some(line),
                    "a quoted cell opens here and never closes before the file ends",
                )
                .hint("Close the quote, or copy the file again if it was cut off."))
            }
        }
    }

    /// Splits every whole record of the window, from its start.
    fn split(&mut self, record_batch: &mut RecordBatch) -> Option<Cut> {
        let Self { window, file, dialect, names, null_values, done, line, filtered, .. } = self;
        let text = window.text();
        let width = names.len();
        let clean = memchr::memchr(0, text).is_none() && window.is_utf8();
        let mut splitter = Splitter::new(*dialect, text, window.ended());
        let mut start = 0;
        let cut = loop {
            if start == text.len() || record_batch.is_full() {
                break None;
            }
            let (first, extra) = (record_batch.cells.len(), record_batch.extra.len());
            let record = match splitter.record(start, width, record_batch) {
                Ok(record) => record,
                Err(cut) => {
                    record_batch.cells.truncate(first);
                    record_batch.extra.truncate(extra);
                    break Some(cut);
                }
            };
            let raw = &text[start..record.end];
            if record.count == 1 && is_blank(raw, width, dialect.delimiter) {
                record_batch.cells.truncate(first);
                *filtered += 1;
            } else if let Some((code, reason)) = defect(&record, width, raw, clean) {
                record_batch.cells.truncate(first);
                record_batch.extra.truncate(extra);
                let raw = raw[..raw.len().min(MAX_RAW_BYTES)].to_vec();
                record_batch.bad.push(BadRecord { file: *file, line: *line, column: None, code, reason, raw });
            } else {
                record_batch.cells.resize(first + width, Cell::NULL);
                if let Some(null_values) = null_values {
                    nullify(record_batch, text, first, null_values);
                }
                record_batch.lines.push(*line);
                record_batch.spans.push((start as u32, record.end as u32));
            }
            *line += record.lines;
            start = record.next;
        };
        *done = start;
        cut
    }
}

impl Rows for Delimited {
    fn read(&mut self, record_batch: &mut RecordBatch) -> Result<bool, FileError> {
        record_batch.clear(self.names.len());
        if self.names.is_empty() {
            return Ok(false);
        }
        self.window.slide(self.done)?;
        self.done = 0;
        loop {
            let cut = self.split(record_batch);
            if !record_batch.is_empty() {
                return Ok(true);
            }
            match cut {
                Some(cut) => self.more(cut)?,
                None if self.window.ended() => return Ok(false),
                None => {
                    self.window.slide(self.done)?;
                    self.done = 0;
                }
            }
        }
    }

    fn text(&self) -> &[u8] {
        self.window.text()
    }

    fn names(&self) -> Arc<Vec<String>> {
        self.names.clone()
    }

    fn summary(&self) -> FileSummary {
        let (bytes, content_hash) = self.window.seen();
        FileSummary {
            bytes,
            content_hash,
            filtered: self.filtered,
            delimiter: Some(dialect::shown(self.dialect.delimiter)),
            warnings: self.warnings.clone(),
        }
    }
}

/// A delimiter in the name of a file's only column. A comma counts when no space follows it, because prose has commas.
fn other_delimiter(name: &str, current: u8) -> Option<u8> {
    let bytes = name.as_bytes();
    let separates = |(at, &byte): (usize, &u8)| {
        let counts = byte != b',' || bytes.get(at + 1).is_some_and(|next| !next.is_ascii_whitespace());
        (byte != current && dialect::CANDIDATES.contains(&byte) && counts).then_some(byte)
    };
    bytes.iter().enumerate().find_map(separates)
}

/// Whether a line is blank: it has no bytes, or only spaces in a file of several columns.
pub(super) fn is_blank(line: &[u8], width: usize, delimiter: u8) -> bool {
    line.is_empty() || (width > 1 && line.iter().all(|&byte| byte != delimiter && matches!(byte, b' ' | b'\t')))
}

/// The reason why a record cannot be a row: a code and a sentence. `None`: it can.
#[inline]
fn defect(record: &Record, width: usize, raw: &[u8], clean: bool) -> Option<(Code, String)> {
    let count = record.count;
    // Surplus cells without a value are ignored, because some files have a separator at the end of each row.
    let too_many = count > width && record.surplus_value;
    if !too_many && !record.stray_quote && clean {
        return None;
    }
    if let Some(at) = memchr::memchr(0, raw) {
        return Some((Code::NulByte, format!("byte {} is NUL, which PostgreSQL cannot keep", at + 1)));
    }
    if let Err(error) = std::str::from_utf8(raw) {
        let at = error.valid_up_to();
        let what = "is no valid text in the file's encoding; write the right one in csv.encoding";
        return Some((Code::InvalidEncoding, format!("byte {} {what}", at + 1)));
    }
    if record.stray_quote {
        let reason = "a quoted cell goes on after its closing quote; a quote inside a quoted cell is written twice";
        return Some((Code::StrayQuote, reason.to_owned()));
    }
    too_many.then(|| (Code::TooManyCells, format!("it has {count} cells, the header has {width}")))
}

/// Turns the cells of a row into NULL whose text is one of the config's null values.
fn nullify(record_batch: &mut RecordBatch, text: &[u8], first: usize, null_values: &[Vec<u8>]) {
    for at in first..record_batch.cells.len() {
        let bytes = record_batch.bytes(text, record_batch.cells[at]);
        if null_values.iter().any(|value| value == bytes) {
            record_batch.cells[at] = Cell::NULL;
        }
    }
}
