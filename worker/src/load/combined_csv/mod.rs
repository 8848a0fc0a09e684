//! The combined output: every loaded row of every source in one file, a CSV unless `output:` says otherwise. It is written
//! under another name in the folder of its final name, which it gets after the load has committed.
//!
//! # Layout
//! - [`rows`]: rows become cells, JSON objects or row groups
//! - `parquet`: row groups; `sink`: the bytes, compressed and hashed
//! - this file: the file and its names

mod parquet;
pub mod rows;
mod sink;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use elt_shared::config::{OutputCompression, OutputConfig, OutputFormat};
use elt_shared::store::outputs::FileIdentity;

use crate::roots::OutputPlace;
use sink::{HashedFile, Sink};

/// Bytes that are collected before they are written.
const BUFFER_BYTES: usize = 1 << 20;
/// End of the names of files that are still being written.
const UNFINISHED: &str = ".elt-partial";

/// A combined CSV that is being written. The file is deleted when this value is dropped before [`CombinedCsv::publish`].
pub struct CombinedCsv {
    place: Arc<OutputPlace>,
    /// Name of the file until it is published.
    unfinished: OsString,
    file: HashedFile,
    sink: Sink,
    format: OutputFormat,
    compression: OutputCompression,
    buffer: Vec<u8>,
    /// Whether the row that is being written has a cell already.
    in_row: bool,
    /// Whether that cell was NULL: a row of one NULL cell must not be a blank line.
    only_null: bool,
    header_written: bool,
    /// Whether the unfinished file stays when this value is dropped: it got its name, or another attempt decides about
    /// it.
    published: bool,
}

impl std::fmt::Debug for CombinedCsv {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CombinedCsv").field("place", &self.place).finish_non_exhaustive()
    }
}

