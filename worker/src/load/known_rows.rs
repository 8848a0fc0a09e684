//! The hashes of the rows a table has, fetched before a load so that known rows are not sent at all.

use elt_shared::config::{Dedupe, LoadConfig, LoadMode};
use elt_shared::target::TableRef;
use futures::TryStreamExt;
use sqlx::PgConnection;
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

use super::failure::Failing;
use super::seen::{HashSet, Put};
use super::session::{Before, ROW_HASH, Session};
use crate::error::Result;

/// Bytes of the header of a binary COPY.
const HEADER_BYTES: usize = 19;
/// Bytes of a row: number of fields, length, hash.
const ROW_BYTES: usize = 2 + 4 + 16;
/// A row of a file is seldom shorter.
const BYTES_PER_ROW: u64 = 40;
/// Fetching a hash costs about a quarter of sending a row.
const WORTH_FETCHING: u64 = 4;
/// Hashes put into the set together: one after the other they would each wait for memory.
const HASHES_AT_ONCE: usize = 4_096;
/// Tables up to this many rows are fetched whatever is delivered.
const ALWAYS_FETCHED: u64 = 50_000;

/// The hashes of the rows a table has, when it is cheaper to fetch them than to send every row that is delivered.
/// `bytes`: what is delivered, as files; `budget`: memory for them.
pub async fn known(
    session: &mut Session,
    before: Option<&Before>,
    load: &LoadConfig,
    bytes: u64,
    budget: usize,
) -> Result<Option<HashSet>> {
    let wanted = (load.mode, load.dedupe) == (LoadMode::Append, Dedupe::RowHash);
    if !wanted || !before.is_some_and(Before::is_adopted) {
        return Ok(None);
    }
    let table = session.table.clone();
    let fail = Failing::at(&table, "fetch the hashes of the table's rows");
    let connection = &mut session.connection;
    let rows = estimate(connection, &table).await.map_err(|error| fail.because(error))?;
    match rows {
        Some(rows) if is_worth_it(rows, bytes / BYTES_PER_ROW, budget) => {
            // sqlx enters the current span for every row: a million times that costs more than the rows.
            let fetching = fetch(connection, &table, rows, budget).with_subscriber(NoSubscriber::default());
            fetching.await.map_err(|error| fail.because(error))
        }
        _ => Ok(None),
    }
}

/// About how many rows with a hash the table has, by the size of the index over it. `None`: there is no such index.
async fn estimate(connection: &mut PgConnection, table: &TableRef) -> sqlx::Result<Option<u64>> {
    // A full index page of 8 KiB holds about 250 hashes, a just-split one half of that.
    let bytes: Option<i64> = sqlx::query_scalar(
        "select pg_relation_size(i.indexrelid)
         from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
         where i.indrelid = to_regclass($1) and i.indisunique and i.indisvalid and i.indnkeyatts = 1 and a.attname = $2
         limit 1",
    )
    .bind(table.sql())
    .bind(ROW_HASH)
    .fetch_optional(connection)
    .await?;
    Ok(bytes.map(|bytes| bytes.unsigned_abs() / 32))
}

/// Whether fetching is cheaper than sending, and fits into memory.
fn is_worth_it(table_rows: u64, delivered: u64, budget: usize) -> bool {
    table_rows < HashSet::capacity_of(budget) as u64
        && (table_rows <= ALWAYS_FETCHED || table_rows <= delivered.saturating_mul(WORTH_FETCHING))
}

/// Fetches the hashes, about `rows` of them. `None`: there are more than fit.
async fn fetch(
    connection: &mut PgConnection,
    table: &TableRef,
    rows: u64,
    budget: usize,
) -> sqlx::Result<Option<HashSet>> {
    let statement =
        format!("copy (select {ROW_HASH} from {} where {ROW_HASH} is not null) to stdout (format binary)", table.sql());
    let mut messages = connection.copy_out_raw(&statement).await?;
    let mut known = HashSet::with_room(rows, budget);
    let mut fits = true;
    let mut hashes = Vec::with_capacity(HASHES_AT_ONCE);
    let mut rest: Vec<u8> = Vec::new();
    let mut skip = HEADER_BYTES;
    while let Some(message) = messages.try_next().await? {
        let mut bytes: &[u8] = &message;
        if !rest.is_empty() {
            rest.extend_from_slice(bytes);
            bytes = &rest;
        }
        let skipped = skip.min(bytes.len());
        skip -= skipped;
        bytes = &bytes[skipped..];
        while let Some((row, later)) = bytes.split_at_checked(ROW_BYTES) {
            hashes.push(u128::from_be_bytes(row[6..].try_into().unwrap_or_default()));
            bytes = later;
        }
        rest = bytes.to_vec();
        if hashes.len() >= HASHES_AT_ONCE {
            fits = fits && hashes.drain(..).all(|hash| known.put(hash) != Put::Full);
            hashes.clear();
        }
    }
    fits = fits && hashes.drain(..).all(|hash| known.put(hash) != Put::Full);
    Ok(fits.then_some(known))
}
