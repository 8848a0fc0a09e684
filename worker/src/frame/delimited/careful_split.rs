//! Splits delimited text byte by byte, for files with escapes, spaces around their cells, comments or a footer. The rules for
//! quotes and line ends are those of [`super::split`], and these are added:
//!
//! - The character behind an escape is taken as it is, inside and outside of quotes, be it a quote, a delimiter or a line end.
//! - A bare cell `\N` is NULL where the escape is a backslash, because databases export NULL so.
//! - With `trim`, spaces and tabs around cells are dropped. Those inside quotes, and those behind an escape, are kept.

use super::split::{Cut, Dialect, Record, Records};
use crate::frame::CellKind;
use crate::frame::record_batch::{Cell, RecordBatch};

/// Splits one text, record by record.
pub(super) struct CarefulSplitter<'a> {
    dialect: Dialect,
    text: &'a [u8],
    /// Whether the file ends with this text.
    ended: bool,
}

/// A cell that was read.
struct Read {
    cell: Cell,
    /// Position of the delimiter or line end behind it.
    end: usize,
    /// Whether it goes on after its closing quote.
    stray_quote: bool,
    /// Whether it holds a quoted text, or more than spaces and tabs.
    has_value: bool,
}

impl CarefulSplitter<'_> {
    fn cell(&self, start: usize, lines: &mut u64, extra: &mut Vec<u8>) -> Result<Read, Cut> {
        let start = if self.dialect.trim { self.behind_blanks(start) } else { start };
        if self.dialect.quote.is_some() && self.text.get(start).copied() == self.dialect.quote {
            self.quoted(start, lines, extra)
        } else {
            self.bare(start, lines, extra)
        }
    }

    fn bare(&self, start: usize, lines: &mut u64, extra: &mut Vec<u8>) -> Result<Read, Cut> {
        // `floor`: end of the last character behind an escape, which is kept whatever it is.
        let (mut end, mut floor) = (start, start);
        loop {
            match self.text.get(end) {
                None if self.ended => break,
                None => return Err(Cut::More),
                Some(&byte) if byte == self.dialect.delimiter || self.ends_line(byte) => break,
                Some(&byte) if Some(byte) == self.dialect.escape => match self.text.get(end + 1) {
                    Some(_) => {
                        *lines += u64::from(self.counts_as_line(end + 1));
                        (end, floor) = (end + 2, end + 2);
                    }
                    // An escape at the very end of the file is a character like others.
                    None if self.ended => end += 1,
                    None => return Err(Cut::More),
                },
                Some(_) => end += 1,
            }
        }
        let mut stop = if self.is_delimiter(end) { end } else { self.line_stop(floor, end) };
        while self.dialect.trim && stop > floor && is_blank(self.text[stop - 1]) {
            stop -= 1;
        }
        let content = &self.text[start..stop];
        let cell = if content.is_empty() || (self.dialect.escaped_n_is_null && content == b"\\N") {
            Cell::NULL
        } else if floor == start {
            Cell::of_text(CellKind::Bare, start, stop)
        } else {
            self.unescaped(CellKind::Bare, content, extra)
        };
        let has_value = !cell.is_null() && !content.iter().all(|&byte| is_blank(byte));
        Ok(Read { cell, end, stray_quote: false, has_value })
    }

    fn quoted(&self, open: usize, lines: &mut u64, extra: &mut Vec<u8>) -> Result<Read, Cut> {
        let opened_at = *lines - 1;
        let unfinished = || if self.ended { Cut::Unclosed { lines: opened_at } } else { Cut::More };
        let (mut close, mut is_changed) = (open + 1, false);
        loop {
            let byte = *self.text.get(close).ok_or_else(unfinished)?;
            let next = self.text.get(close + 1).copied();
            if Some(byte) == self.dialect.escape {
                next.ok_or_else(unfinished)?;
                *lines += u64::from(self.counts_as_line(close + 1));
                (close, is_changed) = (close + 2, true);
            } else if Some(byte) == self.dialect.quote {
                match next {
                    Some(_) if next == self.dialect.quote => (close, is_changed) = (close + 2, true),
                    None if !self.ended => return Err(Cut::More),
                    _ => break,
                }
            } else {
                *lines += u64::from(self.counts_as_line(close));
                close += 1;
            }
        }
        let behind = if self.dialect.trim { self.behind_blanks(close + 1) } else { close + 1 };
        let end = self.cell_end(behind)?;
        let only_line_end = !self.is_delimiter(end) && self.text[behind..end].iter().all(|&byte| byte == b'\r');
        let content = &self.text[open + 1..close];
        let cell = if is_changed {
            self.unescaped(CellKind::Quoted, content, extra)
        } else {
            Cell::of_text(CellKind::Quoted, open + 1, close)
        };
        let stray_quote = behind != end && !only_line_end;
        Ok(Read { cell, end, stray_quote, has_value: !content.is_empty() })
    }

    /// A cell of the text `content` with its escapes resolved, and the doubled quotes of a quoted cell.
    fn unescaped(&self, kind: CellKind, content: &[u8], extra: &mut Vec<u8>) -> Cell {
        let start = extra.len();
        let mut bytes = content.iter().copied();
        while let Some(byte) = bytes.next() {
            let doubles = kind == CellKind::Quoted && Some(byte) == self.dialect.quote;
            let escapes = Some(byte) == self.dialect.escape;
            extra.push(if doubles || escapes { bytes.next().unwrap_or(byte) } else { byte });
        }
        Cell::of_extra(kind, start, extra.len())
    }

    /// Position of the next delimiter or line end, or of the end of the file.
    fn cell_end(&self, from: usize) -> Result<usize, Cut> {
        let ends = |&byte: &u8| byte == self.dialect.delimiter || self.ends_line(byte);
        match self.text[from..].iter().position(ends) {
            Some(length) => Ok(from + length),
            None if self.ended => Ok(self.text.len()),
            None => Err(Cut::More),
        }
    }

    fn behind_blanks(&self, from: usize) -> usize {
        let blanks = self.text[from..].iter().take_while(|&&byte| is_blank(byte) && byte != self.dialect.delimiter);
        from + blanks.count()
    }

    fn is_delimiter(&self, at: usize) -> bool {
        self.text.get(at) == Some(&self.dialect.delimiter)
    }

    fn ends_line(&self, byte: u8) -> bool {
        byte == b'\n' || (byte == b'\r' && self.dialect.bare_cr)
    }

    /// Whether a line ends at this position. Of `\r\n` only the second byte counts.
    fn counts_as_line(&self, at: usize) -> bool {
        self.text[at] == b'\n' || (self.ends_line(self.text[at]) && self.text.get(at + 1) != Some(&b'\n'))
    }

    /// Position where the text of a line stops whose line end is at `end`, but not before `floor`.
    fn line_stop(&self, floor: usize, end: usize) -> usize {
        let returns = self.text[floor..end].iter().rev().take_while(|&&byte| byte == b'\r');
        end - returns.count()
    }

    /// Position of the next record when the line end of this one is at `end`.
    fn after_line_end(&self, end: usize) -> Result<usize, Cut> {
        if self.text.get(end) != Some(&b'\r') {
            return Ok((end + 1).min(self.text.len()));
        }
        match self.text.get(end + 1) {
            Some(b'\n') => Ok(end + 2),
            None if !self.ended => Err(Cut::More),
            _ => Ok(end + 1),
        }
    }
}

impl<'a> Records<'a> for CarefulSplitter<'a> {
    fn new(dialect: Dialect, text: &'a [u8], ended: bool) -> Self {
        Self { dialect, text, ended }
    }

    fn record(&mut self, start: usize, keep: usize, record_batch: &mut RecordBatch) -> Result<Record, Cut> {
        let mut record = Record::unfinished();
        let mut cell_start = start;
        loop {
            let read = self.cell(cell_start, &mut record.lines, &mut record_batch.extra)?;
            record.stray_quote |= read.stray_quote;
            if record.count < keep {
                record_batch.cells.push(read.cell);
            } else {
                record.surplus_value |= read.has_value;
            }
            record.count += 1;
            if self.is_delimiter(read.end) {
                cell_start = read.end + 1;
                continue;
            }
            record.next = self.after_line_end(read.end)?;
            record.end = self.line_stop(cell_start, read.end);
            return Ok(record);
        }
    }

    fn skip_line(&mut self, start: usize) -> Result<usize, Cut> {
        match self.text[start..].iter().position(|&byte| self.ends_line(byte)) {
            Some(length) => self.after_line_end(start + length),
            None if self.ended => Ok(self.text.len()),
            None => Err(Cut::More),
        }
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}
