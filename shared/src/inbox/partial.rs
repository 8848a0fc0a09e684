//! Uploads that are not complete. Each is a file in a hidden folder of its inbox, named for the upload, the size that it will
//! have and the file that it will be, so that the bytes of two uploads are never in one file.

use std::ffi::{OsStr, OsString};
use std::fs::{File, TryLockError};
use std::io::{self, Seek};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::str::FromStr;

use rustix::fs::{AtFlags, Mode, OFlags, unlinkat};
use uuid::Uuid;

use super::{FILE_MODE, FileName, Inbox, entries, hash_of, is_at, names};
use crate::beneath;

/// Attempts to open an upload that other requests end meanwhile.
const TRIES: usize = 16;

/// The name that a client gives an upload, by which it goes on with it later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadName(String);

impl UploadName {
    /// A name for an upload that was given up.
    pub fn new() -> Self {
        Self(Uuid::now_v7().simple().to_string())
    }
}

impl Default for UploadName {
    fn default() -> Self {
        Self::new()
    }
}

impl FromStr for UploadName {
    type Err = ();

    /// Reads 8 to 64 letters, digits, `-` and `_`.
    fn from_str(name: &str) -> Result<Self, ()> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        match (8..=64).contains(&name.len()) && name.chars().all(is_plain) {
            true => Ok(Self(name.to_owned())),
            false => Err(()),
        }
    }
}

/// An upload that is not complete, open for one request.
#[derive(Debug)]
pub struct Partial {
    file: File,
    entry: OsString,
}

/// How an upload was opened.
#[derive(Debug)]
pub enum Begun {
    /// For this request alone.
    Open(Partial),
    /// Another request is writing to it.
    Busy,
}

impl Partial {
    /// The file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Its name in the folder of uploads.
    pub(super) fn entry(&self) -> &OsStr {
        &self.entry
    }

    /// Number of bytes that have arrived.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn received(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Forgets the bytes from `at` on, and writes there next.
    ///
    /// # Errors
    /// When the file cannot be changed.
    pub fn cut(&mut self, at: u64) -> io::Result<()> {
        self.file.set_len(at)?;
        self.file.seek(io::SeekFrom::Start(at))?;
        Ok(())
    }

    /// xxh3-128 of the bytes that have arrived, read back from the disk.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn hash(&mut self) -> io::Result<u128> {
        self.file.rewind()?;
        hash_of(&mut self.file)
    }
}

impl Inbox {
    /// Opens an upload of `total` bytes, or begins it.
    ///
    /// # Errors
    /// When its file cannot be made or opened.
    pub fn begin(&self, upload: &UploadName, name: &FileName, total: u64) -> io::Result<Begun> {
        let entry = OsString::from(format!("{}.{total}.{}", upload.0, names::fingerprint(name.as_str())));
        for _ in 0..TRIES {
            let file = open(&self.partials, &entry, OFlags::RDWR | OFlags::CREATE)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(Begun::Busy),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            // The request that had the lock may have given the file its name or removed it. This one then has no part in it.
            if is_at(&self.partials, &entry, &file)? {
                return Ok(Begun::Open(Partial { file, entry }));
            }
        }
        Ok(Begun::Busy)
    }

    /// Bytes of an upload that have arrived, and the size that it will have. `None`: there is no such upload.
    ///
    /// # Errors
    /// When the folder of uploads cannot be listed.
    pub fn arrived(&self, upload: &UploadName, name: &FileName) -> io::Result<Option<(u64, u64)>> {
        let (begin, end) = (format!("{}.", upload.0), format!(".{}", names::fingerprint(name.as_str())));
        for entry in entries(&self.partials)? {
            let Some(total) = total_of(&entry) else { continue };
            if entry.to_str().is_some_and(|entry| entry.starts_with(&begin) && entry.ends_with(&end)) {
                let received = super::stat(&self.partials, &entry)?.map(|stat| stat.st_size.cast_unsigned());
                return Ok(received.map(|received| (received, total)));
            }
        }
        Ok(None)
    }

    /// Forgets an upload.
    ///
    /// # Errors
    /// When its file cannot be removed.
    pub fn discard(&self, partial: &Partial) -> io::Result<()> {
        Ok(unlinkat(&self.partials, partial.entry(), AtFlags::empty())?)
    }
}

/// The size that an upload will have, by the name of its file. `None`: the file is another one.
pub(super) fn total_of(entry: &OsStr) -> Option<u64> {
    let mut parts = entry.to_str()?.splitn(3, '.');
    let (_, total, _) = (parts.next()?, parts.next()?, parts.next()?);
    total.parse().ok()
}

/// Opens a file of the folder of uploads. A link is not followed.
pub(super) fn open(folder: &OwnedFd, entry: &OsStr, flags: OFlags) -> io::Result<File> {
    let mode = if flags.contains(OFlags::CREATE) { FILE_MODE } else { Mode::empty() };
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    beneath::open(folder, Path::new(entry), flags, mode).map(File::from)
}
