//! The writing thread: typed rows become bytes for COPY, beside the tally.

use std::sync::mpsc::{Receiver, SyncSender};

use tokio::sync::mpsc::Sender;

use super::convert::Typed;
use super::doubt::Doubt;
use super::{Dedupe, Fed, Feed, FeedError, Tail, Tally, spool_failed};
use crate::contract::TypedBatch;
use crate::contract::cells::Cells;
use crate::error::PipelineError;
use crate::frame::RawBatch;
use crate::frame::combined::CombinedCsv;
use crate::load::copy_binary::{self as copy, Wire};
use crate::load::overflow::Overflow;
use crate::load::row_hash::RowHasher;
use crate::load::seen::{HashSet, Put};

/// Bytes of one message to the server.
const CHUNK_BYTES: usize = 1 << 20;

/// Hashes, encodes and tallies.
pub struct Writing {
    feed: Feed,
    hasher: Option<RowHasher>,
    known: Option<HashSet>,
    overflow: Overflow,
    /// One a row of the batch, when rows are hashed.
    hashes: Vec<u128>,
    wires: Vec<Wire>,
    /// Run and time, the same for every row.
    suffix: Vec<u8>,
    /// Batches go back to the reading thread, for their memory.
    give_back: SyncSender<RawBatch>,
    tallies: Vec<Tally>,
    /// Rows of earlier batches, including rejected ones and duplicates.
    rows_before: i64,
    /// Rows of the chunk that is being filled.
    rows_in_chunk: u64,
    chunk: Vec<u8>,
}

impl Writing {
    /// For files whose places are below `places`.
    pub fn new(mut feed: Feed, overflow: Overflow, places: usize, give_back: SyncSender<RawBatch>) -> Self {
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
            wires: feed.layout.columns.iter().map(Wire::of_column).collect(),
            hasher,
            known,
            overflow,
            hashes: Vec::new(),
            suffix,
            give_back,
            tallies: vec![Tally::default(); places],
            rows_before: 0,
            rows_in_chunk: 0,
            chunk,
            feed,
        }
    }

    /// Takes what the converting thread hands over, until it ends.
    pub fn take(&mut self, receive: &Receiver<Typed>, chunks: &Sender<Vec<u8>>) -> Result<(), FeedError> {
        for typed in receive {
            match typed {
                Typed::Rows(batch) => self.batch(*batch, chunks)?,
                Typed::Bad(bad) => {
                    self.feed.rejecting.record(&bad)?;
                    self.tallies[bad.file].read += 1;
                    self.tallies[bad.file].rejected += 1;
                }
            }
        }
        Ok(())
    }

    fn batch(&mut self, typed: TypedBatch, chunks: &Sender<Vec<u8>>) -> Result<(), FeedError> {
        let cells: Vec<_> = typed.frame.columns().iter().map_while(Cells::of).collect();
        if cells.len() != self.wires.len() {
            return Err(PipelineError::Internal("a batch has a column of an unknown type".into()).into());
        }
        let (rows, file) = (typed.raw.rows(), typed.raw.file);
        self.feed.progress.read(rows as u64, typed.raw.raw.len() as u64);
        self.tallies[file].read += rows as u64;
        self.hash(&cells, rows, typed.raw.null_tokens);
        let mut violations = typed.violations.iter().peekable();
        for row in 0..rows {
            if let Some(violation) = violations.next_if(|violation| violation.row == row) {
                self.feed.rejecting.row(&self.feed.layout, &typed, violation)?;
                self.tallies[file].rejected += 1;
            } else if self.is_new(row, file)? {
                self.row(&cells, row, file);
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

    /// Hashes the rows of a batch. All of them before any is looked up, so that the lookups wait for memory together.
    fn hash(&mut self, cells: &[Cells<'_>], rows: usize, tokens: bool) {
        self.hashes.clear();
        if let Some(hasher) = &mut self.hasher {
            self.hashes.extend((0..rows).map(|row| hasher.typed(cells, row, tokens)));
        }
    }

    /// Whether a row is to be sent: none that is equal to it is known.
    #[inline]
    fn is_new(&mut self, row: usize, file: usize) -> Result<bool, FeedError> {
        if let (Some(&hash), Some(known)) = (self.hashes.get(row), &mut self.known) {
            match known.put(hash) {
                Put::New => {}
                Put::Known => {
                    self.tallies[file].duplicate += 1;
                    return Ok(false);
                }
                Put::Full => self.overflow.push(hash, file as u32).map_err(spool_failed)?,
            }
        }
        self.tallies[file].sent += 1;
        Ok(true)
    }

    #[inline]
    fn row(&mut self, cells: &[Cells<'_>], row: usize, file: usize) {
        let out = &mut self.chunk;
        copy::row(self.wires.len() + 3, out);
        for (wire, cells) in self.wires.iter().zip(cells) {
            wire.field(*cells, row, out);
        }
        match self.hashes.get(row) {
            Some(&hash) => copy::uuid(hash, out),
            None => copy::null(out),
        }
        match self.feed.tail {
            Tail::Direct { .. } => out.extend_from_slice(&self.suffix),
            Tail::Staged => {
                copy::integer(file as i32, out);
                // The number of the row in the run, not of the rows sent: a second try of the load finds the row by it.
                copy::bigint(self.rows_before + row as i64, out);
            }
        }
        self.rows_in_chunk += 1;
    }

    fn send(&mut self, chunks: &Sender<Vec<u8>>) -> Result<(), FeedError> {
        self.feed.progress.sent(std::mem::take(&mut self.rows_in_chunk));
        let full = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK_BYTES + (64 << 10)));
        chunks.blocking_send(full).map_err(|_| FeedError::Closed)
    }

    /// Sends the rest.
    pub fn finish(mut self, csv: Option<CombinedCsv>, chunks: &Sender<Vec<u8>>) -> Result<Fed, FeedError> {
        self.feed.rejecting.check(self.tallies.iter().map(|tally| tally.read).sum())?;
        self.chunk.extend_from_slice(copy::TRAILER);
        self.send(chunks)?;
        let doubt = self.known.map(|memory| Doubt::new(memory, self.overflow, self.feed.hash_budget));
        Ok(Fed { tallies: self.tallies, csv, rejected: self.feed.rejecting.into_rows(), doubt: doubt.flatten() })
    }
}
