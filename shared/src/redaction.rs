//! Hides the values of secrets in everything that people may read: log lines, spans, errors, reports, answers.
//!
//! A process adds every stored secret that a config gets, and the variables whose names say that they are secret. Values
//! written in a config itself, and variables with other names, are not added. From then on [`hide`] replaces it by `***`, also where it was escaped
//! for a URL or for JSON. Values stay added after the run that used them, because its spans and log lines are sent later; beyond 1 MiB
//! of values the oldest are forgotten.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::{LazyLock, PoisonError, RwLock};

use serde_json::Value;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::Finder;
use crate::driver_text::without_source_lines;
use crate::secret::{PLACEHOLDER, Secret};

/// Shorter values are not hidden, because they would be found everywhere.
pub const SHORTEST: usize = 4;
/// Shorter lines of a value with several lines are not hidden, because they would be found everywhere.
const SHORTEST_LINE: usize = 8;
/// Bytes of all values together; the oldest ones are forgotten beyond it.
const MOST_BYTES: usize = 1 << 20;

static HIDDEN: LazyLock<RwLock<Hidden>> = LazyLock::new(RwLock::default);

/// The values that are hidden.
struct Hidden {
    /// What to look for, the oldest first.
    texts: VecDeque<String>,
    bytes: usize,
    finder: Finder,
}

impl Default for Hidden {
    fn default() -> Self {
        Self { texts: VecDeque::new(), bytes: 0, finder: Finder::of([]) }
    }
}

impl Hidden {
    fn add(&mut self, texts: Vec<String>) {
        for text in texts {
            if self.texts.contains(&text) {
                continue;
            }
            self.bytes += text.len();
            self.texts.push_back(text);
        }
        while self.bytes > MOST_BYTES
            && let Some(oldest) = self.texts.pop_front()
        {
            self.bytes -= oldest.len();
        }
        self.finder = Finder::of(self.texts.iter().map(String::as_str));
    }

    fn hide<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let found = self.find(text);
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut shown = String::with_capacity(text.len());
        let mut position = 0;
        for secret in found {
            shown.push_str(&text[position..secret.start]);
            shown.push_str(PLACEHOLDER);
            position = secret.end;
        }
        Cow::Owned(shown + &text[position..])
    }

    /// The byte ranges that values cover, as they are or as URLs write them, in order and without overlaps.
    fn find(&self, text: &str) -> Vec<Range<usize>> {
        if self.texts.is_empty() {
            return Vec::new();
        }
        let mut found = self.finder.find(text);
        if !text.contains(['%', '+']) {
            return found;
        }
        // A value can have several percent-encodings, so the text is decoded. In a query, `+` stands for a space.
        for space in [b'+', b' '] {
            let bytes = decoded(text, space);
            let hits = self.finder.find_in(bytes.iter().map(|(byte, _)| *byte));
            found.extend(hits.into_iter().map(|hit| bytes[hit.start].1.start..bytes[hit.end - 1].1.end));
        }
        joined(found)
    }
}

/// The bytes that a percent-encoded text stands for, each with the range it is written in. `+` stands for `plus`.
fn decoded(text: &str, plus: u8) -> Vec<(u8, Range<usize>)> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut position = 0;
    while let Some(byte) = text.as_bytes().get(position) {
        let escaped = (*byte == b'%').then(|| text.get(position + 1..position + 3)).flatten();
        let escaped = escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let (byte, length) = match escaped {
            Some(escaped) => (escaped, 3),
            None => (if *byte == b'+' { plus } else { *byte }, 1),
        };
        bytes.push((byte, position..position + length));
        position += length;
    }
    bytes
}

/// The same ranges in order, overlapping ones joined.
fn joined(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| range.start);
    let mut joined: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.start < last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

/// Hides a value from now on.
pub fn add(secret: &Secret) {
    let texts = forms(secret.expose());
    let is_known = |hidden: &Hidden| texts.iter().all(|text| hidden.texts.contains(text));
    if !is_known(&HIDDEN.read().unwrap_or_else(PoisonError::into_inner)) {
        HIDDEN.write().unwrap_or_else(PoisonError::into_inner).add(texts);
    }
}

/// The text with `***` in place of every value.
pub fn hide(text: &str) -> Cow<'_, str> {
    HIDDEN.read().unwrap_or_else(PoisonError::into_inner).hide(text)
}

