//! The files on the server: one file, the files of a folder, or those that a glob matches, in the order of their names.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use elt_shared::config::FileOptions;
use futures::TryStreamExt;
use globset::GlobMatcher;
use openssh_sftp_client::fs::DirEntry;
use openssh_sftp_client::metadata::MetaData;

use super::error::{Result, SftpError};
use super::session::Session;
use crate::extract::LeftOutKind;
use crate::extract::places::{StoreError, Wanted, is_pattern};
use crate::extract::remote_paths::join;
use crate::input::{Compression, Format, format_of, other_suffix};

/// A file on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RemoteFile {
    /// Path on the server.
    pub(super) path: String,
    /// Format of its contents.
    pub(super) format: Format,
    /// Compression of its bytes.
    pub(super) compression: Compression,
    /// Size and time when it was listed.
    pub(super) version: Version,
}

/// What tells one content of a file from the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    /// Size in bytes.
    pub(super) size: u64,
    /// Modification time, in seconds since the epoch.
    pub(super) mtime: u64,
}

impl Version {
    /// Time until the file will have been unchanged for `settle`, by this machine's clock; `None`: it has been already.
    pub(super) fn rests_in(self, settle: Duration) -> Option<Duration> {
        crate::input::Version::from(self).rests_in(settle)
    }
}

impl From<Version> for crate::input::Version {
    fn from(version: Version) -> Self {
        let modified = i64::try_from(version.mtime).ok().and_then(|seconds| seconds.checked_mul(1000));
        Self { size: Some(version.size), modified, tag: None }
    }
}

/// The files of a source, and what else is there.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) files: Vec<RemoteFile>,
    /// Whether the config names one file, which then must be had.
    pub(super) single: bool,
    /// Path, severity and reason of each file that is left out.
    pub(super) left_out: Vec<(String, LeftOutKind, String)>,
}

/// Most bytes of a path. A character may stand for one byte that is not UTF-8, and takes four.
const LONGEST_PATH: usize = 4 * 4096;
/// Most bytes of all names in a folder.
const NAMES_BYTES: usize = 64 << 20;
/// Most characters that are shown of a longer one.
const SHOWN_CHARACTERS: usize = 200;

/// Lists the files of a source.
pub(super) async fn list(session: &Session, path: &str, options: &FileOptions) -> Result<Listing> {
    // A file may have a star in its name: what exists is meant.
    if !is_pattern(path) || !look(session, path).await.is_err_and(|error| is_missing(&error)) {
        return named(session, path, options).await;
    }
    let bad_glob = |error: StoreError| SftpError::BadGlob { name: session.name(path), reason: error.reason() };
    let Wanted::Glob { start, depth, matcher, .. } = Wanted::parse(path, "").map_err(bad_glob)? else {
        return named(session, path, options).await;
    };
    let mut listing = Listing::default();
    let wanted = FileFilter { depth, glob: Some(&matcher), options };
    folder(session, &start, &wanted, &mut listing).await?;
    Ok(listing)
}

/// Looks at one path, following links.
pub(super) async fn look(session: &Session, path: &str) -> Result<MetaData> {
    let mut fs = session.sftp.fs();
    session.answer(&session.name(path), fs.metadata(path)).await
}

/// The version of what is at a path.
pub(super) fn version(meta: &MetaData) -> Option<Version> {
    let mtime = meta.modified()?.as_duration().as_secs();
    Some(Version { size: meta.len()?, mtime })
}

/// A path without special characters: the file itself, or every file of the folder.
async fn named(session: &Session, path: &str, options: &FileOptions) -> Result<Listing> {
    let meta = look(session, path).await?;
    let mut listing = Listing::default();
    if meta.file_type().is_some_and(|kind| kind.is_dir()) {
        folder(session, path, &FileFilter { depth: 0, glob: None, options }, &mut listing).await?;
        return Ok(listing);
    }
    match judge(path, &meta, options) {
        Ok(file) => (listing.single, listing.files) = (true, vec![file]),
        Err((_, reason)) => return Err(SftpError::Unreadable { name: session.name(path), reason }),
    }
    Ok(listing)
}

