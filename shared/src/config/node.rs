//! The tree a YAML text becomes: values as they were written, each with its place.

/// Where something stands in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Line in the text, from 1.
    pub line: usize,
    /// 1-based, in characters.
    pub column: usize,
    /// Offset of the node's first byte in the text.
    pub start: usize,
    /// The byte after the last one.
    pub end: usize,
}

/// A value and its place. Behind an alias it is the place of the anchored value.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub place: Place,
    pub value: Value,
}

/// What a node holds.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub key: Scalar,
    pub key_place: Place,
    pub value: Node,
}

/// A text as it was written: `012`, `no` and `1e3` stay what they are until a reader wants a number.
#[derive(Debug, Clone)]
pub(super) struct Scalar {
    pub text: String,
    pub style: Style,
    /// `!!str` or another tag that says "this is text".
    pub tagged_text: bool,
}

/// How a scalar was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Block,
}

impl Scalar {
    /// `~`, `null` or nothing at all.
    pub fn is_null(&self) -> bool {
        self.style == Style::Plain
            && !self.tagged_text
            && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }
}

impl Node {
    /// The scalar, when it is one.
    pub fn scalar(&self) -> Option<&Scalar> {
        match &self.value {
            Value::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// The entries, when it is a mapping.
    pub fn entries(&self) -> Option<&[Entry]> {
        match &self.value {
            Value::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value of a key, when it is a mapping that has it and it is not null.
    pub fn get(&self, key: &str) -> Option<&Node> {
        let entry = self.entries()?.iter().find(|entry| entry.key.text == key)?;
        (!entry.value.is_null()).then_some(&entry.value)
    }

    /// Whether the value is null: `~`, `null` or empty.
    pub fn is_null(&self) -> bool {
        self.scalar().is_some_and(Scalar::is_null)
    }

    /// "a text", "a list", "a mapping" or "nothing", for messages.
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Scalar(_) if self.is_null() => "nothing",
            Value::Scalar(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}
