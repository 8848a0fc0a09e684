//! Workers: one row for each process that works runs, kept fresh by its heartbeat.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{FromRow, PgConnection, PgExecutor};

use crate::queue::FLEET_CHANNEL;
use crate::runs::leases::LEASE;

/// Workers listed at most.
pub const MOST_LISTED: i64 = 1_000;

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
    /// It takes nothing new, because its process ends.
    pub stopping: bool,
    /// The reason why it takes no runs, as a sentence; `None`: it takes runs.
    pub takes_nothing_because: Option<String>,
    /// When it ended in good order.
    pub stopped_at: Option<DateTime<Utc>>,
    /// Since when it should take nothing new; `None`: it is not drained.
    pub drain_asked_at: Option<DateTime<Utc>>,
    /// The user who drained it.
    pub drain_asked_by: Option<String>,
    /// `working`, `draining` (it finishes the runs it has), `drained` (it has no run any more), `stopping`, `stopped` or
    /// `lost`.
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

/// The answer to a request to drain a worker, or to let it go on.
#[derive(Debug, Clone)]
pub enum DrainAnswer {
    /// The worker as it is now; also when it was drained, or not, already.
    Noted(Worker),
    /// It has stopped, so it takes nothing anyway. A lost worker is not gone in this sense, because it may come back.
    Gone(Worker),
}

/// Lets a worker take nothing new, or take runs again, and wakes it. `None`: the worker does not exist. The first request
/// to drain counts: a second one changes neither its time nor its user.
pub async fn set_drained(db: &mut PgConnection, id: &str, by: Option<&str>) -> sqlx::Result<Option<DrainAnswer>> {
    // The lock makes the change wait for attempts that the worker is beginning, so that a worker without runs after this
    // transaction begins none any more.
    sqlx::query("select id from workers where id = $1 for update").bind(id).execute(&mut *db).await?;
    let Some(worker) = find(&mut *db, id).await? else { return Ok(None) };
    if worker.stopped_at.is_some() {
        return Ok(Some(DrainAnswer::Gone(worker)));
    }
    sqlx::query(
        "update workers set drain_asked_at = case when $2::text is not null then coalesce(drain_asked_at, now()) end,
                drain_asked_by = case when $2 is not null then coalesce(drain_asked_by, $2) end
         where id = $1",
    )
    .bind(id)
    .bind(by)
    .execute(&mut *db)
    .await?;
    announce(&mut *db).await?;
    Ok(find(&mut *db, id).await?.map(DrainAnswer::Noted))
}

/// Wakes all workers, once the caller's transaction commits, to look whether they may still take runs.
pub async fn announce(db: impl PgExecutor<'_>) -> sqlx::Result<()> {
    sqlx::query("select pg_notify($1, '')").bind(FLEET_CHANNEL).execute(db).await?;
    Ok(())
}

impl Worker {
    /// Whether it takes nothing any more, because its process ended or was lost.
    pub fn is_gone(&self) -> bool {
        matches!(self.state.as_str(), "stopped" | "lost")
    }
}

/// A sentence about live workers whose version is not `own`. `None`: all of them have the same version.
pub fn version_skew(workers: &[Worker], own: &str) -> Option<String> {
    let mut others: Vec<String> = Vec::new();
    for worker in workers.iter().filter(|worker| !worker.is_gone() && worker.version != own) {
        let entry = format!("{} ({})", worker.version, worker.host);
        if !others.contains(&entry) {
            others.push(entry);
        }
    }
    if others.is_empty() {
        return None;
    }
    others.sort();
    Some(format!(
        "workers run other versions than {own}: {}. Finish the upgrade: restart them with the same version, one after the other.",
        others.join(", ")
    ))
}

/// Workers with what is known of them by the database's clock.
const KNOWN: &str = "
    select w.id, w.host, w.pid, w.version, w.queue, w.concurrency, w.started_at, w.heartbeat_at, w.stopping, w.stopped_at,
           w.drain_asked_at, w.drain_asked_by, w.takes_nothing_because, at_work.running,
           case when stopped_at is not null then 'stopped'
                when heartbeat_at < now() - make_interval(secs => $1) then 'lost'
                when stopping then 'stopping'
                when drain_asked_at is null then 'working'
                when at_work.running > 0 then 'draining' else 'drained' end as state
    from workers w
    cross join lateral (
        select count(*) as running from runs r where r.worker_id = w.id and r.state = 'running') at_work";

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
        "select * from ({KNOWN}) known where $2 or state not in ('stopped', 'lost')
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

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(host: &str, version: &str, state: &str) -> Worker {
        Worker {
            id: format!("w-{host}"),
            host: host.into(),
            pid: 1,
            version: version.into(),
            queue: "elt".into(),
            concurrency: 1,
            started_at: DateTime::UNIX_EPOCH,
            heartbeat_at: DateTime::UNIX_EPOCH,
            stopping: false,
            takes_nothing_because: None,
            stopped_at: None,
            drain_asked_at: None,
            drain_asked_by: None,
            state: state.into(),
            running: 0,
        }
    }

    #[test]
    fn only_live_workers_of_another_version_are_named_and_each_once() {
        let same = worker("a", "2.0.0", "working");
        let gone = worker("b", "1.0.0", "stopped");
        assert_eq!(version_skew(&[same.clone(), gone.clone()], "2.0.0"), None);
        assert_eq!(version_skew(&[], "2.0.0"), None);
        let mixed = [
            worker("d", "1.9.0", "drained"),
            worker("c", "1.9.0", "working"),
            worker("c", "1.9.0", "lost"),
            same,
            gone,
        ];
        let warning = version_skew(&mixed, "2.0.0").expect("they differ");
        assert!(warning.starts_with("workers run other versions than 2.0.0: 1.9.0 (c), 1.9.0 (d). "), "{warning}");
    }
}
