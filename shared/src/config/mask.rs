//! Hides every secret of a text where it stands; layout, comments and line numbers stay.

mod comments;
mod finder;
mod found;
mod place;

use std::ops::Range;

use super::node::Node;
use super::secret_detection::{is_secret_text, secret_parts};
use super::time_limit::TimeLimit;
use crate::secret::PLACEHOLDER;
pub(crate) use finder::Finder;
use found::Found;

/// Shorter secrets are not looked for elsewhere: they would be found everywhere.
const SHORTEST_SOUGHT: usize = 4;

/// The places of the secrets in a text.
#[derive(Clone)]
pub(super) struct Mask {
    /// In order, without overlaps.
    cuts: Vec<Cut>,
    /// Finds the secrets anywhere else.
    secrets: Finder,
}

impl Mask {
    /// Finds the secrets of a text. Some are missing when the time is up before the end. The tree must hold every
    /// value that is written, including values that a merge overrides.
    pub fn of(text: &str, root: &Node, time_limit: &TimeLimit) -> Self {
        let mut found = Found::in_tree(text, root, time_limit);
        let secrets: Vec<String> = found.secrets.drain().filter(|secret| secret.len() >= SHORTEST_SOUGHT).collect();
        let secrets = secrets.iter().map(String::as_str);
        let finder = Finder::of(secrets.clone());
        found.comments(&finder);
        let repeated = Finder::of(secrets.filter(|secret| looks_unique(secret))).find(text);
        found.cuts.extend(repeated.into_iter().map(|range| Cut { range, quote: false }));
        Self { cuts: merged(found.cuts), secrets: finder }
    }

    /// The text up to a byte, its secrets hidden.
    pub fn apply(&self, text: &str, end: usize) -> String {
        apply(text, &self.cuts, end)
    }

    /// A message without the text's secrets.
    pub fn scrub(&self, message: &str) -> String {
        let mut scrubbed = String::with_capacity(message.len());
        let mut position = 0;
        for secret in self.secrets.find(message) {
            scrubbed.push_str(&message[position..secret.start]);
            scrubbed.push_str(PLACEHOLDER);
            position = secret.end;
        }
        scrubbed + &message[position..]
    }
}

/// A stretch of the text that is a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cut {
    range: Range<usize>,
    /// A plain scalar gets quotes, because YAML reads a bare `***` as an alias.
    quote: bool,
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

/// Words such as `postgres` are passwords too, and must not hide half of a config.
fn looks_unique(secret: &str) -> bool {
    secret.len() >= 8
        && secret.contains(|c: char| c.is_ascii_digit())
        && secret.contains(|c: char| c.is_ascii_alphabetic())
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
