//! All rows of the data view as CSV, streamed as the server sends them.

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use sqlx::PgConnection;
use tokio::sync::mpsc;

use super::page::{ROWS, condition, filter_error, order, shown_columns};
use super::{PageColumn, PageQuery, TableRef, TargetError, quote_ident};

/// Longer than this no export takes.
const TIMEOUT: &str = "10min";
/// Chunks on their way to a slow reader.
const CHUNKS: usize = 16;

/// How an export differs from a page.
#[derive(Debug, Clone, Copy)]
pub struct Export {
    /// At most this many rows.
    pub max_rows: u64,
    /// Put a `'` before texts that a spreadsheet would take for a formula.
    pub for_spreadsheets: bool,
}

/// The rows of a query as CSV with a header, without the query's limit. The connection is used up.
///
/// # Errors
/// [`TargetError::NoTable`], a column that is none, a filter that does not fit; database failures.
pub async fn export_csv(
    mut connection: PgConnection,
    table: &TableRef,
    query: &PageQuery,
    export: Export,
) -> Result<impl Stream<Item = Result<Bytes, TargetError>> + use<>, TargetError> {
    let existing =
        table.existing(&mut connection).await?.ok_or_else(|| TargetError::NoTable { table: table.to_string() })?;
    let columns = shown_columns(&existing, query)?;
    let (condition, order) = (condition(&existing, &query.filters)?, order(&existing, &query.sort)?);
    let fields: Vec<_> = columns.iter().map(|column| field(column, export.for_spreadsheets)).collect();
    let sql = format!(
        "copy (select {} from {} {ROWS}{condition}{order} limit {}) to stdout (format csv)",
        fields.join(", "),
        table.sql(),
        export.max_rows
    );
    sqlx::query(
        "select set_config('statement_timeout', $1, false), set_config('default_transaction_read_only', 'on', false)",
    )
    .bind(TIMEOUT)
    .execute(&mut connection)
    .await?;

    // Reading happens in a task of its own: it ends when the reader goes away, and the connection with it.
    let (sender, mut receiver) = mpsc::channel(CHUNKS);
    tokio::spawn(copy_out(connection, sql, sender));
    // A query the server refuses is an error of this call, not a broken stream.
    let first = receiver.recv().await.transpose()?;
    let rest = stream::unfold(receiver, async |mut receiver| receiver.recv().await.map(|chunk| (chunk, receiver)));
    let header = Bytes::from(header(&columns, export.for_spreadsheets));
    Ok(stream::iter([Ok(header)]).chain(stream::iter(first.map(Ok))).chain(rest).fuse())
}

/// The first line. elt writes it, because the server would cut a name that the `'` makes too long.
fn header(columns: &[PageColumn], for_spreadsheets: bool) -> String {
    let cells = columns.iter().map(|column| {
        let is_formula = for_spreadsheets && column.name.starts_with(['=', '+', '@', '\t', '\r', '-']);
        let name = if is_formula { format!("'{}", column.name) } else { column.name.clone() };
        match name.contains([',', '"', '\n', '\r']) {
            true => format!("\"{}\"", name.replace('"', "\"\"")),
            false => name,
        }
    });
    cells.collect::<Vec<_>>().join(",") + "\n"
}

async fn copy_out(mut connection: PgConnection, sql: String, sender: mpsc::Sender<Result<Bytes, TargetError>>) {
    let mut chunks = match connection.copy_out_raw(&sql).await {
        Ok(chunks) => chunks,
        Err(error) => {
            // Nobody listens any more when this fails.
            let _ = sender.send(Err(filter_error(error))).await;
            return;
        }
    };
    while let Some(chunk) = chunks.next().await {
        if sender.send(chunk.map_err(filter_error)).await.is_err() {
            return;
        }
    }
}

/// Types whose values may begin with a minus sign and never look like a formula.
const NUMBERS: [&str; 8] =
    ["smallint", "integer", "bigint", "numeric", "real", "double precision", "money", "interval"];

/// Whether a type is PostgreSQL's own `kind`, with or without limits, fields or dimensions: `numeric(10,2)`, `integer[]`,
/// `interval day to second`. A type of the user's may have a name that begins alike, such as `realm`.
fn is_of(sql_type: &str, kind: &str) -> bool {
    sql_type.strip_prefix(kind).is_some_and(|rest| rest.is_empty() || rest.starts_with(['(', '[', ' ']))
}

/// A column of the query, with a `'` before values that look like formulas. Only numbers keep a leading minus sign,
/// also those of a domain.
fn field(column: &PageColumn, for_spreadsheets: bool) -> String {
    let name = quote_ident(&column.name);
    if !for_spreadsheets || NUMBERS.iter().any(|kind| is_of(&column.sql_type, kind)) {
        return name;
    }
    let is_text = ["text", "character", "json", "jsonb"].iter().any(|kind| is_of(&column.sql_type, kind));
    let but_numbers = if is_text { "" } else { r" and {name}::text !~ '^[-+]?[0-9][0-9.]*(e[-+]?[0-9]+)?$'" };
    let but_numbers = but_numbers.replace("{name}", &name);
    format!(
        r"case when {name}::text ~ E'^[=+@\t\r-]'{but_numbers} then '''' || {name}::text else {name}::text end as {name}"
    )
}
