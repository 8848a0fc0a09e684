//! Counts of the runs that are there, by state and by day.
//!
//! Finished runs are counted by triggers, because counting the history for each page would take longer every day. See
//! the tables `run_counts`, `run_days` and `run_count_changes`. All parts of a count are read by one statement, so it is
//! exact.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection, PgExecutor};

use crate::runs::RunState;

/// Number of runs in each state, of all pipelines or of these. States without runs are left out.
pub async fn by_state(db: impl PgExecutor<'_>, names: Option<&[String]>) -> sqlx::Result<Vec<(RunState, i64)>> {
    sqlx::query_as(
        "select state, sum(runs)::bigint from (
             select state, runs from run_counts where $1::text[] is null or name = any($1)
             union all
             select state, runs from run_count_changes where $1::text[] is null or name = any($1)
             union all
             select state, count(*) from runs
             where state in ('queued', 'running') and ($1::text[] is null or name = any($1)) group by state
         ) counted
         group by state having sum(runs) <> 0 order by state",
    )
    .bind(names)
    .fetch_all(db)
    .await
}

/// What happened on one day.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Day {
    /// Its start, UTC.
    pub day: DateTime<Utc>,
    /// Rows that runs and replays inserted.
    pub rows_inserted: i64,
    /// Runs and replays that succeeded.
    pub succeeded: i64,
    /// Runs and replays that failed.
    pub failed: i64,
}

/// The last 14 days, oldest first, today included.
pub async fn days(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<Day>> {
    sqlx::query_as(
        "with last as (
             select day from generate_series(date_trunc('day', now(), 'UTC') - interval '13 days',
                                             date_trunc('day', now(), 'UTC'), interval '1 day') day
         ), counted as (
             select day, state, runs, rows_inserted from run_days
             where day >= (now() at time zone 'UTC')::date - 13
             union all
             select day, state, runs, rows_inserted from run_count_changes
             where kind in ('run', 'replay') and day >= (now() at time zone 'UTC')::date - 13
         )
         select last.day, coalesce(sum(rows_inserted), 0)::bigint as rows_inserted,
                coalesce(sum(runs) filter (where state = 'succeeded'), 0)::bigint as succeeded,
                coalesce(sum(runs) filter (where state = 'failed'), 0)::bigint as failed
         from last left join counted on counted.day = (last.day at time zone 'UTC')::date
         group by last.day order by last.day",
    )
    .fetch_all(db)
    .await
}

/// Adds up to 10,000 changes to the counts. The caller holds the sweeper's lock, because only one process may do it at a
/// time.
pub async fn fold(db: &mut PgConnection) -> sqlx::Result<()> {
    let folded: i64 = sqlx::query_scalar(
        "with folded as (
             delete from run_count_changes where id in (select id from run_count_changes order by id limit 10000)
             returning name, kind, state, day, runs, rows_inserted
         ), counts as (
             insert into run_counts as kept (name, state, runs)
             select name, state, sum(runs) from folded group by name, state
             on conflict (name, state) do update set runs = kept.runs + excluded.runs
         ), days as (
             insert into run_days as kept (day, state, runs, rows_inserted)
             select day, state, sum(runs), sum(rows_inserted) from folded where kind in ('run', 'replay') group by day, state
             on conflict (day, state)
             do update set runs = kept.runs + excluded.runs, rows_inserted = kept.rows_inserted + excluded.rows_inserted
         )
         select count(*) from folded",
    )
    .fetch_one(&mut *db)
    .await?;
    if folded > 0 {
        // Pipelines and days whose runs were all deleted.
        sqlx::query("delete from run_counts where runs = 0").execute(&mut *db).await?;
        sqlx::query("delete from run_days where runs = 0 and rows_inserted = 0").execute(&mut *db).await?;
    }
    Ok(())
}
