//! The cursors in the answers of an incremental source: the greatest value of all rows, read without holding an answer in
//! memory.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;

use elt_shared::config::ApiSource;
use elt_shared::cursor::{CursorKind, CursorValue};
use elt_shared::json_path::{JsonPath, Step};
use elt_shared::redaction;
use serde_json::Value;
use serde_json::value::RawValue;
use xxhash_rust::xxh3::xxh3_128;

use super::answer::{first_byte, start};
use super::walk::walk;

/// Most bytes of a row whose cursor is read. A larger row counts as one without a cursor.
const MAX_ROW_BYTES: usize = 64 << 20;

/// The cursors of some rows.
#[derive(Debug, Clone, Default)]
pub struct Cursors {
    /// Number of rows.
    pub rows: u64,
    /// Most rows that one page had.
    pub page_rows: u64,
    /// Rows without a usable value, and the sum of their hashes.
    without: Tally,
    /// The values of each kind.
    kinds: BTreeMap<CursorKind, OfKind>,
    /// All values, compared as texts. `None`: no row has a value yet.
    texts: Option<OfKind>,
}

/// A number of rows and the sum of their hashes, which does not depend on their order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Tally {
    rows: u64,
    sum: u128,
}

/// The values of one kind.
#[derive(Debug, Clone)]
struct OfKind {
    all: Tally,
    greatest: CursorValue,
    /// The rows that have the greatest value.
    at_greatest: Tally,
}

/// What is known about rows in comparison with a cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// The greatest value of the cursor's kind. `None`: no row has one.
    pub greatest: Option<CursorValue>,
    /// Rows without a value of that kind.
    pub rows_without: u64,
    /// The kinds of these values, where they have one.
    pub other_kinds: Vec<CursorKind>,
    /// Hash of the rows that a later look finds again when nothing is new: those with the greatest value, and those without
    /// a value.
    pub edge: String,
}

impl Tally {
    fn add(&mut self, hash: u128) {
        self.rows += 1;
        self.sum = self.sum.wrapping_add(hash);
    }

