//! `elt serve`: the API and the dashboard.

use std::net::SocketAddr;
use std::sync::Arc;

use clap::Args;
use elt_api::AppState;
use elt_api::settings::ApiSettings;
use elt_shared::settings::{DatabaseSettings, NetworkSettings, ProbeSettings, SecretKeySettings, TelemetrySettings};
use elt_shared::telemetry::{self, Telemetry, TelemetryOptions};
use tokio::net::TcpListener;

use crate::account::RunAs;
use crate::databases::{Databases, LocalMode, Part, Place};
use crate::exit::{Exit, both, refuse};
use crate::first_users::FirstUsers;
use crate::keys::Keys;
use crate::probes::{self, Probes};
use crate::process_metrics::{self, Process};
use crate::signals::Stop;
use crate::{out, signals};

/// Connections to the control database for answering requests.
pub const CONNECTIONS: u32 = 16;

/// Serves the API and the dashboard
///
/// Any number of these may run on one control database, beside any number of `elt worker`. Needs DATABASE_URL,
/// ELT_JWT_KEY and ELT_SECRET_KEY, the same everywhere; on the machine of an `elt up`, the same --data-dir is enough.
#[derive(Debug, Args)]
pub struct Serve {
    /// Bring the control database up to date first
    #[arg(long)]
    migrate: bool,
    /// Names `${env:NAME}` in an admin's data view may stand for, separated by commas
    #[arg(long, env = "ELT_ENV_ALLOW", value_delimiter = ',')]
    env_allow: Vec<String>,
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
        // Before anything is written: a refused start leaves nothing behind.
        let keys = Keys::find(&self.database.data_dir(), self.api.jwt_key.clone(), &self.secret_keys);
        let (place, keys) = both(Place::choose(&self.database, LocalMode::Join), keys)?;
        self.account.drop_root(&self.database.data_dir())?;
        let options = TelemetryOptions { data_dir: Some(self.database.data_dir()), ..TelemetryOptions::new("serve") };
        let mut telemetry = telemetry::init(&self.telemetry, options)?;
        let stop = signals::listen()?;
        let listener = listen(self.api.listen).await?;
        let probes = probes::listen(&self.probes).await?;
        tracing::info!("{place}");
        let database = self.database.clone();
        Databases::during(place, &database, Part::Api, CONNECTIONS, async |databases| {
            let ended = self.answer(databases, (listener, probes), keys, stop, &mut telemetry).await;
            telemetry.shutdown().await;
            ended
        })
        .await
    }

    async fn answer(
        mut self,
        databases: &Databases,
        (listener, probes_listener): (TcpListener, Option<TcpListener>),
        keys: Keys,
        stop: Stop,
        telemetry: &mut Telemetry,
    ) -> anyhow::Result<Exit> {
        if self.migrate {
            databases.migrate(Some(&keys.ring)).await?;
        }
        databases.require_migrated().await?;
        databases.check_keys(&keys.ring).await?;
        databases.warn_of_owner().await?;
        databases.keep_lines_of(telemetry).await?;
        // Unusable keys are refused before users are made who could not log in.
        let ring = Arc::clone(&keys.ring);
        self.api.probes = self.probes.clone();
        let metrics = self.api.metrics.clone();
        let state = state(databases, self.api, self.network, self.env_allow, keys)?;
        self.first_users.make(&databases.control, &ring).await?;
        let address = listener.local_addr()?;
        let url = state.url(address);
        tracing::info!("elt {} answers at {url}", env!("CARGO_PKG_VERSION"));
        warn_of_plain_http(&state, address);
        process_metrics::register(&metrics, Process::new("serve", databases, telemetry));
        let probes = Probes { api: Some(state.clone()), metrics, settings: self.probes, ..Probes::default() };
        let _answering = probes.start(probes_listener, stop.gracefully.clone());
        out::print(&format!("elt answers at {url}"));
        elt_api::serve(listener, state, stop.gracefully).await;
        Ok(Exit::Done)
    }
}

/// Takes the address, or says who should give way.
pub async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        refuse(
            Exit::Settings,
            format!("could not listen on {address}: {error}"),
            "Choose another address with --listen, or end the program that has this one.",
        )
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
    settings.network = network;
    settings.env_allow = env_allow;
    Ok(AppState::new(databases.control.clone(), settings)?)
}
