//! `checks:`: what must be true before a load commits.

use std::time::Duration;

use super::keys::Choice;
use super::shaping::Written;
use super::table_name::TableName;

mod read;
#[cfg(test)]
mod tests;

pub(super) use read::{Around, KEYS, read};

/// Something that must be true before a load commits.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// Its name in reports, such as `unique(id)`. Each check has another one.
    pub name: String,
    /// What must be true.
    pub rule: CheckRule,
    /// What happens when it is not true.
    pub on_fail: OnFail,
    /// The rows that it is about.
    pub scope: CheckScope,
    /// Longest time that it may take.
    pub time_limit: Duration,
    /// Its place in the config.
    pub at: Written,
}

/// What a check asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum CheckRule {
    /// The column has a value in every row.
    NotNull {
        /// Name of the column that is checked.
        column: String,
    },
    /// No two rows have the same values in these columns. Rows with a NULL in one of them are not compared.
    Unique {
        /// Columns, at least one.
        columns: Vec<String>,
    },
    /// The column is NULL or has one of these values.
    AcceptedValues {
        /// Name of the column that is checked.
        column: String,
        /// Values as written, at least one.
        values: Vec<String>,
    },
    /// The column is NULL or lies between two values, which belong to the range. At least one of them is there.
    Range {
        /// Name of the column that is checked.
        column: String,
        /// Smallest value, as written.
        min: Option<String>,
        /// Largest value, as written.
        max: Option<String>,
    },
    /// The column is NULL or has a value that a column of another table has.
    Relationships {
        /// Name of the column that is checked.
        column: String,
        /// The other table. A name without a schema is in the schema of the target table.
        to: TableName,
        /// Column of the other table.
        key: String,
    },
    /// The number of rows of the table is within bounds. At least one of them is there.
    RowCount {
        /// Least number of rows that passes. `None`: no lower limit.
        min: Option<u64>,
        /// Greatest number of rows that passes. `None`: no upper limit.
        max: Option<u64>,
    },
    /// The greatest time in the column is at most so old.
    FreshnessOf {
        /// Column with dates or timestamps.
        column: String,
        /// Greatest age of the newest value that passes.
        within: Duration,
    },
    /// A query returns no row.
    Sql {
        /// One `select`, in which `{table}` stands for the target table.
        query: String,
    },
}

/// What happens when a check fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFail {
    /// The run fails, and nothing of it is loaded.
    Rollback,
    /// The rows are loaded, and the run succeeds with warnings.
    Warn,
    /// The rows that fail the check go to the quarantine, and the others are loaded.
    Quarantine,
}

/// The rows that a check is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckScope {
    /// The rows that the run inserts or updates. A `replace` writes the whole table.
    Run,
    /// All rows of the table, as it is after the load.
    Table,
}

impl Choice for OnFail {
    const WORDS: &'static [(&'static str, Self)] =
        &[("rollback", Self::Rollback), ("warn", Self::Warn), ("quarantine", Self::Quarantine)];
}

impl Choice for CheckScope {
    const WORDS: &'static [(&'static str, Self)] = &[("run", Self::Run), ("table", Self::Table)];
}

impl CheckRule {
    /// The key of the config that names the rule.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NotNull { .. } => "not_null",
            Self::Unique { .. } => "unique",
            Self::AcceptedValues { .. } => "accepted_values",
            Self::Range { .. } => "range",
            Self::Relationships { .. } => "relationships",
            Self::RowCount { .. } => "row_count",
            Self::FreshnessOf { .. } => "freshness_of",
            Self::Sql { .. } => "sql",
        }
    }

    /// The columns of the target table that it names.
    pub fn columns(&self) -> &[String] {
        match self {
            Self::Unique { columns } => columns,
            Self::NotNull { column }
            | Self::AcceptedValues { column, .. }
            | Self::Range { column, .. }
            | Self::Relationships { column, .. }
            | Self::FreshnessOf { column, .. } => std::slice::from_ref(column),
            Self::RowCount { .. } | Self::Sql { .. } => &[],
        }
    }

    /// Whether each row passes or fails by itself, so that failing rows can be left out.
    pub fn is_about_single_rows(&self) -> bool {
        matches!(self, Self::NotNull { .. } | Self::AcceptedValues { .. } | Self::Range { .. })
    }

    /// The default scope of the rule, and the other scope that it allows. `None`: it allows only the default.
    fn scopes(&self) -> (CheckScope, Option<CheckScope>) {
        match self {
            Self::NotNull { .. } | Self::AcceptedValues { .. } | Self::Range { .. } => {
                (CheckScope::Run, Some(CheckScope::Table))
            }
            Self::Unique { .. } | Self::Relationships { .. } => (CheckScope::Table, Some(CheckScope::Run)),
            Self::RowCount { .. } | Self::FreshnessOf { .. } | Self::Sql { .. } => (CheckScope::Table, None),
        }
    }
}