    fn join(&mut self, other: Self) {
        self.rows += other.rows;
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

impl Cursors {
    /// Reads the cursors of an answer, at a path in each of its rows.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(path: &Path, records: Option<&JsonPath>, cursor: &JsonPath) -> io::Result<Self> {
        let mut cursors = Self::default();
        each_row(path, records, &mut |row| cursors.take(row, cursor))?;
        cursors.page_rows = cursors.rows;
        Ok(cursors)
    }

    fn take(&mut self, row: &RawValue, cursor: &JsonPath) {
        self.rows += 1;
        let hash = xxh3_128(row.get().as_bytes());
        let Some(value) = value_of(row, cursor) else {
            self.without.add(hash);
            return;
        };
        let one = Tally { rows: 1, sum: hash };
        if let Some(greatest) = CursorValue::of_kind(value.text(), CursorKind::Text) {
            self.add_text(OfKind { all: one, greatest, at_greatest: one });
        }
        self.add(value.kind(), OfKind { all: one, greatest: value, at_greatest: one });
    }

    fn add(&mut self, kind: CursorKind, values: OfKind) {
        match self.kinds.get_mut(&kind) {
            Some(known) => known.join(values),
            None => drop(self.kinds.insert(kind, values)),
        }
    }

    fn add_text(&mut self, values: OfKind) {
        match &mut self.texts {
            Some(known) => known.join(values),
            None => self.texts = Some(values),
        }
    }

    /// Adds the rows of another page.
    pub fn join(&mut self, other: Self) {
        self.rows += other.rows;
        self.page_rows = self.page_rows.max(other.page_rows);
        self.without.join(other.without);
        for (kind, values) in other.kinds {
            self.add(kind, values);
        }
        if let Some(values) = other.texts {
            self.add_text(values);
        }
    }

    /// The rows in comparison with the cursor of an earlier run, whose kind counts. Without one, all rows must agree on a
    /// kind, or `start` must say which one is meant, because a value of another kind may be a mistake.
    pub fn compared(&self, stored: Option<&CursorValue>, start: Option<&CursorValue>) -> Compared {
        let agreed = (self.kinds.len() == 1).then(|| self.kinds.keys().next().copied()).flatten();
        let kind = stored.map(CursorValue::kind).or(agreed).or(start.map(CursorValue::kind));
        let mut compared =
            Compared { greatest: None, rows_without: self.without.rows, other_kinds: Vec::new(), edge: String::new() };
        let mut edge = self.without;
        // A text may look like a number or a time.
        let is_text = kind == Some(CursorKind::Text);
        let values = if is_text { self.texts.as_ref() } else { kind.and_then(|kind| self.kinds.get(&kind)) };
        for (of, others) in self.kinds.iter().filter(|(of, _)| !is_text && Some(**of) != kind) {
            compared.rows_without += others.all.rows;
            compared.other_kinds.push(*of);
            edge.join(others.all);
        }
        if let Some(values) = values {
            let is_behind = |stored: &CursorValue| values.greatest.compare(stored) == Some(Ordering::Less);
            if !stored.is_some_and(is_behind) {
                edge.join(values.at_greatest);
            }
            compared.greatest = Some(values.greatest.clone());
        }
        compared.edge = format!("{}:{:032x}", edge.rows, edge.sum);
        compared
    }

    /// Whether there are rows, and all of them have a value below this one.
    pub fn are_all_below(&self, value: &CursorValue) -> bool {
        let below = |values: &OfKind| values.greatest.compare(value) == Some(Ordering::Less);
        self.rows > 0 && self.without.rows == 0 && self.kinds.values().all(below)
    }
}

impl OfKind {
    fn join(&mut self, other: Self) {
        self.all.join(other.all);
        match other.greatest.compare(&self.greatest) {
            Some(Ordering::Greater) => {
                self.greatest = other.greatest;
                self.at_greatest = other.at_greatest;
            }
            Some(Ordering::Equal) => self.at_greatest.join(other.at_greatest),
            Some(Ordering::Less) | None => {}
        }
    }
}

/// Calls `take` with every row of an answer. It stops where the JSON cannot be read any further, because the rows behind that
/// place are not loaded either.
fn each_row(path: &Path, records: Option<&JsonPath>, take: &mut dyn FnMut(&RawValue)) -> io::Result<()> {
    let mut file = File::open(path)?;
    let Some(first) = first_byte(&mut file)? else { return Ok(()) };
    if records.is_none() && first != b'[' {
        // One object is one row, and several are NDJSON.
        let (json, _) = start(&mut file)?;
        for row in serde_json::Deserializer::from_reader(json).into_iter::<Box<RawValue>>() {
            match row {
                Ok(row) => take(&row),
                Err(error) if error.is_io() => return Err(error.into()),
                Err(_) => break,
            }
        }
        return Ok(());
    }
    let rows = records.map_or(&[][..], JsonPath::to_rows);
    let mut elements = rows.to_vec();
    elements.push(Step::Every);
    let mut found = false;
    for steps in [&elements[..], rows] {
        let (json, position) = start(&mut file)?;
        let walked = walk::<Box<RawValue>>(json, &position, steps, &mut |row, _| {
            // An object in the place of the rows is one row; an array there has no elements.
            if steps.len() > rows.len() || row.get().trim_start().starts_with('{') {
                found = true;
                take(&row);
            }
        });
        match walked {
            Err(error) if error.is_io() => return Err(error.into()),
            _ if found => break,
            _ => {}
        }
    }
    Ok(())
}

/// The values at a path of an answer, as they are written there.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn values_at(path: &Path, at: &JsonPath) -> io::Result<Vec<String>> {
    let mut file = File::open(path)?;
    let (json, position) = start(&mut file)?;
    let mut found = Vec::new();
    match walk::<Box<RawValue>>(json, &position, at.steps(), &mut |value, _| found.push(value.get().to_owned())) {
        Err(error) if error.is_io() => Err(error.into()),
        _ => Ok(found),
    }
}

/// Hash of the parts of a request that decide which rows it asks for, secrets left out.
pub fn request_hash(source: &ApiSource) -> String {
    let mut parts = vec![source.url.written()];
    for (name, value) in &source.params {
        parts.extend([name.clone(), value.written()]);
    }
    parts.extend(source.folder_param.clone());
    // Headers are left out, because they carry tokens and dates rather than what is asked for.
    if let Some(body) = &source.body {
        body.each(&mut |template| parts.push(template.written()));
    }
    let shown: Vec<_> = parts.iter().map(|part| redaction::hide(part).into_owned()).collect();
    format!("{:032x}", xxh3_128(shown.join("\0").as_bytes()))
}

