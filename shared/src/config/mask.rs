//! Hides every secret of a text where it stands; layout, comments and line numbers stay.

use std::ops::Range;

use super::column_type::ColumnType;
use super::node::{Node, Place, Scalar, Style, Value};
use super::secrecy::{
    is_reference, is_secret_header, is_secret_name, is_secret_parameter, is_secret_text, looks_generated, looks_random,
    secret_parts,
};
use crate::secret::PLACEHOLDER;

/// A stretch of the text that nobody may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cut {
    range: Range<usize>,
    /// A plain scalar gets quotes, because YAML reads a bare `***` as an alias.
    quote: bool,
}

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

/// Every stretch to hide, in order, without overlaps.
pub(super) fn cuts(text: &str, root: &Node) -> Vec<Cut> {
    let mut found = Found { text, cuts: Vec::new(), scalars: Vec::new(), secrets: Vec::new() };
    found.node(root, Context::Ordinary, "");
    found.comments();
    found.repetitions();
    merged(found.cuts)
}

/// The text up to a byte, its secrets hidden.
pub(super) fn apply(text: &str, cuts: &[Cut], end: usize) -> String {
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

/// A value as it may appear in a message.
pub(super) fn secrets_within(value: &str) -> String {
    if is_secret_text(value) {
        return PLACEHOLDER.to_owned();
    }
    let cuts = secret_parts(value).into_iter().map(|range| Cut { range, quote: false }).collect();
    apply(value, &merged(cuts), value.len())
}

/// Each line becomes `***` at its indentation.
fn hide(secret: &str, quote: bool, masked: &mut String) {
    let mark = if quote { "\"" } else { "" };
    masked.push_str(mark);
    for (index, line) in secret.split_inclusive('\n').enumerate() {
        let content = line.trim();
        if content.is_empty() && index > 0 {
            masked.push_str(line);
            continue;
        }
        masked.push_str(&line[..line.len() - line.trim_start().len()]);
        masked.push_str(PLACEHOLDER);
        masked.push_str(&line[line.trim_end_matches(['\r', '\n']).len()..]);
    }
    masked.push_str(mark);
}

struct Found<'t> {
    text: &'t str,
    cuts: Vec<Cut>,
    /// Where scalars stand: what is outside of them and begins with `#` is a comment.
    scalars: Vec<Range<usize>>,
    /// The secrets themselves, to find them again elsewhere.
    secrets: Vec<String>,
}

impl Found<'_> {
    fn node(&mut self, node: &Node, context: Context, name: &str) {
        match &node.value {
            Value::Scalar(scalar) => self.scalar(scalar, node.place, context, name),
            Value::List(items) => items.iter().for_each(|item| self.node(item, context, name)),
            Value::Map(entries) => {
                for entry in entries {
                    let name = entry.key.text.as_str();
                    let within = if context == Context::Secret { context } else { Context::Ordinary };
                    self.scalar(&entry.key, entry.key_place, within, "");
                    self.node(&entry.value, below(context, name, &entry.value), name);
                }
            }
        }
    }

    fn scalar(&mut self, scalar: &Scalar, place: Place, context: Context, name: &str) {
        let range = content(self.text, scalar.style, place);
        let inner = if matches!(scalar.style, Style::SingleQuoted | Style::DoubleQuoted) {
            range.start + 1..(range.end.saturating_sub(1)).max(range.start + 1)
        } else {
            range.clone()
        };
        self.scalars.push(range);
        if is_secret(scalar, context, name) {
            self.secrets.push(scalar.text.clone());
            self.cuts.push(Cut { range: inner, quote: scalar.style == Style::Plain });
            return;
        }
        let raw = &self.text[inner.clone()];
        let quoted = matches!(scalar.style, Style::SingleQuoted | Style::DoubleQuoted);
        let parts = secret_parts(raw);
        if quoted && raw != scalar.text && !(parts.is_empty() && secret_parts(&scalar.text).is_empty()) {
            // Escapes move the parts: hide the whole value.
            self.cuts.push(Cut { range: inner, quote: false });
            return;
        }
        for part in parts {
            self.secrets.push(raw[part.clone()].to_owned());
            self.cuts.push(Cut { range: inner.start + part.start..inner.start + part.end, quote: false });
        }
    }

    /// A comment may be a config line that was switched off.
    fn comments(&mut self) {
        self.scalars.sort_by_key(|range| range.start);
        let ends = self.scalars.iter().map(|range| range.end);
        let starts = self.scalars.iter().map(|range| range.start).chain([self.text.len()]);
        let gaps: Vec<Range<usize>> = [0].into_iter().chain(ends).zip(starts).map(|(end, start)| end..start).collect();
        let mut reached = 0;
        for gap in gaps {
            reached = gap.start.max(reached);
            if reached < gap.end {
                self.comments_between(reached..gap.end);
            }
        }
    }

    fn comments_between(&mut self, gap: Range<usize>) {
        let mut position = gap.start;
        for line in self.text[gap].split_inclusive('\n') {
            if let Some(hash) = line.find('#') {
                self.comment(position + hash, &line[hash..]);
            }
            position += line.len();
        }
    }

    fn comment(&mut self, start: usize, comment: &str) {
        let mut ranges = secret_parts(comment);
        // Whatever follows `password:` up to the end of the line.
        ranges.extend(assigned_secret(comment));
        let mut position = 0;
        for word in comment.split_inclusive(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',')) {
            let bare = word.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ','));
            if looks_random(bare) || is_secret_text(bare) {
                ranges.push(position..position + bare.len());
            }
            position += word.len();
        }
        // A secret that is named above the line it was moved from.
        for secret in self.secrets.iter().filter(|secret| secret.len() >= 4) {
            ranges.extend(comment.match_indices(secret.as_str()).map(|(at, found)| at..at + found.len()));
        }
        let cut = |range: Range<usize>| Cut { range: start + range.start..start + range.end, quote: false };
        self.cuts.extend(ranges.into_iter().map(cut));
    }

    /// A generated secret is hidden wherever else it stands.
    fn repetitions(&mut self) {
        for secret in self.secrets.iter().filter(|secret| is_telling(secret)) {
            let ranges = self.text.match_indices(secret.as_str()).map(|(at, found)| at..at + found.len());
            self.cuts.extend(ranges.map(|range| Cut { range, quote: false }));
        }
    }
}

