//! `elt retry`: repeats failed runs.

use std::time::Duration;

use anyhow::Context;
use chrono::Utc;
use clap::Args;
use elt_shared::config::parse_duration;
use elt_shared::runs::lifecycle::{self, BulkRetry, MOST_RETRIED, RetryAnswer};
use elt_shared::secret::KeyRing;
use elt_shared::store::runs::FailedFilter;
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::audit::Deed;
use crate::exit::{Exit, refuse};
use crate::installation::Installation;
use crate::operator::operator;
use crate::out;
use crate::table::Table;

/// The longest time that `--since` may name, in seconds: a year.
const LONGEST_SINCE: u64 = 366 * 86_400;

/// Repeats failed runs, one or many, each as a new run
///
/// Works on the control database directly and needs no login: name the database with DATABASE_URL, or the --data-dir of
/// an `elt up`. Workers execute the new runs. --failed leaves alone what was retried or undone already; RUN repeats any run
/// that has ended, whether it failed or not. Needs ELT_SECRET_KEY or the data folder's keys, to sign the row in the audit.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  elt retry --failed --since 2h                             # what failed in the last two hours
  elt retry --failed --since 1d --code target_unreachable   # what failed because its target was away
  elt retry --failed --since 1d --name orders --dry-run     # only shows what would be retried
  elt retry 01a21567-d506-7b2c-9a31-0c5c2f1f0b77            # one run")]
pub struct Retry {
    /// The id of one run
    #[arg(required_unless_present = "failed", conflicts_with_all = ["failed", "since", "name", "code", "dry_run"])]
    run: Option<Uuid>,
    /// Retry the runs that have failed since `--since`, at most 500 at a time
    #[arg(long, requires = "since")]
    failed: bool,
    /// How far back: 90s, 10m, 2h, 7d
    #[arg(long, value_name = "DURATION", value_parser = since)]
    since: Option<Duration>,
    /// Only of this pipeline
    #[arg(long)]
    name: Option<String>,
    /// Only runs that failed with this code, such as target_unreachable
    #[arg(long)]
    code: Option<String>,
    /// Only show what would be retried
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    installation: Installation,
}

fn since(text: &str) -> Result<Duration, String> {
    parse_duration(text, LONGEST_SINCE).map_err(|expected| format!("expected {expected}"))
}

impl Retry {
    pub async fn execute(self) -> anyhow::Result<Exit> {
        let work = async |db: &PgPool, keys: &KeyRing| match self.run {
            Some(run) => one(db, keys, run).await,
            None => self.many(db, keys).await,
        };
        self.installation.change("retry", work).await?;
        Ok(Exit::Done)
    }

    async fn many(&self, db: &PgPool, keys: &KeyRing) -> anyhow::Result<()> {
        let (name, code) = (self.name.as_deref(), self.code.as_deref());
        let since = Utc::now() - self.since.unwrap_or_default();
        let filter = FailedFilter { since: Some(since), name, code, ..FailedFilter::default() };
        let mut tx = db.begin().await.context("could not begin a transaction")?;
        let by = operator();
        let all = lifecycle::retry_failed(&mut tx, &filter, MOST_RETRIED, self.dry_run, (None, &by)).await;
        let all = all.context("could not retry the runs")?;
        if !self.dry_run && !all.retried.is_empty() {
            let detail = json!({ "since": since, "name": name, "code": code, "retried": all.retried.len(),
                "skipped": all.skipped.len() });
            Deed { action: "retry", object: "runs failed".to_owned(), detail }.commit(tx, keys).await?;
        }
        show(&all, self.dry_run);
        Ok(())
    }
}

/// Prints what is retried, what is not and why.
fn show(all: &BulkRetry, dry_run: bool) {
    let mut table = Table::new(&["run", "pipeline", "failed at", "code", if dry_run { "" } else { "new run" }]);
    for (run, new) in &all.retried {
        let failed_at = run.finished_at.map(|at| at.format("%Y-%m-%d %H:%M:%S UTC").to_string());
        table.row([
            run.id.to_string(),
            run.name.clone(),
            failed_at.unwrap_or_default(),
            run.error_code.clone().unwrap_or_default(),
            new.as_ref().map(|new| new.id.to_string()).unwrap_or_default(),
        ]);
    }
    if !all.retried.is_empty() {
        out::print(&table.render());
    }
    for skipped in &all.skipped {
        out::problem(&format!("not retried: {} of {}: {}", skipped.run.id, skipped.run.name, skipped.reason));
    }
    let what = if dry_run { "would be retried" } else { "retried" };
    out::print(&format!("{} {what}, {} left alone", all.retried.len(), all.skipped.len()));
    match (all.more, dry_run) {
        (true, true) => out::problem(&format!("There are more; a command retries {MOST_RETRIED} at a time.")),
        (true, false) => out::problem("There are more failed runs to retry: run the command again."),
        (false, _) => {}
    }
}

async fn one(db: &PgPool, keys: &KeyRing, id: Uuid) -> anyhow::Result<()> {
    let mut tx = db.begin().await.context("could not begin a transaction")?;
    let by = operator();
    match lifecycle::retry(&mut tx, id, None, &by).await.context("could not retry the run")? {
        Some(RetryAnswer::Started(new)) => {
            let (object, detail) = (format!("run {id}"), json!({ "new_run": new.id }));
            Deed { action: "retry", object, detail }.commit(tx, keys).await?;
            out::print(&new.id.to_string());
            Ok(())
        }
        Some(RetryAnswer::Unfinished(run)) => Err(refuse(
            Exit::Failed,
            format!("the run is still {}", run.state),
            "Wait until it ends, or stop it on the dashboard.",
        )),
        Some(RetryAnswer::OfBackfill(backfill)) => Err(refuse(
            Exit::Failed,
            format!("the run is one of the backfill {backfill}"),
            format!("`elt backfill resume {backfill}` loads its windows again that have failed or were stopped."),
        )),
        Some(RetryAnswer::PartOf(whole)) => Err(refuse(
            Exit::Failed,
            format!("the run loads one table of the run {whole}"),
            format!("`elt retry {whole}` loads only the tables that are missing."),
        )),
        Some(RetryAnswer::Unknown(_)) => Err(refuse(
            Exit::Failed,
            "it is unknown whether the run loaded, because its target does not answer",
            "Wait until the target answers: the run then ends by itself.",
        )),
        None => Err(refuse(
            Exit::Failed,
            format!("there is no run {id} in this database"),
            "The dashboard's list of runs shows their ids.",
        )),
    }
}
