//! `elt serve`: the API and the dashboard.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;

use clap::Args;
use elt_api::settings::ApiSettings;
use elt_api::{AppState, not_ready};
use elt_shared::settings::{DatabaseSettings, NetworkSettings, ProbeSettings, SecretKeySettings, TelemetrySettings};
use elt_shared::telemetry::Telemetry;
use tokio::net::TcpListener;

use crate::account::RunAs;
use crate::databases::{Databases, Part};
use crate::exit::{Exit, refuse, refuse_for_now};
use crate::first_users::FirstUsers;
use crate::keys::Keys;
use crate::out;
use crate::probes::{self, Probes};
use crate::process_metrics::{self, Process};
use crate::server_start::{StartSettings, Started, start};
use crate::signals::Stop;
use crate::waiting::{WaitSettings, Waiting};

/// Connections to the control database for answering requests.
pub const CONNECTIONS: u32 = 16;

/// Serves the API and the dashboard
///
/// Any number of these may run on one control database, beside any number of `elt worker`. Needs DATABASE_URL,
/// ELT_JWT_KEY and ELT_SECRET_KEY, the same everywhere; on the machine of an `elt up`, the same --data-dir is enough.
/// With ELT_WAIT_SECONDS it waits for a control database that is away or not migrated yet. On SIGTERM it is not ready any
/// more, goes on answering for ELT_DRAIN_SECONDS, and ends when open requests have finished.
#[derive(Debug, Args)]
pub struct Serve {
    /// Bring the control database up to date first
    #[arg(long)]
    migrate: bool,
    /// Names `${env:NAME}` in an admin's data view may stand for, separated by commas
    #[arg(long, env = "ELT_ENV_ALLOW", value_delimiter = ',')]
    env_allow: Vec<String>,
    #[command(flatten)]
    wait: WaitSettings,
    #[command(flatten)]
    first_users: FirstUsers,
    #[command(flatten)]
    api: ApiSettings,
    #[command(flatten)]
    probes: ProbeSettings,
    #[command(flatten)]
    network: NetworkSettings,
    #[command(flatten)]
    secret_keys: SecretKeySettings,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    account: RunAs,
    #[command(flatten)]
    telemetry: TelemetrySettings,
}

impl Serve {
    pub async fn execute(self) -> anyhow::Result<Exit> {
        let keys = Keys::find(&self.database.data_dir(), self.api.jwt_key.clone(), &self.secret_keys);
        let settings = StartSettings {
            database: &self.database,
            account: &self.account,
            telemetry: &self.telemetry,
            wait: self.wait,
        };
        let Started { place, keys, mut telemetry, stop, waiting } = start("serve", settings, keys)?;
        let listening = waiting
            .until(async || Ok((listen(self.api.listen, "--listen").await?, probes::listen(&self.probes).await?)));
        let Some((listener, probes_listener)) = listening.await? else { return Ok(Exit::Done) };
        let probes = Probes { settings: self.probes.clone(), ..Probes::of_api(&self.api.metrics) };
        let _answering = probes.clone().start(probes_listener, stop.gracefully.clone());
        tracing::info!("{place}");
        let opening = waiting.open(&place, &self.database, Part::Api, CONNECTIONS);
        let opened = not_ready::answer_during(opening, &listener, &self.api, waiting.awaited()).await??;
        let Some(databases) = opened else { return Ok(Exit::Done) };
        databases
            .use_for(async |databases| {
                let ended = self.answer(databases, (listener, probes), keys, stop, &waiting, &mut telemetry).await;
                telemetry.shutdown().await;
                ended
            })
            .await
    }

    async fn answer(
        mut self,
        databases: &Databases,
        (listener, probes): (TcpListener, Probes),
        keys: Keys,
        stop: Stop,
        waiting: &Waiting,
        telemetry: &mut Telemetry,
    ) -> anyhow::Result<Exit> {
        let preparing = async {
            if self.migrate {
                databases.migrate(Some(&keys.ring)).await?;
            }
            waiting.until(async || databases.require_migrated().await).await
        };
        let prepared = not_ready::answer_during(preparing, &listener, &self.api, waiting.awaited()).await??;
        let Some(()) = prepared else { return Ok(Exit::Done) };
        databases.warn_of_read_only().await?;
        databases.claim_keys(&keys.ring).await?;
        databases.warn_of_owner().await?;
        databases.keep_lines_of(telemetry).await?;
        // Unusable keys are refused before users are made who could not log in.
        let ring = Arc::clone(&keys.ring);
        self.api.probes = self.probes;
        let metrics = self.api.metrics.clone();
        let state = state(databases, self.api, self.network, self.env_allow, keys)?;
        self.first_users.make(&databases.control, &ring).await?;
        let address = listener.local_addr()?;
        let url = state.url(address);
        tracing::info!("elt {} answers at {url}", env!("CARGO_PKG_VERSION"));
        warn_of_plain_http(&state, address);
        process_metrics::register(&metrics, Process::new("serve", databases, telemetry));
        probes.note_api(&state);
        out::print(&format!("elt answers at {url}"));
        tokio::select! {
            () = elt_api::serve(listener, state, stop.gracefully) => Ok(Exit::Done),
            never = databases.watch_keys(&ring) => match never {},
        }
    }
}

/// Takes the address of a flag, or says who should give way. A server can wait for an address that this machine does not have yet,
/// for example one that moves between machines.
pub async fn listen(address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let message = format!("could not listen on {address}: {error}");
        match error.kind() {
            ErrorKind::AddrNotAvailable => refuse_for_now(
                Exit::Settings,
                "the address to listen on is not there",
                message,
                format!("Give this machine the address, or choose another one with {flag}."),
            ),
            _ => refuse(
                Exit::Settings,
                message,
                format!("Choose another address with {flag}, or end the program that has this one."),
            ),
        }
    })
}

/// Logs that passwords and tokens can be read on the way, when other machines are answered without TLS.
pub fn warn_of_plain_http(state: &AppState, address: SocketAddr) {
    if !state.uses_tls() && !address.ip().to_canonical().is_loopback() {
        tracing::warn!(
            "other machines reach {address} by plain HTTP, so everyone on the way can read passwords, tokens and rows: \
             set ELT_TLS_CERT and ELT_TLS_KEY, or listen on 127.0.0.1 behind a reverse proxy that speaks HTTPS"
        );
    }
}

/// The API of this process.
pub fn state(
    databases: &Databases,
    mut settings: ApiSettings,
    network: NetworkSettings,
    env_allow: Vec<String>,
    keys: Keys,
) -> anyhow::Result<AppState> {
    settings.jwt_key = Some(keys.jwt);
    settings.keys = Some(keys.ring);
    settings.target_url = databases.target_url.clone();
    settings.data_dir = databases.data_dir.clone();
    settings.uploads.inbox = databases.inbox.clone();
    settings.oidc.public_url.clone_from(&network.public_url);
    settings.network = network;
    settings.env_allow = env_allow;
    Ok(AppState::new(databases.control.clone(), settings)?)
}
