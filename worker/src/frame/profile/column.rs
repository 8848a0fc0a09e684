//! The profile of one column: the types that all its cells could be, and the cells that ruled out the others.

use elt_shared::config::{ColumnType, NumberFormat};

use super::spelling::Spelling;
use super::types::{self, Lead, Types};
use super::{Declared, Expectation};
use crate::frame::CellKind;
use crate::frame::record_batch::{Cell, RecordBatch};
use crate::frame::value::{self, LocalNumber, TimeFormat};

/// Most characters of a value that are shown.
const SHOWN_CHARS: usize = 80;

/// The first cell that ruled a type out.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Evidence {
    /// The file's name as people see it.
    pub file: String,
    /// Line at which its row starts, counted from 1.
    pub line: u64,
    /// The cell, cut to 80 characters.
    pub value: String,
    /// Index of the file, which orders the cells of different files.
    #[serde(skip)]
    file_index: usize,
}

/// The file that cells are in.
pub(super) struct Place<'a> {
    pub file: usize,
    pub name: &'a str,
    /// Whether the default null tokens apply.
    pub tokens: bool,
    /// The way in which numbers are written. `None`: the plain one.
    pub numbers: Option<NumberFormat>,
}

/// The profile of one column over all files.
#[derive(Debug, Clone)]
pub struct ColumnProfile {
    /// Name of the column, unique and at most 63 bytes long.
    pub name: String,
    /// Number of cells that are NULL in any type, and of rows of files without this column.
    pub nulls: u64,
    /// Number of cells with a value.
    pub non_nulls: u64,
    /// Number of null tokens that were read while the column could still be another type than text. They are NULL in such a
    /// type, and values in a column of texts.
    pub null_tokens: u64,
    /// Number of quoted empty cells, counted in the same way.
    pub empties: u64,
    possible: Types,
    lead: Lead,
    /// Whether a cell is certainly a number: one with digits, or a bare `NaN` or `Infinity` of JSON. A column of a delimited
    /// file with only `inf` and `nan` holds words.
    digits: bool,
    spelling: Spelling,
    evidence: [Option<Box<Evidence>>; Types::COUNT],
    tests: Vec<Test>,
    /// The type that the files declare.
    declared: Option<Declared>,
    /// Whether all cells are of the declared type, if inference does not know that type.
    admitted: bool,
}

/// Whether every cell converts to a type that the schema or the table expects.
#[derive(Debug, Clone)]
struct Test {
    column_type: ColumnType,
    format: Option<String>,
    refuted: Option<Box<Evidence>>,
}

