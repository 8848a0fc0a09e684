//! A cursor that moves through a JSON document of any size without keeping it in memory. It finds the rows and checks the text
//! around them.

use elt_shared::explained::Code;
use elt_shared::json_path::Step;

use super::scan::{Scanner, is_space};
use super::scan_errors::Fault;
use super::text::unescape;
use crate::frame::read::FileError;
use crate::frame::window::Window;

/// The kind of elements that an array holds, by its first element that is not null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Array {
    OfObjects,
    Empty,
    Other,
}

/// A position in a document.
pub(super) struct Cursor {
    pub window: Window,
    /// Position in the window.
    pub at: usize,
    /// Lines are counted up to this position.
    counted: usize,
    /// 1-based line of the counted position.
    line: u64,
    /// Number of bytes of the window's first line that were dropped.
    behind: usize,
}

impl Cursor {
    pub(super) fn new(window: Window) -> Self {
        Self { window, at: 0, counted: 0, line: 1, behind: 0 }
    }

    /// Drops the text before the cursor and reads on.
    pub(super) fn slide(&mut self) -> Result<(), FileError> {
        self.line_at(self.at);
        self.behind = self.column(self.at);
        self.window.slide(self.at)?;
        (self.at, self.counted) = (0, 0);
        Ok(())
    }

    /// Makes the window larger and reads on, because the value at the cursor does not end in it.
    pub(super) fn grow(&mut self) -> Result<(), FileError> {
        self.slide()?;
        self.window.grow(self.line)
    }

    /// Line of a position in the window, counted from 1. Positions must not decrease between calls.
    pub(super) fn line_at(&mut self, at: usize) -> u64 {
        if at > self.counted {
            self.line += memchr::memchr_iter(b'\n', &self.window.text()[self.counted..at]).count() as u64;
            self.counted = at;
        }
        self.line
    }

    /// Line of the cursor, counted from 1.
    pub(super) fn line(&mut self) -> u64 {
        self.line_at(self.at)
    }

    /// Number of bytes between the start of a line and a position in it.
    fn column(&self, at: usize) -> usize {
        match memchr::memrchr(b'\n', &self.window.text()[..at]) {
            Some(newline) => at - newline - 1,
            None => self.behind + at,
        }
    }

    /// The next byte that is not white space; `None` at the end of the file.
    pub(super) fn peek(&mut self) -> Result<Option<u8>, FileError> {
        loop {
            while let Some(&byte) = self.window.text().get(self.at) {
                if !is_space(byte) {
                    return Ok(Some(byte));
                }
                self.at += 1;
            }
            if self.window.ended() {
                return Ok(None);
            }
            self.slide()?;
        }
    }

