//! The profile of a load: what the values of each column look like, from the typed rows that are encoded anyway.
//!
//! One thread feeds it, a batch after the other and a column after the other, so that what belongs to a column stays in the
//! processor's cache. It takes every row that does not break the contract, whether the table has it already or not. Its
//! memory is bounded by the number of columns.
//!
//! # Layout
//! - [`mod@column`]: one column: its values by their type
//! - [`values`]: the different values and the commonest, [`distinct`]: the number of different ones where there are many
//! - [`sampling`]: the rows that the commonest values are found in
//! - [`histogram`]: numbers and times in buckets
//! - [`ends`]: the smallest and the largest value
//! - [`decimal`], [`text`]: numbers of any length, and texts
//! - [`hash`]: hashes of values

mod column;
mod decimal;
mod distinct;
mod ends;
mod hash;
mod histogram;
mod sampling;
mod text;
mod values;

use elt_shared::config::ProfileLevel;
use elt_shared::runs::RunProfile;

use crate::contract::cells::Cells;
use crate::contract::{Layout, Violation};
use column::Column;

/// Different values that are counted in all columns together, before those of a column become too many.
const COUNTED_IN_ALL: usize = 65_536;
/// Bounds of the number of different values that are counted in one column.
const FEWEST_COUNTED: usize = 32;
const MOST_COUNTED: usize = 256;

/// Characters after which a value is cut.
pub const SHOWN_CHARS: usize = 64;

/// Profiles the columns of one load.
pub struct Profiler {
    columns: Vec<Column>,
    /// Rows that are profiled.
    rows: u64,
    /// Rows that were passed, including those that break the contract.
    passed: u64,
    /// Of each row of the batch, the number of rows that it stands for.
    weights: Vec<u8>,
    /// Of each row of the batch, whether it breaks the contract. Empty when no row does.
    broken: Vec<bool>,
}

/// The rows of a batch.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    weights: &'a [u8],
    broken: &'a [bool],
}

impl Profiler {
    /// A profiler of a layout's columns. `None`: the config wants no profile.
    pub fn new(layout: &Layout, level: ProfileLevel) -> Option<Self> {
        if level == ProfileLevel::None {
            return None;
        }
        let counted = (COUNTED_IN_ALL / layout.columns.len().max(1)).clamp(FEWEST_COUNTED, MOST_COUNTED);
        let with_values = level == ProfileLevel::Full;
        let columns = layout.columns.iter().map(|column| Column::new(column, counted, with_values)).collect();
        Some(Self { columns, rows: 0, passed: 0, weights: Vec::new(), broken: Vec::new() })
    }

    /// Takes the rows of a batch that do not break the contract. `cells`: its columns in the order of the layout.
    pub fn batch(&mut self, cells: &[Cells<'_>], rows: usize, violations: &[Violation]) {
        self.weights.clear();
        self.weights.extend((self.passed..).take(rows).map(sampling::weight));
        self.broken.clear();
        if !violations.is_empty() {
            self.broken.resize(rows, false);
            violations.iter().for_each(|violation| self.broken[violation.row] = true);
        }
        let broken = self.broken.iter().filter(|broken| **broken).count();
        self.passed += rows as u64;
        self.rows += (rows - broken) as u64;
        let rows = Rows { weights: &self.weights, broken: &self.broken };
        for (column, cells) in self.columns.iter_mut().zip(cells) {
            column.take(*cells, rows);
        }
    }

    /// The profile. `None`: there was no row.
    pub fn finish(self) -> Option<RunProfile> {
        if self.rows == 0 {
            return None;
        }
        let columns = self.columns.into_iter().map(|column| column.finish(self.rows)).collect();
        let mut profile = RunProfile { rows: self.rows, columns, shortened: false };
        profile.bound();
        Some(profile)
    }
}

impl Rows<'_> {
    /// Calls `each` for every row with a value, with the number of rows that it stands for. Returns the number of rows
    /// without a value.
    #[inline]
    fn visit(self, cells: Cells<'_>, mut each: impl FnMut(usize, u8)) -> u64 {
        let rows = self.weights.iter().copied().enumerate();
        let mut nulls = 0;
        match (cells.validity(), self.broken.is_empty()) {
            (None, true) => rows.for_each(|(row, weight)| each(row, weight)),
            (validity, _) => {
                for (row, weight) in rows {
                    if self.broken.get(row).copied().unwrap_or(false) {
                        continue;
                    }
                    match validity.is_some_and(|validity| !validity.get_bit(row)) {
                        true => nulls += 1,
                        false => each(row, weight),
                    }
                }
            }
        }
        nulls
    }
}

/// A text to show, cut after [`SHOWN_CHARS`] characters.
fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
