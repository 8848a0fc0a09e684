//! The second pass over the files: cells become typed rows, rows become bytes for COPY. Beside them go the combined CSV, the
//! rejected rows and the counts of each file. It runs on threads of its own, in bounded memory.
//!
//! Files are read twice because the types of their columns are known only after the first pass has read every cell, and
//! because a file may be larger than memory.
//!
//! # Layout
//! - [`read`]: the reading thread: bytes become batches of cells
//! - [`mod@convert`]: the converting thread: cells become typed values, and rows of the combined CSV
//! - [`encode`]: the encoding thread: typed values become bytes, and each row is counted
//! - [`deferred`]: rows that are sent when all of them were read
//! - [`origins`]: where a row came from
//! - [`writer`]: the bytes go to the server
//! - [`binary`], [`numeric`]: values in the format of PostgreSQL's binary COPY

pub mod binary;
mod convert;
mod deferred;
mod encode;
pub mod numeric;
mod origins;
mod read;
pub mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;

use elt_shared::runs::RunProfile;
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;

use super::column_profile::Profiler;
use super::combined_csv::CombinedCsv;
use super::combined_csv::rows::CombinedRows;
use super::dedupe::collision_check::CollisionCheck;
use super::dedupe::hash_digest::HashDigest;
use super::dedupe::hash_files::HashFiles;
use super::dedupe::hash_set::RowHashSet;
use super::dedupe::spill::Spill;
use super::marker::Attempt;
use super::quarantine::refused::{Refused, RefusedFilter};
use super::quarantine::reject::RejectHandler;
use super::quarantine::rejected_rows::RejectedRows;
use crate::contract::{Converter, Layout};
use crate::error::{PipelineError, Result};
use crate::frame::profile::Profile;
use crate::input::InputFile;
use crate::progress::Progress;
use convert::convert;
use encode::Encoder;
use origins::Origins;
use read::read_files;

/// Most batches that a thread may be ahead of the thread that takes them.
const BATCHES_AHEAD: usize = 2;

/// The fields that follow a row's own columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowSuffix {
    /// For rows that go directly into the table: row hash, run, time of the load.
    Table {
        /// Time of the load, in microseconds since 1970.
        loaded_at: i64,
    },
    /// For rows that go into the staging table: row hash, index of the file, number of the row in the run.
    Staging,
}

/// The treatment of equal rows.
pub enum Dedupe {
    /// Rows are recognised by their hash, and rows whose hash is in the set are not sent. The set begins with the hashes of
    /// the table's rows, as far as they were fetched, and takes those of the rows that are sent.
    Known(RowHashSet),
    /// As `Known`, with more hashes of the table than fit into memory. Which rows are sent is found out when all were read.
    KnownOnDisk(HashFiles),
    /// Rows are hashed, and all of them are sent, because the order of equal rows matters.
    Hash,
    /// Rows are not hashed, and all of them are sent.
    None,
}

/// The second pass over the files of a load, before it runs.
pub struct SecondPass {
    /// The files to read, with their indexes among the run's files.
    pub files: Vec<(usize, InputFile)>,
    /// What the first pass found about them. `None`: it has not ended, and the load compares the contents afterwards.
    pub expected: Option<Arc<Profile>>,
    /// The columns to load.
    pub layout: Arc<Layout>,
    /// The fields that follow them.
    pub suffix: RowSuffix,
    /// The treatment of equal rows.
    pub dedupe: Dedupe,
    /// The attempt at the run that loads.
    pub attempt: Attempt,
    /// The combined CSV, open for writing. `None`: the run writes none.
    pub csv: Option<CombinedCsv>,
    /// Takes the rows that break the contract.
    pub rejects: RejectHandler,
    /// Profiles the columns. `None`: the run keeps no profile.
    pub profiler: Option<Profiler>,
    /// Rows the table is known to refuse.
    pub refused: Arc<Refused>,
    /// Folder for hashes that find no room in memory.
    pub spool: PathBuf,
    /// Cancelled when the run should stop.
    pub stop: CancellationToken,
    /// The progress of the run, which people watch.
    pub progress: Arc<Progress>,
}

/// The result of the second pass.
pub struct SecondPassResult {
    /// What was read of each file.
    pub contents: Vec<FileContent>,
    /// Counts of each file of the run, in the order of the files. Those of files that were left out are zero.
    pub row_counts: Vec<RowCounts>,
    /// Digest of the hashes of the rows that were sent. Rows that were compared on disk are not in it.
    pub sent: HashDigest,
    /// The combined CSV, complete and synced to disk.
    pub csv: Option<CombinedCsv>,
    /// The rejected rows.
    pub rejected: RejectedRows,
    /// What the values of the columns look like. `None`: no rows were profiled.
    pub profile: Option<RunProfile>,
    /// The check of rows that may repeat others, because their hashes found no room in memory. `None`: there was room for
    /// all hashes.
    pub collision_check: Option<CollisionCheck>,
}

