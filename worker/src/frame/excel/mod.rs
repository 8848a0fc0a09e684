//! Workbooks: the sheets of `.xlsx`, `.xlsm`, `.xlsb`, `.xls` and `.ods` files.
//!
//! Which of them a file is shows its content and not its suffix, because many programs write one and name it like another. XML
//! is read as a stream, so that a sheet of any size needs the same memory; `.xls` and `.xlsb` are held in memory.
//!
//! # Layout
//! - [`package`]: the zip container, [`xml`]: the XML of its parts
//! - [`xlsx`], [`ods`], [`binary_workbook`]: the rows of a sheet, one file a format
//! - [`compound_file`], [`biff`]: the memory that an `.xls` needs, before it is read
//! - [`row`], [`shared_strings`], [`text`], [`number`], [`number_format`], [`serial`]: what cells hold
//! - [`choice`]: the sheets that a config means
//! - [`table`], [`title`]: the header of a sheet, what is above it, and the columns below it
//! - [`reader`]: the rows of one sheet as batches
//! - [`problem`]: the reason why a workbook cannot be read
//! - this file: the workbook

mod biff;
mod binary_workbook;
pub(crate) mod choice;
mod compound_file;
mod number;
mod number_format;
mod ods;
mod package;
mod problem;
pub(super) mod reader;
mod row;
mod serial;
mod shared_strings;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod title;
mod xlsx;
mod xml;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use elt_shared::explained::Code;

use binary_workbook::BinaryWorkbook;
use ods::Ods;
use package::Package;
use problem::Problem;
use row::SheetRow;
use xlsx::Xlsx;

use crate::input::SpoolFolder;

/// Number of rows and columns that a sheet can have.
const MAX_ROWS: u32 = 1_048_576;
const MAX_COLUMNS: u32 = 16_384;
/// Most sheets of a workbook.
const MAX_SHEETS: usize = 10_000;

/// Most bytes of the names that a workbook's lists of sheets, parts and styles have together.
const MAX_NAME_BYTES: usize = 16 << 20;

/// Bytes by which other content is recognised.
const HEAD_BYTES: usize = 1_024;

const ZIP: &[u8] = b"PK";
/// The container of `.xls`, and of workbooks that are encrypted.
const COMPOUND_FILE: &[u8] = &[0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1];

/// One sheet in the list of a workbook's sheets.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SheetEntry {
    name: String,
    is_hidden: bool,
    /// Whether it is made of cells. Sheets of charts and macros are not.
    has_cells: bool,
}

/// The room for the names in a list of a workbook, which bounds the memory that a list of any length takes.
struct NameRoom(usize);

impl NameRoom {
    fn new() -> Self {
        Self(MAX_NAME_BYTES)
    }

    /// Takes the room of a name that is kept.
    fn take(&mut self, name: &str) -> Result<(), Problem> {
        let left = self.0.checked_sub(name.len());
        self.0 = left.ok_or_else(|| Problem::too_large("the names of its sheets, parts and styles are too long"))?;
        Ok(())
    }
}

/// The rows of a sheet.
trait SheetRows: Send {
    /// Reads the next row that is stored, which may have no cells. Returns false after the last one.
    fn next(&mut self, row: &mut SheetRow) -> Result<bool, Problem>;
}

/// A workbook.
enum Workbook {
    Xlsx(Xlsx),
    Ods(Ods),
    BinaryWorkbook(BinaryWorkbook),
}

