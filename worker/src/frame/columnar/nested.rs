//! Lists, structs and maps as JSON, in which numbers keep all their digits.

use std::collections::HashSet;

use super::MAX_ROW_BYTES;
use super::cells::Problem;
use super::column::{Column, Values};
use super::shape::Shape;
use crate::frame::CellKind;

/// Writes the value of a row as JSON without white space. A map is an object whose keys are the texts of its keys. `NaN` and
/// `Infinity`, which JSON does not have, are strings, as PostgreSQL's `to_jsonb` writes them.
pub(super) fn write(column: &Column, row: usize, out: &mut Vec<u8>) -> Result<(), Problem> {
    // A page of some bytes can hold a list that repeats one long text of a dictionary a million times.
    if out.len() > MAX_ROW_BYTES {
        return Err(Problem::TooLarge);
    }
    if column.is_null(row) {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    match (&column.shape, &column.values) {
        (_, Values::Dictionary { keys, values }) => write(values, keys.get(row) as usize, out),
        (Shape::Map(..), Values::List { values, ends }) => map(values, ends.range(row), out),
        (_, Values::List { values, ends }) => {
            out.push(b'[');
            for (index, element) in ends.range(row).enumerate() {
                separate(index, out);
                write(values, element, out)?;
            }
            out.push(b']');
            Ok(())
        }
        (Shape::Struct(fields), Values::Struct(columns)) => {
            out.push(b'{');
            for (index, ((name, _), column)) in fields.iter().zip(columns).enumerate() {
                separate(index, out);
                string(name, out)?;
                out.push(b':');
                write(column, row, out)?;
            }
            out.push(b'}');
            Ok(())
        }
        _ => scalar(column, row, out),
    }
}

fn separate(index: usize, out: &mut Vec<u8>) {
    if index > 0 {
        out.push(b',');
    }
}

fn map(entries: &Column, range: std::ops::Range<usize>, out: &mut Vec<u8>) -> Result<(), Problem> {
    let Values::Struct(columns) = &entries.values else { return Err(Problem::RepeatedKey) };
    let [keys, values] = columns.as_slice() else { return Err(Problem::RepeatedKey) };
    let mut seen = HashSet::new();
    out.push(b'{');
    for (index, entry) in range.enumerate() {
        separate(index, out);
        if entries.is_null(entry) || keys.is_null(entry) {
            return Err(Problem::RepeatedKey);
        }
        let mut key = Vec::new();
        match keys.shape {
            Shape::List(_) | Shape::Struct(_) | Shape::Map(..) => write(keys, entry, &mut key)?,
            _ => {
                keys.cell(entry, &mut key)?;
            }
        }
        string(std::str::from_utf8(&key).map_err(|_| Problem::NotUtf8)?, out)?;
        if !seen.insert(key) {
            return Err(Problem::RepeatedKey);
        }
        out.push(b':');
        write(values, entry, out)?;
    }
    out.push(b'}');
    Ok(())
}

fn scalar(column: &Column, row: usize, out: &mut Vec<u8>) -> Result<(), Problem> {
    let start = out.len();
    let kind = column.scalar(row, out)?;
    let is_json = match kind {
        CellKind::Null => {
            out.extend_from_slice(b"null");
            true
        }
        CellKind::Number => out[start..].iter().any(u8::is_ascii_digit),
        CellKind::Bool | CellKind::Nested => true,
        CellKind::Bare | CellKind::Quoted | CellKind::String => false,
    };
    if !is_json {
        let text = out.split_off(start);
        string(std::str::from_utf8(&text).map_err(|_| Problem::NotUtf8)?, out)?;
    }
    Ok(())
}

fn string(text: &str, out: &mut Vec<u8>) -> Result<(), Problem> {
    if text.contains('\0') {
        return Err(Problem::Nul);
    }
    // Writing into memory does not fail.
    serde_json::to_writer(out, text).map_err(|_| Problem::NotUtf8)
}
