//! The columns of a load: their names, types and rules.

use std::sync::Arc;

use elt_shared::config::{ColumnType, Provenance};

use super::cells::Canonical;
use super::column_limits::ColumnLimit;
use super::foreign::ForeignType;
use super::name_matching::{self, WantedColumn};
use super::rules::Rules;
use super::{SqlType, Typing};

/// The columns of a load, in the order of the table that the run would create.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Layout {
    /// The columns, without elt's own.
    pub columns: Vec<Column>,
    /// Whether texts are sent as bytes and converted by the server, because the database's encoding lacks some
    /// characters.
    pub transcoded: bool,
    /// elt's own columns that say where a row came from.
    pub provenance: Vec<Provenance>,
}

/// One column of a load.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its name in the table.
    pub name: String,
    /// Its type as SQL, in the catalog's spelling when the table exists.
    pub sql: String,
    /// Every type it had, oldest first; the last is the one it has. Never empty.
    pub history: Vec<Typing>,
    /// The schema's type, when it is narrower than the table's. Cells must then be values of it first.
    pub through: Option<Typing>,
    /// Rules for its values beside their type. `None`: every value is allowed.
    pub rules: Option<Rules>,
    /// The catalog's description of a type that elt does not convert to.
    pub foreign: Option<Arc<ForeignType>>,
    /// The limit of the table's column for values of the type.
    pub limit: ColumnLimit,
    /// The collation, quoted: `"pg_catalog"."C"`. `None`: the type's default.
    pub collation: Option<String>,
    /// Whether its values are sent as the bytes of UTF-8 texts: see [`Layout::transcoded`].
    pub transcoded: bool,
    /// Whether it is part of the key of a merge.
    pub key: bool,
    /// Whether the files may name it in any case, because it is a column of the contract or of the existing table.
    pub any_case: bool,
    /// Whether the first pass showed that every cell is a value of the type.
    pub proven: bool,
    /// Whether the combined CSV has its values as the files write them, because neither the schema nor the table asked for a
    /// type.
    pub verbatim: bool,
    /// The form of the canonical text of its values.
    pub canonical: Canonical,
}

impl Column {
    /// The type it has now.
    pub fn typing(&self) -> &Typing {
        // The list is never empty, because a column is built with its first type.
        &self.history[self.history.len() - 1]
    }

    /// The type it has now, as SQL understands it.
    pub fn sql_type(&self) -> &SqlType {
        &self.typing().sql_type
    }

    /// Whether equal values can be written in different ways: `a` and `A` of `citext`, `1.0` and `1.00`.
    pub fn has_spellings(&self) -> bool {
        self.collation.is_some()
            || matches!(self.sql_type(), SqlType::Other(_) | SqlType::Known(ColumnType::Numeric(_)))
    }
}

impl Layout {
    /// The same layout for a database whose encoding lacks some characters.
    pub fn transcoded(mut self) -> Self {
        self.transcoded = true;
        for column in &mut self.columns {
            column.transcoded = matches!(
                column.sql_type(),
                SqlType::Other(_) | SqlType::Known(ColumnType::Text | ColumnType::Varchar(_) | ColumnType::Json)
            );
        }
        self
    }

    /// For each column, the index of the file's column that goes into it. `None`: the file has no such column.
    pub fn places(&self, names: &[String]) -> Vec<Option<usize>> {
        let wanted: Vec<_> =
            self.columns.iter().map(|column| WantedColumn { name: &column.name, any_case: column.any_case }).collect();
        name_matching::assign(&wanted, names)
    }
}