impl CombinedCsv {
    /// Creates the file, and deletes files that killed workers left behind.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn create(place: &Arc<OutputPlace>) -> io::Result<Self> {
        Self::create_as(place, &OutputConfig::default())
    }

    /// As [`CombinedCsv::create`], in the format of a config.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn create_as(place: &Arc<OutputPlace>, output: &OutputConfig) -> io::Result<Self> {
        sweep(place);
        let (unfinished, file) = unfinished_file(place)?;
        let file = HashedFile::new(file);
        // The pages of Parquet are compressed, not the file.
        let packed = match output.format {
            OutputFormat::Parquet => OutputCompression::None,
            OutputFormat::Csv | OutputFormat::Ndjson => output.compression,
        };
        Ok(Self {
            place: place.clone(),
            unfinished,
            sink: Sink::new(&file, packed)?,
            file,
            format: output.format,
            compression: output.compression,
            buffer: Vec::with_capacity(BUFFER_BYTES + (64 << 10)),
            in_row: false,
            only_null: false,
            header_written: false,
            published: false,
        })
    }

    /// The path that the file will have, as the config writes it.
    pub fn path(&self) -> &Path {
        self.place.shown()
    }

    /// The path that the file has until it is published.
    pub fn unfinished(&self) -> PathBuf {
        self.place.real(&self.unfinished)
    }

    /// Name of the unfinished file of a worker that was killed between its commit and [`CombinedCsv::publish`]. `None`: the
    /// file is missing, or another worker is writing it.
    ///
    /// `named` is the path in the run's marker. The marker is in the target's database, which is not trusted with paths of
    /// this machine. So only its last part is used, and it must be a name that [`CombinedCsv::create`] gives to an unfinished
    /// file of this place.
    pub fn left_behind(named: &Path, place: &OutputPlace) -> Option<OsString> {
        let unfinished = named.file_name().filter(|unfinished| is_unfinished(unfinished, place.name()))?;
        let file = place.open(unfinished).ok()?;
        // A file system without locks answers with another error, and then only the name can be asked.
        let is_written = matches!(file.try_lock(), Err(std::fs::TryLockError::WouldBlock));
        (!is_written).then(|| unfinished.to_owned())
    }

    /// Writes the header. Only the first call does so.
    ///
    /// # Errors
    /// When the disk is full or gone.
    pub fn header<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) -> io::Result<()> {
        if std::mem::replace(&mut self.header_written, true) {
            return Ok(());
        }
        for name in names {
            self.value(name.as_bytes());
        }
        self.end_row()
    }

    /// Adds a cell to the row that is being written. Empty text is quoted, so that it stays apart from NULL.
    #[inline]
    pub fn value(&mut self, bytes: &[u8]) {
        self.separate(false);
        if needs_quotes(bytes) {
            self.quoted(bytes);
        } else {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// Adds a cell that needs no quotes: see [`needs_quotes`].
    #[inline]
    pub fn plain(&mut self, bytes: &[u8]) {
        self.separate(false);
        self.buffer.extend_from_slice(bytes);
    }

    /// Adds a NULL cell to the row that is being written.
    #[inline]
    pub fn null(&mut self) {
        self.separate(true);
    }

    /// Ends the row that is being written.
    ///
    /// # Errors
    /// When the disk is full or gone.
    #[inline]
    pub fn end_row(&mut self) -> io::Result<()> {
        // A blank line would be read back as no row, so a row of one NULL is written as an empty text.
        if self.only_null {
            self.buffer.extend_from_slice(b"\"\"");
        }
        self.buffer.push(b'\n');
        (self.in_row, self.only_null) = (false, false);
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    /// Syncs the written rows to disk. The file keeps its unfinished name.
    ///
    /// # Errors
    /// When the disk is full or gone.
    pub fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        self.sink.finish()?;
        self.file.sync()
    }

    /// Identity of the file, by which it is recognised under its final name. Call it after [`CombinedCsv::sync`].
    ///
    /// # Errors
    /// When the file was taken away.
    pub fn identity(&self) -> io::Result<FileIdentity> {
        self.place.identity(&self.unfinished, Some(self.file.hash()))
    }

    /// xxh3-128 of the file's bytes. Call it after [`CombinedCsv::sync`].
    pub fn content_hash(&self) -> u128 {
        self.file.hash()
    }

    /// Gives the file its final name. Call it after [`CombinedCsv::sync`] and the commit. `replace`: a file of an earlier run
    /// has the name and is replaced.
    ///
    /// # Errors
    /// When another file has the name and may not be replaced, or the folder was removed meanwhile.
    pub fn publish(mut self, replace: bool) -> io::Result<()> {
        self.flush()?;
        self.place.publish(&self.unfinished, replace)?;
        self.published = true;
        Ok(())
    }

    /// Leaves the unfinished file where it is, because it is not known yet whether its rows are loaded. An attempt that
    /// finds them loaded publishes it ([`CombinedCsv::left_behind`]); the next run of the config removes it.
    ///
    /// # Errors
    /// When the disk is full or gone.
    pub fn leave(mut self) -> io::Result<()> {
        self.flush()?;
        self.published = true;
        Ok(())
    }

    /// Adds bytes of a format that has no cells.
    ///
    /// # Errors
    /// When the disk is full or gone.
    fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    #[inline]
    fn separate(&mut self, null: bool) {
        if self.in_row {
            self.buffer.push(b',');
            self.only_null = false;
        } else {
            self.only_null = null;
        }
        self.in_row = true;
    }

    fn quoted(&mut self, bytes: &[u8]) {
        self.buffer.push(b'"');
        let mut rest = bytes;
        while let Some(at) = memchr::memchr(b'"', rest) {
            self.buffer.extend_from_slice(&rest[..=at]);
            self.buffer.push(b'"');
            rest = &rest[at + 1..];
        }
        self.buffer.extend_from_slice(rest);
        self.buffer.push(b'"');
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.write(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

impl Drop for CombinedCsv {
    fn drop(&mut self) {
        if !self.published {
            let _ = self.place.remove(&self.unfinished);
        }
    }
}

/// Whether a cell must be quoted to be read back as it is. If a text needs no quotes, neither does any part of it, apart from
/// an empty part.
#[inline]
pub fn needs_quotes(bytes: &[u8]) -> bool {
    bytes.is_empty() || memchr::memchr3(b',', b'"', b'\n', bytes).is_some() || memchr::memchr(b'\r', bytes).is_some()
}

/// Whether a file's name is one of the unfinished file of `name`.
fn is_unfinished(found: &OsStr, name: &OsStr) -> bool {
    final_name(found) == Some(name)
}

/// The final name of an unfinished file, which is named `.NAME.<32 hexadecimal digits>.elt-partial`. `None`: it is not the
/// name of an unfinished file.
pub fn final_name(unfinished: &OsStr) -> Option<&OsStr> {
    use std::os::unix::ffi::OsStrExt;
    let rest = unfinished.as_bytes().strip_prefix(b".")?.strip_suffix(UNFINISHED.as_bytes())?;
    let (name, token) = rest.split_at_checked(rest.len().checked_sub(33)?)?;
    let token = token.strip_prefix(b".")?;
    token.iter().all(u8::is_ascii_hexdigit).then(|| OsStr::from_bytes(name))
}

/// A new file beside the final one. Its lock tells other workers that it is being written.
///
/// A file is there before it is locked, so another worker's [`sweep`] may take it for abandoned. That worker removes it
/// while it holds the lock. So once this worker has the lock, the
/// file is either gone, and another is created, or it stays.
fn unfinished_file(place: &OutputPlace) -> io::Result<(OsString, File)> {
    loop {
        let mut unfinished = OsString::from(".");
        unfinished.push(place.name());
        unfinished.push(format!(".{}{UNFINISHED}", uuid::Uuid::new_v4().simple()));
        let file = place.create(&unfinished)?;
        // Where the file system has no locks, the file of a killed worker is never removed.
        let _ = file.lock();
        if file.metadata()?.nlink() > 0 {
            return Ok((unfinished, file));
        }
    }
}

/// Deletes unfinished files of this name whose workers are gone.
fn sweep(place: &OutputPlace) {
    for found in place.names().into_iter().filter(|found| is_unfinished(found, place.name())) {
        // The lock is held until the file is gone: a worker that created the file a moment ago waits for the lock and
        // then sees that the file is gone.
        if let Ok(file) = place.open(&found)
            && file.try_lock().is_ok()
        {
            let _ = place.remove(&found);
        }
    }
}

#[cfg(test)]
mod tests;
