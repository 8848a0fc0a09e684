//! What root has made in a data folder is given to the account that elt runs as.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Uid, fchown, fstat, open, openat, statat};
use rustix::io::Errno;

/// The folders of a data folder.
const FOLDERS: [&str; 3] = ["output", "postgres", "spool"];
/// The files of a data folder, by the start of their names: old logs and unfinished files have a number behind it.
const FILES: [&str; 2] = ["elt.log", "keys.json"];
/// Folders inside each other that are looked into.
const MAX_DEPTH: usize = 64;
const FILE: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Whether a folder holds nothing but what elt makes, or a file that only elt makes: then it may be given to another
/// account. Folders called `output` and the like beside others are in many places.
pub(super) fn is_data_folder(data_dir: &Path) -> io::Result<bool> {
    let names = names(&open(data_dir, FOLDER, Mode::empty())?)?;
    Ok(names.iter().all(|name| is_own(name)) || names.iter().any(|name| is_own_file(name)))
}

/// Gives a data folder and everything of elt in it that belongs to root to another account. No link is followed, so that nothing
/// outside the folder changes its owner.
pub(super) fn give_what_root_made(data_dir: &Path, uid: u32, gid: u32) -> io::Result<()> {
    let folder = open(data_dir, FOLDER.difference(OFlags::NOFOLLOW), Mode::empty())?;
    let to = (Uid::from_raw(uid), Gid::from_raw(gid));
    give_opened(&folder, to)?;
    names(&folder)?.iter().filter(|name| is_own(name)).try_for_each(|name| give(folder.as_fd(), name, to, MAX_DEPTH))
}

/// Gives one file or folder that root has made to another account.
///
/// # Errors
/// When it is a link, belongs to a third account, or has a second name.
pub(super) fn give_one(path: &Path, uid: u32, gid: u32) -> io::Result<()> {
    let opened = open(path, FILE, Mode::empty())?;
    give_opened(&opened, (Uid::from_raw(uid), Gid::from_raw(gid)))?;
    match fstat(&opened)?.st_uid == uid {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is not root's alone")),
    }
}

fn give(folder: impl AsFd + Copy, name: &OsStr, to: (Uid, Gid), depth: usize) -> io::Result<()> {
    let found = match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => FileType::from_raw_mode(stat.st_mode),
        // Another process removed it in the meantime.
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    // Pipes and devices are not even opened, because that may wait or do something.
    let opened = match found {
        FileType::Directory => openat(folder, name, FOLDER, Mode::empty()),
        FileType::RegularFile => openat(folder, name, FILE, Mode::empty()),
        _ => return Ok(()),
    };
    let opened = match opened {
        Ok(opened) => opened,
        // It was removed, or exchanged for something that is not given away.
        Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR | Errno::NXIO) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    give_opened(&opened, to)?;
    // The cluster's files, in `postgres/data`, are its account's already.
    if found != FileType::Directory || depth == 0 || name == "data" {
        return Ok(());
    }
    names(&opened)?.iter().try_for_each(|name| give(opened.as_fd(), name, to, depth - 1))
}

/// Gives away what was opened, if it is root's and has no other name. The account may exchange the names in its folder at
/// any time, so what is checked and what is given must be the same file, not the same name.
fn give_opened(opened: &OwnedFd, (uid, gid): (Uid, Gid)) -> io::Result<()> {
    let stat = fstat(opened)?;
    let is_single = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => true,
        // A second name of a file could be one that root has elsewhere.
        FileType::RegularFile => stat.st_nlink == 1,
        _ => false,
    };
    if stat.st_uid == 0 && is_single {
        fchown(opened, Some(uid), Some(gid))?;
    }
    Ok(())
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

    #[test]
    fn only_what_is_roots_alone_is_given_away() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        use std::os::unix::fs::MetadataExt;
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let owner = |name: &str| path(name).metadata().unwrap().uid();
        std::fs::write(path("secret"), "root's").unwrap();
        std::fs::write(path("file"), "").unwrap();
        std::fs::create_dir(path("folder")).unwrap();
        std::os::unix::fs::symlink(path("secret"), path("link")).unwrap();
        std::fs::hard_link(path("secret"), path("second name")).unwrap();
        nix::unistd::mkfifo(&path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        for name in ["link", "second name", "pipe"] {
            assert!(give_one(&path(name), 65_533, 65_533).is_err(), "{name}");
            let to = (Uid::from_raw(65_533), Gid::from_raw(65_533));
            give(&open(folder.path(), FOLDER, Mode::empty()).unwrap(), OsStr::new(name), to, 1).unwrap();
        }
        assert_eq!((owner("secret"), owner("pipe")), (0, 0));
        for name in ["file", "folder"] {
            give_one(&path(name), 65_533, 65_533).unwrap();
            assert_eq!(owner(name), 65_533, "{name}");
        }
    }
}
