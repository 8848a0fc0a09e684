//! `elt worker`: executes runs.

use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use elt_shared::secret::KeyRing;
use elt_shared::settings::{DatabaseSettings, ProbeSettings, SecretKeySettings, TelemetrySettings};
use elt_shared::telemetry::Telemetry;
use elt_worker::settings::WorkerSettings;

use crate::account::RunAs;
use crate::databases::{Databases, Part};
use crate::exit::{Exit, refuse};
use crate::keys;
use crate::out;
use crate::probes::{self, Probes};
use crate::process_metrics::{self, Process};
use crate::server_start::{StartSettings, Started, start};
use crate::signals::Stop;
use crate::waiting::{WaitSettings, Waiting};

/// Executes runs from the queue
///
/// Any number of these may run on one control database, on any number of machines: each takes runs and ticks of
/// schedules as they come. On SIGTERM it takes nothing new and finishes or hands back what it has. Needs DATABASE_URL
/// and ELT_SECRET_KEY; on the machine of an `elt up`, the same --data-dir is enough. With ELT_WAIT_SECONDS it waits for a
/// control database that is away, read-only or not migrated yet; without it, it says what is missing and ends.
#[derive(Debug, Args)]
pub struct Worker {
    /// Bring the control database up to date first
    #[arg(long)]
    migrate: bool,
    #[command(flatten)]
    wait: WaitSettings,
    #[command(flatten)]
    worker: WorkerSettings,
    #[command(flatten)]
    probes: ProbeSettings,
    #[command(flatten)]
    secret_keys: SecretKeySettings,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    account: RunAs,
    #[command(flatten)]
    telemetry: TelemetrySettings,
}

impl Worker {
    pub async fn execute(mut self) -> anyhow::Result<Exit> {
        self.worker.named_pipelines = self.probes.metrics_pipelines;
        let keys = keys::find_ring(&self.database.data_dir(), &self.secret_keys);
        let settings = StartSettings {
            database: &self.database,
            account: &self.account,
            telemetry: &self.telemetry,
            wait: self.wait,
        };
        let Started { place, keys, mut telemetry, stop, waiting } = start("worker", settings, keys)?;
        let Some(listener) = waiting.until(async || probes::listen(&self.probes).await).await? else {
            return Ok(Exit::Done);
        };
        let _answering = self.probes().start(listener, stop.gracefully.clone());
        tracing::info!("{place}");
        let connections = connections(&self.worker);
        let opened = waiting.open(&place, &self.database, Part::Worker, connections).await?;
        let Some(databases) = opened else { return Ok(Exit::Done) };
        databases
            .use_for(async |databases| {
                let ended = self.work(databases, keys, stop, &waiting, &mut telemetry).await;
                telemetry.shutdown().await;
                ended
            })
            .await
    }

    /// What this process says about itself, also before its worker has started.
    fn probes(&self) -> Probes {
        Probes {
            worker: Some(self.worker.health.clone()),
            metrics: self.worker.metrics.clone(),
            settings: self.probes.clone(),
            ..Probes::default()
        }
    }

    async fn work(
        self,
        databases: &Databases,
        keys: Arc<KeyRing>,
        stop: Stop,
        waiting: &Waiting,
        telemetry: &mut Telemetry,
    ) -> anyhow::Result<Exit> {
        if self.migrate {
            databases.migrate(Some(&keys)).await?;
        }
        let ready = async || {
            databases.require_migrated().await?;
            databases.require_writable().await
        };
        let Some(()) = waiting.until(ready).await? else { return Ok(Exit::Done) };
        databases.check_keys(&keys).await?;
        databases.warn_of_owner().await?;
        databases.keep_lines_of(telemetry).await?;
        process_metrics::register(&self.worker.metrics, Process::new("worker", databases, telemetry));
        out::print(&format!("working on queue `{}`, {} runs at a time", self.worker.queue, self.worker.concurrency));
        let settings = settings(databases, self.worker, Arc::clone(&keys), &stop)?;
        let working = elt_worker::run(databases.control.clone(), settings, stop.gracefully);
        tokio::select! {
            ended = working => ended.context("the worker ended").map(|()| Exit::Done),
            never = databases.watch_keys(&keys) => match never {},
        }
    }
}

/// Connections to the control database: two for each run, and some for heartbeat, sweeper, schedules and queue.
pub fn connections(settings: &WorkerSettings) -> u32 {
    u32::from(settings.concurrency) * 2 + 8
}

/// The worker of this process.
///
/// # Errors
/// When ELT_HTTP_PROXY is not the address of a proxy.
pub fn settings(
    databases: &Databases,
    mut settings: WorkerSettings,
    keys: Arc<KeyRing>,
    stop: &Stop,
) -> anyhow::Result<WorkerSettings> {
    if !settings.network.has_usable_proxy() {
        return Err(refuse(
            Exit::Settings,
            "ELT_HTTP_PROXY is not the address of a proxy",
            "Write http://HOST:PORT, with USER:PASSWORD@ before the host if the proxy wants a login.",
        ));
    }
    settings.keys = Some(keys);
    settings.target_url = databases.target_url.clone();
    settings.data_dir = databases.data_dir.clone();
    settings.inbox = databases.inbox.clone();
    settings.force = stop.now.clone();
    Ok(settings)
}
