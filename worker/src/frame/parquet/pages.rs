//! The pages of one column in one row group: where they are, which rows they hold, and their bytes.

use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use polars_buffer::Buffer;
use polars_parquet::parquet::compression::Compression;
use polars_parquet::parquet::compression::{DecompressionContext, decompress};
use polars_parquet::parquet::metadata::Descriptor;

use super::levels;
use super::thrift::{Fault, Thrift};
use crate::frame::columnar::guard::{damaged, guarded, unsupported};
use crate::frame::read::FileError;

/// Most bytes of a page, packed or unpacked.
const MAX_PAGE_BYTES: i64 = 256 << 20;
/// Most values of a page.
const MAX_PAGE_VALUES: i64 = 1 << 26;
/// Most values of a page of a column inside lists, of which the places in the lists are unpacked as well.
const MAX_NESTED_VALUES: i64 = 1 << 24;
/// Bytes that are read at first for the header of a page, and at most.
const HEADER_BYTES: usize = 256;
const MAX_HEADER_BYTES: usize = 4 << 20;

/// A column of a row group, and the place of its pages in the file.
pub(super) struct Chunk {
    file: Arc<File>,
    file_name: String,
    /// Name of the column, with those that it is inside of.
    column: String,
    pub compression: Compression,
    pub descriptor: Descriptor,
    /// Place of the next page that was not looked at, and the end of the column.
    next: u64,
    end: u64,
    /// Number of values that are left in the pages from `next` on.
    left: i64,
    /// Number of rows that start in the pages before `next`.
    rows: u64,
    dictionary: Option<Page>,
    pages: VecDeque<Page>,
}

/// One page.
#[derive(Debug, Clone)]
pub(super) struct Page {
    at: u64,
    header: usize,
    packed: usize,
    unpacked: usize,
    checksum: Option<u32>,
    /// Number of values.
    values: i64,
    /// Number of rows that start before it in the row group, and in it.
    pub first_row: u64,
    pub rows: u64,
    repetition: PlaceOfLevels,
}

/// Where the repetition levels of a page are, which say where a row starts.
#[derive(Debug, Clone, Copy)]
enum PlaceOfLevels {
    /// In the packed part, after their length.
    Packed,
    /// The page says how many rows it has.
    Counted(u64),
}

enum Found {
    Data(Page),
    Dictionary(Page),
    Other { next: u64 },
}

impl Page {
    fn end(&self) -> u64 {
        self.at + (self.header + self.packed) as u64
    }

    /// The row before which the next page starts.
    pub(super) fn end_row(&self) -> u64 {
        self.first_row + self.rows
    }

    /// Bytes of the page's values in memory.
    pub(super) fn bytes(&self) -> usize {
        self.unpacked
    }
}

/// The bytes of some pages one after the other, as a column that has only these.
pub(super) struct Loaded {
    pub bytes: Buffer<u8>,
    pub values: i64,
    /// The row with which the first page starts.
    pub first_row: u64,
}

impl Chunk {
    pub(super) fn new(
        file: Arc<File>,
        file_name: &str,
        column: String,
        range: std::ops::Range<u64>,
        values: i64,
        (compression, descriptor): (Compression, Descriptor),
    ) -> Self {
        Self {
            file,
            file_name: file_name.to_owned(),
            column,
            compression,
            descriptor,
            next: range.start,
            end: range.end,
            left: values,
            rows: 0,
            dictionary: None,
            pages: VecDeque::new(),
        }
    }

    fn is_repeated(&self) -> bool {
        self.descriptor.max_rep_level > 0
    }

    /// Number of rows that start in the pages that were looked at.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Looks at the pages up to the one in which row `end` starts or that is the last one, and forgets those before row
    /// `start`.
    pub(super) fn reach(&mut self, start: u64, end: u64) -> Result<&VecDeque<Page>, FileError> {
        while self.left > 0 && (self.rows < end || (self.is_repeated() && self.rows == end)) {
            match self.page_at(self.next)? {
                Found::Dictionary(page) => {
                    self.next = page.end();
                    self.dictionary = Some(page);
                }
                Found::Other { next } => self.next = next,
                Found::Data(mut page) => {
                    self.next = page.end();
                    self.left -= page.values;
                    page.first_row = self.rows;
                    page.rows = self.rows_of(&page)?;
                    self.rows += page.rows;
                    // A file can have any number of empty pages, of which none is needed.
                    if page.values > 0 {
                        self.pages.push_back(page);
                    }
                }
            }
        }
        while self.pages.front().is_some_and(|page| page.end_row() <= start) {
            self.pages.pop_front();
        }
        Ok(&self.pages)
    }

    /// The pages that hold the rows from `start` to `end`, which were reached before.
    pub(super) fn load(&self, start: u64, end: u64) -> Result<Loaded, FileError> {
        // In a list, the last row may go on in pages in which no row starts, and in the page of the next row.
        let last = end + u64::from(self.is_repeated());
        let from = self.pages.iter().skip_while(|page| page.end_row() <= start);
        let pages: Vec<&Page> = from.take_while(|page| page.first_row < last).collect();
        let length = self.dictionary.iter().chain(pages.iter().copied()).map(|page| page.header + page.packed).sum();
        let mut bytes = Vec::with_capacity(length);
        for page in self.dictionary.iter().chain(pages.iter().copied()) {
            let at = bytes.len();
            bytes.resize(at + page.header + page.packed, 0);
            self.read(&mut bytes[at..], page.at)?;
            self.check(page, &bytes[at + page.header..])?;
        }
        Ok(Loaded {
            bytes: Buffer::from_vec(bytes),
            values: pages.iter().map(|page| page.values).sum(),
            first_row: pages.first().map_or(start, |page| page.first_row),
        })
    }

