//! Records of a window become rows, or are left out: blank lines, comments, repeated headers, and the last ones of the file.

use std::collections::VecDeque;

use elt_shared::explained::Code;

use super::is_blank;
use super::split::{Cut, Dialect, Record, Records};
use crate::frame::record_batch::{Cell, RecordBatch};
use crate::frame::{BYTE_ORDER_MARK, BadRecord, MAX_RAW_BYTES};

/// The rules by which records of a file are rows.
#[derive(Debug, Default)]
pub(super) struct RowRules {
    /// Index of the file among the run's input files.
    pub file: usize,
    /// Number of columns.
    pub width: usize,
    /// Texts that are NULL. `None`: the default rules.
    pub null_values: Option<Vec<Vec<u8>>>,
    /// The beginning of lines that are not rows.
    pub comment: Option<Vec<u8>>,
    /// The cells of the header, when a record of the same cells is a header again. `None`: it is a row.
    pub repeated_header: Option<Vec<Vec<u8>>>,
    /// Number of records at the end of the file that are not rows.
    pub footer: usize,
}

impl RowRules {
    /// Whether the file has comments or a footer.
    pub(super) fn is_framed(&self) -> bool {
        self.comment.is_some() || self.footer > 0
    }
}

/// A place in a file, and the records that were left out above it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Position {
    /// Number of bytes of the window whose records were read.
    pub done: usize,
    /// Line of the next record, counted from 1.
    pub line: u64,
    /// Number of lines and records that are not rows.
    pub filtered: u64,
    /// Number of headers below the first one, which count as filtered, too.
    pub repeats: u64,
    /// Line of the first of these.
    pub first_repeat: u64,
}

impl Position {
    /// Notes a header in a line.
    fn note_repeat(&mut self, line: u64) {
        self.first_repeat = if self.repeats == 0 { line } else { self.first_repeat };
        self.repeats += 1;
        self.filtered += 1;
    }
}

/// The state before a record that may be one of the last ones of the file.
struct Mark {
    position: Position,
    cells: usize,
    extra: usize,
    rows: usize,
    bad: usize,
}

impl Mark {
    fn of(position: Position, record_batch: &RecordBatch) -> Self {
        let RecordBatch { cells, extra, lines, bad, .. } = record_batch;
        Self { position, cells: cells.len(), extra: extra.len(), rows: lines.len(), bad: bad.len() }
    }

    fn restore(&self, record_batch: &mut RecordBatch) {
        record_batch.cells.truncate(self.cells);
        record_batch.extra.truncate(self.extra);
        record_batch.lines.truncate(self.rows);
        record_batch.spans.truncate(self.rows);
        record_batch.bad.truncate(self.bad);
    }
}

/// The text of a window.
#[derive(Clone, Copy)]
pub(super) struct WindowText<'a> {
    pub text: &'a [u8],
    /// Whether the file ends with it.
    pub ended: bool,
    /// Whether it is UTF-8 without NUL, so that no record must be checked for that.
    pub clean: bool,
}

/// Adds every whole record of a window to a batch, from the start of the window. `from.done` is 0. Returns the reason why it
/// ended before the text did, and the place behind the last record. `FRAMED`: whether the file has comments or a footer.
pub(super) fn walk<'a, const FRAMED: bool, S: Records<'a>>(
    window: WindowText<'a>,
    dialect: Dialect,
    rules: &RowRules,
    from: Position,
    record_batch: &mut RecordBatch,
) -> (Option<Cut>, Position) {
    let mut marks = VecDeque::new();
    let (cut, at) = records::<FRAMED, S>(window, dialect, rules, from, record_batch, &mut marks);
    match marks.front() {
        Some(mark) => hold_back(mark, &marks, cut, window, at, record_batch),
        None => (cut, at),
    }
}

