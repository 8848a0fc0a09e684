//! The first pass: every cell of every file is tested once.
//!
//! Nothing is decided here. The profile of a column has the set of types that all its cells could be, and for each other type
//! the first cell that rules it out. That cell is the answer to "why is this column text?".
//!
//! # Layout
//! - [`mod@column`]: the profile of one column
//! - [`declared`]: the type that a file declares for a column
//! - [`spelling`]: texts that look like numbers with commas
//! - [`types`]: sets of types, and the types that a cell could be
//! - [`sample`]: the first rows of some files
//! - this file: files in parallel, merged in their order

mod column;
mod declared;
pub mod sample;
mod spelling;
mod types;

use std::collections::{BTreeMap, HashMap};
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use elt_shared::config::ColumnType;
use elt_shared::explained::Code;
use tokio_util::sync::CancellationToken;

pub use column::{ColumnProfile, Evidence};
pub use declared::Declared;

use super::BadRecord;
use super::delimited::with_likely_fix;
use super::fixed_width;
use super::read::{self, FileError, FileSummary, Open, Reader};
use crate::error::{PipelineError, Result};
use crate::input::{Format, InputFile};
use crate::progress::Progress;
use column::Place;

/// Most files that are read at the same time.
const THREADS: usize = 4;

/// A column that the schema or the existing table expects to be of a type.
#[derive(Debug, Clone, PartialEq)]
pub struct Expectation {
    /// Name of the column. It is matched to the files' columns exactly, else in any case.
    pub column: String,
    /// Types that its cells are tested for with [`super::value::parses`]: the expected type, and those it may widen to.
    pub types: Vec<ColumnType>,
    /// strftime format of its dates and timestamps.
    pub format: Option<String>,
}

/// The findings of the first pass about all files.
#[derive(Debug, Default)]
pub struct Profile {
    /// The union of the files' columns, in the order of their first appearance. Files that failed do not count.
    pub columns: Vec<ColumnProfile>,
    /// One profile for each input file, in the order of the files.
    pub files: Vec<FileProfile>,
}

/// The findings of the first pass about one file.
#[derive(Debug)]
pub struct FileProfile {
    /// Index into the input files.
    pub index: usize,
    /// Its columns, in file order.
    pub names: Vec<String>,
    /// Number of rows.
    pub rows: u64,
    /// Number of records that are not rows.
    pub bad: u64,
    /// Line of the first record of a JSON file that is not whole JSON.
    pub broken: Option<u64>,
    /// Size, hash, delimiter, number of blank lines, and warnings.
    pub summary: FileSummary,
    /// The reason why it cannot be read to its end, so that no row of it is loaded. `None`: it can.
    pub error: Option<FileError>,
    /// Set for a delimited file that was read to its end and of which every record was rejected: the first reason, and
    /// what to do.
    pub nothing_readable: Option<FileError>,
}

impl Profile {
    /// The profile of columns without any cell.
    pub fn of_columns(names: Vec<String>) -> Self {
        let columns = names.iter().map(|name| ColumnProfile::new(name.clone(), None, None)).collect();
        let file = FileProfile {
            index: 0,
            names,
            rows: 0,
            bad: 0,
            broken: None,
            summary: FileSummary::default(),
            error: None,
            nothing_readable: None,
        };
        Self { columns, files: vec![file] }
    }

    /// The files that can be read to their end.
    pub fn readable(&self) -> impl Iterator<Item = &FileProfile> {
        self.files.iter().filter(|file| file.error.is_none())
    }

    /// The column of this name: exactly, else in any case when only one is so named.
    pub fn column(&self, name: &str) -> Option<&ColumnProfile> {
        let exact = self.columns.iter().find(|column| column.name == name);
        let lower = name.to_lowercase();
        exact.or_else(|| {
            let mut alike = self.columns.iter().filter(|column| column.name.to_lowercase() == lower);
            alike.next().filter(|_| alike.next().is_none())
        })
    }
}

/// Reads every file once, with its columns as they are in the file. It blocks its thread.
///
/// # Errors
/// As [`profile_opened`].
pub fn profile(files: &[InputFile], expectations: &[Expectation], stop: &CancellationToken) -> Result<Profile> {
    profile_opened(files, expectations, read::open, stop, &Progress::default())
}

/// Reads every file once, each opened by `open`, and counts rows, bytes and files in `progress`. It blocks its thread.
///
/// # Errors
/// [`PipelineError::Stopped`] when the run is stopped, and [`PipelineError::Away`] when the worker's disk has no room. A file that
/// cannot be read is part of the profile, not an error.
pub fn profile_opened(
    files: &[InputFile],
    expectations: &[Expectation],
    open: Open,
    stop: &CancellationToken,
    progress: &Progress,
) -> Result<Profile> {
    let next = AtomicUsize::new(0);
    let merger = Mutex::new(Merger::default());
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(file) = files.get(index) else { return };
            progress.file(&file.name);
            let mut read = |rows, bytes| {
                progress.read(rows, bytes);
                true
            };
            let Some(outcome) = profile_file(index, file, expectations, open, stop, &mut read) else { return };
            progress.file_done();
            merger.lock().unwrap_or_else(PoisonError::into_inner).add(index, outcome);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get).min(THREADS).min(files.len());
    if threads < 2 {
        work();
    } else {
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(work);
            }
        });
    }
    if stop.is_cancelled() {
        return Err(PipelineError::Stopped);
    }
    let profile = merger.into_inner().unwrap_or_else(PoisonError::into_inner).finish();
    match profile.files.iter().find_map(|file| file.error.as_ref()?.of_worker()) {
        Some(error) => Err(error),
        None => Ok(profile),
    }
}

