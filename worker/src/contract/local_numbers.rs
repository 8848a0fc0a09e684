//! Columns of numbers from a file that writes them in a format of its own, such as `1.234,50`.

use elt_shared::config::NumberFormat;

use super::Typing;
use super::foreign::ForeignType;
use crate::frame::RawColumn;
use crate::frame::value::{self, LocalNumber};

/// The text of a cell that is not a number in the file's format, so that it is not taken for a number of another format
/// either.
const NOT_A_NUMBER: &[u8] = b"?";

/// The cells of a column in the plain spelling, when it is read as numbers. `None`: the cells are read as they are written,
/// because the file writes plain numbers or the column does not hold numbers.
pub fn plain_cells(
    numbers: Option<NumberFormat>,
    typing: &Typing,
    foreign: Option<&ForeignType>,
    source: &RawColumn,
) -> Option<RawColumn> {
    let numbers = numbers?;
    let is_number = match typing.sql_type.known() {
        Some(column_type) => column_type.is_number(),
        None => foreign.is_some_and(ForeignType::is_number),
    };
    if !is_number {
        return None;
    }
    let mut cells = RawColumn::default();
    cells.reserve(source.ends.len(), source.bytes.len());
    let mut plain = Vec::new();
    for row in 0..source.ends.len() {
        let (kind, written) = source.cell(row);
        cells.push(
            kind,
            match value::plain(numbers, kind, written, &mut plain) {
                LocalNumber::Plain => &plain,
                LocalNumber::Word => written,
                LocalNumber::Other => NOT_A_NUMBER,
            },
        );
    }
    Some(cells)
}
