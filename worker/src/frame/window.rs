//! A window that slides over a file's text, so that a file of any size is read in the same memory.

use super::read::FileError;
use super::unpack::Text;

/// Text read at a time.
pub(super) const WINDOW_BYTES: usize = 1 << 20;
/// A record larger than this is refused: the window would have to grow over it.
pub(super) const MAX_RECORD_BYTES: usize = 64 << 20;

/// The piece of text that is looked at now.
pub(super) struct Window {
    source: Text,
    buffer: Vec<u8>,
    filled: usize,
    ended: bool,
    size: usize,
}

impl Window {
    /// A window of `size` bytes at the start of a text; nothing is read yet.
    pub(super) fn new(source: Text, size: usize) -> Self {
        Self { source, buffer: Vec::new(), filled: 0, ended: false, size }
    }

    /// The text in the window.
    #[inline]
    pub(super) fn text(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }

    /// Whether the text is UTF-8. Its last character may be cut off when the file goes on.
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

    /// Bytes it looks at at a time.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Bytes and hash of the file so far.
    pub(super) fn seen(&self) -> (u64, u128) {
        self.source.seen()
    }

    /// Leaves the first `done` bytes behind and reads on.
    pub(super) fn slide(&mut self, done: usize) -> Result<(), FileError> {
        self.buffer.copy_within(done..self.filled, 0);
        self.filled -= done;
        if self.buffer.len() > 2 * self.size && self.filled < self.size {
            self.buffer.truncate(self.size);
            self.buffer.shrink_to_fit();
        }
        self.fill(self.size)
    }

    /// Opens the window behind the first `count` bytes of the text.
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

    /// Reads more behind what is there, for a record that is larger than the window. `line`: where it starts.
    pub(super) fn grow(&mut self, line: u64) -> Result<(), FileError> {
        if self.filled >= MAX_RECORD_BYTES {
            return Err(FileError::record_too_large(self.name(), line, MAX_RECORD_BYTES));
        }
        self.fill((self.filled * 2).clamp(self.size, MAX_RECORD_BYTES))
    }

    /// Reads until so many bytes are there or the text ends.
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
