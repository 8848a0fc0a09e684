//! Copies the rows of a JSON document into another document, one array, and adds members to each.
//!
//! The bytes of rows and added values are copied as they are, so that numbers keep their digits. The document is read through
//! a window. Only one row is in memory at a time, or the outermost element that a `[*]` of a path leads into.
//!
//! # Layout
//! - [`rows_file`]: the copy
//! - [`values`]: the values of a text that is in memory, and of a document that is read through a window
//! - this file: the rows of a document, and what is added to them

mod rows_file;
mod values;

use std::io;

use elt_shared::json_path::{JsonPath, Step};

use super::cursor::Cursor;
use super::row_location::restart;
use super::scan::{Scanner, Token};
use crate::frame::read::{FileError, window_size};
use crate::input::InputFile;
pub use rows_file::{Mark, RowsFile};
use values::{descendant, each_element, elements_of, is_named, unreadable, value};

/// Most bytes of a value that is added to rows, because it is copied into each of them.
const MAX_ADDED_BYTES: usize = 1 << 20;

/// The rows that are wanted of a document.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Paths to the rows, which are copied in this order. Without any the elements of an array are the rows, or the values of
    /// a document that has several.
    pub records: Vec<JsonPath>,
    /// Members that are added to each row.
    pub added: Vec<Added>,
}

/// A member that is added to rows.
#[derive(Debug, Clone)]
pub struct Added {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: AddedValue,
}

/// The value of a member that is added to rows.
#[derive(Debug, Clone)]
pub enum AddedValue {
    /// What is at this path of the document. Each `[*]` stands for the element that the row is in. Where there is nothing, and
    /// in rows that are in no such element, it is null.
    At(JsonPath),
    /// This JSON, in every row.
    Fixed(Vec<u8>),
}

/// What was found in a document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gathered {
    /// Whether each of [`Wanted::records`] led to something.
    pub records: Vec<bool>,
    /// Whether each of [`Wanted::added`] had a value.
    pub added: Vec<bool>,
}

impl Gathered {
    /// Adds what was found in another document.
    pub fn join(&mut self, other: &Self) {
        for (all, other) in [(&mut self.records, &other.records), (&mut self.added, &other.added)] {
            all.resize(other.len(), false);
            all.iter_mut().zip(other).for_each(|(all, other)| *all |= other);
        }
    }
}

/// The reason why the rows of a document cannot be copied.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// The document cannot be read.
    #[error(transparent)]
    Document(#[from] FileError),
    /// A path leads to something else than rows.
    #[error("{0}")]
    NotRows(String),
    /// A row has a member with the name of one that is added.
    #[error("a row has a member {0:?} of its own")]
    NameTaken(String),
    /// A value that is to be added to rows is larger than 1 MiB.
    #[error("the value for {0:?} is larger than 1 MiB")]
    LargeValue(String),
    /// The copy would be larger than this many bytes.
    #[error("the rows need more than {0} bytes")]
    NoRoom(u64),
    /// The copy cannot be written.
    #[error("the copy cannot be written")]
    Write(#[from] io::Error),
}

/// Copies the wanted rows of a document to the end of a file. It blocks its thread.
///
/// # Errors
/// When the document cannot be read, or does not have rows where they should be; the copy then has some of the rows.
pub fn gather(input: &InputFile, wanted: &Wanted, to: &mut RowsFile) -> Result<Gathered, GatherError> {
    let added = wanted.added.len();
    let found = Gathered { records: vec![false; wanted.records.len()], added: vec![false; added] };
    let name = |added: &Added| serde_json::to_string(&added.name).map(|name| format!(",{name}:").into_bytes());
    let names = wanted.added.iter().map(name).collect::<Result<_, _>>().map_err(io::Error::other)?;
    let mut gather = Gather { input, wanted, names, values: vec![None; added], found, to };
    if wanted.records.is_empty() {
        gather.fix_values()?;
        gather.document()?;
    }
    for (index, records) in wanted.records.iter().enumerate() {
        gather.fix_values()?;
        gather.found.records[index] = gather.at_path(records.to_rows())?;
    }
    Ok(gather.found)
}

struct Gather<'a> {
    input: &'a InputFile,
    wanted: &'a Wanted,
    /// The names of the added members, each as it is written in a row: `,"name":`.
    names: Vec<Vec<u8>>,
    /// The values of the added members in the next row. `None`: null.
    values: Vec<Option<Vec<u8>>>,
    found: Gathered,
    to: &'a mut RowsFile,
}

