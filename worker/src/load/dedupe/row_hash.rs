//! The row hash: xxh3-128 over the canonical row. It is the same for equal rows, whatever source and format they come from.
//!
//! The canonical row consists of every column that is not NULL, sorted by name: the length of the name and the name, then
//! the length of the value's canonical text and that text, with lengths as 32-bit little-endian integers. So the order of
//! the columns, columns without values and the kind of source do not matter. When a column's type is widened, old values
//! keep their hashes, because a value is written as the first type of the column's history that it is a value of, null
//! tokens included.

use std::sync::Arc;

use elt_shared::config::NumberFormat;
use xxhash_rust::xxh3::xxh3_128;

use crate::contract::cells::{Canonical, Cells};
use crate::contract::{Layout, TypedBatch, Typing};
use crate::frame::CellKind;
use crate::frame::value::{self, LocalNumber, TimeFormat};

/// How the texts of a file are read as values.
#[derive(Clone, Copy)]
pub struct Reading<'a> {
    /// Whether the default null tokens mean NULL in typed columns.
    pub null_tokens: bool,
    /// The way in which numbers are written. `None`: the plain one.
    pub numbers: Option<NumberFormat>,
    /// The batch with the cells as they were read. `None`: all of them are texts of the file.
    pub batch: Option<&'a TypedBatch>,
}

impl<'a> Reading<'a> {
    /// The reading of texts that the server writes.
    const PLAIN: Self = Self { null_tokens: true, numbers: None, batch: None };

    /// The reading of a batch's cells.
    pub fn of(batch: &'a TypedBatch) -> Self {
        Self { null_tokens: batch.raw.null_tokens, numbers: batch.raw.numbers, batch: Some(batch) }
    }

    /// Whether the file writes the cell itself. Numbers that were computed are written plainly.
    fn is_written(&self, column: usize, row: usize) -> bool {
        let Some(batch) = self.batch else { return true };
        let Some(place) = batch.places.get(column).copied().flatten() else { return true };
        matches!(batch.raw.columns[place].kinds[row], CellKind::Bare | CellKind::Quoted)
    }
}

/// Hashes rows of one layout.
pub struct RowHasher {
    columns: Vec<Hashed>,
    row: Vec<u8>,
    text: Vec<u8>,
}

/// A column of the canonical row.
struct Hashed {
    /// Index of the column in the layout.
    column: usize,
    /// Length of the name and the name, encoded.
    name: Vec<u8>,
    form: Form,
}

/// The way in which a column's values are written.
enum Form {
    /// Every type that the column had writes its values in the same way.
    Typed(Canonical),
    /// A value is written as the first type of the history that it is a value of. `now`: the form of the column's own type;
    /// `as_written`: whether the column is text now, so that its values are as the file has them.
    History { history: Arc<Vec<Typing>>, now: Canonical, as_written: bool },
}

impl RowHasher {
    /// A hasher of a layout's rows.
    pub fn new(layout: &Layout) -> Self {
        let mut columns: Vec<_> = layout
            .columns
            .iter()
            .enumerate()
            .map(|(column, of)| Hashed { column, name: with_length(of.name.as_bytes()), form: Form::of(&of.history) })
            .collect();
        columns.sort_by(|one, other| layout.columns[one.column].name.cmp(&layout.columns[other.column].name));
        Self { columns, row: Vec::with_capacity(1 << 10), text: Vec::new() }
    }

