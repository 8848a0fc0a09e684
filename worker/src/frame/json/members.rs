//! Members of objects become cells of columns. A name that was read before costs one comparison, because the objects of a file
//! mostly have the same members in the same order.

use std::collections::HashMap;

use elt_shared::explained::Code;

use super::scan::{Scanner, Token, Value};
use super::scan_errors::Fault;
use super::text::{compact, unescape};
use crate::frame::CellKind;
use crate::frame::column_names::{NameError, Names};
use crate::frame::record_batch::{Cell, RecordBatch};

/// The columns of a JSON file, growing as members appear.
#[derive(Default)]
pub(super) struct Members {
    names: Names,
    /// Every spelling of a name so far, as the bytes between its quotes, and its column.
    spellings: Vec<(Box<[u8]>, usize)>,
    by_spelling: HashMap<Box<[u8]>, usize>,
    /// Index of the spelling of each member of the last object, which the next object is expected to repeat.
    expected: Vec<usize>,
    /// The row that is being built.
    row: Vec<Cell>,
    /// Number of the row in which each column was set last.
    set_in: Vec<u64>,
    rows: u64,
    /// Whether the last object had no members. It counts as a blank line.
    pub blank: bool,
    /// A name that appeared twice in one object.
    pub repeated: Option<String>,
    /// First column of the row that is being built whose value is `NaN` or infinite.
    non_finite: Option<usize>,
}

/// The reason why a record is not a row: a code and a sentence.
pub(super) type Problem = (Code, String);

/// The reason why the file cannot be read on at a record.
pub(super) enum Refused {
    /// The end of the record cannot be found.
    Fault(Fault),
    /// The file's columns cannot be those of a table.
    Name(NameError),
}

impl Members {
    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    /// Builds a row from the value that starts at `start`. Returns the position of its end, and the problem if it cannot be a
    /// row. Rows are objects or, with `scalars`, all other values that are not nested.
    pub(super) fn row(
        &mut self,
        scanner: &mut Scanner<'_>,
        text: &[u8],
        start: usize,
        scalars: bool,
        extra: &mut Vec<u8>,
    ) -> Result<(usize, Option<Problem>), Refused> {
        self.rows += 1;
        self.blank = false;
        self.non_finite = None;
        self.row.clear();
        self.row.resize(self.names.as_slice().len(), Cell::NULL);
        if text.get(start) == Some(&b'{') && !scalars {
            return Ok((self.object(scanner, text, start, extra)?, None));
        }
        let value = scanner.value(start).map_err(Refused::Fault)?;
        let nested = matches!(value.token, Token::Object { .. } | Token::Array { .. });
        let problem = match (scalars, nested) {
            (true, true) => {
                Some((Code::MixedElements, "it is an object or array, but the first elements are not".to_owned()))
            }
            (false, _) => Some((Code::NotAnObject, "it is not a JSON object".to_owned())),
            (true, false) => {
                let column = self.names.of_key("value").map_err(Refused::Name)?;
                self.note_number(text, value, column);
                self.set(column, cell(text, value, extra));
                None
            }
        };
        Ok((value.end, problem))
    }

    fn object(
        &mut self,
        scanner: &mut Scanner<'_>,
        text: &[u8],
        open: usize,
        extra: &mut Vec<u8>,
    ) -> Result<usize, Refused> {
        let mut position = 0;
        let mut refused = None;
        let end = scanner.members(open, |name, value| {
            if refused.is_some() {
                return;
            }
            match self.column(text, name, position) {
                Ok(column) => {
                    self.note_number(text, value, column);
                    self.set(column, cell(text, value, extra));
                }
                Err(error) => refused = Some(error),
            }
            position += 1;
        });
        let end = end.map_err(Refused::Fault)?;
        self.blank = position == 0;
        match refused {
            // After a defect the name may be half a character. Then the record is bad, and not the file.
            Some(error) if scanner.defect.is_none() => Err(Refused::Name(error)),
            _ => Ok(end),
        }
    }

