//! JSON files: an array of objects or of scalars, one object, an object around an array, or NDJSON.
//!
//! Rows are scanned in place in the window, so that a document of any size is read in the same memory.
//!
//! # Layout
//! - [`scan`]: one value in a piece of text, [`scan_errors`]: what can be wrong with it; [`text`]: strings without their escapes
//! - [`members`]: members of objects become cells of columns
//! - [`cursor`]: walks through a document without keeping it
//! - [`row_search`]: the member of an object that holds the rows
//! - [`row_location`]: the location of the rows
//! - [`gather`]: copies rows into another document, with further members
//! - this file: rows become a record batch

mod cursor;
pub mod gather;
mod members;
mod row_location;
pub mod row_search;
mod scan;
mod scan_errors;
mod text;

use std::sync::Arc;

use elt_shared::explained::Code;

use super::column_names::NameError;
use super::read::{FileError, FileSummary, Rows};
use super::record_batch::RecordBatch;
use super::window::Window;
use super::{BYTE_ORDER_MARK, BadRecord, MAX_RAW_BYTES};
use crate::input::InputFile;
use cursor::Cursor;
use members::{Members, Problem, Refused};
use row_location::RowLayout;
use scan::Scanner;
use scan_errors::{Defect, Fault};

/// Whether a text is one JSON document that PostgreSQL can store as `jsonb`.
pub(super) fn is_document(text: &[u8]) -> bool {
    scan::is_document(text)
}

/// A JSON file that is being read.
pub(super) struct Json {
    cursor: Cursor,
    file: usize,
    layout: RowLayout,
    members: Members,
    names: Arc<Vec<String>>,
    /// Whether a row was read already, so that a comma comes before the next one.
    started: bool,
    filtered: u64,
    note: Option<String>,
    /// Line and column of the first number that JSON does not have.
    non_finite: Option<(u64, String)>,
}

