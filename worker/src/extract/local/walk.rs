//! Walks a folder and lists every entry that is not a folder, in the order of their names, each with its kind.

use std::collections::{HashSet, VecDeque};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, statat};
use tokio_util::sync::CancellationToken;

use crate::humanize::unreadable;
use crate::roots::{OpenError, Opened, Roots};

/// The kind of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A regular file. Its path without links.
    File(PathBuf),
    /// Its name starts with a dot: it belongs to another program.
    Hidden,
    /// A FIFO, socket or device, which is not read because reading it could wait forever.
    Special(&'static str),
    /// A link that leads nowhere or outside the folders that may be read.
    Refused(String),
    /// A folder below the first one that cannot be listed.
    Closed(String),
}

/// An entry of a folder.
#[derive(Debug)]
pub(super) struct Found {
    pub path: PathBuf,
    pub kind: Kind,
}

/// A folder that is still to be listed.
struct Folder {
    /// The path as people see it.
    path: PathBuf,
    /// Its path without links. `None`: its path has links that are still to be followed.
    real: Option<PathBuf>,
}

/// A walk through a folder and, when it is `deep`, through those below it.
struct Walk<'a> {
    roots: &'a Roots,
    deep: bool,
    all: Vec<Found>,
    folders: Vec<Folder>,
    /// Folders that links lead to. They come last, so that a folder is visited by its own path where there is one.
    linked: VecDeque<Folder>,
}

/// Every entry below an opened folder that is not a folder, in the order of their names. Folders below it are listed when
/// `deep`, except hidden ones. `None`: the run is stopped.
pub(super) fn files(
    start: &Path,
    opened: Opened,
    deep: bool,
    roots: &Roots,
    stop: &CancellationToken,
) -> io::Result<Option<Vec<Found>>> {
    let mut walk = Walk { roots, deep, all: Vec::new(), folders: Vec::new(), linked: VecDeque::new() };
    let mut seen = HashSet::from([node(&opened.file)?]);
    if stop.is_cancelled() {
        return Ok(None);
    }
    walk.list(start, &opened)?;
    while let Some(Folder { path, real }) = walk.folders.pop().or_else(|| walk.linked.pop_front()) {
        if stop.is_cancelled() {
            return Ok(None);
        }
        let opened = match &real {
            Some(real) => roots.open_real(real),
            None => roots.open(&path),
        };
        let looked = opened.map_err(|error| reason(&error)).and_then(|opened| {
            let node = node(&opened.file).map_err(|error| unreadable(&error))?;
            // A folder that several links lead to is visited once; a link to a folder above would lead in circles.
            if !seen.insert(node) {
                return Ok(());
            }
            walk.list(&path, &opened).map_err(|error| format!("it cannot be listed: {}", unreadable(&error)))
        });
        if let Err(reason) = looked {
            walk.all.push(Found { path, kind: Kind::Closed(reason) });
        }
    }
    walk.all.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Some(walk.all))
}

impl Walk<'_> {
    /// Notes every entry of a folder. An error means that the rest of the folder cannot be listed.
    fn list(&mut self, path: &Path, folder: &Opened) -> io::Result<()> {
        let mut links = Vec::new();
        for entry in Dir::read_from(&folder.file)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if matches!(name.as_bytes(), b"." | b"..") {
                continue;
            }
            let kind = match entry.file_type() {
                // Some file systems do not report the kind of an entry in the listing.
                FileType::Unknown => statat(&folder.file, name, AtFlags::SYMLINK_NOFOLLOW)
                    .map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode)),
                known => known,
            };
            let path = path.join(name);
            if name.as_bytes().starts_with(b".") {
                self.all.extend((kind == FileType::RegularFile).then_some(Found { path, kind: Kind::Hidden }));
                continue;
            }
            let kind = match kind {
                FileType::Symlink => match self.roots.open(&path) {
                    Ok(found) if found.file.metadata()?.is_dir() => {
                        links.push(path);
                        continue;
                    }
                    opened => kind_of_link(opened),
                },
                FileType::Directory => {
                    let real = Some(folder.real.join(name));
                    self.folders.extend(self.deep.then_some(Folder { path, real }));
                    continue;
                }
                FileType::Fifo => Kind::Special("FIFO"),
                FileType::Socket => Kind::Special("socket"),
                FileType::CharacterDevice | FileType::BlockDevice => Kind::Special("device"),
                FileType::RegularFile | FileType::Unknown => Kind::File(folder.real.join(name)),
            };
            self.all.push(Found { path, kind });
        }
        links.sort();
        self.linked.extend(links.into_iter().filter(|_| self.deep).map(|path| Folder { path, real: None }));
        Ok(())
    }
}

/// The kind of a link that does not lead to a folder.
fn kind_of_link(opened: Result<Opened, OpenError>) -> Kind {
    match opened {
        Ok(found) => match found.special() {
            Ok(None) => Kind::File(found.real),
            Ok(Some(special)) => Kind::Special(special),
            Err(error) => Kind::Refused(unreadable(&error)),
        },
        Err(OpenError::Unreadable(error)) => Kind::Refused(unreadable(&error)),
        Err(refused) => Kind::Refused(format!("it is a link that {refused}")),
    }
}

/// The reason why an entry cannot be opened, as a sentence about it.
pub(super) fn reason(error: &OpenError) -> String {
    match error {
        OpenError::Unreadable(error) => unreadable(error),
        refused => format!("it {refused}"),
    }
}

/// Identity of a folder on this machine: its device and inode.
fn node(folder: &File) -> io::Result<(u64, u64)> {
    let meta = folder.metadata()?;
    Ok((meta.dev(), meta.ino()))
}

/// Whether two paths lead to the same file.
pub(crate) fn same_file(one: &Path, other: &Path) -> bool {
    one == other || matches!((fs::canonicalize(one), fs::canonicalize(other)), (Ok(one), Ok(other)) if one == other)
}
