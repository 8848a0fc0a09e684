//! The workers of a queue: how apalis must be set up so that it neither loses nor repeats work.
//!
//! - A name is used once, because a restart under an old name would leave the old name's tickets held for ever.
//! - A worker fetches one ticket at a time and works on [`SLOTS_PER_WORKER`] at most, because its shutdown hangs with
//!   more.
//! - A worker is woken by notifications and also polls, because retried and delayed tickets raise no notification.
//! - A worker that ends because of a database error is started again after a pause, for as long as the process runs.

use std::future::Future;
use std::time::Duration;

use apalis::prelude::{AbortError, BackendExt, BoxDynError, Monitor, WorkerBuilder, WorkerBuilderExt};
use apalis_postgres::{Config, PostgresStorage};
use serde_json::Value;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::POLL_INTERVAL;
use super::heartbeat::Heartbeat;
use super::listener::Listener;
use crate::backoff::jittered;
use crate::job::ExecuteRun;

/// Tickets that one queue worker works on at the same time.
const SLOTS_PER_WORKER: usize = 4;

/// Interval of the queue's own heartbeat.
const QUEUE_HEARTBEAT_INTERVAL: Duration = Duration::from_secs(10);

/// Missed heartbeats after which the queue takes a worker's tickets away.
const QUEUE_HEARTBEATS_MISSED: usize = 3;

/// Pause before a queue worker that ended is started again.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// The reason why a handler did not handle a ticket. The queue delivers it again, here or elsewhere.
#[derive(Debug, thiserror::Error)]
pub enum Undelivered {
    /// The control database failed.
    #[error("could not look at the run")]
    Database(#[from] sqlx::Error),
    /// The process stops and takes no new tickets.
    #[error("the worker is stopping")]
    Stopping,
}

/// The workers that a process runs for a queue.
#[derive(Clone)]
pub struct QueueWorkers {
    /// The control database.
    pub db: PgPool,
    /// The queue to take tickets from.
    pub queue: String,
    /// Id of the process's worker; unique for each start.
    pub worker_id: String,
    /// Number of tickets worked on at the same time.
    pub concurrency: usize,
    /// Tells the queue that the workers live.
    pub heartbeat: Heartbeat,
    /// Wakes the workers.
    pub listener: Listener,
}

impl QueueWorkers {
    /// Hands tickets to `handle` until `stop`, then waits for the handlers at work.
    pub async fn work<H, F>(self, handle: H, stop: CancellationToken)
    where
        H: Fn(ExecuteRun) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<(), Undelivered>> + Send + 'static,
    {
        let workers = TaskTracker::new();
        let mut left = self.concurrency;
        for number in 0.. {
            // The last worker takes what is left, so that the process works on exactly `concurrency` tickets.
            let slots = left.min(SLOTS_PER_WORKER);
            if slots == 0 {
                break;
            }
            left -= slots;
            workers.spawn(self.clone().keep_working(number, slots, handle.clone(), stop.clone()));
        }
        workers.close();
        workers.wait().await;
    }

    async fn keep_working<H, F>(self, number: usize, slots: usize, handle: H, stop: CancellationToken)
    where
        H: Fn(ExecuteRun) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<(), Undelivered>> + Send + 'static,
    {
        for start in 0.. {
            let name = format!("{}-{number}-{start}", self.worker_id);
            self.heartbeat.add_queue_worker(&name);
            let ended = self.work_once(&name, slots, handle.clone(), stop.clone()).await;
            self.heartbeat.remove_queue_worker(&name);
            if stop.is_cancelled() {
                return;
            }
            tracing::warn!(worker = name, error = ended.err(), "the queue worker ended and is started again");
            tokio::select! {
                () = tokio::time::sleep(jittered(RESTART_PAUSE)) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    async fn work_once<H, F>(&self, name: &str, slots: usize, handle: H, stop: CancellationToken) -> Result<(), String>
    where
        H: Fn(ExecuteRun) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<(), Undelivered>> + Send + 'static,
    {
        let config = Config::default()
            .queue(&self.queue)
            .batch_size(1)
            .heartbeat_interval(QUEUE_HEARTBEAT_INTERVAL)
            .missed_heartbeats(QUEUE_HEARTBEATS_MISSED);
        let (db, listener, name) = (self.db.clone(), self.listener.clone(), name.to_owned());
        let monitor = Monitor::new().register(move |_| {
            let backend = PostgresStorage::<Value>::new(&db)
                .with_config(config.clone())
                .poll_with_stream(listener.tickets())
                .poll_with_interval(POLL_INTERVAL);
            let handle = handle.clone();
            WorkerBuilder::new(name.as_str()).backend(backend).concurrency(slots).build(move |ticket: Value| {
                let handle = handle.clone();
                async move { deliver(ticket, handle).await }
            })
        });
        // The context is taken before the monitor runs, because running it consumes it.
        let shutdown = monitor.context();
        let mut running = std::pin::pin!(monitor.run());
        let ended = tokio::select! {
            ended = &mut running => ended,
            () = stop.cancelled() => {
                shutdown.shutdown().map_err(|error| error.to_string())?;
                running.await
            }
        };
        ended.map_err(|error| error.to_string())
    }
}

async fn deliver<H, F>(ticket: Value, handle: H) -> Result<(), BoxDynError>
where
    H: Fn(ExecuteRun) -> F,
    F: Future<Output = Result<(), Undelivered>>,
{
    // The ticket is decoded here and not by the queue, because a ticket that cannot be decoded would end its worker.
    let ticket: ExecuteRun = match serde_json::from_value(ticket) {
        Ok(ticket) => ticket,
        Err(error) => {
            tracing::error!(%error, "a ticket on the queue makes no sense and is put away");
            return Err(AbortError::new(error).into());
        }
    };
    handle(ticket).await.map_err(Into::into)
}
