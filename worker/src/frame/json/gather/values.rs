//! Values of a JSON document: those of a text that is in memory, and those of one that is read through a window.

use elt_shared::json_path::Step;

use super::GatherError;
use crate::frame::json::cursor::Cursor;
use crate::frame::json::scan::{Scanner, Token, Value};
use crate::frame::json::scan_errors::Fault;
use crate::frame::json::text::unescape;
use crate::frame::read::FileError;

/// Whether a name in a text is this one.
pub(super) fn is_named(text: &[u8], name: Value, wanted: &str) -> bool {
    let written = &text[name.start + 1..name.end - 1];
    if name.token == Token::Plain {
        return written == wanted.as_bytes();
    }
    let mut plain = Vec::new();
    unescape(written, &mut plain);
    plain == wanted.as_bytes()
}

/// The value at the cursor, which the window then holds.
pub(super) fn value(cursor: &mut Cursor) -> Result<Value, FileError> {
    cursor.peek()?;
    loop {
        match Scanner::new(cursor.window.text(), cursor.window.ended()).value(cursor.at) {
            Ok(value) => return Ok(value),
            Err(Fault::More) if cursor.at > 0 => cursor.slide()?,
            Err(Fault::More) => cursor.grow()?,
            Err(Fault::Broken { at, what }) => return Err(cursor.broken(at, what)),
        }
    }
}

/// Calls `each` with every element of the array at the cursor and the text that it is in.
pub(super) fn each_element(
    cursor: &mut Cursor,
    mut each: impl FnMut(&[u8], Value) -> Result<(), GatherError>,
) -> Result<(), GatherError> {
    cursor.at += 1;
    if cursor.peek()? == Some(b']') {
        return Ok(());
    }
    loop {
        let value = value(cursor)?;
        each(cursor.window.text(), value)?;
        cursor.at = value.end;
        if !cursor.next_entry(b']')? {
            return Ok(());
        }
    }
}

/// Calls `each` with every element of the array at `at` of a text, until it returns false. Another value has no elements.
pub(super) fn elements_of(
    text: &[u8],
    at: usize,
    mut each: impl FnMut(Value) -> Result<bool, GatherError>,
) -> Result<(), GatherError> {
    if text.get(at) != Some(&b'[') {
        return Ok(());
    }
    let mut scanner = Scanner::new(text, true);
    let mut next = scanner.space(at + 1).map_err(unreadable)?;
    while text[next] != b']' {
        let value = scanner.value(next).map_err(unreadable)?;
        if !each(value)? {
            break;
        }
        next = scanner.space(value.end).map_err(unreadable)?;
        if text[next] == b',' {
            next = scanner.space(next + 1).map_err(unreadable)?;
        }
    }
    Ok(())
}

/// The value that steps without `[*]` lead to from the value at `at`.
pub(super) fn descendant(text: &[u8], at: usize, steps: &[Step]) -> Option<Value> {
    let mut at = at;
    for step in steps {
        at = match step {
            Step::Member(name) => member(text, at, name)?.start,
            Step::Element(index) => {
                let (mut left, mut found) = (*index, None);
                elements_of(text, at, |value| {
                    found = (left == 0).then_some(value);
                    left = left.saturating_sub(1);
                    Ok(found.is_none())
                })
                .ok()?;
                found?.start
            }
            Step::Last => {
                let mut last = None;
                elements_of(text, at, |value| {
                    last = Some(value);
                    Ok(true)
                })
                .ok()?;
                last?.start
            }
            Step::Every => return None,
        };
    }
    Scanner::new(text, true).value(at).ok()
}

fn member(text: &[u8], at: usize, wanted: &str) -> Option<Value> {
    if text.get(at) != Some(&b'{') {
        return None;
    }
    let mut found = None;
    let scanned = Scanner::new(text, true).members(at, |name, value| {
        if found.is_none() && is_named(text, name, wanted) {
            found = Some(value);
        }
    });
    scanned.ok().and(found)
}

/// The error for a value whose end was found before, and which therefore has none.
pub(super) fn unreadable(fault: Fault) -> GatherError {
    let what = match fault {
        Fault::More => "a value ends in the middle",
        Fault::Broken { what, .. } => what,
    };
    GatherError::NotRows(what.to_owned())
}
