//! All rows of the data view as CSV, streamed as the server sends them.

use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::sync::mpsc::{self, error::SendTimeoutError};
use tokio::time::timeout;

use super::page::{ROWS, condition, filter_error, order, set_timeout, shown_columns};
use super::{PageColumn, PageQuery, TableRef, TargetError, quote_ident};

/// Chunks on their way to a slow reader.
const CHUNKS: usize = 16;

/// How an export differs from a page.
#[derive(Debug, Clone, Copy)]
pub struct Export {
    /// At most this many rows.
    pub max_rows: u64,
    /// At most this many MiB of values.
    pub max_mib: u64,
    /// Put a `'` before texts that a spreadsheet would take for a formula.
    pub for_spreadsheets: bool,
    /// Time after which the export is ended, finished or not.
    pub longest: Duration,
    /// How long the reader may leave a chunk waiting before the export is ended.
    pub unread: Duration,
}

/// The rows of an export.
pub struct Exported<S> {
    /// Number of rows after which the export was cut, which the name of its file says. `None`: it has all rows of the query.
    pub cut: Option<u64>,
    /// Rows as the server sends them.
    pub rows: S,
}

/// What an export selects, in a transaction that has begun and sees the table at one moment.
pub(super) struct Selection {
    pub(super) columns: Vec<PageColumn>,
    pub(super) cut: Option<u64>,
    /// What follows the list of fields.
    rest: String,
}

impl Selection {
    /// Begins a transaction that cannot write, and looks whether the table has more rows than the export may have.
    pub(super) async fn begin(
        connection: &mut PgConnection,
        table: &TableRef,
        query: &PageQuery,
        export: &Export,
    ) -> Result<Self, TargetError> {
        let existing =
            table.existing(connection).await?.ok_or_else(|| TargetError::NoTable { table: table.to_string() })?;
        let columns = shown_columns(&existing, query)?;
        let (condition, order) = (condition(&existing, &query.filters)?, order(&existing, &query.sort)?);
        sqlx::raw_sql("begin isolation level repeatable read, read only").execute(&mut *connection).await?;
        set_timeout(connection, &format!("{}ms", export.longest.as_millis())).await?;
        let (from, most) = (format!("from {} {ROWS}{condition}", table.sql()), export.max_rows);
        let more = format!("select exists (select {from} offset {most})");
        let is_cut: bool = sqlx::query_scalar(AssertSqlSafe(more)).fetch_one(connection).await.map_err(filter_error)?;
        Ok(Self { columns, cut: is_cut.then_some(most), rest: format!("{from}{order} limit {most}") })
    }

    /// The query with a field for each column.
    pub(super) fn sql(&self, field: impl Fn(&PageColumn) -> String) -> String {
        let fields: Vec<_> = self.columns.iter().map(field).collect();
        format!("select {} {}", fields.join(", "), self.rest)
    }

    /// A query over all rows of the selection, named `selected`.
    pub(super) fn over(&self, fields: &str) -> String {
        format!("select {fields} from ({}) selected", self.sql(|column| quote_ident(&column.name)))
    }
}

/// The rows of a query as CSV with a header, without the query's limit. The connection is closed when the export ends,
/// whether or not the stream is read to its end; `held` is dropped then. A stream that would have too many bytes ends with an
/// error, so that its file does not look like a whole one.
///
/// # Errors
/// [`TargetError::NoTable`], a column that does not exist, a filter that does not fit; database failures.
pub async fn export_csv<H: Send + 'static>(
    mut connection: PgConnection,
    held: H,
    table: &TableRef,
    query: &PageQuery,
    export: Export,
) -> Result<Exported<impl Stream<Item = Result<Bytes, TargetError>> + use<H>>, TargetError> {
    let selection = Selection::begin(&mut connection, table, query, &export).await?;
    let select = selection.sql(|column| field(column, export.for_spreadsheets));
    let sql = format!("copy ({select}) to stdout (format csv)");

    // Reading happens in a task of its own: it ends when the reader goes away, and the connection with it.
    let (sender, mut receiver) = mpsc::channel(CHUNKS);
    let copying = copy_out(connection, sql, sender, export);
    let copying = tokio::spawn(async move {
        let _held = held;
        match timeout(export.longest, copying).await.unwrap_or(Err(Ended)) {
            Ok(()) => true,
            Err(Ended) => {
                tracing::info!(
                    "an export was ended before all rows were read: its client is too slow or its time is over"
                );
                false
            }
        }
    });
    // A query the server refuses is an error of this call, not a broken stream.
    let first = receiver.recv().await.transpose()?;
    let rest = stream::unfold(Some((receiver, copying)), async |state| {
        let (mut receiver, copying) = state?;
        match receiver.recv().await {
            Some(chunk) => Some((chunk, Some((receiver, copying)))),
            // The file of an export that was ended must not look like a whole one.
            None if copying.await.unwrap_or(false) => None,
            None => Some((Err(TargetError::ExportEnded), None)),
        }
    });
    let header = Bytes::from(header(&selection.columns, export.for_spreadsheets));
    let rows = stream::iter([Ok(header)]).chain(stream::iter(first.map(Ok))).chain(rest).fuse();
    Ok(Exported { cut: selection.cut, rows })
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

/// The export ended before all of its rows were read.
struct Ended;

async fn copy_out(
    mut connection: PgConnection,
    sql: String,
    sender: mpsc::Sender<Result<Bytes, TargetError>>,
    export: Export,
) -> Result<(), Ended> {
    let mut left = export.max_mib << 20;
    let mut chunks = match connection.copy_out_raw(&sql).await {
        Ok(chunks) => chunks,
        Err(error) => {
            // This fails when the reader has gone away, who then needs no reason.
            let _ = sender.send(Err(filter_error(error))).await;
            return Ok(());
        }
    };
    while let Some(chunk) = chunks.next().await {
        let size = chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        if size > left {
            tracing::info!("an export was ended, because its rows have more than {} MiB", export.max_mib);
            let _ = sender.send_timeout(Err(TargetError::ExportTooLarge { mib: export.max_mib }), export.unread).await;
            return Ok(());
        }
        left -= size;
        // A reader that has gone away is not worth a line in the log.
        match sender.send_timeout(chunk.map_err(filter_error), export.unread).await {
            Ok(()) => {}
            Err(SendTimeoutError::Closed(_)) => return Ok(()),
            Err(SendTimeoutError::Timeout(_)) => return Err(Ended),
        }
    }
    Ok(())
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
