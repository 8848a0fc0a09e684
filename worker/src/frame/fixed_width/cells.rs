//! A record of a fixed-width file becomes the cells of a row.

use elt_shared::config::{FixedWidth, Surplus, WidthUnit};
use elt_shared::explained::Code;
use encoding_rs::Encoding;

use super::records::is_start;
use crate::frame::CellKind;
use crate::frame::record_batch::{Cell, RecordBatch};

/// The reason why a record is not a row: a code and a sentence.
pub(super) type Problem = (Code, String);

/// Cuts records into cells.
#[derive(Debug)]
pub(super) struct Cutter {
    /// First place of each column, and the place behind its last one, counted from 0.
    columns: Vec<(usize, usize)>,
    /// The place behind the last column.
    last: usize,
    unit: Unit,
    trim: bool,
    surplus: Surplus,
    null_values: Vec<Vec<u8>>,
    /// Position of each character of a record that is not ASCII.
    offsets: Vec<usize>,
}

/// The unit of places in the bytes that are cut.
#[derive(Debug, Clone, Copy)]
enum Unit {
    /// Characters of UTF-8.
    Characters,
    /// Bytes of UTF-8.
    Bytes,
    /// Bytes of another encoding. A cell is decoded after it was cut.
    BytesOf(&'static Encoding),
}

impl Cutter {
    /// `raw`: the encoding of the records, if they are not decoded yet.
    pub(super) fn new(options: &FixedWidth, raw: Option<&'static Encoding>) -> Self {
        let columns: Vec<_> =
            options.columns.iter().map(|column| (column.start as usize, column.end() as usize)).collect();
        let null_values = options.null_values.iter().flatten();
        Self {
            last: columns.iter().map(|column| column.1).max().unwrap_or(0),
            columns,
            unit: match (options.unit, raw) {
                (_, Some(encoding)) => Unit::BytesOf(encoding),
                (WidthUnit::Bytes, None) => Unit::Bytes,
                (WidthUnit::Characters, None) => Unit::Characters,
            },
            trim: options.trim,
            surplus: options.surplus,
            null_values: null_values.map(|value| value.clone().into_bytes()).collect(),
            offsets: Vec::new(),
        }
    }

    /// Adds the cells of the record at `start..end` of a text. `clean`: the text is valid UTF-8 without NUL bytes.
    ///
    /// # Errors
    /// When the record cannot be a row. The cells that were added are then incomplete.
    pub(super) fn row(
        &mut self,
        text: &[u8],
        (start, end): (usize, usize),
        clean: bool,
        record_batch: &mut RecordBatch,
    ) -> Result<(), Problem> {
        let record = &text[start..end];
        self.check(record, clean)?;
        for index in 0..self.columns.len() {
            let (from, to) = self.span(record, index);
            let cell = match self.unit {
                Unit::Bytes if !is_at_characters(record, from, to) => return Err(inside_a_character(index)),
                Unit::Characters | Unit::Bytes => Cell::of_text(CellKind::Bare, start + from, start + to),
                Unit::BytesOf(encoding) => {
                    let decoded = encoding.decode_without_bom_handling_and_without_replacement(&record[from..to]);
                    let decoded = decoded.ok_or_else(|| inside_a_character(index))?;
                    let extra = record_batch.extra.len();
                    record_batch.extra.extend_from_slice(decoded.as_bytes());
                    Cell::of_extra(CellKind::Bare, extra, record_batch.extra.len())
                }
            };
            let bytes = record_batch.bytes(text, cell);
            let is_null = bytes.is_empty() || self.null_values.iter().any(|value| value == bytes);
            record_batch.cells.push(if is_null { Cell::NULL } else { cell });
        }
        Ok(())
    }

    /// The names that a header has at the places of the columns.
    ///
    /// # Errors
    /// When it is not text.
    pub(super) fn names(&mut self, header: &[u8]) -> Result<Vec<String>, Problem> {
        self.check_text(header, false)?;
        self.measure(header);
        let name = |index| {
            let (from, to) = self.span(header, index);
            let name = match self.unit {
                Unit::BytesOf(encoding) => encoding.decode_without_bom_handling(&header[from..to]).0,
                Unit::Characters | Unit::Bytes => String::from_utf8_lossy(&header[from..to]),
            };
            name.trim().to_owned()
        };
        Ok((0..self.columns.len()).map(name).collect())
    }

    /// The place behind the columns at which a record has text, counted from 1. `None`: it has none there.
    pub(super) fn surplus(&self, record: &[u8]) -> Option<usize> {
        let from = self.at(record, self.last);
        let text = record[from..].iter().position(|byte| !matches!(byte, b' ' | b'\t'))?;
        Some(self.place(record, from + text))
    }

