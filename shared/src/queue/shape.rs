//! The shape of a queue worker: how apalis must be set up so that it neither loses nor repeats work.
//!
//! - Names are used once: a restart under an old name would leave the old name's tickets held for ever.
//! - One ticket at a time is fetched and at most [`SLOTS`] are worked on: more would hang its shutdown.
//! - It is woken by notifications and also looks every second: retried and delayed tickets notify nobody.
//! - When it dies of a database error it is started again after a pause, for as long as the process is to run.

use std::future::Future;
use std::time::Duration;

use apalis::prelude::{AbortError, BackendExt, BoxDynError, Monitor, WorkerBuilder, WorkerBuilderExt};
use apalis_postgres::{Config, PostgresStorage};
use serde_json::Value;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::LOOK;
use super::pulse::Pulse;
use super::wakes::Wakes;
use crate::backoff::jittered;
use crate::job::ExecuteRun;

/// Tickets one queue worker works on at the same time.
const SLOTS: usize = 4;

/// The queue takes a worker's tickets away after three of these without a heartbeat.
const QUEUE_HEARTBEAT: Duration = Duration::from_secs(10);

/// Why a handler does not answer for a ticket: the queue then delivers it again, here or elsewhere.
#[derive(Debug, thiserror::Error)]
pub enum Undelivered {
    /// The control database failed under it.
    #[error("could not look at the run")]
    Database(#[from] sqlx::Error),
    /// This process takes nothing new.
    #[error("the worker is stopping")]
    Stopping,
}

/// A process's part of a queue.
#[derive(Clone)]
pub struct QueueWorkers {
    /// The control database.
    pub db: PgPool,
    /// Which queue.
    pub queue: String,
    /// Unique for each start of the process.
    pub worker_id: String,
    /// Tickets worked on at the same time.
    pub concurrency: usize,
    /// Keeps the workers alive in the eyes of others.
    pub pulse: Pulse,
    /// Wakes them.
    pub wakes: Wakes,
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
            let slots = left.min(SLOTS);
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
            self.pulse.add_name(&name);
            let ended = self.work_once(&name, slots, handle.clone(), stop.clone()).await;
            self.pulse.remove_name(&name);
            if stop.is_cancelled() {
                return;
            }
            tracing::warn!(worker = name, error = ended.err(), "the queue worker ended and is started again");
            tokio::select! {
                () = tokio::time::sleep(jittered(Duration::from_secs(1))) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    async fn work_once<H, F>(&self, name: &str, slots: usize, handle: H, stop: CancellationToken) -> Result<(), String>
    where
        H: Fn(ExecuteRun) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<(), Undelivered>> + Send + 'static,
    {
        let config =
            Config::default().queue(&self.queue).batch_size(1).heartbeat_interval(QUEUE_HEARTBEAT).missed_heartbeats(3);
        let (db, wakes, name) = (self.db.clone(), self.wakes.clone(), name.to_owned());
        let monitor = Monitor::new().register(move |_| {
            let backend = PostgresStorage::<Value>::new(&db)
                .with_config(config.clone())
                .poll_with_stream(wakes.tickets())
                .poll_with_interval(LOOK);
            let handle = handle.clone();
            WorkerBuilder::new(name.as_str()).backend(backend).concurrency(slots).build(move |ticket: Value| {
                let handle = handle.clone();
                async move { deliver(ticket, handle).await }
            })
        });
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
    // Decoded here and not by the queue, where a ticket nobody understands would kill the worker.
    let ticket: ExecuteRun = match serde_json::from_value(ticket) {
        Ok(ticket) => ticket,
        Err(error) => {
            tracing::error!(%error, "a ticket on the queue makes no sense and is put away");
            return Err(AbortError::new(error).into());
        }
    };
    handle(ticket).await.map_err(Into::into)
}
