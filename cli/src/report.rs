//! `elt report`: what a run did.

use anyhow::Context;
use clap::Args;
use elt_shared::settings::{DatabaseSettings, TelemetrySettings};
use elt_shared::store::runs;
use uuid::Uuid;

use crate::databases::on_control_database;
use crate::exit::{Exit, refuse};
use crate::{out, summary};

/// Shows what a run did
///
/// Rows of every file, types and why, seconds of each stage, what changed, what was left out. Needs DATABASE_URL, or
/// the --data-dir of an `elt up`.
#[derive(Debug, Args)]
pub struct Report {
    /// The run's id
    run: Uuid,
    /// Print everything kept of the run as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    telemetry: TelemetrySettings,
}

impl Report {
    pub async fn execute(self) -> anyhow::Result<Exit> {
        let found = on_control_database("report", &self.database, &self.telemetry, async |databases| {
            databases.require_migrated().await?;
            runs::find(&databases.control, self.run).await.context("could not look for the run")
        });
        let run = found.await?.ok_or_else(|| {
            let message = format!("there is no run {} in this database", self.run);
            refuse(Exit::Failed, message, "The dashboard's list of runs shows their ids.")
        })?;
        let text = if self.json { serde_json::to_string_pretty(&run)? } else { summary::of(&run) };
        out::print(&text);
        Ok(Exit::Done)
    }
}
