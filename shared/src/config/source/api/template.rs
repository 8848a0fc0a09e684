//! Templates: texts with placeholders such as `{{page.cursor}}`, whose values are known when a request is made.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use crate::config::field::{Field, Piece};
use crate::config::keys::{either, nearest};

/// Number of the page that is asked for.
pub const PAGE_NUMBER: &str = "page.number";
/// Number of the rows before the page that is asked for.
pub const PAGE_OFFSET: &str = "page.offset";
/// Placeholder for the number of rows of one page.
pub const PAGE_SIZE: &str = "page.size";
/// The cursor that the page before named; it has no value for the first page.
pub const PAGE_CURSOR: &str = "page.cursor";
/// Where the rows that are asked for begin.
pub const SINCE: &str = "since";
/// Where the rows that are asked for end.
pub const UNTIL: &str = "until";

/// The placeholders that every source may use.
const NAMES: [&str; 6] = [PAGE_NUMBER, PAGE_OFFSET, PAGE_SIZE, PAGE_CURSOR, SINCE, UNTIL];

/// Whether every source has a placeholder of this name.
pub(super) fn is_known(name: &str) -> bool {
    NAMES.contains(&name)
}

/// A text with placeholders. Its own text may be secret.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Template {
    /// Without empty texts, and without two texts next to each other.
    parts: Vec<Part>,
}

#[derive(Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Name(String),
}

impl Template {
    /// Reads a text. Two braces that are no placeholder are written as four: `{{{{`.
    ///
    /// # Errors
    /// When two braces begin no placeholder. The error is a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut template = Self::default();
        template.read(text)?;
        Ok(template)
    }

    /// A text without placeholders.
    pub fn literal(text: &str) -> Self {
        let mut template = Self::default();
        template.add_text(text);
        template
    }

    fn read(&mut self, text: &str) -> Result<(), String> {
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            self.add_text(before);
            if let Some(after) = after.strip_prefix("{{") {
                self.add_text("{{");
                rest = after;
                continue;
            }
            let closed = after.split_once("}}").map(|(name, after)| (name.trim(), after));
            let Some((name, after)) = closed.filter(|(name, _)| is_name(name)) else {
                return Err("`{{` begins a placeholder such as {{since}}; write `{{{{` for two braces".to_owned());
            };
            self.parts.push(Part::Name(name.to_owned()));
            rest = after;
        }
        self.add_text(rest);
        Ok(())
    }

    fn add_text(&mut self, text: &str) {
        match self.parts.last_mut() {
            _ if text.is_empty() => {}
            Some(Part::Text(before)) => before.push_str(text),
            _ => self.parts.push(Part::Text(text.to_owned())),
        }
    }

    /// The names of its placeholders, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Name(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// The name of its only placeholder, when there is nothing else in the template.
    pub fn whole(&self) -> Option<&str> {
        match &self.parts[..] {
            [Part::Name(name)] => Some(name),
            _ => None,
        }
    }

    /// The text in front of the first placeholder.
    pub fn start(&self) -> &str {
        match self.parts.first() {
            Some(Part::Text(text)) => text,
            _ => "",
        }
    }

    /// The text with its placeholders as they are written. It may be secret.
    pub fn written(&self) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Name(name) => format!("{{{{{name}}}}}"),
        };
        self.parts.iter().map(part).collect()
    }

    /// The pieces between the occurrences of a character in its own text.
    pub fn split(&self, at: char) -> Vec<Self> {
        let mut pieces = vec![Self::default()];
        let mut add = |part: Part, new: bool| {
            if new {
                pieces.push(Self::default());
            }
            match (part, pieces.last_mut()) {
                (Part::Text(text), Some(piece)) => piece.add_text(&text),
                (name, Some(piece)) => piece.parts.push(name),
                (_, None) => {}
            }
        };
        for part in &self.parts {
            match part {
                Part::Name(_) => add(part.clone(), false),
                Part::Text(text) => {
                    text.split(at).enumerate().for_each(|(index, text)| add(Part::Text(text.to_owned()), index > 0));
                }
            }
        }
        pieces
    }

    /// What is before and after the first occurrence of a character in its own text. `None`: it does not occur.
    pub fn split_once(&self, at: char) -> Option<(Self, Self)> {
        let has_it = |part: &Part| matches!(part, Part::Text(text) if text.contains(at));
        let index = self.parts.iter().position(has_it)?;
        let Part::Text(text) = &self.parts[index] else { return None };
        let (end, start) = text.split_once(at)?;
        let mut before = Self { parts: self.parts[..index].to_vec() };
        before.add_text(end);
        let mut after = Self::literal(start);
        after.parts.extend_from_slice(&self.parts[index + 1..]);
        Some((before, after))
    }

    /// The template with its values. `None`: it is one placeholder without a value, so that what it stands for is left
    /// out. In a longer text a placeholder without a value is empty.
    pub fn render(&self, values: &Values) -> Option<Value> {
        match self.whole() {
            Some(name) => values.get(name).cloned(),
            None => Some(Value::Text(self.render_with(values, |text| text.into()))),
        }
    }

    /// The text, with every value changed by `encode` before it is put in its place.
    pub fn render_with(&self, values: &Values, encode: impl for<'v> Fn(&'v str) -> Cow<'v, str>) -> String {
        let mut rendered = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => rendered.push_str(text),
                Part::Name(name) => {
                    let value = values.get(name).map(ToString::to_string).unwrap_or_default();
                    rendered.push_str(&encode(&value));
                }
            }
        }
        rendered
    }
}

