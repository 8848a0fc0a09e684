//! `type: sftp`: files on an SFTP server, flat or nested below `sftp:`.

use super::after_load::{self, AfterLoad};
use super::files::{self, FileOptions};
use super::ssh::{self, SshServer};
use crate::config::field::Field;
use crate::config::keys::{Key, Shape, joined};
use crate::config::section::Section;

/// `type: sftp`, flat or nested.
#[derive(Debug, Clone, PartialEq)]
pub struct SftpSource {
    /// The server.
    pub server: SshServer,
    /// The server through which the first one is reached. `None`: it is reached directly.
    pub jump: Option<SshServer>,
    /// A file, a folder or a glob on the server.
    pub path: String,
    /// How the files are read.
    pub files: FileOptions,
    /// Seconds that a file must stay unchanged before it is loaded.
    pub settle_seconds: u64,
    /// What happens to a file after its load committed.
    pub after_load: AfterLoad,
}

pub(super) const KEYS: &[Key] =
    &joined::<{ SERVER_AND_OWN_KEYS.len() + files::KEYS.len() }>(SERVER_AND_OWN_KEYS, files::KEYS);

const SERVER_AND_OWN_KEYS: &[Key] = &joined::<{ ssh::KEYS.len() + OWN_KEYS.len() }>(ssh::KEYS, OWN_KEYS);

const OWN_KEYS: &[Key] = &[
    Key::of(
        "jump",
        Shape::Section(ssh::KEYS),
        "A server on the way: elt logs in to it first, and it connects to the server with the files.",
    ),
    Key::text("path", "A file, a folder or a glob on the server.").or(&["remote_path"]).required(),
    super::SETTLE_KEY,
    after_load::KEY,
    Key::of("sftp", Shape::Nested, "The same keys, one level deeper."),
];

/// Reads the source; keys may stand in the source itself or below `sftp:`.
pub(super) fn read(source: &Field<'_>) -> Option<SftpSource> {
    let nested = source.child("sftp");
    let layers = std::iter::once(source.clone()).chain(nested).collect();
    let section = &Section::open(layers, KEYS, Some("type"))?;
    let server = ssh::read(section);
    let path = section.required_text("path");
    let jump = section.field("jump").map_or(Some(None), |field| Some(Some(ssh::read(&field.section(ssh::KEYS)?)?)));
    let files = files::read(section);
    let after_load = after_load::read(section);
    Some(SftpSource {
        settle_seconds: super::settle_seconds(section),
        server: server?,
        jump: jump?,
        path: path?,
        files: files?,
        after_load: after_load?,
    })
}
