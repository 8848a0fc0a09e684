//! The JSON path to the rows of each source's documents, as `records:` of a config would say it. The first run that finds it
//! stores it beside the table, because a later answer without rows, or with another array beside them, would not show it.

use std::collections::HashMap;

use elt_shared::target::TableRef;
use sqlx::{AssertSqlSafe, PgConnection};

use super::elt_tables::SOURCES;
use super::failure::Failing;
use super::session::TableState;
use crate::error::Result;

/// The path to the rows of one source's documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordsPath {
    /// Identity of the source among those of the table: its kind and place, without secrets.
    pub source: String,
    /// As `records:` would say it: `data`, `$` when the document is the row, `$[*]` when it is an array.
    pub records: String,
}

/// The paths that earlier runs found, by source. Empty for a table that elt has not loaded into yet.
///
/// # Errors
/// Database failures.
pub async fn stored(
    connection: &mut PgConnection,
    table: &TableRef,
    before: Option<&TableState>,
) -> Result<HashMap<String, String>> {
    if !before.is_some_and(TableState::has_elt_columns) {
        return Ok(HashMap::new());
    }
    let fail = Failing::at(table, "read where the rows of the sources are");
    let sources = table.sibling(SOURCES).sql();
    let there: bool = sqlx::query_scalar("select to_regclass($1) is not null")
        .bind(&sources)
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| fail.because(error))?;
    if !there {
        return Ok(HashMap::new());
    }
    let rows: Vec<(String, String)> =
        sqlx::query_as(AssertSqlSafe(format!("select source, records from {sources} where table_name = $1")))
            .bind(&table.table)
            .fetch_all(connection)
            .await
            .map_err(|error| fail.because(error))?;
    Ok(rows.into_iter().collect())
}

/// Stores the paths that this run found. `fresh`: elt has not loaded into the table before, so that paths of an earlier
/// table of the same name are deleted.
pub async fn store(tx: &mut PgConnection, table: &TableRef, found: &[RecordsPath], fresh: bool) -> sqlx::Result<()> {
    let sources = table.sibling(SOURCES).sql();
    if fresh {
        sqlx::query(AssertSqlSafe(format!("delete from {sources} where table_name = $1")))
            .bind(&table.table)
            .execute(&mut *tx)
            .await?;
    }
    for RecordsPath { source, records } in found {
        sqlx::query(AssertSqlSafe(format!(
            "insert into {sources} (table_name, source, records) values ($1, $2, $3)
             on conflict (table_name, source) do update set records = excluded.records, found_at = now()"
        )))
        .bind(&table.table)
        .bind(source)
        .bind(records)
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}
