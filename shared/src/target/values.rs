//! The values that a query of a config selects from a target.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::{TableRef, quote_ident};

/// Rows that are fetched at once.
const BATCH: usize = 1_000;

/// A value that was selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectedValue {
    /// The value as PostgreSQL writes it; `None`: NULL.
    pub text: Option<String>,
    /// Whether its type is one of numbers.
    pub is_number: bool,
}

/// Selects the first column of a query, in its order, and hands the values over a batch at a time, until `take` returns
/// false. The query runs alone, in a transaction that cannot write, and for at most `timeout`. Names without a schema are
/// those of the schema of `table`, then of `public`.
///
/// The query becomes a cursor, so that the server refuses everything but one SELECT or VALUES, also a data-modifying WITH.
///
/// # Errors
/// The server's errors: 25006 when the query writes, 57014 after the time limit, class 42 for a wrong query.
pub async fn select_values(
    connection: &mut PgConnection,
    table: &TableRef,
    sql: &str,
    timeout: Duration,
    take: &mut (dyn FnMut(Vec<SelectedValue>) -> bool + Send),
) -> sqlx::Result<()> {
    let mut tx = connection.begin().await?;
    sqlx::query("set transaction read only").execute(&mut *tx).await?;
    let milliseconds = timeout.as_millis().to_string();
    sqlx::query(
        "select set_config('statement_timeout', $1, true), set_config('lock_timeout', $1, true),
             set_config('search_path', $2, true)",
    )
    .bind(milliseconds)
    .bind(format!("{}, public", quote_ident(&table.schema)))
    .execute(&mut *tx)
    .await?;
    // Prepared, because the server refuses to prepare more than one statement. The line feed ends a comment in the query.
    let query = sql.trim().trim_end_matches(';');
    let declare = format!("declare elt_values no scroll cursor without hold for {query}\n");
    sqlx::query(AssertSqlSafe(declare)).persistent(false).execute(&mut *tx).await?;
    loop {
        let rows = sqlx::raw_sql(AssertSqlSafe(format!("fetch {BATCH} from elt_values"))).fetch_all(&mut *tx).await?;
        let last = rows.len() < BATCH;
        let values = rows.iter().map(selected).collect::<sqlx::Result<Vec<_>>>()?;
        if !take(values) || last {
            break;
        }
    }
    tx.rollback().await
}

/// The first column of a row. The simple protocol sends every type as text.
fn selected(row: &sqlx::postgres::PgRow) -> sqlx::Result<SelectedValue> {
    use sqlx::{TypeInfo, ValueRef};
    let value = row.try_get_raw(0)?;
    let is_number = matches!(value.type_info().name(), "INT2" | "INT4" | "INT8" | "NUMERIC" | "OID");
    let text = if value.is_null() { None } else { Some(value.as_str().map_err(sqlx::Error::Decode)?.to_owned()) };
    Ok(SelectedValue { text, is_number })
}
