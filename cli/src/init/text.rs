//! What was found in files becomes a config people can read.

use std::fmt::Write;

use elt_worker::extract::http::propose::quoted;
use elt_worker::frame::dialect_proposal::Proposed;
use elt_worker::frame::profile::{ColumnProfile, Profile};

/// What lies in a place.
pub struct Found<'a> {
    /// The files, as people see them.
    pub names: &'a [String],
    /// Their columns.
    pub profile: &'a Profile,
    /// Files that were not read, and why.
    pub not_read: Vec<String>,
    /// What the files need to be read.
    pub keys: &'a [Proposed],
    /// Lines of the source that say what the file holds.
    pub format: &'a str,
}

/// The source as YAML, with the reasons for what it says about its files.
pub fn source(path: &str, keys: &[Proposed], format: &str) -> String {
    let mut text = format!("  - type: local\n    path: {}\n", quoted(path));
    if keys.is_empty() {
        return text + format;
    }
    let mut reasons: Vec<(Vec<&str>, &str)> = Vec::new();
    for Proposed { key, reason, .. } in keys {
        match reasons.iter_mut().find(|(_, other)| other == reason) {
            Some((keys, _)) => keys.push(key),
            None => reasons.push((vec![key], reason)),
        }
    }
    for (keys, reason) in reasons {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "    # {}: {}", keys.join(", "), reason.replace(char::is_control, " "));
    }
    let pairs: Vec<_> = keys.iter().map(|Proposed { key, value, .. }| format!("{key}: {value}")).collect();
    let _ = writeln!(text, "    csv: {{ {} }}", pairs.join(", "));
    text + format
}

/// The whole config.
pub fn write(path: &str, table: &str, target: &str, found: &Found<'_>) -> String {
    let rows: u64 = found.profile.files.iter().map(|file| file.rows).sum();
    let files = found.names.len();
    let mut text = format!("# Written by `elt init` after a look at {files} files with {rows} rows.\n");
    for reason in &found.not_read {
        // Names come from elsewhere: a line break in one must not end the comment.
        text.push_str(&format!("# Not read: {}\n", reason.replace(char::is_control, " ")));
    }
    text.push_str(&format!("# `elt schema` describes every key there is.\nname: {}\n\nsources:\n", quoted(table)));
    text.push_str(&source(path, found.keys, found.format));
    text.push_str(&dialects(found));
    text.push_str("    # recursive: true      # folders below, too\n    # settle_seconds: 5    # leave files alone that were written just now\n");
    let server = "  # Without a server of its own the target is ELT_TARGET_URL. A server of yours:
  # host: db.example.com
  # database: warehouse
  # user: loader
  # password: ${env:WAREHOUSE_PASSWORD}
";
    let target = if target.is_empty() { server } else { target };
    text.push_str(&format!(
        "\ntarget:\n  table: {}\n{target}
# What was found. Without this block every run decides types itself, over all its rows.
schema:
  columns:
",
        quoted(table)
    ));
    for column in &found.profile.columns {
        text.push_str(&line(column));
    }
    text.push_str(
        "
# true: only these columns are kept, and a row that breaks the schema is set aside or fails the run.
strict_mode: false
# on_bad_row: quarantine                 # or fail
# load: { mode: merge, key: [id] }       # the latest row of a key wins; or replace
# monitor: { interval_seconds: 60 }      # how often the sources are looked at
# schedule: { cron: \"0 4 * * *\", timezone: Europe/Berlin }
",
    );
    text
}

/// `    balance: text   # because orders.csv:812 has "12 EUR"; 3 empty`
fn line(column: &ColumnProfile) -> String {
    let mut line = format!("    {}: {}", quoted(&column.name), column.inferred());
    let mut notes = Vec::new();
    if let Some(cell) = column.deciding() {
        let value: String = cell.value.chars().take(40).collect();
        notes.push(format!("because {}:{} has {value:?}", cell.file.replace(char::is_control, " "), cell.line));
    }
    match (column.nulls, column.non_nulls) {
        (0, _) => {}
        (_, 0) => notes.push("always empty".to_owned()),
        (nulls, _) => notes.push(format!("{nulls} empty")),
    }
    if !notes.is_empty() {
        // Writing to a String cannot fail.
        let _ = write!(line, "  # {}", notes.join("; "));
    }
    line.push('\n');
    line
}

/// How the text files are read, as a comment: `As found: orders.csv has the delimiter "," and its header in the first line`.
fn dialects(found: &Found<'_>) -> String {
    let mut lines = String::new();
    let mut seen: Vec<&str> = Vec::new();
    for file in &found.profile.files {
        let Some(delimiter) = file.summary.delimiter.as_deref().filter(|delimiter| !seen.contains(delimiter)) else {
            continue;
        };
        seen.push(delimiter);
        let name = found.names[file.index].replace(char::is_control, " ");
        let header = match file.summary.dialect.as_ref().and_then(|dialect| dialect.header_line) {
            Some(1) => "a header in its first line".to_owned(),
            Some(line) => format!("its header in line {line}"),
            None => "no header".to_owned(),
        };
        let _ = writeln!(lines, "    # As found: {name} has the delimiter {delimiter} and {header}.");
    }
    lines
}
