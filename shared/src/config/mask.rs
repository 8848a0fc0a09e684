//! Hides every secret of a text where it stands; layout, comments and line numbers stay.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::column_type::ColumnType;
use super::node::{Node, Place, Scalar, Style, Value};
use super::secrecy::{
    is_reference, is_secret_header, is_secret_name, is_secret_parameter, is_secret_text, looks_generated, looks_random,
    secret_parts,
};
use crate::secret::PLACEHOLDER;

/// What nobody may see of a text.
#[derive(Clone)]
pub(super) struct Mask {
    /// In order, without overlaps.
    cuts: Vec<Cut>,
    /// The secrets themselves.
    secrets: Vec<String>,
}

impl Mask {
    /// Finds the secrets of a text. The tree must hold everything that is written, overridden values too.
    pub fn of(text: &str, root: &Node) -> Self {
        let mut found =
            Found { text, cuts: Vec::new(), scalars: Vec::new(), doubtful: HashMap::new(), secrets: HashSet::new() };
        found.node(root, Context::Ordinary, "");
        let mut secrets: Vec<String> = found.secrets.drain().filter(|secret| secret.len() >= 4).collect();
        // The longest first: a secret may begin with another one.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        found.comments(&secrets);
        found.repetitions(&secrets);
        Self { cuts: merged(found.cuts), secrets }
    }

    /// The text up to a byte, its secrets hidden.
    pub fn apply(&self, text: &str, end: usize) -> String {
        apply(text, &self.cuts, end)
    }

    /// A message without the text's secrets.
    pub fn scrub(&self, message: String) -> String {
        self.secrets.iter().fold(message, |message, secret| message.replace(secret.as_str(), PLACEHOLDER))
    }
}

/// A stretch of the text that nobody may see.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cut {
    range: Range<usize>,
    /// A plain scalar gets quotes, because YAML reads a bare `***` as an alias.
    quote: bool,
}

/// Tags that are surely no passwords.
const KNOWN_TAGS: &[&str] = &["!", "!!str", "!!int", "!!float", "!!bool", "!!null", "!!binary", "!!map", "!!seq"];

/// What a node's surroundings say about its values.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    Ordinary,
    /// Everything within is secret.
    Secret,
    Headers,
    Params,
    /// Keys are column names here, and promise nothing.
    Schema,
}

/// A value as it may appear in a message.
pub(super) fn secrets_within(value: &str) -> String {
    if is_secret_text(value) {
        return PLACEHOLDER.to_owned();
    }
    let cuts = secret_parts(value).into_iter().map(|range| Cut { range, quote: false }).collect();
    apply(value, &merged(cuts), value.len())
}

fn apply(text: &str, cuts: &[Cut], end: usize) -> String {
    let mut masked = String::with_capacity(end);
    let mut position = 0;
    for cut in cuts.iter().take_while(|cut| cut.range.start < end) {
        masked.push_str(&text[position..cut.range.start]);
        position = cut.range.end.min(end);
        hide(&text[cut.range.start..position], cut.quote, &mut masked);
    }
    masked.push_str(&text[position..end]);
    masked
}

/// Each line becomes `***` at its indentation.
fn hide(secret: &str, quote: bool, masked: &mut String) {
    let mark = if quote { "\"" } else { "" };
    masked.push_str(mark);
    if secret.trim().is_empty() {
        masked.push_str(PLACEHOLDER);
    }
    for line in secret.split_inclusive('\n') {
        let content = line.trim();
        let start = line.len() - line.trim_start().len();
        masked.push_str(&line[..start]);
        if !content.is_empty() {
            masked.push_str(PLACEHOLDER);
            masked.push_str(&line[start + content.len()..]);
        }
    }
    masked.push_str(mark);
}

struct Found<'t> {
    text: &'t str,
    cuts: Vec<Cut>,
    /// Where scalars stand: what is outside of them and begins with `#` is a comment.
    scalars: Vec<Range<usize>>,
    /// Lines with a secret, by their first byte; whether one on it is missing.
    /// `password: #hunter2` and `password: hunter #2` were meant to be passwords: YAML reads comments.
    doubtful: HashMap<usize, bool>,
    /// The secrets themselves, to find them again elsewhere.
    secrets: HashSet<String>,
}

