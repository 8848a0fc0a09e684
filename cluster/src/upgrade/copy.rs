//! Databases: piped from one server into the other, and compared.

use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Running;
use super::roles::{connect, failed};
use crate::dump::DumpTools;
use crate::error::LocalError;

/// How often a line says how far a database is.
const SAY_EVERY: Duration = Duration::from_secs(10);
/// The database that every cluster has.
const MAINTENANCE: &str = "postgres";

/// Copies every database and compares the copies.
pub(super) async fn databases(
    tools: &DumpTools,
    old: &Running<'_>,
    new: &Running<'_>,
    say: &(dyn Fn(&str) + Sync),
) -> Result<(), LocalError> {
    let mut db = connect(old, MAINTENANCE).await?;
    let names: Vec<String> = sqlx::query_scalar(
        "select datname::text from pg_database where datallowconn and not datistemplate order by datname",
    )
    .fetch_all(&mut db)
    .await
    .map_err(failed("list the databases"))?;
    db.close().await.map_err(failed("say goodbye"))?;
    for name in names {
        say(&format!("copying the database {name}"));
        copy(tools, old, new, &name, say).await?;
        compare(old, new, &name).await?;
    }
    Ok(())
}

async fn copy(
    tools: &DumpTools,
    old: &Running<'_>,
    new: &Running<'_>,
    name: &str,
    say: &(dyn Fn(&str) + Sync),
) -> Result<(), LocalError> {
    // Compression would only cost time, because the bytes go from one process to the next.
    let mut dump = tools.dump(&old.address(name)?, &["--compress", "0"])?;
    let maintenance = new.address(MAINTENANCE)?;
    let mut restore = match name {
        MAINTENANCE => tools.restore(&maintenance, &[])?,
        _ => tools.restore(&maintenance, &["--create"])?,
    };
    let pumped = async {
        let (Some(mut output), Some(mut input)) = (dump.output(), restore.input()) else { return Ok(()) };
        let (mut bytes, mut said) = (0_u64, Instant::now());
        let mut buffer = vec![0; 256 << 10];
        loop {
            let read = output.read(&mut buffer).await?;
            if read == 0 {
                return input.shutdown().await;
            }
            input.write_all(&buffer[..read]).await?;
            bytes += read as u64;
            if said.elapsed() >= SAY_EVERY {
                say(&format!("  {} MB of {name}", bytes >> 20));
                said = Instant::now();
            }
        }
    };
    let pumped: std::io::Result<()> = pumped.await;
    // The programs know more than the pipe between them, and the one that reads fails when the other one did.
    let (dumped, restored) = tokio::join!(dump.finish(), restore.finish());
    dumped?;
    restored?;
    pumped.map_err(|error| LocalError::Copy { doing: format!("copy the database {name}"), reason: error.to_string() })
}

/// Compares the number of rows of every table, and collects statistics for the planner.
async fn compare(old: &Running<'_>, new: &Running<'_>, name: &str) -> Result<(), LocalError> {
    let (mut from, mut to) = (connect(old, name).await?, connect(new, name).await?);
    let tables: Vec<String> = sqlx::query_scalar(
        "select format('%I.%I', nspname, relname)
         from pg_class join pg_namespace on pg_namespace.oid = relnamespace
         where relkind = 'r' and relpersistence <> 't' and nspname !~ '^pg_' and nspname <> 'information_schema'
         order by 1",
    )
    .fetch_all(&mut from)
    .await
    .map_err(failed("list the tables"))?;
    for table in tables {
        let (before, after) = (count(&mut from, &table).await?, count(&mut to, &table).await?);
        if before != after {
            return Err(LocalError::Copy {
                doing: format!("copy the table {table} of the database {name}"),
                reason: format!("it has {before} rows, and its copy {after}"),
            });
        }
    }
    sqlx::raw_sql("analyze").execute(&mut to).await.map_err(failed("collect statistics"))?;
    for connection in [from, to] {
        connection.close().await.map_err(failed("say goodbye"))?;
    }
    Ok(())
}

async fn count(db: &mut PgConnection, table: &str) -> Result<i64, LocalError> {
    // The server has quoted the name.
    let select = AssertSqlSafe(format!("select count(*) from {table}"));
    sqlx::query_scalar(select).fetch_one(db).await.map_err(failed("count the rows of a table"))
}
