//! CSV and TXT files: a header, then records.
//!
//! # Layout
//! - [`opening`]: the beginning of a file: the lines above its header, and its dialect
//! - [`dialect`]: delimiter, quote character and line ends
//! - [`preamble`], [`wide_preamble`]: lines above the header that are not part of the table
//! - [`sniffed`]: the beginning of a file in the form that is examined
//! - [`split`]: text becomes records and cells
//! - [`careful_split`]: the same for text with escapes, or spaces around its cells
//! - [`byte_finder`]: positions of delimiters, quotes and line ends
//! - [`walk`]: records become rows, or are left out
//! - this file: a header, then rows

mod byte_finder;
mod careful_split;
pub(super) mod dialect;
mod opening;
mod preamble;
mod sniffed;
pub(super) mod split;
mod walk;
mod wide_preamble;

use std::sync::Arc;

use elt_shared::config::{CsvOptions, HeaderPlace};
use elt_shared::explained::Code;
use elt_shared::runs::report::FileDialect;

use super::column_names::{MAX_COLUMNS, NameError, Names};
use super::read::{FileError, FileSummary, Rows};
use super::record_batch::RecordBatch;
use super::window::Window;
use crate::input::InputFile;
use careful_split::CarefulSplitter;
use split::{Cut, Dialect, Record, Records, Splitter};
use walk::{Position, RowRules, WindowText};

pub(super) use opening::with_likely_fix;

/// A delimited file that is being read.
pub(super) struct Delimited {
    window: Window,
    dialect: Dialect,
    rules: RowRules,
    names: Arc<Vec<String>>,
    warnings: Vec<String>,
    position: Position,
    /// The facts for the report, apart from the encoding, which may be found out later.
    facts: FileDialect,
}

impl Delimited {
    /// Finds the dialect, skips the lines above the header, and reads the header.
    pub(super) fn open(window: Window, file: usize, input: &InputFile) -> Result<Self, FileError> {
        let opening = opening::read(input)?;
        let csv = &input.options.csv;
        let bytes = |texts: &Vec<String>| texts.iter().map(|text| text.clone().into_bytes()).collect();
        let rules = RowRules {
            file,
            null_values: csv.null_values.as_ref().map(bytes),
            comment: csv.comment.clone().map(String::into_bytes),
            footer: usize::from(csv.skip_footer),
            ..RowRules::default()
        };
        let position =
            Position { line: 1 + opening.skipped_lines, filtered: opening.skipped_lines, ..Position::default() };
        let mut delimited = Self {
            window,
            dialect: opening.dialect,
            rules,
            names: Arc::new(Vec::new()),
            warnings: opening.warnings,
            position,
            facts: facts(csv, &opening.dialect, opening.skipped_lines),
        };
        delimited.window.skip(opening.skipped_bytes)?;
        delimited.read_header(&csv.header)?;
        delimited.rules.width = delimited.names.len();
        Ok(delimited)
    }

    /// Reads the first record that is not blank. In a file without a header it only gives the number of columns.
    fn read_header(&mut self, header: &HeaderPlace) -> Result<(), FileError> {
        if let HeaderPlace::Names(names) = header {
            let names = Names::of_header(names.iter().map(String::as_str)).map_err(|error| self.name_error(&error))?;
            self.keep(names);
            return Ok(());
        }
        let mut record_batch = RecordBatch::default();
        loop {
            record_batch.clear(0);
            if self.position.done == self.window.text().len() && self.window.ended() {
                return Ok(());
            }
            let record = match self.first_record(&mut record_batch) {
                Ok(Some(record)) => record,
                Ok(None) => continue,
                Err(cut) => {
                    self.more(cut)?;
                    continue;
                }
            };
            if record_batch.cells.len() > MAX_COLUMNS {
                return Err(self.name_error(&NameError::TooMany));
            }
            let text = &self.window.text()[self.position.done..];
            if header.is_in_file() {
                self.check_header(&text[..record.end])?;
                let cells: Vec<_> = record_batch.cells.iter().map(|&cell| record_batch.bytes(text, cell)).collect();
                let names = cells.iter().map(|cell| std::str::from_utf8(cell).unwrap_or_default());
                let names = Names::of_header(names).map_err(|error| self.name_error(&error))?;
                self.rules.repeated_header = repeatable(&cells);
                self.facts.header_line = Some(self.position.line);
                self.position.line += record.lines;
                self.position.done += record.next;
                self.keep(names);
            } else {
                let names = Names::of_header(std::iter::repeat_n("", record_batch.cells.len()));
                let names = names.map_err(|error| self.name_error(&error))?;
                self.names = Arc::new(names.as_slice().to_vec());
            }
            return Ok(());
        }
    }

