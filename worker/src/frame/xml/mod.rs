//! XML files: the elements at one path are rows.
//!
//! Records are read in place in the window, so that a document of any size is read in the same memory.
//!
//! # Layout
//! - [`encoding`]: the encoding that a file declares
//! - [`scan`]: one token in a piece of text; [`text`]: texts without their references
//! - [`cursor`]: a position in a document of which a window is in memory
//! - [`element`]: the elements of a record as a tree
//! - [`columns`]: names become columns; [`record`]: a record becomes the cells of a row
//! - [`paths`]: the paths of a document's elements
//! - [`propose`]: the config that a file needs
//! - this file: a walk down to the records

mod columns;
mod cursor;
mod element;
mod encoding;
mod paths;
pub mod propose;
mod record;
mod scan;
mod text;

use std::sync::Arc;

use elt_shared::config::XmlOptions;
use elt_shared::explained::Code;

use super::read::{FileError, FileSummary, Rows};
use super::record_batch::RecordBatch;
use super::window::Window;
use super::{BadRecord, MAX_RAW_BYTES};
use crate::input::InputFile;
use columns::Columns;
use cursor::Cursor;
use element::{MAX_LEVELS, Tree, check_attributes, wrong_end};
use paths::Paths;
use record::{NoRow, Problem, Record, Row};
use scan::{Fault, Tag, Token, is_space, token};

/// Most bytes of a record's texts as JSON, which has six bytes for a control character of the document.
const MAX_JSON_BYTES: usize = 128 << 20;

/// An XML file that is being read.
pub(super) struct Xml {
    cursor: Cursor,
    file: usize,
    options: XmlOptions,
    walk: Walk,
    columns: Columns,
    names: Arc<Vec<String>>,
    tree: Tree,
    row: Row,
    records: u64,
    filtered: u64,
    warnings: Vec<String>,
}

/// The elements that are open above the records.
#[derive(Default)]
struct Walk {
    /// Names of the open elements, and whether all down to each are those of the path to the records.
    open: Vec<(Box<[u8]>, bool)>,
    has_root: bool,
    /// The paths that were seen before the first record.
    paths: Paths,
}

