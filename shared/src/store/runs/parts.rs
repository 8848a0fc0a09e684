//! Runs that make a run for each of their tables, and these runs.

use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::requeue::Released;
use super::{COLUMNS, Run};

/// Notes that a run was made by another one for one of its tables.
pub(crate) async fn note_part(db: impl PgExecutor<'_>, id: Uuid, of: Uuid) -> sqlx::Result<()> {
    sqlx::query("update runs set part_of = $2 where id = $1").bind(id).bind(of).execute(db).await?;
    Ok(())
}

/// Queues the run until the runs of its tables have ended, with the attempt not counted. `report`: what it found out about its
/// sources; `None` leaves what is there.
pub(crate) async fn queue_for_parts(
    db: impl PgExecutor<'_>,
    id: Uuid,
    epoch: i64,
    report: Option<&serde_json::Value>,
) -> sqlx::Result<Option<Released>> {
    sqlx::query_as(
        "update runs set state = 'queued', divided_at = coalesce(divided_at, now()), attempt = attempt - 1, worker_id = null,
                lease_expires_at = null, stage = null, progress = null, waits_on = null, waiting_since = now(),
                waiting_code = 'tables', waits_for = 'the runs of its tables', report = coalesce($3, report)
         where id = $1 and epoch = $2 and state = 'running'
         returning queue, target_key, target_name, schedule_id",
    )
    .bind(id)
    .bind(epoch)
    .bind(report)
    .fetch_optional(db)
    .await
}

/// The queue of a run that waits for the runs of its tables, if all of these have ended. Locks the run until the transaction
/// ends.
pub(crate) async fn lock_if_parts_ended(db: &mut PgConnection, id: Uuid) -> sqlx::Result<Option<String>> {
    let queue: Option<String> = sqlx::query_scalar(
        "select queue from runs where id = $1 and state = 'queued' and divided_at is not null for update",
    )
    .bind(id)
    .fetch_optional(&mut *db)
    .await?;
    // A statement of its own, so that it sees the ends that were committed while the lock was waited for.
    Ok(if unfinished_parts(db, id).await?.is_empty() { queue } else { None })
}

/// The runs of a run's tables that have not ended, in the order of their ids.
pub(crate) async fn unfinished_parts(db: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar("select id from runs where part_of = $1 and finished_at is null order by id")
        .bind(id)
        .fetch_all(db)
        .await
}

/// The runs of these runs' tables: of each table the newest one, in the order of the tables.
pub async fn parts(db: impl PgExecutor<'_>, of: &[Uuid]) -> sqlx::Result<Vec<Run>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select distinct on (target_table) {COLUMNS} from runs where part_of = any($1) order by target_table, id desc"
    )))
    .bind(of)
    .fetch_all(db)
    .await
}

/// Those of these runs whose rows an undo has deleted.
pub async fn undone(db: impl PgExecutor<'_>, ids: &[Uuid]) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar(
        "select distinct subject_id from runs where subject_id = any($1) and kind = 'undo' and state = 'succeeded'",
    )
    .bind(ids)
    .fetch_all(db)
    .await
}

/// Another pipeline that has loaded into a table, by the identity of the table.
pub async fn other_pipeline_of(
    db: impl PgExecutor<'_>,
    target_key: &str,
    pipeline: &str,
) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar(
        "select name from runs where target_key = $1 and name <> $2 and kind in ('run', 'replay') and state = 'succeeded' limit 1",
    )
    .bind(target_key)
    .bind(pipeline)
    .fetch_optional(db)
    .await
}
