//! JSON files: an array of objects or of scalars, one object, an object around an array, or NDJSON.
//!
//! Rows are scanned where they lie in the window; a document of any size is read in the same memory.
//!
//! # Layout
//! - [`scan`]: one value in a piece of text; [`text`]: strings without their escapes
//! - [`members`]: members of objects become cells of columns
//! - [`cursor`]: walks through a document without keeping it
//! - [`survey`]: which member of an object holds the rows
//! - [`layout`]: where the rows are
//! - this file: rows become a sheet

mod cursor;
mod layout;
mod members;
mod scan;
pub mod survey;
mod text;

use std::sync::Arc;

use elt_shared::explained::Code;

use super::names::NameError;
use super::read::FileError;
use super::sheet::Sheet;
use super::window::Window;
use super::{BadRecord, MAX_RAW_BYTES};
use crate::extract::InputFile;
use cursor::Cursor;
use layout::Layout;
use members::{Members, Problem, Refused};
use scan::{Fault, Scanner};

/// Whether a text is one JSON document that PostgreSQL can keep as `jsonb`.
pub(super) fn is_document(text: &[u8]) -> bool {
    scan::is_document(text)
}

/// A JSON file that is being read.
pub(super) struct Json {
    cursor: Cursor,
    file: usize,
    layout: Layout,
    members: Members,
    names: Arc<Vec<String>>,
    /// Whether a row was read: a comma comes before the next one.
    started: bool,
    filtered: u64,
    note: Option<String>,
    /// The first number that JSON does not have: its line and column.
    non_finite: Option<(u64, String)>,
}

