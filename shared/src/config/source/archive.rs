//! `archive:`: which files of zip and tar archives are read, and how encrypted ones are opened.

use crate::config::field::Field;
use crate::config::keys::Key;
use crate::secret::Secret;

/// `archive:`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ArchiveOptions {
    /// Glob for the paths inside an archive, as written. `None`: every file that elt reads.
    pub include: Option<String>,
    /// Password of encrypted files in zip archives.
    pub password: Option<Secret>,
}

pub(super) const KEYS: &[Key] = &[
    Key::text(
        "include",
        "Which files inside an archive are read, a glob such as `**/*.csv`. Default: all that elt reads.",
    ),
    Key::secret("password", "Password of encrypted files in zip archives."),
];

/// Reads the section; the defaults when it is not written.
pub(super) fn read(field: Option<&Field<'_>>) -> Option<ArchiveOptions> {
    let Some(field) = field else { return Some(ArchiveOptions::default()) };
    let section = field.section(KEYS)?;
    Some(ArchiveOptions { include: section.filled_text("include"), password: section.secret("password") })
}
