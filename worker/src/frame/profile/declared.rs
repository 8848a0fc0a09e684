//! The type that a file declares for a column, as Parquet does. It decides where the texts of the values could be of several
//! types: a column of strings stays text, whatever its strings look like.

use elt_shared::config::ColumnType;

use super::types::Types;
use crate::frame::CellKind;
use crate::frame::value;

/// The type that a file declares for a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// The column's type in PostgreSQL.
    pub column_type: ColumnType,
    /// The type in the file's own words: `int64`, `decimal(18, 2)`, `string`.
    pub word: String,
}

impl Declared {
    /// Whether a column has the declared type when its cells could be of `possible` types and passed [`Declared::admits`].
    pub(super) fn holds(&self, possible: Types, admitted: bool) -> bool {
        let inferred = Types::of(self.column_type);
        if inferred.is_empty() { admitted } else { possible.has(inferred) }
    }

    /// Whether each cell must be tested with [`Declared::admits`], because inference does not know the type.
    pub(super) fn is_tested(&self) -> bool {
        matches!(self.column_type, ColumnType::Time | ColumnType::Uuid)
    }

    /// Whether a cell is a value of the declared type.
    pub(super) fn admits(&self, kind: CellKind, bytes: &[u8]) -> bool {
        kind == CellKind::Null || value::infers(self.column_type, kind, bytes)
    }

    /// What two files declare together. `None`: the types differ, and the values decide.
    pub(super) fn together(self, other: Self) -> Option<Self> {
        use ColumnType::{Double, Real};
        match (self.column_type, other.column_type) {
            (one, two) if one == two => Some(self),
            // Every real is a double, and has a text that both read.
            (Double, Real) => Some(self),
            (Real, Double) => Some(other),
            _ => None,
        }
    }
}
