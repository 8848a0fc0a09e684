//! Fixed-width files: each column stands at the same places of every line, or of every record of one length.
//!
//! # Layout
//! - [`records`]: where lines and records end
//! - [`cells`]: a record becomes the cells of a row
//! - [`propose`]: the columns that the beginning of a file shows
//! - this file: the lines above the rows, then rows

mod cells;
pub mod propose;
mod records;

use std::sync::Arc;

use elt_shared::config::{FixedWidth, WidthUnit};
use elt_shared::explained::Code;
use encoding_rs::{Encoding, ISO_2022_JP, UTF_8, UTF_16BE, UTF_16LE};

use super::column_names::Names;
use super::decode::{Text, declared};
use super::read::{FileError, FileSummary, Rows};
use super::record_batch::RecordBatch;
use super::window::Window;
use super::{BadRecord, MAX_RAW_BYTES};
use crate::input::InputFile;
use cells::{Cutter, is_blank};
use records::{Found, Records};

/// A fixed-width file that is being read.
pub(super) struct FixedWidthRows {
    window: Window,
    file: usize,
    options: FixedWidth,
    cutter: Cutter,
    records: Records,
    names: Arc<Vec<String>>,
    warnings: Vec<String>,
    /// Number of bytes of the window whose records were read.
    done: usize,
    /// Line of the next record, counted from 1; in a file without line ends the number of the record.
    line: u64,
    filtered: u64,
    /// Encoding of the window's bytes and the batch's rows as text, when a cell is decoded after it was cut. `None`: the
    /// window holds text.
    undecoded: Option<(&'static Encoding, Vec<u8>)>,
}

impl FixedWidthRows {
    /// Finds where lines end, skips the lines above the rows, and reads the header.
    pub(super) fn open(file: usize, input: &InputFile, size: usize) -> Result<Self, FileError> {
        let Some(mut options) = input.options.fixed_width.clone() else {
            return Err(FileError::new(Code::NotRows, &input.name, None, "nothing says where its columns are")
                .hint("Write `fixed_width:` with the columns in the source."));
        };
        let (text, raw) = open_text(input, &options)?;
        if raw.is_none() && text.known_encoding() != Some(UTF_8) {
            // Each byte was one character, which may have become several bytes.
            options.unit = WidthUnit::Characters;
        }
        let mut window = Window::new(text, size);
        window.slide(0)?;
        let mut rows = Self {
            records: Records::of(&options, &mut window)?,
            window,
            file,
            cutter: Cutter::new(&options, raw),
            names: Arc::default(),
            warnings: Vec::new(),
            done: 0,
            line: 1,
            filtered: 0,
            undecoded: raw.map(|encoding| (encoding, Vec::new())),
            options,
        };
        for _ in 0..rows.options.skip_rows {
            let Some(found) = rows.peek()? else { break };
            rows.pass(found);
        }
        rows.read_header()?;
        Ok(rows)
    }

    /// Reads the names of the columns, from the config or from the first line that is neither blank nor a comment.
    fn read_header(&mut self) -> Result<(), FileError> {
        let named: Option<Vec<String>> = self.options.columns.iter().map(|column| column.name.clone()).collect();
        let has_names = named.is_some() || self.options.header;
        let mut names = named.clone().unwrap_or_else(|| vec![String::new(); self.options.columns.len()]);
        let mut line = self.line;
        if self.options.header {
            while let Some(found) = self.peek()? {
                if self.is_passed_over(found) {
                    self.pass(found);
                    continue;
                }
                line = self.line;
                if named.is_none() {
                    names = self.names_in(found)?;
                }
                self.advance(found);
                if let Some(below) = self.peek()?.filter(|&below| is_ruler(self.bytes(below))) {
                    self.pass(below);
                }
                break;
            }
        }
        let names = Names::of_header(names.iter().map(String::as_str))
            .map_err(|error| FileError::name(self.window.name(), line, &error))?;
        self.warnings.extend(names.changes().filter(|_| has_names));
        self.names = Arc::new(names.as_slice().to_vec());
        Ok(())
    }

