//! `.xls` and `.xlsb`: binary formats, which calamine reads and which are held in memory.
//!
//! calamine does not say whether a format shows a day or a time, so that a number decides: a whole one is a day, one below 1 is a
//! time. Numbers are doubles there, and become the shortest decimals that are the same doubles.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader};
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use calamine::{Data, DataRef, Reader, Sheet, SheetType, SheetVisible, Xls, XlsError, Xlsb, XlsbError};
use elt_shared::explained::Code;

use super::biff;
use super::compound_file;
use super::number_format::Shown;
use super::package::Package;
use super::problem::Problem;
use super::row::{Defect, SheetRow};
use super::serial::{self, Calendar};
use super::{MAX_COLUMNS, MAX_ROWS, SheetEntry, SheetRows};
use crate::frame::CellKind;

/// Largest file, in bytes.
const MAX_FILE_BYTES: u64 = 64 << 20;
/// Most bytes of the parts of an `.xlsb`, unpacked.
const MAX_UNPACKED_BYTES: u64 = 512 << 20;
/// Most bytes of the cells and texts of a workbook in memory.
const MAX_NEEDED_BYTES: u64 = 384 << 20;
/// Most cells of a sheet.
const MAX_CELLS: usize = 10_000_000;

/// A workbook whose format is binary.
pub(super) struct BinaryWorkbook {
    file: Arc<File>,
    sheets: Vec<SheetEntry>,
    calendar: Calendar,
    is_xls: bool,
}

/// A file that is read from a place of its own.
struct Placed {
    file: Arc<File>,
    at: u64,
}

impl io::Read for Placed {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(out, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl io::Seek for Placed {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        let from = |start: u64, by: i64| start.checked_add_signed(by).ok_or(io::ErrorKind::InvalidInput);
        self.at = match to {
            io::SeekFrom::Start(at) => at,
            io::SeekFrom::Current(by) => from(self.at, by)?,
            io::SeekFrom::End(by) => from(self.file.metadata()?.len(), by)?,
        };
        Ok(self.at)
    }
}

type Source = BufReader<Placed>;

/// A cell: its row and column, counted from 0, and its value. `None`: its formula has no value that can be read.
type HeldCell = (u32, u32, Option<Data>);

impl BinaryWorkbook {
    pub(super) fn open_xls(file: &Arc<File>) -> Result<Self, Problem> {
        check_size(file, ".xls")?;
        check_needed(biff::needed_bytes(&compound_file::workbook_stream(file)?)?)?;
        let workbook = guarded(|| xls(file))?;
        let is_1904 = workbook.has_1904_epoch();
        Ok(Self::of(file, workbook.sheets_metadata(), is_1904, true))
    }

    pub(super) fn open_xlsb(file: &Arc<File>, package: &Package) -> Result<Self, Problem> {
        check_size(file, ".xlsb")?;
        if package.unpacked_bytes() > MAX_UNPACKED_BYTES {
            let what =
                format!("it has more than {} MiB, unpacked, which an .xlsb must not have", MAX_UNPACKED_BYTES >> 20);
            return Err(Problem::too_large(what));
        }
        // The directory may lie about the sizes, and calamine believes it.
        for name in package.names() {
            io::copy(&mut package.part(name)?, &mut io::sink())?;
        }
        let workbook = guarded(|| xlsb(file))?;
        let is_1904 = workbook.has_1904_epoch();
        Ok(Self::of(file, workbook.sheets_metadata(), is_1904, false))
    }

    fn of(file: &Arc<File>, sheets: &[Sheet], is_1904: bool, is_xls: bool) -> Self {
        let entry = |sheet: &Sheet| SheetEntry {
            name: sheet.name.clone(),
            is_hidden: sheet.visible != SheetVisible::Visible,
            has_cells: sheet.typ == SheetType::WorkSheet,
        };
        let calendar = if is_1904 { Calendar::From1904 } else { Calendar::From1900 };
        Self { file: file.clone(), sheets: sheets.iter().map(entry).collect(), calendar, is_xls }
    }

    pub(super) fn sheets(&self) -> &[SheetEntry] {
        &self.sheets
    }

