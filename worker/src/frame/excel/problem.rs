//! The reason why a workbook cannot be read, before it is said in which file and row.

use std::io;
use std::sync::Arc;

use elt_shared::explained::Code;

use crate::frame::read::FileError;
use crate::humanize;

/// The reason why a workbook cannot be read.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    code: Code,
    /// "it is encrypted with a password".
    what: String,
    /// Row of the sheet, counted from 1. `None`: the problem is not in one row.
    row: Option<u32>,
}

impl Problem {
    pub(super) fn new(code: Code, what: impl Into<String>) -> Self {
        Self { code, what: what.into(), row: None }
    }

    /// A file that Excel would have to repair.
    pub(super) fn broken(what: impl Into<String>) -> Self {
        Self::new(Code::BrokenWorkbook, what)
    }

    pub(super) fn cut_off() -> Self {
        Self::new(Code::Truncated, "the file ends in the middle: it was cut off")
    }

    pub(super) fn too_large(what: impl Into<String>) -> Self {
        Self::new(Code::WorkbookTooLarge, what)
    }

    /// The workbook's texts need a file, and the data folder has too little room. Both numbers are bytes.
    pub(super) fn no_room(free: u64, keep_free: u64) -> Self {
        let (free, keep_free) = (humanize::size(free), humanize::size(keep_free));
        let what = format!(
            "its texts are too large for the memory, and the data folder has {free} free, and {keep_free} must stay free \
             (ELT_MIN_FREE_MIB)"
        );
        Self::new(Code::Io, what)
    }

    pub(super) fn in_row(self, row: u32) -> Self {
        Self { row: self.row.or(Some(row)), ..self }
    }

    /// The error about the file of this name.
    pub(super) fn of_file(&self, name: &str) -> FileError {
        let error = FileError::new(self.code, name, self.row.map(u64::from), &self.what);
        match self.code {
            Code::WorkbookEncrypted => error.hint("Save it without a password, or ask the sender for such a copy."),
            Code::NotAWorkbook => error.hint(
                "Rename it to what it is (.csv for text), or open it in Excel or LibreOffice and save it as .xlsx.",
            ),
            Code::WorkbookTooLarge => error.hint("Save it as .xlsx, or split it."),
            Code::BrokenWorkbook => error.hint("Open it in Excel or LibreOffice and save it again, or copy it again."),
            Code::Truncated => error.hint("Copy the file again; it is read again when it changes."),
            Code::Io => error.hint("Free space on the worker's disk; the run is tried again."),
            Code::Unreadable => error.hint("Check the file's permissions and the disk."),
            Code::NoSheet => error.hint(
                "Write the name of a sheet in the source, `excel: {sheet: NAME}`, or several in `excel: {sheets: [NAME, NAME]}`.",
            ),
            _ => error,
        }
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        match (error.raw_os_error(), error.kind()) {
            (None, io::ErrorKind::UnexpectedEof) => Self::cut_off(),
            (None, io::ErrorKind::OutOfMemory) => Self::too_large(error.to_string()),
            (None, _) => Self::broken(format!("it cannot be unpacked: {error}")),
            (Some(_), _) => Self::new(Code::Unreadable, humanize::unreadable(&error)),
        }
    }
}

impl From<Arc<io::Error>> for Problem {
    fn from(error: Arc<io::Error>) -> Self {
        match error.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code).into(),
            None => io::Error::new(error.kind(), error.to_string()).into(),
        }
    }
}