impl fmt::Debug for Template {
    /// The names alone, because the text may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// `page.number`, `order_id`
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

/// The value of a placeholder.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Value {
    /// A text.
    Text(String),
    /// A whole number. In the place of a whole member of a JSON body it stays a number.
    Whole(i128),
    /// JSON, such as a cursor that is an array. In the place of a whole member of a JSON body it is put in as it is, and
    /// everywhere else it is a text.
    Json(String),
}

impl fmt::Debug for Value {
    /// The kind alone, because the value may be taken from a row.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "a text",
            Self::Whole(_) => "a whole number",
            Self::Json(_) => "JSON",
        })
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) | Self::Json(text) => f.write_str(text),
            Self::Whole(number) => write!(f, "{number}"),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Whole(number.into())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Whole(number.into())
    }
}

/// The values of placeholders by their names. A name that is missing has no value.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Values(BTreeMap<String, Value>);

impl Values {
    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Sets the value of a name, or takes it away.
    pub fn set(&mut self, name: &str, value: Option<Value>) {
        match value {
            Some(value) => self.0.insert(name.to_owned(), value),
            None => self.0.remove(name),
        };
    }

    /// The same with one more value.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.set(name, Some(value.into()));
        self
    }

    /// Both; where a name is in both, the value of `further` counts.
    pub fn and(&self, further: &Self) -> Self {
        let mut both = self.0.clone();
        both.extend(further.0.iter().map(|(name, value)| (name.clone(), value.clone())));
        Self(both)
    }

    /// Every name with its value, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

impl fmt::Debug for Values {
    /// The names alone, because the values may be taken from rows.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Reads a template. A placeholder that neither every source has nor `further` names is a problem. The values of
/// references such as `${secret:NAME}` are not searched for placeholders.
pub(super) fn read(field: &Field<'_>, further: &[String]) -> Option<Template> {
    let mut template = Template::default();
    for piece in field.pieces()? {
        match piece {
            Piece::Written(text) => template.read(&text).map_err(|problem| field.problem(problem)).ok()?,
            Piece::Resolved(text) | Piece::Open(text) => template.add_text(&text),
        }
    }
    let known = || NAMES.into_iter().chain(further.iter().map(String::as_str));
    let unknown: Vec<String> =
        template.names().filter(|name| !known().any(|known| known == *name)).map(ToOwned::to_owned).collect();
    for name in &unknown {
        field.problem(match nearest(name, known()) {
            Some(near) => format!("unknown placeholder {{{{{name}}}}}, did you mean {{{{{near}}}}}?"),
            None => format!("unknown placeholder {{{{{name}}}}}, expected {}", either(known())),
        });
    }
    unknown.is_empty().then_some(template)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Template {
        Template::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn placeholders_are_found_between_text() {
        let template = parsed("a {{ page.number }}-{{since}}{{{{x}}");
        assert_eq!(template.names().collect::<Vec<_>>(), ["page.number", "since"]);
        let values = Values::default().with(PAGE_NUMBER, 7_u64);
        assert_eq!(template.render(&values), Some("a 7-{{x}}".into()));
        assert_eq!(template.whole(), None);
        assert_eq!(parsed("{\"a\":{\"b\":{}}}").names().count(), 0, "braces that close are text");
        assert_eq!(parsed("").render(&values), Some("".into()));
    }

    #[test]
    fn braces_that_begin_no_placeholder_are_an_error() {
        for text in ["{{since", "{{}}", "{{page number}}", "{{{since}}}", "{{sinc\u{e9}}}"] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn one_placeholder_keeps_its_kind_and_is_left_out_without_a_value() {
        let values = Values::default().with("id", 12_345_678_901_234_567_890_u64).with(SINCE, "2026-01-01");
        assert_eq!(parsed("{{id}}").render(&values), Some(12_345_678_901_234_567_890_u64.into()));
        assert_eq!(parsed("{{since}}").render(&values), Some("2026-01-01".into()));
        assert_eq!(parsed("{{until}}").render(&values), None);
        assert_eq!(parsed("to:{{until}}").render(&values), Some("to:".into()));
    }

    #[test]
    fn a_template_is_split_in_its_own_text_only() {
        let pieces = parsed("a=1&b={{since}}&{{until}}x&").split('&');
        let written: Vec<String> = pieces.iter().map(Template::written).collect();
        assert_eq!(written, ["a=1", "b={{since}}", "{{until}}x", ""]);
        let (before, after) = parsed("{{since}}/a?b?c={{until}}").split_once('?').expect("both halves");
        assert_eq!([before.written(), after.written()], ["{{since}}/a", "b?c={{until}}"]);
    }

    #[test]
    fn a_value_is_encoded_and_the_text_around_it_is_not() {
        let values = Values::default().with("id", "a/b");
        let encoded = parsed("/v1/{{id}}/x").render_with(&values, |text| text.replace('/', "%2F").into());
        assert_eq!(encoded, "/v1/a%2Fb/x");
    }

    #[test]
    fn neither_text_nor_values_show_in_debug_output() {
        let shown = format!("{:?} {:?}", parsed("canary{{since}}"), Values::default().with(SINCE, "canary"));
        assert_eq!(shown, r#"["since"] {"since"}"#);
    }
}
