//! `type: inbox`: the files that people and programs upload to the pipeline.

use serde::{Deserialize, Serialize};

use super::SourceConfig;
use super::files;
use super::local::LocalSource;
use crate::config::keys::{Choice, Key, Shape, joined};
use crate::config::section::Section;

/// `type: inbox`: a local source whose folder is the pipeline's own inbox.
#[derive(Debug, Clone, PartialEq)]
pub struct InboxSource {
    /// The files of the inbox. The worker fills in the path of the folder, because the config does not know it.
    pub local: LocalSource,
    /// Whether users who are not admins may upload files. It counts in configs that an admin has uploaded.
    pub users: bool,
    /// Whether a file is deleted from the inbox after its load committed.
    pub delete_loaded: bool,
}

/// What the inboxes of a config take: the same for all its sources, as far as it concerns uploads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboxRules {
    /// Whether users who are not admins may upload files.
    pub users: bool,
    /// The globs of the sources, one of which the name of an uploaded file must match. Empty: a source takes every file.
    pub globs: Vec<String>,
}

impl InboxRules {
    /// The rules of a config. `None`: it does not read an inbox.
    pub fn of(sources: &[SourceConfig]) -> Option<Self> {
        let inboxes = || {
            sources.iter().filter_map(|source| match source {
                SourceConfig::Inbox(inbox) => Some(inbox),
                _ => None,
            })
        };
        inboxes().next()?;
        let takes_all = inboxes().any(|inbox| inbox.local.glob.is_none());
        let globs = inboxes().filter_map(|inbox| inbox.local.glob.clone()).filter(|_| !takes_all).collect();
        Some(Self { users: inboxes().any(|inbox| inbox.users), globs })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Keep,
    Delete,
}

impl Choice for Action {
    const WORDS: &'static [(&'static str, Self)] = &[("keep", Self::Keep), ("delete", Self::Delete)];
}

const AFTER_LOAD_KEYS: &[Key] =
    &[Key::choice::<Action>("action", "Keep the file in the inbox, or delete it.").required()];

pub(super) const KEYS: &[Key] = &joined::<{ OWN_KEYS.len() + files::KEYS.len() }>(OWN_KEYS, files::KEYS);

const OWN_KEYS: &[Key] = &[
    Key::text("glob", "Which of the uploaded files the source reads, by their names: `orders-*.csv`. Default: all."),
    Key::flag(
        "users",
        "Whether users who are not admins may upload files to the pipeline. It counts in a config that an admin has \
         uploaded. Default false.",
    ),
    Key::of("after_load", Shape::Section(AFTER_LOAD_KEYS), "What happens to a file after its load committed."),
];

pub(super) fn read(section: &Section<'_>) -> Option<InboxSource> {
    let glob = section.filled_text("glob");
    if let (Some(glob), Some(field)) = (&glob, section.field("glob"))
        && glob.contains('/')
    {
        field.problem("expected a pattern for names without `/`, because an inbox has no folders");
        return None;
    }
    let users = section.flag("users").unwrap_or(false);
    let delete_loaded = match section.field("after_load") {
        None => false,
        Some(field) => {
            let action = field.section(AFTER_LOAD_KEYS)?;
            action.required("action")?;
            action.choice("action") == Some(Action::Delete)
        }
    };
    let files = files::read(section)?;
    // A file has its name only once it is complete, so it need not rest before it is read.
    let local = LocalSource { path: String::new(), glob, recursive: false, files, settle_seconds: 0 };
    Some(InboxSource { local, users, delete_loaded })
}
