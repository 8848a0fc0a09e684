//! The row hash: xxh3-128 over the canonical row, the same for the same row wherever and however it comes.
//!
//! The canonical row is every column that is not NULL, sorted by name: the length of the name and the name, the length
//! of the value's canonical text and that text (lengths as 32-bit little-endian integers). Neither the order of the
//! columns, nor a column without values, nor the kind of source changes it. Nor does widening: a value is written as
//! the first type of the column's history that it is a value of, null tokens included.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

use crate::contract::cells::{Canonical, Cells};
use crate::contract::{Layout, Typing};
use crate::frame::value::{self, TimeFormat};

/// Hashes rows of one layout.
pub struct RowHasher {
    columns: Vec<Hashed>,
    row: Vec<u8>,
    text: Vec<u8>,
}

/// One column of the canonical row.
struct Hashed {
    /// Position in the layout.
    column: usize,
    /// Length of the name, and the name.
    name: Vec<u8>,
    how: How,
}

enum How {
    /// Every type the column had writes its values alike.
    Typed(Canonical),
    /// Values are written as the first type they are a value of. `now`: how the column's own type writes them.
    History { history: Arc<Vec<Typing>>, now: Canonical },
}

impl RowHasher {
    /// A hasher of a layout's rows.
    pub fn new(layout: &Layout) -> Self {
        let mut columns: Vec<_> = layout
            .columns
            .iter()
            .enumerate()
            .map(|(column, of)| Hashed { column, name: with_length(of.name.as_bytes()), how: How::of(&of.history) })
            .collect();
        columns.sort_by(|one, other| layout.columns[one.column].name.cmp(&layout.columns[other.column].name));
        Self { columns, row: Vec::with_capacity(1 << 10), text: Vec::new() }
    }

    /// Hashes a row of a typed batch. `cells` are the batch's columns in the order of the layout; `tokens`: whether the
    /// row's file uses the default null tokens.
    pub fn typed(&mut self, cells: &[Cells<'_>], row: usize, tokens: bool) -> u128 {
        self.row.clear();
        for column in &self.columns {
            let cell = cells[column.column];
            if cell.is_null(row) {
                continue;
            }
            match &column.how {
                How::Typed(how) => append(&mut self.row, &column.name, |out| cell.canonical(row, *how, out)),
                How::History { history, now } => {
                    self.text.clear();
                    match cell {
                        Cells::Text(array) => self.text.extend_from_slice(array.value(row).as_bytes()),
                        _ => cell.canonical(row, *now, &mut self.text),
                    }
                    by_history(&mut self.row, &column.name, history, &self.text, tokens);
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
            match &column.how {
                How::Typed(how) => append(&mut self.row, &column.name, |out| how.of_text(text, out)),
                How::History { history, .. } => by_history(&mut self.row, &column.name, history, text, true),
            }
        }
        xxh3_128(&self.row)
    }
}

impl How {
    fn of(history: &[Typing]) -> Self {
        let ways: Vec<_> = history.iter().map(|typing| Canonical::of(&typing.sql_type)).collect();
        let now = ways.last().copied().unwrap_or(Canonical::Text);
        if ways.iter().all(|way| *way == now) {
            Self::Typed(now)
        } else {
            Self::History { history: Arc::new(history.to_vec()), now }
        }
    }
}

/// Appends a value as the first type of the history that it is a value of; what that type reads as missing is left out.
fn by_history(row: &mut Vec<u8>, name: &[u8], history: &[Typing], text: &[u8], tokens: bool) {
    for typing in history {
        let missing = text.is_empty() || (tokens && value::is_null_token(text));
        if missing && !typing.sql_type.is_text() {
            return;
        }
        let format = typing.format.as_deref().and_then(TimeFormat::new);
        if typing.accepts_text(text, format.as_ref()) {
            let how = Canonical::of(&typing.sql_type);
            return append(row, name, |out| in_format(how, format.as_ref(), text, out));
        }
    }
    append(row, name, |out| out.extend_from_slice(text));
}

/// Writes a value that may be in a column's own format.
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
