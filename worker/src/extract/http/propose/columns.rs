//! What the columns of a first page propose: a cursor for what is new, and a key.

use std::collections::HashSet;

use elt_shared::config::ColumnType;
use elt_shared::runs::{Choice, Confidence};
use serde_json::Value;

use super::document::bare;
use super::words::counted;
use super::yaml::quoted;
use crate::frame::profile::ColumnProfile;

/// Names of columns that say when a row was changed last, the surest first.
const CHANGED: &[&str] = &[
    "updatedat",
    "modifiedat",
    "updated",
    "modified",
    "lastmodified",
    "lastmodifieddate",
    "lastmodifiedat",
    "lastupdated",
    "lastupdatedat",
    "lastupdate",
    "updatedon",
    "modifiedon",
    "modifieddate",
    "updateddate",
    "dateupdated",
    "datemodified",
    "systemmodstamp",
    "changedat",
    "changed",
    "updatetime",
    "updatedtime",
    "modifiedtime",
    "modificationdate",
    "lasteditedtime",
];

/// Names of columns that say when a row was made. They find new rows, but no changed ones.
const MADE: &[&str] =
    &["createdat", "created", "createdon", "createddate", "datecreated", "createtime", "createdtime", "timestamp"];

/// A column by which an API may be asked for what is new. `None`: no column has a time in every row.
pub(super) fn incremental(columns: &[ColumnProfile], rows: usize) -> Option<Choice> {
    let find = |names: &[&str]| {
        names.iter().find_map(|name| columns.iter().find(|column| bare(&column.name) == *name && is_time(column)))
    };
    let (column, kind) = find(CHANGED).map(|column| (column, "changed")).or_else(|| Some((find(MADE)?, "created")))?;
    let but = if kind == "created" { "; rows that change later would not be found" } else { "" };
    let reason = format!(
        "`{}` has a time in each of the {}, so a run could ask only for what was {kind} since the last one, if the API has a \
         parameter for that: look its name up. It was not tried{but}",
        column.name,
        counted(rows, "row")
    );
    Some(Choice {
        key: "incremental".to_owned(),
        value: Some(format!("{{ cursor: {}, param: since }}", quoted(&column.name))),
        reason,
        confidence: Confidence::Unsure,
        others: Vec::new(),
    })
}

fn is_time(column: &ColumnProfile) -> bool {
    let is_time = matches!(column.inferred(), ColumnType::Timestamp | ColumnType::TimestampTz | ColumnType::Date);
    is_time && has_values_only(column)
}

fn has_values_only(column: &ColumnProfile) -> bool {
    column.non_nulls > 0 && column.nulls == 0 && column.null_tokens == 0 && column.empties == 0
}

/// Names of columns that identify a row, the surest first.
const KEYS: &[&str] = &["id", "uuid", "guid", "key", "sid", "gid", "objectid", "number"];

/// A column whose values differ in all rows that were seen.
pub(super) fn key(columns: &[ColumnProfile], pages: &[Vec<&Value>], table: &str) -> Option<Choice> {
    let rows: usize = pages.iter().map(Vec::len).sum();
    let table = bare(table);
    let of_table = [format!("{}id", table.strip_suffix('s').unwrap_or(&table)), format!("{table}id")];
    let names = KEYS.iter().copied().chain(of_table.iter().map(String::as_str));
    let named = names.filter_map(|name| columns.iter().find(|column| bare(&column.name) == name));
    let column = named.into_iter().find(|column| has_values_only(column) && is_unique(&column.name, pages))?;
    let reason = format!(
        "`{}` differs in all of the {} that were read, so a row that comes again with other values could replace the one before",
        column.name,
        counted(rows, "row")
    );
    Some(Choice {
        key: "load".to_owned(),
        value: Some(format!("{{ mode: merge, key: [{}] }}", quoted(&column.name))),
        reason,
        confidence: if rows > 1 { Confidence::Likely } else { Confidence::Unsure },
        others: Vec::new(),
    })
}

fn is_unique(column: &str, pages: &[Vec<&Value>]) -> bool {
    let mut seen = HashSet::new();
    pages.iter().flatten().all(|row| match row.get(column) {
        Some(value @ (Value::String(_) | Value::Number(_))) => seen.insert(value.to_string()),
        _ => false,
    })
}
