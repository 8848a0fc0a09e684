//! A value of a document with its key path: typed values out, and problems at its place.

use std::collections::BTreeSet;

use super::error::shortened;
use super::keys::{Choice, Key, Variant, either};
use super::mask;
use super::node::{Entry, Node, Place, Scalar, Style, Value};
use super::reader::Reader;
use super::resolve::{Part, add_secret_names, is_one_secret, parts};
use super::section::Section;
use super::tree;

/// The problem of a key without a value. Such a key must not count as absent, because the default would then silently
/// replace what the author meant to write.
const NO_VALUE: &str = "has no value: write one, or remove the key";

/// A value with its key path.
#[derive(Clone)]
pub(super) struct Field<'a> {
    reader: &'a Reader<'a>,
    path: String,
    node: &'a Node,
}

/// A scalar whose references were looked up.
pub(super) enum Reading {
    /// The text has no reference, or all of them are resolved.
    Known(String),
    /// A reference stays as written until a worker resolves it.
    Open(String),
}

/// A piece of a scalar.
pub(super) enum Piece {
    /// As the author wrote it.
    Written(String),
    /// The value of a reference.
    Resolved(String),
    /// A reference that stays as written until a worker resolves it.
    Open(String),
}

impl<'a> Field<'a> {
    /// The field of the whole document, whose path is empty.
    pub fn root(reader: &'a Reader<'a>, node: &'a Node) -> Self {
        Self { reader, path: String::new(), node }
    }

    /// Notes that this value is wrong.
    pub fn problem(&self, message: impl Into<String>) {
        self.reader.problem(&self.path, self.node.place, message);
    }

    /// Notes that this text is wrong at a line and column within it, both counted from 1, in characters.
    pub fn problem_within(&self, at: Option<(usize, usize)>, message: impl Into<String>) {
        let (mut place, message) = (self.node.place, message.into());
        let (Some((line, column)), Some(scalar)) = (at, self.node.scalar()) else { return self.problem(message) };
        let quote = usize::from(matches!(scalar.style, Style::SingleQuoted | Style::DoubleQuoted));
        // Only a text that stands in the config letter by letter has its characters where they are counted.
        let is_verbatim = scalar.style != Style::Block && place.end - place.start == scalar.text.len() + 2 * quote;
        if is_verbatim && !scalar.text.contains('\n') {
            place.column += quote + column - 1;
            self.reader.problem(&self.path, place, message);
        } else {
            self.problem(format!("{message} (line {line}, column {column} of the text)"));
        }
    }

    /// Where this value stands.
    pub fn place(&self) -> Place {
        self.node.place
    }

    /// Adds a warning about this value. The config can run all the same.
    pub fn warn(&self, message: impl Into<String>) {
        self.reader.warn(&self.path, self.node.place, message);
    }

    /// Reports a key of this mapping that has no value.
    pub fn problem_of_empty_key(&self, entry: &Entry) {
        self.reader.problem(&join(&self.path, &entry.key.text), entry.key_place, NO_VALUE);
    }

    /// Adds a warning about a key of this mapping. The config can run all the same.
    pub fn warn_of_key(&self, entry: &Entry, message: impl Into<String>) {
        self.reader.warn(&join(&self.path, &entry.key.text), entry.key_place, message);
    }

    /// Key path, `sources[0].type`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether this is a text or number, no list and no mapping.
    pub fn is_scalar(&self) -> bool {
        self.node.scalar().is_some()
    }

    /// Whether this is a list.
    pub fn is_list(&self) -> bool {
        matches!(self.node.value, Value::List(_))
    }

