//! All rows of the data view as values, in batches, for files that elt writes itself.

use std::time::Instant;

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::export::Selection;
use super::page::filter_error;
use super::value_ranges::{self, ValueRange};
use super::{Export, Exported, PageColumn, PageQuery, TableRef, TargetError, quote_ident};

/// Batches on their way to the writer.
const BATCHES: usize = 2;
/// Rows of a batch at most.
const BATCH_ROWS: usize = 500;
/// Bytes that a batch should have.
const BATCH_BYTES: u64 = 1 << 20;
/// Bytes that count for each cell, because a workbook has about as many for a cell of one digit.
const CELL_BYTES: u64 = 32;

/// Some rows: a value for each column, as PostgreSQL writes it.
pub type Batch = Vec<Vec<Option<String>>>;

/// The columns and rows of a table.
pub struct TableRows {
    /// The columns of the rows, in order.
    pub columns: Vec<PageColumn>,
    /// What each column holds, in the same order. Empty unless it was asked for.
    pub ranges: Vec<ValueRange>,
    /// Batches, and at last an error if the rows did not end by themselves.
    pub batches: mpsc::Receiver<Result<Batch, TargetError>>,
}

/// Whether the columns are measured before the rows are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// The columns are not measured.
    Nothing,
    /// [`TableRows::ranges`] says what each column holds, for a file whose types have to hold every value.
    Ranges,
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
    measure: Measure,
) -> Result<Exported<TableRows>, TargetError> {
    let begun = Instant::now();
    let preparing = async {
        let selection = Selection::begin(&mut connection, table, query, &export).await?;
        let ranges = match measure {
            Measure::Nothing => Vec::new(),
            // In the transaction that reads the rows as well, so that both are about the same rows.
            Measure::Ranges => value_ranges::measure(&mut connection, &selection).await?,
        };
        Ok((selection, ranges))
    };
    let (selection, ranges) = timeout(export.longest, preparing).await.unwrap_or(Err(TargetError::ExportEnded))?;
    // Columns are measured for Parquet only, which stores a text unescaped. Excel escapes some characters.
    let text_bytes = match measure {
        Measure::Nothing => escaped_bytes,
        Measure::Ranges => plain_bytes,
    };
    let longest = export.longest.saturating_sub(begun.elapsed());
    let sql = selection.sql(|column| format!("{}::text", quote_ident(&column.name)));
    let (sender, batches) = mpsc::channel(BATCHES);
    tokio::spawn(async move {
        let _held = held;
        let reading = read(&mut connection, sql, &sender, (export.max_mib, text_bytes));
        let ended = timeout(longest, reading).await.unwrap_or(Err(TargetError::ExportEnded));
        if let Err(error) = ended {
            // This fails when the reader has gone away, who then needs no reason.
            let _ = sender.send(Err(error)).await;
        }
    });
    let Selection { columns, cut, .. } = selection;
    Ok(Exported { cut, rows: TableRows { columns, ranges, batches } })
}

/// Reads through a cursor, because the rows of one answer of a target are bounded.
async fn read(
    connection: &mut PgConnection,
    sql: String,
    sender: &mpsc::Sender<Result<Batch, TargetError>>,
    (max_mib, text_bytes): (u64, fn(&str) -> u64),
) -> Result<(), TargetError> {
    let declare = format!("declare elt_export no scroll cursor for {sql}");
    sqlx::raw_sql(AssertSqlSafe(declare)).execute(&mut *connection).await.map_err(filter_error)?;
    let (mut rows, mut total) = (1, 0);
    loop {
        let fetch = format!("fetch {rows} from elt_export");
        let fetched = sqlx::query(AssertSqlSafe(fetch)).persistent(false).fetch_all(&mut *connection).await;
        let batch: Batch = fetched.map_err(filter_error)?.iter().map(values).collect::<sqlx::Result<_>>()?;
        let (number, size) = (batch.len(), batch.iter().map(|row| size_of(row, text_bytes)).sum::<u64>());
        total += size;
        if total > max_mib << 20 {
            return Err(TargetError::ExportTooLarge { mib: max_mib });
        }
        if number == 0 || sender.send(Ok(batch)).await.is_err() {
            return Ok(());
        }
        // As many rows as fill a batch, if they are as large as these, and at most twice as many as before.
        let fitting = BATCH_BYTES * number as u64 / size.max(1);
        rows = usize::try_from(fitting).unwrap_or(BATCH_ROWS).clamp(1, (2 * number).min(BATCH_ROWS));
    }
}

/// The size of a row in the file, in bytes, with what each cell takes beside its value.
fn size_of(row: &[Option<String>], text_bytes: fn(&str) -> u64) -> u64 {
    row.iter().map(|value| CELL_BYTES + value.as_deref().map_or(0, text_bytes)).sum()
}

fn plain_bytes(text: &str) -> u64 {
    text.len() as u64
}

/// The most bytes that a text has in the XML of a workbook, where `&` is `&amp;` and a control character `_x0001_`.
fn escaped_bytes(text: &str) -> u64 {
    text.bytes().map(|byte| if matches!(byte, b'&' | b'<' | b'>' | b'_' | 0..0x20) { 7 } else { 1 }).sum()
}

fn values(row: &PgRow) -> sqlx::Result<Vec<Option<String>>> {
    (0..row.len()).map(|column| row.try_get(column)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_counts_as_it_is_written_in_a_workbook() {
        assert_eq!(escaped_bytes("Ännie"), 6);
        for (text, written) in [("&<>", "&amp;&lt;&gt;"), ("\u{1}", "_x0001_"), ("_x000D_", "_x005F_x000D_")] {
            assert!(escaped_bytes(text) >= written.len() as u64, "{text:?}");
        }
        assert_eq!(size_of(&[None, Some("ab".into())], escaped_bytes), 2 * CELL_BYTES + 2);
    }
}
