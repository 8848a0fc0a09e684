//! Records of a window become rows, or are left out: blank lines, comments, repeated headers, and the last ones of the file.

use std::collections::VecDeque;

use elt_shared::explained::Code;

use super::is_blank;
use super::split::{Cut, Dialect, Record, Records};
use crate::frame::record_batch::{Cell, RecordBatch};
use crate::frame::{BadRecord, MAX_RAW_BYTES};

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
/// ended before the text did, and the place behind the last record.
pub(super) fn walk(
    mut splitter: impl Records,
    window: WindowText<'_>,
    dialect: Dialect,
    rules: &RowRules,
    from: Position,
    record_batch: &mut RecordBatch,
) -> (Option<Cut>, Position) {
    let text = window.text;
    let mut at = from;
    let mut marks = VecDeque::new();
    let cut = loop {
        if at.done == text.len() || record_batch.is_full() {
            break None;
        }
        if let Some(comment) = &rules.comment
            && text[at.done..].starts_with(comment)
        {
            match splitter.skip_line(at.done) {
                Ok(next) => at = Position { done: next, line: at.line + 1, filtered: at.filtered + 1, ..at },
                Err(cut) => break Some(cut),
            }
            continue;
        }
        let before = (rules.footer > 0).then(|| Mark::of(at, record_batch));
        let (first, extra) = (record_batch.cells.len(), record_batch.extra.len());
        let record = match splitter.record(at.done, rules.width, record_batch) {
            Ok(record) => record,
            Err(cut) => {
                record_batch.cells.truncate(first);
                record_batch.extra.truncate(extra);
                break Some(cut);
            }
        };
        let taken = take(&record, first, extra, at, window, dialect, rules, record_batch);
        let is_repeat = taken == Taken::Repeat;
        at.filtered += u64::from(is_repeat || taken == Taken::Blank);
        at.first_repeat = if is_repeat && at.repeats == 0 { at.line } else { at.first_repeat };
        at.repeats += u64::from(is_repeat);
        if let Some(mark) = before.filter(|_| taken != Taken::Blank) {
            if marks.len() == rules.footer {
                marks.pop_front();
            }
            marks.push_back(mark);
        }
        at.line += record.lines;
        at.done = record.next;
    };
    match marks.front() {
        Some(mark) => hold_back(mark, &marks, cut, window, at, record_batch),
        None => (cut, at),
    }
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// A row, or a record that cannot be one.
    Record,
    /// A blank line.
    Blank,
    /// The header again.
    Repeat,
}

/// Makes a row of a record whose cells are the last ones of the batch, or takes them out again.
#[inline]
#[expect(clippy::too_many_arguments, reason = "it is the inner part of the loop above")]
fn take(
    record: &Record,
    first: usize,
    extra: usize,
    at: Position,
    window: WindowText<'_>,
    dialect: Dialect,
    rules: &RowRules,
    record_batch: &mut RecordBatch,
) -> Taken {
    let raw = &window.text[at.done..record.end];
    let blank_width = if dialect.trim { 2 } else { rules.width };
    if record.count == 1 && is_blank(raw, blank_width, dialect.delimiter) {
        record_batch.cells.truncate(first);
        return Taken::Blank;
    }
    if let Some((code, reason)) = defect(record, rules.width, raw, window.clean) {
        record_batch.cells.truncate(first);
        record_batch.extra.truncate(extra);
        let raw = raw[..raw.len().min(MAX_RAW_BYTES)].to_vec();
        record_batch.bad.push(BadRecord { file: rules.file, line: at.line, code, reason, raw });
        return Taken::Record;
    }
    if rules.repeated_header.as_ref().is_some_and(|header| is_header(header, record_batch, window.text, first)) {
        record_batch.cells.truncate(first);
        record_batch.extra.truncate(extra);
        return Taken::Repeat;
    }
    record_batch.cells.resize(first + rules.width, Cell::NULL);
    if let Some(null_values) = &rules.null_values {
        nullify(record_batch, window.text, first, null_values);
    }
    record_batch.lines.push(at.line);
    record_batch.spans.push((at.done as u32, record.end as u32));
    Taken::Record
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

/// Whether the cells of a record are those of the header. Missing cells at its end count as empty.
#[inline]
fn is_header(header: &[Vec<u8>], record_batch: &RecordBatch, text: &[u8], first: usize) -> bool {
    let cells = &record_batch.cells[first..];
    let is_same = |(at, name): (usize, &Vec<u8>)| {
        cells.get(at).map_or(&b""[..], |&cell| record_batch.bytes(text, cell)) == name.as_slice()
    };
    header.iter().enumerate().all(is_same)
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
