//! A run in this process: config version, ticket on a queue of our own, and a worker that works only that queue.

use std::sync::Arc;

use anyhow::Context;
use elt_shared::config::PipelineConfig;
use elt_shared::job;
use elt_shared::runs::{self, RunKind};
use elt_shared::secret::KeyRing;
use elt_shared::settings::{DatabaseSettings, SecretKeySettings, TelemetrySettings};
use elt_shared::store::configs::{ConfigAuthor, ConfigVersion, Purpose};
use elt_shared::store::pauses;
use elt_shared::store::runs::{NewRun, Run};
use elt_shared::store::uploads::Upload;
use elt_shared::telemetry::{self, Telemetry, TelemetryOptions};
use elt_shared::trigger::{self, OPTION_BASE, Trigger, Triggered};
use elt_worker::settings::WorkerSettings;
use serde_json::{Value, json};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::databases::{Databases, LocalMode, Part, Place};
use crate::exit::{Exit, refuse};
use crate::keys::Keys;
use crate::out;
use crate::signals::{self, Stop};
use crate::worker;

/// The settings of a command that executes a run itself.
#[derive(Debug)]
pub struct Setup {
    pub worker: WorkerSettings,
    pub secret_keys: SecretKeySettings,
    pub database: DatabaseSettings,
    pub telemetry: TelemetrySettings,
}

/// This process, ready to execute runs.
#[derive(Debug)]
pub struct InProcess<'a> {
    /// Cancelled by the first signal (gracefully) and the second one (now).
    pub stop: Stop,
    databases: &'a Databases,
    keys: Arc<KeyRing>,
    queue: String,
    settings: WorkerSettings,
}

impl<'a> InProcess<'a> {
    /// Opens the databases for `work`, which may put runs on a queue of this process and execute them. Closes the
    /// databases however it ends.
    ///
    /// # Errors
    /// When a database or the keys cannot be used, or when `work` fails.
    pub async fn during<T>(
        setup: Setup,
        mut options: TelemetryOptions,
        work: impl AsyncFnOnce(&InProcess<'_>) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        options.data_dir = Some(setup.database.data_dir());
        let mut telemetry = telemetry::init(&setup.telemetry, options)?;
        let place = Place::choose(&setup.database, LocalMode::Make)?;
        out::problem(&place.to_string());
        let stop = signals::listen()?;
        let connections = worker::connections(&setup.worker);
        Databases::during(place, &setup.database, Part::Command, connections, async |databases| {
            let process = InProcess::prepare(databases, (setup.worker, setup.secret_keys), stop, &mut telemetry).await;
            let ended = match process {
                Ok(process) => work(&process).await,
                Err(error) => Err(error),
            };
            telemetry.shutdown().await;
            ended
        })
        .await
    }

    async fn prepare(
        databases: &'a Databases,
        (worker, secret_keys): (WorkerSettings, SecretKeySettings),
        stop: Stop,
        telemetry: &mut Telemetry,
    ) -> anyhow::Result<Self> {
        let keys = Keys::prepare_ring(&databases.data_dir, &secret_keys)?;
        databases.check_keys_as_owner(keys.ring()).await?;
        let keys = keys.write_ring()?;
        databases.migrate(Some(&keys)).await?;
        databases.keep_lines_of(telemetry).await?;
        let queue = job::private_queue();
        let mut settings = worker::settings(databases, worker, Arc::clone(&keys), &stop)?;
        settings.queue.clone_from(&queue);
        Ok(Self { stop, databases, keys, queue, settings })
    }

    /// The control database.
    pub fn db(&self) -> &PgPool {
        &self.databases.control
    }

    /// Keeps the config, and starts it as the API would.
    pub async fn trigger(
        &self,
        text: String,
        pipeline: &PipelineConfig,
        now: bool,
        monitor: bool,
    ) -> anyhow::Result<Triggered> {
        let upload = self.check(text).await?;
        let mut tx = self.db().begin().await.context("could not reach the control database")?;
        // Otherwise the person at the terminal would wait for a run that does not start until somebody resumes it.
        let paused = pauses::of_pipeline(&mut *tx, &pipeline.name).await.context("could not look for a pause")?;
        if let Some(pause) = paused {
            return Err(refuse(
                Exit::Failed,
                format!("the run cannot start because of {}", pause.sentence()),
                "Let it go on with `elt resume`, or wait until somebody does.",
            ));
        }
        let config = keep(&upload, &mut tx, &self.keys, Purpose::Use).await?;
        let options = options()?;
        let request = Trigger {
            config: &config,
            pipeline,
            now,
            monitor,
            queue: &self.queue,
            priority: None,
            options,
            traceparent: telemetry::traceparent(),
            created_by: &person(),
        };
        let started = trigger::trigger(&mut tx, &request).await.context("could not start the run")?;
        tx.commit().await.context("could not start the run")?;
        Ok(started)
    }

    /// Keeps the config, and enqueues a run of another kind: a plan, a check.
    pub async fn enqueue(&self, text: String, pipeline: &PipelineConfig, kind: RunKind) -> anyhow::Result<Run> {
        let upload = self.check(text).await?;
        let mut tx = self.db().begin().await.context("could not reach the control database")?;
        let config = keep(&upload, &mut tx, &self.keys, Purpose::Trial).await?;
        let target_table = pipeline.target.table.to_string();
        let new = NewRun {
            kind,
            config_id: config.id,
            name: &pipeline.name,
            target_table: &target_table,
            trigger: runs::Trigger::Manual,
            schedule_id: None,
            subject_id: None,
            retry_of: None,
            window: None,
            queue: &self.queue,
            options: options()?,
            not_before: None,
            not_after: None,
            priority: None,
            waits_for: None,
            max_attempts: pipeline.retry.max_attempts,
            traceparent: telemetry::traceparent(),
            created_by: &person(),
        };
        let run = trigger::enqueue(&mut tx, new).await.context("could not start the run")?;
        tx.commit().await.context("could not start the run")?;
        Ok(run)
    }

    /// Works our queue until the run has ended and nothing monitors for it any more.
    pub async fn work(&self, run: Uuid) -> anyhow::Result<Run> {
        let stop = self.stop.gracefully.clone();
        elt_worker::run_one(self.db().clone(), self.settings.clone(), run, stop).await.context("the worker ended")
    }

    async fn check(&self, text: String) -> anyhow::Result<Upload> {
        let checked = tokio::task::spawn_blocking(move || Upload::check(text)).await;
        Ok(checked.context("could not check the config")??)
    }
}

async fn keep(
    upload: &Upload,
    tx: &mut PgConnection,
    keys: &KeyRing,
    purpose: Purpose,
) -> anyhow::Result<ConfigVersion> {
    let kept = upload.keep(tx, keys, (&person(), ConfigAuthor::Admin), purpose).await;
    let (config, _) = kept.context("could not keep the config")?;
    Ok(config)
}

/// Relative paths of the config start where the person is.
fn options() -> anyhow::Result<Value> {
    let folder = std::env::current_dir().context("could not find the working folder")?;
    Ok(json!({ OPTION_BASE: folder }))
}

/// Who is at the terminal, as the system knows them.
fn person() -> String {
    let user = nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten();
    format!("{} (terminal)", user.map_or_else(|| "someone".to_owned(), |user| user.name))
}
