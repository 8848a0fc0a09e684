//! The place of an output file: its folder, open, and its name in it. Everything is done relative to the open folder, so
//! that a folder on the way that is exchanged for a link leads nowhere.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use elt_shared::config::is_output_name;
use elt_shared::store::outputs::FileIdentity;
use rustix::fs::{
    Access, AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, Stat, accessat, fsync, mkdirat, open, openat, renameat,
    renameat_with, statat, unlinkat,
};
use rustix::io::Errno;
use uuid::Uuid;
use xxhash_rust::xxh3::Xxh3;

use super::{Roots, beneath};

/// Bytes that are hashed at a time.
const PIECE_BYTES: usize = 1 << 20;
/// Mode of the folders made for output files: for this account alone.
const FOLDER_MODE: Mode = Mode::RWXU;
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// The place of an output file.
#[derive(Debug)]
pub struct OutputPlace {
    folder: OwnedFd,
    /// Path of the folder without links.
    real_folder: PathBuf,
    name: OsString,
    /// Path of the file as the config writes it.
    shown: PathBuf,
}

/// The reason why an output file may not be written, or cannot be.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// It is one of the program's own files.
    #[error("is one of elt's own files")]
    Own,
    /// It is outside the folders named for writing.
    #[error("is outside the folders the worker may write to")]
    Outside,
    /// Its name lacks the suffix of its format.
    #[error("does not end in the suffix of its format, such as .csv")]
    Suffix,
    /// Its folder cannot be used.
    #[error("cannot be written")]
    Io(#[from] io::Error),
}

/// The file that has the name of an output file now.
#[derive(Debug)]
pub enum There {
    /// No file has the name.
    Nothing,
    /// A regular file has the name.
    File(FileIdentity),
    /// A link, device, FIFO or socket has the name.
    Other,
}

/// A path that may be written, before anything is opened.
struct Allowed {
    /// The nearest existing folder at or above the folder that the operator named for writing.
    anchor: PathBuf,
    /// The file's folder, without links.
    folder: PathBuf,
    name: OsString,
}

impl OutputPlace {
    /// Opens the place of a file, and creates its folder when it is missing.
    ///
    /// # Errors
    /// When the file may not be written there.
    pub fn make(roots: &Roots, path: &Path) -> Result<Self, PlaceError> {
        let allowed = allowed(roots, path)?;
        let (folder, rest) = allowed.walk(true)?;
        debug_assert!(rest.is_none(), "every folder was made");
        Self::at(folder, allowed, path)
    }

    /// The place of a file, without creating anything. `None`: its folder does not exist yet.
    ///
    /// # Errors
    /// When the file could not be written there.
    pub fn look(roots: &Roots, path: &Path) -> Result<Option<Self>, PlaceError> {
        let allowed = allowed(roots, path)?;
        let (folder, rest) = allowed.walk(false)?;
        accessat(&folder, ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::empty()).map_err(io::Error::from)?;
        match rest {
            Some(_) => Ok(None),
            None => Self::at(folder, allowed, path).map(Some),
        }
    }

