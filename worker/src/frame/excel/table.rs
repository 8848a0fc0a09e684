//! The table of a sheet: its header, and the rows and columns that belong to it.

use std::collections::VecDeque;
use std::sync::Arc;

use elt_shared::config::{CellRange, ExcelOptions, SheetHeader};
use elt_shared::explained::Code;

use super::problem::Problem;
use super::row::{SheetRow, letters};
use super::title::{self, filled};
use super::{MAX_COLUMNS, MAX_ROWS, SheetRows};
use crate::frame::column_names::{self, NameError, Names};
use crate::frame::read::FileError;

/// Rows with values that are read before the columns are decided.
const SAMPLED_ROWS: usize = 100;
/// Bytes of these rows after which no more are read.
const SAMPLED_BYTES: usize = 4 << 20;

/// The table of a sheet.
#[derive(Debug)]
pub(super) struct Table {
    /// Number of its first column.
    pub(super) first_column: u32,
    /// Number of its last column, which is below that of the first one in an empty sheet.
    pub(super) last_column: u32,
    /// First and last column of the part of the sheet that the config names. Cells beside it belong to something else.
    pub(super) bounds: (u32, u32),
    /// Names of its columns.
    pub(super) names: Arc<Vec<String>>,
    /// Number of the row with the names; 0 when there is none.
    pub(super) header_row: u32,
    /// Number of the first row that can be data.
    pub(super) first_row: u32,
    /// Number of the last one.
    pub(super) last_row: u32,
    /// Sentences for the report.
    pub(super) warnings: Vec<String>,
}

/// The rows and columns in which the table is, as the config says.
struct Bounds {
    columns: (u32, u32),
    first_row: u32,
    last_row: u32,
}

impl Bounds {
    fn of(options: &ExcelOptions) -> Self {
        let CellRange { first_column, last_column, first_row, last_row } = options.range;
        let first_row = first_row.unwrap_or(1).max(options.skip_rows + 1);
        // A header in a row above the range is that of the range.
        let first_row = match options.header {
            SheetHeader::Row(header) if options.range.first_row.is_none_or(|first| first >= header) => header,
            _ => first_row,
        };
        Self {
            columns: (first_column.unwrap_or(1), last_column.unwrap_or(MAX_COLUMNS)),
            first_row,
            last_row: last_row.unwrap_or(MAX_ROWS),
        }
    }

    /// Removes what is beside the columns. Returns whether the row is in the table and has a value.
    fn keep(&self, row: &mut SheetRow) -> bool {
        let (first, last) = self.columns;
        row.cells.retain(|cell| (first..=last).contains(&cell.column));
        (self.first_row..=self.last_row).contains(&row.number) && filled(row).next().is_some()
    }
}

/// Finds the table of a sheet. `ahead` gets the rows that were read on the way and can be data. `merged`: first and last
/// column of the merged cells in a row.
///
/// # Errors
/// When the sheet cannot be read, or its first row cannot be the header.
pub(super) fn find(
    rows: &mut dyn SheetRows,
    options: &ExcelOptions,
    name: &str,
    merged: impl Fn(u32) -> Result<Vec<(u32, u32)>, Problem>,
    ahead: &mut VecDeque<SheetRow>,
) -> Result<Table, FileError> {
    let bounds = Bounds::of(options);
    let failed = |problem: Problem| problem.of_file(name);
    let mut sampled = sample(rows, &bounds).map_err(failed)?;
    let doubted = matches!(options.header, SheetHeader::Found).then(|| title::doubt(&sampled)).flatten();
    let header = header(&mut sampled, options, name)?;
    let given = match &options.header {
        SheetHeader::Names(names) => Some(names),
        _ => None,
    };
    let used = || header.iter().chain(&sampled).flat_map(filled).map(|cell| cell.column);
    let first_column = options.range.first_column.or_else(|| used().min()).unwrap_or(1);
    let last_column = match (given, options.range.last_column) {
        (Some(names), _) => first_column.saturating_add(names.len() as u32).saturating_sub(1),
        (None, Some(last)) => last,
        (None, None) => used().max().unwrap_or(0),
    };
    let mut warnings: Vec<String> = doubted.iter().map(doubt).collect();
    let names = Header { row: header.as_ref(), given, first_column, last_column };
    let names = names.names(&merged, &mut warnings).map_err(|wrong| match wrong {
        Wrong::Name(error) => FileError::name(name, header.as_ref().map_or(1, |row| u64::from(row.number)), &error),
        Wrong::Problem(problem) => failed(problem),
    })?;
    let first_row = header.as_ref().map_or(bounds.first_row, |row| row.number + 1);
    ahead.extend(sampled);
    Ok(Table {
        first_column,
        last_column,
        bounds: bounds.columns,
        names: Arc::new(names),
        header_row: header.as_ref().map_or(0, |row| row.number),
        first_row: first_row.max(options.range.first_row.unwrap_or(1)),
        last_row: bounds.last_row,
        warnings,
    })
}