/// The reason why no more rows of the window can be read.
enum Halt {
    /// Every row was read.
    End,
    /// The next row is cut off, or its end cannot be found.
    Fault(Fault),
    /// The file cannot be read on.
    Error(FileError),
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Json {
    /// Finds the rows.
    pub(super) fn open(window: Window, file: usize, input: &InputFile) -> Result<Self, FileError> {
        let size = window.size();
        let (cursor, layout, note) = row_location::find(window, size, input)?;
        Ok(Self {
            cursor,
            file,
            layout,
            members: Members::default(),
            names: Arc::default(),
            started: false,
            filtered: 0,
            note,
            non_finite: None,
        })
    }

    fn warnings(&self) -> Vec<String> {
        let name = self.cursor.window.name();
        let repeated = self.members.repeated.iter().map(|member| {
            format!("{name}: the member {member:?} appears more than once in an object; the last one counts")
        });
        let non_finite = self.non_finite.iter().map(|(line, column)| {
            format!("{name}:{line}: the column {column:?} holds NaN or Infinity, which JSON does not have; it is read as a number")
        });
        let changes = self.members.names().changes().map(|change| format!("{name}: {change}"));
        self.note.iter().cloned().chain(changes).chain(repeated).chain(non_finite).collect()
    }

    /// Reads every row of the window that is not cut off.
    fn rows_of_window(&mut self, record_batch: &mut RecordBatch) -> Halt {
        let clean = self.cursor.window.is_utf8();
        loop {
            let step = match self.layout {
                RowLayout::Nothing { .. } if !record_batch.is_empty() => return Halt::End,
                _ if record_batch.is_full() => return Halt::Fault(Fault::More),
                RowLayout::Nothing { open } => self.finish(open),
                RowLayout::Lines => self.line(record_batch, clean),
                RowLayout::Elements { .. } | RowLayout::One { .. } | RowLayout::Values => {
                    self.value(record_batch, clean)
                }
            };
            if let Err(halt) = step {
                return halt;
            }
        }
    }

    /// Reads to the end of the document after the last row, because invalid JSON there may mean that rows are missing.
    fn finish(&mut self, open: usize) -> Result<(), Halt> {
        self.cursor.finish(open).map_err(Halt::Error)?;
        Err(Halt::End)
    }

    /// Reads the next value, which is a row or a bad record.
    fn value(&mut self, record_batch: &mut RecordBatch, clean: bool) -> Result<(), Halt> {
        let text = self.cursor.window.text();
        let mut scanner = Scanner::new(text, self.cursor.window.ended());
        let start = match self.layout {
            RowLayout::Elements { open, .. } => match element(&mut scanner, text, self.cursor.at, self.started)? {
                Element::At(start) => start,
                Element::End(after) => {
                    self.cursor.at = after;
                    self.layout = RowLayout::Nothing { open };
                    return Ok(());
                }
            },
            _ => match scanner.space(self.cursor.at) {
                Err(Fault::Broken { .. }) if self.layout == RowLayout::Values => return Err(Halt::End),
                start => start?,
            },
        };
        let scalars = matches!(self.layout, RowLayout::Elements { scalars: true, .. });
        let mark = self.mark(record_batch);
        match self.members.row(&mut scanner, text, start, scalars, &mut record_batch.extra) {
            Ok((end, problem)) => {
                let problem = problem_of(&text[start..end], scanner.defect, clean).or(problem);
                self.keep(record_batch, mark, (start, end), problem);
                self.cursor.at = end;
                self.started = true;
            }
            Err(Refused::Name(error)) => return Err(self.name_error(start, &error)),
            Err(Refused::Fault(fault)) => {
                self.undo(record_batch, mark);
                return Err(fault.into());
            }
        }
        if let RowLayout::One { open } = self.layout {
            self.layout = RowLayout::Nothing { open };
        }
        Ok(())
    }

    /// Reads the next line of NDJSON.
    fn line(&mut self, record_batch: &mut RecordBatch, clean: bool) -> Result<(), Halt> {
        let from = self.cursor.at;
        let text = self.cursor.window.text();
        let (end, next) = match memchr::memchr(b'\n', &text[from..]) {
            Some(length) => (from + length, from + length + 1),
            None if !self.cursor.window.ended() => return Err(Fault::More.into()),
            None if from == text.len() => return Err(Halt::End),
            None => (text.len(), text.len()),
        };
        let start = end - text[from..end].trim_ascii_start().len();
        // Each part of a joined file may begin with a byte order mark.
        let marked = text[start..end].starts_with(BYTE_ORDER_MARK);
        let start = if marked { start + BYTE_ORDER_MARK.len() } else { start };
        let end = start + text[start..end].trim_ascii_end().len();
        if start == end {
            self.filtered += 1;
            self.cursor.at = next;
            return Ok(());
        }
        let mark = self.mark(record_batch);
        let mut scanner = Scanner::new(&text[..end], true);
        let broken =
            |at: usize, what| Some((Code::BrokenJson, format!("it is not JSON at column {}: {what}", at - from + 1)));
        let problem = match self.members.row(&mut scanner, text, start, false, &mut record_batch.extra) {
            Ok((stop, _)) if stop < end => broken(stop, "something follows the value"),
            Ok((_, problem)) => problem_of(&text[start..end], scanner.defect, clean).or(problem),
            Err(Refused::Fault(Fault::Broken { at, what })) => broken(at, what),
            Err(Refused::Fault(Fault::More)) => broken(end, "it ends in the middle of a value"),
            Err(Refused::Name(error)) => return Err(self.name_error(start, &error)),
        };
        self.keep(record_batch, mark, (start, end), problem);
        self.cursor.at = next;
        Ok(())
    }

    /// Adds the row that was built to the batch, or the text of a bad record and the reason why it is not a row.
    fn keep(
        &mut self,
        record_batch: &mut RecordBatch,
        mark: Mark,
        (start, end): (usize, usize),
        problem: Option<Problem>,
    ) {
        let line = self.cursor.line_at(start);
        let (code, reason) = match problem {
            Some(problem) => problem,
            None if self.members.blank => {
                self.filtered += 1;
                return;
            }
            None => {
                if let (None, Some(column)) = (&self.non_finite, self.members.non_finite()) {
                    self.non_finite = Some((line, column.to_owned()));
                }
                return self.members.push_row(record_batch, line, (start, end));
            }
        };
        self.undo(record_batch, mark);
        let raw = self.text()[start..end.min(start + MAX_RAW_BYTES)].to_vec();
        record_batch.bad.push(BadRecord { file: self.file, line, column: None, code, reason, raw });
    }

    fn mark(&self, record_batch: &RecordBatch) -> Mark {
        Mark { extra: record_batch.extra.len(), columns: self.members.names().as_slice().len() }
    }

    /// Removes the cells and columns of a record that is not a row.
    fn undo(&mut self, record_batch: &mut RecordBatch, mark: Mark) {
        record_batch.extra.truncate(mark.extra);
        self.members.forget(mark.columns);
    }

    fn name_error(&mut self, at: usize, error: &NameError) -> Halt {
        let line = self.cursor.line_at(at);
        Halt::Error(FileError::name(self.cursor.window.name(), line, error))
    }
}

impl Rows for Json {
    fn read(&mut self, record_batch: &mut RecordBatch) -> Result<bool, FileError> {
        record_batch.clear(self.names.len());
        self.cursor.slide()?;
        loop {
            let halt = self.rows_of_window(record_batch);
            if self.names.len() < self.members.names().as_slice().len() {
                self.names = Arc::new(self.members.names().as_slice().to_vec());
            }
            record_batch.widen(self.names.len());
            match halt {
                Halt::Error(error) => return Err(error),
                Halt::Fault(Fault::Broken { at, what }) => return Err(self.cursor.broken(at, what)),
                Halt::End | Halt::Fault(Fault::More) if !record_batch.is_empty() => return Ok(true),
                Halt::End => return Ok(false),
                Halt::Fault(Fault::More) => self.cursor.grow()?,
            }
        }
    }

