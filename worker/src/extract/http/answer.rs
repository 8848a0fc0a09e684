//! The body of an answer: whether it is JSON, how many rows it has, and which page it names as the next one.

pub(super) mod graphql;
mod onward;
mod rows;
pub(super) mod total;

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use elt_shared::json_path::{JsonPath, Step};
use serde::de::{Deserialize, IgnoredAny};

use self::graphql::Tolerated;
use self::onward::{Onward, onward};
use self::rows::{Rows, rows};
use super::envelope::Envelope;
use super::python_json::{Position, PythonJson};
use super::walk::walk;

/// The facts that are read from an answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    /// Path to the rows. `None`: the whole answer is the rows.
    pub(super) records: Option<JsonPath>,
    /// Paths to further rows.
    pub(super) further_records: Vec<JsonPath>,
    /// Path to the next page's cursor or link; `None`: the config names none.
    pub(super) cursor: Option<JsonPath>,
    /// The value of the cursor that marks the last page. `None`: 0 does.
    pub(super) end_value: Option<String>,
    /// Path to the value that says whether there is a next page; `None`: the config names none.
    pub(super) has_more: Option<JsonPath>,
    /// Whether the cursor is sent where a placeholder stands, so that it may be an array or an object.
    pub(super) cursor_is_placed: bool,
    /// Whether the answer is one to a GraphQL query, whose errors may come with a part of the rows.
    pub(super) graphql: bool,
    /// Whether the source has pages, so that rows must be counted.
    pub(super) paged: bool,
    /// Whether the first page may lack the member with the rows, because nothing has changed since they were read.
    pub(super) may_be_empty: bool,
    /// The members around the rows of the pages before; `None`: there was no page with rows yet.
    pub(super) before: Option<Envelope>,
    /// Whether the rows of the pages before were in arrays, so that an object in their place is not a row.
    pub(super) in_arrays: bool,
}

/// The facts that were read from an answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Contents {
    /// Number of rows. It is counted for sources with pages only; otherwise 1 stands for any number above 0.
    pub(super) rows: u64,
    /// Number of the elements that the page lists: its rows, or with `records: orders[*].items` its orders, which may have no
    /// items.
    pub(super) entries: u64,
    /// Hash of these elements as they are written; `None`: only the whole body can be compared.
    pub(super) rows_hash: Option<u128>,
    /// Whether the answer has something to read as rows, even if it is an empty array.
    pub(super) readable: bool,
    /// The next page's cursor or link.
    pub(super) cursor: Option<String>,
    /// Whether the cursor is JSON other than a text.
    pub(super) cursor_is_json: bool,
    /// Whether the answer says that there is a next page. `None`: it does not say.
    pub(super) has_more: Option<bool>,
    /// Whether the answer has the member for the next page's cursor or link, even if it is `null`.
    pub(super) names_next: bool,
    /// Errors of a GraphQL answer whose data are complete all the same.
    pub(super) tolerated: Option<Tolerated>,
    /// Whether its rows are the elements of arrays.
    pub(super) in_arrays: bool,
    /// The members around the rows, when pages have the rows at a path.
    pub(super) envelope: Option<Envelope>,
}

/// The reason why a body cannot be used. It quotes nothing of the body, except for the message of a GraphQL error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It ends in the middle, because the connection was cut.
    CutShort(String),
    /// It is not JSON.
    NotJson(String),
    /// It is JSON, but not with rows where they should be.
    NoRows(String),
    /// There is nothing at this path.
    NothingAt(JsonPath),
    /// It has no rows, and this member says that the request failed.
    SaysError(String),
    /// It has rows, and this member says that the request failed in part.
    SaysErrorInPart(String),
    /// The value in the place of the next page's cursor cannot be a cursor.
    BadCursor(String),
    /// It reports errors in the way of GraphQL, and its data are not complete.
    GraphQl {
        /// The first message as the API wrote it, which may repeat what was sent.
        message: String,
        /// Whether the same request may succeed a moment later.
        is_transient: bool,
        /// Whether it means "too many calls", whatever is asked for.
        limited: bool,
    },
}