/// The kind of the elements of an array.
#[derive(Default)]
struct Elements {
    /// Whether they are other values than objects. `None`: only `null` was seen.
    scalars: Option<bool>,
    /// Number of `null` elements before the first other one.
    nulls: u64,
}

impl Gather<'_> {
    /// Sets the values that are the same for all rows at one path.
    fn fix_values(&mut self) -> Result<(), GatherError> {
        for (index, added) in self.wanted.added.iter().enumerate() {
            self.values[index] = match &added.value {
                AddedValue::Fixed(json) => {
                    self.found.added[index] = true;
                    Some(json.clone())
                }
                AddedValue::At(path) if path.split_after_every().0.is_empty() => self.value_at(path.steps())?,
                AddedValue::At(_) => None,
            };
            self.check_size(index)?;
        }
        Ok(())
    }

    /// The value at a path without `[*]`.
    fn value_at(&mut self, steps: &[Step]) -> Result<Option<Vec<u8>>, GatherError> {
        let mut cursor = restart(window_size(self.input), self.input)?;
        if !cursor.follow(steps)? {
            return Ok(None);
        }
        let value = value(&mut cursor)?;
        Ok(Some(cursor.window.text()[value.start..value.end].to_vec()))
    }

    fn check_size(&mut self, index: usize) -> Result<(), GatherError> {
        let Some(value) = &self.values[index] else { return Ok(()) };
        if value.len() > MAX_ADDED_BYTES {
            return Err(GatherError::LargeValue(self.wanted.added[index].name.clone()));
        }
        self.found.added[index] = true;
        Ok(())
    }

    /// Sets the values that belong to the element at `at`, to which the first steps of `records` lead.
    fn enter(&mut self, records: &[Step], count: usize, text: &[u8], at: usize) -> Result<(), GatherError> {
        for (index, added) in self.wanted.added.iter().enumerate() {
            let AddedValue::At(path) = &added.value else { continue };
            let (around, below) = path.split_after_every();
            if !around.is_empty() && around == &records[..count] {
                let found = descendant(text, at, below);
                self.values[index] = found.map(|value| text[value.start..value.end].to_vec());
                self.check_size(index)?;
            }
        }
        Ok(())
    }

    /// Copies the rows of a document whose rows no path names.
    fn document(&mut self) -> Result<(), GatherError> {
        let mut cursor = restart(window_size(self.input), self.input)?;
        if cursor.peek()? == Some(b'[') {
            return self.elements(&mut cursor);
        }
        while cursor.peek()?.is_some() {
            let value = value(&mut cursor)?;
            self.row(&cursor.window.text()[value.start..value.end], value.token, false)?;
            cursor.at = value.end;
        }
        Ok(())
    }

    /// Copies the rows at a path. Returns false when there is nothing.
    fn at_path(&mut self, steps: &[Step]) -> Result<bool, GatherError> {
        let mut cursor = restart(window_size(self.input), self.input)?;
        let first_every = steps.iter().position(|step| *step == Step::Every);
        if !cursor.follow(&steps[..first_every.unwrap_or(steps.len())])? {
            return Ok(false);
        }
        let Some(every) = first_every else {
            match cursor.peek()? {
                Some(b'[') => self.elements(&mut cursor)?,
                _ => {
                    let value = value(&mut cursor)?;
                    self.single(&cursor.window.text()[value.start..value.end], value.token)?;
                }
            }
            return Ok(true);
        };
        if cursor.peek()? != Some(b'[') {
            return Ok(false);
        }
        let mut found = false;
        each_element(&mut cursor, |text, value| {
            self.enter(steps, every + 1, text, value.start)?;
            found |= self.within(text, value.start, steps, every + 1)?;
            Ok(())
        })?;
        Ok(found)
    }

    /// Copies the rows of a value that is in memory, to which the first steps lead. Returns false when there is nothing.
    fn within(&mut self, text: &[u8], at: usize, steps: &[Step], count: usize) -> Result<bool, GatherError> {
        let Some(step) = steps.get(count) else { return self.rows_in(text, at).map(|()| true) };
        if *step != Step::Every {
            return match descendant(text, at, std::slice::from_ref(step)) {
                Some(value) => self.within(text, value.start, steps, count + 1),
                None => Ok(false),
            };
        }
        let mut found = false;
        elements_of(text, at, |value| {
            self.enter(steps, count + 1, text, value.start)?;
            found |= self.within(text, value.start, steps, count + 1)?;
            Ok(true)
        })?;
        Ok(found)
    }

    /// Copies the rows of a value in memory at the end of a path.
    fn rows_in(&mut self, text: &[u8], at: usize) -> Result<(), GatherError> {
        if text.get(at) != Some(&b'[') {
            let value = Scanner::new(text, true).value(at).map_err(unreadable)?;
            return self.single(&text[value.start..value.end], value.token);
        }
        let mut elements = Elements::default();
        elements_of(text, at, |value| {
            self.element(&text[value.start..value.end], value.token, &mut elements)?;
            Ok(true)
        })?;
        self.end(&elements)
    }

    /// Copies the elements of the array at the cursor.
    fn elements(&mut self, cursor: &mut Cursor) -> Result<(), GatherError> {
        let mut elements = Elements::default();
        each_element(cursor, |text, value| self.element(&text[value.start..value.end], value.token, &mut elements))?;
        self.end(&elements)
    }

    /// Copies a value that is not an array.
    fn single(&mut self, text: &[u8], token: Token) -> Result<(), GatherError> {
        match token {
            Token::Null => Ok(()),
            Token::Object { .. } => self.row(text, token, false),
            _ => Err(GatherError::NotRows("`records` leads to a single value".into())),
        }
    }

    /// Copies an element of an array of rows. Elements that are no objects become the value of a member `value`, unless the
    /// first elements are objects.
    fn element(&mut self, text: &[u8], token: Token, elements: &mut Elements) -> Result<(), GatherError> {
        if token == Token::Null && elements.scalars.is_none() {
            elements.nulls += 1;
            return Ok(());
        }
        let scalars = match elements.scalars {
            Some(scalars) => scalars,
            None if matches!(token, Token::Array { .. }) => {
                return Err(GatherError::NotRows("the elements of the array are arrays".into()));
            }
            None => {
                let scalars = !matches!(token, Token::Object { .. });
                elements.scalars = Some(scalars);
                self.end(elements)?;
                elements.nulls = 0;
                scalars
            }
        };
        self.row(text, token, scalars)
    }

    /// Copies the `null` elements at the beginning of an array.
    fn end(&mut self, elements: &Elements) -> Result<(), GatherError> {
        for _ in 0..elements.nulls {
            self.row(b"null", Token::Null, elements.scalars.unwrap_or(true))?;
        }
        Ok(())
    }

    /// Copies a value. One that is not an object is copied as it is, so that its reader rejects it, or with `wrapped` as the
    /// member `value` of a row.
    fn row(&mut self, text: &[u8], token: Token, wrapped: bool) -> Result<(), GatherError> {
        self.to.begin_row()?;
        let is_object = matches!(token, Token::Object { .. });
        match (wrapped, is_object) {
            (true, _) => {
                if let Some(added) = self.wanted.added.iter().find(|added| added.name == "value") {
                    return Err(GatherError::NameTaken(added.name.clone()));
                }
                self.to.write(b"{\"value\":")?;
                self.to.write(text)?;
            }
            (false, true) if self.has_members(text)? => self.to.write(&text[..text.len() - 1])?,
            (false, _) => return self.to.write(text),
        }
        for (name, value) in self.names.iter().zip(&self.values) {
            self.to.write(name)?;
            self.to.write(value.as_deref().unwrap_or(b"null"))?;
        }
        self.to.write(b"}")
    }

    /// Whether an object has members to which others can be added. An object without members is not a row.
    fn has_members(&self, object: &[u8]) -> Result<bool, GatherError> {
        if self.wanted.added.is_empty() {
            return Ok(false);
        }
        let (mut members, mut taken) = (false, None);
        let mut scanner = Scanner::new(object, true);
        scanner
            .members(0, |name, _| {
                members = true;
                taken =
                    taken.or_else(|| self.wanted.added.iter().position(|added| is_named(object, name, &added.name)));
            })
            .map_err(unreadable)?;
        match taken {
            Some(index) => Err(GatherError::NameTaken(self.wanted.added[index].name.clone())),
            None => Ok(members),
        }
    }
}

#[cfg(test)]
mod tests;
