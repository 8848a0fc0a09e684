//! What was found becomes a config people can read.

use std::fmt::Write;

use elt_worker::frame::profile::{ColumnProfile, Profile};

use super::place::Place;

/// What lies in a place.
pub struct Found<'a> {
    /// The files, as people see them.
    pub names: &'a [String],
    /// Their columns.
    pub profile: &'a Profile,
    /// Files that were not read, and why.
    pub not_read: Vec<String>,
}

/// The whole config.
pub fn write(place: &Place, table: &str, found: &Found<'_>) -> String {
    let rows: u64 = found.profile.files.iter().map(|file| file.rows).sum();
    let files = found.names.len();
    let mut text = format!("# Written by `elt init` after a look at {files} files with {rows} rows.\n");
    for reason in &found.not_read {
        // Names come from elsewhere: a line break in one must not end the comment.
        text.push_str(&format!("# Not read: {}\n", reason.replace(char::is_control, " ")));
    }
    text.push_str(&format!("# `elt schema` describes every key there is.\nname: {}\n\nsources:\n", quoted(table)));
    text.push_str(&place.source(None));
    text.push_str(match place {
        Place::Path(_) => "    # recursive: true      # folders below, too\n    # settle_seconds: 5    # leave files alone that were written just now\n",
        Place::Url { token: true, .. } => {
            "    # ELT_ENV_ALLOW=API_TOKEN on the workers lets the config name that variable.\n    # pagination: { type: page }\n"
        }
        Place::Url { .. } => "    # pagination: { type: page }\n",
    });
    text.push_str(&format!(
        "\ntarget:
  table: {}
  # Without a server of its own the target is ELT_TARGET_URL. A server of yours:
  # host: db.example.com
  # database: warehouse
  # user: loader
  # password: ${{env:WAREHOUSE_PASSWORD}}

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

/// A text as YAML: as it is where that is safe, else as JSON writes it, which YAML reads.
pub fn quoted(text: &str) -> String {
    const WORDS: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    let is_path = text == "." || ["./", "../", "/"].iter().any(|start| text.starts_with(start));
    let is_word = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    let is_safe = text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./*".contains(c));
    if is_safe && (is_path || is_word) { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_yaml_could_misread_is_quoted() {
        for plain in ["orders", "./incoming/*.csv", "a-b_c.d", ".", "../x"] {
            assert_eq!(quoted(plain), plain);
        }
        for odd in ["no", "Null", "1e3", "a: b", "# x", "é", "", ".5", "a\nb", "*"] {
            let read: serde_json::Value = serde_json::from_str(&quoted(odd)).expect("quoted as JSON");
            assert_eq!(read, odd);
        }
    }
}