    pub(super) fn has_values(&self, index: usize) -> Result<bool, Problem> {
        Ok(!self.cells(index)?.is_empty())
    }

    pub(super) fn rows(&self, index: usize) -> Result<Box<dyn SheetRows>, Problem> {
        let cells = self.cells(index)?.into_iter().peekable();
        Ok(Box::new(HeldRows { cells, calendar: self.calendar }))
    }

    pub(super) fn merged_in_row(&self, index: usize, row: u32) -> Vec<(u32, u32)> {
        if !self.is_xls {
            return Vec::new();
        }
        let merged = guarded(|| xls(&self.file)?.merge_cells_by_sheet_id(index).map_err(|error| of_xls(&error)));
        let merged = merged.unwrap_or_default();
        let touching = merged.iter().filter(|range| range.start.0 < row && row <= range.end.0 + 1);
        touching.map(|range| (range.start.1 + 1, range.end.1 + 1)).collect()
    }

    /// The cells of a sheet, row by row.
    fn cells(&self, index: usize) -> Result<Vec<HeldCell>, Problem> {
        let name = &self.sheets[index].name;
        let mut cells = guarded(|| if self.is_xls { self.xls_cells(name) } else { self.xlsb_cells(name) })?;
        cells.sort_by_key(|&(row, column, _)| (row, column));
        if cells.iter().any(|&(row, column, _)| row >= MAX_ROWS || column >= MAX_COLUMNS) {
            return Err(Problem::broken("a cell of it is beyond the last row or column of a sheet"));
        }
        Ok(cells)
    }

    fn xls_cells(&self, name: &str) -> Result<Vec<HeldCell>, Problem> {
        let range = xls(&self.file)?.worksheet_range(name).map_err(|error| of_xls(&error))?;
        let (top, left) = range.start().unwrap_or_default();
        let cells = range
            .used_cells()
            .map(|(row, column, value)| (top + row as u32, left + column as u32, Some(value.clone())));
        Ok(cells.collect())
    }

    fn xlsb_cells(&self, name: &str) -> Result<Vec<HeldCell>, Problem> {
        let mut workbook = xlsb(&self.file)?;
        let (mut cells, mut text_bytes): (Vec<HeldCell>, u64) = (Vec::new(), 0);
        let mut reader = workbook.worksheet_cells_reader(name).map_err(|error| of_xlsb(&error))?;
        while let Some(cell) = reader.next_cell().map_err(|error| of_xlsb(&error))? {
            let (row, column) = cell.get_position();
            // Cells can share one long text, which each of them holds from here on.
            text_bytes += match cell.get_value() {
                DataRef::String(text) => text.len() as u64,
                DataRef::SharedString(text) => text.len() as u64,
                _ => 0,
            };
            check_needed(text_bytes)?;
            cells.push((row, column, Some(cell.get_value().clone().into())));
            if cells.len() > MAX_CELLS {
                return Err(Problem::too_large(format!("its sheet has more than {MAX_CELLS} cells")));
            }
        }
        drop(reader);
        // calamine passes over formulas whose result is an error, which would make the cells empty.
        let known: HashSet<(u32, u32)> = cells.iter().map(|&(row, column, _)| (row, column)).collect();
        let mut reader = workbook.worksheet_cells_reader(name).map_err(|error| of_xlsb(&error))?;
        while let Some(cell) = reader.next_formula().map_err(|error| of_xlsb(&error))? {
            let place = cell.get_position();
            if !known.contains(&place) {
                cells.push((place.0, place.1, None));
            }
        }
        Ok(cells)
    }
}

fn check_size(file: &File, suffix: &str) -> Result<(), Problem> {
    let size = file.metadata()?.len();
    if size <= MAX_FILE_BYTES {
        return Ok(());
    }
    Err(Problem::too_large(format!(
        "it has {} MiB, and an {suffix} of more than {} MiB is not read, because it must be held in memory",
        size >> 20,
        MAX_FILE_BYTES >> 20
    )))
}

/// Refuses a workbook whose cells and texts need this many bytes of memory.
fn check_needed(bytes: u64) -> Result<(), Problem> {
    if bytes <= MAX_NEEDED_BYTES {
        return Ok(());
    }
    let (bytes, most) = (bytes >> 20, MAX_NEEDED_BYTES >> 20);
    Err(Problem::too_large(format!("its cells and texts need {bytes} MiB of memory or more, and may need {most}")))
}

fn source(file: &Arc<File>) -> Source {
    BufReader::new(Placed { file: file.clone(), at: 0 })
}

fn xls(file: &Arc<File>) -> Result<Xls<Source>, Problem> {
    Xls::new(source(file)).map_err(|error| of_xls(&error))
}

fn xlsb(file: &Arc<File>) -> Result<Xlsb<Source>, Problem> {
    Xlsb::new(source(file)).map_err(|error| of_xlsb(&error))
}

fn of_xls(error: &XlsError) -> Problem {
    match error {
        XlsError::Password => Problem::new(Code::WorkbookEncrypted, "it is encrypted with a password"),
        error => Problem::broken(format!("it cannot be read: {error}")),
    }
}

fn of_xlsb(error: &XlsbError) -> Problem {
    match error {
        XlsbError::Password => Problem::new(Code::WorkbookEncrypted, "it is encrypted with a password"),
        error => Problem::broken(format!("it cannot be read: {error}")),
    }
}

/// Calls calamine, which may panic at a file that is damaged.
fn guarded<T>(read: impl FnOnce() -> Result<T, Problem>) -> Result<T, Problem> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(Problem::broken("it cannot be read: it is damaged")))
}

