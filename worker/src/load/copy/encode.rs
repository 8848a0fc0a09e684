//! The encoding thread: typed rows become bytes for COPY. It finds rows that are known already, and counts what becomes of
//! each row.

use std::sync::mpsc::{Receiver, SyncSender};

use tokio::sync::mpsc::Sender;

use super::binary::{self, Wire};
use super::convert::Typed;
use super::deferred::DeferredRows;
use super::origins::Origins;
use super::{Dedupe, FileContent, RowCounts, RowSuffix, SecondPass, SecondPassError, SecondPassResult};
use crate::contract::TypedBatch;
use crate::contract::cells::Cells;
use crate::error::PipelineError;
use crate::frame::RawBatch;
use crate::load::column_profile::Profiler;
use crate::load::combined_csv::CombinedCsv;
use crate::load::dedupe::collision_check::CollisionCheck;
use crate::load::dedupe::hash_digest::HashDigest;
use crate::load::dedupe::hash_set::{Inserted, RowHashSet};
use crate::load::dedupe::row_hash::{Reading, RowHasher};
use crate::load::dedupe::spill::Spill;

/// Bytes after which a chunk is sent to the server.
const CHUNK_BYTES: usize = 1 << 20;
/// Bytes of a chunk's memory: room for the row that fills it.
const CHUNK_CAPACITY: usize = CHUNK_BYTES + (64 << 10);

/// Hashes, encodes and counts rows.
pub struct Encoder {
    pass: SecondPass,
    hasher: Option<RowHasher>,
    known: Option<RowHashSet>,
    spill: Spill,
    /// Takes the rows, when more hashes are known than fit into memory.
    deferred: Option<DeferredRows>,
    /// The hash of each row of the batch; empty when rows are not hashed.
    hashes: Vec<u128>,
    wires: Vec<Wire>,
    /// Run and time of the load, encoded once because they are the same for every row.
    suffix: Vec<u8>,
    origins: Origins,
    /// Takes batches back to the reading thread, which reuses their memory.
    give_back: SyncSender<RawBatch>,
    row_counts: Vec<RowCounts>,
    /// Digest of the rows that were sent and not compared on disk.
    sent: HashDigest,
    /// Number of rows of earlier batches, including rejected rows and duplicates.
    rows_before: i64,
    /// Number of rows in the chunk that is being filled.
    rows_in_chunk: u64,
    chunk: Vec<u8>,
}

impl Encoder {
    /// An encoder for files whose indexes are below `places`.
    ///
    /// # Errors
    /// When the work folder cannot be written to.
    pub fn new(
        mut pass: SecondPass,
        spill: Spill,
        origins: Origins,
        places: usize,
        give_back: SyncSender<RawBatch>,
    ) -> Result<Self, SecondPassError> {
        let dedupe = std::mem::replace(&mut pass.dedupe, Dedupe::None);
        let hasher = (!matches!(dedupe, Dedupe::None)).then(|| RowHasher::new(&pass.layout));
        let (known, deferred) = match dedupe {
            Dedupe::Known(known) => (Some(known), None),
            Dedupe::KnownOnDisk(hashes) => (None, Some(DeferredRows::in_folder(&pass.spool, hashes)?)),
            Dedupe::Hash | Dedupe::None => (None, None),
        };
        let mut suffix = Vec::new();
        if let RowSuffix::Table { loaded_at } = pass.suffix {
            binary::uuid(pass.attempt.run_id.as_u128(), &mut suffix);
            binary::timestamptz(loaded_at, &mut suffix);
        }
        let mut chunk = Vec::with_capacity(CHUNK_CAPACITY);
        chunk.extend_from_slice(binary::HEADER);
        Ok(Self {
            wires: pass.layout.columns.iter().map(Wire::of_column).collect(),
            hasher,
            known,
            spill,
            deferred,
            hashes: Vec::new(),
            suffix,
            origins,
            give_back,
            row_counts: vec![RowCounts::default(); places],
            sent: HashDigest::default(),
            rows_before: 0,
            rows_in_chunk: 0,
            chunk,
            pass,
        })
    }

    /// Takes the batches of the converting thread until it ends.
    pub fn take(&mut self, receive: &Receiver<Typed>, chunks: &Sender<Vec<u8>>) -> Result<(), SecondPassError> {
        for typed in receive {
            match typed {
                Typed::Rows(batch) => self.batch(*batch, chunks)?,
                Typed::Bad(bad) => {
                    self.pass.rejects.record(&bad)?;
                    self.row_counts[bad.file].read += 1;
                    self.row_counts[bad.file].rejected += 1;
                }
            }
        }
        Ok(())
    }

    fn batch(&mut self, typed: TypedBatch, chunks: &Sender<Vec<u8>>) -> Result<(), SecondPassError> {
        let cells: Vec<_> = typed.frame.columns().iter().map_while(Cells::of).collect();
        if cells.len() != self.wires.len() {
            return Err(PipelineError::Internal("a batch has a column of an unknown type".into()).into());
        }
        let (rows, file) = (typed.raw.rows(), typed.raw.file);
        self.pass.progress.read(rows as u64, typed.raw.raw.len() as u64);
        self.row_counts[file].read += rows as u64;
        self.hash(&cells, rows, Reading::of(&typed));
        if let Some(profiler) = &mut self.pass.profiler {
            profiler.batch(&cells, rows, &typed.violations);
        }
        let mut violations = typed.violations.iter().peekable();
        for row in 0..rows {
            if let Some(violation) = violations.next_if(|violation| violation.row == row) {
                self.pass.rejects.row(&self.pass.layout, &typed, violation)?;
                self.row_counts[file].rejected += 1;
            } else if self.deferred.is_some() {
                self.defer(&cells, row, file, typed.raw.lines[row])?;
            } else if self.is_new(row, file)? {
                self.row(&cells, row, file, typed.raw.lines[row]);
                self.rows_in_chunk += 1;
            }
            if self.chunk.len() >= CHUNK_BYTES {
                self.send(chunks)?;
            }
        }
        drop(cells);
        self.rows_before += rows as i64;
        let _ = self.give_back.try_send(typed.raw);
        Ok(())
    }

