//! The choices as a complete config, each with its reason as a comment.

use std::fmt::Write;

use elt_shared::config::{ApiSource, Document, NoReferences};
use elt_shared::runs::{Choice, PreviewColumn};

use super::written_source::{References, lines};
use super::yaml::quoted;
use super::{Proposal, is_active};

/// Characters of a line of comment.
const WIDTH: usize = 100;

/// What the person wants the config to have.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The table to load into.
    pub table: String,
    /// The lines of `target:` below `table`, indented by two spaces. Empty: the default target.
    pub target: String,
    /// What stands in place of secrets.
    pub references: References,
    /// What made the config: `elt init`.
    pub by: &'static str,
}

impl Proposal {
    /// The config as YAML.
    ///
    /// # Errors
    /// When the text is not a config that can run: a sentence. This would be a mistake of this program.
    pub fn config(&self, source: &ApiSource, wish: &Wish) -> Result<String, String> {
        let text = self.text(source, wish);
        let document = Document::parse(&text).map_err(|error| error.to_string())?;
        match document.pipeline(&NoReferences) {
            Ok(_) => Ok(text),
            Err(problems) => Err(problems.to_string()),
        }
    }

    fn text(&self, source: &ApiSource, wish: &Wish) -> String {
        let rows = self.rows_total.map(|rows| format!(" with {rows} rows")).unwrap_or_default();
        let requests = if self.requests == 1 { "1 request".to_owned() } else { format!("{} requests", self.requests) };
        let mut text = String::new();
        comment(
            &mut text,
            "",
            &format!("Written by {} after a look at the first page of {}{rows} ({requests}).", wish.by, self.address),
        );
        if let Some(limit) = self.choice("rate_limit") {
            comment(&mut text, "", &format!("Rate limit: {}.", limit.reason));
        }
        text.push_str("# `elt schema` describes every key there is.\n");
        let _ = write!(text, "name: {}\n\nsources:\n{}", quoted(&wish.table), lines(source, wish.references));
        for key in ["records", "pagination", "incremental"] {
            if let Some(choice) = self.choice(key) {
                text.push('\n');
                choice_lines(&mut text, "    ", choice);
            }
        }
        let _ = write!(text, "\ntarget:\n  table: {}\n{}", quoted(&wish.table), target(wish));
        if let Some(choice) = self.choice("load") {
            text.push('\n');
            choice_lines(&mut text, "", choice);
        }
        types(&mut text, &self.columns);
        text.push_str(
            "
# monitor: { interval_seconds: 60 }      # how often the source is looked at
# schedule: { cron: \"0 4 * * *\", timezone: Europe/Berlin }
",
        );
        text
    }
}

/// A choice with its reason above it, as a comment itself when a person must decide.
fn choice_lines(text: &mut String, indent: &str, choice: &Choice) {
    let about = match choice.key.as_str() {
        "records" => "Rows",
        "pagination" => "Pages",
        "incremental" => "Only what is new",
        _ => "Key",
    };
    comment(text, indent, &format!("{about}: {}.", choice.reason));
    if !choice.others.is_empty() {
        comment(text, indent, &format!("Also in the answer: {}.", choice.others.join(", ")));
    }
    if let Some(value) = &choice.value {
        let mark = if is_active(choice) { "" } else { "# " };
        // A path is one word, and the other values are written as YAML already.
        let value = if choice.key == "records" { quoted(value) } else { value.clone() };
        let _ = writeln!(text, "{indent}{mark}{}: {value}", choice.key);
    }
}

fn target(wish: &Wish) -> String {
    if !wish.target.is_empty() {
        return wish.target.clone();
    }
    "  # Without a server of its own the target is ELT_TARGET_URL. A server of yours:
  # host: db.example.com
  # database: warehouse
  # user: loader
  # password: ${env:WAREHOUSE_PASSWORD}
"
    .to_owned()
}

/// The types as a comment: a page is a sample, and other pages may have other values.
fn types(text: &mut String, columns: &[PreviewColumn]) {
    if columns.is_empty() {
        return;
    }
    text.push_str(
        "
# The types that elt decides from this page. Without a schema every run decides them over all its rows. Take the `#`
# away to make a contract of the columns that must always be there.
# schema:
#   columns:
",
    );
    for column in columns {
        let because =
            if column.because.is_empty() { String::new() } else { format!("  # {}", one_line(&column.because)) };
        let _ = writeln!(text, "#     {}: {}{because}", quoted(&column.name), column.sql_type);
    }
}

/// Writes a comment in lines of a bounded length. Names come from elsewhere: a line break in one must not end the comment.
fn comment(text: &mut String, indent: &str, words: &str) {
    let mut line = format!("{indent}#");
    for word in one_line(words).split(' ') {
        if line.chars().count() + word.chars().count() >= WIDTH && !line.ends_with('#') {
            text.push_str(&line);
            text.push('\n');
            line = format!("{indent}#");
        }
        line.push(' ');
        line.push_str(word);
    }
    text.push_str(&line);
    text.push('\n');
}

fn one_line(text: &str) -> String {
    text.replace(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{85}'), " ")
}
