//! Finds a title, a note or a station's name above the header, by the lines below it.
//!
//! A line that is narrower than the rows is not yet a title, because a row may have more cells than its header by
//! mistake, and the last columns of a header may have no names. A line is reported only when a later line can be the header
//! of all lines below it.

use std::collections::HashSet;

use elt_shared::explained::Code;

use super::dialect;
use super::is_blank;
use super::split::{Dialect, Records, Splitter};
use crate::frame::column_names::MAX_COLUMNS;
use crate::frame::read::{CsvFix, FileError};
use crate::frame::record_batch::RecordBatch;

/// Number of records at the beginning of a file that are examined.
const SAMPLED_RECORDS: usize = 100;
/// Number of these records that may be above the header.
pub(super) const MAX_ABOVE: usize = 30;

/// A header that is not the first line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Line of the first record, which would be read as the header.
    first_line: u64,
    first_width: usize,
    /// Line of the record that can be the header, and its number of columns.
    line: u64,
    width: usize,
    /// The delimiter by which it is the header. `None`: it is the one that the file is read with.
    delimiter: Option<u8>,
}

impl Found {
    /// A header in `line` below a first line that is not narrower.
    pub(super) fn below(first_line: u64, first_width: usize, line: u64, width: usize) -> Self {
        Self { first_line, first_width, line, width, delimiter: None }
    }

    /// The sentence for the report when the first line is taken for the header nevertheless.
    pub(super) fn doubt(&self) -> String {
        let Self { first_line, line, width, .. } = *self;
        let skip = line - 1;
        format!(
            "line {first_line} is taken for its header, but line {line} looks like the header of {width} columns; write \
             `csv: {{skip_rows: {skip}}}` in the source if it is, or `csv: {{header: true}}` if line {first_line} is right, \
             such as above a line of units"
        )
    }

    /// The error about the file `name`, with the keys to write in the config.
    pub(super) fn error(&self, name: &str) -> FileError {
        let Self { first_line, first_width, line, width, delimiter } = *self;
        let cells = if first_width == 1 { "1 cell".to_owned() } else { format!("{first_width} cells") };
        let what = format!(
            "this first line does not look like the header: it has {cells}, and line {line} looks like the header of \
             {width} columns"
        );
        let skip = line - 1;
        let fixes = u16::try_from(skip).ok().map(CsvFix::SkipRows).into_iter().chain(delimiter.map(CsvFix::Delimiter));
        let error = FileError::new(Code::HeaderNotFirst, name, Some(first_line), what).fixed_by(fixes);
        match delimiter.map(dialect::shown) {
            // Every column has a name already.
            None if first_width >= width => error.hint(format!(
                "Write `csv: {{skip_rows: {skip}}}` in the source; if line {first_line} is the header, write `csv: \
                 {{header: true}}`."
            )),
            None => error.hint(format!(
                "Write `csv: {{skip_rows: {skip}}}` in the source; if line {first_line} is the header, give every column a \
                 name in it."
            )),
            Some(delimiter) => {
                error.hint(format!("Write `csv: {{skip_rows: {skip}, delimiter: {delimiter}}}` in the source."))
            }
        }
    }
}

/// Refuses a text whose first record is not the header. `declared`: whether the delimiter is certain, so that no other
/// one is tried. `above`: lines of the file above the text.
pub(super) fn check(text: &[u8], ended: bool, dialect: Dialect, declared: bool, above: u64) -> Result<(), Found> {
    let records = sample(text, ended, dialect, above);
    let one_cell = records.first().is_some_and(|first| first.cells.len() == 1);
    if one_cell && dialect::better_delimiter(text, ended, dialect.delimiter).is_some() {
        // The first line is a header that the wrong delimiter does not cut into cells, which is reported in another place.
        return Ok(());
    }
    if let Some(found) = search(&records, false) {
        return Err(found);
    }
    // A title hides the delimiter: `Sales` above `year;north;south` in a CSV file.
    let others = dialect::CANDIDATES.into_iter().filter(|&other| one_cell && !declared && other != dialect.delimiter);
    for delimiter in others {
        let records = sample(text, ended, Dialect { delimiter, ..dialect }, above);
        if records.first().is_some_and(|first| first.cells.len() == 1)
            && let Some(found) = search(&records, true)
        {
            return Err(Found { delimiter: Some(delimiter), ..found });
        }
    }
    Ok(())
}

