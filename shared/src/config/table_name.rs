//! The name of a table, as a config writes it.

use std::fmt;
use std::str::FromStr;

use super::field::{Field, Reading};

/// Most bytes of a name. PostgreSQL cuts longer ones silently, so that two tables, or two columns, would become one.
pub(super) const MAX_NAME_BYTES: usize = 63;

/// A table's name, with its schema when one was written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TableName {
    /// `analytics` of `analytics.customers`.
    pub schema: Option<String>,
    /// `customers`.
    pub table: String,
}

impl TableName {
    /// The table of a config that names none.
    pub(super) fn raw_data() -> Self {
        Self { schema: None, table: "raw_data".to_owned() }
    }

    /// The text of a table that is named for a place: `order_items` for `Order Items.2026.csv.gz`, and for a URL the end
    /// of its path. `raw_data` when nothing is left.
    pub fn text_for(place: &str) -> String {
        let path = match place.split_once("://") {
            Some((_, rest)) => {
                let rest = rest.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
                rest.split_once('/').map_or("", |(_, path)| path)
            }
            None => place,
        };
        let last = path.rsplit('/').next().unwrap_or_default();
        let stem = last.split('.').next().unwrap_or_default().to_lowercase();
        let name: String = stem.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
        let name = name.trim_matches('_');
        // Two bytes are left for `t_`.
        let name = &name[..name.floor_char_boundary(MAX_NAME_BYTES - 2)];
        match name {
            "" => "raw_data".to_owned(),
            name if name.starts_with(|c: char| c.is_ascii_digit()) => format!("t_{name}"),
            name => name.to_owned(),
        }
    }
}

impl fmt::Display for TableName {
    /// As a config writes it: a part with a dot or a quote stands in double quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |f: &mut fmt::Formatter<'_>, name: &str| match name.contains(['.', '"']) {
            true => write!(f, "\"{}\"", name.replace('"', "\"\"")),
            false => f.write_str(name),
        };
        if let Some(schema) = &self.schema {
            part(f, schema)?;
            f.write_str(".")?;
        }
        part(f, &self.table)
    }
}

impl FromStr for TableName {
    type Err = String;

    /// Reads `table`, `schema.table`, or the same with parts in double quotes. Every character counts as written. The
    /// error says what was expected.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = name_parts(text)?;
        let (schema, table) = match (parts.pop(), parts.pop(), parts.pop()) {
            (Some(table), schema, None) => (schema, table),
            _ => return Err("table or schema.table, a name with a dot in double quotes".into()),
        };
        for part in schema.iter().chain([&table]) {
            if part.is_empty() || part.len() > MAX_NAME_BYTES {
                return Err(format!("a name of 1 to {MAX_NAME_BYTES} bytes"));
            }
            if part.chars().any(char::is_control) {
                return Err("a name without line breaks, tabs and other control characters".into());
            }
            // Such a name is a mistake, because people could not tell it from the name without the white space.
            if part.trim() != part {
                return Err("a name without white space at its ends".into());
            }
        }
        if schema.as_deref().is_some_and(|schema| schema.starts_with("pg_") || schema == "information_schema") {
            return Err("a schema that is not PostgreSQL's own".into());
        }
        if table.starts_with("_elt_") {
            return Err("a table that is not elt's own (_elt_…)".into());
        }
        Ok(Self { schema, table })
    }
}

/// Reads the name of a table.
pub(super) fn table(field: &Field<'_>) -> Option<TableName> {
    match field.without_secrets()?.reading()? {
        Reading::Open(text) => Some(TableName { schema: None, table: text }),
        Reading::Known(_) => field.parsed_exactly(str::parse),
    }
}

/// Splits at dots outside double quotes. A part is quoted as a whole or not at all.
fn name_parts(text: &str) -> Result<Vec<String>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let (part, behind) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_part(quoted)?,
            None => {
                let (part, behind) = rest.split_at(rest.find('.').unwrap_or(rest.len()));
                if part.contains('"') {
                    return Err(
                        "a name with a double quote as a whole in double quotes, its own doubled: \"a\"\"b\"".into()
                    );
                }
                (part.to_owned(), behind)
            }
        };
        parts.push(part);
        match behind.strip_prefix('.') {
            Some(next) => rest = next,
            None if behind.is_empty() => return Ok(parts),
            None => return Err("a dot or nothing behind a closing double quote".into()),
        }
    }
}

/// The text before the closing double quote, and the text after it.
fn quoted_part(text: &str) -> Result<(String, &str), String> {
    let mut part = String::new();
    let mut rest = text;
    loop {
        let (before, behind) = rest.split_once('"').ok_or("a closed double quote")?;
        part.push_str(before);
        match behind.strip_prefix('"') {
            Some(next) => {
                part.push('"');
                rest = next;
            }
            None => return Ok((part, behind)),
        }
    }
}
