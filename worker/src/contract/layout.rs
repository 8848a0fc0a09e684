//! The columns as they will be loaded: names, types, where their cells come from.

use std::sync::Arc;

use elt_shared::config::ColumnType;

use super::cells::Canonical;
use super::fit::Fit;
use super::foreign::ForeignType;
use super::matching::{self, Wanted};
use super::rules::Rules;
use super::{SqlType, Typing};

/// The columns of a load, in the order of the table this run would make.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    /// The columns.
    pub columns: Vec<Column>,
    /// Whether texts are sent as bytes and converted by the server, because the database's encoding lacks some
    /// characters.
    pub transcoded: bool,
}

/// One column of a load.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name in the table.
    pub name: String,
    /// Its type in statements: the table's own spelling where there is a table.
    pub sql: String,
    /// Every type it had, oldest first; the last is the one it has. Never empty.
    pub history: Vec<Typing>,
    /// The schema asks for a narrower type than the table's: cells must be values of it first.
    pub through: Option<Typing>,
    /// What its values must be beside their type.
    pub rules: Option<Rules>,
    /// The catalog's description of a type that elt does not convert to.
    pub foreign: Option<Arc<ForeignType>>,
    /// The values of the type that fit into the table's column.
    pub fit: Fit,
    /// The collation, quoted: `"pg_catalog"."C"`. `None`: the type's default.
    pub collation: Option<String>,
    /// Whether its values are sent as the bytes of UTF-8 texts: see [`Layout::transcoded`].
    pub transcoded: bool,
    /// Part of the key of a merge.
    pub key: bool,
    /// A column of the contract or of the existing table: the files may name it in any case.
    pub any_case: bool,
    /// The profile showed that every cell is a value of the type.
    pub proven: bool,
    /// The combined CSV has its values as the files write them: nobody asked for a type to convert them to.
    pub verbatim: bool,
    /// How its values are written where one text must stand for a value.
    pub canonical: Canonical,
}

impl Column {
    /// The type it has now.
    pub fn typing(&self) -> &Typing {
        // The list is never empty: a column is made with its first type.
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

    /// For each column, which of a file's columns it gets.
    pub fn places(&self, names: &[String]) -> Vec<Option<usize>> {
        let wanted: Vec<_> =
            self.columns.iter().map(|column| Wanted { name: &column.name, any_case: column.any_case }).collect();
        matching::assign(&wanted, names)
    }
}