    /// Steps over a byte that must come next.
    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), FileError> {
        if self.peek()? != Some(byte) {
            return Err(self.broken(self.at, what));
        }
        self.at += 1;
        Ok(())
    }

    /// Steps over a member's name and its colon, and returns the name.
    pub(super) fn name(&mut self) -> Result<Vec<u8>, FileError> {
        if self.peek()? != Some(b'"') {
            return Err(self.broken(self.at, "a member's name in quotes is missing"));
        }
        let end = loop {
            match Scanner::new(self.window.text(), self.window.ended()).string(self.at) {
                Ok((end, _)) => break end,
                Err(Fault::More) => self.grow()?,
                Err(Fault::Broken { at, what }) => return Err(self.broken(at, what)),
            }
        };
        let mut name = Vec::new();
        unescape(&self.window.text()[self.at + 1..end - 1], &mut name);
        self.at = end;
        self.expect(b':', "a colon is missing")?;
        Ok(name)
    }

    /// Steps over the comma between two entries; false at the closing bracket, which is stepped over, too.
    pub(super) fn next_entry(&mut self, close: u8) -> Result<bool, FileError> {
        match self.peek()? {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            _ => Err(self.broken(self.at, "a comma or closing bracket is missing")),
        }
    }

    /// Steps over a value of any size. Brackets and strings are followed; numbers and words are not checked.
    pub(super) fn skip_value(&mut self) -> Result<(), FileError> {
        match self.peek()? {
            Some(b'{' | b'[' | b'"') => self.skip_closed(0),
            _ => self.skip_word(),
        }
    }

    fn skip_word(&mut self) -> Result<(), FileError> {
        loop {
            match self.window.text().get(self.at) {
                Some(b',' | b']' | b'}') => return Ok(()),
                Some(byte) if is_space(*byte) => return Ok(()),
                Some(_) => self.at += 1,
                None if self.window.ended() => return Ok(()),
                None => self.slide()?,
            }
        }
    }

    /// Steps over the value at the cursor, and out of the `open` brackets around the cursor.
    fn skip_closed(&mut self, open: usize) -> Result<(), FileError> {
        let mut open = open;
        loop {
            let Some(byte) = self.peek()? else {
                return Err(self.broken(self.at, "the file ends in the middle of a value"));
            };
            self.at += 1;
            match byte {
                b'"' => self.skip_string()?,
                b'{' | b'[' => open += 1,
                b'}' | b']' => open = open.saturating_sub(1),
                _ => {}
            }
            if open == 0 {
                return Ok(());
            }
        }
    }

    /// Steps over the rest of a string.
    fn skip_string(&mut self) -> Result<(), FileError> {
        loop {
            let text = self.window.text();
            match memchr::memchr2(b'"', b'\\', &text[self.at..]) {
                Some(offset) if text[self.at + offset] == b'"' => {
                    self.at += offset + 1;
                    return Ok(());
                }
                Some(offset) if self.at + offset + 1 < text.len() => self.at += offset + 2,
                _ if self.window.ended() => {
                    return Err(self.broken(text.len(), "the file ends in the middle of a string"));
                }
                Some(offset) => {
                    self.at += offset;
                    self.slide()?;
                }
                None => {
                    self.at = text.len();
                    self.slide()?;
                }
            }
        }
    }

    /// Steps to the end of the document from inside of `open` brackets; nothing may follow it.
    pub(super) fn finish(&mut self, open: usize) -> Result<(), FileError> {
        if open > 0 {
            self.skip_closed(open)?;
        }
        match self.peek()? {
            None => Ok(()),
            Some(_) => Err(self.broken(self.at, "something follows the end of the document")),
        }
    }

    /// Moves to the value that a path leads to. Returns false when the document has no such value.
    pub(super) fn follow(&mut self, steps: &[Step]) -> Result<bool, FileError> {
        for step in steps {
            let found = match (step, self.peek()?) {
                (Step::Member(name), Some(b'{')) => self.enter_member(name)?,
                (Step::Element(index), Some(b'[')) => self.enter_element(*index)?,
                _ => false,
            };
            if !found {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn enter_member(&mut self, wanted: &str) -> Result<bool, FileError> {
        self.at += 1;
        if self.peek()? == Some(b'}') {
            return Ok(false);
        }
        loop {
            if self.name()? == wanted.as_bytes() {
                return Ok(true);
            }
            self.skip_value()?;
            if !self.next_entry(b'}')? {
                return Ok(false);
            }
        }
    }

    fn enter_element(&mut self, index: usize) -> Result<bool, FileError> {
        self.at += 1;
        if self.peek()? == Some(b']') {
            return Ok(false);
        }
        for _ in 0..index {
            self.skip_value()?;
            if !self.next_entry(b']')? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Steps over a value of any size. Returns the kind of elements of an array; `None` for any other value.
    pub(super) fn skip_and_classify_array(&mut self) -> Result<Option<Array>, FileError> {
        if self.peek()? != Some(b'[') {
            self.skip_value()?;
            return Ok(None);
        }
        self.at += 1;
        let mut first = self.peek()?;
        if first == Some(b']') {
            self.at += 1;
            return Ok(Some(Array::Empty));
        }
        // `null` elements are skipped, because they do not show the kind of the others.
        while first == Some(b'n') {
            self.skip_value()?;
            if !self.next_entry(b']')? {
                return Ok(Some(Array::Other));
            }
            first = self.peek()?;
        }
        self.skip_closed(1)?;
        Ok(Some(if first == Some(b'{') { Array::OfObjects } else { Array::Other }))
    }

    /// The error for invalid JSON at a position of the window.
    pub(super) fn broken(&mut self, at: usize, what: &'static str) -> FileError {
        let text = self.window.text();
        let code = if at >= text.len() && self.window.ended() { Code::Truncated } else { Code::BrokenJson };
        let column = self.column(at) + 1;
        let line = self.line_at(at);
        FileError::new(code, self.window.name(), Some(line), format_args!("it is not JSON at column {column}: {what}"))
            .hint("Correct the file, or write it again if it was cut off; it is read again when it changes.")
    }
}

/// Whether the first line of a text is an object and the second one starts another.
pub(super) fn begins_like_ndjson(text: &[u8]) -> bool {
    let mut lines = text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    let object = |line: &[u8]| line.first() == Some(&b'{');
    lines.next().is_some_and(|line| object(line) && line.last() == Some(&b'}')) && lines.next().is_some_and(object)
}