/// Why there are no more rows in the window.
enum Halt {
    /// Every row was read.
    End,
    /// The next row is not whole, or its end cannot be found.
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
    /// Finds out where the rows are.
    pub(super) fn open(window: Window, file: usize, input: &InputFile) -> Result<Self, FileError> {
        let size = window.size();
        let (cursor, layout, note) = layout::find(window, size, input)?;
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

    pub(super) fn text(&self) -> &[u8] {
        self.cursor.window.text()
    }

    pub(super) fn names(&self) -> Arc<Vec<String>> {
        self.names.clone()
    }

    pub(super) fn filtered(&self) -> u64 {
        self.filtered
    }

    pub(super) fn seen(&self) -> (u64, u128) {
        self.cursor.window.seen()
    }

    pub(super) fn warnings(&self) -> Vec<String> {
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

    /// Reads the next rows; false at the end.
    pub(super) fn read(&mut self, sheet: &mut Sheet) -> Result<bool, FileError> {
        sheet.clear(self.names.len());
        self.cursor.slide()?;
        loop {
            let halt = self.rows_of_window(sheet);
            if self.names.len() < self.members.names().as_slice().len() {
                self.names = Arc::new(self.members.names().as_slice().to_vec());
            }
            sheet.widen(self.names.len());
            match halt {
                Halt::Error(error) => return Err(error),
                Halt::Fault(Fault::Broken { at, what }) => return Err(self.cursor.broken(at, what)),
                Halt::End | Halt::Fault(Fault::More) if !sheet.is_empty() => return Ok(true),
                Halt::End => return Ok(false),
                Halt::Fault(Fault::More) => self.cursor.grow()?,
            }
        }
    }

    /// Reads every row that is whole in the window.
    fn rows_of_window(&mut self, sheet: &mut Sheet) -> Halt {
        let clean = self.cursor.window.is_utf8();
        loop {
            let step = match self.layout {
                Layout::Nothing { .. } if !sheet.is_empty() => return Halt::End,
                _ if sheet.is_full() => return Halt::Fault(Fault::More),
                Layout::Nothing { open } => self.finish(open),
                Layout::Lines => self.line(sheet, clean),
                Layout::Elements { .. } | Layout::One { .. } | Layout::Values => self.value(sheet, clean),
            };
            if let Err(halt) = step {
                return halt;
            }
        }
    }

    /// Goes to the end of the document, once every row was handed out: it must be whole.
    fn finish(&mut self, open: usize) -> Result<(), Halt> {
        self.cursor.finish(open).map_err(Halt::Error)?;
        Err(Halt::End)
    }

    /// Reads the next value that could be a row.
    fn value(&mut self, sheet: &mut Sheet, clean: bool) -> Result<(), Halt> {
        let text = self.cursor.window.text();
        let mut scanner = Scanner::new(text, self.cursor.window.ended());
        let start = match self.layout {
            Layout::Elements { open, .. } => match element(&mut scanner, text, self.cursor.at, self.started)? {
                Element::At(start) => start,
                Element::End(after) => {
                    self.cursor.at = after;
                    self.layout = Layout::Nothing { open };
                    return Ok(());
                }
            },
            _ => match scanner.space(self.cursor.at) {
                Err(Fault::Broken { .. }) if self.layout == Layout::Values => return Err(Halt::End),
                start => start?,
            },
        };
        let scalars = matches!(self.layout, Layout::Elements { scalars: true, .. });
        let mark = self.mark(sheet);
        match self.members.row(&mut scanner, text, start, scalars, &mut sheet.extra) {
            Ok((end, problem)) => {
                let problem = problem_of(&text[start..end], scanner.defect, clean).or(problem);
                self.keep(sheet, mark, (start, end), problem);
                self.cursor.at = end;
                self.started = true;
            }
            Err(Refused::Name(error)) => return Err(self.name_error(start, &error)),
            Err(Refused::Fault(fault)) => {
                self.undo(sheet, mark);
                return Err(fault.into());
            }
        }
        if let Layout::One { open } = self.layout {
            self.layout = Layout::Nothing { open };
        }
        Ok(())
    }

    /// Reads the next line.
    fn line(&mut self, sheet: &mut Sheet, clean: bool) -> Result<(), Halt> {
        let from = self.cursor.at;
        let text = self.cursor.window.text();
        let (end, next) = match memchr::memchr(b'\n', &text[from..]) {
            Some(length) => (from + length, from + length + 1),
            None if !self.cursor.window.ended() => return Err(Fault::More.into()),
            None if from == text.len() => return Err(Halt::End),
            None => (text.len(), text.len()),
        };
        let start = end - text[from..end].trim_ascii_start().len();
        let end = start + text[start..end].trim_ascii_end().len();
        if start == end {
            self.filtered += 1;
            self.cursor.at = next;
            return Ok(());
        }
        let mark = self.mark(sheet);
        let mut scanner = Scanner::new(&text[..end], true);
        let broken =
            |at: usize, what| Some((Code::BrokenJson, format!("it is no JSON at column {}: {what}", at - from + 1)));
        let problem = match self.members.row(&mut scanner, text, start, false, &mut sheet.extra) {
            Ok((stop, _)) if stop < end => broken(stop, "something follows the value"),
            Ok((_, problem)) => problem_of(&text[start..end], scanner.defect, clean).or(problem),
            Err(Refused::Fault(Fault::Broken { at, what })) => broken(at, what),
            Err(Refused::Fault(Fault::More)) => broken(end, "it ends in the middle of a value"),
            Err(Refused::Name(error)) => return Err(self.name_error(start, &error)),
        };
        self.keep(sheet, mark, (start, end), problem);
        self.cursor.at = next;
        Ok(())
    }

    /// Adds the row that was put together to the sheet, or keeps its text and the reason why it is not a row.
    fn keep(&mut self, sheet: &mut Sheet, mark: Mark, (start, end): (usize, usize), problem: Option<Problem>) {
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
                return self.members.push_row(sheet, line, (start, end));
            }
        };
        self.undo(sheet, mark);
        let raw = self.text()[start..end.min(start + MAX_RAW_BYTES)].to_vec();
        sheet.bad.push(BadRecord { file: self.file, line, code, reason, raw });
    }

    fn mark(&self, sheet: &Sheet) -> Mark {
        Mark { extra: sheet.extra.len(), columns: self.members.names().as_slice().len() }
    }

    /// Forgets the cells and columns of a record that turned out not to be a row.
    fn undo(&mut self, sheet: &mut Sheet, mark: Mark) {
        sheet.extra.truncate(mark.extra);
        self.members.forget(mark.columns);
    }

    fn name_error(&mut self, at: usize, error: &NameError) -> Halt {
        let line = self.cursor.line_at(at);
        Halt::Error(FileError::name(self.cursor.window.name(), line, error))
    }
}

/// How much there was before a record was looked at.
#[derive(Clone, Copy)]
struct Mark {
    extra: usize,
    columns: usize,
}

/// What is wrong inside a record whose end is known.
fn problem_of(raw: &[u8], defect: Option<scan::Defect>, clean: bool) -> Option<Problem> {
    if !clean && let Err(error) = std::str::from_utf8(raw) {
        let at = error.valid_up_to() + 1;
        return Some((Code::InvalidEncoding, format!("byte {at} is no valid text in the file's encoding")));
    }
    defect.map(|defect| (defect.code(), defect.reason()))
}

/// What comes next in the array of rows.
enum Element {
    /// An element that starts here.
    At(usize),
    /// Its end, which is before here.
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
