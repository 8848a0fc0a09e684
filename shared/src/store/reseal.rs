//! Seals what earlier releases stored in clear, and seals everything again with a new key. Both go in batches beside
//! running servers and workers, and both may be interrupted and repeated.

use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection, PgPool};

use super::configs;
use super::sealed_tables::{BATCH, SealedAgain, TABLES};
use crate::secret::KeyRing;

/// How long a rewrite waits for transactions that could still read replaced rows.
const OLDER_TRANSACTIONS: Duration = Duration::from_secs(20);

/// Whether rows are stored in clear. Also right before the first migration.
pub async fn is_any_in_clear(db: &PgPool) -> sqlx::Result<bool> {
    let exists: bool = sqlx::query_scalar("select to_regclass('elt.config_history') is not null").fetch_one(db).await?;
    Ok(exists && configs::count_in_clear(db).await? > 0)
}

/// Seals every row that an earlier release stored in clear. Returns how many.
///
/// # Errors
/// When the database fails.
pub async fn seal_clear_rows(db: &PgPool, keys: &KeyRing) -> sqlx::Result<u64> {
    let mut sealed = 0;
    loop {
        match configs::seal_batch(db, keys, BATCH).await? {
            0 => return Ok(sealed),
            rows => sealed += rows,
        }
    }
}

/// Seals everything with the current key that another key of the ring opens. A value that does not open stays as it is.
///
/// # Errors
/// When the database fails. What was sealed until then stays sealed, and a repetition goes on behind it.
pub async fn seal_again(db: &PgPool, keys: &KeyRing) -> sqlx::Result<SealedAgain> {
    let mut done = SealedAgain::default();
    for table in TABLES {
        table.seal_again(db, keys, &mut done).await?;
    }
    Ok(done)
}

/// Notes, in the transaction that replaces rows of a table, that its files must be rewritten.
pub(super) async fn note_rewrite(tx: &mut PgConnection, table: &str) -> sqlx::Result<()> {
    sqlx::query(
        "insert into table_rewrites (table_name) values ($1)
         on conflict (table_name) do update set noted_at = clock_timestamp()",
    )
    .bind(table)
    .execute(tx)
    .await?;
    Ok(())
}

/// Rewrites the tables whose rows were replaced by sealed ones, because PostgreSQL keeps replaced rows in its files until
/// then. A table that cannot be rewritten now, for example because it is in use all the time, is rewritten the next time.
/// Returns how many tables are left.
///
/// # Errors
/// When the notes cannot be read.
pub async fn rewrite_tables(db: &PgPool) -> sqlx::Result<usize> {
    // Compared as a text, which has all digits of the time.
    let noted: Vec<(String, String)> =
        sqlx::query_as("select table_name, noted_at::text from table_rewrites order by table_name")
            .fetch_all(db)
            .await?;
    let mut left = 0;
    for (name, noted_at) in noted {
        let Some(table) = TABLES.iter().map(|sealed| sealed.table).find(|table| *table == name) else { continue };
        if let Err(error) = rewrite(db, table, &noted_at).await {
            left += 1;
            tracing::warn!(
                error = %error,
                "could not rewrite the table elt.{table}, whose files still hold rows that were replaced by sealed ones: \
                 the next `elt migrate` or start of `elt up` tries again"
            );
        }
    }
    Ok(left)
}

async fn rewrite(db: &PgPool, table: &str, noted_at: &str) -> sqlx::Result<()> {
    // Of its own, because the limits of its session are others.
    let mut connection = db.acquire().await?.detach();
    // Others may be reading the table: the rewrite waits for them, but not without end.
    sqlx::raw_sql("set lock_timeout = '20s'; set statement_timeout = 0").execute(&mut connection).await?;
    wait_for_older_transactions(&mut connection).await?;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("vacuum (full) elt.{table}"))).execute(&mut connection).await?;
    // Rows that were replaced meanwhile have noted the table again.
    sqlx::query("delete from table_rewrites where table_name = $1 and noted_at::text = $2")
        .bind(table)
        .bind(noted_at)
        .execute(&mut connection)
        .await?;
    connection.close().await
}

/// Waits until all transactions of the server that are open now have ended, as far as this login can see them. PostgreSQL
/// keeps the rows that such a transaction could still read even when it rewrites a table.
///
/// # Errors
/// When one of them is still open after 20 seconds.
async fn wait_for_older_transactions(connection: &mut PgConnection) -> sqlx::Result<()> {
    let now: String = sqlx::query_scalar("select pg_current_xact_id()::text").fetch_one(&mut *connection).await?;
    let deadline = Instant::now() + OLDER_TRANSACTIONS;
    loop {
        let have_ended: bool = sqlx::query_scalar(
            "select pg_snapshot_xmin(pg_current_snapshot()) > $1::text::xid8
                    and not exists (select from pg_stat_activity
                                    where datname = current_database() and pid <> pg_backend_pid()
                                      and age(backend_xmin) >= age(($1::text::xid8)::xid))",
        )
        .bind(&now)
        .fetch_one(&mut *connection)
        .await?;
        match have_ended {
            true => return Ok(()),
            false if Instant::now() > deadline => {
                return Err(sqlx::Error::Configuration(
                    "an older transaction is still open after 20 seconds: `select pid, usename, state, xact_start from \
                     pg_stat_activity where backend_xmin is not null order by xact_start` shows which one, and `select \
                     pg_terminate_backend(PID)` ends it"
                        .into(),
                ));
            }
            false => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}
