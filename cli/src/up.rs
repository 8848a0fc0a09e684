//! `elt up`: everything in one process.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use elt_api::AppState;
use elt_api::settings::ApiSettings;
use elt_shared::settings::{DatabaseSettings, ProbeSettings, SecretKeySettings, TelemetrySettings};
use elt_shared::telemetry::{self, Telemetry, TelemetryOptions};
use elt_worker::settings::WorkerSettings;
use sqlx::PgPool;
use tokio::net::TcpListener;

use crate::account::RunAs;
use crate::databases::{Databases, LocalMode, Part, Place};
use crate::exit::Exit;
use crate::first_users::{FirstLogin, FirstUsers};
use crate::keys::{Keys, Prepared};
use crate::probes::{self, Probes};
use crate::process_metrics::{self, Process};
use crate::signals::Stop;
use crate::{out, serve, signals, worker};

/// Runs everything on this machine: database, API, dashboard and one worker
///
/// Without DATABASE_URL it keeps a private PostgreSQL in the data folder. The first start makes the keys and an
/// admin, and prints the admin's password once. More workers may join: `elt worker` with the same --data-dir.
#[derive(Debug, Args)]
pub struct Up {
    /// Execute no runs in this process
    #[arg(long)]
    no_worker: bool,
    #[command(flatten)]
    first_users: FirstUsers,
    #[command(flatten)]
    api: ApiSettings,
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

impl Up {
    pub async fn execute(self) -> anyhow::Result<Exit> {
        let data_dir = self.database.data_dir();
        self.account.drop_root(&data_dir)?;
        let options = TelemetryOptions { data_dir: Some(data_dir), ..TelemetryOptions::new("up") };
        let mut telemetry = telemetry::init(&self.telemetry, options)?;
        let stop = signals::listen()?;
        let listener = serve::listen(self.api.listen, "--listen").await?;
        let probes = probes::listen(&self.probes).await?;
        let keys = Keys::prepare(&self.database.data_dir(), self.api.jwt_key.clone(), &self.secret_keys)?;
        let place = Place::choose(&self.database, LocalMode::Make)?;
        tracing::info!("{place}");
        let database = self.database.clone();
        Databases::during(place, &database, Part::Api, serve::CONNECTIONS, async |databases| {
            let ended = self.serve_and_work(databases, (listener, probes), keys, stop, &mut telemetry).await;
            telemetry.shutdown().await;
            ended
        })
        .await
    }

    async fn serve_and_work(
        mut self,
        databases: &Databases,
        (listener, probes_listener): (TcpListener, Option<TcpListener>),
        keys: Prepared,
        stop: Stop,
        telemetry: &mut Telemetry,
    ) -> anyhow::Result<Exit> {
        databases.check_keys_as_owner(keys.ring()).await?;
        let keys = keys.write()?;
        databases.migrate(Some(&keys.ring)).await?;
        databases.claim_keys(&keys.ring).await?;
        databases.keep_lines_of(telemetry).await?;
        databases.warn_of_owner().await?;
        let (network, env_allow) = (self.worker.network.clone(), self.worker.env_allow.clone());
        // Unusable keys are refused before users are made who could not log in.
        let ring = Arc::clone(&keys.ring);
        // API and worker are one process, so their metrics are together.
        let metrics = self.api.metrics.clone();
        (self.worker.metrics, self.worker.named_pipelines) = (metrics.clone(), self.probes.metrics_pipelines);
        self.api.probes = self.probes.clone();
        let probes = Probes {
            worker: (!self.no_worker).then(|| self.worker.health.clone()),
            settings: self.probes,
            ..Probes::of_api(&metrics)
        };
        let state = serve::state(databases, self.api, network, env_allow, keys)?;
        let login = self.first_users.make_or_generate(&databases.control, &ring).await?;
        let address = listener.local_addr()?;
        serve::warn_of_plain_http(&state, address);
        greet(&state.url(address), databases, &login);
        process_metrics::register(&metrics, Process::new("up", databases, telemetry));
        probes.note_api(&state);
        let _answering = probes.start(probes_listener, stop.gracefully.clone());
        let worker = match self.no_worker {
            true => None,
            false => {
                let db = databases.open_for(Part::Worker, worker::connections(&self.worker)).await?;
                Some((db, worker::settings(databases, self.worker, Arc::clone(&ring), &stop)?))
            }
        };
        tokio::select! {
            worked = work(listener, state, worker, &stop) => worked.map(|()| Exit::Done),
            never = databases.watch_keys(&ring) => match never {},
        }
    }
}

/// Serves and works until asked to stop; when one of the two ends early, the other one stops too.
async fn work(
    listener: TcpListener,
    state: AppState,
    worker: Option<(PgPool, WorkerSettings)>,
    stop: &Stop,
) -> anyhow::Result<()> {
    let until = stop.gracefully.child_token();
    let api = async {
        elt_api::serve(listener, state, until.clone()).await;
        until.cancel();
    };
    let worker = async {
        let Some((db, settings)) = worker else { return Ok(()) };
        let answer = elt_worker::run(db.clone(), settings, until.clone()).await.context("the worker ended");
        db.close().await;
        until.cancel();
        answer
    };
    let ((), worker) = tokio::join!(api, worker);
    worker
}

fn greet(url: &str, databases: &Databases, login: &FirstLogin) {
    tracing::info!("elt {} is up at {url}", env!("CARGO_PKG_VERSION"));
    let data_dir = &databases.data_dir;
    // Without the folder the command would not find a private database.
    let named = if databases.are_private() { format!(" --data-dir {}", quoted(data_dir)) } else { String::new() };
    let login = match login {
        FirstLogin::Generated(password) => format!("admin / {}   (shown this once)", password.expose()),
        FirstLogin::Given => "as admin, with the password you gave".to_owned(),
        FirstLogin::AsBefore => format!("as set up before; `elt user password admin{named}` sets a new password"),
    };
    out::print(&format!(
        "\n  elt is up.\n\n    dashboard  {url}ui/\n    API        {url}docs\n    log in     {login}\n    \
         data       {}\n\n  Ctrl-C stops it.\n",
        data_dir.display()
    ));
}

/// A path as a shell reads it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = text.chars().all(|c| c.is_alphanumeric() || "/._-".contains(c));
    if is_plain { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
