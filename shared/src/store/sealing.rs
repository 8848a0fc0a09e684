//! Seals what earlier releases stored in clear, and seals everything again with a new key. Both go in batches beside
//! running servers and workers, and both may be interrupted and repeated.

use sqlx::{Connection, PgPool};

use super::secret_keys::{self, SealError};
use super::{configs, secrets};
use crate::secret::KeyRing;

/// Rows sealed in one transaction.
const BATCH: i64 = 25;

/// How many rows are stored in clear.
pub async fn rows_in_clear(db: &PgPool) -> sqlx::Result<i64> {
    configs::count_in_clear(db).await
}

/// Seals every row that an earlier release stored in clear. Returns how many.
///
/// # Errors
/// When the database fails.
pub async fn seal_clear_rows(db: &PgPool, keys: &KeyRing) -> Result<u64, SealError> {
    secret_keys::register(db, keys).await?;
    let mut sealed = 0;
    loop {
        match configs::seal_batch(db, keys, BATCH).await? {
            0 => break,
            rows => sealed += rows,
        }
    }
    if sealed > 0
        && let Err(error) = remove_old_row_versions(db).await
    {
        tracing::warn!(
            error = %error,
            "could not rewrite the table of configs: run `vacuum full elt.config_history` as its owner, because \
             PostgreSQL keeps the replaced rows in its files until then"
        );
    }
    Ok(sealed)
}

/// PostgreSQL keeps replaced rows in its files until a table is rewritten.
async fn remove_old_row_versions(db: &PgPool) -> sqlx::Result<()> {
    let mut connection = db.acquire().await?.detach();
    // Others may be reading configs: the rewrite waits for them, but not without end.
    sqlx::raw_sql("set lock_timeout = '20s'").execute(&mut connection).await?;
    sqlx::raw_sql("vacuum (full) elt.config_history").execute(&mut connection).await?;
    connection.close().await
}

/// Seals everything with the current key that another key of the ring opens. Returns how many rows.
///
/// # Errors
/// When the database fails, or a value does not open: it stays as it is.
pub async fn seal_again(db: &PgPool, keys: &KeyRing) -> Result<u64, SealError> {
    secret_keys::register(db, keys).await?;
    let mut sealed = 0;
    loop {
        match configs::seal_again_batch(db, keys, BATCH).await? + secrets::seal_again_batch(db, keys, BATCH).await? {
            0 => return Ok(sealed),
            rows => sealed += rows,
        }
    }
}