    /// The names in the header that was found.
    fn names_in(&mut self, found: Found) -> Result<Vec<String>, FileError> {
        let header = &self.window.text()[self.done..found.end];
        let names = self.cutter.names(header).map_err(|(code, reason)| {
            FileError::new(code, self.window.name(), Some(self.line), format_args!("the header is not text: {reason}"))
                .hint(next_step(code))
        })?;
        if let Some(place) = self.cutter.surplus(header) {
            self.warnings.push(format!("its header goes on behind the last column, at place {place}"));
        }
        Ok(names)
    }

    /// The next record, without stepping over it. `None`: the file has ended.
    fn peek(&mut self) -> Result<Option<Found>, FileError> {
        loop {
            let text = self.window.text();
            if self.done == text.len() && self.window.ended() {
                return Ok(None);
            }
            if let Some(found) =
                self.records.find(text, self.done, self.window.ended()).filter(|_| self.done < text.len())
            {
                return Ok(Some(found));
            }
            self.read_on()?;
        }
    }

    /// Reads more of the file, into a larger window if the next record starts at its beginning.
    fn read_on(&mut self) -> Result<(), FileError> {
        let is_stuck = self.done == 0 && !self.window.text().is_empty();
        self.window.slide(self.done)?;
        self.done = 0;
        if is_stuck { self.window.grow(self.line) } else { Ok(()) }
    }

    fn bytes(&self, found: Found) -> &[u8] {
        &self.window.text()[self.done..found.end]
    }

    fn advance(&mut self, found: Found) {
        self.done = found.next;
        self.line += 1;
    }

    /// Steps over a record that is not a row, and counts it.
    fn pass(&mut self, found: Found) {
        self.filtered += 1;
        self.advance(found);
    }

    /// Whether a record is blank or a comment.
    fn is_passed_over(&self, found: Found) -> bool {
        let bytes = self.bytes(found);
        let is_comment = self.options.comment.as_ref().is_some_and(|comment| bytes.starts_with(comment.as_bytes()));
        is_comment || is_blank(bytes)
    }

    /// Cuts every whole record of the window from where the last one ended, up to the footer.
    fn cut(&mut self, record_batch: &mut RecordBatch) -> Result<(), FileError> {
        let (length, ended) = (self.window.text().len(), self.window.ended());
        let end_of_rows = self.records.end_of_rows(self.window.text(), self.done, ended);
        let clean =
            self.undecoded.is_none() && memchr::memchr(0, self.window.text()).is_none() && self.window.is_utf8();
        while self.done < length && !record_batch.is_full() {
            let Some(found) = self.records.find(self.window.text(), self.done, ended) else { break };
            if self.done >= end_of_rows {
                if !ended {
                    break;
                }
                self.pass(found);
            } else if self.is_passed_over(found) {
                self.pass(found);
            } else if found.is_cut {
                return Err(self.cut_off());
            } else {
                self.keep(found, clean, record_batch);
                self.advance(found);
            }
        }
        Ok(())
    }

    /// Adds a record to the batch, as a row or as a bad record.
    fn keep(&mut self, found: Found, clean: bool, record_batch: &mut RecordBatch) {
        let text = self.window.text();
        let (cells, extra) = (record_batch.cells.len(), record_batch.extra.len());
        let span = (self.done, found.end);
        match (self.cutter.row(text, span, clean, record_batch), &mut self.undecoded) {
            (Ok(()), None) => record_batch.spans.push((span.0 as u32, span.1 as u32)),
            (Ok(()), Some((encoding, rows))) => {
                let start = rows.len();
                rows.extend_from_slice(encoding.decode_without_bom_handling(&text[span.0..span.1]).0.as_bytes());
                record_batch.spans.push((start as u32, rows.len() as u32));
            }
            (Err((code, reason)), undecoded) => {
                record_batch.cells.truncate(cells);
                record_batch.extra.truncate(extra);
                let raw = &text[span.0..span.1.min(span.0 + MAX_RAW_BYTES)];
                let raw = match undecoded {
                    Some((encoding, _)) => encoding.decode_without_bom_handling(raw).0.into_owned().into_bytes(),
                    None => raw.to_vec(),
                };
                record_batch.bad.push(BadRecord { file: self.file, line: self.line, column: None, code, reason, raw });
                return;
            }
        }
        record_batch.lines.push(self.line);
    }

