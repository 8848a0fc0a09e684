//! Walks a folder: every entry that is no folder, in name order, each with what it is.

use std::collections::{HashSet, VecDeque};
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use crate::extract::words::unreadable;
use crate::roots::Roots;

/// What a path is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A regular file.
    File,
    /// Its name starts with a dot: it belongs to another program.
    Hidden,
    /// A FIFO, socket or device: reading it could wait for ever.
    Special(&'static str),
    /// A link that leads nowhere or outside the folders that may be read.
    Refused(String),
    /// A folder below the first one that cannot be looked into.
    Closed(String),
}

/// An entry of a folder.
#[derive(Debug)]
pub(super) struct Found {
    pub path: PathBuf,
    pub kind: Kind,
}

impl Found {
    /// Looks at a path, following links.
    pub(super) fn at(path: PathBuf) -> Self {
        let kind = match fs::metadata(&path) {
            Err(error) => Kind::Refused(unreadable(&error)),
            Ok(meta) => {
                let file_type = meta.file_type();
                if file_type.is_fifo() {
                    Kind::Special("FIFO")
                } else if file_type.is_socket() {
                    Kind::Special("socket")
                } else if file_type.is_block_device() || file_type.is_char_device() {
                    Kind::Special("device")
                } else {
                    Kind::File
                }
            }
        };
        Self { path, kind }
    }
}

/// Every file below a folder, in name order; folders below it only when `deep`. `None` when asked to stop.
/// Hidden folders are passed over.
pub(super) fn files(
    start: &Path,
    deep: bool,
    roots: &Roots,
    stop: &CancellationToken,
) -> io::Result<Option<Vec<Found>>> {
    let mut all = Vec::new();
    let mut seen = HashSet::new();
    let (mut folders, mut linked) = (vec![start.to_owned()], VecDeque::new());
    // Links come last, so that a folder is visited by its own path where there is one.
    while let Some(folder) = folders.pop().or_else(|| linked.pop_front()) {
        if stop.is_cancelled() {
            return Ok(None);
        }
        let opened = fs::metadata(&folder).and_then(|meta| Ok((meta, fs::read_dir(&folder)?)));
        let (meta, entries) = match opened {
            Err(error) if folder != start => {
                all.push(Found { path: folder, kind: Kind::Closed(unreadable(&error)) });
                continue;
            }
            opened => opened?,
        };
        // A folder that several links lead to is visited once; a link to a folder above would lead in circles.
        if !seen.insert((meta.dev(), meta.ino())) {
            continue;
        }
        let mut links = Vec::new();
        for entry in entries {
            // An error here means that the rest of this folder cannot be listed.
            let entry = match entry {
                Err(error) if folder != start => {
                    let reason = format!("it cannot be listed: {}", unreadable(&error));
                    all.push(Found { path: folder.clone(), kind: Kind::Closed(reason) });
                    break;
                }
                entry => entry?,
            };
            let path = entry.path();
            let Ok(file_type) = entry.file_type() else {
                all.push(Found::at(path));
                continue;
            };
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                let hidden = Found { path, kind: Kind::Hidden };
                all.extend(file_type.is_file().then_some(hidden));
            } else if file_type.is_symlink()
                && let Err(reason) = roots.inside(&path)
            {
                all.push(Found { path, kind: Kind::Refused(format!("it is a link that {reason}")) });
            } else if path.is_dir() {
                let list = if file_type.is_symlink() { &mut links } else { &mut folders };
                list.extend(deep.then_some(path));
            } else {
                all.push(Found::at(path));
            }
        }
        links.sort();
        linked.extend(links);
    }
    all.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Some(all))
}

/// Whether two paths are one file.
pub(crate) fn same_file(one: &Path, other: &Path) -> bool {
    one == other || matches!((fs::canonicalize(one), fs::canonicalize(other)), (Ok(one), Ok(other)) if one == other)
}
