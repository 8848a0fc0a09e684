//! Splits delimited text into records and cells, by RFC 4180 and by these rules for files that do not keep to it:
//!
//! - A quote opens a quoted cell only at its start; anywhere else it is an ordinary character.
//! - After a closing quote a cell must end. A record where it goes on is bad, because it could be read in two ways.
//! - A line ends with `\n` or `\r\n`; with `\r` only in files whose first line does.

use super::byte_finder::ByteFinder;
use crate::frame::CellKind;
use crate::frame::record_batch::{Cell, RecordBatch};

/// The characters that structure a delimited text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::frame) struct Dialect {
    /// Byte between two cells of a record.
    pub delimiter: u8,
    /// Encloses cells that contain delimiters or line ends. `None`: no character does, and a quote is an ordinary character.
    pub quote: Option<u8>,
    /// Whether a lone `\r` ends a line.
    pub bare_cr: bool,
    /// The character that takes the meaning from the one behind it. `None`: no character does.
    pub escape: Option<u8>,
    /// Whether a bare `\N` is NULL.
    pub escaped_n_is_null: bool,
    /// Whether spaces and tabs around cells are dropped.
    pub trim: bool,
}

impl Dialect {
    /// Whether [`Splitter`] can split the text, which knows neither escapes nor trimming.
    pub(super) fn is_plain(self) -> bool {
        self.escape.is_none() && !self.trim
    }

    /// The same dialect for a text that has neither escapes nor spaces to drop.
    pub(super) fn without_escapes(self) -> Self {
        Self { escape: None, escaped_n_is_null: false, trim: false, ..self }
    }
}

/// A splitter of one text.
pub(super) trait Records<'a> {
    /// A splitter of a text. `ended`: whether the file ends with it.
    fn new(dialect: Dialect, text: &'a [u8], ended: bool) -> Self
    where
        Self: Sized;

    /// Splits the record that starts at `start`, where the last one ended, and adds its first `keep` cells to the batch.
    fn record(&mut self, start: usize, keep: usize, record_batch: &mut RecordBatch) -> Result<Record, Cut>;

    /// Passes over the line that starts at `start`, where the last record ended. Returns the position of the next one.
    fn skip_line(&mut self, start: usize) -> Result<usize, Cut>;
}

/// A record that was split. Its cells are the last ones of the batch.
#[derive(Debug)]
pub(super) struct Record {
    /// Number of its cells, including those that were not kept.
    pub count: usize,
    /// Position of the end of its text, without the line end.
    pub end: usize,
    /// Position of the next record.
    pub next: usize,
    /// Number of lines it covers.
    pub lines: u64,
    /// Whether a cell goes on after its closing quote.
    pub stray_quote: bool,
    /// Whether a cell that was not kept has a value: a quoted text, or more than spaces and tabs.
    pub surplus_value: bool,
}

impl Record {
    /// A record whose end is not known.
    pub(super) fn unfinished() -> Self {
        Self { count: 0, end: 0, next: 0, lines: 1, stray_quote: false, surplus_value: false }
    }
}

/// The reason why a record could not be split yet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// The text ends inside it, but the file goes on.
    More,
    /// The file ends inside a quoted cell.
    Unclosed {
        /// Number of lines between the start of the record and the opening quote.
        lines: u64,
    },
}

/// Splits one text, record by record.
pub(super) struct Splitter<'a> {
    dialect: Dialect,
    /// The quote character. `u16::MAX`, which no byte equals: quotes are ordinary characters.
    quote: u16,
    text: &'a [u8],
    /// Whether the file ends with this text.
    ended: bool,
    finder: ByteFinder<'a>,
}

impl<'a> Splitter<'a> {
    /// The cell whose opening quote is at `open`, and the position of its closing quote.
    fn quoted(&mut self, open: usize, lines: &mut u64, extra: &mut Vec<u8>) -> Result<(Cell, usize), Cut> {
        let opened_at = *lines - 1;
        let extra_start = extra.len();
        let mut piece = open + 1;
        self.finder.next();
        let close = loop {
            let Some(at) = self.finder.next() else {
                return Err(if self.ended { Cut::Unclosed { lines: opened_at } } else { Cut::More });
            };
            let byte = self.text[at];
            if u16::from(byte) == self.quote {
                match self.text.get(at + 1) {
                    Some(&next) if u16::from(next) == self.quote => {
                        self.finder.next();
                        extra.extend_from_slice(&self.text[piece..=at]);
                        piece = at + 2;
                    }
                    None if !self.ended => return Err(Cut::More),
                    _ => break at,
                }
            } else if byte == b'\n' || (byte == b'\r' && self.dialect.bare_cr && self.text.get(at + 1) != Some(&b'\n'))
            {
                *lines += 1;
            }
        };
        let cell = if piece == open + 1 {
            Cell::of_text(CellKind::Quoted, piece, close)
        } else {
            extra.extend_from_slice(&self.text[piece..close]);
            Cell::of_extra(CellKind::Quoted, extra_start, extra.len())
        };
        Ok((cell, close))
    }

