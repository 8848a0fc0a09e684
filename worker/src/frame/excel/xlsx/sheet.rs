//! The rows of a sheet, in the order of its XML.

use std::io::Write;

use elt_shared::explained::Code;

use crate::frame::CellKind;
use crate::frame::excel::number::decimal;
use crate::frame::excel::number_format::Shown;
use crate::frame::excel::problem::Problem;
use crate::frame::excel::row::{Defect, SheetRow};
use crate::frame::excel::serial::{self, Calendar};
use crate::frame::excel::shared_strings::SharedStrings;
use crate::frame::excel::text::{rich_text_into, unescape_from};
use crate::frame::excel::xml::{TOO_LARGE, Tag, Token, Xml};
use crate::frame::excel::{MAX_COLUMNS, MAX_ROWS, SheetRows};
use crate::frame::window::MAX_RECORD_BYTES;

/// Most merged cells that are looked at.
const MAX_MERGED: usize = 100_000;

/// The rows of a sheet.
pub(super) struct XmlSheet {
    /// `None`: the sheet was read to its end.
    xml: Option<Xml>,
    strings: SharedStrings,
    formats: Vec<Shown>,
    calendar: Calendar,
    /// Number of the last row.
    row: u32,
    /// The value of the cell that is being read, as it is stored.
    value: Vec<u8>,
}

/// What a cell is stored as, by its attribute `t`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stored {
    Number,
    Shared,
    Inline,
    /// The text that a formula has as its result.
    Formula,
    Boolean,
    Error,
    Date,
    Other,
}

impl Stored {
    fn of(kind: &str) -> Self {
        match kind {
            "n" => Self::Number,
            "s" => Self::Shared,
            "inlineStr" => Self::Inline,
            "str" => Self::Formula,
            "b" => Self::Boolean,
            "e" => Self::Error,
            "d" => Self::Date,
            _ => Self::Other,
        }
    }
}

/// The attributes of a cell.
struct Attributes {
    column: u32,
    stored: Stored,
    style: usize,
}

impl XmlSheet {
    pub(super) fn new(xml: Xml, strings: SharedStrings, formats: Vec<Shown>, calendar: Calendar) -> Self {
        Self { xml: Some(xml), strings, formats, calendar, row: 0, value: Vec::new() }
    }

    fn read_row(&mut self, row: &mut SheetRow) -> Result<(), Problem> {
        let mut column = 0;
        loop {
            let Some(xml) = &mut self.xml else { return Ok(()) };
            match xml.next()? {
                Token::Start(tag) if tag.is("c") => {
                    let attributes = attributes(&tag, row.number, column)?;
                    column = attributes.column;
                    self.read_cell(row, &attributes)?;
                    if row.text.len() > MAX_RECORD_BYTES {
                        return Err(Problem::new(Code::RecordTooLarge, TOO_LARGE));
                    }
                }
                Token::End(name) if name.is("row") => return Ok(()),
                Token::Finished => return Err(Problem::cut_off()),
                _ => {}
            }
        }
    }

    fn read_cell(&mut self, row: &mut SheetRow, cell: &Attributes) -> Result<(), Problem> {
        let Some(xml) = &mut self.xml else { return Ok(()) };
        self.value.clear();
        let start = row.text.len();
        let (mut has_formula, mut has_inline_text) = (false, false);
        loop {
            match xml.next()? {
                Token::Start(tag) if tag.is("v") => {
                    self.value.clear();
                    xml.text_into(&mut self.value)?;
                }
                Token::Start(tag) if tag.is("is") => {
                    rich_text_into(xml, &mut row.text)?;
                    has_inline_text = true;
                }
                Token::Start(tag) => {
                    has_formula |= tag.is("f");
                    xml.skip_tag()?;
                }
                Token::End(name) if name.is("c") => break,
                Token::Finished => return Err(Problem::cut_off()),
                _ => {}
            }
        }
        if has_inline_text {
            return row.add(cell.column, CellKind::Quoted, start);
        }
        match cell.stored {
            // A cell without a value has a style at most.
            _ if self.value.is_empty() && !has_formula => Ok(()),
            Stored::Formula => {
                row.text.extend_from_slice(&self.value);
                unescape_from(&mut row.text, start);
                row.add(cell.column, CellKind::Quoted, start)
            }
            _ if self.value.is_empty() => row.add_defect(cell.column, Defect::NotCalculated, start),
            _ => self.add_value(row, cell),
        }
    }

    /// Adds the value of a cell that has one.
    fn add_value(&mut self, row: &mut SheetRow, cell: &Attributes) -> Result<(), Problem> {
        let (column, start) = (cell.column, row.text.len());
        let value = std::str::from_utf8(&self.value).unwrap_or_default();
        match cell.stored {
            Stored::Number => self.add_number(row, cell),
            Stored::Shared => {
                let number = value.trim().parse().unwrap_or(usize::MAX);
                if !self.strings.add_to(number, &mut row.text)? {
                    let what = format!(
                        "the cell {}{} refers to a text that the workbook does not have",
                        crate::frame::excel::row::letters(column),
                        row.number
                    );
                    return Err(Problem::broken(what).in_row(row.number));
                }
                row.add(column, CellKind::Quoted, start)
            }
            Stored::Boolean => {
                let truth = match value.trim() {
                    "1" | "true" => Some("true"),
                    "0" | "false" => Some("false"),
                    _ => None,
                };
                row.text.extend_from_slice(truth.unwrap_or(value).as_bytes());
                match truth {
                    Some(_) => row.add(column, CellKind::Bool, start),
                    None => row.add_defect(column, Defect::NotANumber, start),
                }
            }
            Stored::Error => {
                row.text.extend_from_slice(value.as_bytes());
                row.add_defect(column, Defect::Error, start)
            }
            Stored::Date => {
                row.text.extend_from_slice(value.trim().as_bytes());
                row.add(column, CellKind::String, start)
            }
            Stored::Inline | Stored::Formula => {
                row.text.extend_from_slice(&self.value);
                row.add(column, CellKind::Quoted, start)
            }
            Stored::Other => {
                row.text.extend_from_slice(&self.value);
                row.add_defect(column, Defect::NotANumber, start)
            }
        }
    }

