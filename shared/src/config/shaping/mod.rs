//! `shape:`: what becomes of the columns of a source before the schema, the types and the row hash see them.
//!
//! The steps have a fixed order, whatever order they are written in: `rename`, `clean`, `columns`, `where`, `mask`, and last
//! `select` or `drop`.
//!
//! # Layout
//! - [`mod@self`]: the section and its steps
//! - `clean`: the steps of `clean`, which become expressions
//! - [`mod@expression`]: the expressions of `columns` and `where`

mod clean;
pub mod expression;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt;

use self::expression::{Expression, Scope, ValueType};
use super::field::{Field, Reading};
use super::keys::{Key, Shape, either};
use super::section::Section;
use super::table_name::MAX_NAME_BYTES;
use crate::secret::Secret;

/// What becomes of the columns of a source.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Shaping {
    /// Columns that get another name.
    pub rename: Vec<Renamed>,
    /// The columns of `clean` and then those of `columns`, each of which may use those before it.
    pub computed: Vec<Computed>,
    /// `where`: only rows for which this is true are kept.
    pub condition: Option<Condition>,
    /// Columns whose values are hidden before they are loaded.
    pub masks: Vec<Masked>,
    /// The key of the masks that hash. It is there when one does.
    pub mask_secret: Option<Secret>,
    /// The columns that are kept.
    pub keep: Keep,
}

/// Where something is written in the config, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Key path, such as `shape.columns.total`.
    pub path: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (line {} column {} of the config)", self.path, self.line, self.column)
    }
}

/// A column with another name.
#[derive(Debug, Clone, PartialEq)]
pub struct Renamed {
    /// Its name in the file.
    pub from: String,
    /// Its name from here on.
    pub to: String,
    /// Where it is written.
    pub at: Written,
}

/// A column that is computed.
#[derive(Debug, Clone, PartialEq)]
pub struct Computed {
    /// Its name. It replaces a column of this name, and is a new one otherwise.
    pub name: String,
    /// Expression that computes the column.
    pub expression: Expression,
    /// Whether it is a column of the file that is cleaned. Cells that stay the same then also stay what they are in the file.
    pub cleans: bool,
    /// Where it is written.
    pub at: Written,
}

/// The condition of `where`.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// Expression that is true for the rows that stay.
    pub expression: Expression,
    /// Where it is written.
    pub at: Written,
}

/// A column whose values are masked.
#[derive(Debug, Clone, PartialEq)]
pub struct Masked {
    /// Name of the column that is masked.
    pub column: String,
    /// What is shown in place of its values.
    pub mask: Mask,
    /// Where it is written.
    pub at: Written,
}

/// What is shown in place of a value. NULL stays NULL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mask {
    /// HMAC-SHA256 of the value under `mask_secret`, in hexadecimal digits. Equal values stay equal.
    Hash,
    /// `***`.
    Redact,
    /// `****` and the last four characters, or `****` alone for a value of fewer than eight characters.
    LastFour,
    /// NULL.
    Null,
}

/// The columns that are kept.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Keep {
    /// Every column stays.
    #[default]
    All,
    /// Only these columns stay, in this order.
    Only(Vec<Named>),
    /// Every column stays but these.
    Without(Vec<Named>),
}

/// The name of a column, where it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Named {
    /// Name of the column, after renaming and computing.
    pub name: String,
    /// Where it is written.
    pub at: Written,
}

impl Shaping {
    /// Whether values are masked, so that no text of the source may be shown.
    pub fn hides(&self) -> bool {
        !self.masks.is_empty()
    }
}

pub(super) const KEYS: &[Key] = &[
    Key::of("rename", Shape::Pairs, "New names of columns: `\"Kunden-Nr.\": customer`."),
    Key::of(
        "clean",
        Shape::Any,
        "What is done to the texts of a column, in order: `trim`, `lower`, `upper`, `replace: {regex, with}`, \
         `split: {by, take}`, `null_if: [texts]`.",
    ),
    Key::of("columns", Shape::Pairs, "Columns that are computed, each by an expression that may use those before it."),
    Key::text("where", "An expression: only rows for which it is true are loaded; the others count as filtered."),
    Key::of("mask", Shape::Any, "Columns whose values are hidden: `hash`, `redact`, `last4` or `null`."),
    Key::secret(
        "mask_secret",
        "The key of the masks that hash, as `${secret:NAME}`. The same value has the same hash under the same key.",
    ),
    Key::of("select", Shape::Texts, "The columns that are kept, in this order. Default: all."),
    Key::of("drop", Shape::Texts, "The columns that are left out, in place of `select`."),
];

