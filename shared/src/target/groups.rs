//! Counts of the rows of a table that have the same values in some columns.

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::page::{COUNT_TIMEOUT, condition, filter_error, set_timeout, sql_type, takes_too_long};
use super::{Filter, TableRef, TargetError, quote_ident};

/// Rows that have the same values in some columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The values as texts, in the order of the columns; `None` is NULL.
    pub values: Vec<Option<String>>,
    /// Number of rows.
    pub rows: i64,
}

/// The rows that pass the filters, counted by the values of `columns`: the `most` largest groups, the largest first.
/// `None` when counting takes too long.
///
/// # Errors
/// Those of [`read_page`](super::read_page).
pub async fn count_groups(
    connection: &mut PgConnection,
    table: &TableRef,
    columns: &[&str],
    filters: &[Filter],
    most: u32,
) -> Result<Option<Vec<Group>>, TargetError> {
    let existing =
        table.existing(connection).await?.ok_or_else(|| TargetError::NoTable { table: table.to_string() })?;
    let condition = condition(&existing, filters)?;
    for column in columns {
        sql_type(&existing, column)?;
    }
    let names: Vec<_> = columns.iter().map(|column| quote_ident(column)).collect();
    let texts: Vec<_> = names.iter().map(|name| format!("{name}::text")).collect();
    let (names, texts) = (names.join(", "), texts.join(", "));
    let sql = format!(
        "select array[{texts}], count(*) from {}{condition} group by {names} order by 2 desc, 1 limit {most}",
        table.sql()
    );
    let mut tx = connection.begin().await?;
    sqlx::query("set transaction read only").execute(&mut *tx).await?;
    set_timeout(&mut tx, COUNT_TIMEOUT).await?;
    let found: sqlx::Result<Vec<(Vec<Option<String>>, i64)>> =
        sqlx::query_as(AssertSqlSafe(sql)).fetch_all(&mut *tx).await;
    match found {
        Ok(found) => {
            tx.rollback().await?;
            Ok(Some(found.into_iter().map(|(values, rows)| Group { values, rows }).collect()))
        }
        Err(error) if takes_too_long(&error) => Ok(None),
        Err(error) => Err(filter_error(error)),
    }
}
