//! Rules of YAML 1.2 that the parser does not enforce. They forbid lines of a value that are not indented, comments
//! without a space before them, and blank lines that hide how far a block of text is indented.
//!
//! A text that breaks them is refused, because other readers refuse it or read it differently.

use libyaml_safer::{Event, EventData, MappingStyle, ScalarStyle, SequenceStyle};

/// A broken rule, and the byte where the text breaks it.
pub(super) struct Violation {
    pub at: usize,
    pub message: String,
}

/// Follows the parser's events through one text.
pub(super) struct Rules<'t> {
    text: &'t str,
    open: Vec<Open>,
}

/// A list or mapping whose end the parser has not reported yet.
enum Open {
    /// Its items are on lines of their own, from this column on (counted from 0).
    Block { column: usize },
    /// It is in brackets; the opening one is at this byte.
    Flow { start: usize },
}

impl<'t> Rules<'t> {
    pub fn new(text: &'t str) -> Self {
        Self { text, open: Vec::new() }
    }

    /// Checks what one event adds.
    pub fn check(&mut self, event: &Event) -> Result<(), Violation> {
        let start = self.byte(event.start_mark.index);
        let end = self.byte(event.end_mark.index).max(start);
        match &event.data {
            EventData::DocumentStart { .. } => self.open.clear(),
            EventData::SequenceStart { style, .. } => {
                // A list at the column of its key begins behind the dash, every other one at it.
                let behind_dash = usize::from(!self.text[end..].starts_with('-'));
                let column = event.end_mark.column.saturating_sub(behind_dash as u64);
                self.begin(*style == SequenceStyle::Flow, column, end);
            }
            EventData::MappingStart { style, .. } => {
                self.begin(*style == MappingStyle::Flow, event.end_mark.column, end);
            }
            EventData::SequenceEnd | EventData::MappingEnd => self.end(end)?,
            EventData::Scalar { style: ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted, .. } => {
                // A tag or an anchor may stand before the quote.
                let quote = self.text[start..end].find(['"', '\'']).map_or(start, |offset| start + offset);
                self.continued(quote, end, Lenient::No)?;
                self.comment_apart(end)?;
            }
            EventData::Scalar { style: ScalarStyle::Literal | ScalarStyle::Folded, .. } => {
                self.block_text(start, end)?
            }
            _ => {}
        }
        Ok(())
    }

    fn byte(&self, index: u64) -> usize {
        self.text.floor_char_boundary(usize::try_from(index).unwrap_or(usize::MAX))
    }

    fn begin(&mut self, flow: bool, column: u64, behind_bracket: usize) {
        let column = usize::try_from(column).unwrap_or(usize::MAX);
        self.open.push(match flow {
            true => Open::Flow { start: behind_bracket.saturating_sub(1) },
            false => Open::Block { column },
        });
    }

    fn end(&mut self, end: usize) -> Result<(), Violation> {
        let Some(Open::Flow { start }) = self.open.pop() else { return Ok(()) };
        self.comment_apart(end)?;
        // The lines of inner brackets are lines of the outer ones, too.
        if matches!(self.open.last(), Some(Open::Flow { .. })) {
            return Ok(());
        }
        self.continued(start, end, Lenient::CommentsAndClosingBrackets)
    }

    /// Number of spaces that the lines of a value need: more than the list or mapping around it has.
    fn needed(&self) -> usize {
        let blocks = self.open.iter().rev();
        let column = blocks.filter_map(|open| match open {
            Open::Block { column } => Some(*column),
            Open::Flow { .. } => None,
        });
        column.map(|column| column.saturating_add(1)).next().unwrap_or(0)
    }

    /// Checks that every line of a value after its first one is indented further than the list or mapping around it.
    fn continued(&self, start: usize, end: usize, lenient: Lenient) -> Result<(), Violation> {
        let needed = self.needed();
        for (at, line) in lines_after_first(self.text, start, end) {
            let content = line.trim_start_matches([' ', '\t']);
            let spaces = line.len() - line.trim_start_matches(' ').len();
            if content.is_empty() || spaces >= needed || lenient.allows(content) {
                continue;
            }
            let message = format!(
                "this line continues the value that begins above it, so it needs {needed} or more spaces (no tabs) at \
                 its beginning"
            );
            return Err(Violation { at: at + spaces, message });
        }
        Ok(())
    }

    fn comment_apart(&self, end: usize) -> Result<(), Violation> {
        match self.text[end..].starts_with('#') {
            true => Err(Violation { at: end, message: "a comment needs a space before its #".into() }),
            false => Ok(()),
        }
    }

