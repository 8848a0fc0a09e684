//! A position in an XML document of any size, of which only a window is in memory.

use elt_shared::explained::Code;

use super::scan::Fault;
use crate::frame::read::FileError;
use crate::frame::window::Window;

/// A position in a document.
pub(super) struct Cursor {
    pub window: Window,
    /// Position in the window.
    pub at: usize,
    /// Lines are counted up to this position.
    counted: usize,
    /// Line of the counted position, counted from 1.
    line: u64,
}

impl Cursor {
    pub(super) fn new(window: Window) -> Self {
        Self { window, at: 0, counted: 0, line: 1 }
    }

    /// Whether the document ends at the cursor.
    pub(super) fn is_at_end(&self) -> bool {
        self.window.ended() && self.at == self.window.text().len()
    }

    /// Drops the text before the cursor and reads on.
    pub(super) fn slide(&mut self) -> Result<(), FileError> {
        self.line_at(self.at);
        self.window.slide(self.at)?;
        (self.at, self.counted) = (0, 0);
        Ok(())
    }

    /// Reads on behind the cursor, into a larger window if it is at the start of this one.
    pub(super) fn read_on(&mut self) -> Result<(), FileError> {
        let is_stuck = self.at == 0 && !self.window.text().is_empty();
        self.slide()?;
        if is_stuck { self.window.grow(self.line) } else { Ok(()) }
    }

    /// Line of a position in the window, counted from 1. Positions must not decrease between calls.
    pub(super) fn line_at(&mut self, at: usize) -> u64 {
        if at > self.counted {
            self.line += memchr::memchr_iter(b'\n', &self.window.text()[self.counted..at]).count() as u64;
            self.counted = at;
        }
        self.line
    }

    /// The error about a fault at or behind the cursor.
    pub(super) fn error(&mut self, fault: Fault) -> FileError {
        let (at, code, what, next_step) = match fault {
            Fault::More => (self.at, Code::Truncated, "the file ends here".into(), COPY),
            Fault::Cut { at, inside } => (at, Code::Truncated, format!("the file ends {inside}").into(), COPY),
            Fault::Broken { at, what } => (at, Code::BrokenXml, what, "Correct the file; it is read again when it changes."),
            Fault::Doctype { at } => (
                at,
                Code::XmlDoctype,
                "it declares a document type (`<!DOCTYPE`), which is not read because entities in it could read other files or \
                 fill the memory"
                    .into(),
                "Remove the declaration from the file, and write characters in place of the entities it declares.",
            ),
            Fault::TooMany { at } => (
                at,
                Code::RecordTooLarge,
                "this record has more than 1,000,000 elements".into(),
                "Write the path of smaller elements in `xml: {records: …}`.",
            ),
            Fault::SameColumn { at, what, next_step } => (at, Code::XmlNames, what.into(), next_step),
        };
        let line = self.line_at(at);
        FileError::new(code, self.window.name(), Some(line), what).hint(next_step)
    }
}

const COPY: &str = "Copy the file again if it was cut off; it is read again when it changes.";