/// A folder that is still to be listed.
struct Folder {
    path: String,
    /// Its path without links; two folders with the same one are the same folder.
    canonical: String,
    level: usize,
}

/// Which files of a folder are wanted.
struct FileFilter<'a> {
    /// Levels of folders below the first one that are listed, too.
    depth: usize,
    /// `None`: every file is wanted.
    glob: Option<&'a GlobMatcher>,
    options: &'a FileOptions,
}

/// The folders that are still to be listed: first those that have a path of their own, then those that links lead to.
struct Pending {
    folders: Vec<Folder>,
    linked: VecDeque<Folder>,
}

/// Every wanted file of a folder, and of the folders below it. Each folder is visited once, however many links lead to it,
/// and by its own path where there is one. A file or folder below the first one that cannot be read is left out with the
/// reason.
async fn folder(session: &Session, start: &str, wanted: &FileFilter<'_>, listing: &mut Listing) -> Result<()> {
    let first = Folder { path: start.to_owned(), canonical: canonical(session, start).await?, level: 0 };
    let mut pending = Pending { folders: vec![first], linked: VecDeque::new() };
    let (mut visited, mut entries) = (HashSet::new(), 0);
    while let Some(folder) = pending.folders.pop().or_else(|| pending.linked.pop_front()) {
        if !visited.insert(folder.canonical.clone()) {
            continue;
        }
        let mut found = match read(session, &folder.path).await {
            Err(error) if error.is_of_one_file() && folder.level > 0 => {
                listing.left_out.push((folder.path, LeftOutKind::Failed, error.reason()));
                continue;
            }
            found => found?,
        };
        found.sort_by(|one, other| one.filename().cmp(other.filename()));
        for entry in &found {
            entries += 1;
            if entries > session.server.limits.entries {
                return Err(SftpError::too_many(&session.name(start), session.server.limits.entries));
            }
            take_entry(session, &folder, entry, wanted, &mut pending, listing).await?;
        }
    }
    listing.files.sort_by(|one, other| one.path.cmp(&other.path));
    // A file that is listed twice is one file, whose rows would be read twice.
    listing.files.dedup_by(|one, other| one.path == other.path);
    listing.left_out.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(())
}

/// Adds an entry of a folder: to the folders that are still to be listed, to the files, or to what is left out.
async fn take_entry(
    session: &Session,
    folder: &Folder,
    entry: &DirEntry,
    wanted: &FileFilter<'_>,
    pending: &mut Pending,
    listing: &mut Listing,
) -> Result<()> {
    // Hidden entries belong to other programs; `.` and `..` are among them.
    let name = entry.filename().to_string_lossy();
    if name.starts_with('.') {
        return Ok(());
    }
    let path = join(&folder.path, &name);
    if name.contains('/') || name.is_empty() {
        let reason = "the server lists it under a name that is not a file name".into();
        listing.left_out.push((path, LeftOutKind::Failed, reason));
        return Ok(());
    }
    if let Err((path, reason)) = storable(&path) {
        listing.left_out.push((path, LeftOutKind::Failed, reason));
        return Ok(());
    }
    let is_plain = entry.file_type().is_some_and(|kind| kind.is_file() || kind.is_dir());
    let meta = if is_plain {
        entry.metadata()
    } else {
        // For a link, or when the server does not report the kind, the target is asked for.
        match look(session, &path).await {
            Err(error) if error.is_of_one_file() => {
                listing.left_out.push((path, LeftOutKind::Failed, error.reason()));
                return Ok(());
            }
            meta => meta?,
        }
    };
    if meta.file_type().is_some_and(|kind| kind.is_dir()) {
        let level = folder.level + 1;
        match (level <= wanted.depth, is_plain) {
            (false, _) => {}
            (true, true) => {
                pending.folders.push(Folder { canonical: join(&folder.canonical, &name), path, level });
            }
            (true, false) => {
                pending.linked.push_back(Folder { canonical: canonical(session, &path).await?, path, level });
            }
        }
    } else if wanted.glob.is_none_or(|glob| glob.is_match(&path)) {
        match judge(&path, &meta, wanted.options) {
            Ok(file) => listing.files.push(file),
            Err((kind, reason)) => listing.left_out.push((path, kind, reason)),
        }
    }
    Ok(())
}

