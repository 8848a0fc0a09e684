//! `schema:`: the columns a table must have.

use chrono::format::{Item, StrftimeItems};
use regex::Regex;

use super::column_type::ColumnType;
use super::field::{Field, Reading};
use super::keys::{Choice, Key, Shape};
use super::section::Section;

/// The contract of a table's columns.
#[derive(Debug, Clone, PartialEq)]
pub struct SchemaContract {
    /// In the order written.
    pub columns: Vec<ColumnContract>,
    /// What a column outside the contract does.
    pub on_extra_column: Option<OnExtraColumn>,
    /// More rejected rows than this fail the run.
    pub max_rejected: Option<RejectLimit>,
}

/// One column of the contract.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnContract {
    /// As written; matched to the sources' columns exactly first, then in any case.
    pub name: String,
    /// The type every value must convert to.
    pub column_type: ColumnType,
    /// Whether NULL is allowed. Default true.
    pub nullable: bool,
    /// strftime formats of dates and timestamps, one a line.
    pub format: Option<String>,
    /// The only values allowed, when written.
    pub allowed: Option<Vec<String>>,
    /// Smallest value, as written.
    pub min: Option<String>,
    /// Largest value, as written.
    pub max: Option<String>,
    /// A regular expression the whole text must match.
    pub pattern: Option<String>,
}

/// What happens to a row that breaks the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnBadRow {
    /// Keep it beside the table, load the others.
    Quarantine,
    /// Fail the run.
    Fail,
}

/// What a column outside the contract does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnExtraColumn {
    /// It is added to the table.
    Evolve,
    /// The column is left out.
    Ignore,
    /// The column fails the run.
    Fail,
}

/// `max_rejected`: either bound may be written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RejectLimit {
    /// Number of rejected rows that a run may have; more fail it. `None`: any number.
    pub rows: Option<u64>,
    /// Percent of the rows read, 0 to 100.
    pub percent: Option<f64>,
}

impl Choice for OnBadRow {
    const WORDS: &'static [(&'static str, Self)] = &[("quarantine", Self::Quarantine), ("fail", Self::Fail)];
}

impl Choice for OnExtraColumn {
    const WORDS: &'static [(&'static str, Self)] =
        &[("evolve", Self::Evolve), ("ignore", Self::Ignore), ("fail", Self::Fail)];
}

pub(super) const KEYS: &[Key] = &[
    Key::of("columns", Shape::Columns(COLUMN_KEYS), "The columns and their types."),
    Key::choice::<OnBadRow>("on_mismatch", "The same as `on_bad_row`."),
    Key::choice::<OnExtraColumn>(
        "on_extra_column",
        "What a column outside the schema does: it is added, left out, or fails the run. Default `evolve`.",
    ),
    Key::of("max_rejected", Shape::Section(LIMIT_KEYS), "More rejected rows than this fail the run."),
];

/// The keys beside `columns`.
const OPTIONS: &[Key] = KEYS.split_at(1).1;

const LIMIT_KEYS: &[Key] = &[
    Key::whole("rows", 0, i64::MAX as u64, "Rows."),
    Key::of("percent", Shape::Number { min: 0.0, max: 100.0 }, "Percent of the rows read."),
];

const COLUMN_KEYS: &[Key] = &[
    Key::text("type", "The column's type.").required(),
    Key::flag("nullable", "Whether NULL is allowed. Default true."),
    Key::of(
        "format",
        Shape::Texts,
        "strftime format of dates and times, such as `%d/%m/%Y`; or a list of them. A value that two of them read \
         differently is rejected.",
    ),
    Key::of("enum", Shape::Texts, "The only values allowed."),
    Key::text("min", "Smallest value."),
    Key::text("max", "Largest value."),
    Key::text("pattern", "A regular expression the whole text must match."),
];

/// What `schema:` says: the contract, and `on_mismatch` when it is written there.
pub(super) struct Read {
    pub contract: Option<SchemaContract>,
    pub on_mismatch: Option<OnBadRow>,
}

/// Most formats of a column.
const MOST_FORMATS: usize = 20;