/// Words such as `postgres` are passwords too, and must not hide half of a config.
fn is_telling(secret: &str) -> bool {
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
            Context::Headers => is_secret_header(name) || looks_generated(text),
            Context::Params => is_secret_parameter(name) || looks_generated(text),
            Context::Schema => is_secret_name(name) && ColumnType::parse(text).is_err(),
        }
}

/// Where exactly a scalar stands: the parser's span may begin at an anchor and end behind a comment.
fn content(text: &str, style: Style, place: Place) -> Range<usize> {
    if style == Style::Block {
        return block(text, place);
    }
    let start = place.start + properties(&text[place.start..place.end]);
    let rest = &text[start..place.end];
    let end = match style {
        Style::SingleQuoted => closing_quote(rest, '\''),
        Style::DoubleQuoted => closing_quote(rest, '"'),
        Style::Plain | Style::Block => rest.trim_end().len(),
    };
    start..start + end
}

/// Length of anchor and tag, and of what separates them from the value.
fn properties(span: &str) -> usize {
    let mut rest = span;
    loop {
        rest = match rest.chars().next() {
            Some('&' | '!') => &rest[rest.find(char::is_whitespace).unwrap_or(rest.len())..],
            Some('#') => &rest[rest.find('\n').unwrap_or(rest.len())..],
            Some(c) if c.is_whitespace() => rest.trim_start(),
            _ => return span.len() - rest.len(),
        };
    }
}

/// Length of a quoted text with its quotes.
fn closing_quote(quoted: &str, quote: char) -> usize {
    let mut characters = quoted.char_indices().skip(1).peekable();
    while let Some((position, character)) = characters.next() {
        if character == '\\' && quote == '"' {
            characters.next();
        } else if character == quote {
            let doubled = quote == '\'' && characters.peek().is_some_and(|(_, next)| *next == quote);
            if !doubled {
                return position + 1;
            }
            characters.next();
        }
    }
    quoted.len()
}

/// The lines of a block scalar, without its header when that is part of the span.
fn block(text: &str, place: Place) -> Range<usize> {
    let line_start = text[..place.start].rfind('\n').map_or(0, |newline| newline + 1);
    let stands_alone = text[line_start..place.start].trim().is_empty();
    let span = &text[place.start..place.end];
    let header = if stands_alone { 0 } else { span.find('\n').map_or(span.len(), |newline| newline + 1) };
    place.start + header..place.start + header + span[header..].trim_end().len()
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
