//! The second pass over the files: cells become typed rows, rows become bytes for COPY, beside the combined CSV,
//! the quarantine and the tally of what became of each row. It runs on threads of its own, in bounded memory.
//!
//! # Layout
//! - [`read`]: the reading thread: bytes become batches
//! - [`mod@convert`]: the converting thread: cells become typed values
//! - [`combine`]: rows of the combined CSV
//! - [`mod@write`]: the writing thread: typed values become bytes
//! - [`reject`]: rows that break the contract
//! - [`doubt`]: rows that may repeat others

mod combine;
mod convert;
mod doubt;
mod read;
mod reject;
mod write;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;

use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;

use super::marker::Attempt;
use super::overflow::Overflow;
use super::quarantine::Rejected;
use super::refused::{Refused, Refusing};
use super::seen::HashSet;
use crate::contract::{Converter, Layout};
use crate::error::{PipelineError, Result};
use crate::extract::InputFile;
use crate::frame::combined::CombinedCsv;
use crate::frame::read::FileSummary;
use crate::progress::Progress;
use combine::Combining;
use convert::convert;
use doubt::Doubt;
use read::read_files;
pub use reject::{RejectRules, Rejecting};
use write::Writing;

/// Batches a thread may be ahead of the one that takes them.
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
    /// Rows that break the contract, and what they do.
    pub rejecting: Rejecting,
    /// Rows the table is known to refuse.
    pub refused: Arc<Refused>,
    /// Where hashes without room go.
    pub spool: PathBuf,
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
    /// Rows that may repeat others.
    pub doubt: Option<Doubt>,
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

impl Feed {
    /// Reads everything and sends it in pieces of about a megabyte. It blocks.
    ///
    /// # Errors
    /// See [`FeedError`].
    pub fn run(mut self, chunks: &Sender<Vec<u8>>) -> Result<Fed, FeedError> {
        let files = std::mem::take(&mut self.files);
        self.rejecting.name_files(files.iter().map(|(place, file, _)| (*place, file.name.as_str())));
        let places = files.iter().map(|(place, ..)| place + 1).max().unwrap_or(0);
        let (send, pieces) = sync_channel(BATCHES_AHEAD);
        let (send_typed, typed) = sync_channel(BATCHES_AHEAD);
        let (give_back, spares) = sync_channel(BATCHES_AHEAD);
        let (stop, progress) = (self.stop.clone(), self.progress.clone());
        let converter = Converter::new(self.layout.clone());
        let overflow = Overflow::in_folder(&self.spool).map_err(spool_failed)?;
        let combining = self.csv.take().map(|csv| Combining::begin(csv, self.layout.clone())).transpose()?;
        let reading = thread("elt-read", move || read_files(&files, &send, &spares, &stop, &progress))?;
        let refusing = Refusing::new(self.refused.clone(), &self.layout);
        let converting = thread("elt-convert", move || convert(converter, combining, refusing, &pieces, &send_typed))?;
        let mut writing = Writing::new(self, overflow, places, give_back);
        let wrote = writing.take(&typed, chunks);
        drop(typed);
        // A thread that ends early closes its channels, and its neighbours end with it: the reason may be theirs.
        match (wrote, join(converting), join(reading)) {
            (Ok(()), Ok(csv), Ok(())) => writing.finish(csv, chunks),
            (wrote, converted, read) => {
                let errors = [wrote.err(), converted.err(), read.err()].into_iter().flatten();
                Err(errors.reduce(FeedError::or).unwrap_or(FeedError::Closed))
            }
        }
    }
}

impl FeedError {
    /// The reason, where `self` may only have seen its neighbour go.
    fn or(self, earlier: Self) -> Self {
        match (self, earlier) {
            (Self::Closed, earlier) => earlier,
            (error, Self::Closed) => error,
            (_, earlier) => earlier,
        }
    }
}

fn thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> Result<T, FeedError> + Send + 'static,
) -> Result<JoinHandle<Result<T, FeedError>>, FeedError> {
    let spawned = std::thread::Builder::new().name(name.into()).spawn(work);
    spawned.map_err(|source| PipelineError::Io { doing: "start a thread".into(), source }.into())
}

fn join<T>(work: JoinHandle<Result<T, FeedError>>) -> Result<T, FeedError> {
    work.join().unwrap_or_else(|_| Err(PipelineError::Internal("a thread of the load died".into()).into()))
}

fn spool_failed(source: std::io::Error) -> FeedError {
    PipelineError::Io { doing: "write to the run's work folder".into(), source }.into()
}