/// A folder's path without links; the path itself where the server does not tell.
async fn canonical(session: &Session, folder: &str) -> Result<String> {
    let mut fs = session.sftp.fs();
    let asked = if folder.is_empty() { "." } else { folder };
    match session.answer(&session.name(folder), fs.canonicalize(asked)).await {
        Ok(path) => Ok(path.to_string_lossy().into_owned()),
        Err(error) if error.is_of_one_file() => Ok(folder.to_owned()),
        Err(error) => Err(error),
    }
}

/// The entries of a folder.
///
/// # Errors
/// When the folder cannot be listed or entered, or has too many entries.
async fn read(session: &Session, folder: &str) -> Result<Vec<DirEntry>> {
    let name = session.name(folder);
    let mut fs = session.sftp.fs();
    let opened = session.answer(&name, fs.open_dir(if folder.is_empty() { "." } else { folder })).await?;
    let mut stream = Box::pin(opened.read_dir());
    let (mut entries, mut bytes) = (Vec::new(), 0);
    while let Some(entry) = session.answer(&name, stream.try_next()).await? {
        bytes += entry.filename().as_os_str().len();
        entries.push(entry);
        if entries.len() > session.server.limits.entries || bytes > NAMES_BYTES {
            return Err(SftpError::too_many(&name, session.server.limits.entries));
        }
    }
    if entries.iter().all(|entry| entry.filename() == "..") {
        enter(session, folder).await?;
    }
    Ok(entries)
}

/// Checks that the account may enter a folder that seems to hold nothing, not even `.`. OpenSSH leaves out of a listing
/// each entry whose attributes it cannot read. In a folder that may be listed but not entered, these are all entries.
async fn enter(session: &Session, folder: &str) -> Result<()> {
    let name = session.name(folder);
    let mut fs = session.sftp.fs();
    match session.answer(&name, fs.symlink_metadata(join(folder, "."))).await {
        Ok(_) => Ok(()),
        Err(SftpError::Forbidden { name, user }) => Err(SftpError::NotEnterable { name, user }),
        // Some servers send no `.` and know no such path.
        Err(error) if error.is_of_one_file() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Checks that a path can be written into a report. The error is a form that can be shown, and the reason. A server may
/// send any bytes as a name.
fn storable(path: &str) -> Result<(), (String, String)> {
    if path.len() > LONGEST_PATH {
        let shown = path.chars().filter(|c| !c.is_control()).take(SHOWN_CHARACTERS).collect();
        Err((shown, "its path is longer than one can be".into()))
    } else if path.contains('\0') {
        Err((path.replace('\0', "\u{fffd}"), "its name has a NUL character: rename it on the server".into()))
    } else {
        Ok(())
    }
}

/// Whether an entry is input, and if not, why.
fn judge(path: &str, meta: &MetaData, options: &FileOptions) -> Result<RemoteFile, (LeftOutKind, String)> {
    use LeftOutKind::{Failed, Skipped};
    if meta.file_type().is_some_and(|kind| !kind.is_file()) {
        return Err((Skipped, "it is a FIFO, socket or device, not a file".into()));
    }
    let Some((format, compression)) = format_of(path, options) else {
        return Err((Skipped, other_suffix(path)));
    };
    let Some(version) = version(meta) else {
        return Err((Failed, "the server does not say its size and time".into()));
    };
    Ok(RemoteFile { path: path.to_owned(), format, compression, version })
}

fn is_missing(error: &SftpError) -> bool {
    matches!(error, SftpError::Missing { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_no_report_can_hold_is_shown_without_it() {
        assert!(storable("/out/a b.csv").is_ok());
        let (shown, reason) = storable("/out/a\0b.csv").expect_err("a NUL character");
        assert_eq!(shown, "/out/a\u{fffd}b.csv");
        assert!(reason.contains("NUL"), "{reason}");
        let (shown, reason) = storable(&format!("/out/a.csv{}", ".gpg".repeat(1 << 20))).expect_err("a long path");
        assert!(shown.len() <= SHOWN_CHARACTERS && reason.contains("longer"), "{reason}");
    }
}