/// The profile of a file and of its columns.
struct Profiled {
    file: FileProfile,
    columns: Vec<ColumnProfile>,
    /// The first record that is not a row.
    first_bad: Option<BadRecord>,
}

/// Reads one file, and calls `read` with the number of rows and bytes of each window. It ends early when `read` returns false.
/// `None`: the run is stopped.
fn profile_file(
    index: usize,
    file: &InputFile,
    expectations: &[Expectation],
    open: Open,
    stop: &CancellationToken,
    read: &mut impl FnMut(u64, u64) -> bool,
) -> Option<Profiled> {
    let mut outcome = Profiled {
        file: FileProfile {
            index,
            names: Vec::new(),
            rows: 0,
            bad: 0,
            broken: None,
            summary: FileSummary::default(),
            error: None,
            nothing_readable: None,
        },
        columns: Vec::new(),
        first_bad: None,
    };
    match open(index, file) {
        Err(error) => outcome.file.error = Some(error),
        Ok(mut reader) => {
            let place =
                Place { file: index, name: &file.name, tokens: reader.null_tokens(), numbers: reader.numbers() };
            loop {
                if stop.is_cancelled() {
                    return None;
                }
                match reader.turn() {
                    Ok(true) => {
                        outcome.test_cells(&reader, &place, expectations);
                        let (record_batch, _) = reader.record_batch();
                        if !read(record_batch.rows() as u64, record_batch.text_bytes()) {
                            break;
                        }
                    }
                    Ok(false) => break,
                    Err(error) => {
                        outcome.file.error = Some(error);
                        break;
                    }
                }
            }
            outcome.name_columns(&reader, expectations);
            outcome.file.summary = reader.summary();
            outcome.judge(file);
        }
    }
    Some(outcome)
}

impl Profiled {
    /// Tests every cell of the current record batch.
    fn test_cells(&mut self, reader: &Reader, place: &Place<'_>, expectations: &[Expectation]) {
        self.name_columns(reader, expectations);
        let (record_batch, text) = reader.record_batch();
        self.file.rows += record_batch.rows() as u64;
        self.file.bad += record_batch.bad.len() as u64;
        let broken = record_batch.bad.iter().find(|record| record.code == Code::BrokenJson).map(|record| record.line);
        self.file.broken = self.file.broken.or(broken);
        if self.first_bad.is_none() {
            self.first_bad = record_batch.bad.first().cloned();
        }
        for (index, column) in self.columns.iter_mut().enumerate() {
            column.test_cells(record_batch, text, index, place);
        }
    }

    /// Sets `nothing_readable` when every record of a file was rejected, because the file is then probably read with
    /// wrong settings. JSON and XML are exempt, because a broken record of theirs does not depend on settings.
    fn judge(&mut self, file: &InputFile) {
        if matches!(file.format, Format::Json | Format::Ndjson | Format::Xml) {
            return;
        }
        // Rows that a shape leaves out were readable.
        let is_shaped = file.options.shape.as_ref().is_some_and(|shape| shape.condition.is_some());
        let left_out = is_shaped && self.file.summary.filtered > 0;
        if let Some(bad) =
            self.first_bad.take().filter(|_| self.file.rows == 0 && self.file.error.is_none() && !left_out)
        {
            let error = FileError::nothing_readable(&file.name, bad.line, &bad.reason);
            self.file.nothing_readable = Some(match file.format {
                _ if bad.code == Code::ShapeFailed => with_likely_fix(error, file, bad.code),
                Format::Workbook => error.hint(
                    "Correct the cells that the message names, or write where the table is in the source, `excel: {header: \
                     N, range: B3:H}`.",
                ),
                Format::Parquet | Format::Arrow => error.hint("Correct the values in the program that writes the file."),
                Format::FixedWidth => error.hint(fixed_width::next_step(bad.code)),
                _ => with_likely_fix(error, file, bad.code),
            });
        }
    }

    /// Adds the columns that appeared since the last batch.
    fn name_columns(&mut self, reader: &Reader, expectations: &[Expectation]) {
        let names = reader.names();
        for (index, name) in names.iter().enumerate().skip(self.columns.len()) {
            let lower = name.to_lowercase();
            let exact = expectations.iter().find(|expectation| expectation.column == *name);
            let expectation = exact.or_else(|| expectations.iter().find(|other| other.column.to_lowercase() == lower));
            let declared = reader.declared(index).cloned();
            self.columns.push(ColumnProfile::new(name.clone(), expectation, declared));
            self.file.names.push(name.clone());
        }
    }
}

/// Merges the profiles of files in the order of the files, because they are read in parallel.
#[derive(Default)]
struct Merger {
    waiting: BTreeMap<usize, Profiled>,
    profile: Profile,
    by_name: HashMap<String, usize>,
    rows: u64,
}

impl Merger {
    fn add(&mut self, index: usize, outcome: Profiled) {
        self.waiting.insert(index, outcome);
        while let Some(outcome) = self.waiting.remove(&self.profile.files.len()) {
            if outcome.file.error.is_none() {
                self.rows += outcome.file.rows;
                outcome.columns.into_iter().for_each(|column| self.merge(column));
            }
            self.profile.files.push(outcome.file);
        }
    }

    fn merge(&mut self, column: ColumnProfile) {
        if let Some(&known) = self.by_name.get(&column.name) {
            self.profile.columns[known].merge(column);
        } else {
            self.by_name.insert(column.name.clone(), self.profile.columns.len());
            self.profile.columns.push(column);
        }
    }

    /// Rows of files without a column are NULL there.
    fn finish(mut self) -> Profile {
        for column in &mut self.profile.columns {
            column.nulls = self.rows - column.non_nulls - column.null_tokens - column.empties;
        }
        self.profile
    }
}