    /// Hashes the rows of a batch. All of them are hashed before the first is looked up, because the cache misses of
    /// lookups that follow each other closely overlap.
    fn hash(&mut self, cells: &[Cells<'_>], rows: usize, reading: Reading<'_>) {
        self.hashes.clear();
        if let Some(hasher) = &mut self.hasher {
            self.hashes.extend((0..rows).map(|row| hasher.typed(cells, row, reading)));
        }
    }

    /// Whether a row is to be sent, because no equal row is known. A row whose hash finds no room in memory is sent as
    /// well, and its hash goes into a file: whether it repeats another is found out at the end.
    #[inline]
    fn is_new(&mut self, row: usize, file: usize) -> Result<bool, SecondPassError> {
        if let (Some(&hash), Some(known)) = (self.hashes.get(row), &mut self.known) {
            match known.insert(hash) {
                Inserted::New => {}
                Inserted::Known => {
                    self.row_counts[file].duplicate += 1;
                    return Ok(false);
                }
                Inserted::Full => self.spill.push(hash, file as u32)?,
            }
            self.sent.add_hash(hash);
        }
        self.row_counts[file].sent += 1;
        Ok(true)
    }

    #[inline]
    fn row(&mut self, cells: &[Cells<'_>], row: usize, file: usize, line: u64) {
        let out = &mut self.chunk;
        binary::row(self.wires.len() + 3 + self.origins.fields(), out);
        for (wire, cells) in self.wires.iter().zip(cells) {
            wire.field(*cells, row, out);
        }
        match self.hashes.get(row) {
            Some(&hash) => binary::uuid(hash, out),
            None => binary::null(out),
        }
        match self.pass.suffix {
            RowSuffix::Table { .. } => out.extend_from_slice(&self.suffix),
            RowSuffix::Staging => {
                binary::integer(file as i32, out);
                // Rejected rows and duplicates count, too, because a second try of the load must find the row by the same
                // number, and it may send other rows.
                binary::bigint(self.rows_before + row as i64, out);
            }
        }
        self.origins.append(file, line, out);
    }

    /// Keeps a row until all rows were read. It is encoded at the end of the chunk, whose memory is there.
    fn defer(&mut self, cells: &[Cells<'_>], row: usize, file: usize, line: u64) -> Result<(), SecondPassError> {
        let start = self.chunk.len();
        self.row(cells, row, file, line);
        let (Some(deferred), Some(&hash)) = (&mut self.deferred, self.hashes.get(row)) else {
            return Err(PipelineError::Internal("a row without a hash was to be compared with others".into()).into());
        };
        deferred.push(hash, file, &self.chunk[start..])?;
        self.chunk.truncate(start);
        self.row_counts[file].sent += 1;
        Ok(())
    }

    /// Sends those of the rows that were kept that neither the table nor an earlier row has.
    fn send_deferred(&mut self, deferred: DeferredRows, chunks: &Sender<Vec<u8>>) -> Result<(), SecondPassError> {
        let stop = self.pass.stop.clone();
        let stopped = || if stop.is_cancelled() { Err(PipelineError::Stopped.into()) } else { Ok(()) };
        let mut new = deferred.find_new(&mut self.row_counts, stopped)?;
        while new.append_next(&mut self.chunk, stopped)? {
            self.rows_in_chunk += 1;
            if self.chunk.len() >= CHUNK_BYTES {
                self.send(chunks)?;
            }
        }
        Ok(())
    }

    fn send(&mut self, chunks: &Sender<Vec<u8>>) -> Result<(), SecondPassError> {
        self.pass.progress.sent(std::mem::take(&mut self.rows_in_chunk));
        let full = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK_CAPACITY));
        chunks.blocking_send(full).map_err(|_| SecondPassError::Closed)
    }

    /// Sends the rest of the rows, unless too many rows were rejected.
    pub fn finish(
        mut self,
        contents: Vec<FileContent>,
        csv: Option<CombinedCsv>,
        chunks: &Sender<Vec<u8>>,
    ) -> Result<SecondPassResult, SecondPassError> {
        self.pass.rejects.check(self.row_counts.iter().map(|counts| counts.read).sum())?;
        if let Some(deferred) = self.deferred.take() {
            self.send_deferred(deferred, chunks)?;
        }
        self.chunk.extend_from_slice(binary::TRAILER);
        self.send(chunks)?;
        let collision_check = self.known.and_then(|known| CollisionCheck::new(known, self.spill));
        let rejected = self.pass.rejects.into_rows();
        let profile = self.pass.profiler.and_then(Profiler::finish);
        let (row_counts, sent) = (self.row_counts, self.sent);
        Ok(SecondPassResult { contents, row_counts, sent, csv, rejected, profile, collision_check })
    }
}
