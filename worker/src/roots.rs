//! The files that configs may name: those below some folders, except elt's own.
//!
//! A path is resolved first, which follows its links. What it leads to is then opened from the handle of the folder that
//! may be read, without following any link. So a file or folder that is exchanged for a link between the two steps is
//! refused, and a link that stays inside works.

mod output;
mod root;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use elt_shared::beneath;
pub use output::{OutputPlace, PlaceError, There};
pub(crate) use root::Beneath;
use root::Root;
use rustix::io::Errno;

use crate::humanize::unreadable;

/// elt's own files in the data folder: keys, the logs, downloads of runs, and the private cluster with its passwords.
const OWN: [&str; 9] =
    ["keys.json", "elt.log", "elt.log.1", "elt.log.2", "elt.log.3", "elt.log.4", "elt.log.5", "spool", "postgres"];
/// Number of times that a path is resolved again, because a part of it was exchanged before it was opened.
const RESOLUTIONS: usize = 8;

/// The folders sources and output files may be in.
#[derive(Debug, Clone)]
pub struct Roots {
    /// Folders that files may be read from.
    readable: Vec<Arc<Root>>,
    /// Folders that files may be written to. `None`: anywhere.
    writable: Option<Vec<PathBuf>>,
    own: Vec<PathBuf>,
    /// The inbox of the pipeline, whose files may be read although the folder of all inboxes is elt's own. `None`: it is
    /// missing.
    inbox: Option<Arc<Root>>,
    /// Folder where relative output paths start. `None`: the run's base folder.
    outputs: Option<PathBuf>,
}

impl Default for Roots {
    fn default() -> Self {
        Self::from(Vec::new())
    }
}

impl From<Vec<PathBuf>> for Roots {
    /// Files may be read and written below these folders. An empty list allows every folder.
    fn from(folders: Vec<PathBuf>) -> Self {
        let writable = (!folders.is_empty()).then(|| folders.iter().map(|folder| resolved(folder)).collect());
        Self { readable: readable(&folders), writable, own: Vec::new(), inbox: None, outputs: None }
    }
}

impl Roots {
    /// Files may be read below these folders (everywhere when the list is empty), apart from what the program keeps for
    /// itself in its data folder, and written below that folder's `output`.
    pub fn new(folders: Vec<PathBuf>, data_dir: &Path) -> Self {
        // The path is resolved without `output`, because the first run makes that folder.
        let data_dir = resolved(data_dir);
        let mut own: Vec<PathBuf> = OWN.iter().map(|name| data_dir.join(name)).collect();
        own.extend(OWN.iter().filter_map(|name| fs::canonicalize(data_dir.join(name)).ok()));
        own.dedup();
        let output = resolved(&data_dir.join("output"));
        Self {
            readable: readable(&folders),
            writable: Some(vec![output.clone()]),
            own,
            inbox: None,
            outputs: Some(output),
        }
    }

    /// The same roots, but of `inboxes`, the folder of all inboxes, only the files in `own` may be read.
    #[must_use]
    pub fn with_inbox(mut self, inboxes: &Path, own: &Path) -> Self {
        let inboxes = resolved(inboxes);
        // A link in place of the pipeline's folder could lead to another pipeline's.
        let is_link = own.file_name().is_none_or(|name| resolved(own) != inboxes.join(name));
        self.inbox = if is_link { None } else { Root::open(own).map(Arc::new) };
        self.own.push(inboxes);
        self
    }

    /// The same roots, but files may also be written below these folders.
    #[must_use]
    pub fn writing_to(mut self, folders: &[PathBuf]) -> Self {
        if let Some(writable) = &mut self.writable {
            writable.extend(folders.iter().map(|folder| resolved(folder)));
        }
        self
    }

    /// The same roots, but files may be written anywhere except over elt's own.
    #[must_use]
    pub fn writing_anywhere(self) -> Self {
        Self { writable: None, ..self }
    }

    /// The same roots, but relative output paths start at the run's base folder, like all others.
    #[must_use]
    pub fn with_outputs_at_the_base(self) -> Self {
        Self { outputs: None, ..self }
    }

    /// The folder where relative output paths start. `base`: the run's base folder.
    pub fn output_base<'a>(&'a self, base: &'a Path) -> &'a Path {
        self.outputs.as_deref().unwrap_or(base)
    }