/// Reads `schema: {columns: {…}}` or `schema: {name: type, …}`.
pub(super) fn read(field: &Field<'_>) -> Option<Read> {
    let nested = field.child("columns").filter(|columns| !columns.is_scalar());
    // In the flat shape every other key is a column, so only the nested one can have unknown keys.
    let section = if nested.is_some() { field.section(KEYS)? } else { Section::among(field, OPTIONS)? };
    let columns = match nested {
        Some(columns) => columns.pairs()?,
        None => field.pairs()?.into_iter().filter(|(name, _)| !section.owns(name)).collect(),
    };
    if columns.is_empty() {
        field.warn("names no column, so it has no effect");
    }
    let read: Vec<Option<ColumnContract>> = columns.iter().map(|(name, field)| column(name, field)).collect();
    let limit = section.field("max_rejected").map(limit);
    let on_extra_column = section.choice("on_extra_column");
    let on_mismatch = section.choice("on_mismatch");
    let columns = read.into_iter().collect::<Option<Vec<_>>>()?;
    let max_rejected = match limit {
        Some(limit) => Some(limit?),
        None => None,
    };
    let contract = SchemaContract { columns, on_extra_column, max_rejected };
    Some(Read { contract: (!contract.columns.is_empty()).then_some(contract), on_mismatch })
}

fn limit(field: &Field<'_>) -> Option<RejectLimit> {
    let section = field.section(LIMIT_KEYS)?;
    Some(RejectLimit { rows: section.whole("rows"), percent: section.number("percent") })
}

fn column(name: &str, field: &Field<'_>) -> Option<ColumnContract> {
    if name.trim().is_empty() || name.starts_with("_elt_") {
        field.problem("a column needs a name that does not begin with _elt_");
        return None;
    }
    let plain = |column_type| ColumnContract {
        name: name.to_owned(),
        column_type,
        nullable: true,
        format: None,
        allowed: None,
        min: None,
        max: None,
        pattern: None,
    };
    if !field.is_mapping() {
        return column_type(field).map(plain);
    }
    let section = field.section(COLUMN_KEYS)?;
    let column_type = section.required("type").and_then(column_type)?;
    let check = |name: &str, check: fn(&Field<'_>, ColumnType) -> Option<String>| {
        section.field(name).and_then(|field| check(field, column_type))
    };
    Some(ColumnContract {
        nullable: section.flag("nullable").unwrap_or(true),
        format: check("format", format),
        allowed: section.field("enum").and_then(Field::texts),
        min: check("min", bound),
        max: check("max", bound),
        pattern: check("pattern", |field, _| pattern(field)),
        ..plain(column_type)
    })
}

fn column_type(field: &Field<'_>) -> Option<ColumnType> {
    match field.reading()? {
        Reading::Open(_) => Some(ColumnType::Text),
        Reading::Known(_) => field.accepted(ColumnType::parse),
    }
}

fn format(field: &Field<'_>, column_type: ColumnType) -> Option<String> {
    if !column_type.is_temporal() {
        field.problem(format!("a {column_type} column has no format, only dates and times have"));
        return None;
    }
    let one = |field: &Field<'_>| {
        field.parsed(|text| {
            let is_wrong = text.contains('\n') || StrftimeItems::new(text).any(|item| matches!(item, Item::Error));
            if is_wrong { Err("a strftime format such as %d/%m/%Y".into()) } else { Ok(text.to_owned()) }
        })
    };
    if !field.is_list() {
        return one(field);
    }
    let items = field.items()?;
    if items.is_empty() || items.len() > MOST_FORMATS {
        field.problem(format!("expected 1 to {MOST_FORMATS} strftime formats"));
        return None;
    }
    let formats: Vec<_> = items.iter().map(one).collect::<Option<_>>()?;
    Some(formats.join("\n"))
}

fn bound(field: &Field<'_>, column_type: ColumnType) -> Option<String> {
    if !column_type.is_number() && !column_type.is_temporal() {
        field.problem(format!("a {column_type} column has no min or max, only numbers, dates and times have"));
        return None;
    }
    field.parsed(|text| match column_type.is_number() && text.parse::<f64>().is_err() {
        true => Err("a number".into()),
        false if text.is_empty() => Err("a value".into()),
        false => Ok(text.to_owned()),
    })
}

/// A pattern bigger than this when compiled is refused.
const MAX_PATTERN_BYTES: usize = 1 << 20;

fn pattern(field: &Field<'_>) -> Option<String> {
    let pattern = field.text()?;
    let whole = format!("^(?:{pattern})$");
    match regex::RegexBuilder::new(&whole).size_limit(MAX_PATTERN_BYTES).build() {
        Ok(Regex { .. }) => Some(pattern),
        Err(_) => {
            field.problem(format!("expected a regular expression, found {}", field.shown()));
            None
        }
    }
}
