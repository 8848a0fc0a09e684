//! Reads a file as batches of cells: the same way for both passes, whatever its format.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::sync::Arc;

use elt_shared::explained::Code;

use super::delimited::Delimited;
use super::json::Json;
use super::names::NameError;
use super::sheet::Sheet;
use super::unpack::Text;
use super::window::{WINDOW_BYTES, Window};
use super::{BATCH_BYTES, BATCH_ROWS, BadRecord, Piece, RawBatch};
use crate::extract::{Compression, Format, InputFile, words};

/// Why a file cannot be read to its end: it is reported, and the other files go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FileError {
    /// Stable: `unreadable`, `truncated`, `unclosed_quote`, `broken_json`, …
    pub code: Code,
    /// Names the file, the line where there is one, and what is wrong.
    pub message: String,
    /// The same without the file's name, for a place that shows the name already.
    pub reason: String,
    /// 1-based line.
    pub line: Option<u64>,
    /// What the reader should do.
    pub next_step: Cow<'static, str>,
}

impl FileError {
    pub(super) fn new(code: Code, file: &str, line: Option<u64>, what: impl fmt::Display) -> Self {
        let (message, reason) = match line {
            Some(line) => (format!("{file}:{line}: {what}"), format!("line {line}: {what}")),
            None => (format!("{file}: {what}"), what.to_string()),
        };
        Self { code, message, reason, line, next_step: "Correct the file; it is read again when it changes.".into() }
    }

    pub(super) fn hint(mut self, next_step: impl Into<Cow<'static, str>>) -> Self {
        self.next_step = next_step.into();
        self
    }

    /// A file of which every record was rejected, the first one in `line` for `reason`.
    pub(super) fn nothing_readable(file: &str, line: u64, reason: &str) -> Self {
        let first = format!("every row is rejected, the first one in line {line}: {reason}");
        let message = format!("nothing of {file} could be read: {first}");
        Self { message, ..Self::new(Code::SourceUnreadableRows, file, None, first) }
    }

    pub(super) fn record_too_large(file: &str, line: u64, limit: usize) -> Self {
        let limit = limit >> 20;
        Self::new(Code::RecordTooLarge, file, Some(line), format_args!("a record is larger than {limit} MiB"))
            .hint("Look for a quote or bracket that is never closed, or load such values by another way.")
    }

    pub(super) fn name(file: &str, line: u64, error: &NameError) -> Self {
        let code = match error {
            NameError::TooMany => Code::TooManyColumns,
            NameError::Reserved(_) => Code::ReservedName,
            NameError::Nul(_) => Code::NulByte,
        };
        Self::new(code, file, Some(line), error).hint("Rename or drop the columns in the file, or check csv.delimiter.")
    }

    pub(super) fn io(file: &str, error: &io::Error) -> Self {
        // The system's errors have a number, the decompressors' have none.
        match (error.raw_os_error(), error.kind()) {
            (None, io::ErrorKind::UnexpectedEof) => Self::new(
                Code::Truncated,
                file,
                None,
                "the compressed data ends in the middle: the file was cut off, or it is not compressed",
            )
            .hint("Copy the file again; it is read again when it changes."),
            (None, _) => {
                Self::new(Code::BrokenCompression, file, None, format_args!("it cannot be decompressed: {error}"))
                    .hint("Check that the file is what its suffix says, and copy it again if it was damaged.")
            }
            (Some(_), _) => Self::new(Code::Unreadable, file, None, words::unreadable(error))
                .hint("Check the file's permissions and the disk."),
        }
    }
}

/// What is known about a file once it was read to its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileSummary {
    /// Size on disk.
    pub bytes: u64,
    /// xxh3-128 of the bytes on disk.
    pub content_hash: u128,
    /// Blank lines, lines above the header, and objects without members.
    pub filtered: u64,
    /// The delimiter of a delimited file as it would be written in the config, `";"` or `tab`; `None` for JSON.
    pub delimiter: Option<String>,
    /// Sentences for the report: renamed columns, members that appeared twice, a delimiter that is not certain.
    pub warnings: Vec<String>,
}

/// Reads one file from start to end.
pub struct Reader {
    file: usize,
    tokens: bool,
    body: Body,
    sheet: Sheet,
    /// Rows of the sheet that were handed out.
    given: usize,
    /// A batch that was given back, for its memory.
    spare: Option<RawBatch>,
    bad: std::vec::IntoIter<BadRecord>,
}

/// The formats.
enum Body {
    Delimited(Delimited),
    Json(Box<Json>),
}

/// Opens a file: its encoding, dialect and header are known afterwards.
///
/// # Errors
/// When it cannot be read, or its header cannot be a table's.
pub fn open(file_index: usize, file: &InputFile) -> Result<Reader, FileError> {
    open_with_window(file_index, file, window_size(file))
}

/// Bytes of the window a file is read through: a small file needs no large one.
pub(super) fn window_size(file: &InputFile) -> usize {
    match file.compression {
        Compression::None => {
            usize::try_from(file.stamp.size).unwrap_or(WINDOW_BYTES).clamp(4 << 10, WINDOW_BYTES - 1) + 1
        }
        Compression::Gzip | Compression::Zstd => WINDOW_BYTES,
    }
}