/// The value at a path of a row. `None`: the row has no value there, or one that cannot be a cursor.
fn value_of(row: &RawValue, cursor: &JsonPath) -> Option<CursorValue> {
    let text = row.get();
    if text.len() > MAX_ROW_BYTES {
        return None;
    }
    let found = |path: &JsonPath| {
        let mut found = None;
        let walked = walk::<Box<RawValue>>(text.as_bytes(), &Default::default(), path.steps(), &mut |value, _| {
            found = Some(value);
        });
        walked.ok().and(found)
    };
    let value = found(cursor).or_else(|| found(&cursor.literal_member()?))?;
    match value.get().as_bytes().first()? {
        b'"' => match serde_json::from_str(value.get()).ok()? {
            Value::String(text) => CursorValue::of(&text),
            _ => None,
        },
        b'-' | b'0'..=b'9' => CursorValue::of(value.get()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursors(json: &str, records: Option<&str>, cursor: &str) -> Cursors {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.json");
        std::fs::write(&path, json).expect("a file");
        let path_of = |text: &str| text.parse::<JsonPath>().expect("a path");
        Cursors::read(&path, records.map(path_of).as_ref(), &path_of(cursor)).expect("cursors")
    }

    fn greatest(json: &str, records: Option<&str>, cursor: &str) -> (u64, Option<String>, u64) {
        let cursors = cursors(json, records, cursor);
        let compared = cursors.compared(None, None);
        (cursors.rows, compared.greatest.map(|value| value.text().to_owned()), compared.rows_without)
    }

    #[test]
    fn the_greatest_value_is_found_wherever_the_rows_are() {
        let found = |text: &str| Some(text.to_owned());
        assert_eq!(greatest(r#"[{"v": 9}, {"v": 10}, {"w": 11}]"#, None, "v"), (3, found("10"), 1));
        assert_eq!(greatest(r#"{"d": [{"m": {"v": "b"}}, {"m": {"v": "a"}}]}"#, Some("d"), "m.v"), (2, found("b"), 0));
        assert_eq!(greatest("{\"v\": 1}\n{\"v\": 3}\n{\"v\": 2}\n", None, "v"), (3, found("3"), 0));
        assert_eq!(greatest(r#"{"v": 7}"#, None, "v"), (1, found("7"), 0));
        assert_eq!(greatest(r#"{"d": {"v": 7}}"#, Some("$.d"), "v"), (1, found("7"), 0));
        assert_eq!(greatest(r#"{"d": []}"#, Some("d"), "v"), (0, None, 0));
        assert_eq!(greatest(r#"[{"a.b": 3}]"#, None, "a.b"), (1, found("3"), 0), "a name with a dot");
        let long = "123456789012345678901234567890";
        assert_eq!(greatest(&format!(r#"[{{"v": {long}}}, {{"v": 99}}]"#), None, "v"), (2, found(long), 0));
        for none in ["null", "true", "[1]", r#"{"x": 1}"#, r#""""#] {
            assert_eq!(greatest(&format!(r#"[{{"v": {none}}}]"#), None, "v"), (1, None, 1), "{none}");
        }
    }

    #[test]
    fn values_of_another_kind_do_not_count() {
        let mixed = cursors(r#"[{"v": "2026-11-29"}, {"v": "n/a"}, {"v": "2026-11-30"}]"#, None, "v");
        assert_eq!(mixed.compared(None, None).greatest, None, "nothing says which kind is meant");
        let stored = CursorValue::of("2026-11-01");
        let compared = mixed.compared(stored.as_ref(), None);
        assert_eq!(compared.greatest, CursorValue::of("2026-11-30"));
        assert_eq!((compared.rows_without, compared.other_kinds), (1, vec![CursorKind::Text]));
        let start = CursorValue::of("2026-01-01");
        assert_eq!(mixed.compared(None, start.as_ref()).greatest, CursorValue::of("2026-11-30"));
        let ids = cursors(r#"[{"v": "100"}, {"v": "9a"}, {"v": "95"}]"#, None, "v");
        let stored = CursorValue::of("1x");
        let compared = ids.compared(stored.as_ref(), None);
        assert_eq!(compared.greatest, CursorValue::of("9a"), "among texts, what looks like a number is a text");
        assert_eq!(compared.rows_without, 0);
    }

    #[test]
    fn the_edge_is_what_a_look_finds_again() {
        let edge =
            |json: &str, stored: &str| cursors(json, None, "v").compared(CursorValue::of(stored).as_ref(), None).edge;
        let run = edge(r#"[{"v": 1}, {"v": 3, "a": 1}, {"v": 2}, {"v": 3, "a": 2}]"#, "1");
        assert_eq!(edge(r#"[{"v": 3, "a": 2}, {"v": 3, "a": 1}]"#, "3"), run, "in any order");
        assert_eq!(edge(r#"[{"v": 3, "a": 2}, {"v": 3, "a": 1}, {"v": 1}]"#, "3"), run, "beside older rows");
        assert_ne!(edge(r#"[{"v": 3, "a": 2}, {"v": 3, "a": 3}]"#, "3"), run);
        assert_ne!(edge(r#"[{"v": 3, "a": 2}]"#, "3"), run);
        assert_eq!(edge("[]", "3"), edge(r#"[{"v": 2}]"#, "3"), "only older rows are like none");
    }

    #[test]
    fn a_page_of_older_rows_ends_a_descending_source() {
        let value = CursorValue::of("5").expect("a value");
        let below = |json: &str| cursors(json, None, "v").are_all_below(&value);
        assert!(below(r#"[{"v": 4}, {"v": 1}]"#));
        for not in ["[]", r#"[{"v": 5}]"#, r#"[{"v": 4}, {}]"#, r#"[{"v": 4}, {"v": "x"}]"#] {
            assert!(!below(not), "{not}");
        }
    }
}