    /// Hashes a row of a typed batch. `cells` are the batch's columns in the order of the layout; `reading`: how texts of
    /// the row's file are read.
    pub fn typed(&mut self, cells: &[Cells<'_>], row: usize, reading: Reading<'_>) -> u128 {
        self.row.clear();
        for column in &self.columns {
            let cell = cells[column.column];
            if cell.is_null(row) {
                continue;
            }
            match &column.form {
                Form::Typed(how) => append(&mut self.row, &column.name, |out| cell.canonical(row, *how, out)),
                Form::History { history, now, as_written } => {
                    let numbers = reading.numbers.filter(|_| *as_written && reading.is_written(column.column, row));
                    let reading = Reading { numbers, ..reading };
                    self.text.clear();
                    match cell {
                        Cells::Text(array) => self.text.extend_from_slice(array.value(row).as_bytes()),
                        _ => cell.canonical(row, *now, &mut self.text),
                    }
                    by_history(&mut self.row, &column.name, history, &self.text, reading);
                }
            }
        }
        xxh3_128(&self.row)
    }

    /// Hashes a row that is already in the table, its values as the server writes them, in the order of the layout.
    pub fn written<'a>(&mut self, values: impl Fn(usize) -> Option<&'a [u8]>) -> u128 {
        self.row.clear();
        for column in &self.columns {
            let Some(text) = values(column.column) else { continue };
            match &column.form {
                Form::Typed(how) => append(&mut self.row, &column.name, |out| how.of_text(text, out)),
                Form::History { history, .. } => by_history(&mut self.row, &column.name, history, text, Reading::PLAIN),
            }
        }
        xxh3_128(&self.row)
    }
}

impl Form {
    fn of(history: &[Typing]) -> Self {
        let ways: Vec<_> = history.iter().map(|typing| Canonical::of(&typing.sql_type)).collect();
        let now = ways.last().copied().unwrap_or(Canonical::Text);
        if ways.iter().all(|way| *way == now) {
            Self::Typed(now)
        } else {
            let as_written = history.last().is_some_and(|typing| typing.sql_type.is_text());
            Self::History { history: Arc::new(history.to_vec()), now, as_written }
        }
    }
}

/// Appends a value as the first type of the history that it is a value of. A value that this type reads as NULL is left
/// out.
fn by_history(row: &mut Vec<u8>, name: &[u8], history: &[Typing], text: &[u8], reading: Reading<'_>) {
    let mut plain = Vec::new();
    let number =
        reading.numbers.map_or(LocalNumber::Word, |numbers| value::plain(numbers, CellKind::Bare, text, &mut plain));
    for typing in history {
        let missing = text.is_empty() || (reading.null_tokens && value::is_null_token(text));
        if missing && !typing.sql_type.is_text() {
            return;
        }
        let text = match number {
            LocalNumber::Plain if typing.is_number() => &plain,
            LocalNumber::Other if typing.is_number() => continue,
            _ => text,
        };
        let format = typing.format.as_deref().and_then(TimeFormat::new);
        if typing.accepts_text(text, format.as_ref()) {
            let how = Canonical::of(&typing.sql_type);
            return append(row, name, |out| in_format(how, format.as_ref(), text, out));
        }
    }
    append(row, name, |out| out.extend_from_slice(text));
}

/// Writes a value that may be in the date or time format of its column.
fn in_format(how: Canonical, format: Option<&TimeFormat<'_>>, text: &[u8], out: &mut Vec<u8>) {
    const DAY: i64 = 86_400_000_000;
    let micros = format.and_then(|format| match how {
        Canonical::Date => format.date(text).map(|days| i64::from(days) * DAY),
        Canonical::Timestamp => format.timestamp(text),
        Canonical::TimestampTz => format.timestamptz(text),
        _ => None,
    });
    match micros.and_then(chrono::DateTime::from_timestamp_micros) {
        Some(stamp) => how.of_text(stamp.format("%Y-%m-%dT%H:%M:%S%.f").to_string().as_bytes(), out),
        None => how.of_text(text, out),
    }
}

fn append(row: &mut Vec<u8>, name: &[u8], write: impl FnOnce(&mut Vec<u8>)) {
    row.extend_from_slice(name);
    let length = row.len();
    row.extend_from_slice(&[0; 4]);
    write(row);
    let written = (row.len() - length - 4) as u32;
    row[length..length + 4].copy_from_slice(&written.to_le_bytes());
}

fn with_length(name: &[u8]) -> Vec<u8> {
    [&(name.len() as u32).to_le_bytes()[..], name].concat()
}

#[cfg(test)]
mod tests;
