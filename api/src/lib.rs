//! The HTTP API: logins, configs, runs and what became of them. It reaches workers only through the queue.
//!
//! # Layout
//! - [`settings`]: flags and environment
//! - [`error`]: what goes wrong, as problem documents
//! - [`auth`], [`tokens`]: who is calling, and the role a handler asks for
//! - [`routes`]: a file a resource; each handler names who may, what they sent, and what they get
//! - `client`, `audit`, `once`: layers and helpers around every request
//! - `ui`: the dashboard's files

mod audit;
pub mod auth;
mod checks;
mod client;
mod connections;
mod download;
pub mod error;
mod events;
mod extract;
mod layers;
mod login_queue;
mod metrics;
mod once;
mod openapi;
mod page;
mod pool;
pub mod routes;
pub mod settings;
mod targets;
pub mod tokens;
mod turns;
mod ui;

use std::sync::Arc;

use axum::Router;
use elt_shared::secret::{KeyRing, MIN_KEY_BYTES};
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::checks::Checks;
use crate::events::Events;
use crate::login_queue::LoginQueue;
use crate::metrics::Metrics;
use crate::settings::ApiSettings;
use crate::tokens::Tokens;
use crate::turns::Turns;

/// What every handler can reach.
#[derive(Clone)]
pub struct AppState {
    /// The control database.
    pub db: PgPool,
    /// As the process was started.
    pub settings: Arc<ApiSettings>,
    pub(crate) tokens: Arc<Tokens>,
    /// Seals and opens what is stored: configs and secrets.
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) events: Events,
    pub(crate) checks: Checks,
    /// One login of a user from an address at a time.
    pub(crate) login_turns: Turns,
    /// All logins whose passwords are being checked.
    pub(crate) login_queue: LoginQueue,
    /// Cancelled when the process should stop.
    pub(crate) stop: CancellationToken,
}

/// Why the API refuses to start.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A key is missing, or too weak to protect anything.
    #[error(
        "{0} must be set to at least {MIN_KEY_BYTES} random bytes (for example `openssl rand -hex 32`), the same on every replica"
    )]
    Key(&'static str),
}

impl AppState {
    /// # Errors
    /// When a key is missing, shorter than 32 bytes or obviously not random.
    pub fn new(db: PgPool, settings: ApiSettings) -> Result<Self, SetupError> {
        let tokens = settings.jwt_key.as_ref().and_then(Tokens::new).ok_or(SetupError::Key("ELT_JWT_KEY"))?;
        let keys = settings.keys.clone().ok_or(SetupError::Key("ELT_SECRET_KEY"))?;
        Ok(Self {
            db,
            settings: Arc::new(settings),
            tokens: Arc::new(tokens),
            keys,
            metrics: Arc::default(),
            events: Events::new(),
            checks: Checks::default(),
            login_turns: Turns::default(),
            login_queue: LoginQueue::default(),
            stop: CancellationToken::new(),
        })
    }
}

/// The whole API and the dashboard's files.
pub fn app(state: AppState) -> Router {
    let (router, openapi) = routes::router().split_for_parts();
    let router = router.merge(openapi::docs(openapi)).merge(ui::router());
    layers::around(router, &state).with_state(state)
}

/// Answers requests until `stop` is cancelled, then lets open ones finish.
pub async fn serve(listener: TcpListener, mut state: AppState, stop: CancellationToken) {
    state.stop = stop.clone();
    tokio::spawn(state.events.clone().follow(state.db.clone(), stop.clone()));
    let proxies = state.settings.trusted_proxies.clone();
    connections::answer(listener, app(state), proxies, stop).await;
}
