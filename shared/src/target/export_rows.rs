//! All rows of the data view as values, in batches, for files that elt writes itself.

use futures::StreamExt;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::export::Selection;
use super::page::filter_error;
use super::{Export, Exported, PageColumn, PageQuery, TableRef, TargetError, quote_ident};

/// Batches on their way to the writer.
const BATCHES: usize = 2;
/// Rows of a batch at most.
const BATCH_ROWS: usize = 500;
/// Bytes after which a batch is full.
const BATCH_BYTES: u64 = 1 << 20;

/// Some rows: a value for each column, as PostgreSQL writes it.
pub type Batch = Vec<Vec<Option<String>>>;

/// The columns and rows of a table.
pub struct TableRows {
    /// The columns of the rows, in order.
    pub columns: Vec<PageColumn>,
    /// Batches, and at last an error if the rows did not end by themselves.
    pub batches: mpsc::Receiver<Result<Batch, TargetError>>,
}

/// The rows of a query, without the query's limit. Reading ends when the receiver is dropped; `held` is dropped when it has
/// ended.
///
/// # Errors
/// [`TargetError::NoTable`], a column that does not exist, a filter that does not fit; database failures.
pub async fn export_rows<H: Send + 'static>(
    mut connection: PgConnection,
    held: H,
    table: &TableRef,
    query: &PageQuery,
    export: Export,
) -> Result<Exported<TableRows>, TargetError> {
    let selection = Selection::begin(&mut connection, table, query, &export).await?;
    let sql = selection.sql(|column| format!("{}::text", quote_ident(&column.name)));
    let (sender, batches) = mpsc::channel(BATCHES);
    tokio::spawn(async move {
        let _held = held;
        let reading = read(&mut connection, sql, &sender, export.max_mib);
        let ended = timeout(export.longest, reading).await.unwrap_or(Err(TargetError::ExportEnded));
        if let Err(error) = ended {
            // This fails when the reader has gone away, who then needs no reason.
            let _ = sender.send(Err(error)).await;
        }
    });
    let Selection { columns, is_cut, .. } = selection;
    Ok(Exported { is_cut, rows: TableRows { columns, batches } })
}

async fn read(
    connection: &mut PgConnection,
    sql: String,
    sender: &mpsc::Sender<Result<Batch, TargetError>>,
    max_mib: u64,
) -> Result<(), TargetError> {
    let mut rows = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch(connection);
    let (mut batch, mut size, mut total) = (Vec::new(), 0, 0);
    while let Some(row) = rows.next().await {
        let row = values(&row.map_err(filter_error)?)?;
        size += row.iter().flatten().map(|value| value.len() as u64).sum::<u64>();
        if total + size > max_mib << 20 {
            return Err(TargetError::ExportTooLarge { mib: max_mib });
        }
        batch.push(row);
        if batch.len() == BATCH_ROWS || size >= BATCH_BYTES {
            total += size;
            size = 0;
            if sender.send(Ok(std::mem::take(&mut batch))).await.is_err() {
                return Ok(());
            }
        }
    }
    let _ = sender.send(Ok(batch)).await;
    Ok(())
}

fn values(row: &PgRow) -> sqlx::Result<Vec<Option<String>>> {
    (0..row.len()).map(|column| row.try_get(column)).collect()
}
