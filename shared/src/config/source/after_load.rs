//! `after_load:`: what happens to a file in its place after its rows are loaded.

use crate::config::keys::{Choice, Key, Shape};
use crate::config::section::Section;

/// What happens to a remote file after its load committed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AfterLoad {
    /// The file stays where it is.
    #[default]
    Keep,
    /// It is moved into this folder.
    Move(String),
    /// It is deleted.
    Delete,
    /// An object in a bucket gets this tag.
    Tag {
        /// Key of the tag.
        key: String,
        /// Value of the tag.
        value: String,
    },
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

const KEYS: &[Key] = &[
    Key::choice::<Action>("action", "Keep the file, move it into the folder `to`, or delete it.").required(),
    Key::text("to", "The folder a loaded file is moved into."),
];

/// The key of a place with folders.
pub(super) const KEY: Key =
    Key::of("after_load", Shape::Section(KEYS), "What happens to a file after its load committed.");

#[derive(Debug, Clone, Copy)]
enum BucketAction {
    Keep,
    Move,
    Delete,
    Tag,
}

impl Choice for BucketAction {
    const WORDS: &'static [(&'static str, Self)] =
        &[("keep", Self::Keep), ("move", Self::Move), ("delete", Self::Delete), ("tag", Self::Tag)];
}

const BUCKET_KEYS: &[Key] = &[
    Key::choice::<BucketAction>(
        "action",
        "Keep the object, move it to the prefix `to` of its bucket, delete it, or give it the tag `to`.",
    )
    .required(),
    Key::text("to", "The prefix a loaded object is moved to, or the tag it gets as `key=value`; default `elt=loaded`."),
];

/// The key of a bucket.
pub(super) const BUCKET_KEY: Key =
    Key::of("after_load", Shape::Section(BUCKET_KEYS), "What happens to an object after its load committed.");

/// Reads [`KEY`]. `None`: there was a problem.
pub(super) fn read(section: &Section<'_>) -> Option<AfterLoad> {
    let Some(field) = section.field("after_load") else { return Some(AfterLoad::Keep) };
    let section = field.section(KEYS)?;
    section.required("action")?;
    Some(match section.choice("action").unwrap_or(Action::Keep) {
        Action::Keep => AfterLoad::Keep,
        Action::Delete => AfterLoad::Delete,
        Action::Move => AfterLoad::Move(section.required_text("to")?),
    })
}

/// Reads [`BUCKET_KEY`]. `None`: there was a problem.
pub(super) fn read_of_bucket(section: &Section<'_>) -> Option<AfterLoad> {
    let Some(field) = section.field("after_load") else { return Some(AfterLoad::Keep) };
    let section = field.section(BUCKET_KEYS)?;
    section.required("action")?;
    Some(match section.choice("action").unwrap_or(BucketAction::Keep) {
        BucketAction::Keep => AfterLoad::Keep,
        BucketAction::Delete => AfterLoad::Delete,
        BucketAction::Move => AfterLoad::Move(section.required_text("to")?),
        BucketAction::Tag => tag(&section)?,
    })
}

fn tag(section: &Section<'_>) -> Option<AfterLoad> {
    let written = section.filled_text("to").unwrap_or_else(|| "elt=loaded".to_owned());
    match written.split_once('=') {
        // The limits are those of S3.
        Some((key, value)) if (1..=128).contains(&key.chars().count()) && value.chars().count() <= 256 => {
            Some(AfterLoad::Tag { key: key.to_owned(), value: value.to_owned() })
        }
        _ => {
            let field = section.field("to")?;
            field.problem(format!(
                "expected a tag as key=value, of at most 128 and 256 characters, found {}",
                field.shown()
            ));
            None
        }
    }
}