/// The key of the section, at the top of a config and in a source.
pub(super) const KEY: Key = Key::of(
    "shape",
    Shape::Section(KEYS),
    "What becomes of the columns before the schema sees them. In a source it replaces the one at the top of the config.",
);

/// Most columns that are computed.
const MAX_COMPUTED: usize = 200;
/// Shortest key of the masks that hash, in characters: a shorter one could be found by trying.
const SHORTEST_SECRET: usize = 16;

/// Reads the section.
pub(super) fn read(field: &Field<'_>) -> Option<Shaping> {
    let section = &field.section(KEYS)?;
    let mut scope = Scope::default();
    // Every part is read before the first wrong one ends it, so that all problems are reported at once.
    let rename = section.field("rename").map(renamed);
    let cleaned = section.field("clean").map(|field| clean::read(field, &mut scope));
    let columns = section.field("columns").map(|field| computed(field, &mut scope));
    let condition = section.field("where").map(|field| condition(field, &scope));
    let masks = section.field("mask").map(masked);
    let mask_secret = mask_secret(section, masks.as_ref().and_then(Option::as_ref));
    let keep = keep(section);
    let computed: Vec<Computed> = [cleaned, columns].into_iter().flatten().collect::<Option<Vec<_>>>()?.concat();
    if computed.len() > MAX_COMPUTED {
        field.problem(format!("computes more than {MAX_COMPUTED} columns"));
        return None;
    }
    let all = |list: Option<Option<Vec<_>>>| list.unwrap_or_else(|| Some(Vec::new()));
    let shaping = Shaping {
        rename: rename.unwrap_or_else(|| Some(Vec::new()))?,
        computed,
        condition: condition.map_or(Some(None), |condition| condition.map(Some))?,
        masks: all(masks)?,
        mask_secret: mask_secret?,
        keep: keep?,
    };
    if shaping == Shaping::default() {
        field.warn("has no step, so it has no effect");
    }
    Some(shaping)
}

fn written(field: &Field<'_>) -> Written {
    let place = field.place();
    Written { path: field.path().to_owned(), line: place.line, column: place.column }
}

/// A text as it is written. References have no place in it, because the text is checked together with the config.
fn raw(field: &Field<'_>) -> Option<String> {
    let Some(scalar) = field.without_secrets()?.scalar() else {
        field.text();
        return None;
    };
    if scalar.text.contains("${env:") {
        field.problem("a reference cannot stand here, because the text is checked together with the config");
        return None;
    }
    Some(scalar.text.clone())
}

/// Whether a table may have a column of this name.
fn is_name(name: &str, field: &Field<'_>) -> bool {
    if name.trim().is_empty() || name.to_lowercase().starts_with("_elt_") || name.contains('\0') {
        field.problem("a column needs a name that does not begin with _elt_");
        return false;
    }
    if name.len() > MAX_NAME_BYTES {
        field.problem(format!("the name of a column has at most {MAX_NAME_BYTES} bytes"));
        return false;
    }
    true
}

fn renamed(field: &Field<'_>) -> Option<Vec<Renamed>> {
    let (mut renamed, mut taken) = (Vec::new(), HashSet::new());
    let mut right = true;
    for (from, field) in field.pairs()? {
        let to = raw(&field)?;
        right &= is_name(&to, &field);
        if !taken.insert(to.clone()) {
            field.problem(format!("another column is renamed to {to:?} already"));
            right = false;
        }
        renamed.push(Renamed { from: from.to_owned(), to, at: written(&field) });
    }
    right.then_some(renamed)
}

/// Reads an expression. A problem is reported at the place within the text that it is about.
fn expression(field: &Field<'_>, scope: &Scope) -> Option<Expression> {
    let text = raw(field)?;
    expression::parse(&text, scope).map_err(|problem| field.problem_within(problem.at, problem.message)).ok()
}

