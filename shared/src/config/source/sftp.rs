//! `type: sftp`: files on an SFTP server, flat or nested below `sftp:`.

use super::files::{self, FileOptions};
use super::ssh::{self, SshServer};
use crate::config::keys::{Choice, Key, Shape, joined};
use crate::config::reader::Field;
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

/// What happens to a remote file after its load committed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AfterLoad {
    /// Nothing.
    #[default]
    Keep,
    /// It is moved into this folder.
    Move(String),
    /// It is deleted.
    Delete,
}

#[derive(Debug, Clone, Copy)]
enum Action {
    Keep,
    Move,
    Delete,
}

impl Choice for Action {
    const WORDS: &'static [(&'static str, Self)] =
        &[("keep", Self::Keep), ("move", Self::Move), ("delete", Self::Delete)];
}

const AFTER_LOAD_KEYS: &[Key] = &[
    Key::choice::<Action>("action", "Keep the file, move it into the folder `to`, or delete it.").required(),
    Key::text("to", "The folder a loaded file is moved into."),
];

pub(super) const KEYS: &[Key] = &joined::<{ SERVER_AND_OWN_KEYS.len() + files::KEYS.len() }>(SERVER_AND_OWN_KEYS, files::KEYS);

const SERVER_AND_OWN_KEYS: &[Key] = &joined::<{ ssh::KEYS.len() + OWN_KEYS.len() }>(ssh::KEYS, OWN_KEYS);

const OWN_KEYS: &[Key] = &[
    Key::of(
        "jump",
        Shape::Section(ssh::KEYS),
        "A server on the way: elt logs in to it first, and it connects to the server with the files.",
    ),
    Key::text("path", "A file, a folder or a glob on the server.").or(&["remote_path"]).required(),
    super::SETTLE_KEY,
    Key::of("after_load", Shape::Section(AFTER_LOAD_KEYS), "What happens to a file after its load committed."),
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
    let after_load = section.field("after_load").map_or(Some(AfterLoad::Keep), after_load);
    Some(SftpSource {
        settle_seconds: super::settle_seconds(section),
        server: server?,
        jump: jump?,
        path: path?,
        files: files?,
        after_load: after_load?,
    })
}

fn after_load(field: &Field<'_>) -> Option<AfterLoad> {
    let section = field.section(AFTER_LOAD_KEYS)?;
    section.required("action")?;
    Some(match section.choice("action").unwrap_or(Action::Keep) {
        Action::Keep => AfterLoad::Keep,
        Action::Delete => AfterLoad::Delete,
        Action::Move => AfterLoad::Move(section.required_text("to")?),
    })
}