/// Reads the facts about a body without holding it in memory.
///
/// # Errors
/// When the file cannot be read. The inner error says what is wrong with the body.
pub(super) fn inspect(path: &Path, wanted: &Wanted) -> io::Result<Result<Contents, Flaw>> {
    let mut file = File::open(path)?;
    let Some(first) = first_byte(&mut file)? else {
        return Ok(Err(Flaw::NotJson("it is empty".into())));
    };
    if first == b'<' {
        return Ok(Err(Flaw::NotJson("it is an HTML or XML page".into())));
    }
    let values = match count_values(start(&mut file)?.0)? {
        Ok(values) => values,
        Err(flaw) => return Ok(Err(flaw)),
    };
    let tolerated = match wanted.graphql {
        true => match graphql::check(&mut file)? {
            Ok(tolerated) => tolerated,
            Err(flaw) => return Ok(Err(flaw)),
        },
        false => None,
    };
    let contents = contents(&mut file, wanted, first, values)?;
    Ok(contents.map(|contents| Contents { tolerated, ..contents }))
}

/// The facts about a body that is JSON; `first` is its first byte, and `values` the number of its values.
fn contents(file: &mut File, wanted: &Wanted, first: u8, values: u64) -> io::Result<Result<Contents, Flaw>> {
    Ok(match rows(file, wanted, first, values)? {
        Err(Flaw::NothingAt(path)) => {
            if last_page(file, wanted)? {
                without_rows(file, wanted, false)?
            } else {
                Err(Flaw::NothingAt(path))
            }
        }
        Err(flaw) => Err(flaw),
        Ok(Some(rows)) if rows.entries > 0 => around(file, wanted, rows)?,
        // A page without rows is the last one, whatever cursor it shows, unless it is an error.
        Ok(rows) => match error_around(file, wanted)? {
            Some(member) => Err(Flaw::SaysError(member)),
            None => without_rows(file, wanted, rows.is_some())?,
        },
    })
}

/// The member that makes an answer an error: `records` leads to no rows, and the root of the answer or the object around
/// the rows reports a failure.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn error_without_rows(path: &Path, records: JsonPath) -> io::Result<Option<String>> {
    let wanted = Wanted { records: Some(records), ..Wanted::default() };
    Ok(match inspect(path, &wanted)? {
        Err(Flaw::SaysError(member)) => Some(member),
        _ => None,
    })
}

/// The member around the rows that says that the request failed.
fn error_around(file: &mut File, wanted: &Wanted) -> io::Result<Option<String>> {
    let Some(path) = &wanted.records else { return Ok(None) };
    let error = |envelope: Option<Envelope>, before| {
        envelope.and_then(|envelope: Envelope| envelope.error(before).map(str::to_owned))
    };
    if let Some(member) = error(envelope(file, &[])?, wanted.before.as_ref()) {
        return Ok(Some(member));
    }
    match path.to_rows().split_last() {
        Some((_, around)) if !around.is_empty() => Ok(error(envelope(file, around)?, None)),
        _ => Ok(None),
    }
}

/// The cursor, envelope and hash of an answer with rows.
fn around(file: &mut File, wanted: &Wanted, rows: Rows) -> io::Result<Result<Contents, Flaw>> {
    let has_envelope = wanted.graphql || (wanted.paged && wanted.records.is_some());
    let envelope = if has_envelope { envelope(file, &[])? } else { None };
    let error = envelope.as_ref().filter(|_| wanted.graphql).and_then(|envelope| envelope.error(None));
    // What `errors` report was compared with the data before.
    if let Some(member) = error.filter(|member| *member != "errors") {
        return Ok(Err(Flaw::SaysErrorInPart(member.to_owned())));
    }
    let contents = Contents {
        rows: rows.count,
        entries: rows.entries,
        rows_hash: rows.hash,
        readable: true,
        in_arrays: rows.in_arrays,
        ..Contents::default()
    };
    Ok(onward(file, wanted, rows.entries)?.map(|onward| Contents { envelope, ..contents.with(onward) }))
}