fn computed(field: &Field<'_>, scope: &mut Scope) -> Option<Vec<Computed>> {
    let mut columns = Vec::new();
    let mut right = true;
    for (name, field) in field.pairs()? {
        right &= is_name(name, &field);
        let Some(mut expression) = expression(&field, scope) else {
            // Later expressions may name it, and are not wrong because of that.
            scope.add(name, ValueType::Text);
            right = false;
            continue;
        };
        if expression.value_type == ValueType::Null {
            expression.value_type = ValueType::Text;
        }
        scope.add(name, expression.value_type);
        columns.push(Computed { name: name.to_owned(), expression, cleans: false, at: written(&field) });
    }
    right.then_some(columns)
}

fn condition(field: &Field<'_>, scope: &Scope) -> Option<Condition> {
    let expression = expression(field, scope)?;
    if expression.value_type != ValueType::Boolean {
        field.problem(format!(
            "`{}` is {}, expected a condition such as price > 0",
            expression.written, expression.value_type
        ));
        return None;
    }
    Some(Condition { expression, at: written(field) })
}

/// The masks by their words.
const MASKS: [(&str, Mask); 4] =
    [("hash", Mask::Hash), ("redact", Mask::Redact), ("last4", Mask::LastFour), ("null", Mask::Null)];

fn masked(field: &Field<'_>) -> Option<Vec<Masked>> {
    let mut masks = Vec::new();
    for (column, field) in field.members()? {
        let word = raw(&field)?;
        let found = MASKS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word.trim()));
        let Some((_, mask)) = found else {
            let words = either(MASKS.iter().map(|(word, _)| *word));
            field.problem(format!("unknown mask {}, expected {words}", field.shown()));
            return None;
        };
        masks.push(Masked { column: column.to_owned(), mask: *mask, at: written(&field) });
    }
    Some(masks)
}

fn mask_secret(section: &Section<'_>, masks: Option<&Vec<Masked>>) -> Option<Option<Secret>> {
    let hashes = masks.is_some_and(|masks| masks.iter().any(|masked| masked.mask == Mask::Hash));
    let secret = section.secret("mask_secret");
    match (section.field("mask_secret"), &secret) {
        (None, _) if hashes && !section.wrote("mask_secret") => {
            section.problem(
                "the mask `hash` needs a key, because a hash without one can be undone by trying: store a random text with \
                 `elt secret set NAME` and write mask_secret: ${secret:NAME}",
            );
            return None;
        }
        (Some(field), _) if !hashes => field.warn("no column is masked by `hash`, so it has no effect"),
        // A reference that is looked up later is as long as its name.
        (Some(field), Some(secret))
            if matches!(field.reading(), Some(Reading::Known(_)))
                && secret.expose().chars().count() < SHORTEST_SECRET =>
        {
            field.problem(format!("has fewer than {SHORTEST_SECRET} characters, so it could be found by trying"));
            return None;
        }
        _ => {}
    }
    Some(secret.filter(|_| hashes))
}

fn keep(section: &Section<'_>) -> Option<Keep> {
    if let (Some(_), Some(field)) = (section.field("select"), section.field("drop")) {
        field.problem("write either select or drop");
        return None;
    }
    match (section.field("select"), section.field("drop")) {
        (Some(field), _) => {
            let named = named(field)?;
            if named.is_empty() {
                field.problem("expected at least one column");
                return None;
            }
            Some(Keep::Only(named))
        }
        (None, Some(field)) => named(field).map(Keep::Without),
        (None, None) => Some(Keep::All),
    }
}

fn named(field: &Field<'_>) -> Option<Vec<Named>> {
    let items = if field.is_list() { field.items()? } else { vec![field.clone()] };
    let (mut named, mut taken) = (Vec::<Named>::new(), HashSet::new());
    for item in items {
        let name = raw(item.filled_item()?)?;
        if !taken.insert(name.clone()) {
            item.problem(format!("the column {name:?} is named already"));
            return None;
        }
        named.push(Named { name, at: written(&item) });
    }
    Some(named)
}
