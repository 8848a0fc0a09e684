//! Column names. They are kept as they are written, unless PostgreSQL would cut them or elt has a column of that name.

use std::collections::{HashMap, HashSet};

use xxhash_rust::xxh3::xxh3_64;

/// Number of bytes after which PostgreSQL cuts an identifier.
pub const MAX_NAME_BYTES: usize = 63;
/// PostgreSQL's limit for the columns of a table.
pub const MAX_COLUMNS: usize = 1_600;
/// Names of elt's own columns, which every table has.
const SYSTEM_COLUMNS: [&str; 6] = ["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"];

/// The names of a file's columns, made unique and at most 63 bytes long.
#[derive(Debug, Clone, Default)]
pub struct Names {
    names: Vec<String>,
    taken: HashSet<String>,
    by_key: HashMap<String, usize>,
    changes: Vec<Change>,
}

/// A column whose name differs from the one in the file.
#[derive(Debug, Clone)]
struct Change {
    position: usize,
    name: String,
    written: String,
}

/// The reason why the columns of a file cannot be those of a table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// There are more columns than a table can have.
    #[error("it has more than {MAX_COLUMNS} columns, which is more than a PostgreSQL table can have")]
    TooMany,
    /// A name is that of one of elt's own columns.
    #[error("its column {0:?} has a name that is reserved: names that start with _elt_ are elt's own")]
    Reserved(String),
    /// A name contains a NUL.
    #[error("its column name {0:?} holds a NUL byte, which PostgreSQL cannot keep")]
    Nul(String),
}

impl Names {
    /// Names of a header record.
    ///
    /// # Errors
    /// When there are too many, or one is reserved.
    pub fn of_header<'a>(header: impl IntoIterator<Item = &'a str>) -> Result<Self, NameError> {
        let mut names = Self::default();
        let header: Vec<&str> = header.into_iter().collect();
        if header.len() > MAX_COLUMNS {
            return Err(NameError::TooMany);
        }
        // Names in the file keep their spelling, so a name that is made up has to avoid them, not the other way round.
        let written: HashSet<&str> = header.iter().copied().collect();
        for cell in header {
            names.add(cell, |name| written.contains(name))?;
        }
        Ok(names)
    }

    /// Index of the column of a JSON member, which is added when it is new. The same key always has the same column.
    ///
    /// # Errors
    /// When there are too many, or the name is reserved.
    pub fn of_key(&mut self, key: &str) -> Result<usize, NameError> {
        if let Some(&index) = self.by_key.get(key) {
            return Ok(index);
        }
        if self.names.len() == MAX_COLUMNS {
            return Err(NameError::TooMany);
        }
        self.add(key, |_| false)?;
        let index = self.names.len() - 1;
        self.by_key.insert(key.to_owned(), index);
        Ok(index)
    }

    /// Removes all names but the first ones.
    pub(super) fn truncate(&mut self, count: usize) {
        for name in self.names.drain(count..) {
            self.taken.remove(&name);
        }
        self.by_key.retain(|_, index| *index < count);
        self.changes.retain(|change| change.position <= count);
    }

    /// The names so far, in the order of their columns.
    pub fn as_slice(&self) -> &[String] {
        &self.names
    }

    /// One sentence for each name that was changed, for the report.
    pub fn changes(&self) -> impl Iterator<Item = String> {
        let sentence = |Change { position, name, written }: &Change| {
            format!("column {position} is named {name:?} instead of {written:?}")
        };
        self.changes.iter().map(sentence)
    }

    fn add(&mut self, written: &str, reserved: impl Fn(&str) -> bool) -> Result<(), NameError> {
        if written.contains('\0') {
            return Err(NameError::Nul(written.replace('\0', "\u{FFFD}")));
        }
        if written.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("_elt_")) {
            return Err(NameError::Reserved(written.to_owned()));
        }
        let position = self.names.len() + 1;
        let (mut name, made_up) = if written.trim().is_empty() {
            (format!("column_{position}"), true)
        } else if SYSTEM_COLUMNS.contains(&written) {
            (format!("{written}_"), true)
        } else {
            (shortened(written), written.len() > MAX_NAME_BYTES)
        };
        if self.taken.contains(&name) || (made_up && reserved(&name)) {
            let base = name;
            let free = |name: &String| !self.taken.contains(name) && !reserved(name);
            name = (2..).map(|count| numbered(&base, count)).find(free).unwrap_or(base);
        }
        if name != written {
            self.changes.push(Change { position, name: name.clone(), written: written.to_owned() });
        }
        self.taken.insert(name.clone());
        self.names.push(name);
        Ok(())
    }
}

