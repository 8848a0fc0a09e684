//! `elt verify`: compares the table and the sources with what a run loaded.

use std::time::Duration;

use anyhow::Context;
use clap::Args;
use elt_shared::runs::lifecycle::{self, VerifyAnswer};
use elt_shared::runs::{RunReport, RunVerification, VerifiedState};
use elt_shared::secret::KeyRing;
use elt_shared::store::runs::{self, Run};
use serde_json::json;
use sqlx::PgPool;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::audit::Deed;
use crate::exit::{Exit, refuse};
use crate::installation::Installation;
use crate::operator::operator;
use crate::out;
use crate::table::Table;

/// Time between two looks at the run that verifies.
const BETWEEN_LOOKS: Duration = Duration::from_millis(300);
/// Time after which the command says that it waits for a worker.
const SAY_AFTER: Duration = Duration::from_secs(5);

/// Compares the table and the sources with what a run loaded
///
/// Hashes the rows that the run wrote again and compares them with their stored hashes, compares the files that are still there
/// with the content that was loaded, and looks for every row of unchanged files in the table. Changes nothing. A worker does it
/// as a run of the kind verify, for which the command waits. Works on the control database directly and needs no login: name
/// the database with DATABASE_URL, or the --data-dir of an `elt up`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  elt verify 01a21567-d506-7b2c-9a31-0c5c2f1f0b77          # exit code 0: it agrees, 1: it does not
  elt verify 01a21567-d506-7b2c-9a31-0c5c2f1f0b77 --json")]
pub struct Verify {
    /// The id of the run that loaded
    run: Uuid,
    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    installation: Installation,
}

impl Verify {
    pub async fn execute(self) -> anyhow::Result<Exit> {
        let work = async |db: &PgPool, keys: &KeyRing| {
            let verifying = start(db, keys, self.run).await?;
            finished(db, verifying.id).await
        };
        let run = self.installation.change("verify", work).await?;
        let report = run.report.clone().and_then(|report| serde_json::from_value::<RunReport>(report).ok());
        let Some(found) = report.and_then(|report| report.verification) else {
            return Err(refuse(
                Exit::Failed,
                run.error.unwrap_or_else(|| format!("the verification has {}", run.state)),
                run.next_step.unwrap_or_else(|| format!("`elt report {}` shows more.", run.id)),
            ));
        };
        out::print(&if self.json { serde_json::to_string_pretty(&found)? } else { shown(&found) });
        Ok(if found.agrees { Exit::Done } else { Exit::Failed })
    }
}

/// Makes the run that verifies.
async fn start(db: &PgPool, keys: &KeyRing, id: Uuid) -> anyhow::Result<Box<Run>> {
    let mut tx = db.begin().await.context("could not begin a transaction")?;
    let by = operator();
    match lifecycle::verify(&mut tx, id, None, &by).await.context("could not start the verification")? {
        Some(VerifyAnswer::Started(new)) => {
            let (object, detail) = (format!("run {id}"), json!({ "new_run": new.id }));
            Deed { action: "verify", object, detail }.commit(tx, keys).await?;
            Ok(new)
        }
        Some(VerifyAnswer::Unfinished(run)) => Err(refuse(
            Exit::Failed,
            format!("the run is still {}", run.state),
            "Wait until it ends, or stop it on the dashboard.",
        )),
        Some(VerifyAnswer::LoadedNothing(run)) if run.divided_at.is_some() => Err(refuse(
            Exit::Failed,
            "each table of the run was loaded by a run of its own",
            format!("Verify the run of a table: `elt report {}` names it.", run.id),
        )),
        Some(VerifyAnswer::LoadedNothing(run)) => Err(refuse(
            Exit::Failed,
            format!("a {} that has {} loaded nothing that could be verified", run.kind, run.state),
            "Choose a run that loaded rows. The dashboard's list of runs shows their ids.",
        )),
        None => Err(refuse(
            Exit::Failed,
            format!("there is no run {id} in this database"),
            "The dashboard's list of runs shows their ids.",
        )),
    }
}

/// Waits for the end of a run. There is no limit, because a worker may be busy for hours; Ctrl-C leaves the run alone.
async fn finished(db: &PgPool, id: Uuid) -> anyhow::Result<Run> {
    let (began, mut told) = (Instant::now(), false);
    loop {
        let run = runs::find(db, id).await.context("could not look at the verification")?;
        let run = run.context("the verification is gone")?;
        if run.state.is_final() {
            return Ok(run);
        }
        if !told && began.elapsed() > SAY_AFTER {
            told = true;
            out::problem(&format!("Waiting for a worker to finish the run {id}. Ctrl-C ends the wait, not the run."));
        }
        sleep(BETWEEN_LOOKS).await;
    }
}

fn shown(found: &RunVerification) -> String {
    let mut text = String::new();
    let differing = found.files.iter().filter(|file| file.state != VerifiedState::Same || file.rows_missing > 0);
    let mut table = Table::new(&["file", "content", ">rows missing"]);
    let mut any = false;
    for file in differing {
        let state = match file.state {
            VerifiedState::Same => "same",
            VerifiedState::Changed => "changed",
            VerifiedState::Gone => "gone",
            VerifiedState::NotCompared => "not compared",
        };
        table.row([file.name.clone(), state.to_owned(), file.rows_missing.to_string()]);
        any = true;
    }
    if any {
        text.push_str(&table.render());
        text.push('\n');
    }
    for sentence in &found.says {
        text.push_str(sentence);
        text.push('\n');
    }
    for hash in &found.changed {
        text.push_str(&format!("changed: _elt_row_hash = '{hash}'\n"));
    }
    let verdict = if found.agrees { "agrees" } else { "does NOT agree" };
    text.push_str(&format!(
        "The table {verdict} with the run {}: {} of {} rows are there, {} of them changed.",
        found.run, found.rows_there, found.rows_written, found.rows_changed
    ));
    text
}