    fn add_number(&self, row: &mut SheetRow, cell: &Attributes) -> Result<(), Problem> {
        let start = row.text.len();
        let value = std::str::from_utf8(&self.value).unwrap_or_default();
        let shown = self.formats.get(cell.style).copied().unwrap_or_default();
        let text = decimal(value);
        match (shown, text) {
            (_, None) => {
                row.text.extend_from_slice(&self.value);
                row.add_defect(cell.column, Defect::NotANumber, start)
            }
            (Shown::Number, Some(text)) => {
                row.text.extend_from_slice(text.as_bytes());
                row.add(cell.column, CellKind::Number, start)
            }
            (shown, Some(text)) => {
                let date = text.parse().ok().and_then(|number| serial::text(number, shown, self.calendar));
                let _ = row.text.write_all(date.as_deref().unwrap_or(&text).as_bytes());
                match date {
                    Some(_) => row.add(cell.column, CellKind::String, start),
                    None => row.add_defect(cell.column, Defect::NotADate, start),
                }
            }
        }
    }
}

impl SheetRows for XmlSheet {
    fn next(&mut self, row: &mut SheetRow) -> Result<bool, Problem> {
        loop {
            let Some(xml) = &mut self.xml else { return Ok(false) };
            match xml.next()? {
                Token::Start(tag) if tag.is("row") => {
                    let number = match tag.attribute("r")? {
                        Some(number) => number.trim().parse().ok().filter(|number| (1..=MAX_ROWS).contains(number)),
                        None => Some(self.row + 1).filter(|number| *number <= MAX_ROWS),
                    };
                    let number = number.ok_or_else(|| Problem::broken("a row of it has no possible number"))?;
                    if number <= self.row {
                        return Err(Problem::broken("its rows are not in their order").in_row(number));
                    }
                    self.row = number;
                    row.restart(number);
                    self.read_row(row).map_err(|problem| problem.in_row(number))?;
                    return Ok(true);
                }
                Token::End(name) if name.is("sheetData") => {
                    if let Some(xml) = self.xml.take() {
                        xml.finish()?;
                    }
                    return Ok(false);
                }
                Token::Finished => return Err(Problem::broken("a sheet of it has no rows and no end")),
                _ => {}
            }
        }
    }
}

/// The attributes of a cell in a row. `before`: the column of the cell before it.
fn attributes(tag: &Tag<'_>, row: u32, before: u32) -> Result<Attributes, Problem> {
    let mut found = Attributes { column: before + 1, stored: Stored::Number, style: 0 };
    let mut is_wrong = false;
    tag.each_attribute(|name, value| match name {
        "r" => match place(value) {
            Some((column, at_row)) if at_row == row => found.column = column,
            _ => is_wrong = true,
        },
        "s" => found.style = value.parse().unwrap_or(0),
        "t" => found.stored = Stored::of(value),
        _ => {}
    })?;
    if is_wrong || found.column > MAX_COLUMNS {
        return Err(Problem::broken("a cell of it has a place that is not in its row").in_row(row));
    }
    Ok(found)
}

/// Column and row of `B812`, both counted from 1.
fn place(text: &str) -> Option<(u32, u32)> {
    let letters = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    if letters == 0 || letters > 3 {
        return None;
    }
    let (column, row) = text.split_at(letters);
    let column = column.bytes().fold(0, |sum, letter| sum * 26 + u32::from(letter.to_ascii_uppercase() - b'A') + 1);
    Some((column, row.parse().ok()?))
}

/// Whether a sheet has a cell with a value.
pub(super) fn has_values(mut xml: Xml) -> Result<bool, Problem> {
    loop {
        match xml.next()? {
            Token::Start(tag) if tag.is("v") || tag.is("f") || tag.is("is") => return Ok(true),
            Token::End(name) if name.is("sheetData") => return Ok(false),
            Token::Finished => return Ok(false),
            _ => {}
        }
    }
}

/// First and last column of each merged cell that touches a row.
pub(super) fn merged_in_row(mut xml: Xml, row: u32) -> Result<Vec<(u32, u32)>, Problem> {
    let mut merged = Vec::new();
    loop {
        match xml.next()? {
            Token::Start(tag) if tag.is("mergeCell") => {
                let range = tag.attribute("ref")?.unwrap_or_default();
                let corners = range.split_once(':').and_then(|(first, last)| Some((place(first)?, place(last)?)));
                if let Some(((first, top), (last, bottom))) = corners
                    && (top..=bottom).contains(&row)
                {
                    merged.push((first, last));
                }
                if merged.len() > MAX_MERGED {
                    return Ok(merged);
                }
            }
            Token::End(name) if name.is("mergeCells") => return Ok(merged),
            Token::Finished => return Ok(merged),
            _ => {}
        }
    }
}