/// Adds records to a batch until the text or the room in the batch ends. `FRAMED`: whether the file has comments or a footer;
/// `marks`: those of the last records, as many as the footer has.
fn records<'a, const FRAMED: bool, S: Records<'a>>(
    window: WindowText<'a>,
    dialect: Dialect,
    rules: &RowRules,
    from: Position,
    record_batch: &mut RecordBatch,
    marks: &mut VecDeque<Mark>,
) -> (Option<Cut>, Position) {
    let WindowText { text, clean, ended } = window;
    // It is made here, and for plain files in one place only, because its state is then kept in registers.
    let mut splitter = S::new(dialect, text, ended);
    let mut at = from;
    let (mut start, mut line) = (at.done, at.line);
    let width = rules.width;
    let blank_width = if dialect.trim { 2 } else { width };
    let cut = loop {
        if start == text.len() || record_batch.is_full() {
            break None;
        }
        if FRAMED
            && let Some(comment) = &rules.comment
            && text[start..].starts_with(comment)
        {
            match splitter.skip_line(start) {
                Ok(next) => {
                    start = next;
                    line += 1;
                    at.filtered += 1
                }
                Err(cut) => break Some(cut),
            }
            continue;
        }
        let mark = FRAMED.then(|| Mark::of(Position { done: start, line, ..at }, record_batch));
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
        let is_blank_line = record.count == 1 && is_blank(raw, blank_width, dialect.delimiter);
        if is_blank_line {
            record_batch.cells.truncate(first);
            at.filtered += 1;
        } else if let Some((code, reason)) = defect(&record, width, raw, clean) {
            record_batch.cells.truncate(first);
            record_batch.extra.truncate(extra);
            let raw = raw[..raw.len().min(MAX_RAW_BYTES)].to_vec();
            record_batch.bad.push(BadRecord { file: rules.file, line, column: None, code, reason, raw });
        } else if rules.repeated_header.as_ref().is_some_and(|header| is_header(header, record_batch, text, first)) {
            record_batch.cells.truncate(first);
            record_batch.extra.truncate(extra);
            at.note_repeat(line);
        } else {
            record_batch.cells.resize(first + width, Cell::NULL);
            if let Some(null_values) = &rules.null_values {
                nullify(record_batch, text, first, null_values);
            }
            record_batch.lines.push(line);
            record_batch.spans.push((start as u32, record.end as u32));
        }
        if let Some(mark) = mark.filter(|_| !is_blank_line && rules.footer > 0) {
            if marks.len() == rules.footer {
                marks.pop_front();
            }
            marks.push_back(mark);
        }
        line += record.lines;
        start = record.next;
    };
    (cut, Position { done: start, line, ..at })
}

/// Takes the last records out of a batch, because they are not rows if the file ends with them. Where the file goes on they
/// are read again with the next window.
fn hold_back(
    mark: &Mark,
    marks: &VecDeque<Mark>,
    cut: Option<Cut>,
    window: WindowText<'_>,
    at: Position,
    record_batch: &mut RecordBatch,
) -> (Option<Cut>, Position) {
    mark.restore(record_batch);
    let file_ends = window.ended && cut.is_none() && at.done == window.text.len();
    if file_ends {
        // A repeated header among them counts once.
        let repeats = at.repeats - mark.position.repeats;
        let filtered = at.filtered + marks.len() as u64 - repeats;
        let Position { repeats, first_repeat, .. } = mark.position;
        return (None, Position { filtered, repeats, first_repeat, ..at });
    }
    let is_stuck = record_batch.is_empty() && cut.is_none();
    (if is_stuck { Some(Cut::More) } else { cut }, mark.position)
}

/// Whether the cells of a record are those of the header. Missing cells at its end count as empty, and the first may begin with a
/// byte order mark, as in files that were joined.
#[inline]
fn is_header(header: &[Vec<u8>], record_batch: &RecordBatch, text: &[u8], first: usize) -> bool {
    // Most rows differ from the header in the length of their first cell.
    let Some(&cell) = record_batch.cells.get(first) else { return false };
    let name = header.first().map_or(&b""[..], Vec::as_slice);
    let marked = [BYTE_ORDER_MARK.len(), BYTE_ORDER_MARK.len() + 2].map(|more| name.len() + more);
    let is_first = if cell.len() == name.len() {
        record_batch.bytes(text, cell) == name
    } else {
        marked.contains(&cell.len()) && is_marked(name, record_batch.bytes(text, cell))
    };
    is_first && others_are_header(header, record_batch, text, first)
}

/// Whether a cell is a byte order mark and a name. Quotes around the name are a part of the cell, because a quote that encloses a
/// cell stands at its beginning.
#[cold]
fn is_marked(name: &[u8], cell: &[u8]) -> bool {
    let Some(written) = cell.strip_prefix(BYTE_ORDER_MARK) else { return false };
    let quoted = written.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    written == name || quoted == Some(name)
}

/// Whether the cells behind the first are those of the header.
#[cold]
fn others_are_header(header: &[Vec<u8>], record_batch: &RecordBatch, text: &[u8], first: usize) -> bool {
    let cells = &record_batch.cells[first..];
    let is_same = |(at, name): (usize, &Vec<u8>)| {
        cells.get(at).map_or(&b""[..], |&cell| record_batch.bytes(text, cell)) == name.as_slice()
    };
    header.iter().enumerate().skip(1).all(is_same)
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
        let what = "is not valid text in the file's encoding; write the right one in csv.encoding";
        return Some((Code::InvalidEncoding, format!("byte {} {what}", at + 1)));
    }
    if record.stray_quote {
        let reason = "a quoted cell goes on after its closing quote; a quote inside a quoted cell is written twice";
        let escaped = memchr::memmem::find(raw, b"\\\"").is_some();
        let hint = if escaped { ", or with a backslash before it if csv.escape says so" } else { "" };
        return Some((Code::StrayQuote, format!("{reason}{hint}")));
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