/// Hides every value in the texts of a JSON document. Names of members stay.
pub fn hide_in(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(shown) = hide(text) {
                *text = shown;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide_in),
        Value::Object(members) => members.values_mut().for_each(hide_in),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The texts as which a value may appear: itself or its lines, and these as JSON, Rust's `Debug` and names of hosts write
/// them.
fn forms(value: &str) -> Vec<String> {
    let value = value.trim();
    let mut plain: Vec<&str> = match value.contains('\n') {
        // The lines around a key or a certificate in PEM form are the same for all.
        true => {
            value.lines().map(str::trim).filter(|line| line.len() >= SHORTEST_LINE && !is_pem_border(line)).collect()
        }
        false => vec![value],
    };
    if plain.is_empty() {
        plain.push(value);
    }
    plain.retain(|text| text.len() >= SHORTEST);
    let mut forms = Vec::with_capacity(plain.len());
    for text in plain {
        let (json, debug) = (serde_json::to_string(text).unwrap_or_default(), format!("{text:?}"));
        for form in [text.to_owned(), text.to_lowercase(), inside_quotes(&json), inside_quotes(&debug)] {
            if !forms.contains(&form) {
                forms.push(form);
            }
        }
    }
    forms
}

fn is_pem_border(line: &str) -> bool {
    line.starts_with("-----") && line.ends_with("-----")
}

fn inside_quotes(quoted: &str) -> String {
    quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(quoted).to_owned()
}

/// Makes writers of log lines that hide every value. Each line must be written at once, as `tracing_subscriber` does.
#[derive(Debug)]
pub(crate) struct HidingWriters<M>(pub M);

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for HidingWriters<M> {
    type Writer = HidingWriter<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        HidingWriter(self.0.make_writer())
    }

    fn make_writer_for(&'a self, metadata: &tracing::Metadata<'_>) -> Self::Writer {
        HidingWriter(self.0.make_writer_for(metadata))
    }
}

/// Hides every value in what is written.
#[derive(Debug)]
pub(crate) struct HidingWriter<W>(W);

impl<W: io::Write> io::Write for HidingWriter<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        self.0.write_all(hide(&without_source_lines(&text)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hiding(values: &[&str]) -> Hidden {
        let mut hidden = Hidden::default();
        hidden.add(values.iter().flat_map(|value| forms(value)).collect());
        hidden
    }

    #[test]
    fn a_value_is_hidden_as_it_is_and_as_urls_and_json_write_it() {
        let hidden = hiding(&["p\"w:d/1 é"]);
        for shown in
            ["p\"w:d/1 é", "p\\\"w:d/1 é", "p%22w%3Ad%2F1%20%C3%A9", "p%22w:d/1%20%c3%a9", "p%22w%3Ad%2F1+%C3%A9"]
        {
            assert_eq!(hidden.hide(&format!("login {shown} refused")), "login *** refused", "{shown}");
        }
        assert_eq!(hidden.hide("100 % of a+b, %zz %"), "100 % of a+b, %zz %");
        assert_eq!(hiding(&["Host.Example"]).hide("http://host.example/"), "http://***/");
    }

    #[test]
    fn each_line_of_a_key_is_hidden_and_its_borders_stay() {
        let key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\nab==\n-----END PRIVATE KEY-----\n";
        let shown = hiding(&[key]).hide(&format!("the key\n{key}is wrong")).into_owned();
        assert_eq!(shown, "the key\n-----BEGIN PRIVATE KEY-----\n***\n***\nab==\n-----END PRIVATE KEY-----\nis wrong");
    }

    #[test]
    fn short_values_are_not_hidden_and_old_ones_give_way() {
        assert_eq!(hiding(&["abc", "\n"]).hide("abc"), "abc");
        let mut hidden = hiding(&["the oldest value"]);
        hidden.add(vec!["x".repeat(MOST_BYTES)]);
        assert_eq!(hidden.hide("the oldest value"), "the oldest value");
        assert_eq!(hidden.hide(&"x".repeat(MOST_BYTES)), "***");
    }

    #[test]
    fn texts_of_json_are_hidden_and_names_of_members_stay() {
        add(&Secret::new("c4n4ry-of-redaction"));
        let mut value = serde_json::json!({
            "c4n4ry-of-redaction": ["see c4n4ry-of-redaction", 5, null, { "deep": "c4n4ry-of-redaction" }],
        });
        hide_in(&mut value);
        assert_eq!(value, serde_json::json!({ "c4n4ry-of-redaction": ["see ***", 5, null, { "deep": "***" }] }));
    }

    #[test]
    fn a_writer_hides_values_also_in_what_is_not_utf8() {
        use std::io::Write;
        add(&Secret::new("c4n4ry-of-a-writer"));
        let mut written = HidingWriter(Vec::new());
        written.write_all(b"\xff c4n4ry-of-a-writer\n").unwrap();
        assert_eq!(written.0, "\u{fffd} ***\n".as_bytes());
    }
}
