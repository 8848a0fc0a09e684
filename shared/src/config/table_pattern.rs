//! `target.table` with placeholders: a table for each file, folder or sheet.

use std::fmt;

use regex::Regex;

use super::field::{Field, Piece};
use super::section::Section;
use super::source::{AfterLoad, SourceConfig};
use super::table_name::{MAX_NAME_BYTES, TableName};

/// Placeholders that are filled in from the file itself.
const OF_FILES: [&str; 3] = ["file", "folder", "sheet"];

/// The name of a table with placeholders in braces, such as `raw_{file}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TablePattern {
    written: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Placeholder(String),
}

/// The table that a pattern makes of the values of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedTable {
    /// Name of the table, without its schema.
    pub table: String,
    /// The values as they were before they became a part of the name, in the order of the placeholders.
    pub values: Vec<String>,
}

impl fmt::Display for TablePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl TablePattern {
    /// The placeholders, in their order. One that stands in the pattern twice is listed twice.
    pub fn placeholders(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Placeholder(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// The table for the values of a file; `value` has that of a placeholder.
    ///
    /// # Errors
    /// A reason, as the end of a sentence about the file: a value is missing or has no letter and no digit, or the name is
    /// too long or reserved.
    pub fn table(&self, value: impl Fn(&str) -> Option<String>) -> Result<NamedTable, String> {
        let (mut table, mut values) = (String::new(), Vec::new());
        for part in &self.parts {
            match part {
                Part::Text(text) => table.push_str(text),
                Part::Placeholder(name) => {
                    let value = value(name).ok_or_else(|| format!("it has no value for {{{name}}} of target.table"))?;
                    table.push_str(&name_part(name, &value)?);
                    values.push(value);
                }
            }
        }
        if table.starts_with(|first: char| first.is_numeric()) {
            table.insert_str(0, "t_");
        }
        if table.len() > MAX_NAME_BYTES {
            let bytes = table.len();
            return Err(format!(
                "the name of its table would have {bytes} bytes, and PostgreSQL keeps {MAX_NAME_BYTES}"
            ));
        }
        if table.starts_with("_elt_") || table.starts_with("pg_") {
            return Err(format!("its table would be {table}, and such names belong to elt and PostgreSQL"));
        }
        Ok(NamedTable { table, values })
    }

    /// Whether the pattern could have made this name.
    pub fn fits(&self, table: &str) -> bool {
        let mut pattern = String::from("^(?:t_)?");
        for part in &self.parts {
            match part {
                Part::Text(text) => pattern.push_str(&regex::escape(text)),
                Part::Placeholder(_) => pattern.push_str(r"[\p{Alphabetic}\p{N}_]+"),
            }
        }
        pattern.push('$');
        let reserved = ["_elt_", "pg_"].iter().any(|prefix| table.starts_with(prefix));
        !reserved && Regex::new(&pattern).is_ok_and(|pattern| pattern.is_match(table))
    }

    /// `None`: the text has no placeholder. The error says what was expected.
    fn parse(written: &str) -> Result<Option<Self>, String> {
        let mut parts = Vec::new();
        let mut rest = written;
        while let Some(brace) = rest.find(['{', '}']) {
            let (text, behind) = rest.split_at(brace);
            if !text.is_empty() {
                parts.push(Part::Text(text.to_owned()));
            }
            let inner = behind.strip_prefix('{').ok_or("a } with a { in front of it")?;
            let (name, behind) = inner.split_once('}').ok_or("a { with a } behind it")?;
            if name.trim().is_empty() || name.contains('{') {
                return Err("a placeholder between { and }, such as {file}".to_owned());
            }
            parts.push(Part::Placeholder(name.trim().to_owned()));
            rest = behind;
        }
        if parts.is_empty() {
            return Ok(None);
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Some(Self { written: written.to_owned(), parts }))
    }
}

/// A value as a part of a name: lower case, and `_` for every character that is neither a letter nor a digit.
fn name_part(placeholder: &str, value: &str) -> Result<String, String> {
    let lower = value.to_lowercase();
    if !lower.contains(char::is_alphanumeric) {
        return Err(format!("its {{{placeholder}}} is {value:?}, which has no letter and no digit"));
    }
    Ok(lower.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect())
}

/// Reads the pattern that the name of a table is. `Some(None)`: it is the name of one table.
pub(super) fn read(field: Option<&Field<'_>>, table: &TableName) -> Option<Option<TablePattern>> {
    let Some(field) = field else { return Some(None) };
    let braces = |text: &str| text.contains(['{', '}']);
    let pieces = field.pieces()?;
    if pieces.iter().any(|piece| !matches!(piece, Piece::Written(_))) {
        let has_braces = pieces.iter().any(|piece| match piece {
            Piece::Written(text) | Piece::Resolved(text) => braces(text),
            Piece::Open(_) => false,
        });
        if has_braces {
            field
                .problem("a reference such as ${env:NAME} and a placeholder such as {file} cannot stand together here");
            return None;
        }
        return Some(None);
    }
    if table.schema.as_deref().is_some_and(braces) {
        field.problem("the schema has to be written out: only the name of the table may have placeholders");
        return None;
    }
    match TablePattern::parse(&table.table) {
        Ok(pattern) => Some(pattern),
        Err(expected) => {
            field.problem(format!("expected {expected}"));
            None
        }
    }
}

/// Notes what in a config cannot be together with a table for each file.
pub(super) fn check(root: &Section<'_>, table: Option<&Field<'_>>, pattern: &TablePattern, sources: &[SourceConfig]) {
    for key in ["output", "output_csv_path"] {
        if let Some(field) = root.field(key) {
            field.problem(
                "a pipeline with a table for each file writes no output file: leave it out, or name one table",
            );
        }
    }
    if let Some(field) = root.field("transform") {
        field.problem(
            "models cannot be made of a table for each file, because the run of each table would make them again: make them \
             in a pipeline with one table",
        );
    }
    let items = root.field("sources").and_then(Field::items).unwrap_or_default();
    for (source, field) in sources.iter().zip(&items) {
        if matches!(source, SourceConfig::Api(_)) {
            field.problem(
                "the answers of an API are no files that could have a table each: name one table at target.table",
            );
        }
        if after_load(source) != &AfterLoad::Keep {
            let nested = field.child("sftp").and_then(|nested| nested.child("after_load"));
            field.child("after_load").or(nested).as_ref().unwrap_or(field).problem(
                "a file cannot be moved, deleted or tagged after its load where each file has a table, because other tables \
                 may need it as well: leave after_load out",
            );
        }
    }
    for name in pattern.placeholders() {
        let has_column = |source: &&SourceConfig| {
            let columns = source.files().and_then(|files| files.path_columns.as_ref());
            columns.is_some_and(|columns| columns.names().iter().any(|column| column == name))
        };
        let problem = match (OF_FILES.contains(&name), sources.iter().filter(has_column).count()) {
            (true, 0) => continue,
            (true, _) => format!(
                "{{{name}}} could be that of the file or the column of path_columns: name the column differently"
            ),
            (false, with) if with == sources.len() => continue,
            (false, _) => format!(
                "unknown placeholder {{{name}}}, expected {{file}}, {{folder}}, {{sheet}} or a column that path_columns of every \
                 source has"
            ),
        };
        if let Some(field) = table {
            field.problem(problem);
        }
    }
}

fn after_load(source: &SourceConfig) -> &AfterLoad {
    match source {
        SourceConfig::Inbox(inbox) if inbox.delete_loaded => &AfterLoad::Delete,
        SourceConfig::Sftp(sftp) => &sftp.after_load,
        other => other.place().map_or(&AfterLoad::Keep, |place| &place.after_load),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(written: &str) -> TablePattern {
        TablePattern::parse(written).expect("a pattern").expect("placeholders")
    }

    fn table(written: &str, value: &str) -> Result<String, String> {
        pattern(written).table(|_| Some(value.to_owned())).map(|named| named.table)
    }

    #[test]
    fn a_value_becomes_a_part_of_a_name() {
        for (written, value, expected) in [
            ("raw_{file}", "Orders", "raw_orders"),
            ("raw_{file}", "Open Orders (new)", "raw_open_orders__new_"),
            ("{file}", "2026-01", "t_2026_01"),
            ("raw_{file}", "Größe", "raw_größe"),
            ("raw_{file}", "a\"; drop table x; --", "raw_a___drop_table_x____"),
            ("raw_{file}", "public.users", "raw_public_users"),
            ("Raw {file}", "A", "Raw a"),
            ("{a}_{b}", "X", "x_x"),
        ] {
            assert_eq!(table(written, value).as_deref(), Ok(expected), "{written} {value}");
            assert!(pattern(written).fits(expected), "{written} {expected}");
        }
    }

    #[test]
    fn a_name_that_cannot_be_a_table_is_refused_and_never_cut() {
        for (written, value, expected) in [
            ("{file}", "_elt_loads", "belong to elt"),
            ("{file}", "_ELT_files", "belong to elt"),
            ("{file}", "pg_class", "belong to elt"),
            ("{file}", "--", "no letter and no digit"),
            ("raw_{file}", "", "no letter and no digit"),
            ("raw_{file}", &"a".repeat(60), "64 bytes"),
            ("raw_{file}", &"ä".repeat(30), "64 bytes"),
        ] {
            let reason = table(written, value).expect_err(value);
            assert!(reason.contains(expected), "{value}: {reason}");
        }
        assert_eq!(table("raw_{file}", &"a".repeat(59)).map(|name| name.len()), Ok(63));
        let missing = pattern("{sheet}").table(|_| None).expect_err("no sheet");
        assert_eq!(missing, "it has no value for {sheet} of target.table");
    }

    #[test]
    fn only_names_that_the_pattern_makes_fit_it() {
        let pattern = pattern("raw_{file}");
        for name in ["orders", "raw_", "raw_{file}", "raw_a.b", "raw_a\"b", "_elt_loads", "xraw_a"] {
            assert!(!pattern.fits(name), "{name}");
        }
    }

    #[test]
    fn braces_stand_for_placeholders() {
        assert_eq!(TablePattern::parse("orders"), Ok(None));
        let both = pattern("{ region }_x_{file}");
        assert_eq!(both.placeholders().collect::<Vec<_>>(), ["region", "file"]);
        for wrong in ["{file", "file}", "{}", "{{file}}", "a{ }b"] {
            assert!(TablePattern::parse(wrong).is_err(), "{wrong}");
        }
    }
}
