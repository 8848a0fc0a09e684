//! The state that all parts of a worker share: its jobs, the folder watch and the process around them.

use std::sync::Arc;

use elt_shared::queue::heartbeat::Heartbeat;
use elt_shared::queue::listener::Listener;
use elt_shared::store::workers::{self, NewWorker};
use sqlx::PgPool;
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::config_cache::ConfigCache;
use crate::extract::http::SourceTokens;
use crate::housekeeper::Housekeeper;
use crate::metrics::{WorkerGauges, WorkerMetrics};
use crate::settings::WorkerSettings;

/// The reason why a worker, or the wait for its run, ended early.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The control database failed in a step that is not repeated.
    #[error("could not {doing}")]
    Database {
        /// The step, as the end of a sentence: "register the worker".
        doing: &'static str,
        /// The failure of the database.
        source: sqlx::Error,
    },
    /// The run to wait for does not exist.
    #[error("there is no run {0}")]
    NoSuchRun(Uuid),
    /// The worker ended before its run did.
    #[error("the worker ended before the run did; this is a bug in elt, please report it with the log")]
    Ended(#[source] Option<tokio::task::JoinError>),
}

/// State that all parts of a worker share. Clones share it, too.
#[derive(Clone)]
pub(crate) struct WorkerContext {
    /// The control database.
    pub db: PgPool,
    /// Flags and environment of the process.
    pub settings: Arc<WorkerSettings>,
    /// Identity of this start of the worker: `w-` and a UUID.
    pub id: String,
    /// Host name of the machine, or `unknown`.
    pub host: String,
    /// Configs that were read before.
    pub configs: ConfigCache,
    /// Tokens of APIs that its extractions share.
    pub tokens: SourceTokens,
    /// Deletes old rows in targets.
    pub housekeeper: Housekeeper,
    /// The heartbeat, which renews the leases of the worker and its runs.
    pub heartbeat: Heartbeat,
    /// The notifications that wake parts of the worker before they poll the database again.
    pub listener: Listener,
    /// One permit for each run that may be executed at the same time.
    pub slots: Arc<Semaphore>,
    /// What the worker counts.
    pub metrics: WorkerMetrics,
    /// The attempts that are being executed, also those whose queue worker died.
    pub runs: TaskTracker,
    /// Notified when an attempt has ended, because [`run_one`](crate::run_one) waits for its run to be over.
    pub attempt_ended: Arc<Notify>,
    /// The reason why the worker takes no runs, as a sentence. `None`: it takes runs.
    pub takes_nothing_because: watch::Sender<Option<String>>,
    /// Cancelled when the worker takes nothing new.
    pub stopping: CancellationToken,
    /// Cancelled when attempts are handed back to the queue at their next batch boundary.
    pub hand_back: CancellationToken,
    /// Cancelled when attempts are cut off wherever they are.
    pub abort: CancellationToken,
}

impl WorkerContext {
    /// Registers a worker in the control database.
    ///
    /// # Errors
    /// Failures of the control database.
    pub async fn register(db: PgPool, settings: WorkerSettings, stop: CancellationToken) -> Result<Self, WorkerError> {
        let id = format!("w-{}", Uuid::now_v7().simple());
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
        let (slots, heartbeat) = (Arc::new(Semaphore::new(settings.concurrency.into())), Heartbeat::default());
        let gauges =
            WorkerGauges { slots: settings.concurrency.into(), free: Arc::clone(&slots), heartbeat: heartbeat.clone() };
        let takes_nothing_because = watch::Sender::new(None);
        settings.health.note_started(heartbeat.clone(), stop.clone(), takes_nothing_because.subscribe());
        Ok(Self {
            metrics: WorkerMetrics::new(&settings.metrics, settings.named_pipelines.into(), gauges),
            slots,
            tokens: SourceTokens::new(settings.keys.clone()),
            settings: Arc::new(settings),
            db,
            id,
            host,
            configs: ConfigCache::default(),
            housekeeper: Housekeeper::default(),
            heartbeat,
            listener: Listener::default(),
            runs: TaskTracker::new(),
            attempt_ended: Arc::default(),
            takes_nothing_because,
            stopping: stop,
            hand_back: CancellationToken::new(),
            abort: CancellationToken::new(),
        })
    }
}
