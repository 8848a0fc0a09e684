//! The second pass over the files: cells become typed rows, rows become bytes for COPY, beside the combined CSV,
//! the quarantine and the tally of what became of each row. It runs on threads of its own, in bounded memory.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use elt_shared::config::{OnBadRow, RejectLimit};
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;

use super::copy_binary::{self as copy, Wire};
use super::marker::Attempt;
use super::overflow::Overflow;
use super::quarantine::{Rejected, Why};
use super::row_hash::RowHasher;
use super::seen::{HashSet, Put};
use crate::contract::cells::Cells;
use crate::contract::{Converter, Layout, TypedBatch, Violation};
use crate::error::{PipelineError, Result};
use crate::extract::InputFile;
use crate::frame::combined::CombinedCsv;
use crate::frame::read::{self, FileSummary};
use crate::frame::{BadRecord, Piece, RawBatch};
use crate::progress::Progress;

/// Bytes of one message to the server.
const CHUNK_BYTES: usize = 1 << 20;
/// Batches the reading thread may be ahead of the converting one.
const BATCHES_AHEAD: usize = 2;

/// What follows a row's own columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// Straight into the table: hash, run, time.
    Direct {
        /// Microseconds since 1970.
        loaded_at: i64,
    },
    /// Into staging: hash, file, row.
    Staged,
}

/// What becomes of equal rows.
pub enum Dedupe {
    /// Rows are recognised by their hash: known ones are not sent. The set holds what the table has, as far as known.
    Known(HashSet),
    /// Rows are hashed, and all are sent: the order of equal rows matters.
    Hash,
    /// Rows are not hashed.
    None,
}

/// What the second pass needs.
pub struct Feed {
    /// The files to read, with their places among the run's files and what the first pass found.
    pub files: Vec<(usize, InputFile, FileSummary)>,
    /// The columns.
    pub layout: Arc<Layout>,
    /// What follows them.
    pub tail: Tail,
    /// What becomes of equal rows.
    pub dedupe: Dedupe,
    /// Memory for hashes, in bytes.
    pub hash_budget: usize,
    /// Which attempt.
    pub attempt: Attempt,
    /// The combined CSV.
    pub csv: Option<CombinedCsv>,
    /// Rejected rows.
    pub rejected: Rejected,
    /// Hashes without room.
    pub overflow: Overflow,
    /// What a row that breaks the contract does.
    pub on_bad_row: OnBadRow,
    /// More rejected rows than this fail the run.
    pub max_rejected: Option<RejectLimit>,
    /// Asks for the end.
    pub stop: CancellationToken,
    /// Who watches.
    pub progress: Arc<Progress>,
}

/// What the second pass did.
pub struct Fed {
    /// One a file of the run, in order; files that were left out have none of anything.
    pub tallies: Vec<Tally>,
    /// The combined CSV, complete and safe on disk.
    pub csv: Option<CombinedCsv>,
    /// Rejected rows.
    pub rejected: Rejected,
    /// Rows that were sent although an equal one was sent before: there was no room to remember it.
    pub repeated: u64,
}

/// What became of a file's rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows and records found.
    pub read: u64,
    /// Rows sent to the target and not known to be equal to another.
    pub sent: u64,
    /// Rows equal to one that was there, or came before.
    pub duplicate: u64,
    /// Rows and records rejected.
    pub rejected: u64,
}

/// Why the second pass ended early.
#[derive(Debug)]
pub enum FeedError {
    /// The run fails.
    Failed(PipelineError),
    /// A file is not what it was at the first pass: start over.
    Changed {
        /// Its place among the run's files.
        file: usize,
    },
    /// The receiving side gave up; it knows why.
    Closed,
}

impl From<PipelineError> for FeedError {
    fn from(error: PipelineError) -> Self {
        Self::Failed(error)
    }
}

/// What the reading thread hands over.
enum Read {
    Piece(Piece),
    FileDone,
}

