//! The turn of a window to be loaded. The windows of a backfill are fetched at the same time and loaded one after the other:
//! the run of a window claims its table only when it has its rows, so it keeps other runs waiting for a short time.

use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::attempt::is_held;
use super::waiting::lock_table;

/// Whether the run of a window may load into its table now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// The table is this run's until the run ends or goes back to the queue.
    Taken,
    /// Another run is at work on the table.
    Busy {
        /// Id of the run that has the table.
        run: Uuid,
    },
    /// A run that is not of a backfill waits for the table, and comes first.
    AfterWaiting,
    /// A newer attempt of this run began.
    Fenced,
}

/// Claims a table for the run of a window. `key` is the identity of the table, and `name` the hash of its name. `lets_pass`:
/// runs that are not of a backfill and wait for the table come first.
pub async fn claim_turn(
    db: &PgPool,
    (id, epoch): (Uuid, i64),
    key: &str,
    name: Option<&str>,
    lets_pass: bool,
) -> sqlx::Result<Turn> {
    let mut tx = db.begin().await?;
    if let Some(name) = name {
        // Runs that start into the table look for the run that has it under the same lock.
        lock_table(&mut tx, name).await?;
        if let Some(before) = before(&mut tx, name, id, lets_pass).await? {
            return Ok(before);
        }
    }
    let claimed = sqlx::query(
        "update runs set target_key = $3, target_name = $4 where id = $1 and epoch = $2 and state = 'running'",
    )
    .bind(id)
    .bind(epoch)
    .bind(key)
    .bind(name)
    .execute(&mut *tx)
    .await;
    match claimed {
        Ok(done) if done.rows_affected() == 1 => {
            tx.commit().await?;
            Ok(Turn::Taken)
        }
        Ok(_) => Ok(Turn::Fenced),
        // Another config names the same table differently.
        Err(error) if is_held(&error) => {
            tx.rollback().await?;
            let run = sqlx::query_scalar("select id from runs where target_key = $1 and state = 'running'")
                .bind(key)
                .fetch_optional(db)
                .await?;
            // Without a holder, the other run has ended in between, and the next try may succeed.
            Ok(run.map_or(Turn::AfterWaiting, |run| Turn::Busy { run }))
        }
        Err(error) => Err(error),
    }
}

/// What another run of this table has first. `None`: the table is free.
async fn before(db: &mut PgConnection, name: &str, id: Uuid, lets_pass: bool) -> sqlx::Result<Option<Turn>> {
    // A run that a pause holds, that waits for a server, or that is not due, does not come soon.
    let found: Option<(Uuid, bool)> = sqlx::query_as(
        "select id, state = 'running' from runs
         where target_name = $1 and id <> $2
           and (state = 'running'
                or ($3 and state = 'queued' and backfill_id is null and held is null and waits_on is null
                    and unknown_since is null and coalesce(not_before, now()) <= now()))
         order by state = 'running' desc limit 1",
    )
    .bind(name)
    .bind(id)
    .bind(lets_pass)
    .fetch_optional(db)
    .await?;
    Ok(found.map(|(run, is_running)| if is_running { Turn::Busy { run } } else { Turn::AfterWaiting }))
}
