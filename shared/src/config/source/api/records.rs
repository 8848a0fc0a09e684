//! `records`, `include` and `include_headers`: the rows of an answer, and the columns that are added to them.

use reqwest::header::HeaderName;

use super::for_each::ForEach;
use crate::config::field::{Field, Reading};
use crate::config::keys::{Key, Shape};
use crate::config::section::Section;
use crate::json_path::{JsonPath, Step};

/// Most columns that a source adds to its rows.
const MOST_COLUMNS: usize = 100;

/// A column that an API source adds to its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Include {
    /// Name of the column.
    pub column: String,
    /// Where its values come from.
    pub from: Included,
}

/// The origin of the values of an added column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Included {
    /// What is at this JSON path of the answer. Each `[*]` of the path stands for the element that the row is in.
    Path(String),
    /// A header of the answer.
    Header(String),
    /// The value of `for_each` that the request was made for.
    Parent,
}

pub(super) const RECORDS_KEY: Key = Key::of(
    "records",
    Shape::Texts,
    "JSON path to the rows in an answer, `data.items`, or `$` when the answer is the row; or several paths. `[*]` leads \
     into every element: `orders[*].items`. Default: the elements of an array, or of an object's only member that is an \
     array of objects; what was found holds for later runs.",
)
.or(&["records_path"]);
pub(super) const INCLUDE_KEY: Key = Key::of(
    "include",
    Shape::Pairs,
    "Columns that are added to every row: a name with a JSON path from the root of the answer, in which each `[*]` stands \
     for the element that the row is in, or with the placeholder of `for_each`.",
);
pub(super) const INCLUDE_HEADERS_KEY: Key = Key::of(
    "include_headers",
    Shape::Pairs,
    "Columns that are added to every row: a name with the header of the answer that has the value.",
);

/// The paths to the rows. `None`: there was a problem.
pub(super) fn paths(section: &Section<'_>) -> Option<Vec<String>> {
    let Some(field) = section.field("records") else { return Some(Vec::new()) };
    let items = if field.is_list() { field.items()? } else { vec![field.clone()] };
    let mut paths: Vec<String> = Vec::new();
    for item in &items {
        let text = item.filled_item()?.text()?;
        if text.trim().is_empty() && !field.is_list() {
            return Some(paths);
        }
        path(item);
        if paths.contains(&text) {
            item.problem("the same path is in the list already, so its rows would be there twice");
        }
        paths.push(text);
    }
    if paths.is_empty() {
        field.problem("expected at least one path");
    }
    Some(paths)
}

/// The columns that are added. `None`: there was a problem.
pub(super) fn include(section: &Section<'_>, records: &[String], for_each: Option<&ForEach>) -> Option<Vec<Include>> {
    let mut included: Vec<Include> = Vec::new();
    for (key, read) in [("include", value as Read), ("include_headers", header as Read)] {
        let Some(field) = section.field(key) else { continue };
        for (column, field) in field.pairs()? {
            let from = read(&field, records, for_each)?;
            if column.trim().is_empty() {
                field.problem("expected the name of a column in front of the colon");
            }
            if included.iter().any(|other| other.column == column) {
                field.problem(format!("the column {column:?} is added already"));
            }
            included.push(Include { column: column.to_owned(), from });
        }
        if included.len() > MOST_COLUMNS {
            field.problem(format!("expected at most {MOST_COLUMNS} columns"));
            return None;
        }
    }
    Some(included)
}

type Read = fn(&Field<'_>, &[String], Option<&ForEach>) -> Option<Included>;

/// A path, or the placeholder of `for_each`.
fn value(field: &Field<'_>, records: &[String], for_each: Option<&ForEach>) -> Option<Included> {
    let text = field.text()?;
    if let Some(name) = text.trim().strip_prefix("{{").and_then(|text| text.strip_suffix("}}")) {
        let expected = for_each.map(|each| each.name.as_str());
        if expected != Some(name.trim()) {
            field.problem(match expected {
                Some(expected) => format!("expected {{{{{expected}}}}}, the placeholder of for_each, or a JSON path"),
                None => "a placeholder can be added only with for_each, whose value it stands for".to_owned(),
            });
        }
        return Some(Included::Parent);
    }
    if let Some(path) = path(field) {
        let around = path.split_after_every().0;
        let records: Option<Vec<JsonPath>> = records.iter().map(|text| text.parse().ok()).collect();
        let fits = |records: &JsonPath| records.to_rows().starts_with(around);
        if !around.is_empty() && records.is_some_and(|records| !records.iter().any(fits)) {
            field.problem(
                "each [*] stands for the element that the row is in, so the path must begin like `records` up to its last \
                 [*]: with records: orders[*].items it may be orders[*].id",
            );
        }
    }
    Some(Included::Path(text))
}

fn header(field: &Field<'_>, _: &[String], _: Option<&ForEach>) -> Option<Included> {
    let name = field.text()?.trim().to_owned();
    if matches!(field.reading()?, Reading::Known(_)) && HeaderName::try_from(&name).is_err() {
        field.problem(format!("expected the name of an HTTP header, found {}", field.shown()));
    }
    Some(Included::Header(name))
}

/// Checks a path. `None`: it is wrong, or not known yet.
fn path(field: &Field<'_>) -> Option<JsonPath> {
    field.accepted(|text| {
        let path = text.parse::<JsonPath>().map_err(|error| error.to_string())?;
        if path.steps().contains(&Step::Last) {
            return Err("[-1] can stand only in the path to a cursor; write [0], [1], … or [*]".to_owned());
        }
        Ok(path)
    })
}