    /// A text behind `|` or `>`.
    fn block_text(&self, start: usize, end: usize) -> Result<(), Violation> {
        let text = &self.text[start..end];
        // A tag before the indicator may hold one of the characters, but not after a space.
        let indicator = text.char_indices().find(|(offset, character)| {
            matches!(character, '|' | '>') && (*offset == 0 || text[..*offset].ends_with([' ', '\t', '\n', '\r']))
        });
        let Some((offset, _)) = indicator else { return Ok(()) };
        let header = start + offset + 1;
        let options = self.text[header..].trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-'));
        let behind_options = self.text.len() - options.len();
        self.comment_apart(behind_options)?;
        if self.text[header..behind_options].contains(|c: char| c.is_ascii_digit()) {
            return Ok(());
        }
        let mut widest = 0;
        for (at, line) in lines_after_first(self.text, header, self.text.len()) {
            let spaces = line.len() - line.trim_start_matches(' ').len();
            if spaces < line.len() {
                // The first line that is not blank says how far the text is indented, unless the text ended before it.
                // The parser then goes by the blank lines, and takes this line for a comment when it begins with `#`.
                let message = "a blank line of this text has more spaces than its first line".to_owned();
                return match spaces >= self.needed() && widest > spaces {
                    true => Err(Violation { at: at + spaces, message }),
                    false => Ok(()),
                };
            }
            widest = widest.max(spaces);
        }
        Ok(())
    }
}

/// The lines that may be indented less than their value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lenient {
    No,
    /// Comments, which YAML 1.2 allows anywhere between the items, and lines that begin with a closing bracket, which
    /// it does not allow: people write them at the column of the key, and every reader understands that alike.
    CommentsAndClosingBrackets,
}

impl Lenient {
    fn allows(self, content: &str) -> bool {
        self == Self::CommentsAndClosingBrackets && content.starts_with(['#', ']', '}'])
    }
}

/// The lines that begin between two bytes, without their line ends, each with its first byte.
fn lines_after_first(text: &str, start: usize, end: usize) -> impl Iterator<Item = (usize, &str)> {
    let breaks = text.get(start..end).unwrap_or_default().match_indices(['\n', '\r']);
    breaks.map(move |(offset, _)| {
        let from = start + offset + 1;
        let line = text[from..].split(['\n', '\r']).next().unwrap_or_default();
        (from, line)
    })
}

#[cfg(test)]
mod tests {
    use crate::config::Document;

    fn refusal(text: &str) -> String {
        match Document::parse(text) {
            Ok(_) => panic!("accepted: {text:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_line_that_continues_a_value_is_indented_by_spaces() {
        for (text, line) in [
            ("---\nflow: [a,\nb,\nc]\n", 3),
            ("foo: \"bar\n\tbaz\"\n", 2),
            ("---\nquoted: \"a\nb\nc\"\n", 3),
            ("quoted: 'a\nb'\n", 2),
            ("a:\n  b: {x: 1,\n  y: 2}\n", 3),
            ("a:\n- [x,\ny]\n", 3),
            ("a:\n- b: \"x\n  y\"\n", 3),
            ("a: &anchor\n  b: \"x\n  y\"\n", 3),
            ("a: !!seq [x,\r\ny]\r\n", 2),
            ("a: [\n\tx ]\n", 2),
            ("a: {b: 'x\ny'}\n", 2),
        ] {
            let said = refusal(text);
            assert!(
                said.contains("this line continues the value") && said.contains(&format!("line {line} ")),
                "{said}"
            );
        }
        for text in [
            "a: \"b\n  c\"\n",
            "a: \"b\n\n c\"\n",
            "a: \"b\n  \tc\"\n",
            "a: [b,\n # a comment\n c]\n",
            "a: [b,\n# a comment\n c]\n",
            "a: [\n  b,\n]\n",
            "a: [\n  {b: c},\n  {d: e},\n], \n".trim_end_matches(", \n"),
            "a: {\n  b: [\n    c\n  ]\n}\n",
            "{a: b,\nc: d}\n",
            "a:\n- b\n- 'c\n  d'\n",
            "a: &x\n- [b,\n  c]\n",
            "\u{feff}a: [b,\n  c]\n",
            "a: # b\n# c\n  'd'\n",
        ] {
            assert!(Document::parse(text).is_ok(), "{text:?}: {:?}", Document::parse(text));
        }
    }

    #[test]
    fn a_comment_needs_a_space_before_it() {
        for text in [
            "key: \"value\"# invalid comment\n",
            "key: 'value'#c\n",
            "block: ># comment\n  scalar\n",
            "block: |-#c\n  scalar\n",
            "key: [a]#c\n",
            "key: {a: b}#c\n",
        ] {
            assert!(refusal(text).contains("a comment needs a space before its #"), "{text:?}");
        }
        for text in ["key: a#b\n", "key: \"v\" # c\n", "key: > # c\n  x\n", "key: |2- # c\n    x\n", "key: [a] # c\n"] {
            assert!(Document::parse(text).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn a_blank_line_before_a_block_of_text_has_no_more_spaces_than_the_text() {
        for text in [
            "empty block scalar: >\n \n  \n   \n # comment\n",
            "a: |\n    \n  text\n",
            "a:\n  - >-\n         \n    text\n",
            "a: !!str |\n    \n  text\n",
        ] {
            assert!(refusal(text).contains("a blank line of this text has more spaces"), "{text:?}");
        }
        for text in [
            "a: |\n  \n  text\n",
            "a: |2\n     \n  text\n",
            "a: >\n    \nb: c\n",
            "a: |\n  text\n      \n  more\n",
            "a: !<tag:yaml.org,2002:str> |\n  text\n",
        ] {
            assert!(Document::parse(text).is_ok(), "{text:?}: {:?}", Document::parse(text));
        }
    }
}