impl Found<'_> {
    fn node(&mut self, node: &Node, context: Context, name: &str) {
        let properties = self.properties(node.place);
        if context == Context::Secret && !matches!(node.value, Value::Scalar(_)) && self.is_telling(&properties) {
            self.cuts.push(Cut { range: properties, quote: false });
        }
        match &node.value {
            Value::Scalar(scalar) => self.scalar(scalar, node.place, context, name),
            Value::List(items) => items.iter().for_each(|item| self.node(item, context, name)),
            Value::Map(entries) => {
                for entry in entries {
                    let name = entry.key.text.as_str();
                    let within = if context == Context::Secret { context } else { Context::Ordinary };
                    self.scalar(&entry.key, entry.key_place, within, "");
                    let context = below(context, name, &entry.value);
                    if context == Context::Secret {
                        self.doubtful.entry(self.line_start(entry.key_place.start)).or_default();
                    }
                    self.node(&entry.value, context, name);
                }
            }
        }
    }

    fn scalar(&mut self, scalar: &Scalar, place: Place, context: Context, name: &str) {
        let range = content(self.text, scalar.style, place);
        self.scalars.push(range.clone());
        if context == Context::Secret {
            let doubtful = self.doubtful.entry(self.line_start(range.end)).or_default();
            *doubtful |= scalar.is_null();
            let properties = self.properties(place);
            if self.is_telling(&properties) || (range.is_empty() && !properties.is_empty()) {
                let end = place.start + self.text[place.start..place.end].trim_end().len();
                self.secrets.insert(scalar.text.clone());
                self.cuts.push(Cut { range: place.start..end, quote: true });
                return;
            }
        }
        let written = scalar.style != Style::Plain || !range.is_empty();
        if written && is_secret(scalar, context, name) {
            self.secrets.insert(scalar.text.clone());
            self.cuts.push(Cut { range, quote: scalar.style == Style::Plain });
            return;
        }
        let raw = &self.text[range.clone()];
        let quoted = matches!(scalar.style, Style::SingleQuoted | Style::DoubleQuoted);
        let parts = secret_parts(raw);
        if quoted && raw != scalar.text && !(parts.is_empty() && secret_parts(&scalar.text).is_empty()) {
            // Escapes move the parts: hide the whole value.
            self.cuts.push(Cut { range, quote: false });
            return;
        }
        for part in parts {
            self.secrets.insert(raw[part.clone()].to_owned());
            self.cuts.push(Cut { range: range.start + part.start..range.start + part.end, quote: false });
        }
    }

    /// Anchor and tag of a value.
    fn properties(&self, place: Place) -> Range<usize> {
        let span = &self.text[place.start..place.end];
        place.start..place.start + span[..properties(span)].trim_end().len()
    }

    /// Whether anchor or tag may be a secret: YAML reads `!hunter2` as a tag and `&hunter2` as an anchor.
    fn is_telling(&self, properties: &Range<usize>) -> bool {
        self.text[properties.clone()].split_whitespace().any(|property| match property.strip_prefix('&') {
            Some(anchor) => !self.text.contains(&format!("*{anchor}")),
            None => !KNOWN_TAGS.contains(&property),
        })
    }

    fn line_start(&self, position: usize) -> usize {
        self.text[..position].rfind(is_break).map_or(0, |end| end + 1)
    }

    /// A comment may be a config line that was switched off.
    fn comments(&mut self, secrets: &[String]) {
        self.scalars.sort_by_key(|range| range.start);
        let ends = self.scalars.iter().map(|range| range.end);
        let starts = self.scalars.iter().map(|range| range.start).chain([self.text.len()]);
        let gaps: Vec<Range<usize>> = [0].into_iter().chain(ends).zip(starts).map(|(end, start)| end..start).collect();
        let mut reached = 0;
        for gap in gaps {
            reached = gap.start.max(reached);
            if reached < gap.end {
                self.comments_between(reached..gap.end, secrets);
            }
        }
    }

    fn comments_between(&mut self, gap: Range<usize>, secrets: &[String]) {
        let mut position = gap.start;
        for line in self.text[gap].split_inclusive('\n') {
            if let Some(hash) = line.find('#') {
                self.comment(position + hash, &line[hash..], secrets);
            }
            position += line.len();
        }
    }

    fn comment(&mut self, start: usize, comment: &str, secrets: &[String]) {
        let mut ranges = secret_parts(comment);
        // Whatever follows `password:` up to the end of the line.
        ranges.extend(assigned_secret(comment));
        let tight = comment.chars().nth(1).is_some_and(|c| !c.is_whitespace());
        if self.doubtful.get(&self.line_start(start)).is_some_and(|missing| *missing || tight) {
            ranges.push(1..comment.trim_end().len());
        }
        let mut position = 0;
        for word in comment.split_inclusive(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',')) {
            let bare = word.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ','));
            if looks_random(bare) || is_secret_text(bare) {
                ranges.push(position..position + bare.len());
            }
            position += word.len();
        }
        // A secret that is named above the line it was moved from.
        for secret in secrets {
            ranges.extend(comment.match_indices(secret.as_str()).map(|(at, found)| at..at + found.len()));
        }
        let cut = |range: Range<usize>| Cut { range: start + range.start..start + range.end, quote: false };
        self.cuts.extend(ranges.into_iter().map(cut));
    }

    /// A generated secret is hidden wherever else it stands.
    fn repetitions(&mut self, secrets: &[String]) {
        for secret in secrets.iter().filter(|secret| looks_unique(secret)) {
            let ranges = self.text.match_indices(secret.as_str()).map(|(at, found)| at..at + found.len());
            self.cuts.extend(ranges.map(|range| Cut { range, quote: false }));
        }
    }
}

