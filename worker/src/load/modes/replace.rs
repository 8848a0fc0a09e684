//! `load.mode: replace`: after the load the table holds exactly the rows of this run. Rows that are delivered again are left
//! as they are, so that an unchanged source changes nothing. Readers see the old rows until the commit.

use elt_shared::explained::{Code, Explained};
use elt_shared::runs::report::Drift;
use elt_shared::target::{TableRef, quote_ident};
use sqlx::{AssertSqlSafe, PgConnection};

use crate::error::PipelineError;
use crate::load::Halt;
use crate::load::session::{ROW_HASH, RUN_ID};
use crate::load::staging::STAGING;
use crate::load::table::partitions::delivered::Delivered;
use crate::load::table::triggers;

/// Deletes the rows that are not staged, or all rows when rows are not recognised by their hash (`hashed` is false).
/// `drift` names the table's columns that this run does not fill: a row with a value in such a column is deleted, too, unless
/// the server filled the column when elt inserted the row, because it would do so again. `delivered`: of a table that is
/// partitioned by a column, in which a row whose column was changed is another one than the staged row of its hash.
///
/// # Errors
/// Database failures; a trigger or rule that keeps old rows.
pub async fn delete_others(
    tx: &mut PgConnection,
    table: &TableRef,
    hashed: bool,
    drift: &[Drift],
    delivered: Option<&Delivered>,
) -> Result<u64, Halt> {
    let mut others = String::new();
    if hashed {
        let same = delivered.map(Delivered::has_same_time).unwrap_or_default();
        others.push_str(&format!(
            " where (t.{ROW_HASH} is null
                     or not exists (select from {STAGING} s where s.{ROW_HASH} = t.{ROW_HASH}{same}))"
        ));
        let filled = filled_by_server(tx, table).await?;
        for change in drift {
            if let Drift::Missing { column } = change {
                let name = quote_ident(column);
                others.push_str(&if filled.contains(column) {
                    format!(" or (t.{RUN_ID} is null and t.{name} is not null)")
                } else {
                    format!(" or t.{name} is not null")
                });
            }
        }
    }
    let name = table.sql();
    let deleted = sqlx::query(AssertSqlSafe(format!("delete from {name} t{others}"))).execute(&mut *tx).await?;
    if triggers::may_keep_deleted(tx, table).await? {
        let still = format!("select count(*) from {name} t{others}");
        let kept: i64 = sqlx::query_scalar(AssertSqlSafe(still)).fetch_one(tx).await?;
        if kept > 0 {
            return Err(kept_rows(table, kept).into());
        }
    }
    Ok(deleted.rows_affected())
}

fn kept_rows(table: &TableRef, rows: i64) -> PipelineError {
    PipelineError::Target(Explained {
        code: Code::TargetTrigger,
        message: format!("could not replace the rows of {table}: a trigger or rule of the table keeps {rows} old rows"),
        next_step: "Change the trigger or rule so that the rows can be deleted, or load with another `load.mode`."
            .into(),
    })
}

/// The columns that the server fills: those with a default, identity columns and generated columns.
async fn filled_by_server(tx: &mut PgConnection, table: &TableRef) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar(
        "select attname::text from pg_attribute
         where attrelid = to_regclass($1) and attnum > 0 and not attisdropped and (atthasdef or attidentity <> '')",
    )
    .bind(table.sql())
    .fetch_all(tx)
    .await
}
