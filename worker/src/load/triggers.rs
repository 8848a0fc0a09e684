//! Checks whether triggers of the table moved or deleted the rows that a run wrote.

use elt_shared::target::TableRef;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use super::Halt;
use super::session::RUN_ID;
use crate::error::PipelineError;

/// Counts the run's rows if the table has triggers, because a trigger that fires after the insertion can delete rows or
/// move them to another table. `written`: the number of rows that were inserted or updated.
pub async fn refuse_moved_rows(tx: &mut PgConnection, table: &TableRef, run: Uuid, written: u64) -> Result<(), Halt> {
    if written == 0 || !has_triggers(tx, table).await? {
        return Ok(());
    }
    let there: i64 =
        sqlx::query_scalar(AssertSqlSafe(format!("select count(*) from {} where {RUN_ID} = $1", table.sql())))
            .bind(run)
            .fetch_one(tx)
            .await?;
    if there.unsigned_abs() == written {
        return Ok(());
    }
    Err(PipelineError::Target {
        code: "target_trigger",
        message: format!(
            "{table} has {there} of the {written} rows this run wrote: a trigger of the table deletes, moves or adds rows"
        ),
        next_step: "Change the trigger, or load into a table of its own.".into(),
    }
    .into())
}

/// Whether the table, a partition or a child table of it has a trigger that is not part of a constraint.
async fn has_triggers(tx: &mut PgConnection, table: &TableRef) -> sqlx::Result<bool> {
    sqlx::query_scalar(
        "with recursive below as (
             select to_regclass($1)::oid as oid
             union
             select i.inhrelid from pg_inherits i join below b on b.oid = i.inhparent
         )
         select exists (select from pg_trigger t join below b on b.oid = t.tgrelid
                        where not t.tgisinternal and t.tgenabled <> 'D')",
    )
    .bind(table.sql())
    .fetch_one(tx)
    .await
}
