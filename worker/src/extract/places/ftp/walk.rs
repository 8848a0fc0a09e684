//! The files of a folder or glob on an FTP server.

use std::collections::HashSet;

use elt_shared::config::FileOptions;
use globset::GlobMatcher;

use super::connection::Connection;
use super::entries::{self, Entry, Kind};
use crate::extract::LeftOutKind::{Failed, Skipped};
use crate::extract::places::wanted::Wanted;
use crate::extract::places::{Listing, RemoteFile, Result, StoreError};
use crate::extract::remote_paths::join;
use crate::input::{Version, format_of};

/// The files that a path names. `most`: the number of entries of all folders after which the listing fails.
pub(super) async fn list(
    connection: &mut Connection,
    path: &str,
    wanted: &Wanted,
    options: &FileOptions,
    most: usize,
) -> Result<Listing> {
    let named = match connection.kind(path).await {
        Ok(kind) => kind,
        // A file may have a star in its name: what exists is meant.
        Err(StoreError::Missing { .. } | StoreError::Forbidden { .. } | StoreError::Unreadable { .. })
            if matches!(wanted, Wanted::Glob { .. }) =>
        {
            let Wanted::Glob { start, depth, matcher, .. } = wanted else { return Ok(Listing::default()) };
            let walk = Walk { glob: Some(matcher), depth: *depth, options, most };
            return walk.below(connection, start).await;
        }
        Err(error) => return Err(error),
    };
    match named {
        Kind::Folder(_) => Walk { glob: None, depth: 0, options, most }.below(connection, path).await,
        Kind::File(version) => {
            Ok(Listing { files: vec![file(path, version.unwrap_or_default())], named: true, ..Listing::default() })
        }
        Kind::Link | Kind::Other => Err(StoreError::Unreadable {
            name: connection.shown(path),
            reason: "it is neither a file nor a folder".into(),
        }),
    }
}

fn file(path: &str, version: Version) -> RemoteFile {
    RemoteFile { path: path.to_owned(), name: path.to_owned(), version }
}

/// A walk through folders.
struct Walk<'a> {
    /// Which files are wanted. `None`: all.
    glob: Option<&'a GlobMatcher>,
    /// Levels of folders below the first one.
    depth: usize,
    options: &'a FileOptions,
    most: usize,
}

/// A folder that is still to be listed.
struct Folder {
    path: String,
    /// What the server calls it by, if it has such a name. A folder is listed once, whatever leads to it.
    unique: Option<String>,
    level: usize,
}

impl Walk<'_> {
    /// Every wanted file of a folder, and of the folders below it. One below the first that cannot be listed is left out with
    /// the reason.
    async fn below(&self, connection: &mut Connection, start: &str) -> Result<Listing> {
        let mut listing = Listing::default();
        let mut folders = vec![Folder { path: start.to_owned(), unique: None, level: 0 }];
        let (mut seen, mut listed) = (HashSet::new(), 0);
        while let Some(folder) = folders.pop() {
            if folder.unique.as_ref().is_some_and(|unique| !seen.insert(unique.clone())) {
                continue;
            }
            let lines = match connection.lines(&folder.path, self.most - listed).await {
                Err(error) if error.is_of_one_file() && folder.level > 0 => {
                    listing.left_out.push((folder.path, Failed, error.reason()));
                    continue;
                }
                Err(StoreError::TooMuch { .. }) => {
                    return Err(StoreError::too_many(&connection.shown(start), self.most));
                }
                lines => lines?,
            };
            listed += lines.len();
            let mut unknown = 0;
            for line in lines {
                let entry =
                    if connection.has_facts { entries::of_facts(&line).map(Some) } else { entries::of_list(&line) };
                match entry {
                    None => unknown += 1,
                    Some(None) => {}
                    Some(Some(entry)) => self.take(connection, entry, &folder, &mut folders, &mut listing).await?,
                }
            }
            if unknown > 0 {
                let lines = if unknown == 1 { "1 line".to_owned() } else { format!("{unknown} lines") };
                listing.left_out.push((folder.path, Failed, format!("{lines} of its listing cannot be understood")));
            }
        }
        Ok(listing)
    }

    /// Takes one entry of a folder.
    async fn take(
        &self,
        connection: &mut Connection,
        entry: Entry,
        folder: &Folder,
        folders: &mut Vec<Folder>,
        listing: &mut Listing,
    ) -> Result<()> {
        // Hidden entries belong to other programs; `.` and `..` are among them.
        if entry.name.starts_with('.') {
            return Ok(());
        }
        let path = join(&folder.path, &entry.name);
        if entry.name.contains(['/', '\0', '\r']) {
            listing.left_out.push((path, Failed, "the server lists it under a name that is not a file name".into()));
            return Ok(());
        }
        if let Kind::Folder(unique) = entry.kind {
            if folder.level < self.depth {
                folders.push(Folder { path, unique, level: folder.level + 1 });
            }
            return Ok(());
        }
        if self.glob.is_some_and(|glob| !glob.is_match(&path)) {
            return Ok(());
        }
        let version = match entry.kind {
            Kind::File(Some(version)) => version,
            // The driver leaves it out, so nothing more is asked about it.
            Kind::File(None) if format_of(&path, self.options).is_none() => Version::default(),
            Kind::File(None) | Kind::Link => match connection.kind(&path).await {
                Ok(Kind::File(version)) => version.unwrap_or_default(),
                Ok(_) => {
                    let reason = "it is a link to a folder, which is not followed on FTP servers".into();
                    listing.left_out.push((path, Skipped, reason));
                    return Ok(());
                }
                Err(error) if error.is_of_one_file() => {
                    listing.left_out.push((path, Failed, error.reason()));
                    return Ok(());
                }
                Err(error) => return Err(error),
            },
            Kind::Folder(_) | Kind::Other => {
                // The folder itself and the one above have names with dots, or that of the folder.
                return Ok(());
            }
        };
        listing.files.push(file(&path, version));
        Ok(())
    }
}
