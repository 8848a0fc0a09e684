//! A folder that may be read. It is kept open as long as the run that reads it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, open};

use super::beneath;

/// A folder that may be read. When the operator names a single file, only that file.
#[derive(Debug)]
pub(crate) struct Root {
    /// Path of the folder or single file, without links.
    path: PathBuf,
    /// The folder, or the one that the single file is in.
    handle: OwnedFd,
    /// The folder that `handle` is, without links.
    folder: PathBuf,
}

impl Root {
    /// Opens a folder that the operator names; its links are followed. `None`: it is missing or closed.
    pub(super) fn open(path: &Path) -> Option<Self> {
        let path = fs::canonicalize(path).ok()?;
        let folder = if path.is_dir() { path.clone() } else { path.parent()?.to_owned() };
        let handle = open(&folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()?;
        Some(Self { path, handle, folder })
    }

    /// The path of a file relative to the handle. `None`: it is outside of what may be read here.
    pub(super) fn below<'a>(&self, real: &'a Path) -> Option<&'a Path> {
        if real.starts_with(&self.path) { real.strip_prefix(&self.folder).ok() } else { None }
    }
}

impl Root {
    /// Whether a path without links is the folder, or of a visible file in it that is not in a folder below.
    pub(super) fn is_or_holds(&self, real: &Path) -> bool {
        let is_hidden = |name: &OsStr| name.as_encoded_bytes().starts_with(b".");
        real == self.path || (real.parent() == Some(&self.path) && !real.file_name().is_none_or(is_hidden))
    }
}

/// A file or folder below a folder that may be read.
#[derive(Debug, Clone)]
pub(crate) struct Beneath {
    root: Arc<Root>,
    /// Its path below the root, without links.
    path: PathBuf,
}

impl Beneath {
    pub(super) fn new(root: Arc<Root>, path: PathBuf) -> Self {
        Self { root, path }
    }

    /// Opens it for reading, without following links and without waiting for a writer.
    pub(crate) fn open(&self) -> io::Result<File> {
        beneath::open(&self.root.handle, &self.path, beneath::READ, Mode::empty()).map(File::from)
    }
}
