//! `elt queues`: shows the queues and what is paused, and limits how many runs are at work.

use anyhow::Context;
use clap::{Args, Subcommand};
use elt_shared::runs::lifecycle;
use elt_shared::secret::KeyRing;
use elt_shared::store::pauses;
use elt_shared::store::queues::{self, LARGEST_LIMIT};
use serde_json::json;
use sqlx::PgPool;

use crate::audit::Deed;
use crate::exit::{Exit, refuse};
use crate::installation::Installation;
use crate::operator::operator;
use crate::out;
use crate::table::Table;

/// Shows the queues and what is paused, and limits how many runs of a queue are at work
///
/// Works on the control database directly and needs no login: name the database with DATABASE_URL, or the --data-dir of
/// an `elt up`. A change needs ELT_SECRET_KEY or the data folder's keys, to sign its row in the audit. The limit of a pipeline
/// is `concurrency` in its config.
#[derive(Debug, Args)]
pub struct Queues {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    installation: Installation,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the queues, and everything that is paused
    List,
    /// Let at most a number of runs be at work at the same time, over all workers
    Limit {
        queue: String,
        #[arg(value_parser = clap::value_parser!(u16).range(1..=i64::from(LARGEST_LIMIT)))]
        runs: u16,
    },
    /// Let as many runs be at work as the workers have slots
    Unlimit { queue: String },
}

impl Queues {
    pub async fn execute(self) -> anyhow::Result<Exit> {
        let Self { action, installation } = self;
        let (queue, runs) = match action {
            Action::List => {
                installation.open("queues", async |databases| list(&databases.control).await).await?;
                return Ok(Exit::Done);
            }
            Action::Limit { queue, runs } => (queue, Some(runs)),
            Action::Unlimit { queue } => (queue, None),
        };
        installation.change("queues", async |db, keys| limit(db, keys, &queue, runs).await).await?;
        Ok(Exit::Done)
    }
}

async fn list(db: &PgPool) -> anyhow::Result<()> {
    let mut table = Table::new(&["queue", ">queued", ">held", ">running", ">workers", ">slots", ">limit"]);
    for queue in queues::list(db).await.context("could not list the queues")? {
        table.row([
            queue.name,
            queue.queued.to_string(),
            queue.held.to_string(),
            queue.running.to_string(),
            queue.workers.to_string(),
            queue.slots.to_string(),
            queue.concurrency.map_or_else(|| "-".to_owned(), |limit| limit.to_string()),
        ]);
    }
    out::print(&table.render());
    for pause in pauses::list(db).await.context("could not list the pauses")? {
        out::print(&format!("paused: {}", pause.sentence()));
    }
    Ok(())
}

async fn limit(db: &PgPool, keys: &KeyRing, queue: &str, runs: Option<u16>) -> anyhow::Result<()> {
    let mut tx = db.begin().await.context("could not begin a transaction")?;
    if !queues::is_known(&mut *tx, queue).await.context("could not look for the queue")? {
        return Err(refuse(
            Exit::Failed,
            format!("there is no queue `{queue}`"),
            "`elt queues list` shows which there are.",
        ));
    }
    queues::set_limit(&mut *tx, queue, runs, &operator()).await.context("could not set the limit")?;
    let deed =
        Deed { action: "queues limit", object: format!("queue {queue}"), detail: json!({ "concurrency": runs }) };
    deed.commit(tx, keys).await?;
    if lifecycle::release(db, queue, "").await.is_err() {
        out::problem("The runs that waited could not be woken at once; a worker wakes them within seconds.");
    }
    out::print(&match runs {
        Some(1) => format!("at most one run of {queue} is at work at the same time"),
        Some(runs) => format!("at most {runs} runs of {queue} are at work at the same time"),
        None => format!("{queue} has no limit"),
    });
    Ok(())
}