impl Feed {
    /// Reads everything and sends it in pieces of about a megabyte. It blocks.
    ///
    /// # Errors
    /// See [`FeedError`].
    pub fn run(mut self, chunks: &Sender<Vec<u8>>) -> Result<Fed, FeedError> {
        let files = std::mem::take(&mut self.files);
        let places = files.iter().map(|(place, ..)| place + 1).max().unwrap_or(0);
        let names: Vec<_> = files.iter().map(|(place, file, _)| (*place, file.name.clone())).collect();
        let (send, receive) = sync_channel(BATCHES_AHEAD);
        let (give_back, spares) = sync_channel(BATCHES_AHEAD);
        let (stop, progress) = (self.stop.clone(), self.progress.clone());
        let reading = std::thread::Builder::new()
            .name("elt-read".into())
            .spawn(move || read_files(&files, &send, &spares, &stop, &progress))
            .map_err(|source| PipelineError::Io { doing: "start a thread".into(), source })?;
        let mut writing = Writing::new(self, places, names, give_back);
        let outcome = writing.take(&receive, chunks);
        drop(receive);
        let read =
            reading.join().unwrap_or_else(|_| Err(PipelineError::Internal("the reading thread died".into()).into()));
        // When both ended early the reader's reason is the cause, unless it only saw the writer go.
        match (outcome, read) {
            (Err(error), Ok(()) | Err(FeedError::Closed)) | (_, Err(error)) => Err(error),
            (Ok(()), Ok(())) => writing.finish(chunks),
        }
    }
}

/// The reading thread: bytes become batches.
fn read_files(
    files: &[(usize, InputFile, FileSummary)],
    send: &SyncSender<Read>,
    spares: &Receiver<RawBatch>,
    stop: &CancellationToken,
    progress: &Progress,
) -> Result<(), FeedError> {
    for (place, file, expected) in files {
        progress.file(&file.name);
        let changed = || FeedError::Changed { file: *place };
        let mut reader = read::open(*place, file).map_err(|_| changed())?;
        loop {
            if stop.is_cancelled() {
                return Err(PipelineError::Stopped.into());
            }
            if let Ok(batch) = spares.try_recv() {
                reader.recycle(batch);
            }
            let Some(piece) = reader.next().map_err(|_| changed())? else { break };
            send.send(Read::Piece(piece)).map_err(|_| FeedError::Closed)?;
        }
        let seen = reader.summary();
        if (seen.bytes, seen.content_hash) != (expected.bytes, expected.content_hash) {
            return Err(changed());
        }
        progress.file_done();
        send.send(Read::FileDone).map_err(|_| FeedError::Closed)?;
    }
    Ok(())
}

/// The converting thread: batches become bytes.
struct Writing {
    feed: Feed,
    converter: Converter,
    hasher: Option<RowHasher>,
    known: Option<HashSet>,
    wires: Vec<Wire>,
    /// Run and time, the same for every row.
    suffix: Vec<u8>,
    /// Names of the files by their places.
    names: Vec<String>,
    /// Batches go back to the reading thread, for their memory.
    give_back: SyncSender<RawBatch>,
    tallies: Vec<Tally>,
    rejected_rows: u64,
    row_number: i64,
    /// Rows of the chunks that were sent.
    rows_sent: i64,
    chunk: Vec<u8>,
    scratch: Vec<u8>,
}

impl Writing {
    fn new(mut feed: Feed, places: usize, names: Vec<(usize, String)>, give_back: SyncSender<RawBatch>) -> Self {
        let mut by_place = vec![String::new(); places];
        for (place, name) in names {
            by_place[place] = name;
        }
        let dedupe = std::mem::replace(&mut feed.dedupe, Dedupe::None);
        let hasher = (!matches!(dedupe, Dedupe::None)).then(|| RowHasher::new(&feed.layout));
        let known = match dedupe {
            Dedupe::Known(known) => Some(known),
            Dedupe::Hash | Dedupe::None => None,
        };
        let mut suffix = Vec::new();
        if let Tail::Direct { loaded_at } = feed.tail {
            copy::uuid(feed.attempt.run_id.as_u128(), &mut suffix);
            copy::timestamptz(loaded_at, &mut suffix);
        }
        let mut chunk = Vec::with_capacity(CHUNK_BYTES + (64 << 10));
        chunk.extend_from_slice(copy::HEADER);
        Self {
            converter: Converter::new(feed.layout.clone()),
            wires: feed.layout.columns.iter().map(|column| Wire::of(column.sql_type())).collect(),
            hasher,
            known,
            suffix,
            names: by_place,
            give_back,
            tallies: vec![Tally::default(); places],
            rejected_rows: 0,
            row_number: 0,
            rows_sent: 0,
            chunk,
            scratch: Vec::new(),
            feed,
        }
    }

