//! The HTTP API: logins, configs, runs and what became of them. It reaches workers only through the queue.
//!
//! # Layout
//! - [`settings`]: flags and environment
//! - [`error`]: what goes wrong, as problem documents
//! - [`auth`], [`session_tokens`]: who is calling, and the role a handler asks for
//! - [`page`]: lists in pages
//! - [`routes`]: a file a resource; each handler names who may, what they sent, and what they get
//! - `client`, `audit`, `idempotency`, `collision`, `known_parameters`: layers and helpers around every request
//! - `receive`: the bodies of uploaded files
//! - `ui`: the dashboard's files; `help`: the documentation
//! - `no_worker`: messages that there is no worker
//! - [`not_ready`]: answers before the process can work

mod audit;
pub mod auth;
mod checks;
mod client;
mod collision;
mod connections;
mod download;
pub mod error;
mod events;
mod export_disk;
mod extract;
mod help;
mod idempotency;
mod keyed_limit;
mod keyed_mutex;
mod known_parameters;
mod layers;
mod login_queue;
mod metrics;
mod no_worker;
pub mod not_ready;
pub mod oidc;
mod openapi;
pub mod page;
mod parquet;
mod pool;
mod receive;
mod request_words;
pub mod routes;
pub mod second_factor;
pub mod session_tokens;
pub mod settings;
mod table_query;
mod target_errors;
mod target_failures;
mod targets;
pub mod tls;
mod token_limits;
mod ui;
mod write_deadline;
mod write_error;
mod xlsx;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use elt_shared::metrics::Audience;
use elt_shared::private_folder;
use elt_shared::secret::{KeyRing, MIN_KEY_BYTES};
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::checks::Checks;
use crate::connections::Terms;
use crate::events::Events;
use crate::keyed_limit::KeyedLimit;
use crate::keyed_mutex::KeyedMutex;
use crate::known_parameters::KnownParameters;
use crate::login_queue::LoginQueue;
use crate::metrics::Metrics;
use crate::oidc::provider::Provider;
use crate::oidc::settings::OidcSettingsError;
use crate::session_tokens::Tokens;
use crate::settings::ApiSettings;
use crate::target_failures::TargetFailures;
use crate::tls::{Tls, TlsError};
use crate::token_limits::TokenLimits;

/// What every handler can reach.
#[derive(Clone)]
pub struct AppState {
    /// The control database.
    pub db: PgPool,
    /// As the process was started.
    pub settings: Arc<ApiSettings>,
    pub(crate) tokens: Arc<Tokens>,
    /// Seals and opens what is stored, such as configs and second factors, and signs the audit.
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) events: Events,
    pub(crate) checks: Checks,
    /// One login of a user from an address at a time.
    pub(crate) login_mutex: KeyedMutex,
    /// All logins whose passwords are being checked.
    pub(crate) login_queue: LoginQueue,
    /// The identity provider, if people can log in at one.
    pub(crate) oidc: Option<Arc<Provider>>,
    /// Logins that wait for the identity provider.
    pub(crate) oidc_queue: LoginQueue,
    /// Requests of each API token.
    pub(crate) token_limits: TokenLimits,
    /// Connections to targets, counted by user.
    pub(crate) target_connections: KeyedLimit<Uuid>,
    /// Files that are being uploaded, counted by user.
    pub(crate) uploads: KeyedLimit<Uuid>,
    /// Failed connections to targets, counted by user.
    pub(crate) target_failures: TargetFailures,
    /// Certificate and key of the listener; `None` for plain HTTP.
    pub(crate) tls: Option<Tls>,
    /// Cancelled when the process should stop: it is not ready any more, and answers for as long as it drains.
    pub(crate) stopping: CancellationToken,
    /// Cancelled when the process has drained: event streams end, because their clients come back elsewhere.
    pub(crate) drained: CancellationToken,
}