    /// Whether a path may be read, as far as can be said without opening it; its links are followed. This is for
    /// messages only, because the path may change afterwards; [`Roots::open`] decides what is read.
    ///
    /// # Errors
    /// Why not, as the end of a sentence that starts with the path.
    pub fn inside(&self, path: &Path) -> Result<(), String> {
        let real = fs::canonicalize(path).map_err(|error| OpenError::Unresolved(error).to_string())?;
        self.root_of(&real).map(|_| ()).map_err(|error| error.to_string())
    }

    /// Opens a file or folder for reading, wherever its links lead inside the folders that may be read. A FIFO or
    /// device is opened without waiting, and the caller checks the [kind](Opened::special).
    pub(crate) fn open(&self, path: &Path) -> Result<Opened, OpenError> {
        let mut last = None;
        for _ in 0..RESOLUTIONS {
            let real = fs::canonicalize(path).map_err(OpenError::Unresolved)?;
            match self.open_real(&real) {
                Err(error @ OpenError::Exchanged) => last = Some(error),
                done => return done,
            }
        }
        Err(last.unwrap_or(OpenError::Exchanged))
    }

    /// Opens the file or folder at a path that has no links.
    pub(crate) fn open_real(&self, real: &Path) -> Result<Opened, OpenError> {
        let (root, path) = self.root_of(real)?;
        let below = Beneath::new(root.clone(), path.to_owned());
        match below.open() {
            Ok(file) => Ok(Opened { file, below, real: real.to_owned() }),
            // A resolved path has no links, and a file only at its end. Anything else was put there after it was resolved.
            Err(error) => Err(match Errno::from_io_error(&error) {
                Some(Errno::LOOP | Errno::NOTDIR) => OpenError::Exchanged,
                _ => OpenError::Unreadable(error),
            }),
        }
    }

    /// The folder that a path without links lies in, and the path below it.
    fn root_of<'a>(&self, real: &'a Path) -> Result<(&Arc<Root>, &'a Path), OpenError> {
        if self.own(real) {
            return Err(OpenError::Own);
        }
        let inbox = self.inbox.iter().filter(|inbox| inbox.is_or_holds(real));
        let found = inbox.chain(&self.readable).find_map(|root| Some((root, root.below(real)?)));
        found.ok_or(OpenError::Outside)
    }

    /// The folder that a path without links may be written below. `None`: it may not be written.
    pub(crate) fn writable_root(&self, real: &Path) -> Option<&Path> {
        match &self.writable {
            None => Some(Path::new("/")),
            Some(folders) => folders.iter().map(PathBuf::as_path).find(|folder| real.starts_with(folder)),
        }
    }

    /// Whether a path without links is one of elt's own files.
    pub fn own(&self, real: &Path) -> bool {
        let is_in_inbox = self.inbox.as_ref().is_some_and(|inbox| inbox.is_or_holds(real));
        !is_in_inbox && self.own.iter().any(|own| real.starts_with(own))
    }
}

/// An open file or folder that may be read.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) file: File,
    /// The handle and path by which it is opened again.
    pub(crate) below: Beneath,
    /// Its path without links.
    pub(crate) real: PathBuf,
}

impl Opened {
    /// Kind of the opened file when it is neither a regular file nor a folder.
    pub(crate) fn special(&self) -> io::Result<Option<&'static str>> {
        Ok(special(self.file.metadata()?.file_type()))
    }
}

/// The name of a kind of file that is not read, because reading it could wait forever.
pub(crate) fn special(kind: fs::FileType) -> Option<&'static str> {
    if kind.is_fifo() {
        Some("FIFO")
    } else if kind.is_socket() {
        Some("socket")
    } else if kind.is_block_device() || kind.is_char_device() {
        Some("device")
    } else {
        None
    }
}

/// The reason why a path is not opened, as the end of a sentence that starts with the path.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("cannot be followed: {}", unreadable(.0))]
    Unresolved(io::Error),
    #[error("is one of elt's own files")]
    Own,
    #[error("is outside the folders the worker may read")]
    Outside,
    #[error("was exchanged for a link while it was opened")]
    Exchanged,
    #[error("cannot be opened: {}", unreadable(.0))]
    Unreadable(io::Error),
}

fn readable(folders: &[PathBuf]) -> Vec<Arc<Root>> {
    let anywhere = [PathBuf::from("/")];
    let folders = if folders.is_empty() { &anywhere } else { folders };
    folders.iter().filter_map(|folder| Root::open(folder)).map(Arc::new).collect()
}

/// A path without links, as far as it exists.
fn resolved(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let there = path.ancestors().find_map(|above| {
        let rest = path.strip_prefix(above).ok()?;
        Some(fs::canonicalize(above).ok()?.join(rest))
    });
    there.unwrap_or(path)
}
