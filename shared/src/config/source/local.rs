//! `type: local`: files a worker can read.

use super::files::{self, FileOptions};
use crate::config::keys::{Key, joined};
use crate::config::section::Section;

/// `type: local`.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalSource {
    /// A folder, a file or a glob, as written (relative to the worker's working folder).
    pub path: String,
    /// Joined to a folder: which files below it.
    pub glob: Option<String>,
    /// Look into folders below.
    pub recursive: bool,
    /// How the files are read.
    pub files: FileOptions,
    /// Seconds that a file must stay unchanged before it is loaded.
    pub settle_seconds: u64,
}

pub(super) const KEYS: &[Key] = &joined::<{ OWN_KEYS.len() + files::KEYS.len() }>(OWN_KEYS, files::KEYS);

const OWN_KEYS: &[Key] = &[
    Key::text("path", "A folder, a file or a glob, relative to the worker's working folder.")
        .or(&["folder", "folder_path", "directory"])
        .required(),
    Key::text("glob", "Which files below the folder `path`."),
    Key::flag("recursive", "Look into folders below."),
    super::SETTLE_KEY,
];

pub(super) fn read(section: &Section<'_>) -> Option<LocalSource> {
    let path = section.required_text("path");
    let files = files::read(section);
    // The required ones come last: whatever else is wrong is reported together with them.
    Some(LocalSource {
        glob: section.filled_text("glob"),
        recursive: section.flag("recursive").unwrap_or(false),
        settle_seconds: super::settle_seconds(section),
        path: path?,
        files: files?,
    })
}
