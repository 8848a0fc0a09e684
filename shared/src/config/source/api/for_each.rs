//! `for_each`: a source whose requests need a value from somewhere else, once for each value.

use std::time::Duration;

use super::{ApiSource, template};
use crate::config::field::Field;
use crate::config::keys::{Choice, Key, Shape, either};
use crate::config::section::Section;

/// Most values when the config does not say.
const LIMIT: u64 = 100_000;
/// Time limit of `sql` in seconds when the config does not say.
const SQL_SECONDS: u64 = 60;

/// The values that a source's requests are made for, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForEach {
    /// Name of the placeholder that has the value.
    pub name: String,
    /// Where the values come from.
    pub from: ParentsFrom,
    /// Most values. More are an error.
    pub limit: u64,
    /// Most values whose requests are made at the same time.
    pub concurrency: usize,
    /// What a value means whose answers cannot be read.
    pub on_parent_error: OnParent,
    /// What a value means that the API does not know.
    pub missing: OnParent,
}

/// The origin of the values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParentsFrom {
    /// A query that the target answers.
    Sql {
        /// One SELECT statement. Its first column has the values.
        sql: String,
        /// Longest time of the query.
        timeout: Duration,
    },
    /// A column of another API source's rows.
    Source {
        /// Name of the source, which is in front of this one.
        source: String,
        /// Column of the parent rows whose value is used.
        column: String,
    },
}

/// The treatment of a value whose rows cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnParent {
    /// The source fails, and nothing is loaded.
    #[default]
    Fail,
    /// The rows of the other values are loaded, and the report lists this one.
    Skip,
}

impl Choice for OnParent {
    const WORDS: &'static [(&'static str, Self)] = &[("fail", Self::Fail), ("skip", Self::Skip)];
}

pub(super) const NAME_KEY: Key = Key::text("name", "What other sources of the config call it in `for_each`.");
pub(super) const LOAD_KEY: Key = Key::flag(
    "load",
    "Whether its rows are loaded. With `false` they only have values for the `for_each` of other sources. Default true.",
);
pub(super) const FOR_EACH_KEY: Key = Key::of(
    "for_each",
    Shape::Section(KEYS),
    "Makes the requests of the source once for each value, which stands where its placeholder is.",
);

const KEYS: &[Key] = &[
    Key::of("from", Shape::Section(FROM_KEYS), "Where the values come from: `source` and `column`, or `sql`.")
        .required(),
    Key::text("as", "Name of the value: `as: id` is the placeholder `{{id}}`.").required(),
    Key::whole("limit", 1, 1_000_000, "More values than this are an error. Default 100000."),
    Key::whole("concurrency", 1, 16, "Values whose requests are made at the same time. Default 1."),
    Key::choice::<OnParent>(
        "on_parent_error",
        "What happens when the answers for one value cannot be read: the source fails, or the value is skipped and listed \
         in the report. Default `fail`.",
    ),
    Key::choice::<OnParent>(
        "missing",
        "What happens when the API answers 404 or 410 for one value. Default: what `on_parent_error` says.",
    ),
];

const FROM_KEYS: &[Key] = &[
    Key::text("source", "Name of an API source in front of this one; its rows have the values."),
    Key::text("column", "Column of these rows with the values."),
    Key::text("sql", "One SELECT statement that the target answers; its first column has the values."),
    Key::whole("timeout_seconds", 1, 3_600, "Longest time of the `sql`. Default 60."),
];

/// The name that `as` gives, whatever else is wrong with `for_each`.
pub(super) fn placeholder(section: &Section<'_>) -> Option<String> {
    let field = section.field("for_each").filter(|field| field.is_mapping())?.child("as")?;
    field.scalar().map(|scalar| scalar.text.trim().to_owned())
}

/// The name that other sources call the source by.
pub(super) fn source_name(section: &Section<'_>) -> Option<String> {
    let name = section.field("name")?.without_secrets()?.text()?.trim().to_owned();
    (!name.is_empty()).then_some(name)
}

