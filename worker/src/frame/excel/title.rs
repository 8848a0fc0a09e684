//! Finds a title or notes above the header of a sheet, by the rows below them.
//!
//! A row that is narrower than the rows below it is not yet a title, because the last columns of a header may have no names. A
//! row is reported only when a later row can be the header of all rows below it.

use std::collections::HashSet;

use super::row::{SheetCell, SheetRow};
use crate::frame::{CellKind, UNIT_CHARS};

/// Number of rows that may be above the header.
const MAX_ABOVE: usize = 30;

/// A header that is not in the first row.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Number of the first row and of its cells.
    pub(super) first: u32,
    pub(super) first_width: usize,
    /// Number of the row that can be the header, and of its cells.
    pub(super) header: u32,
    pub(super) width: usize,
}

/// Searches for a row that can be the header of the rows below it while the first row cannot. `rows`: the first rows of the
/// sheet that have cells with values.
pub(super) fn find(rows: &[SheetRow]) -> Option<Found> {
    let (first, rest) = rows.split_first()?;
    let first_width = filled(first).count();
    rest.iter().take(MAX_ABOVE).enumerate().find_map(|(index, row)| {
        let below = &rest[index + 1..];
        let is_header = can_be_a_header(row) && heads(row, below) && !first_can_head(first, row, below);
        is_header.then(|| Found { first: first.number, first_width, header: row.number, width: filled(row).count() })
    })
}

/// Searches for a later row that may be the header although the first row can be the header, too. Each of its names stands
/// above values only, so it is not a row of a table that begins with the first row. `None` also when all its names are as short
/// as units.
pub(super) fn doubt(rows: &[SheetRow]) -> Option<Found> {
    let (first, rest) = rows.split_first()?;
    let first_width = filled(first).count();
    rest.iter().take(MAX_ABOVE).enumerate().find_map(|(index, row)| {
        let (below, width) = (&rest[index + 1..], filled(row).count());
        let is_other = filled(row).any(|cell| row.text_of(cell.column) != first.text_of(cell.column));
        let is_long = filled(row).any(|cell| row.text_of(cell.column).chars().count() > UNIT_CHARS);
        let is_second = can_be_a_header(row) && heads(row, below) && typed_columns(row, below) == width;
        (below.len() >= 2 && first_width == width && is_other && is_long && is_second).then_some(Found {
            first: first.number,
            first_width,
            header: row.number,
            width,
        })
    })
}

/// The cells of a row that are not an empty text.
pub(super) fn filled(row: &SheetRow) -> impl Iterator<Item = &SheetCell> {
    row.cells.iter().filter(|cell| cell.end > cell.start || cell.defect.is_some())
}

/// Whether each cell of a row is a name of its own, and there are at least two.
fn can_be_a_header(row: &SheetRow) -> bool {
    let names: HashSet<String> =
        filled(row).map(|cell| String::from_utf8_lossy(row.bytes(cell)).trim().to_lowercase()).collect();
    names.len() >= 2
        && names.len() == filled(row).count()
        && filled(row).all(|cell| cell.kind == CellKind::Quoted && cell.defect.is_none())
}

/// Whether the rows below are those of a header: in nearly all of them most cells are below its names, and none is left of them.
fn heads(header: &SheetRow, below: &[SheetRow]) -> bool {
    let Some(first) = filled(header).next().map(|cell| cell.column) else { return false };
    let is_named = |cell: &&SheetCell| !header.text_of(cell.column).is_empty();
    let fits = |row: &&SheetRow| {
        filled(row).all(|cell| cell.column >= first) && filled(row).filter(is_named).count() * 2 > filled(row).count()
    };
    !below.is_empty() && below.iter().filter(fits).count() * 5 >= below.len() * 4
}

/// Whether the first row can be the header of the rows below another row that could be it.
fn first_can_head(first: &SheetRow, header: &SheetRow, below: &[SheetRow]) -> bool {
    let (first_width, width) = (filled(first).count(), filled(header).count());
    let typed = typed_columns(header, below);
    let has_value = filled(first).any(|cell| is_value(cell) && !is_year(first, cell));
    if has_value && typed * 2 >= width {
        return false;
    }
    let is_beyond = |row: &&SheetRow| filled(row).any(|cell| first.text_of(cell.column).is_empty());
    let beyond = below.iter().filter(is_beyond).count();
    // One column without a name is more likely than a title.
    let is_title = first_width == 1 && (width > 2 || typed > 0) && beyond == below.len();
    let is_narrow = first_width + 2 <= width && typed > 0 && beyond * 2 >= below.len();
    !(is_title || is_narrow)
}