    /// The scalar as it is written, when this is one.
    pub fn scalar(&self) -> Option<&'a Scalar> {
        self.node.scalar()
    }

    /// Whether this is a mapping.
    pub fn is_mapping(&self) -> bool {
        matches!(self.node.value, Value::Map(_))
    }

    /// Whether this is one `${secret:NAME}` and nothing else.
    pub fn is_one_secret(&self) -> bool {
        self.node.scalar().is_some_and(|scalar| is_one_secret(&scalar.text))
    }

    /// Whether this is a scalar with a reference in it.
    pub fn has_references(&self) -> bool {
        let has =
            |text: &str| parts(text).is_ok_and(|parts| parts.iter().any(|part| matches!(part, Part::Reference(_))));
        self.node.scalar().is_some_and(|scalar| has(&scalar.text))
    }

    /// Whether this is one reference and nothing else.
    pub fn is_one_reference(&self) -> bool {
        self.node
            .scalar()
            .is_some_and(|scalar| matches!(parts(scalar.text.trim()).as_deref(), Ok([Part::Reference(_)])))
    }

    /// Refuses `${secret:NAME}` in a value that people see, such as the name of a table.
    pub fn without_secrets(&self) -> Option<&Self> {
        let mut names = BTreeSet::new();
        if let Some(scalar) = self.node.scalar() {
            add_secret_names(&scalar.text, &mut names);
        }
        if !names.is_empty() {
            self.problem("a secret cannot stand here, because this value is shown and stored as it is");
            return None;
        }
        Some(self)
    }

    /// The value as written, for a message: shortened, secrets masked.
    pub fn shown(&self) -> String {
        let Some(scalar) = self.node.scalar() else { return self.node.kind().to_owned() };
        format!("{:?}", shortened(&mask::secrets_within(&scalar.text)))
    }

    /// The scalar with its references resolved.
    pub fn reading(&self) -> Option<Reading> {
        let pieces = self.pieces()?;
        let is_open = pieces.iter().any(|piece| matches!(piece, Piece::Open(_)));
        let text = pieces.into_iter().map(|piece| match piece {
            Piece::Written(text) | Piece::Resolved(text) | Piece::Open(text) => text,
        });
        let text = text.collect();
        Some(if is_open { Reading::Open(text) } else { Reading::Known(text) })
    }

    /// The scalar's own text and its references, in order.
    pub fn pieces(&self) -> Option<Vec<Piece>> {
        let Some(scalar) = self.node.scalar() else {
            self.problem(format!("expected a text, found {}", self.node.kind()));
            return None;
        };
        let parts = parts(&scalar.text).map_err(|message| self.problem(message)).ok()?;
        let mut pieces = Vec::with_capacity(parts.len());
        for part in parts {
            pieces.push(match part {
                Part::Text(text) => Piece::Written(text.to_owned()),
                Part::Reference(reference) => match self.reader.resolve(&reference) {
                    Ok(Some(secret)) => Piece::Resolved(secret.expose().to_owned()),
                    Ok(None) => Piece::Open(reference.to_string()),
                    Err(unresolved) => {
                        self.problem(unresolved.message);
                        return None;
                    }
                },
            });
        }
        let has_nul = |piece: &Piece| match piece {
            Piece::Written(text) | Piece::Resolved(text) => text.contains('\0'),
            Piece::Open(_) => false,
        };
        if pieces.iter().any(has_nul) {
            self.problem("NUL characters are not allowed");
            return None;
        }
        Some(pieces)
    }

    /// The text; a reference that is not resolved now stays as written.
    pub fn text(&self) -> Option<String> {
        self.reading().map(|reading| match reading {
            Reading::Known(text) | Reading::Open(text) => text,
        })
    }

    /// The text, made into something else. The error says what was expected; a reference left open gives `None`.
    pub fn parsed<T>(&self, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        self.accepted(|text| parse(text).map_err(|expected| format!("expected {expected}, found {}", self.shown())))
    }

    /// Like [`Self::parsed`], but white space at the ends of the text counts.
    pub fn parsed_exactly<T>(&self, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        self.read_as(|text| parse(text).map_err(|expected| format!("expected {expected}, found {}", self.shown())))
    }

    /// The text, made into something else. The error is a whole sentence; a reference left open gives `None`.
    pub fn accepted<T>(&self, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        self.read_as(|text| parse(text.trim()))
    }

    fn read_as<T>(&self, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let Reading::Known(text) = self.reading()? else { return None };
        let written = self.node.scalar().is_some_and(|scalar| scalar.text == text);
        match parse(&text) {
            Ok(value) => return Some(value),
            Err(sentence) if written => self.problem(sentence),
            // The sentence may tell the value behind the reference.
            Err(_) => self.problem(format!("{} resolves to a value that is not accepted here", self.shown())),
        }
        None
    }

    /// Reads `true` or `false`. `None`: it is another value, which was reported as a problem.
    pub fn flag(&self) -> Option<bool> {
        self.parsed(|text| match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(true),
            "false" | "no" | "off" | "0" => Ok(false),
            _ => Err("true or false".into()),
        })
    }

    /// One of a choice's words, in any case.
    pub fn choice<T: Choice>(&self) -> Option<T> {
        let Reading::Known(text) = self.reading()? else { return None };
        let found = T::WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(text.trim()));
        if found.is_none() {
            self.unknown_variant(T::WORDS.iter().map(|(word, _)| *word));
        }
        found.map(|(_, value)| *value)
    }

    fn unknown_variant(&self, words: impl IntoIterator<Item = &'static str>) {
        self.problem(format!("unknown variant {}, expected {}", self.shown(), either(words)));
    }

    /// The items of a list.
    pub fn items(&self) -> Option<Vec<Field<'a>>> {
        let Value::List(nodes) = &self.node.value else {
            self.problem(format!("expected a list, found {}", self.node.kind()));
            return None;
        };
        let item = |(index, node)| Field { path: format!("{}[{index}]", self.path), node, ..self.clone() };
        Some(nodes.iter().enumerate().map(item).collect())
    }

    /// The texts of a list, or the one text.
    pub fn texts(&self) -> Option<Vec<String>> {
        match &self.node.value {
            Value::List(_) => self.items()?.iter().map(Field::item_text).collect(),
            _ => self.text().map(|text| vec![text]),
        }
    }

    /// The text of an item of a list. `null` counts as a text there, because a list may name the texts that mean NULL.
    fn item_text(&self) -> Option<String> {
        self.filled_item()?.text()
    }

    /// The item itself, unless nothing is written there.
    pub fn filled_item(&self) -> Option<&Self> {
        if self.node.is_null() && self.node.scalar().is_some_and(|scalar| scalar.text.is_empty()) {
            self.problem("has no value: write one, or remove the item");
            return None;
        }
        Some(self)
    }

    /// Whether another warning would be kept, so that callers need not look for warnings that would be dropped.
    pub fn has_room_for_warnings(&self) -> bool {
        self.reader.has_room_for_warnings()
    }

    /// The entries of a mapping.
    pub fn entries(&self) -> Option<&'a [Entry]> {
        if self.reader.is_out_of_time() {
            self.problem(tree::stopped().message);
            return None;
        }
        let entries = self.node.entries();
        if entries.is_none() {
            self.problem(format!("expected a mapping, found {}", self.node.kind()));
        }
        entries
    }

    /// The entries of a mapping by their keys as written. An entry without a value is reported and left out.
    pub fn pairs(&self) -> Option<Vec<(&'a str, Field<'a>)>> {
        let (empty, filled): (Vec<_>, Vec<_>) = self.entries()?.iter().partition(|entry| entry.value.is_null());
        empty.into_iter().for_each(|entry| self.problem_of_empty_key(entry));
        Some(filled.into_iter().map(|entry| (entry.key.text.as_str(), self.below(entry))).collect())
    }

    /// Like [`Self::pairs`], with the entries whose value is null.
    pub fn members(&self) -> Option<Vec<(&'a str, Field<'a>)>> {
        Some(self.entries()?.iter().map(|entry| (entry.key.text.as_str(), self.below(entry))).collect())
    }

    /// The mapping as a section with these keys.
    pub fn section(&self, keys: &'static [Key]) -> Option<Section<'a>> {
        Section::open(vec![self.clone()], keys, None)
    }

    /// The mapping as one of these variants, told apart by `type`.
    pub fn variant(&self, variants: &'static [Variant]) -> Option<&'static Variant> {
        self.entries()?;
        let words = || variants.iter().map(|variant| variant.word);
        let Some(field) = self.child("type") else {
            match self.entries()?.iter().find(|entry| entry.key.text == "type") {
                Some(entry) => self.problem_of_empty_key(entry),
                None => self.problem(format!("missing key \"type\", expected {}", either(words()))),
            }
            return None;
        };
        let text = field.text()?;
        let found = variants.iter().find(|variant| variant.word.eq_ignore_ascii_case(text.trim()));
        if found.is_none() {
            field.unknown_variant(words());
        }
        found
    }

    /// The value of a key, when this is a mapping that has it.
    pub fn child(&self, key: &str) -> Option<Field<'a>> {
        self.node.get(key).map(|node| Field { path: join(&self.path, key), node, ..self.clone() })
    }

    /// The value of an entry of this mapping.
    pub fn below(&self, entry: &'a Entry) -> Field<'a> {
        Field { path: join(&self.path, &entry.key.text), node: &entry.value, ..self.clone() }
    }
}

fn join(path: &str, key: &str) -> String {
    let key = shortened(key);
    if path.is_empty() { key } else { format!("{path}.{key}") }
}
