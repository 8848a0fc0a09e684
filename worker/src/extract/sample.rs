//! The first rows of a file, with the types that elt would decide from the file.

use elt_shared::runs::PreviewColumn;
use tokio_util::sync::CancellationToken;

use crate::frame::profile::{self, ColumnProfile};
use crate::frame::{CellKind, Piece, RawBatch, read};
use crate::input::InputFile;
use crate::progress::Progress;
use crate::shape;

/// Most rows that are shown.
const ROWS: usize = 100;
/// Most cells that are shown, because the report of a wide source must stay small. Twenty rows are always shown.
const CELLS: usize = 10_000;
/// Rows that are shown however wide they are.
const LEAST_ROWS: usize = 20;
/// Columns that are shown.
const COLUMNS: usize = 200;
/// Characters of a cell that are shown.
const CHARACTERS: usize = 200;
/// Largest file that is read to its end for its types, in bytes on disk. Of a larger one the first rows are shown without.
pub(super) const LARGEST: u64 = 64 << 20;

/// The beginning of a file.
#[derive(Debug, Default)]
pub(super) struct FirstRows {
    /// Its columns, without the types that were not decided.
    pub(super) columns: Vec<PreviewColumn>,
    /// Its first rows as texts.
    pub(super) rows: Vec<Vec<Option<String>>>,
    /// Number of its rows; `None` when it was not read to its end.
    pub(super) total: Option<u64>,
    /// The profiles of all its columns.
    pub(super) profiles: Vec<ColumnProfile>,
    /// The reason why it cannot be read to its end.
    pub(super) error: Option<read::FileError>,
}

/// Reads the beginning of a file. It blocks its thread.
pub(super) fn first_rows(file: &InputFile) -> FirstRows {
    let (names, rows, error) = beginning(file);
    if error.is_some() || file.stamp.size > LARGEST {
        let column = |name: String| PreviewColumn { name, ..PreviewColumn::default() };
        return FirstRows { columns: names.into_iter().map(column).collect(), rows, error, ..FirstRows::default() };
    }
    let (stop, progress) = (CancellationToken::new(), Progress::default());
    let Ok(profile) = profile::profile_opened(std::slice::from_ref(file), &[], shape::open, &stop, &progress) else {
        return FirstRows::default();
    };
    let columns: Vec<PreviewColumn> = profile.columns.iter().take(COLUMNS).map(column).collect();
    // A column that appears only after the first rows is missing in their batch.
    let rows = rows.into_iter().map(|mut row| {
        row.resize(columns.len(), None);
        row
    });
    let (total, error) = match profile.files.into_iter().next() {
        Some(file) => (Some(file.rows), file.error.or(file.nothing_readable)),
        None => (None, None),
    };
    FirstRows { rows: rows.collect(), columns, total, profiles: profile.columns, error }
}

/// `text`, because `line 812 has "12 EUR"; 3 empty`.
pub(super) fn column(profile: &ColumnProfile) -> PreviewColumn {
    let mut notes = Vec::new();
    if let Some(declared) = profile.declared() {
        notes.push(format!("the file declares {}", declared.word));
    }
    if let Some(cell) = profile.deciding() {
        let value: String = cell.value.chars().take(40).collect();
        notes.push(format!("line {} has {value:?}", cell.line));
    }
    match (profile.nulls, profile.non_nulls) {
        (0, _) => {}
        (_, 0) => notes.push("always empty".to_owned()),
        (nulls, _) => notes.push(format!("{nulls} empty")),
    }
    PreviewColumn { name: profile.name.clone(), sql_type: profile.inferred().to_string(), because: notes.join("; ") }
}

/// The names of the columns, and the first rows.
fn beginning(file: &InputFile) -> (Vec<String>, Vec<Vec<Option<String>>>, Option<read::FileError>) {
    let mut reader = match shape::open(0, file) {
        Ok(reader) => reader,
        Err(error) => return (Vec::new(), Vec::new(), Some(error)),
    };
    let mut rows = Vec::new();
    let error = loop {
        match reader.next() {
            Ok(Some(Piece::Rows(batch))) => {
                let most = rows_for(batch.columns.len());
                let wanted = most.saturating_sub(rows.len());
                rows.extend((0..batch.rows().min(wanted)).map(|row| cells(&batch, row)));
                if rows.len() >= most {
                    break None;
                }
            }
            Ok(Some(Piece::Bad(_))) => {}
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    let names = reader.names().iter().take(COLUMNS).cloned().collect();
    (names, rows, error)
}

/// Number of rows that are shown of a source with this number of columns.
fn rows_for(columns: usize) -> usize {
    (CELLS / columns.clamp(1, COLUMNS)).clamp(LEAST_ROWS, ROWS)
}

fn cells(batch: &RawBatch, row: usize) -> Vec<Option<String>> {
    let cell = |column: &crate::frame::RawColumn| match column.cell(row) {
        (CellKind::Null, _) => None,
        (_, bytes) => Some(String::from_utf8_lossy(bytes).chars().take(CHARACTERS).collect()),
    };
    batch.columns.iter().take(COLUMNS).map(cell).collect()
}
