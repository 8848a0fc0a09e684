//! A mapping whose keys are known: typed values by their canonical names, and a warning for every key that is not.

use std::time::Duration;

use super::duration;
use super::error::shortened;
use super::field::Field;
use super::keys::{Choice, Key, Shape, nearest};
use super::node::Entry;
use crate::secret::Secret;

/// A mapping whose keys are known.
pub(super) struct Section<'a> {
    field: Field<'a>,
    keys: &'static [Key],
    found: Vec<(&'static Key, Field<'a>)>,
    /// Keys that were written without a value. Each has been noted as a problem.
    empty: Vec<&'static Key>,
}

impl<'a> Section<'a> {
    /// Opens one mapping, or several that are read as one (`sftp:` inside its source), and warns of unknown keys.
    pub fn open(layers: Vec<Field<'a>>, keys: &'static [Key], skip: Option<&str>) -> Option<Self> {
        let mut section = Section { field: layers.first()?.clone(), keys, found: Vec::new(), empty: Vec::new() };
        for layer in &layers {
            for entry in layer.entries()? {
                match keys.iter().find(|key| key.is(&entry.key.text)) {
                    Some(key) => section.take(key, layer, entry),
                    None if skip == Some(entry.key.text.as_str()) => {}
                    None => section.warn_of_unknown(layer, entry),
                }
            }
        }
        Some(section)
    }

    /// Opens a mapping that has these keys among others which are no concern of the section.
    pub fn among(field: &Field<'a>, keys: &'static [Key]) -> Option<Self> {
        let mut section = Section { field: field.clone(), keys, found: Vec::new(), empty: Vec::new() };
        for entry in field.entries()? {
            if let Some(key) = keys.iter().find(|key| key.is(&entry.key.text)) {
                section.take(key, field, entry);
            }
        }
        Some(section)
    }

    fn take(&mut self, key: &'static Key, layer: &Field<'a>, entry: &'a Entry) {
        if entry.value.is_null() {
            layer.problem_of_empty_key(entry);
            self.empty.push(key);
            return;
        }
        let field = layer.below(entry);
        match self.found.iter().find(|(known, _)| known.name == key.name) {
            Some((_, first)) => field.problem(format!("the same thing is written at {} already", first.path())),
            None => self.found.push((key, field)),
        }
    }

    fn warn_of_unknown(&self, layer: &Field<'a>, entry: &Entry) {
        let written = entry.key.text.as_str();
        // The customary place for anchors: `x-defaults: &defaults {…}`.
        if written.starts_with("x-") || !layer.has_room_for_warnings() {
            return;
        }
        let shown = shortened(written);
        let near = nearest(written, self.keys.iter().flat_map(Key::names)).map(str::to_owned);
        let message = match near.or_else(|| self.deeper(written)) {
            Some(known) => format!("unknown key {shown:?}, did you mean {known:?}?"),
            None => format!("unknown key {shown:?}, it has no effect"),
        };
        layer.warn_of_key(entry, message);
    }

    /// `csv.delimiter` for a `delimiter` that was written one level too high.
    fn deeper(&self, written: &str) -> Option<String> {
        self.keys.iter().find_map(|key| match key.shape {
            Shape::Section(keys) | Shape::TextOrSection(keys) | Shape::SectionOrVariant(keys, _) => {
                keys.iter().find(|inner| inner.is(written)).map(|_| format!("{}.{written}", key.name))
            }
            _ => None,
        })
    }

    /// The value of a key, by its canonical name; `None` when it is not written or has no value.
    pub fn field(&self, name: &str) -> Option<&Field<'a>> {
        debug_assert!(self.keys.iter().any(|key| key.name == name), "{name} is no key of this section");
        self.found.iter().find(|(key, _)| key.name == name).map(|(_, field)| field)
    }

    /// Whether a key has a value.
    pub fn has(&self, name: &str) -> bool {
        self.field(name).is_some()
    }

    /// Whether a key is written, with or without a value.
    pub fn wrote(&self, name: &str) -> bool {
        self.has(name) || self.empty.iter().any(|key| key.name == name)
    }

    /// Whether a key of this name is the section's.
    pub fn owns(&self, written: &str) -> bool {
        self.keys.iter().any(|key| key.is(written))
    }

    /// Notes that the section as a whole is wrong.
    pub fn problem(&self, message: impl Into<String>) {
        self.field.problem(message);
    }

    /// A value that must be there.
    pub fn required(&self, name: &str) -> Option<&Field<'a>> {
        let field = self.field(name);
        if !self.wrote(name) {
            self.problem(format!("missing key {name:?}"));
        }
        field
    }

    /// A text that must be there and not be empty.
    pub fn required_text(&self, name: &str) -> Option<String> {
        let field = self.required(name)?;
        let text = field.text()?;
        if text.trim().is_empty() {
            field.problem("must not be empty");
            return None;
        }
        Some(text)
    }

    /// Reads a key that has a text. `None`: it is missing, or its problem was reported.
    pub fn text(&self, name: &str) -> Option<String> {
        self.field(name)?.text()
    }

    /// A text that is not empty; an empty one counts as not written.
    pub fn filled_text(&self, name: &str) -> Option<String> {
        self.text(name).filter(|text| !text.trim().is_empty())
    }

    /// Reads a key that has a secret. `None`: it is missing, or its problem was reported.
    pub fn secret(&self, name: &str) -> Option<Secret> {
        self.text(name).map(Secret::new)
    }

    /// Reads a key that has `true` or `false`. `None`: it is missing, or its problem was reported.
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.field(name)?.flag()
    }

    /// One of a choice's words.
    pub fn choice<T: Choice>(&self, name: &str) -> Option<T> {
        self.field(name)?.choice()
    }

    /// A whole number within the bounds the key declares.
    pub fn whole(&self, name: &str) -> Option<u64> {
        let field = self.field(name)?;
        let key = self.keys.iter().find(|key| key.name == name)?;
        let Shape::Whole { min, max } = key.shape else { return None };
        field.parsed(|text| match text.parse::<u64>() {
            Ok(number) if (min..=max).contains(&number) => Ok(number),
            _ => Err(format!("a whole number from {min} to {max}")),
        })
    }

    /// A number within the bounds the key declares.
    pub fn number(&self, name: &str) -> Option<f64> {
        let field = self.field(name)?;
        let key = self.keys.iter().find(|key| key.name == name)?;
        let Shape::Number { min, max } = key.shape else { return None };
        field.parsed(|text| match text.parse::<f64>() {
            Ok(number) if (min..=max).contains(&number) => Ok(number),
            _ => Err(format!("a number from {min} to {max}")),
        })
    }

    /// A duration of at most what the key declares.
    pub fn duration(&self, name: &str) -> Option<Duration> {
        let field = self.field(name)?;
        let key = self.keys.iter().find(|key| key.name == name)?;
        let Shape::Duration { longest } = key.shape else { return None };
        field.parsed(|text| duration::parse(text, longest))
    }

    /// A whole number that fits what its key's bounds promise.
    pub fn small<T: TryFrom<u64>>(&self, name: &str) -> Option<T> {
        self.whole(name).and_then(|number| T::try_from(number).ok())
    }
}
