//! The search for the member of an object that holds the rows. It reads the whole object before the first row is read, because
//! the last member may decide.

use elt_shared::explained::Code;
use elt_shared::json_path::JsonPath;

use super::cursor::{Array, Cursor, begins_like_ndjson};
use super::row_location::restart;
use crate::frame::read::{FileError, window_size};
use crate::input::{Format, InputFile};

/// Most members that a message names.
const NAMED: usize = 5;

/// The structure of a JSON document, as far as it decides where its rows are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// The document is an array.
    Array,
    /// The document is one object.
    Object(Members),
    /// Anything else: objects one after the other or one on each line, an empty file, a single value.
    Other,
}

/// The arrays among the members of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members {
    /// Number of all members.
    count: u64,
    /// Names of the first members that are arrays whose first element is an object.
    of_objects: Vec<String>,
    /// Names of the first members that are empty arrays.
    empty: Vec<String>,
}

/// The place of the rows of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rows {
    /// The rows are the elements of this member.
    Member(String),
    /// The object is the row.
    Object,
    /// There are zero rows, because the only member is an empty array.
    Nothing,
}

impl Members {
    /// The place of the rows. `None`: only a person can say it, because there are several arrays of objects, or an empty array,
    /// which may hold the rows another time.
    pub fn rows(&self) -> Option<Rows> {
        match (&self.of_objects[..], &self.empty[..]) {
            ([], []) => Some(Rows::Object),
            ([member], []) => Some(Rows::Member(member.clone())),
            ([], [_]) if self.count == 1 => Some(Rows::Nothing),
            _ => None,
        }
    }

    /// The error about rows that are not found, with the `records:` to write.
    pub(super) fn refuse(&self, input: &InputFile) -> FileError {
        let full = self.of_objects.iter().map(|name| (name, ""));
        let members: Vec<_> = full.chain(self.empty.iter().map(|name| (name, " (empty)"))).take(NAMED).collect();
        let places: Vec<_> = members.iter().map(|(name, empty)| format!("{name:?}{empty}")).collect();
        let records: Vec<_> = members.iter().map(|(name, _)| format!("`records: {}`", path_text(name))).collect();
        FileError::new(
            Code::RowsAmbiguous,
            &input.name,
            None,
            format_args!(
                "its rows may be in {}, or the object may be the row: write {} or `records: $`",
                places.join(" or "),
                records.join(", ")
            ),
        )
        .hint("Write `records:` for this source as the message says; then it is never guessed.")
    }
}

/// The path to a member as a config would have it: `data`, or `$["odd name"]`.
pub fn path_text(member: &str) -> String {
    JsonPath::member(member).written()
}

/// Reads the beginning of a JSON file, and all of it when it is an object. It blocks its thread.
///
/// # Errors
/// When it cannot be read to the end of its first value.
pub fn examine(input: &InputFile) -> Result<Document, FileError> {
    let mut cursor = restart(window_size(input), input)?;
    match cursor.peek()? {
        Some(b'[') => Ok(Document::Array),
        Some(b'{') if input.format == Format::Json => match examine_object(&mut cursor)? {
            Examined::Object(members) => Ok(Document::Object(members)),
            Examined::Several { .. } => Ok(Document::Other),
        },
        _ => Ok(Document::Other),
    }
}

/// The structure of a document that starts with an object.
pub(super) enum Examined {
    /// The object is the only value.
    Object(Members),
    /// More values follow.
    Several {
        /// Whether the first object is on a line of its own.
        lines: bool,
    },
}

/// Steps over the object at the cursor and tells whether more values follow it.
pub(super) fn examine_object(cursor: &mut Cursor) -> Result<Examined, FileError> {
    let lines = begins_like_ndjson(cursor.window.text());
    match members_and_rest(cursor) {
        // When the first line is invalid, the others may still be rows.
        Err(error) if error.code == Code::BrokenJson && lines => Ok(Examined::Several { lines: true }),
        examined => examined,
    }
}

fn members_and_rest(cursor: &mut Cursor) -> Result<Examined, FileError> {
    let first_line = cursor.line();
    let mut members = Members::default();
    cursor.at += 1;
    if cursor.peek()? == Some(b'}') {
        cursor.at += 1;
    } else {
        loop {
            let name = cursor.name()?;
            let array = cursor.skip_and_classify_array()?;
            members.count += 1;
            let alike = match array {
                Some(Array::OfObjects) => &mut members.of_objects,
                Some(Array::Empty) => &mut members.empty,
                Some(Array::Other) | None => &mut Vec::new(),
            };
            if alike.len() <= NAMED {
                alike.push(String::from_utf8_lossy(&name).into_owned());
            }
            if !cursor.next_entry(b'}')? {
                break;
            }
        }
    }
    let last_line = cursor.line();
    Ok(match cursor.peek()? {
        Some(_) => Examined::Several { lines: first_line == last_line && cursor.line() > last_line },
        None => Examined::Object(members),
    })
}
