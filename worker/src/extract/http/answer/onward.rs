//! The parts of an answer that say whether there is a next page, and which.

use std::fs::File;
use std::io;

use elt_shared::json_path::{JsonPath, Step};
use serde_json::value::RawValue;

use super::super::walk::{Outline, TEXT_BYTES};
use super::{Flaw, Found, Wanted, found};

/// The way to the next page.
#[derive(Default)]
pub(super) struct Onward {
    /// The cursor or link. `None`: the answer names none.
    pub(super) cursor: Option<String>,
    /// Whether the cursor is JSON other than a text.
    pub(super) is_json: bool,
    /// Whether the answer has the member for it.
    pub(super) is_there: bool,
    /// Whether the answer says that there is a next page. `None`: it does not say.
    pub(super) has_more: Option<bool>,
}

/// What an answer with this many rows says about the next page.
pub(super) fn onward(file: &mut File, wanted: &Wanted, rows: u64) -> io::Result<Result<Onward, Flaw>> {
    let has_more = match &wanted.has_more {
        Some(path) => match has_more(file, path)? {
            Ok(has_more) => has_more,
            Err(flaw) => return Ok(Err(flaw)),
        },
        None => None,
    };
    let Some(path) = &wanted.cursor else { return Ok(Ok(Onward { has_more, ..Onward::default() })) };
    if has_more == Some(false) {
        return Ok(Ok(Onward { has_more, is_there: true, ..Onward::default() }));
    }
    // The last row of a page without rows has no cursor, and that is not an error.
    let in_last_row = rows > 0 && wanted.cursor_is_in_last_row();
    let cursor = match cursor(file, path, wanted, in_last_row)? {
        Ok(cursor) => cursor,
        Err(flaw) => return Ok(Err(flaw)),
    };
    Ok(match &cursor.cursor {
        None if has_more == Some(true) => Err(Flaw::BadCursor(format!(
            "{} says that there is a next page, and there is no cursor or link at {path}",
            wanted.who_says_more()
        ))),
        None if in_last_row => Err(Flaw::BadCursor(format!("the last row has no value at {path}"))),
        _ => Ok(Onward { has_more, ..cursor }),
    })
}

impl Wanted {
    /// The member that says whether there is a next page, by the name that the author of the config knows.
    fn who_says_more(&self) -> &'static str {
        let is_usual = |path: &JsonPath| path.steps().last() == Some(&Step::Member("hasNextPage".into()));
        if self.has_more.as_ref().is_some_and(is_usual) { "`hasNextPage`" } else { "`has_more_path`" }
    }

    /// Whether the cursor is a value of a page's last row. Every page with rows must have it then.
    fn cursor_is_in_last_row(&self) -> bool {
        let rows = self.records.as_ref().map(JsonPath::to_rows).unwrap_or_default();
        // With `orders[*].items` it is in the last order.
        let outer = rows.iter().position(|step| *step == Step::Every).unwrap_or(rows.len());
        let rest = self.cursor.as_ref().and_then(|cursor| cursor.steps().strip_prefix(&rows[..outer]));
        rest.and_then(<[Step]>::first) == Some(&Step::Last)
    }
}

/// Values, and the path that led to them.
type Values = (Vec<Found<Outline>>, JsonPath);

/// The values at a path, or else at the member of the root whose name is the path's text.
fn values(file: &mut File, path: &JsonPath) -> io::Result<Result<Values, Flaw>> {
    let at_path = match found::<Outline>(file, path.steps())? {
        Ok(found) => found,
        Err(flaw) => return Ok(Err(flaw)),
    };
    match path.literal_member().filter(|_| at_path.is_empty()) {
        Some(literal) => Ok(found::<Outline>(file, literal.steps())?.map(|found| (found, literal))),
        None => Ok(Ok((at_path, path.clone()))),
    }
}

/// Whether the value at `has_more_path` says that there is a next page.
fn has_more(file: &mut File, path: &JsonPath) -> io::Result<Result<Option<bool>, Flaw>> {
    let (mut values, _) = match values(file, path)? {
        Ok(found) => found,
        Err(flaw) => return Ok(Err(flaw)),
    };
    let ends = |text: &str| ["", "0", "false", "no", "n"].contains(&text.trim().to_lowercase().as_str());
    Ok(Ok(match values.pop().map(|(outline, _)| outline) {
        None | Some(Outline::Null) => None,
        Some(Outline::Flag(flag)) => Some(flag),
        Some(Outline::Text(text) | Outline::Whole(text)) => Some(!ends(&text)),
        Some(Outline::Fraction | Outline::LongText) => Some(true),
        Some(Outline::Array(_) | Outline::Object(_)) => {
            let reason = format!("what is at {path}, the `has_more_path`, is an array or an object");
            return Ok(Err(Flaw::BadCursor(reason)));
        }
    }))
}

/// The value of the next page's cursor or link.
fn cursor(file: &mut File, path: &JsonPath, wanted: &Wanted, in_last_row: bool) -> io::Result<Result<Onward, Flaw>> {
    let (mut outlines, path) = match values(file, path)? {
        Ok(found) => found,
        Err(flaw) => return Ok(Err(flaw)),
    };
    let bad = |what: &str| Ok(Err(Flaw::BadCursor(format!("what is at {path} is {what}"))));
    let too_long = format!("a text of more than {} KiB", TEXT_BYTES >> 10);
    let found = outlines.pop();
    let bytes = found.as_ref().map_or(0, |(_, bytes)| bytes.end - bytes.start);
    let (text, is_json) = match found.map(|(outline, _)| outline) {
        None => return Ok(Ok(Onward::default())),
        Some(Outline::Null | Outline::Flag(false)) => return Ok(Ok(Onward { is_there: true, ..Onward::default() })),
        Some(Outline::Text(text)) => (text, false),
        Some(Outline::Whole(text)) => (text, true),
        Some(Outline::Flag(true)) => return bad("`true`, which says that there is a next page, but not which"),
        Some(Outline::LongText) => return bad(&too_long),
        Some(Outline::Array(length)) if !wanted.cursor_is_placed || length == 0 => {
            return bad("an array, not a cursor");
        }
        Some(Outline::Object(members)) if !wanted.cursor_is_placed || members == 0 => {
            return bad("an object, not a cursor");
        }
        Some(Outline::Fraction | Outline::Array(_) | Outline::Object(_)) if bytes > TEXT_BYTES as u64 => {
            return bad(&too_long);
        }
        Some(Outline::Fraction | Outline::Array(_) | Outline::Object(_)) => {
            match super::found::<Box<RawValue>>(file, path.steps())? {
                Ok(mut found) => (found.pop().map(|(json, _)| json.get().to_owned()).unwrap_or_default(), true),
                Err(flaw) => return Ok(Err(flaw)),
            }
        }
    };
    let ends = match &wanted.end_value {
        Some(end) => text.is_empty() || text == *end,
        None => text.is_empty() || (!in_last_row && is_zero(&text, is_json)),
    };
    let cursor = (!ends).then_some(text);
    Ok(Ok(Onward { is_json: is_json && cursor.is_some(), cursor, is_there: true, has_more: None }))
}

/// Whether a cursor is 0. A number may be written with a sign, a point or an exponent.
fn is_zero(text: &str, is_json: bool) -> bool {
    text == "0" || (is_json && text.starts_with(['-', '0']) && !text.contains(|c: char| matches!(c, '1'..='9')))
}
