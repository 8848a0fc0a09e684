//! A window that slides over a file's text, so that a file of any size is read in the same memory.

use super::decode::{ShownEncoding, Text};
use super::read::FileError;

/// Bytes of text that are read at a time.
pub(super) const WINDOW_BYTES: usize = 1 << 20;
/// Bytes of the largest record. A larger one is refused, because the window must hold a whole record in memory.
pub(super) const MAX_RECORD_BYTES: usize = 64 << 20;

/// The part of a file's text that is in memory.
pub(super) struct Window {
    source: Text,
    buffer: Vec<u8>,
    filled: usize,
    ended: bool,
    size: usize,
}

impl Window {
    /// A window of `size` bytes at the start of a text, before anything is read.
    pub(super) fn new(source: Text, size: usize) -> Self {
        Self { source, buffer: Vec::new(), filled: 0, ended: false, size }
    }

    /// The text in the window.
    #[inline]
    pub(super) fn text(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }

    /// Whether the text is valid UTF-8. Its last character may be cut off when the file goes on.
    pub(super) fn is_utf8(&self) -> bool {
        let text = self.text();
        simdutf8::basic::from_utf8(text).is_ok()
            || (!self.ended && std::str::from_utf8(text).is_err_and(|error| error.error_len().is_none()))
    }

    /// Whether the file ends where the window ends.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// The file's name as people see it.
    pub(super) fn name(&self) -> &str {
        self.source.name()
    }

    /// Number of bytes that the window holds.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// The encoding of the file, as far as it is known from the text that was read.
    pub(super) fn encoding(&self) -> ShownEncoding {
        self.source.encoding()
    }

    /// Number and hash of the bytes of the file that were read so far.
    pub(super) fn seen(&self) -> (u64, u128) {
        self.source.seen()
    }

    /// Drops the first `done` bytes and reads on.
    pub(super) fn slide(&mut self, done: usize) -> Result<(), FileError> {
        self.buffer.copy_within(done..self.filled, 0);
        self.filled -= done;
        if self.buffer.len() > 2 * self.size && self.filled < self.size {
            self.buffer.truncate(self.size);
            self.buffer.shrink_to_fit();
        }
        self.fill(self.size)
    }

    /// Moves the window behind the first `count` bytes of the text.
    pub(super) fn skip(&mut self, count: usize) -> Result<(), FileError> {
        self.slide(0)?;
        let mut left = count;
        while left > 0 && !self.text().is_empty() {
            let done = left.min(self.text().len());
            self.slide(done)?;
            left -= done;
        }
        Ok(())
    }

    /// Makes the window larger and reads on, for a record that does not fit into it. `line`: line of the record, for the
    /// error.
    pub(super) fn grow(&mut self, line: u64) -> Result<(), FileError> {
        if self.filled >= MAX_RECORD_BYTES {
            return Err(FileError::record_too_large(self.name(), line, MAX_RECORD_BYTES));
        }
        self.fill((self.filled * 2).clamp(self.size, MAX_RECORD_BYTES))
    }

    /// Reads until the window has `size` bytes or the text ends.
    fn fill(&mut self, size: usize) -> Result<(), FileError> {
        if self.ended || self.filled >= size {
            return Ok(());
        }
        if self.buffer.len() < size {
            self.buffer.resize(size, 0);
        }
        self.filled += self.source.fill(&mut self.buffer[self.filled..size])?;
        self.ended = self.filled < size;
        Ok(())
    }
}
