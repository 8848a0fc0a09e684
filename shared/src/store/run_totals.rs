//! Counts of the runs that ended since the installation was made, by kind, state and outcome: Prometheus counters,
//! which never fall.
//!
//! A trigger adds a row to `run_ends` for every run that ends, so that runs never wait for each other to update a
//! count. The sweeper folds these rows into `run_totals`. A total is the sum over both tables.

use sqlx::{FromRow, PgConnection, PgExecutor};

use crate::runs::{Outcome, RunKind, RunState};

/// Runs of one kind that ended in one way.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct RunTotal {
    /// What the counted runs did.
    pub kind: RunKind,
    /// The final state they reached.
    pub state: RunState,
    /// `None` for runs that did not succeed.
    pub outcome: Option<Outcome>,
    /// Number of runs.
    pub runs: i64,
    /// Rows they inserted; 0 for kinds that load nothing.
    pub rows_inserted: i64,
}

/// The totals as one snapshot of the database sees them.
pub async fn list(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<RunTotal>> {
    sqlx::query_as(
        "select kind, state, nullif(outcome, '') as outcome, sum(runs)::bigint as runs, sum(rows_inserted)::bigint as rows_inserted
         from (select kind, state, outcome, runs, rows_inserted from run_totals
               union all
               select kind, state, outcome, 1, rows_inserted from run_ends) counted
         group by kind, state, counted.outcome order by kind, state, counted.outcome",
    )
    .fetch_all(db)
    .await
}

/// Moves up to 10,000 rows of `run_ends` into the totals. The caller holds the sweeper's lock, because only one process
/// may do it at a time.
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
