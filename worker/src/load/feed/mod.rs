//! The second pass over the files: cells become typed rows, rows become bytes for COPY, beside the combined CSV,
//! the quarantine and the tally of what became of each row. It runs on threads of its own, in bounded memory.
//!
//! # Layout
//! - [`read`]: the reading thread: bytes become batches
//! - [`write`]: the converting thread: batches become bytes
//! - [`reject`]: rows that break the contract

mod read;
mod reject;
mod write;

use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;

use super::marker::Attempt;
use super::overflow::Overflow;
use super::quarantine::Rejected;
use super::seen::HashSet;
use crate::contract::Layout;
use crate::error::{PipelineError, Result};
use crate::extract::InputFile;
use crate::frame::combined::CombinedCsv;
use crate::frame::read::FileSummary;
use crate::progress::Progress;
use read::read_files;
pub use reject::Rejecting;
use write::Writing;

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
    /// Rows that break the contract, and what they do.
    pub rejecting: Rejecting,
    /// Hashes without room.
    pub overflow: Overflow,
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

impl Feed {
    /// Reads everything and sends it in pieces of about a megabyte. It blocks.
    ///
    /// # Errors
    /// See [`FeedError`].
    pub fn run(mut self, chunks: &Sender<Vec<u8>>) -> Result<Fed, FeedError> {
        let files = std::mem::take(&mut self.files);
        self.rejecting.name_files(files.iter().map(|(place, file, _)| (*place, file.name.as_str())));
        let places = files.iter().map(|(place, ..)| place + 1).max().unwrap_or(0);
        let (send, receive) = sync_channel(BATCHES_AHEAD);
        let (give_back, spares) = sync_channel(BATCHES_AHEAD);
        let (stop, progress) = (self.stop.clone(), self.progress.clone());
        let reading = std::thread::Builder::new()
            .name("elt-read".into())
            .spawn(move || read_files(&files, &send, &spares, &stop, &progress))
            .map_err(|source| PipelineError::Io { doing: "start a thread".into(), source })?;
        let mut writing = Writing::new(self, places, give_back);
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

fn spool_failed(source: std::io::Error) -> FeedError {
    PipelineError::Io { doing: "write to the run's work folder".into(), source }.into()
}