    fn take(&mut self, receive: &Receiver<Read>, chunks: &Sender<Vec<u8>>) -> Result<(), FeedError> {
        if let Some(csv) = &mut self.feed.csv
            && !self.feed.layout.columns.is_empty()
        {
            let names = self.feed.layout.columns.iter().map(|column| column.name.as_str());
            csv.header(names).map_err(csv_failed)?;
        }
        for read in receive {
            match read {
                Read::Piece(Piece::Rows(batch)) => self.batch(batch, chunks)?,
                Read::Piece(Piece::Bad(bad)) => self.bad_record(&bad)?,
                Read::FileDone => {}
            }
        }
        Ok(())
    }

    fn batch(&mut self, raw: RawBatch, chunks: &Sender<Vec<u8>>) -> Result<(), FeedError> {
        let typed = self.converter.convert(raw)?;
        let cells: Vec<_> = typed.frame.columns().iter().map_while(Cells::of).collect();
        if cells.len() != self.wires.len() {
            return Err(PipelineError::Internal("a batch has a column of an unknown type".into()).into());
        }
        let (rows, file) = (typed.raw.rows(), typed.raw.file);
        self.feed.progress.read(rows as u64, typed.raw.raw.len() as u64);
        self.tallies[file].read += rows as u64;
        let mut violations = typed.violations.iter().peekable();
        for row in 0..rows {
            if let Some(violation) = violations.next_if(|violation| violation.row == row) {
                self.reject(&typed, violation)?;
                continue;
            }
            self.csv_row(&typed, &cells, row)?;
            self.row(&cells, row, file, typed.raw.null_tokens)?;
            if self.chunk.len() >= CHUNK_BYTES {
                self.send(chunks)?;
            }
        }
        drop(cells);
        let _ = self.give_back.try_send(typed.raw);
        Ok(())
    }

    /// Sends one row, unless an equal one is known.
    #[inline]
    fn row(&mut self, cells: &[Cells<'_>], row: usize, file: usize, tokens: bool) -> Result<(), FeedError> {
        let hash = self.hasher.as_mut().map(|hasher| hasher.typed(cells, row, tokens));
        if let (Some(hash), Some(known)) = (hash, &mut self.known) {
            match known.put(hash) {
                Put::New => {}
                Put::Known => {
                    self.tallies[file].duplicate += 1;
                    return Ok(());
                }
                Put::Full => self.feed.overflow.push(hash, file as u32).map_err(spool_failed)?,
            }
        }
        self.tallies[file].sent += 1;
        let out = &mut self.chunk;
        copy::row(self.wires.len() + 3, out);
        for (wire, cells) in self.wires.iter().zip(cells) {
            wire.field(*cells, row, out);
        }
        match hash {
            Some(hash) => copy::uuid(hash, out),
            None => copy::null(out),
        }
        match self.feed.tail {
            Tail::Direct { .. } => out.extend_from_slice(&self.suffix),
            Tail::Staged => {
                copy::integer(file as i32, out);
                copy::bigint(self.row_number, out);
            }
        }
        self.row_number += 1;
        Ok(())
    }

    #[inline]
    fn csv_row(&mut self, typed: &TypedBatch, cells: &[Cells<'_>], row: usize) -> Result<(), FeedError> {
        let Some(csv) = &mut self.feed.csv else { return Ok(()) };
        for ((cells, column), place) in cells.iter().zip(&self.feed.layout.columns).zip(&*typed.places) {
            match (*cells, place) {
                (cells, _) if cells.is_null(row) => csv.null(),
                (Cells::Text(array), _) => csv.value(array.value(row).as_bytes()),
                (_, Some(place)) if column.verbatim => csv.value(typed.raw.columns[*place].cell(row).1),
                (cells, _) => {
                    self.scratch.clear();
                    cells.canonical(row, column.canonical, &mut self.scratch);
                    csv.value(&self.scratch);
                }
            }
        }
        csv.end_row().map_err(csv_failed)
    }

    fn bad_record(&mut self, bad: &BadRecord) -> Result<(), FeedError> {
        self.tallies[bad.file].read += 1;
        let name = &self.names[bad.file];
        if self.feed.on_bad_row == OnBadRow::Fail {
            return Err(bad_row(&format!("{name}:{}: {}", bad.line, bad.reason)).into());
        }
        self.feed.rejected.record(name, bad).map_err(spool_failed)?;
        self.rejected(bad.file)
    }

    fn reject(&mut self, typed: &TypedBatch, violation: &Violation) -> Result<(), FeedError> {
        let (file, line) = (typed.raw.file, typed.raw.lines[violation.row]);
        let name = &self.names[file];
        let column = &self.feed.layout.columns[violation.column].name;
        if self.feed.on_bad_row == OnBadRow::Fail {
            // The value itself stays out of logs.
            let rule = match violation.code {
                "wrong_type" => {
                    let column = &self.feed.layout.columns[violation.column];
                    format!("is no {}", column.through.as_ref().unwrap_or(column.typing()).sql_type)
                }
                "null_not_allowed" | "null_key" => "is missing".into(),
                code => format!("breaks the rule {code}"),
            };
            return Err(bad_row(&format!("{name}:{line}: the value of {column} {rule}")).into());
        }
        let why = Why { column: Some(column), code: violation.code, reason: &violation.reason };
        self.feed.rejected.row(name, &typed.raw, violation.row, why).map_err(spool_failed)?;
        self.rejected(file)
    }

    fn rejected(&mut self, file: usize) -> Result<(), FeedError> {
        self.tallies[file].rejected += 1;
        self.rejected_rows += 1;
        match self.feed.max_rejected.and_then(|limit| limit.rows) {
            Some(limit) if self.rejected_rows > limit => {
                Err(too_many(&format!("more than {limit} rows break the contract")).into())
            }
            _ => Ok(()),
        }
    }

    fn send(&mut self, chunks: &Sender<Vec<u8>>) -> Result<(), FeedError> {
        self.feed.progress.sent((self.row_number - self.rows_sent).unsigned_abs());
        self.rows_sent = self.row_number;
        let full = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK_BYTES + (64 << 10)));
        chunks.blocking_send(full).map_err(|_| FeedError::Closed)
    }