/// A name of at most 63 bytes: the start of a longer one and eight digits of its hash.
pub(crate) fn shortened(name: &str) -> String {
    if name.len() <= MAX_NAME_BYTES {
        return name.to_owned();
    }
    let hash = format!("{:016x}", xxh3_64(name.as_bytes()));
    format!("{}_{}", start_of(name, MAX_NAME_BYTES - 9), &hash[..8])
}

/// `name_2`, still at most 63 bytes.
fn numbered(name: &str, count: usize) -> String {
    let suffix = format!("_{count}");
    format!("{}{suffix}", start_of(name, MAX_NAME_BYTES - suffix.len()))
}

/// The start of a text that fits into a number of bytes, cut between characters.
fn start_of(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(cells: &[&str]) -> Vec<String> {
        Names::of_header(cells.iter().copied()).expect("names").names
    }

    #[test]
    fn names_are_kept_as_they_are() {
        assert_eq!(header(&["id", "ID", "Größe (m)", " a b "]), ["id", "ID", "Größe (m)", " a b "]);
    }

    #[test]
    fn blank_and_repeated_names_are_made_unique() {
        assert_eq!(header(&["", "a", "a", " ", "a"]), ["column_1", "a", "a_2", "column_4", "a_3"]);
        assert_eq!(header(&["a", "a", "a_2"]), ["a", "a_3", "a_2"]);
        assert_eq!(header(&["", "column_1"]), ["column_1_2", "column_1"]);
        assert_eq!(header(&["xmin", "xmin_"]), ["xmin__2", "xmin_"]);
    }

    #[test]
    fn long_names_are_shortened_and_stay_different() {
        let long = "ä".repeat(40);
        let names = header(&[&format!("{long}1"), &format!("{long}2")]);
        assert!(names.iter().all(|name| name.len() <= MAX_NAME_BYTES));
        assert_ne!(names[0], names[1]);
        assert_eq!(names, header(&[&format!("{long}1"), &format!("{long}2")]));
    }

    #[test]
    fn reserved_names_and_too_many_are_refused() {
        assert!(matches!(Names::of_header(["_ELT_row_hash"]), Err(NameError::Reserved(_))));
        assert_eq!(Names::of_header(std::iter::repeat_n("a", 100_000)).expect_err("too many"), NameError::TooMany);
    }

    #[test]
    fn a_key_keeps_its_column() {
        let mut names = Names::default();
        let columns: Vec<_> = ["b", "a", "b", ""].iter().map(|key| names.of_key(key).expect("named")).collect();
        assert_eq!(columns, [0, 1, 0, 2]);
        assert_eq!(names.as_slice(), ["b", "a", "column_3"]);
    }

    proptest! {
        #[test]
        fn names_are_unique_bounded_and_stable(cells in proptest::collection::vec("[ab_2]{0,3}|.{60,70}", 0..30)) {
            let Ok(names) = Names::of_header(cells.iter().map(String::as_str)) else { return Ok(()) };
            let unique: HashSet<_> = names.as_slice().iter().collect();
            prop_assert_eq!(unique.len(), cells.len());
            prop_assert!(names.as_slice().iter().all(|name| !name.is_empty() && name.len() <= MAX_NAME_BYTES));
        }
    }
}
