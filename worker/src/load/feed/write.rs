//! The converting thread: batches become bytes for COPY, beside the combined CSV and the tally.

use std::sync::mpsc::{Receiver, SyncSender};

use tokio::sync::mpsc::Sender;

use super::{Dedupe, Fed, Feed, FeedError, Tail, Tally, spool_failed};
use crate::contract::cells::Cells;
use crate::contract::{Converter, TypedBatch};
use crate::error::PipelineError;
use crate::frame::{Piece, RawBatch};
use crate::load::copy_binary::{self as copy, Wire};
use crate::load::row_hash::RowHasher;
use crate::load::seen::{HashSet, Put};

/// Bytes of one message to the server.
const CHUNK_BYTES: usize = 1 << 20;

/// Converts, hashes, encodes and tallies.
pub struct Writing {
    feed: Feed,
    converter: Converter,
    hasher: Option<RowHasher>,
    known: Option<HashSet>,
    wires: Vec<Wire>,
    /// Run and time, the same for every row.
    suffix: Vec<u8>,
    /// Batches go back to the reading thread, for their memory.
    give_back: SyncSender<RawBatch>,
    tallies: Vec<Tally>,
    row_number: i64,
    /// Rows of the chunks that were sent.
    rows_sent: i64,
    chunk: Vec<u8>,
    scratch: Vec<u8>,
}

impl Writing {
    /// For files whose places are below `places`.
    pub fn new(mut feed: Feed, places: usize, give_back: SyncSender<RawBatch>) -> Self {
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
            give_back,
            tallies: vec![Tally::default(); places],
            row_number: 0,
            rows_sent: 0,
            chunk,
            scratch: Vec::new(),
            feed,
        }
    }

    /// Takes what the reading thread hands over, until it ends.
    pub fn take(&mut self, receive: &Receiver<Piece>, chunks: &Sender<Vec<u8>>) -> Result<(), FeedError> {
        if let Some(csv) = &mut self.feed.csv
            && !self.feed.layout.columns.is_empty()
        {
            let names = self.feed.layout.columns.iter().map(|column| column.name.as_str());
            csv.header(names).map_err(csv_failed)?;
        }
        for piece in receive {
            match piece {
                Piece::Rows(batch) => self.batch(batch, chunks)?,
                Piece::Bad(bad) => {
                    self.feed.rejecting.record(&bad)?;
                    self.tallies[bad.file].read += 1;
                    self.tallies[bad.file].rejected += 1;
                }
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
                self.feed.rejecting.row(&self.feed.layout, &typed, violation)?;
                self.tallies[file].rejected += 1;
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

    fn send(&mut self, chunks: &Sender<Vec<u8>>) -> Result<(), FeedError> {
        self.feed.progress.sent((self.row_number - self.rows_sent).unsigned_abs());
        self.rows_sent = self.row_number;
        let full = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK_BYTES + (64 << 10)));
        chunks.blocking_send(full).map_err(|_| FeedError::Closed)
    }

    /// Sends the rest, makes the combined CSV safe, and finds the repeated rows memory had no room for.
    pub fn finish(mut self, chunks: &Sender<Vec<u8>>) -> Result<Fed, FeedError> {
        self.feed.rejecting.check(self.tallies.iter().map(|tally| tally.read).sum())?;
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
        Ok(Fed { tallies: self.tallies, csv: self.feed.csv, rejected: self.feed.rejecting.into_rows(), repeated })
    }
}

fn csv_failed(source: std::io::Error) -> FeedError {
    PipelineError::Io { doing: "write the combined CSV".into(), source }.into()
}