impl Workbook {
    /// Finds out what a file is, and reads the list of its sheets.
    fn open(file: &Arc<File>) -> Result<Self, Problem> {
        let mut head = vec![0; HEAD_BYTES];
        let length = read_some(file, &mut head, 0)?;
        head.truncate(length);
        if head.starts_with(ZIP) {
            let package = Package::open(file)?;
            return if package.has("xl/workbook.bin") {
                BinaryWorkbook::open_xlsb(file, &package).map(Self::BinaryWorkbook)
            } else if package.has("content.xml") {
                Ods::open(package).map(Self::Ods)
            } else if package.has("[Content_Types].xml") && package.has("_rels/.rels") {
                Xlsx::open(package).map(Self::Xlsx)
            } else {
                Err(Problem::new(Code::NotAWorkbook, "it is not a workbook but a zip archive of other files"))
            };
        }
        if head.starts_with(COMPOUND_FILE) {
            if is_encrypted(file)? {
                return Err(Problem::new(Code::WorkbookEncrypted, "it is encrypted with a password"));
            }
            return BinaryWorkbook::open_xls(file).map(Self::BinaryWorkbook);
        }
        Err(Problem::new(Code::NotAWorkbook, other_content(&head)))
    }

    /// The sheets in the order of their tabs.
    fn sheets(&self) -> Vec<SheetEntry> {
        match self {
            Self::Xlsx(workbook) => workbook.sheets().cloned().collect(),
            Self::Ods(workbook) => workbook.sheets().to_vec(),
            Self::BinaryWorkbook(workbook) => workbook.sheets().to_vec(),
        }
    }

    /// Whether a sheet has a cell with a value.
    fn has_values(&self, index: usize) -> Result<bool, Problem> {
        match self {
            Self::Xlsx(workbook) => workbook.has_values(index),
            Self::Ods(workbook) => workbook.has_values(index),
            Self::BinaryWorkbook(workbook) => workbook.has_values(index),
        }
    }

    /// The rows of a sheet. `spool`: where texts are written that are too large for the memory.
    fn rows(&self, index: usize, spool: &SpoolFolder) -> Result<Box<dyn SheetRows>, Problem> {
        match self {
            Self::Xlsx(workbook) => workbook.rows(index, spool),
            Self::Ods(workbook) => workbook.rows(index),
            Self::BinaryWorkbook(workbook) => workbook.rows(index),
        }
    }

    /// First and last column of each merged cell that touches a row of a sheet.
    fn merged_in_row(&self, index: usize, row: u32) -> Result<Vec<(u32, u32)>, Problem> {
        match self {
            Self::Xlsx(workbook) => workbook.merged_in_row(index, row),
            Self::Ods(workbook) => workbook.merged_in_row(index, row),
            Self::BinaryWorkbook(workbook) => Ok(workbook.merged_in_row(index, row)),
        }
    }
}

/// Fills `out` with the bytes at a place. Returns their number, which is less only at the end of the file.
fn read_some(file: &File, out: &mut [u8], at: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < out.len() {
        match file.read_at(&mut out[filled..], at + filled as u64)? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

/// Whether a compound file has the stream of an encrypted workbook. The name of a stream is in UTF-16.
fn is_encrypted(file: &File) -> io::Result<bool> {
    let name: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut block = vec![0; 64 << 10];
    let mut at = 0;
    loop {
        let count = read_some(file, &mut block, at)?;
        if memchr::memmem::find(&block[..count], &name).is_some() {
            return Ok(true);
        }
        if count < block.len() {
            return Ok(false);
        }
        // The name may begin in one block and end in the next.
        at += (count - name.len()) as u64;
    }
}

/// The sentence about a file that is not a workbook, by its first bytes.
fn other_content(head: &[u8]) -> &'static str {
    let start = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
    let has = |word: &[u8]| start.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word));
    if head.is_empty() {
        "it is not a workbook but an empty file"
    } else if start.starts_with(b"<") && has(b"<html") {
        "it is not a workbook but a web page (HTML)"
    } else if start.starts_with(b"<") {
        "it is not a workbook but XML, such as the XML Spreadsheet 2003 of old programs"
    } else if head.starts_with(&[0x09, 0x08]) || head.starts_with(&[0x09, 0x04]) || head.starts_with(&[0x09, 0x02]) {
        "it is a workbook of Excel 4 or older"
    } else if head.starts_with(&[0xFF, 0xFE]) || head.starts_with(&[0xFE, 0xFF]) || !head.contains(&0) {
        "it is not a workbook but text, such as CSV"
    } else {
        "it is not a workbook"
    }
}
