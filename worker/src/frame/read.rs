//! Reads a file as batches of cells, in the same way for both passes and for every format.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::sync::Arc;

use elt_shared::config::NumberFormat;
use elt_shared::explained::{Code, Explained};
use elt_shared::runs::report::FileDialect;

use super::column_names::NameError;
use super::constant_columns::ConstantColumns;
use super::decode::Text;
use super::delimited::Delimited;
use super::excel::reader::Excel;
use super::fixed_width::FixedWidthRows;
use super::json::Json;
use super::profile::Declared;
use super::record_batch::RecordBatch;
use super::shaped_rows::{ShapeRows, ShapedRows};
use super::window::{WINDOW_BYTES, Window};
use super::xml::Xml;
use super::{BATCH_BYTES, BATCH_ROWS, BadRecord, Piece, RawBatch, arrow_ipc, parquet};
use crate::error::PipelineError;
use crate::error::outage::Outage;
use crate::humanize;
use crate::input::{Compression, Format, InputFile};

/// The reason why a file cannot be read to its end. It is reported, and the other files are loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FileError {
    /// Stable code: `unreadable`, `truncated`, `unclosed_quote`, `broken_json`, …
    pub code: Code,
    /// A sentence that names the file, the line if one is known, and the problem.
    pub message: String,
    /// The same sentence without the file's name, for a place that shows the name already.
    pub reason: String,
    /// Line of the file, counted from 1. `None`: the problem is not in one line.
    pub line: Option<u64>,
    /// What to do about it.
    pub next_step: Cow<'static, str>,
    /// Changes of `csv:` with which it can probably be read.
    pub fixes: Vec<CsvFix>,
}

/// A change of `csv:`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CsvFix {
    /// Skip this number of lines at the top of the file.
    SkipRows(u16),
    /// Separate cells by this character.
    Delimiter(u8),
    /// This character takes the meaning from the one behind it.
    Escape(u8),
    /// No character encloses cells.
    NoQuote,
    /// Numbers are written so.
    Numbers(NumberFormat),
}

impl FileError {
    /// An error in a line of a file, or about the whole file.
    pub(crate) fn new(code: Code, file: &str, line: Option<u64>, what: impl fmt::Display) -> Self {
        let (message, reason) = match line {
            Some(line) => (format!("{file}:{line}: {what}"), format!("line {line}: {what}")),
            None => (format!("{file}: {what}"), what.to_string()),
        };
        let next_step = "Correct the file; it is read again when it changes.".into();
        Self { code, message, reason, line, next_step, fixes: Vec::new() }
    }

    /// The same error with another next step.
    pub(crate) fn hint(mut self, next_step: impl Into<Cow<'static, str>>) -> Self {
        self.next_step = next_step.into();
        self
    }

    /// Adds changes of `csv:` with which the file can probably be read.
    pub(super) fn fixed_by(mut self, fixes: impl IntoIterator<Item = CsvFix>) -> Self {
        self.fixes.extend(fixes);
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

    /// An archive or encrypted file in a place where only files with rows are read.
    fn unopened(file: &str) -> Self {
        Self::new(Code::Unreadable, file, None, "it holds other files and was not opened")
            .hint("Name it in `path`, or the folder that it is in.")
    }

    /// The failure of the run when the disk of the worker is the reason and not the file, which another attempt can read.
    pub(crate) fn of_worker(&self) -> Option<PipelineError> {
        let Self { code, message, next_step, .. } = self;
        let explained =
            || Explained { code: *code, message: message.clone(), next_step: next_step.clone().into_owned() };
        (*code == Code::Io).then(|| PipelineError::away(Outage::WorkerShort, explained()))
    }

    pub(super) fn io(file: &str, error: &io::Error) -> Self {
        // Errors of the operating system have a number; those of the decompressors do not.
        match (error.raw_os_error(), error.kind()) {
            (None, io::ErrorKind::OutOfMemory) => Self::new(
                Code::BrokenCompression,
                file,
                None,
                "it cannot be decompressed: its dictionary is larger than elt keeps in memory (128 MiB)",
            )
            .hint("Compress it with a smaller dictionary: `xz -9` and every smaller level have one that fits."),
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
            (Some(_), _) => Self::new(Code::Unreadable, file, None, humanize::unreadable(error))
                .hint("Check the file's permissions and the disk."),
        }
    }
}

/// The facts about a file that are known once it was read to its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileSummary {
    /// Size of the file on disk, in bytes.
    pub bytes: u64,
    /// xxh3-128 of the bytes on disk.
    pub content_hash: u128,
    /// Number of blank lines, lines above the header, and objects without members.
    pub filtered: u64,
    /// The delimiter of a delimited file as it would be written in the config, `";"` or `tab`; `None` for JSON.
    pub delimiter: Option<String>,
    /// How else a delimited file is read; `None` for other formats.
    pub dialect: Option<FileDialect>,
    /// Sentences for the report: renamed columns, members that appeared twice, a delimiter that is not certain.
    pub warnings: Vec<String>,
}