/// Number of columns of a header whose cells below it are values only.
fn typed_columns(header: &SheetRow, below: &[SheetRow]) -> usize {
    let is_typed = |name: &&SheetCell| {
        let mut cells =
            below.iter().filter_map(|row| row.cell(name.column)).filter(|cell| cell.end > cell.start).peekable();
        cells.peek().is_some() && cells.all(is_value)
    };
    filled(header).filter(is_typed).count()
}

/// Whether a cell is a number, a date or a truth value and not a text.
fn is_value(cell: &SheetCell) -> bool {
    matches!(cell.kind, CellKind::Number | CellKind::Bool | CellKind::String)
}

/// Whether a cell is a year, which may name a column.
fn is_year(row: &SheetRow, cell: &SheetCell) -> bool {
    let text = row.bytes(cell);
    text.len() == 4 && (text.starts_with(b"19") || text.starts_with(b"20")) && text.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of cells with `|` between them. A cell of digits is a number.
    fn rows(texts: &[&str]) -> Vec<SheetRow> {
        let row = |(index, text): (usize, &&str)| {
            let mut row = SheetRow::default();
            row.restart(index as u32 + 1);
            for (column, cell) in text.split('|').enumerate().filter(|(_, cell)| !cell.is_empty()) {
                let start = row.text.len();
                row.text.extend_from_slice(cell.as_bytes());
                let is_number = cell.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
                let kind = if is_number { CellKind::Number } else { CellKind::Quoted };
                row.add(column as u32 + 1, kind, start).expect("in order");
            }
            row
        };
        texts.iter().enumerate().map(row).collect()
    }

    #[test]
    fn a_row_above_the_header_is_found() {
        for (texts, header) in [
            (&["Sales report", "id|name|amount", "1|x|5", "2|y|6"][..], 2),
            (&["Sales report|2026-01-01", "id|name|amount", "1|x|5"], 2),
            (&["Sales", "Region: north", "id|amount", "1|5", "2|6"], 3),
            (&["Created|45000", "By|Ann", "id|amount", "1|5", "2|6"], 3),
            (&["Report", "name|city|color", "Ann|Berlin|red", "Bob|Rome|blue"], 2),
            (&["||Report", "id|amount|x", "1|5|a", "2|6|b"], 2),
        ] {
            assert_eq!(find(&rows(texts)).map(|found| found.header), Some(header), "{texts:?}");
        }
    }

    #[test]
    fn a_first_row_above_another_header_is_doubted() {
        for (texts, header) in [
            (&["Report|made in May", "year|north", "1951|5", "1952|6"][..], Some(2)),
            (&["Report|made in May", "year|north", "1951|cold", "1952|6"], None),
            (&["time|temp", "s|C", "1|5", "2|6"], None),
            (&["year|north", "1951|5", "year|north", "1952|6", "1953|7"], None),
        ] {
            assert_eq!(doubt(&rows(texts)).map(|found| found.header), header, "{texts:?}");
            assert_eq!(find(&rows(texts)), None, "{texts:?}");
        }
    }

    #[test]
    fn a_header_is_believed() {
        for texts in [
            &[][..],
            &["a|b"],
            &["a|b", "1|2"],
            &["name", "Ann", "Bob"],
            &["name|city", "Ann|Berlin", "Bob|Rome"],
            &["country|2019|2020", "Aruba|1|2", "Benin|3|4"],
            &["account|45000|45031", "Sales|1|2", "Rent|3|4"],
            &["name|city|", "Ann|Berlin|x", "Bob|Rome|y", "Cid|Bern|5"],
            &["name|", "Ann|x", "Bob|y"],
            &["a|b", "1|2", "a|b", "3|4"],
            &["|temp|flow", "|C|K", "1|2|3"],
            &["id|name|note", "1|x", "2|y|z"],
        ] {
            assert_eq!(find(&rows(texts)), None, "{texts:?}");
        }
    }
}
