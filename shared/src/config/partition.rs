//! `target.partition`: how a table that a run creates is divided into partitions.

use super::error::shortened;
use super::field::{Field, Reading};
use super::keep::{self, KeepConfig};
use super::keys::{Choice, Key, Shape};
use super::load::{Dedupe, LoadConfig, LoadMode};
use super::section::Section;

/// How the target table is partitioned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartitionConfig {
    /// By ranges of time of a column: a partition for each day, month, ….
    Range {
        /// The column, as the config names it.
        column: String,
        /// The range of time of each partition.
        every: Every,
        /// How long partitions stay. `None`: for ever.
        keep: Option<KeepConfig>,
    },
    /// By the row hash: the rows are spread evenly over a fixed number of partitions.
    Hash {
        /// Number of partitions.
        parts: u16,
    },
}

impl PartitionConfig {
    /// How long partitions stay. `None`: for ever.
    pub fn keep(&self) -> Option<&KeepConfig> {
        match self {
            Self::Range { keep, .. } => keep.as_ref(),
            Self::Hash { .. } => None,
        }
    }
}

/// `target.partition.every`: the range of time of a partition. Ranges begin at midnight UTC; weeks begin on Monday.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Every {
    /// A day.
    Day,
    /// A week from Monday to Sunday.
    Week,
    /// A month.
    Month,
    /// A quarter of a year.
    Quarter,
    /// A year.
    Year,
}

impl Every {
    /// The word that a config has for it, which is also what `date_trunc` of PostgreSQL calls it.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, every)| *every == self).map_or("", |(word, _)| word)
    }

    /// Its length as an interval of PostgreSQL.
    pub fn interval(self) -> &'static str {
        match self {
            Self::Day => "1 day",
            Self::Week => "7 days",
            Self::Month => "1 month",
            Self::Quarter => "3 months",
            Self::Year => "1 year",
        }
    }
}

impl Choice for Every {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("day", Self::Day),
        ("week", Self::Week),
        ("month", Self::Month),
        ("quarter", Self::Quarter),
        ("year", Self::Year),
    ];
}

/// `by` of a table that is partitioned by the row hash.
const HASH: &str = "hash";
/// Number of partitions by the row hash, unless the config says another one.
const PARTS: u16 = 16;

pub(super) const KEYS: &[Key] = &[
    Key::text(
        "by",
        "A column with dates or timestamps, together with `every`; or `hash`, which spreads the rows over `parts` partitions \
         by their row hash.",
    )
    .required(),
    Key::choice::<Every>("every", "The range of time of each partition, in UTC."),
    Key::of(
        "keep",
        Shape::TextOrSection(keep::KEYS),
        "How long rows stay, such as `24 months`: older partitions are detached after a load, and older rows are not loaded. \
         Default: for ever.",
    ),
    Key::whole("parts", 2, 256, "Number of partitions of `by: hash`. Default 16. It counts when the table is created."),
];

/// Reads `target.partition`.
pub(super) fn read(section: &Section<'_>) -> Option<PartitionConfig> {
    let by = section.required("by")?;
    let column = match by.without_secrets()?.reading()? {
        Reading::Open(text) | Reading::Known(text) => text,
    };
    if let Some(every) = section.field("every") {
        if let Some(field) = section.field("parts") {
            field.problem("has no effect with every: only `by: hash` has a number of partitions");
        }
        if column.trim().is_empty() || column.starts_with("_elt_") {
            by.problem("expected a column of the sources with dates or timestamps");
            return None;
        }
        let every = every.choice()?;
        // A length that cannot be read is a problem of its own, or a reference that a worker resolves.
        let keep = section.field("keep").and_then(|field| keep::read(field, every));
        return Some(PartitionConfig::Range { column, every, keep });
    }
    if section.wrote("every") {
        return None;
    }
    if column != HASH {
        let shown = shortened(&column);
        section.problem(format!(
            "missing key \"every\": day, week, month, quarter or year of the column {shown:?}; or write `by: hash`"
        ));
        return None;
    }
    if let Some(field) = section.field("keep") {
        field.problem(
            "has no effect with `by: hash`: only partitions by time become old; write a column with dates and `every`",
        );
    }
    match section.wrote("parts") {
        true => Some(PartitionConfig::Hash { parts: section.small("parts")? }),
        false => Some(PartitionConfig::Hash { parts: PARTS }),
    }
}

/// Refuses what cannot be kept unique across partitions: a merge needs the partition column in its key, and rows without a
/// hash cannot be spread by it. Refuses `keep` beside a replace. `field`: `target.partition`.
pub(super) fn check(field: &Field<'_>, partition: &PartitionConfig, load: &LoadConfig) {
    match partition {
        PartitionConfig::Range { column, .. } if load.mode == LoadMode::Merge => {
            let lower = column.to_lowercase();
            if !load.key.iter().any(|key| key.to_lowercase() == lower) {
                field.problem(format!(
                    "the key of a merge must hold the partition column, because a key is unique within a partition only: add \
                     {:?} to load.key, which is {}, or partition by a column of it",
                    shortened(column),
                    shortened(&load.key.join(", "))
                ));
            }
        }
        PartitionConfig::Range { keep: Some(_), .. } if load.mode == LoadMode::Replace => field.problem(
            "`keep` cannot stand beside `load.mode: replace`, because a replace deletes the rows that the sources do not deliver: \
             leave `keep` out and leave old rows out with `where` under `shape:`, or write another load.mode",
        ),
        PartitionConfig::Range { .. } => {}
        PartitionConfig::Hash { .. } if load.mode == LoadMode::Merge => field.problem(
            "`by: hash` cannot be merged into, because load.key is not unique across its partitions: partition by a column \
             of load.key, or write another load.mode",
        ),
        PartitionConfig::Hash { .. } if load.dedupe == Dedupe::None => {
            field.problem("`by: hash` needs row hashes: leave `load.dedupe: none` out, or partition by a column");
        }
        PartitionConfig::Hash { .. } => {}
    }
}