/// Reads one file from start to end.
pub struct Reader {
    file: usize,
    name: String,
    tokens: bool,
    numbers: Option<NumberFormat>,
    rows: Box<dyn Rows>,
    /// Whether the rows are shaped. All rows of a batch may then be left out, and the reader can stop between batches.
    shaped: bool,
    record_batch: RecordBatch,
    /// Number of rows of the batch that were returned.
    given: usize,
    /// A batch that was given back, whose memory is used again.
    spare: Option<RawBatch>,
    bad: std::vec::IntoIter<BadRecord>,
}

/// The reader of one format. A new format is a variant of [`Format`] and an arm in [`open`].
pub(super) trait Rows: Send {
    /// Reads the next rows into a batch, which it clears first. Returns false at the end of the file.
    ///
    /// # Errors
    /// When the rest of the file cannot be read.
    fn read(&mut self, record_batch: &mut RecordBatch) -> Result<bool, FileError>;

    /// The text that the cells of the current batch are spans of.
    fn text(&self) -> &[u8];

    /// Names of the columns that are known so far, in the order of the file.
    fn names(&self) -> Arc<Vec<String>>;

    /// The type that the file declares for a column, by its index. `None`: it declares none, as a text file.
    fn declared(&self, _column: usize) -> Option<&Declared> {
        None
    }

    /// The facts about the file. They are complete once [`Rows::read`] returned false.
    fn summary(&self) -> FileSummary;
}

/// How a file is opened: [`open`], or in the way that also shapes its columns.
pub type Open = fn(usize, &InputFile) -> Result<Reader, FileError>;

/// Opens a file and finds its encoding, dialect and header.
///
/// # Errors
/// When it cannot be read, or its header cannot be a table's.
pub fn open(file_index: usize, file: &InputFile) -> Result<Reader, FileError> {
    open_with_window(file_index, file, window_size(file))
}

/// Bytes of the window that a file is read through, at most the size of the file.
pub(super) fn window_size(file: &InputFile) -> usize {
    match file.compression {
        Compression::None => {
            usize::try_from(file.stamp.size).unwrap_or(WINDOW_BYTES).clamp(4 << 10, WINDOW_BYTES - 1) + 1
        }
        _ => WINDOW_BYTES,
    }
}

/// Opens a file with a window of another size, for tests: the result must not depend on the size.
pub(super) fn open_with_window(file_index: usize, file: &InputFile, size: usize) -> Result<Reader, FileError> {
    let window = || Ok::<_, FileError>(Window::new(Text::open(file)?, size));
    let rows: Box<dyn Rows> = match file.format {
        Format::Csv | Format::Txt => Box::new(Delimited::open(window()?, file_index, file)?),
        Format::Json | Format::Ndjson => Box::new(Json::open(window()?, file_index, file)?),
        Format::Parquet => Box::new(parquet::open(file_index, file)?),
        Format::Arrow => Box::new(arrow_ipc::open(file_index, file)?),
        Format::Workbook => Box::new(Excel::open(file_index, file)?),
        Format::Container(_) => return Err(FileError::unopened(&file.name)),
        Format::FixedWidth => Box::new(FixedWidthRows::open(file_index, file, size)?),
        Format::Xml => Box::new(Xml::open(file_index, file, size)?),
    };
    let rows = match file.constants.as_slice() {
        [] => rows,
        constants => Box::new(ConstantColumns::new(rows, &file.name, constants)?),
    };
    let tokens = file.options.null_values(file.format).is_none();
    let numbers = match file.format {
        Format::Csv | Format::Txt => file.options.csv.numbers,
        _ => None,
    };
    Ok(Reader {
        file: file_index,
        name: file.name.clone(),
        tokens,
        numbers,
        rows,
        shaped: false,
        record_batch: RecordBatch::default(),
        given: 0,
        spare: None,
        bad: Vec::new().into_iter(),
    })
}