/// Why the API refuses to start.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A key is missing, or too weak to protect anything.
    #[error(
        "{0} must be set to at least {MIN_KEY_BYTES} random bytes (for example `openssl rand -hex 32`), the same on every replica"
    )]
    Key(&'static str),
    /// `ELT_TLS_CERT` and `ELT_TLS_KEY` cannot be used.
    #[error("the API cannot use ELT_TLS_CERT and ELT_TLS_KEY")]
    Tls(#[from] TlsError),
    /// The identity provider's settings cannot be used.
    #[error(transparent)]
    Oidc(#[from] OidcSettingsError),
    /// The HTTP client for the identity provider cannot be made.
    #[error("could not prepare calls to the identity provider")]
    Http(#[from] reqwest::Error),
}

impl AppState {
    /// # Errors
    /// When a key is missing, shorter than 32 bytes or obviously not random, or when the certificate or the settings of the
    /// identity provider cannot be used.
    pub fn new(db: PgPool, settings: ApiSettings) -> Result<Self, SetupError> {
        let tokens = settings.jwt_key.as_ref().and_then(Tokens::new).ok_or(SetupError::Key("ELT_JWT_KEY"))?;
        let keys = settings.keys.clone().ok_or(SetupError::Key("ELT_SECRET_KEY"))?;
        let tls = Tls::load(settings.tls_cert.as_deref(), settings.tls_key.as_deref())?;
        let (of_user, of_all) = (settings.target_connections_per_user, settings.target_connections);
        let client = settings.oidc.client()?;
        let oidc = client.map(|client| Provider::new(client, settings.network.clone())).transpose()?;
        make_inboxes(&settings);
        Ok(Self {
            db,
            token_limits: TokenLimits::new(settings.token_rate),
            metrics: Arc::new(Metrics::new(settings.metrics.clone())),
            settings: Arc::new(settings),
            tokens: Arc::new(tokens),
            keys,
            events: Events::new(),
            checks: Checks::default(),
            login_mutex: KeyedMutex::default(),
            login_queue: LoginQueue::default(),
            target_connections: KeyedLimit::new(of_user.into(), of_all.into()),
            uploads: KeyedLimit::new(receive::MOST_OF_ONE, receive::MOST),
            target_failures: TargetFailures::default(),
            tls,
            oidc: oidc.map(Arc::new),
            oidc_queue: LoginQueue::default(),
            stopping: CancellationToken::new(),
            drained: CancellationToken::new(),
        })
    }
}

/// Makes the folder of the inboxes. A worker that does not find it then knows that it and the API do not share a folder.
fn make_inboxes(settings: &ApiSettings) {
    let folder = settings.inboxes();
    // An API without a data folder, in a test of something else, would make it where the program was started.
    if folder.is_relative() {
        return;
    }
    if let Err(error) = private_folder::create(&folder) {
        let folder = folder.display();
        tracing::warn!(%error, "files cannot be uploaded, because the folder {folder} cannot be made (ELT_INBOX): {error}");
    }
}

impl AppState {
    /// Whether the API answers HTTPS and nothing else.
    pub fn uses_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// The metrics of this process and the numbers of the installation, in Prometheus' text format.
    ///
    /// # Errors
    /// When a number cannot be written as text.
    pub async fn metrics(&self, audience: Audience) -> Result<String, std::fmt::Error> {
        self.metrics.scrape(&self.db, audience).await
    }

    /// Whether requests should be sent here: the database answers and can be written to, and the process is not stopping.
    ///
    /// # Errors
    /// The reason why not, as a sentence.
    pub async fn ready(&self) -> Result<(), String> {
        routes::ready(self).await.map_err(|reason| reason.to_string())
    }

    /// Where the API answers when it listens at this address, with a slash at the end.
    pub fn url(&self, address: SocketAddr) -> String {
        let scheme = if self.uses_tls() { "https" } else { "http" };
        format!("{scheme}://{address}/")
    }
}

/// The whole API and the dashboard's files.
pub fn app(state: AppState) -> Router {
    let (router, openapi) = routes::router().split_for_parts();
    let known = KnownParameters::of(&openapi);
    let router = router.layer(from_fn_with_state(known, known_parameters::layer));
    let router = router.merge(openapi::docs(openapi)).merge(ui::router()).merge(help::router());
    layers::around(router, &state).with_state(state)
}

/// Answers requests until `stop` is cancelled. Then the process is not ready any more, but goes on answering for the time
/// of [`ApiSettings::drain`], so that load balancers notice before connections are refused. At last the listener is
/// closed, and open requests finish.
pub async fn serve(listener: TcpListener, mut state: AppState, stop: CancellationToken) {
    state.stopping = stop.clone();
    let drained = state.drained.clone();
    tokio::spawn(state.events.clone().follow(state.db.clone(), drained.clone()));
    tokio::spawn(no_worker::keep_telling(state.clone(), stop.clone()));
    let terms = Terms { stopping: stop.clone(), ..Terms::new(&state.settings, state.tls.clone()) };
    if let Some(tls) = state.tls.clone() {
        tokio::spawn(tls.follow(drained.clone()));
    }
    let drain = state.settings.drain();
    let draining = async {
        stop.cancelled().await;
        if !drain.is_zero() {
            tracing::info!("not ready any more; requests are answered for another {} s", drain.as_secs());
            tokio::time::sleep(drain).await;
        }
        drained.cancel();
    };
    tokio::join!(connections::answer(listener, app(state), terms, drained.clone()), draining);
}
