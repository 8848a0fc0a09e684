//! The columns of an existing table, as far as they bind a load.

use std::sync::Arc;

use elt_shared::config::ColumnType;
use elt_shared::target::TableColumn;

use super::foreign::ForeignType;
use super::{SqlType, Typing};

/// An existing table, as far as it binds a load.
#[derive(Debug, Clone, Default)]
pub struct ExistingTable {
    /// Its columns in the order of the table, without elt's own.
    pub columns: Vec<ExistingColumn>,
    /// Whether elt created it, so that its types were inferred and not chosen by a person.
    pub made_by_elt: bool,
    /// Whether the login may alter it.
    pub alterable: bool,
}

/// A column of an existing table.
#[derive(Debug, Clone)]
pub struct ExistingColumn {
    /// The column as the catalog describes it.
    pub table: TableColumn,
    /// Every type that it had, oldest first. Never empty.
    pub history: Vec<Typing>,
    /// An object that keeps its type from changing: `view public.totals`. `None`: nothing does.
    pub depended_on_by: Option<String>,
    /// The catalog's description of a type that elt does not convert to.
    pub foreign: Option<Arc<ForeignType>>,
    /// The collation, quoted: `"pg_catalog"."C"`. `None`: the type's default.
    pub collation: Option<String>,
}

impl ExistingColumn {
    /// The type that the column has now.
    pub fn typing(&self) -> &Typing {
        // The list is never empty, because a column has at least its current type.
        &self.history[self.history.len() - 1]
    }
}

impl ExistingTable {
    /// The column of this name: exactly, else in any case.
    pub fn column(&self, name: &str) -> Option<&ExistingColumn> {
        let lower = name.to_lowercase();
        let exact = self.columns.iter().find(|column| column.table.name == name);
        exact.or_else(|| self.columns.iter().find(|column| column.table.name.to_lowercase() == lower))
    }

    /// The reason why a column's type cannot become another one. `None`: it can.
    pub fn why_not_widen(&self, column: &ExistingColumn, to: &SqlType) -> Option<String> {
        if !self.alterable {
            return Some("this login does not own the table".into());
        }
        if let Some(dependent) = &column.depended_on_by {
            return Some(format!("{dependent} depends on the column"));
        }
        // elt may make whole numbers larger in any table. In a table that elt did not make, it leaves it to the owner
        // whether a column becomes one of decimals or texts, because other programs may rely on whole numbers.
        let other_kind = to.is_text() || to.known() == Some(ColumnType::Numeric(None));
        (other_kind && !self.made_by_elt).then(|| "the table was not made by elt".into())
    }
}
