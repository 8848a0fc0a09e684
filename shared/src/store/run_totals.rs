//! How many runs ended since the installation was made, and how: numbers that only grow, for Prometheus.
//!
//! A trigger adds a row to `run_ends` for every run that ends, which blocks nobody. The sweeper folds these rows into
//! `run_totals`. A total is the sum over both tables.

use sqlx::{FromRow, PgConnection, PgExecutor};

/// Runs of one kind that ended in one way.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct RunTotal {
    /// See [`Run::kind`](super::runs::Run::kind).
    pub kind: String,
    /// `succeeded`, `failed` or `stopped`.
    pub state: String,
    /// See [`Outcome`](super::runs::Outcome); empty for runs that did not succeed.
    pub outcome: String,
    /// How many runs.
    pub runs: i64,
    /// Rows they inserted; 0 for kinds that load nothing.
    pub rows_inserted: i64,
}

/// The totals as one snapshot of the database sees them.
pub async fn list(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<RunTotal>> {
    sqlx::query_as(
        "select kind, state, outcome, sum(runs)::bigint as runs, sum(rows_inserted)::bigint as rows_inserted
         from (select kind, state, outcome, runs, rows_inserted from run_totals
               union all
               select kind, state, outcome, 1, rows_inserted from run_ends) counted
         group by kind, state, outcome order by kind, state, outcome",
    )
    .fetch_all(db)
    .await
}

/// Folds the runs that ended into the totals. One process at a time does it: the caller holds the sweeper's lock.
pub async fn fold(db: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query(
        "with folded as (
             delete from run_ends where id in (select id from run_ends order by id limit 10000)
             returning kind, state, outcome, rows_inserted
         )
         insert into run_totals as total (kind, state, outcome, runs, rows_inserted)
         select kind, state, outcome, count(*), sum(rows_inserted) from folded group by kind, state, outcome
         on conflict (kind, state, outcome)
         do update set runs = total.runs + excluded.runs, rows_inserted = total.rows_inserted + excluded.rows_inserted",
    )
    .execute(db)
    .await?;
    Ok(())
}