    /// Removes columns that only rejected records have.
    pub(super) fn forget(&mut self, columns: usize) {
        if self.names.as_slice().len() > columns {
            self.names.truncate(columns);
            self.spellings.retain(|(_, column)| *column < columns);
            self.by_spelling =
                self.spellings.iter().enumerate().map(|(index, (name, _))| (name.clone(), index)).collect();
            self.expected.clear();
        }
    }

    /// Adds the row to a record batch.
    pub(super) fn push_row(&mut self, record_batch: &mut RecordBatch, line: u64, span: (usize, usize)) {
        let width = self.names.as_slice().len();
        if record_batch.width < width {
            record_batch.widen(width);
        }
        self.row.resize(width, Cell::NULL);
        record_batch.cells.extend_from_slice(&self.row);
        record_batch.lines.push(line);
        record_batch.spans.push((span.0 as u32, span.1 as u32));
    }

    /// Name of the row's first column that holds `NaN` or an infinite number.
    pub(super) fn non_finite(&self) -> Option<&str> {
        self.non_finite.map(|column| self.names.as_slice()[column].as_str())
    }

    /// Notes a column whose number JSON does not have.
    #[inline]
    fn note_number(&mut self, text: &[u8], value: Value, column: usize) {
        if value.token == Token::Number
            && self.non_finite.is_none()
            && matches!(&text[value.start..value.end], [b'N' | b'I', ..] | [b'-', b'I', ..])
        {
            self.non_finite = Some(column);
        }
    }

    /// Sets a cell of the row. The last member of a name counts.
    fn set(&mut self, column: usize, cell: Cell) {
        if column >= self.row.len() {
            self.row.resize(column + 1, Cell::NULL);
        }
        if column >= self.set_in.len() {
            self.set_in.resize(column + 1, 0);
        }
        if self.set_in[column] == self.rows && self.repeated.is_none() {
            self.repeated = Some(self.names.as_slice()[column].clone());
        }
        self.set_in[column] = self.rows;
        self.row[column] = cell;
    }

    /// The column of a member, by the spelling of its name.
    #[inline]
    fn column(&mut self, text: &[u8], name: Value, position: usize) -> Result<usize, NameError> {
        let spelling = &text[name.start + 1..name.end - 1];
        if let Some((known, column)) = self.expected.get(position).map(|&index| &self.spellings[index])
            && **known == *spelling
        {
            return Ok(*column);
        }
        let index = match self.by_spelling.get(spelling) {
            Some(&index) => index,
            None => self.learn(spelling)?,
        };
        if position < self.expected.len() {
            self.expected[position] = index;
        } else {
            self.expected.push(index);
        }
        Ok(self.spellings[index].1)
    }

    fn learn(&mut self, spelling: &[u8]) -> Result<usize, NameError> {
        let mut key = Vec::with_capacity(spelling.len());
        unescape(spelling, &mut key);
        let column = self.names.of_key(&String::from_utf8_lossy(&key))?;
        let index = self.spellings.len();
        self.spellings.push((spelling.into(), column));
        self.by_spelling.insert(spelling.into(), index);
        Ok(index)
    }
}

/// A value as a cell, which is a span of the text if possible.
fn cell(text: &[u8], value: Value, extra: &mut Vec<u8>) -> Cell {
    let start = extra.len();
    match value.token {
        Token::Null => Cell::NULL,
        Token::Bool => Cell::of_text(CellKind::Bool, value.start, value.end),
        Token::Number => Cell::of_text(CellKind::Number, value.start, value.end),
        Token::Plain => Cell::of_text(CellKind::String, value.start + 1, value.end - 1),
        Token::Escaped => {
            unescape(&text[value.start + 1..value.end - 1], extra);
            Cell::of_extra(CellKind::String, start, extra.len())
        }
        Token::Object { spaced: false } | Token::Array { spaced: false } => {
            Cell::of_text(CellKind::Nested, value.start, value.end)
        }
        Token::Object { spaced: true } | Token::Array { spaced: true } => {
            compact(&text[value.start..value.end], extra);
            Cell::of_extra(CellKind::Nested, start, extra.len())
        }
    }
}
