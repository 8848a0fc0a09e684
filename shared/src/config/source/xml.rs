//! `xml:`: which elements of XML files are rows, and how they become columns.

use super::csv::{self, TextEncoding};
use crate::config::field::Field;
use crate::config::keys::{Choice, Key, Shape};

/// `xml:`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct XmlOptions {
    /// The names of the elements from the root down to the rows: `/orders/order`.
    pub records: Vec<String>,
    /// Text before the names of columns that are attributes.
    pub attribute_prefix: String,
    /// What happens to the prefixes of names.
    pub prefixes: NamePrefixes,
    /// Columns that are lists in every row, also where the element appears once.
    pub lists: Vec<String>,
    /// Whether white space around texts and the values of attributes is left out.
    pub trim: bool,
    /// A WHATWG encoding label; `None`: as the file itself declares it.
    pub encoding: Option<String>,
}

/// What happens to the prefix of a name, such as `inv` of `inv:order`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NamePrefixes {
    /// It is left out.
    #[default]
    Drop,
    /// It is part of the name.
    Keep,
}

impl Choice for NamePrefixes {
    const WORDS: &'static [(&'static str, Self)] = &[("drop", Self::Drop), ("keep", Self::Keep)];
}

pub(super) const KEYS: &[Key] = &[
    Key::text("records", "The path of the elements that are rows, from the root: `/orders/order`.").required(),
    Key::text(
        "attribute_prefix",
        "Text before the names of columns that are attributes, `_` for example. Default: the name alone; a file in which an \
         attribute and an element have the same name is then refused.",
    ),
    Key::choice::<NamePrefixes>("prefixes", "Whether `inv:order` is named `order` or `inv:order`. Default `drop`."),
    Key::of(
        "lists",
        Shape::Texts,
        "Elements that are JSON arrays in every row. Default: only in rows in which they appear more than once.",
    ),
    Key::flag("trim", "Whether white space around texts is left out. Default false: every text arrives as it stands."),
    Key::text(
        "encoding",
        "A character encoding, for files that declare a wrong one. Default: as the file declares it.",
    ),
];

/// Reads the section.
pub(super) fn read(field: &Field<'_>) -> Option<XmlOptions> {
    let section = field.section(KEYS)?;
    let records = section.required_text("records");
    let records = records.and_then(|_| section.field("records")?.accepted(path));
    Some(XmlOptions {
        attribute_prefix: section.text("attribute_prefix").unwrap_or_default(),
        prefixes: section.choice("prefixes").unwrap_or_default(),
        lists: section.field("lists").and_then(Field::texts).unwrap_or_default(),
        trim: section.flag("trim").unwrap_or(false),
        encoding: section.field("encoding").and_then(|field| match csv::encoding(field) {
            TextEncoding::Named(label) => Some(label),
            TextEncoding::Utf8 | TextEncoding::Guessed => None,
        }),
        records: records?,
    })
}

/// The names of a path such as `/orders/order`.
fn path(text: &str) -> Result<Vec<String>, String> {
    let names: Vec<String> =
        text.strip_prefix('/').unwrap_or(text).split('/').map(|name| name.trim().to_owned()).collect();
    let odd =
        |name: &String| name.is_empty() || name.contains(|c: char| c.is_whitespace() || "[]@*()<>&'\"=".contains(c));
    if names.len() > MAX_NAMES || names.iter().any(odd) {
        return Err(format!(
            "expected the names of elements from the root to the rows, `/orders/order`, found {text:?}"
        ));
    }
    Ok(names)
}

/// Most names of a path.
const MAX_NAMES: usize = 100;