/// A record of the sample.
pub(super) struct Sampled {
    /// 1-based line of the file in which it starts.
    pub line: u64,
    /// Its cells without the spaces around them.
    pub cells: Vec<String>,
}

impl Sampled {
    /// Cells up to the last one that holds something.
    pub(super) fn width(&self) -> usize {
        self.cells.iter().rposition(|cell| !cell.is_empty()).map_or(0, |last| last + 1)
    }

    /// The cell of a column; empty when the record is too short.
    pub(super) fn cell(&self, column: usize) -> &str {
        self.cells.get(column).map_or("", String::as_str)
    }

    /// Whether every column has a name of its own, which is not a value.
    pub(super) fn can_be_a_header(&self) -> bool {
        let cells = &self.cells[..self.width()];
        let names: HashSet<_> = cells.iter().map(|cell| cell.to_lowercase()).collect();
        cells.len() >= 2
            && names.len() == cells.len()
            && !is_value(&cells[0])
            && cells.iter().all(|cell| !cell.is_empty() && (!is_value(cell) || is_year(cell)))
    }
}

/// The first records of a text that are not blank.
pub(super) fn sample(text: &[u8], ended: bool, dialect: Dialect, above: u64) -> Vec<Sampled> {
    let mut splitter = Splitter::new(dialect, text, ended);
    let (mut records, mut start, mut line) = (Vec::new(), 0, above + 1);
    let mut record_batch = RecordBatch::default();
    while records.len() < SAMPLED_RECORDS && start < text.len() {
        record_batch.clear(0);
        let Ok(record) = splitter.record(start, MAX_COLUMNS, &mut record_batch) else { break };
        if !is_blank(&text[start..record.end], 2, dialect.delimiter) {
            let cell = |&cell| String::from_utf8_lossy(record_batch.bytes(text, cell)).trim().to_owned();
            records.push(Sampled { line, cells: record_batch.cells.iter().map(cell).collect() });
        }
        line += record.lines;
        start = record.next;
    }
    records
}

/// Searches for a record below the first one that can be the header of all records below it. `exact`: each of these must
/// have exactly its width.
fn search(records: &[Sampled], exact: bool) -> Option<Found> {
    let (first, rest) = records.split_first()?;
    let first_width = first.width();
    let (mut widest, mut index) = (first_width, 0);
    while index < rest.len().min(MAX_ABOVE) {
        let candidate = &rest[index];
        let width = candidate.width();
        if width > widest {
            let below = &rest[index + 1..];
            if candidate.can_be_a_header() && heads(candidate, below, first, exact) {
                let (first_line, line) = (first.line, candidate.line);
                return Some(Found { first_line, first_width, line, width, delimiter: None });
            }
            widest = width;
        }
        index += 1;
    }
    None
}

/// Whether the records below `candidate` are its rows, and would not be rows of `first`.
fn heads(candidate: &Sampled, below: &[Sampled], first: &Sampled, exact: bool) -> bool {
    let (width, total) = (candidate.width(), below.len());
    let wider = below.iter().filter(|record| record.width() > first.width()).count();
    let fitting = below.iter().filter(|record| record.width() <= width).count();
    if total == 0 || wider * 2 < total || fitting * 5 < total * 4 {
        return false;
    }
    // One column without a name is more likely than a title in a line that has all the separators.
    if first.cells.len() >= width && width < first.width() + 2 {
        return false;
    }
    if exact && below.iter().any(|record| record.cells.len() != candidate.cells.len()) {
        return false;
    }
    // A header differs from a row in that values are below a name that is not a value itself.
    let has_values = (0..width).any(|column| {
        let name = candidate.cell(column);
        (!is_value(name) || is_year(name)) && has_only_values(below, column)
    });
    // Without such a column the first line must be a single cell, under which each line below it would be rejected.
    has_values || (!exact && first.cells.len() == 1 && wider == total)
}

