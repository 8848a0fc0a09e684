//! What root has made in a data folder is given to the account that elt runs as.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Uid, chownat, open, openat, statat};
use rustix::io::Errno;

/// The files and folders of a data folder, by the start of their names.
const OWN: [&str; 5] = ["elt.log", "keys.json", "output", "postgres", "spool"];
/// Folders inside each other that are looked into.
const MAX_DEPTH: usize = 64;
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Whether a folder is empty or holds what elt makes: then it may be given to another account.
pub(super) fn is_data_folder(data_dir: &Path) -> io::Result<bool> {
    let names = names(&open(data_dir, FOLDER, Mode::empty())?)?;
    Ok(names.is_empty() || names.iter().any(|name| is_own(name)))
}

/// Gives everything of elt in a data folder that belongs to root to another account. No link is followed, so that nothing
/// outside the folder changes its owner.
pub(super) fn give_what_root_made(data_dir: &Path, uid: u32, gid: u32) -> io::Result<()> {
    let folder = open(data_dir, FOLDER.difference(OFlags::NOFOLLOW), Mode::empty())?;
    let to = (Uid::from_raw(uid), Gid::from_raw(gid));
    names(&folder)?.iter().filter(|name| is_own(name)).try_for_each(|name| give(folder.as_fd(), name, to, MAX_DEPTH))
}

fn give(folder: impl AsFd + Copy, name: &OsStr, to: (Uid, Gid), depth: usize) -> io::Result<()> {
    let stat = match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        // Another process removed it in the meantime.
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let kind = FileType::from_raw_mode(stat.st_mode);
    // A second name of a file could be one that root has elsewhere.
    let is_single = kind == FileType::Directory || (kind == FileType::RegularFile && stat.st_nlink == 1);
    if stat.st_uid == 0 && is_single {
        chownat(folder, name, Some(to.0), Some(to.1), AtFlags::SYMLINK_NOFOLLOW)?;
    }
    if kind != FileType::Directory || depth == 0 || name == "data" {
        // The cluster's files, in `postgres/data`, are its account's already.
        return Ok(());
    }
    let inner = openat(folder, name, FOLDER, Mode::empty())?;
    names(&inner)?.iter().try_for_each(|name| give(inner.as_fd(), name, to, depth - 1))
}

fn names(folder: &OwnedFd) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name != "." && name != ".." {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

fn is_own(name: &OsStr) -> bool {
    OWN.iter().any(|own| name.as_bytes().starts_with(own.as_bytes()))
}
