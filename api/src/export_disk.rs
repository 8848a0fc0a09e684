//! The disk that exports are written to before they are sent.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use elt_shared::disk::free_bytes;

/// Bytes that the disk keeps free, because other programs and the private PostgreSQL write to it as well.
const KEEP_FREE: u64 = 256 << 20;
/// Bytes between two looks at the free room of the disk.
pub const LOOK_EVERY: u64 = 8 << 20;

/// Where exports are written.
pub struct Disk {
    folder: PathBuf,
    keep_free: u64,
}

impl Disk {
    /// A folder whose disk keeps some room free.
    pub fn of(folder: PathBuf) -> Self {
        Self { folder, keep_free: KEEP_FREE }
    }

    /// A folder whose disk keeps this number of bytes free.
    #[cfg(test)]
    pub fn that_keeps(folder: PathBuf, keep_free: u64) -> Self {
        Self { folder, keep_free }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Checks that `bytes` more leave the room that must stay free. A file system that does not tell its free room fails when it is
    /// full.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`].
    pub fn check(&self, bytes: u64) -> io::Result<()> {
        match free_bytes(&self.folder) {
            Some(free) if free < self.keep_free.saturating_add(bytes) => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }

    /// A file of the folder whose writes fail before the disk is too full.
    pub fn watch<'a>(&'a self, file: &'a File) -> Watched<'a> {
        Watched { file, disk: self, until_look: 0 }
    }
}

/// A file on a disk that keeps some room free.
pub struct Watched<'a> {
    file: &'a File,
    disk: &'a Disk,
    /// Bytes until the next look.
    until_look: u64,
}

impl Write for Watched<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.until_look == 0 {
            self.disk.check(LOOK_EVERY)?;
            self.until_look = LOOK_EVERY;
        }
        let count = self.file.write(bytes)?;
        self.until_look = self.until_look.saturating_sub(count as u64);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
