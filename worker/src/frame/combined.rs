//! The combined CSV: every loaded row of every source in one file, beside its final name until the load has committed.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::AccessFlags;

/// Bytes collected before they are written.
const BUFFER_BYTES: usize = 1 << 20;
/// Ends the names of files that are still being written.
const UNFINISHED: &str = ".elt-partial";

/// A combined CSV that is being written. Dropped before [`CombinedCsv::publish`], it leaves nothing behind.
#[derive(Debug)]
pub struct CombinedCsv {
    path: PathBuf,
    unfinished: PathBuf,
    file: File,
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

impl CombinedCsv {
    /// Makes sure the file can be written, before anything is read. Its folder is made when it is missing;
    /// what a killed worker left behind is removed.
    ///
    /// # Errors
    /// When the folder cannot be written to, or the path is a folder.
    pub fn create(path: &Path) -> io::Result<Self> {
        let (folder, name) = place(path)?;
        fs::create_dir_all(folder)?;
        sweep(folder, name);
        let (unfinished, file) = unfinished_file(folder, name)?;
        Ok(Self {
            path: path.to_owned(),
            unfinished,
            file,
            buffer: Vec::with_capacity(BUFFER_BYTES + (64 << 10)),
            in_row: false,
            only_null: false,
            header_written: false,
            published: false,
        })
    }

    /// Where the file will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the file is until it is published.
    pub fn unfinished(&self) -> &Path {
        &self.unfinished
    }

    /// Publishes what a worker left behind that was killed between its commit and [`CombinedCsv::publish`].
    /// False: it is not there.
    ///
    /// `named` is what the run's marker says. The marker lies in the target's database, which is not trusted with paths of
    /// this machine: the file is looked for in the folder of `path` only, and must have a name that [`CombinedCsv::create`]
    /// gives to the unfinished file of `path`.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn publish_left_behind(named: &Path, path: &Path) -> io::Result<bool> {
        let (folder, name) = place(path)?;
        let Some(unfinished) = named.file_name().filter(|unfinished| is_unfinished(unfinished, name)) else {
            return Ok(false);
        };
        let unfinished = folder.join(unfinished);
        match fs::symlink_metadata(&unfinished) {
            Ok(found) if found.is_file() => fs::rename(&unfinished, path).map(|()| true),
            Ok(_) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Writes the header; only the first call does.
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
        // PostgreSQL and we read a blank line as no row; a row of one NULL is `""` for want of anything better.
        if self.only_null {
            self.buffer.extend_from_slice(b"\"\"");
        }
        self.buffer.push(b'\n');
        (self.in_row, self.only_null) = (false, false);
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    /// Makes the written rows safe on disk, still under the other name.
    ///
    /// # Errors
    /// When the disk is full or gone.
    pub fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        self.file.sync_all()
    }

    /// Gives the file its name, replacing the one of the last run. Call it after [`CombinedCsv::sync`] and the commit.
    ///
    /// # Errors
    /// When the folder went away meanwhile.
    pub fn publish(mut self) -> io::Result<PathBuf> {
        self.flush()?;
        fs::rename(&self.unfinished, &self.path)?;
        self.published = true;
        if let Some(folder) = self.unfinished.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(self.path.clone())
    }

    /// Leaves the unfinished file where it is, because it is not known yet whether its rows are loaded. An attempt that
    /// finds them loaded [publishes](CombinedCsv::publish_left_behind) it; the next run of the config removes it.
    ///
    /// # Errors
    /// When the disk is full or gone.
    pub fn leave(mut self) -> io::Result<()> {
        self.flush()?;
        self.published = true;
        Ok(())
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
        self.file.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

impl Drop for CombinedCsv {
    fn drop(&mut self) {
        if !self.published {
            let _ = fs::remove_file(&self.unfinished);
        }
    }
}

/// Whether a cell must be quoted to come back as it is. Where a text need not be, no part of it need be, apart from an
/// empty one.
#[inline]
pub fn needs_quotes(bytes: &[u8]) -> bool {
    bytes.is_empty() || memchr::memchr3(b',', b'"', b'\n', bytes).is_some() || memchr::memchr(b'\r', bytes).is_some()
}

/// Whether a file could be created at a path, as [`CombinedCsv::create`] would: nothing is written.
///
/// # Errors
/// When it could not.
pub fn check(path: &Path) -> io::Result<()> {
    let (folder, _) = place(path)?;
    let there = folder.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    if !there.is_dir() {
        return Err(io::Error::new(io::ErrorKind::NotADirectory, "one of its folders is a file"));
    }
    Ok(nix::unistd::access(there, AccessFlags::W_OK | AccessFlags::X_OK)?)
}

/// The folder and the name of a file to write.
fn place(path: &Path) -> io::Result<(&Path, &OsStr)> {
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it names no file"))?;
    if path.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
    }
    match path.parent() {
        Some(folder) if folder != Path::new("") => Ok((folder, name)),
        _ => Ok((Path::new("."), name)),
    }
}

/// Whether a file's name is one of the unfinished file of `name`: `.NAME.<32 hexadecimal digits>.elt-partial`.
fn is_unfinished(found: &OsStr, name: &OsStr) -> bool {
    let token = found
        .as_encoded_bytes()
        .strip_prefix(b".")
        .and_then(|rest| rest.strip_prefix(name.as_encoded_bytes()))
        .and_then(|rest| rest.strip_prefix(b"."))
        .and_then(|rest| rest.strip_suffix(UNFINISHED.as_bytes()));
    token.is_some_and(|token| token.len() == 32 && token.iter().all(u8::is_ascii_hexdigit))
}

/// A new file beside the final one. Its lock tells other workers that somebody is writing it.
///
/// A file is there before it is locked, so another worker's [`sweep`] may take it for abandoned. That worker removes it
/// while it holds the lock. So once we have the lock, the file is either gone, and we make another, or ours to keep.
fn unfinished_file(folder: &Path, name: &OsStr) -> io::Result<(PathBuf, File)> {
    loop {
        let mut unfinished = OsString::from(".");
        unfinished.push(name);
        unfinished.push(format!(".{}{UNFINISHED}", uuid::Uuid::new_v4().simple()));
        let path = folder.join(unfinished);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        // Where the file system has no locks, the file of a killed worker is never removed.
        let _ = file.lock();
        if file.metadata()?.nlink() > 0 {
            return Ok((path, file));
        }
    }
}

/// Removes unfinished files of this name that nobody writes any more.
fn sweep(folder: &Path, name: &OsStr) {
    let mut start = OsString::from(".");
    start.push(name);
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let found = entry.file_name();
        let found = found.as_encoded_bytes();
        if !found.starts_with(start.as_encoded_bytes()) || !found.ends_with(UNFINISHED.as_bytes()) {
            continue;
        }
        // The lock is held until the file is gone: a worker that created the file a moment ago waits for the lock and
        // then sees that the file is gone.
        if let Ok(file) = File::open(entry.path())
            && file.try_lock().is_ok()
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests;