    fn at(folder: OwnedFd, allowed: Allowed, path: &Path) -> Result<Self, PlaceError> {
        let place = Self { folder, real_folder: allowed.folder, name: allowed.name, shown: path.to_owned() };
        match place.stat(&place.name) {
            Ok(Some(stat)) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
                Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder").into())
            }
            Ok(_) => Ok(place),
            Err(error) => Err(error.into()),
        }
    }

    /// Path of the file as the config writes it.
    pub fn shown(&self) -> &Path {
        &self.shown
    }

    /// Name of the file in its folder.
    pub fn name(&self) -> &OsStr {
        &self.name
    }

    /// The path without links of a file in the folder.
    pub fn real(&self, name: &OsStr) -> PathBuf {
        self.real_folder.join(name)
    }

    /// Identity of the path. Paths that differ only in case have one identity, because they are one file on some file systems.
    pub fn key(&self) -> String {
        self.real(&self.name).to_string_lossy().to_lowercase()
    }

    /// The file that has the name now. A link is not followed.
    ///
    /// # Errors
    /// When its metadata cannot be read.
    pub fn there(&self) -> io::Result<There> {
        Ok(match self.stat(&self.name)? {
            None => There::Nothing,
            Some(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                There::File(identity(&stat, None))
            }
            Some(_) => There::Other,
        })
    }

    /// Reads the whole file that has the name now, and hashes it.
    ///
    /// # Errors
    /// When it cannot be read, or is not a regular file.
    pub fn content_hash(&self) -> io::Result<Uuid> {
        let mut file = self.open(&self.name)?;
        let mut hash = Xxh3::new();
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            match file.read(&mut piece)? {
                0 => return Ok(Uuid::from_u128(hash.digest128())),
                count => hash.update(&piece[..count]),
            }
        }
    }

    /// Identity of a file of the folder, by inode, size, time and content.
    ///
    /// # Errors
    /// When it is not a regular file, or its metadata cannot be read.
    pub fn identity(&self, name: &OsStr, content_hash: Option<u128>) -> io::Result<FileIdentity> {
        match self.stat(name)? {
            Some(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                Ok(identity(&stat, content_hash.map(Uuid::from_u128)))
            }
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Creates a file that did not exist.
    ///
    /// # Errors
    /// When something has the name, or the folder cannot be written to.
    pub fn create(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(openat(&self.folder, name, flags, FILE_MODE)?.into())
    }

    /// Opens a regular file of the folder for reading. A link is not followed.
    ///
    /// # Errors
    /// When it is not a regular file, or cannot be opened.
    pub fn open(&self, name: &OsStr) -> io::Result<File> {
        let file = File::from(beneath::open(&self.folder, Path::new(name), beneath::READ, Mode::empty())?);
        if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
    }

    /// Gives a file of the folder the final name. `replace`: the file that has the name is replaced.
    ///
    /// # Errors
    /// When something has the name and may not be replaced, or the folder cannot be written to.
    pub fn publish(&self, unfinished: &OsStr, replace: bool) -> io::Result<()> {
        let (folder, name) = (&self.folder, &self.name);
        let renamed = if replace {
            renameat(folder, unfinished, folder, name)
        } else {
            match renameat_with(folder, unfinished, folder, name, RenameFlags::NOREPLACE) {
                // Network drives do not know this kind of renaming.
                Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => renameat(folder, unfinished, folder, name),
                renamed => renamed,
            }
        };
        renamed.map_err(io::Error::from)?;
        Ok(fsync(folder)?)
    }

    /// Removes a file of the folder.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(unlinkat(&self.folder, name, AtFlags::empty())?)
    }

    /// The names in the folder, as far as it can be listed.
    pub fn names(&self) -> Vec<OsString> {
        use std::os::unix::ffi::OsStrExt;
        let Ok(entries) = Dir::read_from(&self.folder) else { return Vec::new() };
        entries.flatten().map(|entry| OsStr::from_bytes(entry.file_name().to_bytes()).to_owned()).collect()
    }

    fn stat(&self, name: &OsStr) -> io::Result<Option<Stat>> {
        match statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl Allowed {
    /// Opens the folder from the anchor on, one part after the other, none of which may be a link. Returns the last
    /// folder there is, and the part that is missing.
    fn walk(&self, make: bool) -> io::Result<(OwnedFd, Option<&OsStr>)> {
        let below = self.folder.strip_prefix(&self.anchor).map_err(|_| io::Error::from(Errno::XDEV))?;
        let mut at = open(&self.anchor, beneath::FOLDER.difference(OFlags::NOFOLLOW), Mode::empty())?;
        for part in below.components().map(Component::as_os_str) {
            let next = match beneath::open(at.as_fd(), Path::new(part), beneath::FOLDER, Mode::empty()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && !make => return Ok((at, Some(part))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    match mkdirat(&at, part, FOLDER_MODE) {
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(error) => return Err(error.into()),
                    }
                    beneath::open(at.as_fd(), Path::new(part), beneath::FOLDER, Mode::empty())?
                }
                opened => opened?,
            };
            at = next;
        }
        Ok((at, None))
    }
}

/// Checks a path without opening it; links on the way are followed.
fn allowed(roots: &Roots, path: &Path) -> Result<Allowed, PlaceError> {
    let no_name = || io::Error::new(io::ErrorKind::InvalidInput, "it names no file");
    let name = path.file_name().ok_or_else(no_name)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let there = folder.ancestors().find_map(|above| {
        let rest = folder.strip_prefix(above).ok()?;
        Some((std::fs::canonicalize(above).ok()?, rest))
    });
    let (there, rest) = there.ok_or(PlaceError::Outside)?;
    // `..` below a missing folder is refused, because it would lead up from a folder that is created later.
    if rest.components().any(|part| matches!(part, Component::ParentDir)) {
        return Err(PlaceError::Outside);
    }
    let folder = there.join(rest);
    let real = folder.join(name);
    if roots.own(&real) {
        return Err(PlaceError::Own);
    }
    let root = roots.writable_root(&real).ok_or(PlaceError::Outside)?;
    if !is_output_name(&name.to_string_lossy()) {
        return Err(PlaceError::Suffix);
    }
    let anchor = root.ancestors().find(|above| above.is_dir()).unwrap_or(Path::new("/"));
    Ok(Allowed { anchor: anchor.to_owned(), folder, name: name.to_owned() })
}

fn identity(stat: &Stat, content_hash: Option<Uuid>) -> FileIdentity {
    // A number that the database cannot hold is cut. Two files with the same cut number still differ in the other members.
    let modified_ns = i128::from(stat.st_mtime) * 1_000_000_000 + i128::from(stat.st_mtime_nsec);
    FileIdentity {
        inode: stat.st_ino.cast_signed(),
        size: stat.st_size,
        modified_ns: i64::try_from(modified_ns).unwrap_or(i64::MAX),
        content_hash,
    }
}
