//! Opens files below the handle of a folder without following any link, so that a part of the path that is exchanged for
//! a link in the meantime leads nowhere.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path};

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

/// A folder that is only passed through.
const PASSED: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// Attempts of an `openat2` that the kernel gives up because a folder was moved meanwhile.
#[cfg(target_os = "linux")]
const TRIES: usize = 16;

/// Flags for reading. A FIFO or a device is opened without waiting, so that the caller can find its kind and refuse it.
pub const READ: OFlags =
    OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// Flags for a folder whose entries are listed or changed.
pub const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Opens `path` below `folder`. An empty path is the folder itself.
///
/// # Errors
/// `ELOOP` or `ENOTDIR` when a part of the path is a link, `EXDEV` when the path is absolute or has a `..`; else as
/// `open`.
pub fn open(folder: impl AsFd, path: &Path, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
    if path.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
        return Err(Errno::XDEV.into());
    }
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    #[cfg(target_os = "linux")]
    if let Some(opened) = at_once(folder.as_fd(), path, flags, mode) {
        return opened;
    }
    part_by_part(folder, path, flags, mode)
}

/// Opens with `openat2`; `None`: this kernel or this process's filter of system calls does not know it.
#[cfg(target_os = "linux")]
fn at_once(folder: impl AsFd, path: &Path, flags: OFlags, mode: Mode) -> Option<io::Result<OwnedFd>> {
    use rustix::fs::{ResolveFlags, openat2};
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    for _ in 0..TRIES {
        match openat2(&folder, path, flags, mode, resolve) {
            // Docker's older filters answer EPERM to system calls that they do not know. A real EPERM is answered again by the
            // other way of opening.
            Err(Errno::NOSYS | Errno::PERM | Errno::TOOBIG) => return None,
            Err(Errno::AGAIN | Errno::INTR) => {}
            opened => return Some(opened.map_err(io::Error::from)),
        }
    }
    None
}

/// Opens one folder after the other, none of which may be a link.
fn part_by_part(folder: impl AsFd, path: &Path, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
    let mut parts = path.components().map(Component::as_os_str).peekable();
    let mut at: Option<OwnedFd> = None;
    while let Some(part) = parts.next() {
        let here = at.as_ref().map_or(folder.as_fd(), AsFd::as_fd);
        if parts.peek().is_none() {
            return Ok(openat(here, part, flags | OFlags::NOFOLLOW, mode)?);
        }
        let next = openat(here, part, PASSED, Mode::empty())?;
        at = Some(next);
    }
    Ok(openat(folder, OsStr::new("."), flags | OFlags::NOFOLLOW, mode)?)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use super::*;

    type Open = fn(&File, &str) -> io::Result<OwnedFd>;

    /// Both ways of opening, which must give the same results.
    const WAYS: [Open; 2] = [
        |folder, path| open(folder, Path::new(path), READ, Mode::empty()),
        |folder, path| part_by_part(folder, Path::new(path), READ, Mode::empty()),
    ];

    fn text(opened: io::Result<OwnedFd>) -> io::Result<String> {
        let mut text = String::new();
        File::from(opened?).read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn only_what_lies_below_the_folder_is_opened_and_no_link_is_followed() {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(root.path().join("in/deep")).expect("a folder");
        fs::write(root.path().join("in/deep/a"), "inside").expect("a file");
        fs::write(root.path().join("secret"), "outside").expect("a file");
        let link = |to: &str, name: &str| symlink(to, root.path().join("in").join(name)).expect("a link");
        link("../secret", "up");
        link("/etc", "etc");
        link("deep", "same");
        link("/proc/self/root", "magic");
        let folder = File::open(root.path().join("in")).expect("a folder");
        for way in WAYS {
            assert_eq!(text(way(&folder, "deep/a")).expect("inside"), "inside");
            for path in ["up", "etc/passwd", "same/a", "magic/etc/passwd", "gone", "deep/a/b", "deep/gone/a"] {
                assert!(way(&folder, path).is_err(), "{path}");
            }
        }
        for path in ["../secret", "deep/../../secret", "/etc/passwd"] {
            let refused = WAYS[0](&folder, path).expect_err(path);
            assert_eq!(refused.raw_os_error(), Some(Errno::XDEV.raw_os_error()), "{path}");
        }
    }

    #[test]
    fn a_fifo_does_not_keep_the_reader_waiting() {
        let root = tempfile::tempdir().expect("a folder");
        nix::unistd::mkfifo(&root.path().join("fifo"), nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
        let folder = File::open(root.path()).expect("a folder");
        for way in WAYS {
            let opened = way(&folder, "fifo").expect("opened without a writer");
            assert!(!File::from(opened).metadata().expect("its kind").is_file());
        }
    }
}
