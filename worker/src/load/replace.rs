//! `load.mode: replace`: afterwards the table holds exactly this run's rows. Rows that stay are not touched, so readers
//! see the old rows until the commit and the new ones after it, and an unchanged source changes nothing.

use elt_shared::target::{TableRef, quote_ident};
use sqlx::{AssertSqlSafe, PgConnection};

use super::session::ROW_HASH;
use super::staging::STAGING;
use crate::report::Drift;

/// Deletes the rows that are not staged. `hashed`: rows are recognised by their hash; otherwise all go.
/// `drift` names the table's columns this run does not fill: a row that stays must have no value there.
pub async fn delete_others(
    tx: &mut PgConnection,
    table: &TableRef,
    hashed: bool,
    drift: &[Drift],
) -> sqlx::Result<u64> {
    let mut statement = format!("delete from {} t", table.sql());
    if hashed {
        statement.push_str(&format!(
            " where (t.{ROW_HASH} is null or not exists (select from {STAGING} s where s.{ROW_HASH} = t.{ROW_HASH}))"
        ));
        for change in drift {
            if let Drift::Missing { column } = change {
                statement.push_str(&format!(" or t.{} is not null", quote_ident(column)));
            }
        }
    }
    Ok(sqlx::query(AssertSqlSafe(statement)).execute(tx).await?.rows_affected())
}
