//! The columns of a run report: the type of each with the reason, and what differs from the table as it was.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::config::ColumnType;

/// A column of the table, and the reason for its type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ColumnReport {
    /// Name of the column in the table.
    pub name: String,
    /// The type as SQL.
    #[serde(rename = "type")]
    pub sql_type: String,
    /// A sentence: `balance is text because orders3.csv:812 has "12 EUR"`.
    pub because: String,
    /// The cell that ruled a narrower type out; `null` when no single cell did.
    pub decided_by: Option<DecidingCell>,
    /// Number of rows in which it is NULL.
    pub nulls: u64,
}

/// The cell that ruled a narrower type out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DecidingCell {
    /// File as people see it.
    pub file: String,
    /// Line of the file, counted from 1.
    pub line: u64,
    /// The beginning of its text.
    pub value: String,
}

/// One difference between what came and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "change")]
pub enum Drift {
    /// A column the table did not have.
    Added {
        /// Name of the column.
        column: String,
        /// Its type, as a config writes it.
        #[serde(rename = "type")]
        #[schema(value_type = String)]
        column_type: ColumnType,
    },
    /// A column's type got wider.
    Widened {
        /// Name of the column.
        column: String,
        /// The type before, as SQL.
        from: String,
        /// The type now, as a config writes it.
        #[schema(value_type = String)]
        to: ColumnType,
        /// The cell that did not fit.
        decided_by: Option<DecidingCell>,
    },
    /// A column of the table that no file has.
    Missing {
        /// Name of the column.
        column: String,
    },
    /// A column of the files that is not loaded.
    LeftOut {
        /// Name of the column.
        column: String,
        /// `strict`, `on_extra_column` or `generated`.
        reason: String,
    },
}
