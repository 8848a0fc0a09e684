//! `elt workers`: shows the workers, and drains one.

use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand};
use elt_shared::secret::KeyRing;
use elt_shared::settings::{DatabaseSettings, SecretKeySettings, TelemetrySettings};
use elt_shared::store::workers::{self, DrainAnswer, Worker};
use serde_json::json;
use sqlx::PgPool;
use tokio::time::{Instant, sleep};

use crate::audit::Deed;
use crate::databases::on_control_database;
use crate::exit::{Exit, refuse};
use crate::operator::operator;
use crate::table::Table;
use crate::{keys, out};

/// Workers listed at most.
const WORKERS: i64 = 1_000;

/// Time between two looks at a worker that is drained.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Shows the workers, drains one, and lets it take runs again
///
/// A drained worker takes no new runs and finishes the ones it has. It stays drained until it is undrained or its process
/// ends: a worker that is started anew takes runs. Works on the control database directly and needs no login: name the
/// database with DATABASE_URL, or the --data-dir of an `elt up`. A change needs ELT_SECRET_KEY or the data folder's keys, to sign its row in the audit.
#[derive(Debug, Args)]
pub struct Workers {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    secret_keys: SecretKeySettings,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    telemetry: TelemetrySettings,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the workers, the newest first
    List {
        /// Also those that stopped or were lost
        #[arg(long)]
        gone: bool,
    },
    /// Let a worker take nothing new; it finishes the runs it has
    Drain {
        /// Id of the worker, the beginning of one, or the host of the only worker there
        worker: String,
        /// Wait until it has no run any more
        #[arg(long)]
        wait: bool,
        /// Longest wait in seconds; the worker stays drained afterwards
        #[arg(long, value_name = "SECONDS", default_value_t = 86_400, requires = "wait")]
        timeout: u64,
    },
    /// Let a drained worker take runs again
    Undrain {
        /// Id of the worker, the beginning of one, or the host of the only worker there
        worker: String,
    },
}

impl Workers {
    pub async fn execute(self) -> anyhow::Result<Exit> {
        let keys = match self.action {
            Action::List { .. } => None,
            _ => Some(keys::find_ring(&self.database.data_dir(), &self.secret_keys)?),
        };
        on_control_database("workers", &self.database, &self.telemetry, async |databases| {
            databases.require_migrated().await?;
            if let Some(keys) = &keys {
                databases.require_keys_in_use(keys).await?;
            }
            let db = &databases.control;
            match (self.action, &keys) {
                (Action::Drain { worker, wait, timeout }, Some(keys)) => {
                    let worker = set_drained(db, keys, &worker, true).await?;
                    if wait { wait_until_drained(db, worker, Duration::from_secs(timeout)).await } else { Ok(()) }
                }
                (Action::Undrain { worker }, Some(keys)) => set_drained(db, keys, &worker, false).await.map(|_| ()),
                (Action::List { gone }, _) => list(db, gone).await,
                _ => Ok(()),
            }
        })
        .await?;
        Ok(Exit::Done)
    }
}

async fn list(db: &PgPool, gone: bool) -> anyhow::Result<()> {
    let mut table = Table::new(&["worker", "host", "state", ">running", ">slots", "queue", "version", "since"]);
    let workers = workers::list(db, gone, WORKERS).await.context("could not list the workers")?;
    let skew = workers::version_skew(&workers, env!("CARGO_PKG_VERSION"));
    for worker in workers {
        let state = match &worker.drain_asked_by {
            Some(by) if !worker.is_gone() => format!("{} (asked by {by})", worker.state),
            _ => worker.state,
        };
        table.row([
            worker.id,
            worker.host,
            state,
            worker.running.to_string(),
            worker.concurrency.to_string(),
            worker.queue,
            worker.version,
            worker.started_at.format("%Y-%m-%d %H:%M").to_string(),
        ]);
    }
    out::print(&table.render());
    if let Some(skew) = skew {
        out::problem(&skew);
    }
    Ok(())
}

async fn set_drained(db: &PgPool, keys: &KeyRing, name: &str, drained: bool) -> anyhow::Result<Worker> {
    let worker = find(db, name).await?;
    let mut tx = db.begin().await.context("could not begin a transaction")?;
    let operator = operator();
    let by = drained.then_some(operator.as_str());
    let answer = workers::set_drained(&mut tx, &worker.id, by).await.context("could not change the worker")?;
    let worker = match answer {
        Some(DrainAnswer::Noted(worker)) => worker,
        Some(DrainAnswer::Gone(worker)) if drained => worker,
        _ => {
            return Err(refuse(
                Exit::Failed,
                format!("the worker {} is gone, so it cannot take runs again", worker.id),
                "Start a new worker: it is not drained.",
            ));
        }
    };
    let action = if drained { "workers drain" } else { "workers undrain" };
    let deed = Deed { action, object: format!("worker {}", worker.id), detail: json!({ "host": worker.host }) };
    deed.commit(tx, keys).await?;
    out::print(&told(&worker));
    Ok(worker)
}

/// The worker's state as a sentence.
fn told(worker: &Worker) -> String {
    let runs = if worker.running == 1 { "run" } else { "runs" };
    match worker.state.as_str() {
        "draining" => format!("{} takes nothing new and finishes {} {runs}", worker.id, worker.running),
        "drained" => format!("{} is drained: it has no run and takes none", worker.id),
        "working" => format!("{} takes runs", worker.id),
        state => format!("{} is {state}: it takes nothing", worker.id),
    }
}

async fn wait_until_drained(db: &PgPool, mut worker: Worker, longest: Duration) -> anyhow::Result<()> {
    let deadline = Instant::now() + longest;
    // A worker that has no runs and takes none is drained, whether its process still runs or not.
    while worker.running > 0 && !worker.is_gone() {
        if worker.drain_asked_at.is_none() {
            return Err(refuse(
                Exit::Failed,
                format!("somebody undrained {} meanwhile", worker.id),
                "`elt audit export` says who; drain it again if it should still be drained.",
            ));
        }
        if Instant::now() >= deadline {
            return Err(refuse(
                Exit::Failed,
                format!("{} still has {} runs after {} s", worker.id, worker.running, longest.as_secs()),
                "It stays drained. Wait longer with --timeout, or stop its runs.",
            ));
        }
        sleep(LOOK_AGAIN).await;
        let again = workers::find(db, &worker.id).await.context("could not look at the worker")?;
        let Some(again) = again else { break };
        worker = again;
    }
    out::print(&told(&worker));
    Ok(())
}

/// The worker that a name means: its id, the beginning of one id, or the host of the only worker there.
async fn find(db: &PgPool, name: &str) -> anyhow::Result<Worker> {
    let exact = workers::find(db, name).await.context("could not look for the worker")?;
    if let Some(worker) = exact {
        return Ok(worker);
    }
    let live = workers::list(db, false, WORKERS).await.context("could not list the workers")?;
    let named: Vec<Worker> =
        live.into_iter().filter(|worker| worker.host == name || worker.id.starts_with(name)).collect();
    match <[Worker; 1]>::try_from(named) {
        Ok([worker]) => Ok(worker),
        Err(named) if named.is_empty() => Err(refuse(
            Exit::Failed,
            format!("there is no live worker `{name}`"),
            "`elt workers list` shows the ids of all workers.",
        )),
        Err(named) => {
            let ids: Vec<&str> = named.iter().map(|worker| worker.id.as_str()).collect();
            Err(refuse(
                Exit::Failed,
                format!("`{name}` means {} workers: {}", named.len(), ids.join(", ")),
                "Name one of these ids.",
            ))
        }
    }
}