    fn read(&self, out: &mut [u8], at: u64) -> Result<(), FileError> {
        self.file.read_exact_at(out, at).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => self.broken("its pages end outside the file"),
            _ => FileError::io(&self.file_name, &error),
        })
    }

    /// Compares a page with its checksum, if the file has one.
    fn check(&self, page: &Page, data: &[u8]) -> Result<(), FileError> {
        let Some(expected) = page.checksum else { return Ok(()) };
        let mut crc = flate2::Crc::new();
        crc.update(data);
        if crc.sum() == expected {
            return Ok(());
        }
        Err(self.broken(&format!("the page at byte {} differs from its checksum", page.at)))
    }

    /// Number of rows that start in a page.
    fn rows_of(&self, page: &Page) -> Result<u64, FileError> {
        if !self.is_repeated() {
            return Ok(page.values.cast_unsigned());
        }
        if let PlaceOfLevels::Counted(rows) = page.repetition {
            return Ok(rows);
        }
        let mut packed = vec![0; page.packed];
        self.read(&mut packed, page.at + page.header as u64)?;
        self.check(page, &packed)?;
        let unpacked = match self.compression {
            Compression::Uncompressed => packed,
            compression => {
                let mut unpacked = vec![0; page.unpacked];
                let doing = format!("the column {} cannot be unpacked", self.column);
                guarded(&self.file_name, &doing, || {
                    decompress(compression, &packed, &mut unpacked, &mut DecompressionContext::Unset)
                })?;
                unpacked
            }
        };
        let rows = levels::row_starts(&unpacked, self.descriptor.max_rep_level, page.values.cast_unsigned());
        rows.ok_or_else(|| self.broken("the places of its values in their lists make no sense"))
    }

    /// Reads the header of the page at a place.
    fn page_at(&self, at: u64) -> Result<Found, FileError> {
        let mut size = HEADER_BYTES;
        loop {
            let available = self.end.saturating_sub(at).min(size as u64) as usize;
            let mut bytes = vec![0; available];
            self.read(&mut bytes, at)?;
            match self.page_of(&bytes, at) {
                Ok(found) => return found,
                Err(Fault::Cut) if available == size && size < MAX_HEADER_BYTES => size *= 4,
                Err(_) => return Err(self.broken(&format!("the page at byte {at} has no valid header"))),
            }
        }
    }

    fn page_of(&self, bytes: &[u8], at: u64) -> Result<Result<Found, FileError>, Fault> {
        let mut thrift = Thrift::new(bytes);
        let mut numbers = [None; 5];
        let (mut v1, mut dictionary, mut v2) = (None, None, None);
        let mut last = 0;
        while let Some(field) = thrift.field(last)? {
            last = field.id;
            match field.id {
                1..=4 => numbers[field.id as usize] = Some(thrift.number(field)?),
                5 => v1 = Some(thrift.numbers::<2>(field)?),
                7 => dictionary = Some(thrift.numbers::<2>(field)?),
                8 => v2 = Some(thrift.numbers::<7>(field)?),
                _ => thrift.skip(field, 0)?,
            }
        }
        let [_, Some(kind), Some(unpacked), Some(packed), checksum] = numbers else { return Err(Fault::Broken) };
        let header = thrift.position();
        let (values, repetition) = match (kind, v1, dictionary, v2) {
            (0, Some([_, Some(values)]), ..) => (values, PlaceOfLevels::Packed),
            (2, _, Some([_, Some(values)]), _) => (values, PlaceOfLevels::Packed),
            (3, .., Some([_, Some(values), _, Some(rows), ..])) => {
                (values, PlaceOfLevels::Counted(rows.cast_unsigned()))
            }
            (1, ..) => (0, PlaceOfLevels::Packed),
            _ => return Err(Fault::Broken),
        };
        if packed < 0 || unpacked < 0 || values < 0 || packed.cast_unsigned() + at + header as u64 > self.end {
            return Err(Fault::Broken);
        }
        if let Err(error) = self.bounded(packed.max(unpacked), values) {
            return Ok(Err(error));
        }
        if let PlaceOfLevels::Counted(rows) = repetition
            && rows > values.cast_unsigned()
        {
            return Err(Fault::Broken);
        }
        let page = Page {
            at,
            header,
            packed: packed as usize,
            unpacked: unpacked as usize,
            // The checksum is a number without a sign, in a field with one.
            checksum: checksum.map(|checksum| (checksum as i32).cast_unsigned()),
            values,
            first_row: 0,
            rows: 0,
            repetition,
        };
        Ok(Ok(match kind {
            1 => Found::Other { next: page.end() },
            2 => Found::Dictionary(page),
            _ => Found::Data(page),
        }))
    }

    fn bounded(&self, bytes: i64, values: i64) -> Result<(), FileError> {
        if bytes > MAX_PAGE_BYTES {
            let (bytes, limit) = (bytes >> 20, MAX_PAGE_BYTES >> 20);
            return Err(unsupported(
                &self.file_name,
                format_args!("the column {} has a page of {bytes} MiB, and elt reads pages of {limit}", self.column),
            )
            .hint("Write the file with smaller data pages (the usual size is 1 MiB)."));
        }
        let limit = if self.is_repeated() { MAX_NESTED_VALUES } else { MAX_PAGE_VALUES };
        if values > limit {
            return Err(unsupported(
                &self.file_name,
                format_args!(
                    "the column {} has a page of {values} values, and elt reads pages of {limit}",
                    self.column
                ),
            )
            .hint("Write the file with smaller data pages."));
        }
        Ok(())
    }

    /// An error about the column.
    pub(super) fn broken(&self, what: &str) -> FileError {
        damaged(&self.file_name, format_args!("the column {}: {what}", self.column))
    }
}
