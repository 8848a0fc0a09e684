//! `elt workers`: shows the workers, and drains one.

use std::time::Duration;

use anyhow::Context;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use elt_shared::secret::KeyRing;
use elt_shared::store::workers::{self, DrainAnswer, MOST_LISTED, Worker};
use serde_json::json;
use sqlx::PgPool;
use tokio::time::{Instant, sleep};

use crate::audit::Deed;
use crate::exit::{Exit, refuse};
use crate::installation::Installation;
use crate::operator::operator;
use crate::out;
use crate::table::Table;

/// Time between two looks at a worker that is drained.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Shows the workers, drains one, and lets it take runs again
///
/// A drained worker takes no new runs and finishes the ones it has. It stays drained until it is undrained or its process
/// ends: a worker that is started anew takes runs. Works on the control database directly and needs no login: name the
/// database with DATABASE_URL, or the --data-dir of an `elt up`. A change needs ELT_SECRET_KEY or the data folder's keys, to
/// sign its row in the audit.
#[derive(Debug, Args)]
pub struct Workers {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    installation: Installation,
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
        #[arg(value_parser = NonEmptyStringValueParser::new())]
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
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        worker: String,
    },
}

impl Workers {
    pub async fn execute(self) -> anyhow::Result<Exit> {
        let Self { action, installation } = self;
        match action {
            Action::List { gone } => {
                installation.open("workers", async |databases| list(&databases.control, gone).await).await?;
            }
            Action::Drain { worker, wait, timeout } => {
                let drain = async |db: &PgPool, keys: &KeyRing| {
                    let worker = set_drained(db, keys, &worker, true).await?;
                    if wait { wait_until_drained(db, worker, Duration::from_secs(timeout)).await } else { Ok(()) }
                };
                installation.change("workers", drain).await?;
            }
            Action::Undrain { worker } => {
                let undrain = async |db: &PgPool, keys: &KeyRing| set_drained(db, keys, &worker, false).await.map(drop);
                installation.change("workers", undrain).await?;
            }
        }
        Ok(Exit::Done)
    }
}

async fn list(db: &PgPool, gone: bool) -> anyhow::Result<()> {
    let mut table = Table::new(&["worker", "host", "state", ">running", ">slots", "queue", "version", "since"]);
    let workers = workers::list(db, gone, MOST_LISTED).await.context("could not list the workers")?;
    let skew = workers::version_skew(&workers, env!("CARGO_PKG_VERSION"));
    let mut takes_nothing = Vec::new();
    for worker in workers {
        if let Some(because) = worker.takes_nothing_because.as_ref().filter(|_| !worker.is_gone()) {
            takes_nothing.push(format!("{} takes no runs: {because}", worker.id));
        }
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
    for line in takes_nothing {
        out::print(&line);
    }
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
    out::print(&sentence(&worker));
    Ok(worker)
}

/// The worker's state as a sentence.
fn sentence(worker: &Worker) -> String {
    let id = &worker.id;
    match (worker.state.as_str(), worker.drain_asked_at) {
        ("draining", _) => format!("{id} takes nothing new and finishes {}", runs(worker.running)),
        ("drained", _) => format!("{id} is drained: it has no run and takes none"),
        ("working", _) => format!("{id} takes runs"),
        ("lost", Some(_)) => format!("{id} is drained; it is lost now and takes nothing if it comes back"),
        ("lost", None) => format!("{id} is lost; it takes runs if it comes back"),
        (state, _) => format!("{id} is {state}: it takes nothing"),
    }
}

/// `1 run`, `2 runs`.
fn runs(number: i64) -> String {
    format!("{number} {}", if number == 1 { "run" } else { "runs" })
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
                format!("{} still has {} after {} s", worker.id, runs(worker.running), longest.as_secs()),
                "It stays drained. Wait longer with --timeout, or stop its runs.",
            ));
        }
        sleep(LOOK_AGAIN).await;
        let again = workers::find(db, &worker.id).await.context("could not look at the worker")?;
        let Some(again) = again else { break };
        worker = again;
    }
    out::print(&sentence(&worker));
    Ok(())
}

/// The worker that a name means: its id, the beginning of one id, or the host of the only worker there.
async fn find(db: &PgPool, name: &str) -> anyhow::Result<Worker> {
    let exact = workers::find(db, name).await.context("could not look for the worker")?;
    if let Some(worker) = exact {
        return Ok(worker);
    }
    let live = workers::list(db, false, MOST_LISTED).await.context("could not list the workers")?;
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

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;

    fn worker(state: &str, drain_asked_at: Option<DateTime<Utc>>, running: i64) -> Worker {
        Worker {
            id: "w-1".into(),
            host: "alpha".into(),
            pid: 7,
            version: "0.1.0".into(),
            queue: "elt".into(),
            concurrency: 2,
            started_at: DateTime::UNIX_EPOCH,
            heartbeat_at: DateTime::UNIX_EPOCH,
            stopping: false,
            takes_nothing_because: None,
            stopped_at: None,
            drain_asked_at,
            drain_asked_by: drain_asked_at.map(|_| "ann".into()),
            state: state.into(),
            running,
        }
    }

    #[test]
    fn a_sentence_says_what_a_drained_worker_does_and_what_a_lost_one_will_do() {
        let drained = Some(DateTime::UNIX_EPOCH);
        for (worker, expected) in [
            (worker("draining", drained, 1), "w-1 takes nothing new and finishes 1 run"),
            (worker("draining", drained, 2), "w-1 takes nothing new and finishes 2 runs"),
            (worker("working", None, 2), "w-1 takes runs"),
            (worker("lost", drained, 1), "w-1 is drained; it is lost now and takes nothing if it comes back"),
            (worker("lost", None, 1), "w-1 is lost; it takes runs if it comes back"),
            (worker("stopped", None, 0), "w-1 is stopped: it takes nothing"),
        ] {
            assert_eq!(sentence(&worker), expected);
        }
    }
}
