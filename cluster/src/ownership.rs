//! What root has made in a data folder is given to the account that elt runs as.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Uid, chownat, open, openat, statat};
use rustix::io::Errno;

/// The folders of a data folder.
const FOLDERS: [&str; 3] = ["output", "postgres", "spool"];
/// The files of a data folder, by the start of their names: old logs and unfinished files have a number behind it.
const FILES: [&str; 2] = ["elt.log", "keys.json"];
/// Folders inside each other that are looked into.
const MAX_DEPTH: usize = 64;
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Whether a folder holds nothing but what elt makes, or a file that only elt makes: then it may be given to another
/// account. Folders called `output` and the like beside others are in many places.
pub(super) fn is_data_folder(data_dir: &Path) -> io::Result<bool> {
    let names = names(&open(data_dir, FOLDER, Mode::empty())?)?;
    Ok(names.iter().all(|name| is_own(name)) || names.iter().any(|name| is_own_file(name)))
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
    is_own_file(name) || FOLDERS.iter().any(|folder| name == *folder)
}

fn is_own_file(name: &OsStr) -> bool {
    FILES.iter().any(|file| name.as_bytes().starts_with(file.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_empty_folder_or_one_with_a_file_of_elt_is_given_away() {
        let folder = tempfile::tempdir().unwrap();
        let is_data_folder = || is_data_folder(folder.path()).unwrap();
        assert!(is_data_folder());
        for name in ["output", "outputs-2024", "postgresql"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        assert!(!is_data_folder(), "such folders are in many places");
        assert!(!is_own(OsStr::new("outputs-2024")) && is_own(OsStr::new("output")));
        std::fs::write(folder.path().join("elt.log.1"), "").unwrap();
        assert!(is_data_folder());
    }
}
