//! A table this run makes: filled directly by COPY, indexed last, all in the loading transaction.

use elt_shared::config::Dedupe as ConfigDedupe;
use elt_shared::runs::report::RunReport;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::conclude::{self, Outcome};
use super::feed::{Dedupe, Tail};
use super::seen::HashSet;
use super::session::{LOADED_AT, ROW_HASH, RUN_ID, Session};
use super::table::{self, Shaping, column_list};
use super::{Halt, Work, pump, replica_identity};
use crate::frame::combined::CombinedCsv;

/// Makes the table and fills it.
pub async fn new_table(session: &mut Session, mut work: Work<'_>) -> Result<(RunReport, Option<CombinedCsv>), Halt> {
    let (table, attempt) = (session.table.clone(), session.attempt);
    if !session.login.temporary {
        work.report.warnings.push(format!(
            "the login may not make temporary tables: this load needed none, but the next one does. Ask the owner of \
             the database or a superuser to execute: {}",
            session.login.grant_temporary()
        ));
    }
    let mut tx = work.begin(session).await?;
    if table.existing(&mut tx).await?.is_some() {
        return Err(Halt::TableChanged);
    }
    let mut shaping = Shaping::of(&table);
    shaping.create(&mut tx, &work.layout).await?;
    let loaded_at: i64 =
        sqlx::query_scalar("select (extract(epoch from now()) * 1000000)::bigint").fetch_one(&mut *tx).await?;

    let dedupe = match work.load.dedupe {
        ConfigDedupe::RowHash => Dedupe::Known(HashSet::with_room(work.rows(), work.memory.own)),
        ConfigDedupe::None => Dedupe::None,
    };
    let memory = work.memory.own;
    let feed = conclude::feed(&mut work, &table, attempt, Tail::Direct { loaded_at }, (dedupe, memory))?;
    // Nobody sees the table before it commits. Frozen rows need no vacuum, and whoever reads them first no extra work.
    let copy = format!(
        "copy {} ({}{ROW_HASH}, {RUN_ID}, {LOADED_AT}) from stdin (format binary, freeze)",
        table.sql(),
        column_list(&work.layout)
    );
    let (copied, mut fed) = pump::run(&mut tx, &copy, feed).await?;
    let mut repeated = 0;
    if work.hashed() && !index_unless_repeated(&mut tx, &mut shaping).await? {
        repeated = fed.resolve_doubt().await?;
        replica_identity::ensure(&mut tx, &table, &mut shaping.statements).await?;
        drop_repeated(&mut tx, &table.sql()).await?;
        shaping.index_row_hash(&mut tx).await?;
    }
    table::keep_history(&mut tx, &table, &work.layout, true, true).await?;
    let outcome =
        Outcome { inserted: copied - repeated, updated: Vec::new(), deleted: 0, statements: shaping.statements, fed };
    conclude::commit(tx, &table, attempt, work, outcome).await
}

/// Makes the unique index, which is the cheapest proof that no row was sent twice for want of memory. False: one was.
async fn index_unless_repeated(tx: &mut PgConnection, shaping: &mut Shaping<'_>) -> sqlx::Result<bool> {
    let mut attempt = tx.begin().await?;
    match shaping.index_row_hash(&mut attempt).await {
        Ok(()) => attempt.commit().await.map(|()| true),
        Err(error) if error.as_database_error().is_some_and(|error| error.is_unique_violation()) => {
            attempt.rollback().await.map(|()| false)
        }
        Err(error) => Err(error),
    }
}

/// Keeps the first of equal rows that were sent twice for want of memory.
async fn drop_repeated(tx: &mut PgConnection, table: &str) -> sqlx::Result<()> {
    sqlx::query(AssertSqlSafe(format!(
        "delete from {table} where ctid in (
             select ctid from (
                 select ctid, row_number() over (partition by {ROW_HASH} order by ctid) as place from {table}
             ) again
             where place > 1)"
    )))
    .execute(tx)
    .await?;
    Ok(())
}
