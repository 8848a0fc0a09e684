//! `excel:`: which sheets of a workbook are read, and where their tables begin.

use crate::config::field::Field;
use crate::config::keys::{Key, Shape};
use crate::config::section::Section;

/// Number of rows that a sheet can have.
pub const MAX_ROWS: u32 = 1_048_576;
/// Number of columns that a sheet can have.
pub const MAX_COLUMNS: u32 = 16_384;
/// Name of the column with the sheet's name when `sheets` is written and `sheet_column` is not.
const SHEET_COLUMN: &str = "sheet";

/// `excel:`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExcelOptions {
    /// The sheets that are read.
    pub sheets: SheetChoice,
    /// Name of a column that has the name of the sheet. `None`: there is no such column.
    pub sheet_column: Option<String>,
    /// The part of the sheet that has the table.
    pub range: CellRange,
    /// Where the names of the columns are.
    pub header: SheetHeader,
    /// Number of rows at the top of the sheet that are passed over.
    pub skip_rows: u32,
    /// Texts that are NULL in every column; `None`: the default rules.
    pub null_values: Option<Vec<String>>,
}

/// The sheets of a workbook that are read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum SheetChoice {
    /// The first visible sheet that has cells.
    #[default]
    First,
    /// The one sheet of this name, at this place (counted from 1), or whose name matches this pattern.
    One(String),
    /// Every sheet with one of these names, or whose name matches one of these patterns.
    Each(Vec<String>),
}

/// Where the names of the columns are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum SheetHeader {
    /// In the first row that has cells, unless that row looks like a title.
    #[default]
    Found,
    /// In the first row that has cells, whatever it looks like.
    First,
    /// In this row of the sheet, counted from 1.
    Row(u32),
    /// Nowhere: every row is data, and the columns are `column_1`, `column_2`, …
    Missing,
    /// In the config: every row of the sheet is data.
    Names(Vec<String>),
}

/// A part of a sheet. Rows and columns are counted from 1, and the last ones belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CellRange {
    /// The first column. `None`: the first one that the table has.
    pub first_column: Option<u32>,
    /// The last column. `None`: the last one that the table has.
    pub last_column: Option<u32>,
    /// The first row. `None`: 1.
    pub first_row: Option<u32>,
    /// The last row. `None`: the last one of the sheet.
    pub last_row: Option<u32>,
}

impl CellRange {
    /// Number of its columns. `None`: they end where the table does.
    fn width(&self) -> Option<usize> {
        Some((self.last_column? + 1).saturating_sub(self.first_column?) as usize)
    }
}

pub(super) const KEYS: &[Key] = &[
    Key::text(
        "sheet",
        "The sheet to read: its name, its place counted from 1, or a pattern such as `Sales*` that one sheet matches. \
         Default: the first visible sheet that has cells.",
    ),
    Key::of(
        "sheets",
        Shape::Texts,
        "Several sheets to read into one table: names and patterns, `\"*\"` for all visible ones.",
    ),
    Key::text(
        "sheet_column",
        "Name of a column that gets the name of the sheet, or `none`. Default: `sheet` when `sheets` is written.",
    ),
    Key::text("range", "The part of the sheet that has the table, header included: `B3:H`, `B3:H200` or `A:F`."),
    Key::of(
        "header",
        Shape::Any,
        "The row of the sheet that names the columns, counted from 1; `true` for the first row with cells, whatever it \
         looks like; `none` when there is no header; or the list of the names. Default: the first row with cells; a title \
         above the header is refused.",
    ),
    Key::whole("skip_rows", 0, MAX_ROWS as u64, "Number of rows to skip at the top of the sheet, above the header."),
    Key::of("null_values", Shape::Texts, "Texts, and errors such as `#N/A`, that are NULL in every column."),
];

/// Reads the section; the defaults when it is not written.
pub(super) fn read(field: Option<&Field<'_>>) -> Option<ExcelOptions> {
    let Some(field) = field else { return Some(ExcelOptions::default()) };
    let section = field.section(KEYS)?;
    let range = section.field("range").and_then(|field| field.parsed(range)).unwrap_or_default();
    let header = section.field("header").map(|field| (field, header(field)));
    if let Some((field, Some(SheetHeader::Names(names)))) = &header
        && let Some(width) = range.width().filter(|width| *width != names.len())
    {
        field.problem(format!("names {} columns, and `range` has {width}", names.len()));
    }
    Some(ExcelOptions {
        sheets: sheets(&section),
        sheet_column: sheet_column(&section),
        range,
        header: header.and_then(|(_, header)| header).unwrap_or_default(),
        skip_rows: section.small("skip_rows").unwrap_or(0),
        null_values: section.field("null_values").and_then(Field::texts),
    })
}

