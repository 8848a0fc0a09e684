//! The hashes of the rows that a run writes into a table with many others. By them the rows are found through the index over
//! row hashes, and not by reading the whole table.

use elt_shared::config::{CheckScope, Dedupe, LoadMode};
use sqlx::{AssertSqlSafe, PgConnection};

use crate::load::LoadTask;
use crate::load::session::ROW_HASH;
use crate::load::staging::STAGING;

/// The condition that a row of the table `t` is one of them.
pub const CONDITION: &str = "t._elt_row_hash in (select _elt_row_hash from pg_temp._elt_changed)";

/// Keeps the hashes of the staged rows, if a check is about the rows of the run. It is called before rows are written,
/// because a merge forgets staged rows when it has updated the rows of their keys.
pub async fn keep(tx: &mut PgConnection, task: &LoadTask<'_>) -> sqlx::Result<()> {
    let config = &task.context.config;
    let hashed = config.load.dedupe == Dedupe::RowHash || config.load.mode == LoadMode::Merge;
    let asked = config.checks.iter().any(|check| check.scope == CheckScope::Run);
    if !asked || !hashed || config.load.mode == LoadMode::Replace {
        return Ok(());
    }
    let statement = format!(
        "create temporary table _elt_changed on commit drop as select {ROW_HASH} from {STAGING};
         analyze pg_temp._elt_changed"
    );
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(tx).await?;
    Ok(())
}

/// Whether the rows that the run changes are written down in this transaction, so that checks can find them.
pub async fn are_kept(tx: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar("select to_regclass('pg_temp._elt_changed') is not null").fetch_one(tx).await
}
