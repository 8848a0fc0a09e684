//! The process around the work: it registers, keeps itself and its runs alive, takes tickets and ticks, sweeps, and
//! drains when it is asked to stop.

use std::sync::Arc;
use std::time::Duration;

use elt_shared::queue::heartbeat::Heartbeat;
use elt_shared::queue::listener::Listener;
use elt_shared::queue::workers::QueueWorkers;
use elt_shared::queue::{retention, sweeper};
use elt_shared::store::workers::{self, NewWorker};
use sqlx::PgPool;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::WorkerError;
use crate::jobs::{execute_run, tick};
use crate::known_configs::KnownConfigs;
use crate::settings::WorkerSettings;
use crate::watch;

/// Runs told to stop get this long to reach a batch boundary when the worker stops.
const HAND_BACK: Duration = Duration::from_secs(10);
/// What is still to be written when everything was cut off gets this long.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What the parts of a worker share. Clones are the same worker.
#[derive(Clone)]
pub(crate) struct Shell {
    /// The control database.
    pub db: PgPool,
    /// How to work.
    pub settings: Arc<WorkerSettings>,
    /// Unique for each start.
    pub id: String,
    /// Which machine.
    pub host: String,
    /// Configs read before.
    pub configs: KnownConfigs,
    /// Keeps leases alive.
    pub heartbeat: Heartbeat,
    /// Turns notifications of the database into wake-ups.
    pub listener: Listener,
    /// One permit a run.
    pub slots: Arc<Semaphore>,
    /// The attempts at work, also those whose queue worker died.
    pub runs: TaskTracker,
    /// Nothing new is taken.
    pub stopping: CancellationToken,
    /// Attempts go back to the queue.
    pub hand_back: CancellationToken,
    /// Attempts are cut off.
    pub abort: CancellationToken,
}

impl Shell {
    /// Registers a worker.
    pub async fn start(db: PgPool, settings: WorkerSettings, stop: CancellationToken) -> Result<Self, WorkerError> {
        let id = format!("w-{}", uuid::Uuid::now_v7().simple());
        let host = nix::unistd::gethostname().map(|host| host.to_string_lossy().into_owned());
        let host = host.unwrap_or_else(|_| "unknown".into());
        let new = NewWorker {
            id: &id,
            host: &host,
            version: env!("CARGO_PKG_VERSION"),
            queue: &settings.queue,
            concurrency: settings.concurrency.into(),
        };
        let registered = workers::register(&db, &new).await;
        registered.map_err(|source| WorkerError::Database { doing: "register the worker", source })?;
        tracing::info!(worker = id, queue = settings.queue, "worker started");
        Ok(Self {
            slots: Arc::new(Semaphore::new(settings.concurrency.into())),
            settings: Arc::new(settings),
            db,
            id,
            host,
            configs: KnownConfigs::default(),
            heartbeat: Heartbeat::default(),
            listener: Listener::default(),
            runs: TaskTracker::new(),
            stopping: stop,
            hand_back: CancellationToken::new(),
            abort: CancellationToken::new(),
        })
    }

    /// Works until it is asked to stop, then drains.
    pub async fn work(self) {
        let vital = CancellationToken::new();
        let options = self.db.connect_options().as_ref().clone();
        let vitals = TaskTracker::new();
        vitals.spawn(self.heartbeat.clone().beat(
            options.clone(),
            self.id.clone(),
            self.listener.clone(),
            vital.clone(),
        ));
        vitals.spawn(self.listener.clone().listen(options, self.settings.queue.clone(), vital.clone()));

        let chores = TaskTracker::new();
        let queue = self.settings.queue.clone();
        chores.spawn(sweeper::keep_sweeping(self.db.clone(), queue, self.stopping.clone()));
        chores.spawn(retention::keep_deleting(
            self.db.clone(),
            self.settings.keep(),
            self.settings.keys.clone(),
            self.stopping.clone(),
        ));
        chores.spawn(tick::keep_ticking(self.clone()));
        chores.spawn(watch::keep_watching(self.clone()));
        chores.close();

        let shell = self.clone();
        let handle = move |ticket| execute_run::execute(shell.clone(), ticket);
        let queue = tokio::spawn(self.queue_workers().work(handle, self.stopping.clone()));
        self.stopping.cancelled().await;
        tracing::info!(worker = self.id, "worker takes nothing new");
        let _ = timeout(LAST_WORDS, workers::note_stopping(&self.db, &self.id)).await;
        self.drain(async {
            let _ = queue.await;
            self.runs.close();
            self.runs.wait().await;
            chores.wait().await;
        })
        .await;
        vital.cancel();
        vitals.close();
        let _ = timeout(LAST_WORDS, vitals.wait()).await;
        let _ = timeout(LAST_WORDS, workers::note_stopped(&self.db, &self.id)).await;
        tracing::info!(worker = self.id, "worker stopped");
    }

    fn queue_workers(&self) -> QueueWorkers {
        QueueWorkers {
            db: self.db.clone(),
            queue: self.settings.queue.clone(),
            worker_id: self.id.clone(),
            concurrency: self.settings.concurrency.into(),
            heartbeat: self.heartbeat.clone(),
            listener: self.listener.clone(),
        }
    }

    /// Waits for the work at hand: for the grace period, then asks for it back, then cuts it off.
    async fn drain(&self, idle: impl Future<Output = ()>) {
        let mut idle = std::pin::pin!(idle);
        let force = &self.settings.force;
        tokio::select! {
            () = &mut idle => return,
            () = sleep(self.settings.grace()) => {}
            () = force.cancelled() => {}
        }
        tracing::info!(worker = self.id, "the grace period is over: runs are handed back");
        self.hand_back.cancel();
        tokio::select! {
            () = &mut idle => return,
            () = sleep(HAND_BACK) => {}
            () = force.cancelled() => {}
        }
        self.abort.cancel();
        if timeout(LAST_WORDS, idle).await.is_err() {
            tracing::warn!(worker = self.id, "work was left unfinished: other workers take it when its lease ends");
        }
    }
}