    fn finish(mut self, chunks: &Sender<Vec<u8>>) -> Result<Fed, FeedError> {
        let read: u64 = self.tallies.iter().map(|tally| tally.read).sum();
        if let Some(percent) = self.feed.max_rejected.and_then(|limit| limit.percent)
            && self.rejected_rows as f64 * 100.0 > percent * read as f64
        {
            let rejected = self.rejected_rows;
            return Err(
                too_many(&format!("{rejected} of {read} rows break the contract: more than {percent} %")).into()
            );
        }
        self.chunk.extend_from_slice(copy::TRAILER);
        self.send(chunks)?;
        if let Some(csv) = &mut self.feed.csv {
            csv.sync().map_err(csv_failed)?;
        }
        let mut repeated = 0;
        if let Some(mut known) = self.known.take() {
            let tallies = &mut self.tallies;
            let again = |file: u32| {
                let tally = &mut tallies[file as usize];
                tally.sent -= 1;
                tally.duplicate += 1;
                repeated += 1;
            };
            self.feed.overflow.find_repeated(&mut known, self.feed.hash_budget, again).map_err(spool_failed)?;
        }
        Ok(Fed { tallies: self.tallies, csv: self.feed.csv, rejected: self.feed.rejected, repeated })
    }
}

fn csv_failed(source: std::io::Error) -> FeedError {
    PipelineError::Io { doing: "write the combined CSV".into(), source }.into()
}

fn spool_failed(source: std::io::Error) -> FeedError {
    PipelineError::Io { doing: "write to the run's work folder".into(), source }.into()
}

fn bad_row(message: &str) -> PipelineError {
    PipelineError::Contract {
        code: "bad_row",
        message: message.to_owned(),
        next_step: "Correct the row, or write `on_bad_row: quarantine` to load the others.".into(),
    }
}

fn too_many(message: &str) -> PipelineError {
    PipelineError::Contract {
        code: "too_many_rejected",
        message: message.to_owned(),
        next_step: "Correct the source or the schema, or raise `max_rejected`.".into(),
    }
}
