//! The places of the rows in each source's JSON documents. The first run that finds a place stores it beside the table,
//! so that later runs read an answer without rows, or with another array beside them, in the same way.

use std::collections::HashMap;

use elt_shared::target::TableRef;
use sqlx::{AssertSqlSafe, PgConnection};

use super::bookkeeping::SOURCES;
use super::failure::Failing;
use super::session::Before;
use crate::error::Result;

/// The place of a source's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowsAt {
    /// Identity of the source among those of the table: its kind and place, without secrets.
    pub source: String,
    /// As `records:` would say it: `data`, `$` when the document is the row, `$[*]` when it is an array.
    pub records: String,
}

/// The places that earlier runs found, by source. Empty for a table that elt has not loaded yet.
///
/// # Errors
/// Database failures.
pub async fn kept(
    connection: &mut PgConnection,
    table: &TableRef,
    before: Option<&Before>,
) -> Result<HashMap<String, String>> {
    if !before.is_some_and(Before::is_adopted) {
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

/// Stores the places that this run found. `fresh`: the table is new to elt, so that places of an earlier table of the
/// same name are deleted.
pub async fn keep(tx: &mut PgConnection, table: &TableRef, found: &[RowsAt], fresh: bool) -> sqlx::Result<()> {
    let sources = table.sibling(SOURCES).sql();
    if fresh {
        sqlx::query(AssertSqlSafe(format!("delete from {sources} where table_name = $1")))
            .bind(&table.table)
            .execute(&mut *tx)
            .await?;
    }
    for RowsAt { source, records } in found {
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