/// An answer without rows: the last page, unless it says itself that there are more.
fn without_rows(file: &mut File, wanted: &Wanted, readable: bool) -> io::Result<Result<Contents, Flaw>> {
    let contents = Contents { readable, ..Contents::default() };
    if wanted.has_more.is_none() {
        return Ok(Ok(contents));
    }
    Ok(onward(file, wanted, 0)?.map(|onward| contents.with(onward)))
}

impl Contents {
    fn with(self, onward: Onward) -> Self {
        let Onward { cursor, is_json, is_there, has_more } = onward;
        Self { cursor, cursor_is_json: is_json, names_next: is_there, has_more, ..self }
    }
}

/// Whether an answer without anything at `records` is the page after the last rows.
fn last_page(file: &mut File, wanted: &Wanted) -> io::Result<bool> {
    let envelope = envelope(file, &[])?;
    Ok(envelope.is_some_and(|envelope| match &wanted.before {
        Some(before) => envelope.ends(before),
        None => wanted.may_be_empty && envelope.may_be_empty(),
    }))
}

/// The members of the object at a path.
fn envelope(file: &mut File, steps: &[Step]) -> io::Result<Option<Envelope>> {
    Ok(found::<Envelope>(file, steps)?.ok().and_then(|mut found| found.pop()).map(|(envelope, _)| envelope))
}

/// Reads the whole body to check that it is JSON to its last byte. Returns the number of its values; more than one means NDJSON.
fn count_values(json: impl Read) -> io::Result<Result<u64, Flaw>> {
    let mut values = 0;
    for value in serde_json::Deserializer::from_reader(json).into_iter::<IgnoredAny>() {
        match value {
            Ok(_) => values += 1,
            Err(error) if error.is_io() => return Err(error.into()),
            Err(error) if error.is_eof() => {
                let place = format!("its JSON ends in the middle of line {}", error.line());
                return Ok(Err(Flaw::CutShort(place)));
            }
            // An invalid line of NDJSON is a bad row and not a bad answer. It goes to the quarantine when the rows are read.
            Err(_) if values > 0 => break,
            Err(error) => {
                let place = format!("it is not JSON at line {} column {}", error.line(), error.column());
                return Ok(Err(Flaw::NotJson(place)));
            }
        }
    }
    Ok(Ok(values))
}

/// A value and the range of its bytes in the body.
type Found<L> = (L, Range<u64>);

/// The values at a path, each with its bytes.
fn found<L: for<'de> Deserialize<'de>>(file: &mut File, steps: &[Step]) -> io::Result<Result<Vec<Found<L>>, Flaw>> {
    let (json, position) = start(file)?;
    let mut found = Vec::new();
    match walk(json, &position, steps, &mut |leaf, bytes| found.push((leaf, bytes))) {
        Ok(()) => Ok(Ok(found)),
        Err(error) if error.is_io() => Err(error.into()),
        Err(error) => Ok(Err(Flaw::NoRows(format!("a value at line {} cannot be read", error.line())))),
    }
}

/// The body from its start, after a byte order mark.
pub(super) fn start(file: &mut File) -> io::Result<(PythonJson<BufReader<&mut File>>, Position)> {
    let first = after_mark(file)?;
    file.seek(SeekFrom::Start(first))?;
    let json = PythonJson::new(BufReader::with_capacity(256 << 10, file));
    let position = json.position();
    Ok((json, position))
}

/// Number of bytes of a byte order mark at the start of the body.
fn after_mark(file: &mut File) -> io::Result<u64> {
    let mut mark = [0; 3];
    file.seek(SeekFrom::Start(0))?;
    let marked = file.read_exact(&mut mark).is_ok() && mark == [0xEF, 0xBB, 0xBF];
    Ok(if marked { 3 } else { 0 })
}

/// The first byte that is not white space.
pub(super) fn first_byte(file: &mut File) -> io::Result<Option<u8>> {
    let mut json = start(file)?.0;
    let mut byte = [0];
    while json.read(&mut byte)? > 0 {
        if !matches!(byte[0], b' ' | b'\t' | b'\n' | b'\r') {
            return Ok(Some(byte[0]));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
