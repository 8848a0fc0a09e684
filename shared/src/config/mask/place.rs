//! Where the parts of a scalar stand, to the byte.

use std::ops::Range;

use crate::config::node::{Place, Style};

/// Where exactly the text of a scalar stands: without anchor and tag, quotes and block header.
pub(super) fn content(text: &str, style: Style, place: Place) -> Range<usize> {
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
pub(super) fn properties(span: &str) -> usize {
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
pub(super) fn is_break(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Where the lines of a text begin.
pub(super) struct Lines(Vec<usize>);

impl Lines {
    /// Finds every line.
    pub fn of(text: &str) -> Self {
        let breaks = text.char_indices().filter(|(_, character)| is_break(*character));
        Self(std::iter::once(0).chain(breaks.map(|(at, character)| at + character.len_utf8())).collect())
    }

    /// The first byte of the line a byte is on.
    pub fn start(&self, position: usize) -> usize {
        let after = self.0.partition_point(|start| *start <= position);
        self.0[after.saturating_sub(1)]
    }
}