impl ColumnProfile {
    pub(super) fn new(name: String, expectation: Option<&Expectation>, declared: Option<Declared>) -> Self {
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
            spelling: Spelling::default(),
            evidence: [const { None }; Types::COUNT],
            tests,
            declared,
            admitted: true,
        }
    }

    /// The type that the files declare and that every cell is of. `None`: they declare no type, or a cell is outside its range.
    pub fn declared(&self) -> Option<&Declared> {
        let is_empty = self.non_nulls == 0;
        self.declared.as_ref().filter(|declared| is_empty || declared.holds(self.possible, self.admitted))
    }

    /// The type that the files declare; else the narrowest type that holds all values without loss. It is text when no other
    /// type does, or no cell has a value.
    pub fn inferred(&self) -> ColumnType {
        if let Some(declared) = self.declared() {
            return declared.column_type;
        }
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
    /// `None`: no cell ruled a narrower type out, or no cell has a value.
    pub fn deciding(&self) -> Option<&Evidence> {
        if self.declared().is_some() {
            return None;
        }
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

    /// The number format that the source's `csv:` may lack, as a clause with the keys to write. `None`: the column is not
    /// text, or its first values do not look like numbers with commas.
    pub fn proposal(&self) -> Option<&'static str> {
        self.possible.is_empty().then(|| self.spelling.proposal()).flatten()
    }

    /// The format in which the first values of a text column are certain to be numbers. `None`: no format fits.
    pub fn number_format(&self) -> Option<NumberFormat> {
        self.possible.is_empty().then(|| self.spelling.format()).flatten()
    }

    /// Tests every cell of a column of a record batch.
    pub(super) fn test_cells(&mut self, record_batch: &RecordBatch, text: &[u8], column: usize, place: &Place<'_>) {
        match place.numbers {
            None => self.test_plain_cells(record_batch, text, column, place),
            Some(numbers) => self.test_local_cells(numbers, record_batch, text, column, place),
        }
        if let Some(declared) = self.declared.as_ref().filter(|declared| self.admitted && declared.is_tested()) {
            let mut cells = record_batch.column(column);
            self.admitted = cells.all(|cell| declared.admits(cell.kind(), record_batch.bytes(text, cell)));
        }
        for test in 0..self.tests.len() {
            if self.tests[test].refuted.is_none() && !self.implied(&self.tests[test]) {
                let test = &mut self.tests[test];
                test.refuted = test.refute(record_batch, text, column, place);
            }
        }
    }

    fn test_plain_cells(&mut self, record_batch: &RecordBatch, text: &[u8], column: usize, place: &Place<'_>) {
        let mut values = 0;
        for (row, cell) in record_batch.column(column).enumerate() {
            if cell.is_null() {
                continue;
            }
            if self.lead == Lead::Text || self.lead.fits(cell.kind(), record_batch.bytes(text, cell)) {
                values += 1;
            } else {
                self.consider(record_batch, text, row, cell, place);
            }
        }
        self.non_nulls += values;
    }

    /// As [`Self::test_plain_cells`], for a file that writes numbers in a format of its own.
    fn test_local_cells(
        &mut self,
        numbers: NumberFormat,
        record_batch: &RecordBatch,
        text: &[u8],
        column: usize,
        place: &Place<'_>,
    ) {
        self.spelling.refute();
        let mut plain = Vec::new();
        for (row, cell) in record_batch.column(column).enumerate().filter(|(_, cell)| !cell.is_null()) {
            let (kind, bytes) = (cell.kind(), record_batch.bytes(text, cell));
            let fits = self.lead == Lead::Text
                || match value::plain(numbers, kind, bytes, &mut plain) {
                    LocalNumber::Plain => self.lead.fits(kind, &plain),
                    LocalNumber::Word => self.lead.fits(kind, bytes),
                    LocalNumber::Other => !self.lead.is_number() && self.lead.fits(kind, bytes),
                };
            if fits {
                self.non_nulls += 1;
            } else {
                self.consider(record_batch, text, row, cell, place);
            }
        }
    }

    /// Whether the types that are left imply that every cell passes.
    fn implied(&self, test: &Test) -> bool {
        let exactly = !matches!(test.column_type, ColumnType::Numeric(Some(_)) | ColumnType::Real | ColumnType::Text);
        test.column_type == ColumnType::Text
            || (exactly && test.format.is_none() && self.possible.has(Types::of(test.column_type)))
    }

    /// Tests a cell against each type that is left, after the short test failed.
    #[cold]
    fn consider(&mut self, record_batch: &RecordBatch, text: &[u8], row: usize, cell: Cell, place: &Place<'_>) {
        let bytes = record_batch.bytes(text, cell);
        let kind = cell.kind();
        if self.lead == Lead::Spelling {
            self.non_nulls += 1;
            if !value::is_missing(kind, bytes, place.tokens) {
                self.spelling.note(kind, bytes);
            }
            self.lead = self.next_lead();
            return;
        }
        if value::is_missing(kind, bytes, place.tokens) {
            let count = if bytes.is_empty() { &mut self.empties } else { &mut self.null_tokens };
            *count += 1;
            return;
        }
        self.non_nulls += 1;
        self.spelling.note(kind, bytes);
        let could_be = match place.numbers {
            None => types::of_cell(kind, bytes),
            Some(numbers) => types::of_local_cell(numbers, kind, bytes, &mut Vec::new()),
        };
        let is_no_word = kind == CellKind::Number || bytes.iter().any(u8::is_ascii_digit);
        self.digits |= could_be.has(Types::DOUBLE.with(Types::NUMERIC)) && is_no_word;
        let lost = self.possible.without(could_be);
        if lost.is_empty() {
            return;
        }
        let evidence = Box::new(evidence(record_batch, bytes, row, place));
        for index in lost.indexes() {
            self.evidence[index] = Some(evidence.clone());
        }
        self.possible = self.possible.both(could_be);
        self.lead = self.next_lead();
    }

    fn next_lead(&self) -> Lead {
        match Lead::of(self.possible) {
            Lead::Text if self.spelling.is_open() => Lead::Spelling,
            lead => lead,
        }
    }

    /// Adds the profile of the same column in a later file.
    pub(super) fn merge(&mut self, later: Self) {
        let silent = |profile: &Self| profile.non_nulls == 0 && profile.declared.is_none();
        self.declared = if silent(&later) {
            self.declared.take()
        } else if silent(self) {
            later.declared
        } else {
            let (mine, theirs) = (self.declared.take(), later.declared);
            match (self.non_nulls, later.non_nulls) {
                (0, 1..) => theirs,
                (1.., 0) => mine,
                _ => mine.zip(theirs).and_then(|(mine, theirs)| mine.together(theirs)),
            }
        };
        self.admitted &= later.admitted;
        self.non_nulls += later.non_nulls;
        self.null_tokens += later.null_tokens;
        self.empties += later.empties;
        self.digits |= later.digits;
        self.spelling.merge(later.spelling);
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
    /// The first cell of a column of a record batch that does not convert. `None`: all of them do.
    fn refute(
        &self,
        record_batch: &RecordBatch,
        text: &[u8],
        column: usize,
        place: &Place<'_>,
    ) -> Option<Box<Evidence>> {
        let format = self.format.as_deref().and_then(TimeFormat::new);
        let local = place.numbers.filter(|_| self.column_type.is_number());
        let mut plain = Vec::new();
        record_batch.column(column).enumerate().find_map(|(row, cell)| {
            let (kind, bytes) = (cell.kind(), record_batch.bytes(text, cell));
            let parses = |bytes: &[u8]| value::parses_as(self.column_type, kind, bytes, format.as_ref());
            let fits = value::is_missing(kind, bytes, place.tokens)
                || match local.map(|numbers| value::plain(numbers, kind, bytes, &mut plain)) {
                    None | Some(LocalNumber::Word) => parses(bytes),
                    Some(LocalNumber::Plain) => parses(&plain),
                    Some(LocalNumber::Other) => false,
                };
            (!fits).then(|| Box::new(evidence(record_batch, bytes, row, place)))
        })
    }
}

fn evidence(record_batch: &RecordBatch, bytes: &[u8], row: usize, place: &Place<'_>) -> Evidence {
    let start = &bytes[..bytes.len().min(4 * SHOWN_CHARS)];
    let value = String::from_utf8_lossy(start).chars().take(SHOWN_CHARS).collect();
    Evidence { file: place.name.to_owned(), line: record_batch.lines[row], value, file_index: place.file }
}
