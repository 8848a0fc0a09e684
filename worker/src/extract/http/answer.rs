//! A body that arrived: is it JSON, how many rows are in it, and where is the next page.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use elt_shared::json_path::{JsonPath, Step};
use serde::de::IgnoredAny;

use super::walk::{Outline, walk};

/// What to look for in an answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    /// Where the rows are; none: the answer is the rows.
    pub(super) records: Option<JsonPath>,
    /// Where the next page's cursor is.
    pub(super) cursor: Option<JsonPath>,
    /// Whether rows must be counted.
    pub(super) paged: bool,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Contents {
    /// Rows, counted when pages need it; otherwise 1 stands for "some".
    pub(super) rows: u64,
    /// Whether there is something to read as rows, be it an empty array.
    pub(super) readable: bool,
    /// The next page's cursor.
    pub(super) cursor: Option<String>,
}

/// Why a body is no answer. The reasons repeat nothing of the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It ends in the middle: it was cut on its way.
    CutShort(String),
    /// It is something else than JSON.
    NotJson(String),
    /// It is JSON, but not with rows where they should be.
    NoRows(String),
    /// There is nothing at this path.
    NothingAt(JsonPath),
}

/// Looks into a body without holding it.
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
    let values = match count_values(start(&mut file)?)? {
        Ok(values) => values,
        Err(flaw) => return Ok(Err(flaw)),
    };
    let rows = match rows(&mut file, wanted, first, values)? {
        Ok(rows) => rows,
        Err(flaw) => return Ok(Err(flaw)),
    };
    let cursor = match &wanted.cursor {
        Some(path) => cursor(start(&mut file)?, path)?,
        None => Ok(None),
    };
    Ok(cursor.map(|cursor| Contents { rows: rows.unwrap_or(0), readable: rows.is_some(), cursor }))
}

/// The whole body once: is it JSON from its first to its last byte? Counts its values: more than one is NDJSON.
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
            // A broken line of NDJSON is a bad row, not a bad answer: whoever reads the rows sets it aside.
            Err(_) if values > 0 => break,
            Err(error) => {
                let place = format!("it is no JSON at line {} column {}", error.line(), error.column());
                return Ok(Err(Flaw::NotJson(place)));
            }
        }
    }
    Ok(Ok(values))
}

/// Rows in the body; `None`: nothing to read rows from.
fn rows(file: &mut File, wanted: &Wanted, first: u8, values: u64) -> io::Result<Result<Option<u64>, Flaw>> {
    let steps = match &wanted.records {
        Some(path) => path.to_rows(),
        None if values > 1 => return Ok(Ok(Some(values))),
        None => match first {
            b'[' => &[],
            b'{' if wanted.paged => {
                let reason = "a page is an object, and `records` does not say where its rows are";
                return Ok(Err(Flaw::NoRows(reason.into())));
            }
            b'{' => return Ok(Ok(Some(1))),
            b'n' => return Ok(Ok(None)),
            _ => return Ok(Err(Flaw::NoRows("it is a single value".into()))),
        },
    };
    let found = match outlines(start(file)?, steps)? {
        Ok(found) => found,
        Err(flaw) => return Ok(Err(flaw)),
    };
    if let (true, Some(path)) = (found.is_empty(), &wanted.records) {
        return Ok(Err(Flaw::NothingAt(path.clone())));
    }
    let mut rows = None;
    for outline in found {
        match outline {
            Outline::Array(length) => rows = Some(rows.unwrap_or(0) + length),
            Outline::Object => rows = Some(rows.unwrap_or(0) + 1),
            Outline::Null => {}
            Outline::Scalar(_) => return Ok(Err(Flaw::NoRows("`records` leads to a single value".into()))),
        }
    }
    Ok(Ok(rows))
}

/// The next page's cursor: null, false, the empty text and a missing member mean that this was the last page.
fn cursor(json: impl Read, path: &JsonPath) -> io::Result<Result<Option<String>, Flaw>> {
    Ok(outlines(json, path.steps())?.and_then(|mut found| match found.pop() {
        None | Some(Outline::Null) => Ok(None),
        Some(Outline::Scalar(text)) if text.is_empty() || text == "false" => Ok(None),
        Some(Outline::Scalar(text)) => Ok(Some(text)),
        Some(Outline::Array(_) | Outline::Object) => {
            Err(Flaw::NoRows(format!("what is at {path} is no cursor but an array or object")))
        }
    }))
}

