//! CSV and TXT files: a header, then records.

use std::sync::Arc;

use elt_shared::explained::Code;

use super::names::{MAX_COLUMNS, NameError, Names};
use super::read::FileError;
use super::sheet::{Cell, Sheet};
use super::split::{Cut, Dialect, Record, Splitter};
use super::window::Window;
use super::{BadRecord, MAX_RAW_BYTES, opening, sniff};
use crate::extract::InputFile;

/// A delimited file that is being read.
pub(super) struct Delimited {
    window: Window,
    file: usize,
    dialect: Dialect,
    names: Arc<Vec<String>>,
    warnings: Vec<String>,
    null_values: Option<Vec<Vec<u8>>>,
    /// Bytes of the window that are done.
    done: usize,
    /// 1-based line of the next record.
    line: u64,
    filtered: u64,
}

impl Delimited {
    /// Finds out how the file is written, skips the lines above the header, and reads the header.
    pub(super) fn open(window: Window, file: usize, input: &InputFile) -> Result<Self, FileError> {
        let opening = opening::look(input)?;
        let null_values = input.csv.null_values.as_ref();
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
        delimited.read_header(input.csv.header.unwrap_or(true))?;
        Ok(delimited)
    }

    pub(super) fn text(&self) -> &[u8] {
        self.window.text()
    }

    pub(super) fn names(&self) -> Arc<Vec<String>> {
        self.names.clone()
    }

    pub(super) fn filtered(&self) -> u64 {
        self.filtered
    }

    pub(super) fn seen(&self) -> (u64, u128) {
        self.window.seen()
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }

    /// The delimiter as it would be written in the config.
    pub(super) fn delimiter(&self) -> String {
        sniff::shown(self.dialect.delimiter)
    }

    /// Reads the first record that is not blank. Without a header it only tells how many columns there are.
    fn read_header(&mut self, header: bool) -> Result<(), FileError> {
        let mut sheet = Sheet::default();
        loop {
            sheet.clear(0);
            let text = self.window.text();
            if self.done == text.len() && self.window.ended() {
                return Ok(());
            }
            let mut splitter = Splitter::new(self.dialect, &text[self.done..], self.window.ended());
            let record = splitter.record(0, MAX_COLUMNS + 1, &mut sheet);
            if sheet.cells.len() > MAX_COLUMNS {
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
                let cells =
                    sheet.cells.iter().map(|&cell| std::str::from_utf8(sheet.bytes(text, cell)).unwrap_or_default());
                let names = Names::of_header(cells).map_err(|error| self.name_error(&error))?;
                self.line += record.lines;
                self.done += record.next;
                self.keep(names);
            } else {
                let names = Names::of_header(std::iter::repeat_n("", sheet.cells.len()));
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
            let other = sniff::shown(other);
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

    /// Makes the rest of a record available that does not end in the window.
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

    /// Reads the next rows; false at the end.
    pub(super) fn read(&mut self, sheet: &mut Sheet) -> Result<bool, FileError> {
        sheet.clear(self.names.len());
        if self.names.is_empty() {
            return Ok(false);
        }
        self.window.slide(self.done)?;
        self.done = 0;
        loop {
            let cut = self.split(sheet);
            if !sheet.is_empty() {
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

    /// Splits every whole record of the window, of which nothing is done yet.
    fn split(&mut self, sheet: &mut Sheet) -> Option<Cut> {
        let Self { window, file, dialect, names, null_values, done, line, filtered, .. } = self;
        let text = window.text();
        let width = names.len();
        let clean = memchr::memchr(0, text).is_none() && window.is_utf8();
        let mut splitter = Splitter::new(*dialect, text, window.ended());
        let mut start = 0;
        let cut = loop {
            if start == text.len() || sheet.is_full() {
                break None;
            }
            let (first, extra) = (sheet.cells.len(), sheet.extra.len());
            let record = match splitter.record(start, width, sheet) {
                Ok(record) => record,
                Err(cut) => {
                    sheet.cells.truncate(first);
                    sheet.extra.truncate(extra);
                    break Some(cut);
                }
            };
            let raw = &text[start..record.end];
            if record.count == 1 && is_blank(raw, width, dialect.delimiter) {
                sheet.cells.truncate(first);
                *filtered += 1;
            } else if let Some((code, reason)) = defect(&record, width, raw, clean) {
                sheet.cells.truncate(first);
                sheet.extra.truncate(extra);
                let raw = raw[..raw.len().min(MAX_RAW_BYTES)].to_vec();
                sheet.bad.push(BadRecord { file: *file, line: *line, code, reason, raw });
            } else {
                sheet.cells.resize(first + width, Cell::NULL);
                if let Some(null_values) = null_values {
                    nullify(sheet, text, first, null_values);
                }
                sheet.lines.push(*line);
                sheet.spans.push((start as u32, record.end as u32));
            }
            *line += record.lines;
            start = record.next;
        };
        *done = start;
        cut
    }
}

/// A delimiter in the name of a file's only column. A comma counts when no space follows it, because prose has commas.
fn other_delimiter(name: &str, current: u8) -> Option<u8> {
    let bytes = name.as_bytes();
    let separates = |(at, &byte): (usize, &u8)| {
        let counts = byte != b',' || bytes.get(at + 1).is_some_and(|next| !next.is_ascii_whitespace());
        (byte != current && sniff::CANDIDATES.contains(&byte) && counts).then_some(byte)
    };
    bytes.iter().enumerate().find_map(separates)
}

/// Whether a line holds nothing: no bytes, or only spaces in a file of several columns.
pub(super) fn is_blank(line: &[u8], width: usize, delimiter: u8) -> bool {
    line.is_empty() || (width > 1 && line.iter().all(|&byte| byte != delimiter && matches!(byte, b' ' | b'\t')))
}

/// What is wrong with a record, if anything: code and sentence.
#[inline]
fn defect(record: &Record, width: usize, raw: &[u8], clean: bool) -> Option<(Code, String)> {
    let count = record.count;
    // Surplus cells without a value hold nothing that could be lost: some files have a separator at the end of each
    // row.
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

/// Makes cells of a row NULL that hold one of the config's null values.
fn nullify(sheet: &mut Sheet, text: &[u8], first: usize, null_values: &[Vec<u8>]) {
    for at in first..sheet.cells.len() {
        let bytes = sheet.bytes(text, sheet.cells[at]);
        if null_values.iter().any(|value| value == bytes) {
            sheet.cells[at] = Cell::NULL;
        }
    }
}
