//! What is known about one column: which types all its cells could be, and who ruled out the others.

use elt_shared::config::ColumnType;

use super::Expectation;
use super::types::{self, Lead, Types};
use crate::frame::CellKind;
use crate::frame::sheet::{Cell, Sheet};
use crate::frame::value::{self, TimeFormat};

/// A value is shown up to so many characters.
const SHOWN_CHARS: usize = 80;

/// The first cell that ruled a type out.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Evidence {
    /// The file's name as people see it.
    pub file: String,
    /// 1-based line its row starts at.
    pub line: u64,
    /// The cell, cut to 80 characters.
    pub value: String,
    /// Index of the file: with the line, when it was seen.
    #[serde(skip)]
    file_index: usize,
}

/// Where a file's cells are.
pub(super) struct Place<'a> {
    pub file: usize,
    pub name: &'a str,
    /// Whether the default null tokens apply.
    pub tokens: bool,
}

/// One column over all files.
#[derive(Debug, Clone)]
pub struct ColumnProfile {
    /// As in the files, made unique and bounded.
    pub name: String,
    /// Cells that are missing in any type, and rows of files without this column.
    pub nulls: u64,
    /// Cells with a value.
    pub non_nulls: u64,
    /// Null tokens seen while the column could still be something other than text: NULL if it is, text if it is not.
    pub null_tokens: u64,
    /// Quoted empty cells seen likewise.
    pub empties: u64,
    possible: Types,
    lead: Lead,
    /// Whether there was a number that is no word: one with digits, or a bare `NaN` or `Infinity` of JSON. In a text file
    /// `inf` and `nan` alone are words.
    digits: bool,
    evidence: [Option<Box<Evidence>>; Types::COUNT],
    tests: Vec<Test>,
}

/// Whether every cell converts to a type somebody expects.
#[derive(Debug, Clone)]
struct Test {
    column_type: ColumnType,
    format: Option<String>,
    refuted: Option<Box<Evidence>>,
}

impl ColumnProfile {
    pub(super) fn new(name: String, expectation: Option<&Expectation>) -> Self {
        let tests = expectation.map_or_else(Vec::new, |expectation| {
            let test = |&column_type| Test { column_type, format: expectation.format.clone(), refuted: None };
            expectation.types.iter().map(test).collect()
        });
        Self {
            name,
            nulls: 0,
            non_nulls: 0,
            null_tokens: 0,
            empties: 0,
            possible: Types::ALL,
            lead: Lead::Open,
            digits: false,
            evidence: [const { None }; Types::COUNT],
            tests,
        }
    }

    /// The type all values are without loss; text when there is none or no value at all.
    pub fn inferred(&self) -> ColumnType {
        let has = |types| self.possible.has(types);
        if self.non_nulls == 0 {
            ColumnType::Text
        } else if has(Types::BOOLEAN) {
            ColumnType::Boolean
        } else if has(Types::BIGINT) {
            ColumnType::BigInt
        } else if has(Types::NUMERIC) {
            ColumnType::Numeric(None)
        } else if has(Types::DOUBLE) && self.digits {
            ColumnType::Double
        } else if has(Types::DATE) {
            ColumnType::Date
        } else if has(Types::TIMESTAMP) {
            ColumnType::Timestamp
        } else if has(Types::TIMESTAMPTZ) {
            ColumnType::TimestampTz
        } else if has(Types::JSON) {
            ColumnType::Json
        } else {
            ColumnType::Text
        }
    }

    /// The first cell that rules a type out. A type of an [`Expectation`] is judged as a contract would
    /// ([`value::parses`]), any other as inference would ([`value::infers`]); types that are never inferred
    /// have evidence only when they were expected.
    pub fn evidence(&self, column_type: ColumnType) -> Option<&Evidence> {
        if let Some(test) = self.tests.iter().find(|test| test.column_type == column_type) {
            return test.refuted.as_deref();
        }
        let index = Types::of(column_type).indexes().next()?;
        self.evidence[index].as_deref()
    }

    /// The cell that made the inferred type what it is: the last one that ruled a narrower type out.
    /// `None` when nothing narrower was ever in sight, or no cell has a value.
    pub fn deciding(&self) -> Option<&Evidence> {
        let index = match self.inferred() {
            ColumnType::Numeric(_) => Types::BIGINT,
            ColumnType::Double => Types::NUMERIC,
            ColumnType::Timestamp => Types::DATE,
            ColumnType::Text => Types::ALL,
            _ => Types::NONE,
        };
        let seen = index.indexes().filter_map(|index| self.evidence[index].as_deref());
        seen.max_by_key(|evidence| (evidence.file_index, evidence.line))
    }