    /// The record at the current position. `None`: it is a blank line or a comment, which was passed over.
    fn first_record(&mut self, record_batch: &mut RecordBatch) -> Result<Option<Record>, Cut> {
        let (dialect, ended) = (self.dialect, self.window.ended());
        let text = &self.window.text()[self.position.done..];
        let (mut plain, mut careful);
        let splitter: &mut dyn Records<'_> = if dialect.is_plain() {
            plain = Splitter::new(dialect, text, ended);
            &mut plain
        } else {
            careful = CarefulSplitter::new(dialect, text, ended);
            &mut careful
        };
        if self.rules.comment.as_ref().is_some_and(|comment| text.starts_with(comment)) {
            let next = splitter.skip_line(0)?;
            self.pass_over(1, next);
            return Ok(None);
        }
        let too_many = MAX_COLUMNS + 1;
        let record = match splitter.record(0, too_many, record_batch) {
            Err(Cut::More) if record_batch.cells.len() < too_many => return Err(Cut::More),
            Err(cut @ Cut::Unclosed { .. }) => return Err(cut),
            // A header with too many cells is refused before the rest of it is read.
            Err(Cut::More) => Record::unfinished(),
            Ok(record) => record,
        };
        if is_blank(&text[..record.end], 2, dialect.delimiter) && record_batch.cells.len() < too_many {
            self.pass_over(record.lines, record.next);
            return Ok(None);
        }
        Ok(Some(record))
    }

    fn pass_over(&mut self, lines: u64, bytes: usize) {
        self.position.filtered += 1;
        self.position.line += lines;
        self.position.done += bytes;
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
        FileError::name(self.window.name(), self.position.line, error)
    }

    fn error(&self, code: Code, what: impl std::fmt::Display) -> FileError {
        FileError::new(code, self.window.name(), Some(self.position.line), what)
    }

    /// Reads on until a record ends that does not end in the window.
    fn more(&mut self, cut: Cut) -> Result<(), FileError> {
        match cut {
            Cut::More => {
                self.window.slide(self.position.done)?;
                self.position.done = 0;
                self.window.grow(self.position.line)
            }
            Cut::Unclosed { lines } => {
                let line = self.position.line + lines;
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
        let (text, ended) = (self.window.text(), self.window.ended());
        let clean = memchr::memchr(0, text).is_none() && self.window.is_utf8();
        let (dialect, rules) = (self.dialect, &self.rules);
        let from = Position { done: 0, ..self.position };
        let window = WindowText { text, ended, clean };
        let (cut, position) = if dialect.is_plain() && !rules.is_framed() {
            walk::walk::<false, Splitter<'_>>(window, dialect, rules, from, record_batch)
        } else {
            walk::walk::<true, CarefulSplitter<'_>>(window, dialect, rules, from, record_batch)
        };
        self.position = position;
        cut
    }
}

impl Rows for Delimited {
    fn read(&mut self, record_batch: &mut RecordBatch) -> Result<bool, FileError> {
        record_batch.clear(self.names.len());
        if self.names.is_empty() {
            return Ok(false);
        }
        self.window.slide(self.position.done)?;
        self.position.done = 0;
        loop {
            let cut = self.split(record_batch);
            if !record_batch.is_empty() {
                return Ok(true);
            }
            match cut {
                Some(cut) => self.more(cut)?,
                None if self.window.ended() => return Ok(false),
                None => {
                    self.window.slide(self.position.done)?;
                    self.position.done = 0;
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
        let encoding = self.window.encoding();
        let repeated = repeated_warning(self.window.name(), &self.position);
        FileSummary {
            bytes,
            content_hash,
            filtered: self.position.filtered,
            delimiter: Some(dialect::shown(self.dialect.delimiter)),
            dialect: Some(FileDialect { encoding: encoding.name.to_owned(), ..self.facts.clone() }),
            warnings: encoding.warning.into_iter().chain(self.warnings.iter().cloned()).chain(repeated).collect(),
        }
    }
}

/// The facts about a file's dialect that are known before its rows are read.
fn facts(csv: &CsvOptions, dialect: &Dialect, skipped_lines: u64) -> FileDialect {
    FileDialect {
        encoding: String::new(),
        quote: dialect.quote.map_or_else(|| "none".to_owned(), dialect::shown),
        header_line: None,
        skipped_lines,
        footer_lines: u64::from(csv.skip_footer),
        decimal: csv.numbers.map(|numbers| char::from(numbers.decimal).to_string()),
        thousands: csv.numbers.and_then(|numbers| numbers.thousands).map(|thousands| thousands.shown().to_owned()),
    }
}

/// The cells of a header that is recognised when it comes again. `None`: a row could have the same cells, because the header
/// has one column, or a cell that is a value.
fn repeatable(cells: &[&[u8]]) -> Option<Vec<Vec<u8>>> {
    let is_name = |cell: &&[u8]| {
        let text = String::from_utf8_lossy(cell);
        let text = text.trim();
        !text.is_empty() && (!preamble::is_value(text) || preamble::is_year(text))
    };
    let names = cells.iter().filter(|cell| is_name(cell)).count();
    let empty = cells.iter().filter(|cell| cell.trim_ascii().is_empty()).count();
    (names >= 2 && names + empty == cells.len() && !preamble::is_year(&String::from_utf8_lossy(cells[0])))
        .then(|| cells.iter().map(|cell| cell.to_vec()).collect())
}

/// A sentence with the place of the first header that comes again in the file of this name.
fn repeated_warning(file: &str, position: &Position) -> Option<String> {
    let Position { repeats, first_repeat, .. } = *position;
    let times = match repeats {
        0 => return None,
        1 => "here again".to_owned(),
        _ => format!("again {repeats} times, here first"),
    };
    Some(format!(
        "{file}:{first_repeat}: the header stands {times}, as in files that were joined; it counts as filtered and is not a row"
    ))
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