/// What was read of one file. It is the same as in the first pass, unless the file changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileContent {
    /// Its index among the run's files.
    pub file: usize,
    /// Number of bytes.
    pub bytes: u64,
    /// Their hash (XXH3, 128 bits).
    pub hash: u128,
}

/// Numbers of a file's rows, by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowCounts {
    /// Rows and records that were read.
    pub read: u64,
    /// Rows that were sent to the target and are not known to be equal to another.
    pub sent: u64,
    /// Rows that are equal to one that was loaded, or came before.
    pub duplicate: u64,
    /// Rows and records that were rejected.
    pub rejected: u64,
    /// Rows that were left out, because the table does not keep rows of their time.
    pub too_old: u64,
}

/// The reason why the second pass ended early.
#[derive(Debug)]
pub enum SecondPassError {
    /// An error that fails the run.
    Failed(PipelineError),
    /// A file changed since the first pass, or can no longer be read, so that the load must start over.
    Changed {
        /// Its index among the run's files.
        file: usize,
    },
    /// The receiving side closed its channel. It has the reason.
    Closed,
}

impl From<PipelineError> for SecondPassError {
    fn from(error: PipelineError) -> Self {
        Self::Failed(error)
    }
}

/// An error of a file in the work folder. Errors of source files are [`PipelineError`]s already.
impl From<std::io::Error> for SecondPassError {
    fn from(error: std::io::Error) -> Self {
        spool_failed(error)
    }
}

impl SecondPass {
    /// Reads the files and sends the encoded rows in chunks of about a megabyte. It blocks its thread.
    ///
    /// # Errors
    /// See [`SecondPassError`].
    pub fn run(mut self, chunks: &Sender<Vec<u8>>) -> Result<SecondPassResult, SecondPassError> {
        let (files, expected) = (std::mem::take(&mut self.files), self.expected.take());
        self.rejects.name_files(files.iter().map(|(place, file)| (*place, file.name.as_str())));
        let origins = files.iter().map(|(place, file)| (*place, file));
        let origins = Origins::new(self.layout.provenance.clone(), origins, self.layout.transcoded);
        let places = files.iter().map(|(place, _)| place + 1).max().unwrap_or(0);
        let (send, pieces) = sync_channel(BATCHES_AHEAD);
        let (send_typed, typed) = sync_channel(BATCHES_AHEAD);
        let (give_back, spares) = sync_channel(BATCHES_AHEAD);
        let (stop, progress) = (self.stop.clone(), self.progress.clone());
        let converter = Converter::new(self.layout.clone());
        let spill = Spill::in_folder(&self.spool)?;
        let csv_rows = self.csv.take().map(|csv| CombinedRows::begin(csv, self.layout.clone())).transpose()?;
        let reading =
            thread("elt-read", move || read_files(&files, expected.as_deref(), &send, &spares, &stop, &progress))?;
        let refused = RefusedFilter::new(self.refused.clone(), &self.layout);
        let converting = thread("elt-convert", move || convert(converter, csv_rows, refused, &pieces, &send_typed))?;
        let mut encoder = Encoder::new(self, spill, origins, places, give_back)?;
        let encoded = encoder.take(&typed, chunks);
        drop(typed);
        // A thread that ends early closes its channels, and its neighbours end with it. The reason may be theirs, so all of
        // them are asked before one error is chosen.
        match (encoded, join(converting), join(reading)) {
            (Ok(()), Ok(csv), Ok(contents)) => encoder.finish(contents, csv, chunks),
            (encoded, converted, read) => {
                let errors = [encoded.err(), converted.err(), read.err()].into_iter().flatten();
                Err(errors.reduce(SecondPassError::or).unwrap_or(SecondPassError::Closed))
            }
        }
    }
}

impl SecondPassError {
    /// The error that has the reason: the earlier thread's, unless it only found its neighbour's channel closed.
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
    work: impl FnOnce() -> Result<T, SecondPassError> + Send + 'static,
) -> Result<JoinHandle<Result<T, SecondPassError>>, SecondPassError> {
    let spawned = std::thread::Builder::new().name(name.into()).spawn(work);
    spawned.map_err(|source| PipelineError::Io { doing: "start a thread".into(), source }.into())
}

fn join<T>(work: JoinHandle<Result<T, SecondPassError>>) -> Result<T, SecondPassError> {
    work.join().unwrap_or_else(|_| Err(PipelineError::Internal("a thread of the load died".into()).into()))
}

pub fn spool_failed(source: std::io::Error) -> SecondPassError {
    super::failure::spool(source).into()
}
