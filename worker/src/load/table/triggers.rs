//! The triggers of a table. They may move, delete or keep rows that a run writes, and must not see elt's own updates.

use elt_shared::target::TableRef;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use crate::error::PipelineError;
use crate::load::Halt;
use crate::load::session::RUN_ID;

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

/// Whether something of the table can keep a row that a statement deletes: a trigger or a rule.
pub async fn may_keep_deleted(tx: &mut PgConnection, table: &TableRef) -> sqlx::Result<bool> {
    let rules = "select relhasrules from pg_class where oid = to_regclass($1)";
    let has_rules: Option<bool> = sqlx::query_scalar(rules).bind(table.sql()).fetch_optional(&mut *tx).await?;
    Ok(has_rules == Some(true) || has_triggers(tx, table).await?)
}

/// A trigger that is paused until the transaction resumes it.
pub struct Paused {
    /// Begin of the statement, such as `alter table only "public"."t"`.
    alter: String,
    /// The trigger's name, quoted.
    name: String,
    /// Whether it also fires in a session that applies replicated changes.
    always: bool,
}

/// Pauses the triggers that an update of the table, of its partitions or of its child tables fires. Other sessions never
/// see the table without them, because the pause takes a lock and ends in the same transaction: see [`resume`].
pub async fn pause_updates(tx: &mut PgConnection, table: &TableRef) -> sqlx::Result<Vec<Paused>> {
    // Bit 16 of `tgtype` is UPDATE; `O` and `A` are enabled triggers.
    let found: Vec<(String, String, bool)> = sqlx::query_as(
        "with recursive below as (
             select to_regclass($1)::oid as oid
             union
             select i.inhrelid from pg_inherits i join below b on b.oid = i.inhparent
         )
         select format('alter table only %I.%I', n.nspname, c.relname), quote_ident(t.tgname), t.tgenabled = 'A'
         from pg_trigger t join below b on b.oid = t.tgrelid
              join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
         where not t.tgisinternal and t.tgenabled in ('O', 'A') and (t.tgtype & 16) <> 0
         order by t.oid",
    )
    .bind(table.sql())
    .fetch_all(&mut *tx)
    .await?;
    let paused: Vec<Paused> = found.into_iter().map(|(alter, name, always)| Paused { alter, name, always }).collect();
    for Paused { alter, name, .. } in &paused {
        sqlx::raw_sql(AssertSqlSafe(format!("{alter} disable trigger {name}"))).execute(&mut *tx).await?;
    }
    Ok(paused)
}

/// Enables paused triggers as they were.
pub async fn resume(tx: &mut PgConnection, paused: &[Paused]) -> sqlx::Result<()> {
    for Paused { alter, name, always } in paused {
        let how = if *always { "enable always" } else { "enable" };
        sqlx::raw_sql(AssertSqlSafe(format!("{alter} {how} trigger {name}"))).execute(&mut *tx).await?;
    }
    Ok(())
}
