//! `elt worker`: executes runs.

use anyhow::Context;
use clap::Args;
use elt_shared::secret::Secret;
use elt_shared::settings::{DatabaseSettings, TelemetrySettings, secret};
use elt_shared::telemetry::{self, TelemetryOptions};
use elt_worker::settings::WorkerSettings;

use crate::databases::Databases;
use crate::exit::Exit;
use crate::keys::Keys;
use crate::{out, signals};

/// Executes runs from the queue
///
/// Any number of these may run on one control database, on any number of machines: each takes runs and ticks of
/// schedules as they come. On SIGTERM it takes nothing new and finishes or hands back what it has.
#[derive(Debug, Args)]
pub struct Worker {
    /// Bring the control database up to date first
    #[arg(long)]
    migrate: bool,
    /// Opens sealed secrets: at least 32 bytes, the same on every replica
    #[arg(long, env = "ELT_SECRET_KEY", hide_env_values = true, value_parser = secret)]
    secret_key: Option<Secret>,
    #[command(flatten)]
    worker: WorkerSettings,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    telemetry: TelemetrySettings,
}

impl Worker {
    pub async fn execute(self) -> anyhow::Result<Exit> {
        let options = TelemetryOptions { data_dir: Some(self.database.data_dir()), ..TelemetryOptions::new("worker") };
        let mut telemetry = telemetry::init(&self.telemetry, options)?;
        let stop = signals::listen()?;
        Keys::find_secret(&self.database.data_dir(), self.secret_key)?;
        let databases = Databases::open(&self.database, connections(&self.worker)).await?;
        if self.migrate {
            databases.migrate().await?;
        }
        databases.require_migrated().await?;
        databases.keep_lines_of(&mut telemetry).await?;

        out::print(&format!("working on queue `{}`, {} runs at a time", self.worker.queue, self.worker.concurrency));
        let settings = settings(&databases, self.worker, &stop);
        elt_worker::run(databases.control.clone(), settings, stop.gracefully).await.context("the worker ended")?;
        telemetry.shutdown().await;
        databases.close().await?;
        Ok(Exit::Done)
    }
}

/// Connections to the control database: two for each run, and some for heartbeat, sweeper, schedules and queue.
pub fn connections(settings: &WorkerSettings) -> u32 {
    u32::from(settings.concurrency) * 2 + 8
}

/// The worker of this process.
pub fn settings(databases: &Databases, mut settings: WorkerSettings, stop: &signals::Stop) -> WorkerSettings {
    settings.target_url = databases.target_url.clone();
    settings.data_dir = databases.data_dir.clone();
    settings.force = stop.now.clone();
    settings
}
