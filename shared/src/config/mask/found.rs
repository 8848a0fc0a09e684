//! A walk over the tree that finds the secrets among its values.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::Cut;
use super::place::{Lines, content, properties};
use crate::config::column_type::ColumnType;
use crate::config::node::{Node, Place, Scalar, Style, Value};
use crate::config::secret_detection::{
    expression, is_placeholder, is_reference, is_secret_header, is_secret_name, is_secret_parameter, is_secret_text,
    looks_generated, looks_random, secret_parts,
};
use crate::config::time_limit::TimeLimit;

static ALIAS: LazyLock<Regex> = LazyLock::new(|| expression(r"\*[A-Za-z0-9_-]+"));

/// Tags that are surely no passwords.
const KNOWN_TAGS: &[&str] = &["!", "!!str", "!!int", "!!float", "!!bool", "!!null", "!!binary", "!!map", "!!seq"];

/// What a node's surroundings say about its values.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Context {
    Ordinary,
    /// Everything within is secret.
    Secret,
    /// Below `auth` of a source.
    Auth,
    Headers,
    Params,
    /// Keys are column names here, and promise nothing.
    Schema,
    /// Below `shape`: keys are column names here as well, and values are expressions.
    Shape,
}

/// What was found so far.
pub(super) struct Found<'t> {
    pub text: &'t str,
    pub lines: Lines,
    /// Names behind an asterisk.
    aliases: HashSet<&'t str>,
    pub cuts: Vec<Cut>,
    /// Where scalars stand: what is outside of them and begins with `#` is a comment.
    pub scalars: Vec<Range<usize>>,
    /// Lines with a secret, by their first byte; whether one on it is missing.
    pub doubtful: HashMap<usize, bool>,
    /// The secrets themselves, to find them again elsewhere.
    pub secrets: HashSet<String>,
    /// Values that were visited. An alias leads to its anchored value a second time.
    seen: HashSet<Visit>,
    time_limit: &'t TimeLimit,
}

/// A value together with the surroundings it is used in. Visiting the same pair again finds nothing new.
#[derive(PartialEq, Eq, Hash)]
struct Visit {
    start: usize,
    end: usize,
    scalar: bool,
    context: Context,
    /// Whether the value is secret because of its key.
    named: bool,
}

impl<'t> Found<'t> {
    /// Walks a tree.
    pub fn in_tree(text: &'t str, root: &Node, time_limit: &'t TimeLimit) -> Self {
        let mut found = Self {
            text,
            lines: Lines::of(text),
            aliases: ALIAS.find_iter(text).map(|alias| &text[alias.start() + 1..alias.end()]).collect(),
            cuts: Vec::new(),
            scalars: Vec::new(),
            doubtful: HashMap::new(),
            secrets: HashSet::new(),
            seen: HashSet::new(),
            time_limit,
        };
        found.node(root, Context::Ordinary, "");
        found
    }

    fn node(&mut self, node: &Node, context: Context, name: &str) {
        let Value::Scalar(scalar) = &node.value else { return self.collection(node, context, name) };
        self.scalar(scalar, node.place, context, name);
    }

    fn collection(&mut self, node: &Node, context: Context, name: &str) {
        if !self.is_new(node.place, context, name, false) {
            return;
        }
        let properties = self.properties(node.place);
        if context == Context::Secret && self.is_telling(&properties) {
            self.cuts.push(Cut { range: properties, quote: false });
        }
        match &node.value {
            Value::Scalar(_) => {}
            Value::List(items) => items.iter().for_each(|item| self.node(item, context, name)),
            Value::Map(entries) => {
                for entry in entries {
                    let name = entry.key.text.as_str();
                    let within = if context == Context::Secret { context } else { Context::Ordinary };
                    self.scalar(&entry.key, entry.key_place, within, "");
                    let context = below(context, name, &entry.value);
                    if context == Context::Secret {
                        self.doubtful.entry(self.lines.start(entry.key_place.start)).or_default();
                    }
                    self.node(&entry.value, context, name);
                }
            }
        }
    }

    /// Whether a value is visited for the first time in these surroundings; false once the time is up. A short
    /// alias may repeat a long anchored value: reading it again for each alias would take time in proportion to the
    /// square of the text's length.
    fn is_new(&mut self, place: Place, context: Context, name: &str, scalar: bool) -> bool {
        let (Place { start, end, .. }, named) = (place, context.has_secret_name(name));
        !self.time_limit.is_over() && self.seen.insert(Visit { start, end, scalar, context, named })
    }

    fn scalar(&mut self, scalar: &Scalar, place: Place, context: Context, name: &str) {
        if !self.is_new(place, context, name, true) {
            return;
        }
        let range = content(self.text, scalar.style, place);
        self.scalars.push(range.clone());
        if context == Context::Secret {
            let doubtful = self.doubtful.entry(self.lines.start(range.end)).or_default();
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
            Some(anchor) => !self.aliases.contains(anchor),
            None => !KNOWN_TAGS.contains(&property),
        })
    }
}

impl Context {
    /// Whether a value in these surroundings is secret because of its key.
    fn has_secret_name(self, name: &str) -> bool {
        match self {
            Self::Ordinary | Self::Auth | Self::Secret | Self::Shape => false,
            Self::Headers => is_secret_header(name),
            Self::Params => is_secret_parameter(name),
            Self::Schema => is_secret_name(name),
        }
    }
}

fn below(context: Context, name: &str, value: &Node) -> Context {
    match (context, name) {
        (Context::Secret, _) => Context::Secret,
        (Context::Schema, _) => Context::Schema,
        (Context::Ordinary, "schema") => Context::Schema,
        (Context::Shape, "mask_secret") => Context::Secret,
        (Context::Shape, _) => Context::Shape,
        (Context::Ordinary, "shape") if matches!(value.value, Value::Map(_)) => Context::Shape,
        (Context::Ordinary | Context::Auth, "headers") => Context::Headers,
        (Context::Ordinary | Context::Auth, "params" | "body" | "form" | "variables") => Context::Params,
        // A wrong name for `token` or `secret`.
        (Context::Auth, "key") => Context::Secret,
        // Where a token comes from, and where it is in the answer.
        (Context::Auth, "token_url" | "token_path") => Context::Auth,
        // `auth: {type: …, token: …}` has keys of its own.
        (Context::Ordinary, "auth") if matches!(value.value, Value::Map(_)) => Context::Auth,
        (Context::Ordinary | Context::Auth | Context::Params, name) if is_secret_name(name) => Context::Secret,
        (context, _) => context,
    }
}

fn is_secret(scalar: &Scalar, context: Context, name: &str) -> bool {
    let text = scalar.text.trim();
    if scalar.is_null() || is_reference(text) || is_placeholder(text) {
        return false;
    }
    is_secret_text(text)
        || match context {
            Context::Ordinary | Context::Auth | Context::Shape => false,
            Context::Secret => true,
            Context::Headers => context.has_secret_name(name) || looks_random(text),
            Context::Params => context.has_secret_name(name) || looks_generated(text),
            Context::Schema => context.has_secret_name(name) && ColumnType::parse(text).is_err(),
        }
}
