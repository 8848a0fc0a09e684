//! Inboxes: a folder for each pipeline, into which the API puts uploaded files and from which workers load them.
//!
//! A file is complete from the moment at which it has its name. Until then it is a [`Partial`] in a hidden folder of the
//! inbox, which no source lists. Everything is done relative to the open folder, and no link below it is followed.
//!
//! # Layout
//! - [`names`]: names of files, and of the folders of pipelines
//! - [`partial`]: uploads that are not complete

mod names;
mod partial;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, fsync, mkdirat, open, renameat, statat, unlinkat};
use rustix::io::Errno;
/// The hash of a file's content, as receipts show it.
pub use xxhash_rust::xxh3::Xxh3;

pub use names::{FileName, NameError};
pub use partial::{Begun, Partial, UploadName};

use crate::{beneath, private_folder};

/// The folder of uploads that are not complete, in each inbox.
const PARTIALS: &str = ".partial";
/// The file in [`PARTIALS`] whose lock is held while a file of the inbox gets its name or is removed.
const LOCK: &str = "lock";
/// Most entries of an inbox.
pub const MOST_FILES: u64 = 10_000;
/// Bytes that are hashed at a time.
const PIECE_BYTES: usize = 1 << 20;
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// A pipeline's inbox, open.
#[derive(Debug)]
pub struct Inbox {
    folder: OwnedFd,
    partials: OwnedFd,
}

/// A complete file of an inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxFile {
    /// Its name in the inbox.
    pub name: String,
    /// Size in bytes.
    pub bytes: u64,
    /// When its last byte was written.
    pub modified: SystemTime,
}

/// What tells a file from one that took its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileIdentity {
    /// Number of its inode, which a later file may have again.
    pub inode: u64,
    /// Size in bytes.
    pub bytes: u64,
    /// Time of the last write, in nanoseconds since 1970.
    pub modified_ns: i128,
}

impl FileIdentity {
    fn of(stat: &Stat) -> Self {
        let modified_ns = i128::from(stat.st_mtime) * 1_000_000_000 + i128::from(stat.st_mtime_nsec);
        Self { inode: stat.st_ino, bytes: stat.st_size.cast_unsigned(), modified_ns }
    }
}

/// What is in an inbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// The complete files, by name.
    pub files: Vec<InboxFile>,
    /// Number of uploads that are not complete.
    pub partials: u64,
    /// Bytes of the files, and bytes that uploads will have when they are complete.
    pub bytes: u64,
}

/// How the naming of a complete upload ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Landed {
    /// No file had the name.
    New,
    /// It took the place of another file.
    Replaced,
    /// Another file has the name, and stays.
    Taken,
}

/// Path of a pipeline's inbox below `base`, the folder of all inboxes.
pub fn path(base: &Path, pipeline: &str) -> PathBuf {
    base.join(names::folder(pipeline))
}

impl Inbox {
    /// Opens a pipeline's inbox below `base`, and makes it when it is missing.
    ///
    /// # Errors
    /// When a folder cannot be made or opened, or is a link.
    pub fn make(base: &Path, pipeline: &str) -> io::Result<Self> {
        private_folder::create(base)?;
        let base = open_base(base)?;
        let name = names::folder(pipeline);
        let folder = subfolder(&base, OsStr::new(&name))?;
        let partials = subfolder(&folder, OsStr::new(PARTIALS))?;
        Ok(Self { folder, partials })
    }

    /// Opens a pipeline's inbox. `None`: no file was uploaded yet.
    ///
    /// # Errors
    /// When a folder cannot be opened, or is a link.
    pub fn open(base: &Path, pipeline: &str) -> io::Result<Option<Self>> {
        Self::open_at(&path(base, pipeline))
    }

    /// Opens the inbox at the path that [`path`] gives.
    ///
    /// # Errors
    /// As [`Inbox::open`].
    pub fn open_at(path: &Path) -> io::Result<Option<Self>> {
        let (Some(base), Some(name)) = (path.parent(), path.file_name()) else { return Ok(None) };
        let folder = there(open_base(base))?.map(|base| there(open_below(&base, name)));
        let Some(folder) = folder.transpose()?.flatten() else { return Ok(None) };
        let partials = there(open_below(&folder, OsStr::new(PARTIALS)))?;
        Ok(partials.map(|partials| Self { folder, partials }))
    }

    /// What is in the inbox. Hidden files and entries of other kinds are not counted.
    ///
    /// # Errors
    /// When a folder cannot be listed.
    pub fn contents(&self) -> io::Result<Contents> {
        let mut contents = Contents::default();
        for name in entries(&self.folder)? {
            let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
            let Some(file) = self.stat_file(OsStr::new(name))? else { continue };
            contents.bytes = contents.bytes.saturating_add(file.bytes);
            contents.files.push(file);
        }
        for name in entries(&self.partials)? {
            let Some(total) = partial::total_of(&name) else { continue };
            contents.partials += 1;
            contents.bytes = contents.bytes.saturating_add(total);
        }
        contents.files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(contents)
    }

    /// A complete file. `None`: no file has the name.
    ///
    /// # Errors
    /// When its metadata cannot be read.
    pub fn find(&self, name: &FileName) -> io::Result<Option<InboxFile>> {
        self.stat_file(name.as_os())
    }

