//! `load:`: how rows meet the rows already there.

use super::field::Field;
use super::keys::{Choice, Key, Shape};
use super::section::Section;

/// How rows meet the rows already there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadConfig {
    /// Append, merge by key, or replace.
    pub mode: LoadMode,
    /// Key columns of a merge; empty otherwise.
    pub key: Vec<String>,
    /// Whether equal rows are loaded once.
    pub dedupe: Dedupe,
    /// What a run notes about the values of each column.
    pub profile: ProfileLevel,
}

/// `load.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadMode {
    /// Insert rows that are not there yet.
    Append,
    /// Insert new keys and update known ones; the latest row of a key wins.
    Merge,
    /// The table holds exactly this run's rows afterwards.
    Replace,
}

/// `load.dedupe`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dedupe {
    /// Equal rows are loaded once, recognised by their row hash.
    RowHash,
    /// Every row is loaded; the hash stays NULL.
    None,
}

/// `load.profile`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProfileLevel {
    /// Counts and values: the smallest and largest, the commonest, and a histogram.
    Full,
    /// Counts and lengths, and no value.
    Counts,
    /// The run makes no profile.
    None,
}

impl Choice for LoadMode {
    const WORDS: &'static [(&'static str, Self)] =
        &[("append", Self::Append), ("merge", Self::Merge), ("replace", Self::Replace)];
}

impl Choice for Dedupe {
    const WORDS: &'static [(&'static str, Self)] = &[("row_hash", Self::RowHash), ("none", Self::None)];
}

impl Choice for ProfileLevel {
    const WORDS: &'static [(&'static str, Self)] =
        &[("full", Self::Full), ("counts", Self::Counts), ("none", Self::None)];
}

pub(super) const KEYS: &[Key] = &[
    Key::choice::<LoadMode>("mode", "Insert new rows, merge by key, or replace the table's rows. Default `append`."),
    Key::of("key", Shape::Texts, "The columns a merge recognises a row by."),
    Key::choice::<Dedupe>("dedupe", "Whether equal rows are loaded once. Default `row_hash`."),
    Key::choice::<ProfileLevel>(
        "profile",
        "What a run notes about the values of each column: everything, counts without values, or nothing. Default `full`.",
    ),
];

/// Reads `load:` and `target.mode`.
pub(super) fn read(load: Option<&Field<'_>>, target: Option<&Section<'_>>) -> Option<LoadConfig> {
    let section = match load {
        Some(field) => Some(field.section(KEYS)?),
        None => None,
    };
    let at_target = target.and_then(|target| target.field("mode"));
    let here = section.as_ref().and_then(|section| section.field("mode"));
    if let (Some(_), Some(field)) = (here, at_target) {
        field.problem("the same thing is written at load.mode already");
    }
    let mode = here.or(at_target).and_then(Field::choice).unwrap_or(LoadMode::Append);
    let key_field = section.as_ref().and_then(|section| section.field("key"));
    let key = match key_field {
        Some(field) => field.texts()?,
        None => Vec::new(),
    };
    match (mode, key_field) {
        (LoadMode::Merge, None) if section.as_ref().is_some_and(|section| section.wrote("key")) => return None,
        (LoadMode::Merge, None) => {
            let field = here.or(at_target)?;
            field.problem("merge needs load.key, the columns a row is recognised by");
        }
        (LoadMode::Merge, Some(field)) if key.is_empty() || key.iter().any(|column| column.trim().is_empty()) => {
            field.problem("expected at least one column");
        }
        (LoadMode::Append | LoadMode::Replace, Some(field)) => field.warn("has an effect with mode merge only"),
        _ => {}
    }
    let dedupe = section.as_ref().and_then(|section| section.choice("dedupe")).unwrap_or(Dedupe::RowHash);
    let profile = section.as_ref().and_then(|section| section.choice("profile")).unwrap_or(ProfileLevel::Full);
    Some(LoadConfig { mode, key: if mode == LoadMode::Merge { key } else { Vec::new() }, dedupe, profile })
}