/// Notes what is wrong with the source as a whole.
pub(super) fn check(section: &Section<'_>, source: &ApiSource) {
    if let (Some(each), Some(field)) = (&source.for_each, section.field("for_each"))
        && !source.has_placeholder(&each.name)
    {
        field.problem(format!(
            "{{{{{}}}}} is in no request, so that all would be the same: write it in url, params, headers or body",
            each.name
        ));
    }
    if let (Some(_), Some(_), Some(field)) = (&source.for_each, &source.incremental, section.field("incremental")) {
        field.problem(
            "cannot be combined with for_each: one cursor for all values would pass over the older rows of a new value",
        );
    }
    if let (false, None, Some(field)) = (source.load, &source.name, section.field("load")) {
        field.problem(
            "rows that are not loaded can be used by other sources only, and this source has no name for them",
        );
    }
}

/// Notes what is wrong between the API sources of a config.
pub(in crate::config::source) fn check_together(sources: &[(&Field<'_>, &ApiSource)]) {
    for (index, (field, source)) in sources.iter().enumerate() {
        let before = &sources[..index];
        let at = |key: &str| field.child(key).unwrap_or_else(|| (*field).clone());
        if source.name.is_some() && before.iter().any(|(_, other)| other.name == source.name) {
            at("name").problem("another source has this name");
        }
        let uses = |(_, other): &(&Field<'_>, &ApiSource)| other.parent_source() == source.name.as_deref();
        if !source.load && source.name.is_some() && !sources[index + 1..].iter().any(uses) {
            at("load").problem("its rows are neither loaded nor used: no for_each of a later source names it");
        }
        let Some(parent) = source.parent_source() else { continue };
        let is_parent = |(_, other): &(&Field<'_>, &ApiSource)| other.name.as_deref() == Some(parent);
        if !before.iter().any(is_parent) {
            let known: Vec<&str> = before.iter().filter_map(|(_, other)| other.name.as_deref()).collect();
            at("for_each").problem(match (sources.iter().any(is_parent), &known[..]) {
                (true, _) => {
                    format!("the source {parent:?} must stand in front of this one, because its rows are needed first")
                }
                (false, []) => {
                    format!("no api source in front of this one has the name {parent:?}: give it one with name:")
                }
                (false, known) => format!("unknown source {parent:?}, expected {}", either(known.iter().copied())),
            });
        }
    }
}

/// Reads `for_each`. The outer `None`: there was a problem.
pub(super) fn read(section: &Section<'_>) -> Option<Option<ForEach>> {
    let Some(field) = section.field("for_each") else { return Some(None) };
    let section = field.section(KEYS)?;
    let name = section.required_text("as").map(|name| name.trim().to_owned());
    if let (Some(name), Some(field)) = (&name, section.field("as"))
        && (!name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') || name.len() > 64 || template::is_known(name))
    {
        field.problem(
            "expected a name of at most 64 letters, digits and underscores that is not a placeholder already, such as order_id",
        );
        return None;
    }
    let from = section.required("from").and_then(|field| field.section(FROM_KEYS)).and_then(|section| from(&section));
    let on_parent_error = section.choice("on_parent_error").unwrap_or_default();
    Some(Some(ForEach {
        limit: section.whole("limit").unwrap_or(LIMIT),
        concurrency: section.small("concurrency").unwrap_or(1),
        on_parent_error,
        missing: section.choice("missing").unwrap_or(on_parent_error),
        name: name?,
        from: from?,
    }))
}

fn from(section: &Section<'_>) -> Option<ParentsFrom> {
    let timeout = Duration::from_secs(section.whole("timeout_seconds").unwrap_or(SQL_SECONDS));
    match (section.has("sql"), section.has("source") || section.has("column")) {
        (true, false) => Some(ParentsFrom::Sql { sql: section.required_text("sql")?, timeout }),
        (false, true) => {
            if section.has("timeout_seconds") {
                section.problem("timeout_seconds belongs to sql");
            }
            let (source, column) = (section.required_text("source"), section.required_text("column"));
            Some(ParentsFrom::Source { source: source?, column: column? })
        }
        _ => {
            section.problem("expected either source and column, or sql");
            None
        }
    }
}