    fn cut_off(&self) -> FileError {
        let length = self.options.record_length.unwrap_or(0);
        FileError::new(
            Code::Truncated,
            self.window.name(),
            Some(self.line),
            format_args!(
                "the file ends inside this record, which has fewer than the {length} places of `record_length`"
            ),
        )
        .hint("Copy the file again if it was cut off, or correct fixed_width.record_length.")
    }
}

impl Rows for FixedWidthRows {
    fn read(&mut self, record_batch: &mut RecordBatch) -> Result<bool, FileError> {
        record_batch.clear(self.names.len());
        if let Some((_, rows)) = &mut self.undecoded {
            rows.clear();
        }
        self.window.slide(self.done)?;
        self.done = 0;
        loop {
            self.cut(record_batch)?;
            if !record_batch.is_empty() {
                return Ok(true);
            }
            if self.window.ended() && self.done == self.window.text().len() {
                return Ok(false);
            }
            self.read_on()?;
        }
    }

    fn text(&self) -> &[u8] {
        match &self.undecoded {
            Some((_, rows)) => rows,
            None => self.window.text(),
        }
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
            delimiter: None,
            dialect: None,
            warnings: self.window.encoding().warning.into_iter().chain(self.warnings.iter().cloned()).collect(),
        }
    }
}

/// Opens a file. The encoding is returned when places are counted in bytes of an encoding whose characters have several:
/// then the text is not decoded.
fn open_text(input: &InputFile, options: &FixedWidth) -> Result<(Text, Option<&'static Encoding>), FileError> {
    let encoding = declared(input)?;
    if options.unit == WidthUnit::Characters || encoding == UTF_8 || encoding.is_single_byte() {
        let text = Text::open(input)?;
        return match text.known_encoding().filter(|found| [UTF_16LE, UTF_16BE].contains(found)) {
            Some(wide) if options.unit == WidthUnit::Bytes => Err(no_bytes(input, wide)),
            _ => Ok((text, None)),
        };
    }
    if [UTF_16LE, UTF_16BE, ISO_2022_JP].contains(&encoding) {
        return Err(no_bytes(input, encoding));
    }
    let text = Text::open_in(input, UTF_8)?;
    match text.known_encoding().filter(|found| *found != UTF_8) {
        Some(marked) => Err(no_bytes(input, marked)),
        None => Ok((text, Some(encoding))),
    }
}

fn no_bytes(input: &InputFile, encoding: &'static Encoding) -> FileError {
    let what = format_args!("its encoding is {}, in which places cannot be counted in bytes", encoding.name());
    FileError::new(Code::InvalidEncoding, &input.name, None, what)
        .hint("Write `unit: characters` in fixed_width, and count the places in characters.")
}

/// The next step for a file of which every row was rejected. `code` is the code of the first row.
pub(super) fn next_step(code: Code) -> &'static str {
    match code {
        Code::SurplusText => {
            "Correct the columns in fixed_width, add one for the rest of the line, or write `surplus: ignore`."
        }
        Code::ControlCharacter => "Replace tabs by blanks, or correct fixed_width.record_length.",
        Code::InvalidEncoding => {
            "Write the file's encoding in the source, `fixed_width: {encoding: windows-1252}` for example."
        }
        Code::NulByte => {
            "If the file is UTF-16 without a byte order mark, write `fixed_width: {encoding: utf-16le}`; unpack packed \
             decimals before."
        }
        _ => "Correct the file; it is read again when it changes.",
    }
}

/// Whether a line has only dashes and the gaps between them.
pub(super) fn is_ruler(line: &[u8]) -> bool {
    let is_dash = |byte: &u8| matches!(byte, b'-' | b'=');
    line.iter().any(is_dash) && line.iter().all(|byte| is_dash(byte) || matches!(byte, b' ' | b'+' | b'|' | b'_'))
}