    fn text(&self) -> &[u8] {
        self.cursor.window.text()
    }

    fn names(&self) -> Arc<Vec<String>> {
        self.names.clone()
    }

    fn summary(&self) -> FileSummary {
        let (bytes, content_hash) = self.cursor.window.seen();
        let filtered = self.filtered;
        let warnings = self.cursor.window.encoding().warning.into_iter().chain(self.warnings()).collect();
        FileSummary { bytes, content_hash, filtered, warnings, ..FileSummary::default() }
    }
}

/// The state of the batch before a record was read.
#[derive(Clone, Copy)]
struct Mark {
    extra: usize,
    columns: usize,
}

/// The problem of a record whose end is known. `None`: it can be a row.
fn problem_of(raw: &[u8], defect: Option<Defect>, clean: bool) -> Option<Problem> {
    if !clean && let Err(error) = std::str::from_utf8(raw) {
        let at = error.valid_up_to() + 1;
        return Some((Code::InvalidEncoding, format!("byte {at} is not valid text in the file's encoding")));
    }
    defect.map(|defect| (defect.code(), defect.reason()))
}

/// The next part of the array of rows.
enum Element {
    /// An element that starts at this position.
    At(usize),
    /// The end of the array, which is before this position.
    End(usize),
}

fn element(scanner: &mut Scanner<'_>, text: &[u8], at: usize, started: bool) -> Result<Element, Fault> {
    let at = scanner.space(at)?;
    match text[at] {
        b']' => Ok(Element::End(at + 1)),
        b',' if started => scanner.space(at + 1).map(Element::At),
        _ if started => Err(Fault::Broken { at, what: "a comma or ] is missing" }),
        _ => Ok(Element::At(at)),
    }
}
