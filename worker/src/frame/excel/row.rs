//! A row of a sheet as it was read, whatever format the workbook has.

use elt_shared::explained::Code;

use super::problem::Problem;
use crate::frame::CellKind;

/// The errors that cells can hold. Another text there is not shown, because it may be a value.
const ERRORS: [&str; 13] = [
    "#DIV/0!",
    "#N/A",
    "#NAME?",
    "#NULL!",
    "#NUM!",
    "#REF!",
    "#VALUE!",
    "#SPILL!",
    "#CALC!",
    "#FIELD!",
    "#BLOCKED!",
    "#CONNECT!",
    "#GETTING_DATA",
];

/// The cells of one row that hold something.
#[derive(Debug, Clone, Default)]
pub(super) struct SheetRow {
    /// Number of the row, counted from 1.
    pub(super) number: u32,
    /// Its cells by column, of which none is empty.
    pub(super) cells: Vec<SheetCell>,
    /// The texts of the cells.
    pub(super) text: Vec<u8>,
}

/// A cell that holds something.
#[derive(Debug, Clone, Copy)]
pub(super) struct SheetCell {
    /// Number of the column, counted from 1.
    pub(super) column: u32,
    pub(super) kind: CellKind,
    /// Place of its text in the text of the row.
    pub(super) start: usize,
    pub(super) end: usize,
    /// Why the row cannot be loaded. `None`: it can.
    pub(super) defect: Option<Defect>,
}

/// Why a cell has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Defect {
    /// It holds an error such as `#DIV/0!`.
    Error,
    /// Its formula was never calculated.
    NotCalculated,
    /// Its formula has a result that cannot be read, which is an error mostly.
    NoResult,
    /// Its number is shown as a date, and is outside the range of dates.
    NotADate,
    /// It is stored as something that it is not.
    NotANumber,
    /// It has a NUL character.
    Nul,
}

impl Defect {
    pub(super) fn code(self) -> Code {
        match self {
            Self::Error | Self::NoResult => Code::CellError,
            Self::NotCalculated => Code::CellNotCalculated,
            Self::NotADate => Code::CellNotADate,
            Self::NotANumber => Code::CellNotANumber,
            Self::Nul => Code::NulByte,
        }
    }

    /// The sentence about the cell at a place such as `Sheet1!B812`, which holds this text.
    pub(super) fn reason(self, place: &str, text: &str) -> String {
        match self {
            Self::Error if ERRORS.contains(&text) => format!("the cell {place} holds the error {text}"),
            Self::Error => format!("the cell {place} holds an error"),
            Self::NoResult => format!("the formula in the cell {place} has an error as its result"),
            Self::NotCalculated => format!(
                "the formula in the cell {place} was never calculated; open the file in Excel or LibreOffice and save it"
            ),
            Self::NotADate => format!("the cell {place} has the format of a date, and its number is not a date"),
            Self::NotANumber => format!("the cell {place} does not hold what its type says"),
            Self::Nul => format!("the cell {place} has a NUL character, which PostgreSQL cannot keep"),
        }
    }
}

impl SheetRow {
    /// Empties the row, which gets another number.
    pub(super) fn restart(&mut self, number: u32) {
        self.number = number;
        self.cells.clear();
        self.text.clear();
    }

    /// Adds a cell whose text is what was added to `text` since `start`. The cells of a row come in the order of their columns.
    pub(super) fn add(&mut self, column: u32, kind: CellKind, start: usize) -> Result<(), Problem> {
        let has_nul = memchr::memchr(0, &self.text[start..]).is_some();
        self.add_cell(column, kind, start, has_nul.then_some(Defect::Nul))
    }

    /// Adds a cell that has no value.
    pub(super) fn add_defect(&mut self, column: u32, defect: Defect, start: usize) -> Result<(), Problem> {
        self.add_cell(column, CellKind::Quoted, start, Some(defect))
    }

    fn add_cell(&mut self, column: u32, kind: CellKind, start: usize, defect: Option<Defect>) -> Result<(), Problem> {
        if self.cells.last().is_some_and(|last| last.column >= column) {
            return Err(Problem::broken("its cells are not in the order of their columns").in_row(self.number));
        }
        self.cells.push(SheetCell { column, kind, start, end: self.text.len(), defect });
        Ok(())
    }

    /// The text of a cell.
    pub(super) fn bytes(&self, cell: &SheetCell) -> &[u8] {
        &self.text[cell.start..cell.end]
    }

    /// The cell in a column.
    pub(super) fn cell(&self, column: u32) -> Option<&SheetCell> {
        let index = self.cells.binary_search_by_key(&column, |cell| cell.column).ok()?;
        self.cells.get(index)
    }

    /// The text of the cell in a column, which is empty when there is no cell.
    pub(super) fn text_of(&self, column: u32) -> &str {
        self.cell(column).map_or("", |cell| std::str::from_utf8(self.bytes(cell)).unwrap_or_default())
    }
}

/// The letters of a column: 1 is `A`, 27 is `AA`.
pub(super) fn letters(column: u32) -> String {
    let (mut rest, mut letters) = (column, Vec::new());
    while rest > 0 {
        letters.push(b'A' + ((rest - 1) % 26) as u8);
        rest = (rest - 1) / 26;
    }
    letters.reverse();
    String::from_utf8(letters).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::letters;

    #[test]
    fn columns_have_letters() {
        for (column, expected) in [(1, "A"), (26, "Z"), (27, "AA"), (702, "ZZ"), (703, "AAA"), (16_384, "XFD")] {
            assert_eq!(letters(column), expected);
        }
    }
}
