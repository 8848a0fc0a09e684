//! The rows that a run wrote are hashed again from their values in the table, and compared with the hashes that it stored.

use elt_shared::target::TableRef;
use futures::TryStreamExt;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use uuid::Uuid;

use super::dedupe::backfill::delivered;
use super::dedupe::row_hash::RowHasher;
use super::elt_tables::LOADS;
use super::failure::Failing;
use super::session::{ROW_HASH, RUN_ID, Session};
use crate::contract::Layout;
use crate::error::Result;

/// Name of the cursor over the rows.
const CURSOR: &str = "_elt_rows_to_verify";
/// Number of rows that one request fetches.
const ROWS_PER_FETCH: u32 = 1_000;
/// Most changed rows that are named.
const NAMED: usize = 20;

/// The rows that a run wrote, as they are now.
#[derive(Debug, Default)]
pub struct StoredRows {
    /// Rows that the run wrote last.
    pub there: u64,
    /// Rows among them whose values give another hash than the stored one.
    pub changed: u64,
    /// The stored hashes of the first of these.
    pub first_changed: Vec<Uuid>,
    /// Whether a later run of elt updated or deleted rows of the table, or undid the run.
    pub overwritten_since: bool,
    /// Whether the run was undone.
    pub undone: bool,
}

/// Hashes the rows of a run over the columns that it loaded, which are those of the layout.
///
/// # Errors
/// Database failures.
pub async fn rows_of(session: &mut Session, run: Uuid, layout: &Layout) -> Result<StoredRows> {
    let (table, fail) = (session.table.clone(), Failing::at(&session.table, "read the rows of the run"));
    match read(&mut session.connection, &table, run, layout).await {
        Ok(rows) => Ok(rows),
        Err(error) => Err(fail.because(error)),
    }
}

async fn read(connection: &mut PgConnection, table: &TableRef, run: Uuid, layout: &Layout) -> sqlx::Result<StoredRows> {
    let mut rows = StoredRows::default();
    let since: Option<(bool, bool)> = sqlx::query_as(AssertSqlSafe(format!(
        "select this.undone_at is not null,
                exists (select from {loads} later
                        where later.table_name = this.table_name and later.loaded_at > this.loaded_at
                          and (later.rows_updated > 0 or coalesce((later.report ->> 'rows_deleted')::bigint, 0) > 0))
         from {loads} this where this.run_id = $1 and this.table_name = $2",
        loads = table.sibling(LOADS).sql()
    )))
    .bind(run)
    .bind(&table.table)
    .fetch_optional(&mut *connection)
    .await?;
    (rows.undone, rows.overwritten_since) = since.unwrap_or_default();
    let mut hasher = RowHasher::new(layout);
    let fields: String = layout.columns.iter().map(|column| format!(", {}", delivered(column))).collect();
    let mut tx = connection.begin().await?;
    // The rows are read through a cursor, because the answer to one statement is held in memory.
    let statement = format!(
        "declare {CURSOR} no scroll cursor for select {ROW_HASH}{fields} from {} where {RUN_ID} = '{run}'",
        table.sql()
    );
    sqlx::query(AssertSqlSafe(statement)).execute(&mut *tx).await?;
    let fetch = format!("fetch {ROWS_PER_FETCH} from {CURSOR}");
    loop {
        let before = rows.there;
        let mut found = sqlx::query(AssertSqlSafe(fetch.clone())).fetch(&mut *tx);
        while let Some(row) = found.try_next().await? {
            rows.there += 1;
            let values: Vec<Option<&str>> =
                (1..=layout.columns.len()).map(|place| row.try_get(place)).collect::<sqlx::Result<_>>()?;
            let hash = Uuid::from_u128(hasher.written(|column| values[column].map(str::as_bytes)));
            let stored: Option<Uuid> = row.try_get(0)?;
            if stored.is_some_and(|stored| stored != hash) {
                rows.changed += 1;
                rows.first_changed.extend(stored.filter(|_| rows.first_changed.len() < NAMED));
            }
        }
        if rows.there == before {
            break;
        }
    }
    tx.rollback().await?;
    Ok(rows)
}
