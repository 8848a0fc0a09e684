//! The schema of the target table. The first load creates it when it is missing and the config allows it.

use elt_shared::config::TargetConfig;
use elt_shared::target::{TableRef, quote_ident};
use sqlx::PgConnection;

use crate::error::{PipelineError, Result};
use crate::load::failure::Failing;

/// The statement that creates the schema of a table. `None`: the schema exists.
///
/// # Errors
/// When it is missing and the config does not allow elt to make it; database failures.
pub async fn missing(connection: &mut PgConnection, table: &TableRef, target: &TargetConfig) -> Result<Option<String>> {
    let there: bool = sqlx::query_scalar("select to_regnamespace(quote_ident($1)) is not null")
        .bind(&table.schema)
        .fetch_one(connection)
        .await
        .map_err(|error| Failing::at(table, "look for the schema").because(error))?;
    let statement = format!("create schema {}", quote_ident(&table.schema));
    match (there, target.create_schema) {
        (true, _) => Ok(None),
        (false, true) => Ok(Some(statement)),
        (false, false) => Err(PipelineError::Target {
            code: "target_no_schema",
            message: format!("the target has no schema {}, which {table} would be in", quote_ident(&table.schema)),
            next_step: format!(
                "Correct `table` under `target:` (a table whose name has a dot is written in double quotes), run \
                 `{statement}`, or write `create_schema: true` under `target:`."
            ),
        }),
    }
}
