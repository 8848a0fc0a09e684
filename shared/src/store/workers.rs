//! Workers: one row for each process that works runs, kept fresh by its heartbeat.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{FromRow, PgExecutor};

use crate::runs::timing::LEASE;

/// One process that works runs.
#[derive(Debug, Clone, FromRow, Serialize)]
pub struct Worker {
    /// Unique for each start of a process.
    pub id: String,
    /// Host name.
    pub host: String,
    /// Process id on that host.
    pub pid: i32,
    /// Version of the program.
    pub version: String,
    /// The queue it takes runs from.
    pub queue: String,
    /// Runs it executes at the same time.
    pub concurrency: i32,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// When it last said it is alive.
    pub heartbeat_at: DateTime<Utc>,
    /// It takes nothing new.
    pub stopping: bool,
    /// The reason why it takes no runs, as a sentence; `None`: it takes runs.
    pub takes_nothing_because: Option<String>,
    /// When it ended in good order.
    pub stopped_at: Option<DateTime<Utc>>,
    /// `working`, `stopping`, `stopped` or `lost`.
    pub state: String,
    /// Runs it works on now.
    pub running: i64,
}

/// What a worker says of itself when it starts.
#[derive(Debug, Clone)]
pub struct NewWorker<'a> {
    /// See [`Worker::id`].
    pub id: &'a str,
    /// See [`Worker::host`].
    pub host: &'a str,
    /// See [`Worker::version`].
    pub version: &'a str,
    /// See [`Worker::queue`].
    pub queue: &'a str,
    /// See [`Worker::concurrency`].
    pub concurrency: i32,
}

/// Registers a worker that starts.
pub async fn register(db: impl PgExecutor<'_>, new: &NewWorker<'_>) -> sqlx::Result<()> {
    sqlx::query(
        "insert into workers (id, host, pid, version, queue, concurrency) values ($1, $2, $3, $4, $5, $6)
         on conflict (id) do nothing",
    )
    .bind(new.id)
    .bind(new.host)
    .bind(i32::try_from(std::process::id()).unwrap_or(i32::MAX))
    .bind(new.version)
    .bind(new.queue)
    .bind(new.concurrency)
    .execute(db)
    .await?;
    Ok(())
}

/// Says that a worker takes nothing new.
pub async fn note_stopping(db: impl PgExecutor<'_>, id: &str) -> sqlx::Result<()> {
    sqlx::query("update workers set stopping = true where id = $1").bind(id).execute(db).await?;
    Ok(())
}

/// Says why a worker takes no runs; `None`: it takes them again.
pub async fn note_takes_nothing(db: impl PgExecutor<'_>, id: &str, because: Option<&str>) -> sqlx::Result<()> {
    sqlx::query("update workers set takes_nothing_because = $2 where id = $1")
        .bind(id)
        .bind(because)
        .execute(db)
        .await?;
    Ok(())
}

/// Says that a worker ended in good order.
pub async fn note_stopped(db: impl PgExecutor<'_>, id: &str) -> sqlx::Result<()> {
    sqlx::query("update workers set stopping = true, stopped_at = now() where id = $1").bind(id).execute(db).await?;
    Ok(())
}

/// Workers with what is known of them by the database's clock.
const KNOWN: &str = "
    select w.id, w.host, w.pid, w.version, w.queue, w.concurrency, w.started_at, w.heartbeat_at, w.stopping, w.stopped_at,
           w.takes_nothing_because,
           case when stopped_at is not null then 'stopped'
                when heartbeat_at < now() - make_interval(secs => $1) then 'lost'
                when stopping then 'stopping' else 'working' end as state,
           (select count(*) from runs r where r.worker_id = w.id and r.state = 'running') as running
    from workers w";

/// One worker, also when it is gone.
pub async fn find(db: impl PgExecutor<'_>, id: &str) -> sqlx::Result<Option<Worker>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!("select * from ({KNOWN}) known where id = $2")))
        .bind(LEASE.as_secs_f64())
        .bind(id)
        .fetch_optional(db)
        .await
}

/// Workers, the newest first; `with_gone` includes those that stopped or were lost.
pub async fn list(db: impl PgExecutor<'_>, with_gone: bool, limit: i64) -> sqlx::Result<Vec<Worker>> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select * from ({KNOWN}) known where $2 or state in ('working', 'stopping')
         order by started_at desc, id limit $3"
    )))
    .bind(LEASE.as_secs_f64())
    .bind(with_gone)
    .bind(limit)
    .fetch_all(db)
    .await
}

/// Forgets workers whose last heartbeat was more than `days` ago, at least a day.
pub async fn remove_lost(db: impl PgExecutor<'_>, days: u16) -> sqlx::Result<()> {
    sqlx::query("delete from workers where heartbeat_at < now() - make_interval(days => $1)")
        .bind(i32::from(days.max(1)))
        .execute(db)
        .await?;
    Ok(())
}
