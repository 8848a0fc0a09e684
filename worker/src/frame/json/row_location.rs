//! The location of the rows in a JSON file, which is found before a row is read.

use elt_shared::explained::Code;
use elt_shared::json_path::{JsonPath, Step};

use super::cursor::Cursor;
use super::row_search::{Examined, Rows, examine_object};
use crate::frame::decode::Text;
use crate::frame::read::FileError;
use crate::frame::window::Window;
use crate::input::{Format, InputFile};

/// The way in which the rows follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowLayout {
    /// Rows are the elements of an array.
    Elements {
        /// Number of brackets around the elements.
        open: usize,
        /// Whether they are strings, numbers or booleans, which become rows with the column `value`.
        scalars: bool,
    },
    /// One object is the only row.
    One {
        /// Number of brackets around the object.
        open: usize,
    },
    /// Rows are objects one after the other.
    Values,
    /// Each line has one object, which is a row.
    Lines,
    /// The document has no rows. Its rest is only checked.
    Nothing {
        /// Number of brackets around the cursor.
        open: usize,
    },
}

/// Finds the rows. Returns a cursor at the first one, their layout, and a sentence about what was assumed, if anything was.
pub(super) fn find(
    window: Window,
    size: usize,
    input: &InputFile,
) -> Result<(Cursor, RowLayout, Option<String>), FileError> {
    let mut cursor = Cursor::new(window);
    let first = cursor.peek()?;
    if let Some(records) = &input.records {
        let path: JsonPath = records.parse().map_err(|error| bad_path(input, error))?;
        if path.to_rows().contains(&Step::Every) {
            return Err(bad_path(input, format_args!("records: {records} may have [*] only at its end")));
        }
        if path.to_rows().contains(&Step::Last) {
            return Err(bad_path(input, format_args!("records: {records} may not have [-1], the last element")));
        }
        let steps = path.to_rows();
        return follow(cursor, steps, size, input).map(|(cursor, layout)| (cursor, layout, None));
    }
    match first {
        None if input.format == Format::Ndjson => Ok((cursor, RowLayout::Lines, None)),
        None => Err(FileError::new(Code::Truncated, &input.name, None, "it is empty, which is not JSON")
            .hint("Write [] for no rows, or copy the file again.")),
        Some(b'[') => follow(cursor, &[], size, input).map(|(cursor, layout)| (cursor, layout, None)),
        Some(_) if input.format == Format::Ndjson => Ok((restart(size, input)?, RowLayout::Lines, None)),
        Some(b'{') => object(cursor, size, input),
        Some(_) => Err(not_rows(input)),
    }
}

/// Moves the cursor to the rows that a path names.
fn follow(
    mut cursor: Cursor,
    steps: &[Step],
    size: usize,
    input: &InputFile,
) -> Result<(Cursor, RowLayout), FileError> {
    if !cursor.follow(steps)? {
        let records = input.records.as_deref().unwrap_or("$");
        return Err(FileError::new(
            Code::RecordsMissing,
            &input.name,
            None,
            format_args!("it has nothing at records: {records}"),
        )
        .hint(
            "Look at what it holds: it may be an error. If it is built differently now, write or correct records: so that it \
             leads to the array of rows; without it the place that an earlier run found holds.",
        ));
    }
    let open = steps.len();
    match cursor.peek()? {
        Some(b'{') => Ok((cursor, RowLayout::One { open })),
        // An answer without rows often has `null` in place of the array.
        Some(b'n') => {
            cursor.skip_value()?;
            Ok((cursor, RowLayout::Nothing { open }))
        }
        Some(b'[') => {
            cursor.at += 1;
            let mut first = cursor.peek()?;
            if first == Some(b'n') {
                first = first_that_is_not_null(&mut cursor)?;
                cursor = restart(size, input)?;
                cursor.follow(steps)?;
                cursor.peek()?;
                cursor.at += 1;
            }
            match first {
                Some(b'[') => Err(not_rows(input)),
                first => Ok((cursor, RowLayout::Elements { open, scalars: first != Some(b'{') })),
            }
        }
        _ => Err(not_rows(input)),
    }
}

/// The first byte of the first element that is not `null`, or the closing bracket when all are.
fn first_that_is_not_null(cursor: &mut Cursor) -> Result<Option<u8>, FileError> {
    loop {
        cursor.skip_value()?;
        if !cursor.next_entry(b']')? {
            return Ok(Some(b']'));
        }
        match cursor.peek()? {
            Some(b'n') => {}
            other => return Ok(other),
        }
    }
}

/// Finds the rows of a document that starts with an object, when neither the config nor an earlier run says where they are.
fn object(
    mut cursor: Cursor,
    size: usize,
    input: &InputFile,
) -> Result<(Cursor, RowLayout, Option<String>), FileError> {
    let examined = examine_object(&mut cursor)?;
    let mut cursor = restart(size, input)?;
    cursor.peek()?;
    let members = match examined {
        Examined::Several { lines: true } => return Ok((cursor, RowLayout::Lines, None)),
        Examined::Several { lines: false } => return Ok((cursor, RowLayout::Values, None)),
        Examined::Object(members) => members,
    };
    match members.rows() {
        Some(Rows::Object) => Ok((cursor, RowLayout::One { open: 0 }, None)),
        Some(Rows::Nothing) => {
            cursor.skip_value()?;
            Ok((cursor, RowLayout::Nothing { open: 0 }, None))
        }
        Some(Rows::Member(member)) => {
            let note = format!("{}: the rows are the elements of its member {member:?}", input.name);
            follow(cursor, &[Step::Member(member)], size, input).map(|(cursor, layout)| (cursor, layout, Some(note)))
        }
        None => Err(members.refuse(input)),
    }
}

/// A cursor at the start of the file.
pub(super) fn restart(size: usize, input: &InputFile) -> Result<Cursor, FileError> {
    Ok(Cursor::new(Window::new(Text::open(input)?, size)))
}

fn bad_path(input: &InputFile, what: impl std::fmt::Display) -> FileError {
    FileError::new(Code::BadRecordsPath, &input.name, None, what)
        .hint("Write the members that lead to the rows: records: data.items, or $ for the whole document.")
}

fn not_rows(input: &InputFile) -> FileError {
    FileError::new(
        Code::NotRows,
        &input.name,
        None,
        "its rows could not be found: it is neither an array of objects nor an object nor NDJSON",
    )
    .hint("Write records: with the JSON path of the array that holds the rows, records: data.items for example.")
}
