//! PostgreSQL's errors as sentences with a code and a next step.

use elt_shared::target::{TableRef, TargetError, quote_ident};
use sqlx::postgres::PgDatabaseError;

use crate::error::{PipelineError, is_connection_loss};

/// What we were doing to which table when the database failed.
#[derive(Debug, Clone, Copy)]
pub struct Failing<'a> {
    table: &'a TableRef,
    doing: &'static str,
}

impl<'a> Failing<'a> {
    /// `doing`: "make elt's own tables".
    pub fn at(table: &'a TableRef, doing: &'static str) -> Self {
        Self { table, doing }
    }

    /// The failure. Losses of the connection and lost races keep their source and are retried; all else is explained.
    pub fn because(self, error: sqlx::Error) -> PipelineError {
        let table = self.table.to_string();
        if is_connection_loss(&error) {
            return PipelineError::Load { table, source: error };
        }
        let Some(database) = error.as_database_error().and_then(|e| e.try_downcast_ref::<PgDatabaseError>()) else {
            return PipelineError::Load { table, source: error };
        };
        let Some((code, next_step)) = self.explain(database) else {
            return PipelineError::Load { table, source: error };
        };
        let message = format!("could not {} for {table}: {}", self.doing, database.message());
        PipelineError::Target { code, message, next_step }
    }

    fn explain(self, error: &PgDatabaseError) -> Option<(&'static str, String)> {
        let schema = quote_ident(&self.table.schema);
        let table = self.table.sql();
        let constraint = error.constraint().unwrap_or_default();
        Some(match error.code() {
            "42501" => (
                "target_not_allowed",
                format!(
                    "Let the login do it: grant usage, create on schema {schema} to <login>; \
                     an existing table must be the login's own: alter table {table} owner to <login>"
                ),
            ),
            "3F000" => ("target_no_schema", format!("Create it: create schema {schema}")),
            "25006" => ("target_read_only", "Name the primary server under `target:`, not a standby.".into()),
            "54011" | "54000" => (
                "target_limit",
                "PostgreSQL's limit of columns or row size is reached: load fewer columns with `schema:` and \
                 `strict_mode: true`, or keep long values as text."
                    .into(),
            ),
            "23514" if constraint.starts_with("_elt_") => {
                ("receipt_unbalanced", "This is a bug in elt; please report it with the run's log.".into())
            }
            "23505" | "23P01" => (
                "target_unique",
                format!(
                    "The table's own constraint {constraint} allows such a row once: use `load.mode: merge` with its \
                     columns as `load.key`, or drop the constraint."
                ),
            ),
            "23502" | "23503" | "23514" => (
                "target_constraint",
                format!(
                    "The table's own constraint {constraint} refuses a row: say the same in `schema:` (nullable, enum, \
                     min, max, pattern) so that such rows are quarantined, or drop the constraint."
                ),
            ),
            "42809" | "0A000" | "428C9" => ("target_unusable", "Load into an ordinary table.".into()),
            "2BP01" => ("target_in_use", "Drop or change what depends on the column, then retry the run.".into()),
            code if code.starts_with("22") => (
                "target_value",
                "A value does not fit the table's column: name the column in `schema:` with a type and rules that \
                 quarantine such rows."
                    .into(),
            ),
            code if code.starts_with("P0") => ("target_trigger", "Ask the owner of the table's trigger.".into()),
            _ => return None,
        })
    }
}

impl From<TargetError> for PipelineError {
    fn from(error: TargetError) -> Self {
        match error {
            TargetError::Unreachable { server, source } if !is_permanent(&source) => {
                Self::Load { table: format!("the target {server}"), source }
            }
            TargetError::Database(source) => Self::Load { table: "the target".into(), source },
            error => {
                Self::Target { code: error.code(), message: error.to_string(), next_step: error.next_step().to_owned() }
            }
        }
    }
}

/// A server that answers, but not as a PostgreSQL server or not in a way that waiting can cure.
fn is_permanent(error: &sqlx::Error) -> bool {
    !is_connection_loss(error)
}

/// A table elt cannot load into.
pub fn unusable(table: &TableRef, what: &str, next_step: impl Into<String>) -> PipelineError {
    PipelineError::Target {
        code: "target_unusable",
        message: format!("{table} is {what}; elt loads into ordinary tables"),
        next_step: next_step.into(),
    }
}