impl Reader {
    /// The next rows or bad record. `None`: the file has ended. It blocks its thread.
    ///
    /// # Errors
    /// When the rest of the file cannot be read.
    #[expect(clippy::should_implement_trait, reason = "an iterator cannot say that its items are fallible once")]
    pub fn next(&mut self) -> Result<Option<Piece>, FileError> {
        loop {
            if self.given < self.record_batch.rows() {
                return Ok(Some(Piece::Rows(self.batch())));
            }
            if let Some(bad) = self.bad.next() {
                return Ok(Some(Piece::Bad(bad)));
            }
            if !self.turn()? {
                return Ok(None);
            }
            self.bad = std::mem::take(&mut self.record_batch.bad).into_iter();
            if self.shaped && self.record_batch.rows() == 0 && self.bad.len() == 0 {
                return Ok(Some(Piece::Rows(self.batch())));
            }
        }
    }

    /// The same reader with its columns shaped.
    ///
    /// # Errors
    /// When the file does not have the columns that the shape needs.
    pub fn shaped(self, shaper: Box<dyn ShapeRows>) -> Result<Self, FileError> {
        let (file, name, tokens, numbers) = (self.file, self.name.clone(), self.tokens, self.numbers);
        let rows: Box<dyn Rows> = Box::new(ShapedRows::new(self, shaper)?);
        let (record_batch, bad) = (RecordBatch::default(), Vec::new().into_iter());
        Ok(Self { file, name, tokens, numbers, rows, shaped: true, record_batch, given: 0, spare: None, bad })
    }

    /// The file's name as people see it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Reads the next window into the record batch. Returns false at the end of the file.
    pub(super) fn turn(&mut self) -> Result<bool, FileError> {
        self.given = 0;
        self.rows.read(&mut self.record_batch)
    }

    /// The current record batch, and the text that it was read from.
    pub(super) fn record_batch(&self) -> (&RecordBatch, &[u8]) {
        (&self.record_batch, self.rows.text())
    }

    /// Names of the columns that are known so far, in the order of the file.
    pub fn names(&self) -> Arc<Vec<String>> {
        self.rows.names()
    }

    /// The type that the file declares for a column, by its index.
    pub(super) fn declared(&self, column: usize) -> Option<&Declared> {
        self.rows.declared(column)
    }

    /// Whether the default null tokens mean NULL in this file's typed columns.
    pub fn null_tokens(&self) -> bool {
        self.tokens
    }

    /// The way in which the file writes numbers. `None`: the plain one.
    pub fn numbers(&self) -> Option<NumberFormat> {
        self.numbers
    }

    /// The facts about the file. They are complete once `next` returned `None`.
    pub fn summary(&self) -> FileSummary {
        self.rows.summary()
    }

    /// Takes back a batch that was used, so that the next one is built in its memory.
    pub fn recycle(&mut self, batch: RawBatch) {
        self.spare = Some(batch);
    }

    /// The next rows of the record batch as columns.
    fn batch(&mut self) -> RawBatch {
        let names = self.names();
        let mut batch = self.spare.take().unwrap_or_default();
        let (record_batch, text) = self.record_batch();
        let (first, end) = (self.given, batch_end(record_batch, self.given));
        let spans = &record_batch.spans[first..end];
        let (raw_start, raw_end) = (spans.first().map_or(0, |span| span.0), spans.last().map_or(0, |span| span.1));
        let width = record_batch.width;
        batch.clear(width);
        batch.raw.extend_from_slice(&text[raw_start as usize..raw_end as usize]);
        for (index, column) in batch.columns.iter_mut().enumerate() {
            column.reserve(end - first, batch.raw.len() / width.max(1));
            for &cell in record_batch.cells[first * width..end * width][index..].iter().step_by(width) {
                column.push(cell.kind(), record_batch.bytes(text, cell));
            }
        }
        batch.lines.extend_from_slice(&record_batch.lines[first..end]);
        batch.raw_starts.extend(spans.iter().map(|span| span.0 - raw_start));
        batch.raw_ends.extend(spans.iter().map(|span| span.1 - raw_start));
        (batch.file, batch.names, batch.null_tokens) = (self.file, names, self.tokens);
        batch.numbers = self.numbers;
        self.given = end;
        batch
    }
}

/// Index of the row before which the batch that starts at row `first` ends, by its number of rows or bytes.
fn batch_end(record_batch: &RecordBatch, first: usize) -> usize {
    let Some(start) = record_batch.spans.get(first).map(|span| span.0 as usize) else { return first };
    let last = record_batch.rows().min(first + BATCH_ROWS);
    let fitting = record_batch.spans[first..last].partition_point(|span| span.1 as usize - start <= BATCH_BYTES);
    first + fitting.max(1)
}