    /// Checks that a record is text in which every character has its place, and that it ends with the columns.
    fn check(&mut self, record: &[u8], clean: bool) -> Result<(), Problem> {
        self.check_text(record, clean)?;
        self.measure(record);
        if self.surplus == Surplus::Reject
            && let Some(place) = self.surplus(record)
        {
            let unit = self.unit_name();
            return Err((
                Code::SurplusText,
                format!("it has text at {unit} {place}, and the last column ends with {unit} {}", self.last),
            ));
        }
        let columns = &record[..self.at(record, self.last)];
        match columns.iter().position(|&byte| byte < b' ') {
            None => Ok(()),
            Some(at) => Err((Code::ControlCharacter, self.control_character(record, at))),
        }
    }

    fn check_text(&self, record: &[u8], clean: bool) -> Result<(), Problem> {
        if clean {
            return Ok(());
        }
        if let Some(at) = memchr::memchr(0, record) {
            return Err((Code::NulByte, format!("byte {} is NUL, which PostgreSQL cannot keep; {PACKED}", at + 1)));
        }
        if let (Unit::Characters | Unit::Bytes, Err(error)) = (self.unit, std::str::from_utf8(record)) {
            let at = error.valid_up_to() + 1;
            let what = "is not valid text in the file's encoding; write the right one in fixed_width.encoding";
            return Err((Code::InvalidEncoding, format!("byte {at} {what}")));
        }
        Ok(())
    }

    fn control_character(&self, record: &[u8], at: usize) -> String {
        let (unit, place) = (self.unit_name(), self.place(record, at));
        match record[at] {
            b'\t' => format!(
                "{unit} {place} is a tab, so that the places behind it are not certain: replace tabs by the blanks they stand \
                 for, with `expand` for example"
            ),
            b'\n' | b'\r' => format!(
                "{unit} {place} is a line end inside the record: if the file has lines, remove `record_length`, else count it"
            ),
            _ => format!("{unit} {place} is a control character, which is not text; {PACKED}"),
        }
    }

    fn unit_name(&self) -> &'static str {
        if matches!(self.unit, Unit::Characters) { "character" } else { "byte" }
    }

    /// The part of a record that a column has, without the blanks around it.
    fn span(&self, record: &[u8], index: usize) -> (usize, usize) {
        let (from, to) = self.columns[index];
        let (mut from, mut to) = (self.at(record, from), self.at(record, to));
        if self.trim {
            while from < to && record[to - 1] == b' ' {
                to -= 1;
            }
            while from < to && record[from] == b' ' {
                from += 1;
            }
        }
        (from, to)
    }

    /// Notes where the characters of a record are, if they are not all one byte long.
    fn measure(&mut self, record: &[u8]) {
        self.offsets.clear();
        if matches!(self.unit, Unit::Characters) && !record.is_ascii() {
            let starts = record.iter().enumerate().filter(|(_, byte)| is_start(**byte));
            self.offsets.extend(starts.map(|(at, _)| at));
        }
    }

    /// Position of a place, counted from 0, in the record that was measured; its end when it has fewer places.
    fn at(&self, record: &[u8], place: usize) -> usize {
        if self.offsets.is_empty() {
            return place.min(record.len());
        }
        self.offsets.get(place).copied().unwrap_or(record.len())
    }

    /// Place of a position, counted from 1.
    fn place(&self, record: &[u8], at: usize) -> usize {
        let is_characters = matches!(self.unit, Unit::Characters);
        if is_characters { record[..at].iter().filter(|byte| is_start(**byte)).count() + 1 } else { at + 1 }
    }
}

/// What the bytes of a number that is not text may be.
const PACKED: &str = "packed decimals (COMP-3) and binary numbers are not read, so unpack them first";

/// Whether a line has nothing but blanks, or is the end-of-file mark of DOS.
pub(super) fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0x1A))
}

/// Whether a part of UTF-8 begins and ends between characters.
fn is_at_characters(record: &[u8], from: usize, to: usize) -> bool {
    let is_between = |at: usize| record.get(at).is_none_or(|&byte| is_start(byte));
    is_between(from) && is_between(to)
}

fn inside_a_character(index: usize) -> Problem {
    let column = index + 1;
    (
        Code::InvalidEncoding,
        format!(
            "column {column} begins or ends inside a character, or is not valid text in the file's encoding: check the widths, \
             fixed_width.unit and fixed_width.encoding"
        ),
    )
}
