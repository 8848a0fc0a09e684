//! The search for the rows that a table refuses, after a statement over all rows failed.
//!
//! The rows are tried in parts, each under a savepoint, in the order of the run's files. A part that fails is halved until
//! one row is left, which is then refused. A part that succeeds stays, because later rows may conflict with its rows, and
//! the next part is twice as large. One refused row among n costs about 2 · log n statements. Everything is rolled back in
//! the end, and the load is tried again without the refused rows.

use std::sync::Arc;

use elt_shared::target::TableRef;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::refusal;
use super::refused::{MOST_REFUSED, Refused};
use crate::contract::Layout;
use crate::error::PipelineError;
use crate::load::Halt;
use crate::load::staging::STAGING;

/// A search over the staged rows of one load.
pub struct Search<'a> {
    table: &'a TableRef,
    layout: &'a Layout,
    stop: &'a CancellationToken,
    /// The refused rows found so far.
    pub refused: Refused,
}

impl<'a> Search<'a> {
    /// A search that ends early when the run is stopped.
    pub fn new(table: &'a TableRef, layout: &'a Layout, stop: &'a CancellationToken) -> Self {
        Self { table, layout, stop, refused: Refused::default() }
    }

    /// Applies a statement to all staged rows except those that the table refuses. `statement` makes it from the
    /// condition that selects the rows of a part from the staging table `s`.
    ///
    /// # Errors
    /// Errors that are not about a row; a stop.
    pub async fn apply(&mut self, tx: &mut PgConnection, statement: &dyn Fn(&str) -> String) -> Result<(), Halt> {
        let total = number_rows(tx).await?;
        let (mut at, mut size) = (1, total.max(1));
        // A row may refer to a later row of the same load, so these rows wait until all others are in the table.
        let mut waiting: Vec<(i64, sqlx::Error)> = Vec::new();
        while at <= total && !self.is_full(waiting.len()) {
            let end = total.min(at.saturating_add(size - 1));
            let (low, high) = bounds(tx, at, end).await?;
            match self.attempt(tx, &statement(&format!("s._elt_row between {low} and {high}"))).await? {
                Ok(()) => {
                    at = end + 1;
                    size = size.saturating_mul(2);
                }
                Err(_) if at < end => size = (end - at + 1) / 2,
                Err(error) => {
                    if is_foreign_key(&error) {
                        waiting.push((low, error));
                    } else {
                        self.refuse(tx, low, &error).await?;
                    }
                    at += 1;
                    size = 1;
                }
            }
        }
        self.retry(tx, statement, waiting).await
    }

    /// Tries the waiting rows until no more of them succeed, and refuses the others.
    async fn retry(
        &mut self,
        tx: &mut PgConnection,
        statement: &dyn Fn(&str) -> String,
        mut waiting: Vec<(i64, sqlx::Error)>,
    ) -> Result<(), Halt> {
        while !waiting.is_empty() {
            // They are tried together first, because they may refer to each other.
            let rows: Vec<_> = waiting.iter().map(|(row, _)| row.to_string()).collect();
            if self.attempt(tx, &statement(&format!("s._elt_row in ({})", rows.join(", ")))).await?.is_ok() {
                return Ok(());
            }
            let before = waiting.len();
            let mut still = Vec::new();
            for (row, _) in waiting {
                if let Err(error) = self.attempt(tx, &statement(&format!("s._elt_row = {row}"))).await? {
                    still.push((row, error));
                }
            }
            waiting = still;
            if waiting.len() == before {
                break;
            }
        }
        for (row, error) in &waiting {
            self.refuse(tx, *row, error).await?;
        }
        Ok(())
    }

    /// Whether the search ends early, because it found as many rows as it may.
    fn is_full(&mut self, waiting: usize) -> bool {
        let full = self.refused.len() + waiting >= MOST_REFUSED;
        self.refused.exceeded |= full;
        full
    }

    /// Runs a statement under a savepoint. The inner error is about a row, the outer one about anything else.
    async fn attempt(&self, tx: &mut PgConnection, statement: &str) -> Result<Result<(), sqlx::Error>, Halt> {
        if self.stop.is_cancelled() {
            return Err(PipelineError::Stopped.into());
        }
        let mut savepoint = tx.begin().await?;
        match sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut *savepoint).await {
            Ok(_) => {
                savepoint.commit().await?;
                Ok(Ok(()))
            }
            Err(error) if refusal::concerns_a_row(&error) => {
                savepoint.rollback().await?;
                Ok(Err(error))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn refuse(&mut self, tx: &mut PgConnection, row: i64, error: &sqlx::Error) -> Result<(), Halt> {
        let hash: Option<Uuid> =
            sqlx::query_scalar(AssertSqlSafe(format!("select _elt_row_hash from {STAGING} where _elt_row = $1")))
                .bind(row)
                .fetch_optional(&mut *tx)
                .await?
                .flatten();
        let refusal = Arc::new(refusal::of_row(tx, self.table, self.layout, error, row).await?);
        self.refused.add(row, hash.map(|hash| hash.as_u128()), &refusal);
        Ok(())
    }
}

fn is_foreign_key(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.is_foreign_key_violation())
}

/// Numbers the staged rows from 1 in their order. Returns how many there are.
async fn number_rows(tx: &mut PgConnection) -> Result<i64, Halt> {
    sqlx::raw_sql(AssertSqlSafe(format!(
        "drop table if exists pg_temp._elt_order;
         create temporary table _elt_order on commit drop as
             select row_number() over (order by _elt_row) as place, _elt_row from {STAGING};
         create unique index on pg_temp._elt_order (place);
         create index if not exists _elt_staging_row on {STAGING} (_elt_row);
         analyze pg_temp._elt_order"
    )))
    .execute(&mut *tx)
    .await?;
    Ok(sqlx::query_scalar("select count(*) from pg_temp._elt_order").fetch_one(tx).await?)
}

/// The numbers of the rows at two positions of the order.
async fn bounds(tx: &mut PgConnection, from: i64, to: i64) -> Result<(i64, i64), Halt> {
    let rows: (i64, i64) = sqlx::query_as(
        "select (select _elt_row from pg_temp._elt_order where place = $1),
                (select _elt_row from pg_temp._elt_order where place = $2)",
    )
    .bind(from)
    .bind(to)
    .fetch_one(tx)
    .await?;
    Ok(rows)
}