    /// Looks at every cell of a column of a sheet.
    pub(super) fn look(&mut self, sheet: &Sheet, text: &[u8], column: usize, place: &Place<'_>) {
        let cells = || sheet.column(column);
        let mut values = 0;
        for (row, cell) in cells().enumerate() {
            if cell.is_null() {
                continue;
            }
            if self.lead == Lead::Text || self.lead.fits(cell.kind(), sheet.bytes(text, cell)) {
                values += 1;
            } else {
                self.consider(sheet, text, row, cell, place);
            }
        }
        self.non_nulls += values;
        for test in 0..self.tests.len() {
            if self.tests[test].refuted.is_none() && !self.implied(&self.tests[test]) {
                let test = &mut self.tests[test];
                test.refuted = test.refute(sheet, text, column, place);
            }
        }
    }

    /// Whether the types left say already that every cell passes.
    fn implied(&self, test: &Test) -> bool {
        let exactly = !matches!(test.column_type, ColumnType::Numeric(Some(_)) | ColumnType::Real | ColumnType::Text);
        test.column_type == ColumnType::Text
            || (exactly && test.format.is_none() && self.possible.has(Types::of(test.column_type)))
    }

    /// Takes the longer look at a cell.
    #[cold]
    fn consider(&mut self, sheet: &Sheet, text: &[u8], row: usize, cell: Cell, place: &Place<'_>) {
        let bytes = sheet.bytes(text, cell);
        let kind = cell.kind();
        if value::is_missing(kind, bytes, place.tokens) {
            let count = if bytes.is_empty() { &mut self.empties } else { &mut self.null_tokens };
            *count += 1;
            return;
        }
        self.non_nulls += 1;
        let could_be = types::of_cell(kind, bytes);
        let is_no_word = kind == CellKind::Number || bytes.iter().any(u8::is_ascii_digit);
        self.digits |= could_be.has(Types::DOUBLE.with(Types::NUMERIC)) && is_no_word;
        let lost = self.possible.without(could_be);
        if lost.is_empty() {
            return;
        }
        let evidence = Box::new(evidence(sheet, bytes, row, place));
        for index in lost.indexes() {
            self.evidence[index] = Some(evidence.clone());
        }
        self.possible = self.possible.both(could_be);
        self.lead = Lead::of(self.possible);
    }

    /// Adds what a later file says about the column.
    pub(super) fn merge(&mut self, later: Self) {
        self.non_nulls += later.non_nulls;
        self.null_tokens += later.null_tokens;
        self.empties += later.empties;
        self.digits |= later.digits;
        self.possible = self.possible.both(later.possible);
        for (mine, theirs) in self.evidence.iter_mut().zip(later.evidence) {
            *mine = mine.take().or(theirs);
        }
        for (mine, theirs) in self.tests.iter_mut().zip(later.tests) {
            mine.refuted = mine.refuted.take().or(theirs.refuted);
        }
    }
}

impl Test {
    /// The first cell of a column of a sheet that does not convert.
    fn refute(&self, sheet: &Sheet, text: &[u8], column: usize, place: &Place<'_>) -> Option<Box<Evidence>> {
        let format = self.format.as_deref().and_then(TimeFormat::new);
        sheet.column(column).enumerate().find_map(|(row, cell)| {
            let (kind, bytes) = (cell.kind(), sheet.bytes(text, cell));
            let fits = value::is_missing(kind, bytes, place.tokens)
                || value::parses_as(self.column_type, kind, bytes, format.as_ref());
            (!fits).then(|| Box::new(evidence(sheet, bytes, row, place)))
        })
    }
}

fn evidence(sheet: &Sheet, bytes: &[u8], row: usize, place: &Place<'_>) -> Evidence {
    let start = &bytes[..bytes.len().min(4 * SHOWN_CHARS)];
    let value = String::from_utf8_lossy(start).chars().take(SHOWN_CHARS).collect();
    Evidence { file: place.name.to_owned(), line: sheet.lines[row], value, file_index: place.file }
}