/// The rows of a sheet.
struct HeldRows {
    cells: std::iter::Peekable<std::vec::IntoIter<HeldCell>>,
    calendar: Calendar,
}

impl SheetRows for HeldRows {
    fn next(&mut self, row: &mut SheetRow) -> Result<bool, Problem> {
        let Some(&(number, _, _)) = self.cells.peek() else { return Ok(false) };
        row.restart(number + 1);
        while let Some((_, column, value)) = self.cells.next_if(|cell| cell.0 == number) {
            add(row, column + 1, value.as_ref(), self.calendar)?;
        }
        Ok(true)
    }
}

fn add(row: &mut SheetRow, column: u32, value: Option<&Data>, calendar: Calendar) -> Result<(), Problem> {
    let start = row.text.len();
    let mut kind = CellKind::String;
    let text = match value {
        None => return row.add_defect(column, Defect::NoResult, start),
        Some(Data::Empty) => return Ok(()),
        Some(Data::Error(error)) => {
            row.text.extend_from_slice(error.to_string().as_bytes());
            return row.add_defect(column, Defect::Error, start);
        }
        Some(Data::String(text)) => {
            kind = CellKind::Quoted;
            Some(text.clone())
        }
        Some(Data::Bool(truth)) => {
            kind = CellKind::Bool;
            Some(truth.to_string())
        }
        Some(Data::Int(number)) => {
            kind = CellKind::Number;
            Some(number.to_string())
        }
        Some(Data::Float(number)) => {
            kind = CellKind::Number;
            // A zero below zero is a zero.
            number.is_finite().then(|| if *number == 0.0 { "0".to_owned() } else { number.to_string() })
        }
        Some(Data::DateTime(stamp)) => {
            let number = stamp.as_f64();
            let shown = match (stamp.is_duration(), (0.0..1.0).contains(&number)) {
                (true, _) => Shown::Duration,
                (false, true) => Shown::Time,
                (false, false) => Shown::Date,
            };
            let text = serial::text(number, shown, calendar);
            if text.is_none() {
                row.text.extend_from_slice(number.to_string().as_bytes());
                return row.add_defect(column, Defect::NotADate, start);
            }
            text
        }
        Some(Data::DateTimeIso(text) | Data::DurationIso(text)) => Some(text.clone()),
    };
    match text {
        Some(text) => {
            row.text.extend_from_slice(text.as_bytes());
            row.add(column, kind, start)
        }
        None => row.add_defect(column, Defect::NotANumber, start),
    }
}