/// The reason why no more rows of the window can be read.
enum Halt {
    /// Every record was read.
    End,
    /// The batch has as many rows as it may have.
    Full,
    /// A token is broken or cut off.
    Fault(Fault),
    /// The file cannot be read on.
    Error(FileError),
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Xml {
    /// Finds the encoding.
    pub(super) fn open(file: usize, input: &InputFile, size: usize) -> Result<Self, FileError> {
        let Some(options) = input.options.xml.clone() else {
            return Err(FileError::new(
                Code::NotRows,
                &input.name,
                None,
                "nothing says which of its elements are rows",
            )
            .hint("Write `xml: {records: /path/of/rows}` in the source; `elt init FILE` proposes the path."));
        };
        Ok(Self {
            cursor: Cursor::new(Window::new(encoding::open(input)?, size)),
            file,
            walk: Walk::default(),
            columns: Columns::new(&options),
            names: Arc::default(),
            tree: Tree::default(),
            row: Row::default(),
            records: 0,
            filtered: 0,
            warnings: Vec::new(),
            options,
        })
    }

    /// Reads every record of the window that is not cut off.
    fn rows_of_window(&mut self, record_batch: &mut RecordBatch) -> Halt {
        let clean = self.cursor.window.is_utf8() && memchr::memchr(0, self.cursor.window.text()).is_none();
        loop {
            if record_batch.is_full() {
                return Halt::Full;
            }
            if let Err(halt) = self.step(record_batch, clean) {
                return halt;
            }
        }
    }

    /// Reads the next token above the records, or the next record.
    fn step(&mut self, record_batch: &mut RecordBatch, clean: bool) -> Result<(), Halt> {
        let at = self.cursor.at;
        let (text, ended) = (self.cursor.window.text(), self.cursor.window.ended());
        if at == text.len() {
            return Err(if ended { self.end() } else { Halt::Fault(Fault::More) });
        }
        if text[at] != b'<' {
            // Text above the records may be larger than the window.
            let end = memchr::memchr(b'<', &text[at..]).map_or(text.len(), |length| at + length);
            if self.walk.open.is_empty()
                && let Some(written) = text[at..end].iter().position(|byte| !is_space(*byte))
            {
                return Err(
                    Fault::broken(at + written, "there is text outside of the root element: it is not XML").into()
                );
            }
            self.cursor.at = end;
            return Ok(());
        }
        let (token, end) = token(text, at, ended)?;
        match token {
            Token::Start(tag) if self.walk.is_record(text, tag, &self.options, &self.columns)? => {
                return self.record(record_batch, clean);
            }
            Token::Start(tag) => {
                check_attributes(text, tag.attributes)?;
                self.walk.enter(text, at, tag, &self.options, &self.columns, self.records == 0)?;
            }
            Token::End(name) => self.walk.leave(at, &text[name.0..name.1])?,
            Token::CData(_) if self.walk.open.is_empty() => {
                return Err(Fault::broken(at, "there is text outside of the root element").into());
            }
            Token::CData(_) | Token::Text(_) | Token::Ignored => {}
        }
        self.cursor.at = end;
        Ok(())
    }

    /// Reads the record at the cursor.
    fn record(&mut self, record_batch: &mut RecordBatch, clean: bool) -> Result<(), Halt> {
        let (text, ended, start) = (self.cursor.window.text(), self.cursor.window.ended(), self.cursor.at);
        let end = self.tree.read(text, start, ended)?;
        let mark = (record_batch.extra.len(), self.columns.names().as_slice().len());
        let record = Record { text, tree: &self.tree, start, trim: self.options.trim };
        let built = match problem_of(&text[start..end], clean) {
            Some(problem) => Err(NoRow::Problem(problem)),
            None => self.row.build(&record, &mut self.columns, &mut record_batch.extra),
        };
        let line = self.cursor.line_at(start);
        if record_batch.extra.len() - mark.0 > MAX_JSON_BYTES {
            let name = self.cursor.window.name();
            return Err(Halt::Error(FileError::record_too_large(name, line, MAX_JSON_BYTES)));
        }
        match built {
            Ok(true) => {
                let width = self.columns.names().as_slice().len();
                self.row.push(record_batch, width, line, (start, end));
            }
            Ok(false) => self.filtered += 1,
            Err(NoRow::Fault(fault)) => return Err(fault.into()),
            Err(NoRow::Name(error)) => {
                return Err(Halt::Error(FileError::name(self.cursor.window.name(), line, &error)));
            }
            Err(NoRow::Problem((code, reason))) => {
                record_batch.extra.truncate(mark.0);
                self.columns.forget(mark.1);
                let raw = self.cursor.window.text()[start..end.min(start + MAX_RAW_BYTES)].to_vec();
                record_batch.bad.push(BadRecord { file: self.file, line, column: None, code, reason, raw });
            }
        }
        self.walk.has_root = true;
        self.records += 1;
        self.cursor.at = end;
        Ok(())
    }

    /// The end of the document: it must be whole, and the path must be one of its.
    fn end(&mut self) -> Halt {
        let at = self.cursor.at;
        if let Some((name, _)) = self.walk.open.last() {
            let what = format!("the file ends before `</{}>`", String::from_utf8_lossy(name));
            let line = self.cursor.line_at(at);
            let error = FileError::new(Code::Truncated, self.cursor.window.name(), Some(line), what);
            return Halt::Error(error.hint("Copy the file again if it was cut off; it is read again when it changes."));
        }
        if !self.walk.has_root {
            return Halt::Error(
                FileError::new(Code::Truncated, self.cursor.window.name(), None, "it is empty, which is not XML")
                    .hint("Copy the file again if it was cut off; it is read again when it changes."),
            );
        }
        if self.records == 0 && self.warnings.is_empty() {
            match self.nothing_found() {
                Err(error) => return Halt::Error(error),
                Ok(warning) => self.warnings.extend(warning),
            }
        }
        Halt::End
    }

    /// Tells a document without rows from a wrong path: the element around the rows is there, and nothing is repeated in it.
    fn nothing_found(&self) -> Result<Option<String>, FileError> {
        let name = |written: &str| String::from_utf8_lossy(self.columns.name(written.as_bytes())).into_owned();
        let as_named = |path: &str| path.split('/').skip(1).map(name).collect::<Vec<_>>();
        let records = &self.options.records;
        let parent = records.split_last().map_or(&[][..], |(_, parent)| parent);
        let (mut has_parent, mut others) = (false, Vec::new());
        for path in self.walk.paths.all() {
            let names = as_named(&path.path);
            has_parent |= !parent.is_empty() && names == parent;
            if names.len() == records.len() && names.starts_with(parent) {
                others.push(path);
            }
        }
        let (shown, records) = (self.walk.paths.shown(), records.join("/"));
        if has_parent && others.iter().all(|path| path.count < 2) {
            return Ok(
                (!others.is_empty()).then(|| format!("it has no element at xml.records /{records}; it has {shown}"))
            );
        }
        let what = format_args!("it has no element at xml.records /{records}; it has {shown}");
        Err(FileError::new(Code::RecordsMissing, self.cursor.window.name(), None, what)
            .hint("Write the path of the elements that are rows in `xml: {records: …}`."))
    }
}

impl Walk {
    /// Whether a start tag is that of a record.
    fn is_record(&self, text: &[u8], tag: Tag, options: &XmlOptions, columns: &Columns) -> Result<bool, Fault> {
        let level = self.open.len();
        if level == 0 && self.has_root {
            return Err(Fault::broken(tag.name.0 - 1, "a document has one root element, and this is another one"));
        }
        let is_below = self.open.last().is_none_or(|(_, is_on_path)| *is_on_path);
        let name = columns.name(&text[tag.name.0..tag.name.1]);
        Ok(is_below && level + 1 == options.records.len() && options.records[level].as_bytes() == name)
    }