/// Everything at a path, in outline.
fn outlines(json: impl Read, steps: &[Step]) -> io::Result<Result<Vec<Outline>, Flaw>> {
    let mut found = Vec::new();
    match walk(json, steps, &mut |outline| found.push(outline)) {
        Ok(()) => Ok(Ok(found)),
        Err(error) if error.is_io() => Err(error.into()),
        Err(error) => Ok(Err(Flaw::NoRows(format!("a value at line {} cannot be read", error.line())))),
    }
}

/// The body from its start, after a byte order mark.
fn start(file: &mut File) -> io::Result<BufReader<&mut File>> {
    let mut mark = [0; 3];
    file.seek(SeekFrom::Start(0))?;
    let marked = file.read_exact(&mut mark).is_ok() && mark == [0xEF, 0xBB, 0xBF];
    file.seek(SeekFrom::Start(if marked { 3 } else { 0 }))?;
    Ok(BufReader::with_capacity(256 << 10, file))
}

fn first_byte(file: &mut File) -> io::Result<Option<u8>> {
    for byte in start(file)?.bytes() {
        match byte? {
            b' ' | b'\t' | b'\n' | b'\r' => {}
            byte => return Ok(Some(byte)),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(body: &str, wanted: &Wanted) -> Result<Contents, Flaw> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), body).expect("written");
        inspect(file.path(), wanted).expect("readable")
    }

    fn wanted(records: &str, cursor: &str) -> Wanted {
        let path = |text: &str| (!text.is_empty()).then(|| text.parse().expect(text));
        Wanted { records: path(records), cursor: path(cursor), paged: true }
    }

    fn found(rows: u64, cursor: Option<&str>) -> Result<Contents, Flaw> {
        Ok(Contents { rows, readable: true, cursor: cursor.map(str::to_owned) })
    }

    #[test]
    fn rows_are_counted_where_they_are() {
        assert_eq!(look("\u{feff} [{\"a\":1},{\"a\":2}]", &wanted("", "")), found(2, None));
        assert_eq!(look("{\"a\":1}\n{\"a\":2}\n", &wanted("", "")), found(2, None));
        assert_eq!(look(r#"{"d":[1,2,3],"n":"c"}"#, &wanted("d[*]", "n")), found(3, Some("c")));
        assert_eq!(look(r#"{"d":[],"n":null}"#, &wanted("d", "n")), found(0, None));
        assert_eq!(look(r#"{"g":[{"i":[1]},{"i":[2,3]}],"n":42}"#, &wanted("g[*].i", "n")), found(3, Some("42")));
        let nothing = Contents { rows: 0, readable: false, cursor: None };
        assert_eq!(look(r#"{"d":null,"n":""}"#, &wanted("d", "n")), Ok(nothing.clone()));
        assert_eq!(look("null", &wanted("", "")), Ok(nothing));
        assert_eq!(look("{}", &Wanted::default()), found(1, None));
    }

    #[test]
    fn what_is_no_answer_says_why_and_repeats_nothing_of_it() {
        let not_json = |reason: &str| Err(Flaw::NotJson(reason.to_owned()));
        let plain = Wanted::default();
        assert_eq!(look(" \n", &plain), not_json("it is empty"));
        assert_eq!(look("<!doctype html><p>canary", &plain), not_json("it is an HTML or XML page"));
        assert_eq!(look("canary", &plain), not_json("it is no JSON at line 1 column 1"));
        assert_eq!(look("7", &plain), Err(Flaw::NoRows("it is a single value".into())));
        assert_eq!(
            look("[{\"a\":1},\n{\"a\"", &plain),
            Err(Flaw::CutShort("its JSON ends in the middle of line 2".into()))
        );
        assert_eq!(
            look("{\"a\":1}\n{\"a\":", &plain),
            Err(Flaw::CutShort("its JSON ends in the middle of line 2".into()))
        );
        assert_eq!(look("{\"a\":1}\nbroken\n{\"a\":2}", &plain), found(1, None), "a bad line is a bad row");
        assert_eq!(look(r#"{"d":[]}"#, &wanted("rows", "")), Err(Flaw::NothingAt("rows".parse().unwrap())));
        assert!(look(r#"{"d":[]}"#, &wanted("", "")).is_err());
        assert!(look(r#"{"d":[],"n":{}}"#, &wanted("d", "n")).is_err());
    }

    #[test]
    fn depth_is_no_danger() {
        let deep = format!("[{}{}]", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(look(&deep, &wanted("", "")), found(1, None));
        assert_eq!(
            look(&"[".repeat(100_000), &Wanted::default()),
            Err(Flaw::CutShort("its JSON ends in the middle of line 1".into()))
        );
    }
}