/// Whether a column holds something, and nothing but values.
pub(super) fn has_only_values(records: &[Sampled], column: usize) -> bool {
    let mut filled = records.iter().map(|record| record.cell(column)).filter(|cell| !cell.is_empty()).peekable();
    filled.peek().is_some() && filled.all(is_value)
}

/// Whether a cell is a number, a date, a time, a truth value or a word for a missing one, rather than a name.
pub(super) fn is_value(cell: &str) -> bool {
    const WORDS: [&str; 8] = ["true", "false", "na", "n/a", "nan", "null", "none", "-"];
    let numeric = |c: char| {
        c.is_ascii_digit() || matches!(c, '.' | ',' | ':' | '/' | '-' | '+' | ' ' | '%' | 'T' | 'Z' | 'e' | 'E')
    };
    let digits = cell.chars().any(|c| c.is_ascii_digit());
    (digits && cell.chars().all(numeric)) || WORDS.iter().any(|word| cell.eq_ignore_ascii_case(word))
}

/// Whether a cell is a year, which names a column in tables with one column for each year.
pub(super) fn is_year(cell: &str) -> bool {
    cell.len() == 4 && cell.bytes().all(|byte| byte.is_ascii_digit()) && matches!(cell.as_bytes()[0], b'1' | b'2')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<(u64, u64, usize, Option<u8>)> {
        let dialect = Dialect { delimiter: b',', quote: Some(b'"'), ..Dialect::default() };
        let found = check(text.as_bytes(), true, dialect, false, 0).err()?;
        Some((found.first_line, found.line, found.width, found.delimiter))
    }

    #[test]
    fn lines_above_the_header_are_found() {
        for (text, expected) in [
            ("Sunshine, hours\n", None),
            ("Sunshine\n\nyear,north,south\n1990,1.5,2\n1991,1.4,2.1\n", Some((1, 3, 3, None))),
            ("# made by hand\nname,city\nAnn,Berlin\nBob,Rome\n", Some((1, 2, 2, None))),
            // Metadata as pairs, then the table.
            (
                "Station,Berlin\nHeight,34 m\n\ndate,temp,wind\n2026-01-01,1.5,3\n2026-01-02,2,4\n",
                Some((1, 4, 3, None)),
            ),
            // A spreadsheet fills every line with separators.
            ("Sales,,\n,,\nyear,north,south\n1990,1.5,2\n1991,1.4,2.1\n", Some((1, 3, 3, None))),
            // A column a year.
            (
                "\"Source\",\"World\",\n\n\"Country\",\"Code\",\"1960\",\"1961\"\nAruba,ABW,1.5,2\n",
                Some((1, 3, 4, None)),
            ),
            ("Sales\n\nyear;north;south\n1990;1,5;2,5\n1991;1,4;2,6\n", Some((1, 3, 3, Some(b';')))),
        ] {
            assert_eq!(found(text), expected, "{text}");
        }
    }

    #[test]
    fn a_header_is_believed() {
        for text in [
            "",
            "name\n",
            "a,b\n1,2\n",
            // One column of prose.
            "note\nHello\nHello, world\nFoo\nBar\n",
            "note\n\"Hello, world\"\n\"a, b\"\n",
            // A separator at the end of each row.
            "a,b\n1,2,\n3,4,\n",
            // The names of the last columns are missing.
            "name,,\nAnn,1,x\nBob,2,y\n",
            "name,,\nAnn,Berlin,x\nBob,Rome,y\n",
            "name,\nAnn,unknown\nBob,12\nCid,15\n",
            "name,,\nAnn,n/a,x\nBob,12,y\nCid,15,z\n",
            // A row that is too long.
            "a,b\n1,2\nx,y,z\n3,4\n5,6\n",
            // As R writes row names: each row has one cell more than the header.
            "mpg,cyl\nMazda,21,6\nDatsun,22.8,4\n",
            "name,city\n1,Ann,Berlin\n2,Bob,Rome\n",
            "x,y\nAnn,Berlin,red\nBob,Rome,blue\n",
            // Units and a repeated header.
            ";temp;flow\n;[°C];[K]\n1;2;3\n",
            "a,b\n1,2\na,b\n3,4\n",
            // A wrong delimiter is reported with another sentence.
            "id;price\n1;0,20\n2;0,15\n",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