/// Words such as `postgres` are passwords too, and must not hide half of a config.
fn looks_unique(secret: &str) -> bool {
    secret.len() >= 8
        && secret.contains(|c: char| c.is_ascii_digit())
        && secret.contains(|c: char| c.is_ascii_alphabetic())
}

fn assigned_secret(comment: &str) -> Option<Range<usize>> {
    comment.match_indices([':', '=']).find_map(|(position, _)| {
        let name = comment[..position].trim_end_matches([' ', '\t', '"', '\'']);
        let name = name.rsplit(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-'))).next()?;
        let value = &comment[position + 1..];
        let start = position + 1 + value.len() - value.trim_start().len();
        let end = comment.trim_end().len();
        (is_secret_name(name) && start < end && !is_reference(&comment[start..end])).then_some(start..end)
    })
}

fn below(context: Context, name: &str, value: &Node) -> Context {
    match (context, name) {
        (Context::Secret, _) => Context::Secret,
        (Context::Schema, _) => Context::Schema,
        (Context::Ordinary, "schema") => Context::Schema,
        (Context::Ordinary, "headers") => Context::Headers,
        (Context::Ordinary, "params") => Context::Params,
        // `auth: {type: …, token: …}` has keys of its own.
        (Context::Ordinary, "auth") if matches!(value.value, Value::Map(_)) => Context::Ordinary,
        (Context::Ordinary, name) if is_secret_name(name) => Context::Secret,
        (context, _) => context,
    }
}

fn is_secret(scalar: &Scalar, context: Context, name: &str) -> bool {
    let text = scalar.text.trim();
    if scalar.is_null() || is_reference(text) {
        return false;
    }
    is_secret_text(text)
        || match context {
            Context::Ordinary => false,
            Context::Secret => true,
            Context::Headers => is_secret_header(name) || looks_random(text),
            Context::Params => is_secret_parameter(name) || looks_generated(text),
            Context::Schema => is_secret_name(name) && ColumnType::parse(text).is_err(),
        }
}

/// Where exactly the text of a scalar stands: without anchor and tag, quotes and block header.
fn content(text: &str, style: Style, place: Place) -> Range<usize> {
    let start = place.start + properties(&text[place.start..place.end]);
    let value = &text[start..place.end];
    match style {
        Style::Plain => start..start + value.trim_end().len(),
        Style::SingleQuoted | Style::DoubleQuoted => start + 1..(start + value.len()).max(start + 2) - 1,
        Style::Block => {
            let header = value.find(is_break).unwrap_or(value.len());
            let lines = value[header..].trim_start_matches(is_break);
            start + value.len() - lines.len()..start + value.len() - lines.len() + lines.trim_end().len()
        }
    }
}

/// Length of anchor and tag, and of what separates them from the value.
fn properties(span: &str) -> usize {
    let mut rest = span;
    loop {
        rest = match rest.chars().next() {
            Some('&') => rest[1..].trim_start_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')),
            Some('!') => &rest[rest.find(char::is_whitespace).unwrap_or(rest.len())..],
            Some('#') => &rest[rest.find(is_break).unwrap_or(rest.len())..],
            Some(c) if c.is_whitespace() => rest.trim_start(),
            _ => return span.len() - rest.len(),
        };
    }
}

/// What ends a line in YAML.
fn is_break(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn merged(mut cuts: Vec<Cut>) -> Vec<Cut> {
    cuts.sort_by_key(|cut| (cut.range.start, std::cmp::Reverse(cut.range.end)));
    let mut merged: Vec<Cut> = Vec::with_capacity(cuts.len());
    for cut in cuts {
        match merged.last_mut() {
            Some(last) if cut.range.start < last.range.end || cut.range == last.range => {
                last.range.end = last.range.end.max(cut.range.end);
            }
            _ => merged.push(cut),
        }
    }
    merged
}

#[cfg(test)]
mod tests;
