//! `provenance:`: columns of the table that say where a row came from.

use super::field::Field;
use super::keys::Choice;

/// A column that says where a row came from. It is not part of the row's hash, so that equal rows of two files are one row,
/// which keeps the origin of the first of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provenance {
    /// The name of the file.
    File,
    /// The line of the file at which the row starts, or the number of the row in a spreadsheet or Parquet file.
    Row,
    /// The time at which the file was changed last. NULL for answers of an API.
    Modified,
}

impl Choice for Provenance {
    const WORDS: &'static [(&'static str, Self)] =
        &[("file", Self::File), ("row", Self::Row), ("modified", Self::Modified)];
}

impl Provenance {
    /// Every such column, in the order of the table.
    pub const ALL: [Self; 3] = [Self::File, Self::Row, Self::Modified];

    /// Name of the column.
    pub fn column(self) -> &'static str {
        match self {
            Self::File => "_elt_file",
            Self::Row => "_elt_row",
            Self::Modified => "_elt_modified",
        }
    }

    /// Type of the column as SQL.
    pub fn sql_type(self) -> &'static str {
        match self {
            Self::File => "text",
            Self::Row => "bigint",
            Self::Modified => "timestamptz",
        }
    }
}

/// Reads the list. The order in which the columns are written has no meaning.
pub(super) fn read(field: Option<&Field<'_>>) -> Option<Vec<Provenance>> {
    let Some(field) = field else { return Some(Vec::new()) };
    let written = field.texts()?;
    let mut found = Vec::new();
    for word in &written {
        match Provenance::WORDS.iter().find(|(known, _)| word.trim().eq_ignore_ascii_case(known)) {
            Some((_, column)) => found.push(*column),
            None => {
                field.problem(format!("expected file, row or modified, found {word:?}"));
                return None;
            }
        }
    }
    Some(Provenance::ALL.into_iter().filter(|column| found.contains(column)).collect())
}