    /// xxh3-128 of a complete file, which is read for it. `None`: no file has the name.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn hash(&self, name: &FileName) -> io::Result<Option<u128>> {
        if self.find(name)?.is_none() {
            return Ok(None);
        }
        let opened = beneath::open(&self.folder, Path::new(name.as_str()), beneath::READ, Mode::empty());
        there(opened)?.map(|file| hash_of(&mut File::from(file))).transpose()
    }

    /// Removes a complete file. False: no file has the name.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, name: &FileName) -> io::Result<bool> {
        let _lock = self.lock()?;
        self.unlink(name.as_os())
    }

    /// Removes a file if it is still the one of this identity. False: it is gone, or another file has the name.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove_unchanged(&self, name: &OsStr, identity: FileIdentity) -> io::Result<bool> {
        // No upload gets the name between the look and the removal.
        let _lock = self.lock()?;
        match stat(&self.folder, name)? {
            Some(stat) if FileIdentity::of(&stat) == identity => self.unlink(name),
            _ => Ok(false),
        }
    }

    /// Gives a complete upload its name. Its bytes are on the disk when this returns.
    ///
    /// # Errors
    /// When the file cannot be written to the disk or renamed. It then has no name yet, or has it already.
    pub fn land(&self, partial: &Partial, name: &FileName, replace: bool) -> io::Result<Landed> {
        partial.file().sync_all()?;
        let _lock = self.lock()?;
        let landed = match stat(&self.folder, name.as_os())? {
            Some(_) if !replace => return Ok(Landed::Taken),
            Some(stat) if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile => {
                return Err(io::Error::new(ErrorKind::AlreadyExists, "something that is not a file has the name"));
            }
            Some(_) => Landed::Replaced,
            None => Landed::New,
        };
        renameat(&self.partials, partial.entry(), &self.folder, name.as_os())?;
        fsync(&self.folder)?;
        fsync(&self.partials)?;
        Ok(landed)
    }

    /// Removes unfinished uploads that were not written to for `unused`. Returns the number of removed ones.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn remove_unfinished(&self, unused: Duration) -> io::Result<u64> {
        let mut removed = 0;
        for name in entries(&self.partials)? {
            if partial::total_of(&name).is_none() {
                continue;
            }
            let Some(file) = there(partial::open(&self.partials, &name, OFlags::RDWR))? else { continue };
            // A request that writes to it holds its lock. One that held it until now may have given the file its name.
            if file.try_lock().is_err() || !is_at(&self.partials, &name, &file)? {
                continue;
            }
            if file.metadata()?.modified()?.elapsed().is_ok_and(|age| age > unused) {
                removed += u64::from(unlinkat(&self.partials, &name, AtFlags::empty()).is_ok());
            }
        }
        Ok(removed)
    }

    /// Bytes that the file system of the inbox has free for this account.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn free(&self) -> io::Result<u64> {
        let disk = rustix::fs::fstatvfs(&self.folder)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    fn stat_file(&self, name: &OsStr) -> io::Result<Option<InboxFile>> {
        let Some(stat) = stat(&self.folder, name)? else { return Ok(None) };
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Ok(None);
        }
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(stat.st_mtime).unwrap_or_default());
        let name = name.to_string_lossy().into_owned();
        Ok(Some(InboxFile { name, bytes: stat.st_size.cast_unsigned(), modified }))
    }

    /// Waits for the lock of the inbox, which is released when the file is dropped.
    fn lock(&self) -> io::Result<File> {
        let file = partial::open(&self.partials, OsStr::new(LOCK), OFlags::RDWR | OFlags::CREATE)?;
        file.lock()?;
        Ok(file)
    }

    fn unlink(&self, name: &OsStr) -> io::Result<bool> {
        let removed = there(unlinkat(&self.folder, name, AtFlags::empty()).map_err(io::Error::from))?.is_some();
        fsync(&self.folder)?;
        Ok(removed)
    }
}

/// xxh3-128 of a file from its start.
fn hash_of(file: &mut File) -> io::Result<u128> {
    let mut hash = Xxh3::new();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hash.digest128()),
            count => hash.update(&piece[..count]),
        }
    }
}

/// The folder of all inboxes. The operator names it, so its links are followed.
fn open_base(base: &Path) -> io::Result<OwnedFd> {
    Ok(open(base, beneath::FOLDER.difference(OFlags::NOFOLLOW), Mode::empty())?)
}

fn open_below(folder: &OwnedFd, name: &OsStr) -> io::Result<OwnedFd> {
    beneath::open(folder, Path::new(name), beneath::FOLDER, Mode::empty())
}

/// Opens a folder, and makes it when it is missing.
fn subfolder(parent: &OwnedFd, name: &OsStr) -> io::Result<OwnedFd> {
    match open_below(parent, name) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            match mkdirat(parent, name, Mode::RWXU) {
                Ok(()) => fsync(parent)?,
                // Another upload made it meanwhile.
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            open_below(parent, name)
        }
        opened => opened,
    }
}

fn stat(folder: &OwnedFd, name: &OsStr) -> io::Result<Option<Stat>> {
    there(statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(io::Error::from))
}

/// `None` for what does not exist.
fn there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

fn entries(folder: &OwnedFd) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let name = OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned();
        if name != "." && name != ".." {
            names.push(name);
        }
    }
    Ok(names)
}

/// Whether an open file is the one that has the name in the folder.
fn is_at(folder: &OwnedFd, name: &OsStr, file: &File) -> io::Result<bool> {
    let inode = file.metadata()?.ino();
    Ok(stat(folder, name)?.is_some_and(|stat| stat.st_ino == inode))
}