fn sheets(section: &Section<'_>) -> SheetChoice {
    let filled = |texts: &Vec<String>| !texts.is_empty() && texts.iter().all(|text| !text.trim().is_empty());
    let several = section.field("sheets").and_then(|field| {
        let texts = field.texts()?;
        if !filled(&texts) {
            field.problem("must name at least one sheet");
        }
        Some(texts)
    });
    if let (Some(field), true) = (section.field("sheet"), section.wrote("sheets")) {
        field.problem("cannot be combined with sheets, which names several: write one of them");
    }
    match (section.filled_text("sheet"), several) {
        (_, Some(texts)) => SheetChoice::Each(texts),
        (Some(text), None) => SheetChoice::One(text),
        (None, None) => SheetChoice::First,
    }
}

fn sheet_column(section: &Section<'_>) -> Option<String> {
    match section.filled_text("sheet_column") {
        Some(name) if matches!(name.trim(), "none" | "false") => None,
        Some(name) => Some(name),
        None => section.wrote("sheets").then(|| SHEET_COLUMN.to_owned()),
    }
}

fn header(field: &Field<'_>) -> Option<SheetHeader> {
    if field.is_list() {
        let names = field.texts()?;
        if names.is_empty() {
            field.problem("must have at least one name");
        }
        return Some(SheetHeader::Names(names));
    }
    field.parsed(|text| match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Ok(SheetHeader::First),
        "false" | "no" | "off" | "none" => Ok(SheetHeader::Missing),
        text => match text.parse::<u32>() {
            Ok(row) if (1..=MAX_ROWS).contains(&row) => Ok(SheetHeader::Row(row)),
            _ => Err("the number of a row, true, none, or a list of names".into()),
        },
    })
}

/// Reads `B3:H`, `B3:H200`, `B:H`, `3:200` or `B3`. Dollar signs are ignored, because Excel writes them.
fn range(text: &str) -> Result<CellRange, String> {
    let expected = || "a range of cells such as B3:H, B3:H200 or A:F, without the name of a sheet".to_owned();
    let text = text.replace('$', "");
    let (first, last) = text.split_once(':').map_or((text.as_str(), None), |(first, last)| (first, Some(last)));
    let (first_column, first_row) = corner(first.trim()).ok_or_else(expected)?;
    let (last_column, last_row) = match last {
        Some(last) => corner(last.trim()).ok_or_else(expected)?,
        None => (None, None),
    };
    let ordered = |first: Option<u32>, last: Option<u32>| first.zip(last).is_none_or(|(first, last)| first <= last);
    if !ordered(first_column, last_column) || !ordered(first_row, last_row) {
        return Err("a range whose first cell is above and left of its last one".into());
    }
    Ok(CellRange { first_column, last_column, first_row, last_row })
}

/// Column and row of `B3`, of `B` and of `3`. `None`: it is no corner of a range.
fn corner(text: &str) -> Option<(Option<u32>, Option<u32>)> {
    let letters = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (column, row) = text.split_at(letters);
    let column = if column.is_empty() { None } else { Some(column_number(column)?) };
    let row = match row {
        "" => None,
        row => Some(row.parse::<u32>().ok().filter(|number| (1..=MAX_ROWS).contains(number))?),
    };
    (column.is_some() || row.is_some()).then_some((column, row))
}

/// The number of the column with these letters, counted from 1: `A` is 1, `AA` is 27. `None`: no sheet has such a column.
fn column_number(letters: &str) -> Option<u32> {
    if letters.len() > 3 {
        return None;
    }
    let number = letters.bytes().fold(0, |sum, letter| sum * 26 + u32::from(letter.to_ascii_uppercase() - b'A') + 1);
    (number <= MAX_COLUMNS).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_excel_writes_them() {
        let numbers = |text: &str| range(text).map(|r| (r.first_column, r.first_row, r.last_column, r.last_row));
        assert_eq!(numbers("B3:H"), Ok((Some(2), Some(3), Some(8), None)));
        assert_eq!(numbers("$B$3:$H$200"), Ok((Some(2), Some(3), Some(8), Some(200))));
        assert_eq!(numbers("a:xfd"), Ok((Some(1), None, Some(16_384), None)));
        assert_eq!(numbers("3:200"), Ok((None, Some(3), None, Some(200))));
        assert_eq!(numbers("AA7"), Ok((Some(27), Some(7), None, None)));
        for text in ["", ":", "H3:B5", "A5:B3", "XFE1", "A0:B2", "A1:B1048577", "Sheet1!A1:B2", "A1:B2:C3", "1A:B2"] {
            assert!(range(text).is_err(), "{text}");
        }
    }
}