    /// Position of the next delimiter or line end, or of the end of the file. Quotes on the way are ordinary characters.
    #[inline(always)]
    fn cell_end(&mut self) -> Result<usize, Cut> {
        loop {
            match self.finder.next() {
                Some(at) if u16::from(self.text[at]) == self.quote => {}
                Some(at) => return Ok(at),
                None if self.ended => return Ok(self.text.len()),
                None => return Err(Cut::More),
            }
        }
    }

    /// Position where the text of a line stops that starts at `start` and whose line end is at `end`. The `\r` of `\r\n` does
    /// not belong to the text.
    #[inline(always)]
    fn line_stop(&self, start: usize, end: usize) -> usize {
        let mut stop = end;
        while stop > start && self.text[stop - 1] == b'\r' {
            stop -= 1;
        }
        stop
    }

    /// Position of the next record when the line end of this one is at `end`.
    #[inline(always)]
    fn after_line_end(&mut self, end: usize) -> Result<usize, Cut> {
        if self.text.get(end) != Some(&b'\r') {
            return Ok((end + 1).min(self.text.len()));
        }
        match self.text.get(end + 1) {
            Some(b'\n') => {
                self.finder.next();
                Ok(end + 2)
            }
            None if !self.ended => Err(Cut::More),
            _ => Ok(end + 1),
        }
    }

    /// Whether only the `\r` of a line end is between a closing quote and the end of its cell.
    #[inline(always)]
    fn only_line_end(&self, from: usize, end: usize) -> bool {
        from == end
            || (self.text.get(end) != Some(&self.dialect.delimiter)
                && self.text[from..end].iter().all(|&byte| byte == b'\r'))
    }
}

impl<'a> Records<'a> for Splitter<'a> {
    #[inline(always)]
    fn new(dialect: Dialect, text: &'a [u8], ended: bool) -> Self {
        let Dialect { delimiter, quote, bare_cr, .. } = dialect;
        let cr = if bare_cr { b'\r' } else { b'\n' };
        let finder = ByteFinder::new(text, [delimiter, quote.unwrap_or(delimiter), b'\n', cr]);
        Self { dialect, quote: quote.map_or(u16::MAX, u16::from), text, ended, finder }
    }

    #[inline(always)]
    fn record(&mut self, start: usize, keep: usize, record_batch: &mut RecordBatch) -> Result<Record, Cut> {
        let mut cell_start = start;
        let mut count = 0;
        let mut lines = 1;
        let mut stray_quote = false;
        let mut surplus_value = false;
        loop {
            let quoted = self.text.get(cell_start).is_some_and(|&byte| u16::from(byte) == self.quote);
            let (cell, end) = if quoted {
                let (cell, close) = self.quoted(cell_start, &mut lines, &mut record_batch.extra)?;
                let end = self.cell_end()?;
                stray_quote |= !self.only_line_end(close + 1, end);
                surplus_value |= count >= keep && close > cell_start + 1;
                (cell, end)
            } else {
                let end = self.cell_end()?;
                let stop = if self.text.get(end) == Some(&self.dialect.delimiter) {
                    end
                } else {
                    self.line_stop(cell_start, end)
                };
                let kind = if stop == cell_start { CellKind::Null } else { CellKind::Bare };
                if count >= keep {
                    surplus_value |= !self.text[cell_start..stop].iter().all(|byte| matches!(byte, b' ' | b'\t'));
                }
                (Cell::of_text(kind, cell_start, stop), end)
            };
            if count < keep {
                record_batch.cells.push(cell);
            }
            count += 1;
            if self.text.get(end) == Some(&self.dialect.delimiter) {
                cell_start = end + 1;
                continue;
            }
            let next = self.after_line_end(end)?;
            return Ok(Record { count, end: self.line_stop(start, end), next, lines, stray_quote, surplus_value });
        }
    }

    fn skip_line(&mut self, start: usize) -> Result<usize, Cut> {
        if start == self.text.len() {
            return Ok(start);
        }
        loop {
            match self.finder.next() {
                Some(at) if self.text[at] == b'\n' || (self.text[at] == b'\r' && self.dialect.bare_cr) => {
                    return self.after_line_end(at);
                }
                Some(_) => {}
                None if self.ended => return Ok(self.text.len()),
                None => return Err(Cut::More),
            }
        }
    }
}