/// Opens a file with a window of another size: the outcome must not depend on it.
pub(super) fn open_with_window(file_index: usize, file: &InputFile, size: usize) -> Result<Reader, FileError> {
    let window = Window::new(Text::open(file)?, size);
    let body = match file.format {
        Format::Csv | Format::Txt => Body::Delimited(Delimited::open(window, file_index, file)?),
        Format::Json | Format::Ndjson => Body::Json(Box::new(Json::open(window, file_index, file)?)),
    };
    let tokens = file.csv.null_values.is_none();
    Ok(Reader {
        file: file_index,
        tokens,
        body,
        sheet: Sheet::default(),
        given: 0,
        spare: None,
        bad: Vec::new().into_iter(),
    })
}

impl Reader {
    /// The next rows or bad record; `None` at the end. It blocks.
    ///
    /// # Errors
    /// When the rest of the file cannot be read.
    #[expect(clippy::should_implement_trait, reason = "an iterator cannot say that its items are fallible once")]
    pub fn next(&mut self) -> Result<Option<Piece>, FileError> {
        loop {
            if self.given < self.sheet.rows() {
                return Ok(Some(Piece::Rows(self.batch())));
            }
            if let Some(bad) = self.bad.next() {
                return Ok(Some(Piece::Bad(bad)));
            }
            if !self.turn()? {
                return Ok(None);
            }
            self.bad = std::mem::take(&mut self.sheet.bad).into_iter();
        }
    }

    /// Turns to the next sheet; false at the end.
    pub(super) fn turn(&mut self) -> Result<bool, FileError> {
        self.given = 0;
        match &mut self.body {
            Body::Delimited(delimited) => delimited.read(&mut self.sheet),
            Body::Json(json) => json.read(&mut self.sheet),
        }
    }

    /// The sheet that is open, and the text it was read from.
    pub(super) fn sheet(&self) -> (&Sheet, &[u8]) {
        let text = match &self.body {
            Body::Delimited(delimited) => delimited.text(),
            Body::Json(json) => json.text(),
        };
        (&self.sheet, text)
    }

    /// The columns known so far, in file order.
    pub fn names(&self) -> Arc<Vec<String>> {
        match &self.body {
            Body::Delimited(delimited) => delimited.names(),
            Body::Json(json) => json.names(),
        }
    }

    /// Whether the default null tokens mean NULL in this file's typed columns.
    pub fn null_tokens(&self) -> bool {
        self.tokens
    }

    /// What is known about the file; complete once `next` returned `None`.
    pub fn summary(&self) -> FileSummary {
        let ((bytes, content_hash), filtered, warnings) = match &self.body {
            Body::Delimited(delimited) => (delimited.seen(), delimited.filtered(), delimited.warnings()),
            Body::Json(json) => (json.seen(), json.filtered(), json.warnings()),
        };
        let delimiter = match &self.body {
            Body::Delimited(delimited) => Some(delimited.delimiter()),
            Body::Json(_) => None,
        };
        FileSummary { bytes, content_hash, filtered, delimiter, warnings }
    }

    /// Takes a batch back that is no longer needed: the next one is put together in its memory.
    pub fn recycle(&mut self, batch: RawBatch) {
        self.spare = Some(batch);
    }

    /// The next rows of the open sheet as columns.
    fn batch(&mut self) -> RawBatch {
        let names = self.names();
        let mut batch = self.spare.take().unwrap_or_default();
        let (sheet, text) = self.sheet();
        let (first, end) = (self.given, batch_end(sheet, self.given));
        let spans = &sheet.spans[first..end];
        let raw_start = spans[0].0;
        let width = sheet.width;
        batch.clear(width);
        batch.raw.extend_from_slice(&text[raw_start as usize..spans[spans.len() - 1].1 as usize]);
        for (index, column) in batch.columns.iter_mut().enumerate() {
            column.reserve(end - first, batch.raw.len() / width);
            for &cell in sheet.cells[first * width..end * width][index..].iter().step_by(width) {
                column.push(cell.kind(), sheet.bytes(text, cell));
            }
        }
        batch.lines.extend_from_slice(&sheet.lines[first..end]);
        batch.raw_starts.extend(spans.iter().map(|span| span.0 - raw_start));
        batch.raw_ends.extend(spans.iter().map(|span| span.1 - raw_start));
        (batch.file, batch.names, batch.null_tokens) = (self.file, names, self.tokens);
        self.given = end;
        batch
    }
}

/// Where the batch that starts at row `first` ends: after so many rows or bytes.
fn batch_end(sheet: &Sheet, first: usize) -> usize {
    let start = sheet.spans[first].0 as usize;
    let last = sheet.rows().min(first + BATCH_ROWS);
    let fitting = sheet.spans[first..last].partition_point(|span| span.1 as usize - start <= BATCH_BYTES);
    first + fitting.max(1)
}