/// The first rows of a sheet that are in the table and have values.
fn sample(rows: &mut dyn SheetRows, bounds: &Bounds) -> Result<Vec<SheetRow>, Problem> {
    let (mut sampled, mut bytes, mut row) = (Vec::new(), 0, SheetRow::default());
    while sampled.len() <= SAMPLED_ROWS && bytes < SAMPLED_BYTES && rows.next(&mut row)? {
        if bounds.keep(&mut row) {
            bytes += row.text.len();
            sampled.push(std::mem::take(&mut row));
        }
    }
    Ok(sampled)
}

/// Takes the header out of the first rows. `None`: the sheet has none.
fn header(sampled: &mut Vec<SheetRow>, options: &ExcelOptions, name: &str) -> Result<Option<SheetRow>, FileError> {
    match options.header {
        SheetHeader::Missing | SheetHeader::Names(_) => return Ok(None),
        SheetHeader::Row(number) if sampled.first().is_none_or(|row| row.number != number) => {
            let what = "this row has no cells, and excel.header says that it is the header";
            return Err(FileError::new(Code::HeaderNotFirst, name, Some(u64::from(number)), what)
                .hint("Write the number of the row that names the columns in the source, `excel: {header: N}`."));
        }
        SheetHeader::Found => {
            if let Some(found) = title::find(sampled) {
                return Err(not_first(&found, name));
            }
        }
        SheetHeader::First | SheetHeader::Row(_) => {}
    }
    Ok((!sampled.is_empty()).then(|| sampled.remove(0)))
}

/// The sentence for the report when the first row is taken for the header, and another row may be it.
fn doubt(found: &title::Found) -> String {
    let title::Found { first, header, width, .. } = *found;
    format!(
        "row {first} is taken for the header, but row {header} looks like the header of {width} columns; write `excel: {{header: \
         {header}}}` in the source if it is, or `excel: {{header: true}}` if row {first} is right, such as above a row of units"
    )
}

fn not_first(found: &title::Found, name: &str) -> FileError {
    let title::Found { first, first_width, header, width } = *found;
    let cells = if first_width == 1 { "1 cell".to_owned() } else { format!("{first_width} cells") };
    let what = format!(
        "this first row does not look like the header: it has {cells}, and row {header} looks like the header of {width} \
         columns"
    );
    FileError::new(Code::HeaderNotFirst, name, Some(u64::from(first)), what).hint(format!(
        "Write `excel: {{header: {header}}}` in the source; if row {first} is the header, write `excel: {{header: true}}`."
    ))
}

/// Where the names of the columns come from.
struct Header<'a> {
    row: Option<&'a SheetRow>,
    given: Option<&'a Vec<String>>,
    first_column: u32,
    last_column: u32,
}

/// Why the columns cannot get their names.
enum Wrong {
    Name(NameError),
    Problem(Problem),
}

impl Header<'_> {
    fn names(
        &self,
        merged: &impl Fn(u32) -> Result<Vec<(u32, u32)>, Problem>,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<String>, Wrong> {
        let width = (self.last_column + 1).saturating_sub(self.first_column) as usize;
        if width > column_names::MAX_COLUMNS {
            return Err(Wrong::Name(NameError::TooMany));
        }
        let mut written: Vec<String> = match (self.given, self.row) {
            (Some(names), _) => names.clone(),
            (None, Some(row)) => {
                (self.first_column..=self.last_column).map(|column| row.text_of(column).to_owned()).collect()
            }
            (None, None) => vec![String::new(); width],
        };
        if let Some(row) = self.row {
            self.name_merged(row, &mut written, merged).map_err(Wrong::Problem)?;
            self.warn_of_unnamed(&written, warnings);
        }
        let names = Names::of_header(written.iter().map(String::as_str)).map_err(Wrong::Name)?;
        if self.row.is_some() || self.given.is_some() {
            let is_unnamed = |change: &String| change.ends_with("instead of \"\"");
            warnings.extend(names.changes().filter(|change| !is_unnamed(change)));
        }
        Ok(names.as_slice().to_vec())
    }

    /// Gives the name of a merged cell to all its columns, of which only the first one has it in the file.
    fn name_merged(
        &self,
        row: &SheetRow,
        written: &mut [String],
        merged: &impl Fn(u32) -> Result<Vec<(u32, u32)>, Problem>,
    ) -> Result<(), Problem> {
        // Where merged cells are is at the end of the sheet, so that it is asked only when it can matter.
        if !written.windows(2).any(|pair| !pair[0].is_empty() && pair[1].is_empty()) {
            return Ok(());
        }
        for (first, last) in merged(row.number)? {
            let index = |column: u32| column.checked_sub(self.first_column).map(|index| index as usize);
            let Some((first, last)) = index(first).zip(index(last)) else { continue };
            let Some(name) = written.get(first).cloned() else { continue };
            let end = written.len().min(last + 1);
            written[first..end].iter_mut().filter(|other| other.is_empty()).for_each(|other| other.clone_from(&name));
        }
        Ok(())
    }

    fn warn_of_unnamed(&self, written: &[String], warnings: &mut Vec<String>) {
        let unnamed: Vec<String> = written
            .iter()
            .zip(self.first_column..)
            .filter(|(name, _)| name.trim().is_empty())
            .map(|(_, column)| letters(column))
            .collect();
        if let Some((first, others)) = unnamed.split_first() {
            let more = if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
            warnings.push(format!(
                "its column {first}{more} has cells and no name in the header; it is named by its place, such as column_3"
            ));
        }
    }
}