    fn enter(
        &mut self,
        text: &[u8],
        at: usize,
        tag: Tag,
        options: &XmlOptions,
        columns: &Columns,
        note_path: bool,
    ) -> Result<(), Fault> {
        let level = self.open.len();
        if level >= MAX_LEVELS {
            return Err(Fault::broken(at, format!("elements are nested deeper than {MAX_LEVELS} levels")));
        }
        self.has_root = true;
        if note_path {
            self.paths.enter(text, tag.name, 0);
        }
        if tag.is_empty {
            if note_path {
                self.paths.leave();
            }
            return Ok(());
        }
        let written = &text[tag.name.0..tag.name.1];
        let is_below = self.open.last().is_none_or(|(_, is_on_path)| *is_on_path);
        let wanted = options.records.get(level).map(String::as_bytes);
        self.open.push((Box::from(written), is_below && wanted == Some(columns.name(written))));
        Ok(())
    }

    fn leave(&mut self, at: usize, name: &[u8]) -> Result<(), Fault> {
        self.paths.leave();
        match self.open.pop() {
            Some((open, _)) if *open == *name => Ok(()),
            Some((open, _)) => Err(wrong_end(at, name, &open)),
            None => Err(Fault::broken(at, "this end tag closes no element")),
        }
    }
}

impl Rows for Xml {
    fn read(&mut self, record_batch: &mut RecordBatch) -> Result<bool, FileError> {
        record_batch.clear(self.names.len());
        self.cursor.slide()?;
        loop {
            let halt = self.rows_of_window(record_batch);
            if self.names.len() < self.columns.names().as_slice().len() {
                self.names = Arc::new(self.columns.names().as_slice().to_vec());
            }
            record_batch.widen(self.names.len());
            match halt {
                Halt::Error(error) => return Err(error),
                Halt::End | Halt::Full | Halt::Fault(Fault::More) if !record_batch.is_empty() => return Ok(true),
                Halt::End | Halt::Full => return Ok(false),
                Halt::Fault(Fault::More) => self.cursor.read_on()?,
                Halt::Fault(fault) => return Err(self.cursor.error(fault)),
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
        let changes = self.columns.names().changes();
        let warnings = self.warnings.iter().cloned().chain(changes).collect();
        FileSummary { bytes, content_hash, filtered: self.filtered, delimiter: None, dialect: None, warnings }
    }
}

/// The problem of a record whose end is known. `None`: it can be a row.
fn problem_of(raw: &[u8], clean: bool) -> Option<Problem> {
    if clean {
        return None;
    }
    if let Some(at) = memchr::memchr(0, raw) {
        return Some((Code::NulByte, format!("byte {} is NUL, which PostgreSQL cannot keep", at + 1)));
    }
    let at = std::str::from_utf8(raw).err()?.valid_up_to() + 1;
    let what = "is not valid text in the file's encoding: it must be the one that the file declares, or xml.encoding";
    Some((Code::InvalidEncoding, format!("byte {at} {what}")))
}
