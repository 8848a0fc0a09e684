//! A write that is tried and rolled back, because only a write shows everything that the server would refuse to a load.

use elt_shared::target::{TableRef, quote_ident};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::elt_tables;
use super::failure::{Failing, rights};
use super::session::{Session, TableState};
use crate::error::Result;

/// Takes the first steps of a load without rows and rolls them back: creates elt's own tables, and writes to the table or
/// creates it. Returns a warning about a right that only later loads need.
///
/// # Errors
/// The error that a load would fail with, with the statement that grants the missing right.
pub async fn try_writing(session: &mut Session, before: Option<&TableState>) -> Result<Option<String>> {
    let table = session.table.clone();
    let fail = Failing::at(&table, "write to the target");
    if before.is_some() {
        session.login.require_temporary(&table)?;
    }
    let lacks = rights::missing(&mut session.connection, &table).await.map_err(|error| fail.because(error))?;
    if lacks.iter().any(|right| right.statement != session.login.grant_temporary())
        && let Some(error) = rights::explain(&mut session.connection, &table, "write to the target").await
    {
        return Err(error);
    }
    let mut tx = session.connection.begin().await.map_err(|error| fail.because(error))?;
    elt_tables::ensure(&mut tx, &table).await?;
    let written = write(&mut tx, &table, before).await;
    tx.rollback().await.map_err(|error| fail.because(error))?;
    match written {
        Ok(()) => {}
        Err(error) => return Err(fail.asking(&mut session.connection, error).await),
    }
    let grant = session.login.grant_temporary();
    Ok((!session.login.temporary)
        .then(|| format!("later loads stage their rows in a temporary table and need: {grant}")))
}

async fn write(tx: &mut PgConnection, table: &TableRef, before: Option<&TableState>) -> sqlx::Result<()> {
    let table = table.sql();
    let statement = match before {
        None => format!("create table {table} ()"),
        Some(before) => {
            let Some(column) = before.existing.columns.iter().find(|column| !column.generated) else { return Ok(()) };
            let column = quote_ident(&column.name);
            format!("insert into {table} ({column}) overriding system value select {column} from {table} where false")
        }
    };
    // The wait for another session's lock is short, because a lock says nothing about the login's rights.
    sqlx::query("select set_config('lock_timeout', '5s', true)").execute(&mut *tx).await?;
    sqlx::query(AssertSqlSafe(statement)).execute(tx).await?;
    Ok(())
}
