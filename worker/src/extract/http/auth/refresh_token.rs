//! The grant `refresh_token`: the newest refresh token is kept in the control database, for all workers.
//!
//! A server may answer a refresh token with a new one, and refuse the one before from then on. One worker at a time sends it,
//! and keeps the answer before anything uses it. A worker that is killed after the server has sent its answer, and before the
//! answer is committed, loses the new refresh token: the next one sends the one before again, which servers accept for a
//! while or not at all.

use std::sync::Arc;
use std::time::Duration;

use elt_shared::config::{Grant, OAuth2};
use elt_shared::redaction;
use elt_shared::secret::{KeyRing, Secret};
use elt_shared::store::oauth_grants::{self, GrantError, GrantTokens, KeptGrant};
use elt_shared::store::secret_keys::DroppedKey;
use sqlx::PgPool;
use tokio::time::{Instant, sleep, timeout};
use tracing::Instrument;
use uuid::Uuid;

use super::super::error::{HttpError, Result};
use super::super::url::{parse, shown};
use super::endpoint::Endpoint;
use super::oauth2::{self, Given};
use super::token::{LONGEST_VALID, Token};
use super::token_cache::{Identity, SourceTokens};

/// Longest time for asking the token endpoint, with all attempts.
const ASK_WITHIN: Duration = Duration::from_secs(40);
/// Longest time for which an answer is tried to be kept.
const KEEP_WITHIN: Duration = Duration::from_secs(40);
/// How long the others wait for a worker whose turn it is. It is longer than both together, so that its turn does not end
/// while it asks.
const LEASE: Duration = Duration::from_secs(90);
/// Pause between two looks for the answer of another worker.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long an access token is used of which the server does not say how long it is valid.
const UNKNOWN_VALIDITY: Duration = Duration::from_mins(5);

/// A grant whose tokens are kept in the control database.
#[derive(Clone)]
pub(super) struct RefreshTokenGrant {
    config: Arc<OAuth2>,
    endpoint: Endpoint,
    db: PgPool,
    keys: Arc<KeyRing>,
    /// Hash of token endpoint, client and first refresh token, by which the grant is found in the control database.
    hash: String,
    /// Proves that the config knows the client's secret with which an access token was got, and asks for the same as it.
    client: String,
    /// The token endpoint, for messages.
    url: String,
}

/// An access token, and the number of the answer that it came with.
pub(super) struct KeptToken {
    pub(super) token: Token,
    pub(super) version: i64,
    /// Whether it was asked for just now, by this worker.
    pub(super) is_new: bool,
}

impl RefreshTokenGrant {
    pub(super) fn new(config: &OAuth2, endpoint: Endpoint, db: &PgPool, tokens: &SourceTokens) -> Result<Self> {
        let url = shown(&parse(config.token_url.expose())?);
        let Some(keys) = tokens.keys.clone() else {
            let reason = "there is no control database here to keep its successor in".to_owned();
            return Err(HttpError::TokenNotKept { url, reason });
        };
        let first = match &config.grant {
            Grant::RefreshToken(first) => first.expose(),
            _ => "",
        };
        let id = config.client_id.as_deref().unwrap_or_default();
        // A refresh token cannot be guessed, so that nothing can be found out from the hash. The client's secret is not part
        // of it: when it is replaced, the refresh token goes on to work.
        let hash = Identity::of(["elt oauth grant 1", config.token_url.expose(), id, first]).hex();
        let secret = config.client_secret.as_ref().map_or("", Secret::expose);
        // Sources may share a refresh token and want access tokens for different things.
        let scopes = config.scopes.join(" ");
        let mut asked = vec!["elt oauth client 1", secret, scopes.as_str()];
        for (name, value) in &config.params {
            asked.extend([name.as_str(), value.expose()]);
        }
        let client = Identity::of(asked).hex();
        Ok(Self { config: Arc::new(config.clone()), endpoint, db: db.clone(), keys, hash, client, url })
    }

    /// An access token. One that came with the answer `refused`, or before it, is renewed.
    ///
    /// # Errors
    /// When the token endpoint gives none, or its answer cannot be kept.
    pub(super) async fn access(&self, refused: Option<i64>) -> Result<KeptToken> {
        let first = GrantTokens { refresh: self.first(), access: None, client: self.client.clone() };
        let mut waits = false;
        loop {
            let asked = Instant::now();
            let kept = oauth_grants::find_or_add(&self.db, &self.keys, &self.hash, &first).await;
            let kept = kept.map_err(|error| match error {
                GrantError::Database(error) => self.control(error),
                GrantError::Open(error) => self.not_kept(error),
            })?;
            if let Some(token) = self.usable(&kept, refused, asked) {
                return Ok(KeptToken { token, version: kept.version, is_new: false });
            }
            let turn = Uuid::new_v4();
            let claimed = oauth_grants::claim(&self.db, &self.keys, (&self.hash, kept.version), (turn, LEASE)).await;
            if claimed.map_err(|error| self.control(error))? {
                // On a task of its own, because an answer must be kept also when the run is stopped meanwhile.
                let renewing = tokio::spawn(self.clone().renew(kept, turn).in_current_span());
                return renewing.await.map_err(|_| self.not_kept("the task that sent it ended early"))?;
            }
            if !waits {
                tracing::info!("another worker asks {} for a token, waiting for its answer", self.url);
                waits = true;
            }
            sleep(LOOK_EVERY).await;
        }
    }

    fn first(&self) -> Secret {
        match &self.config.grant {
            Grant::RefreshToken(first) => first.clone(),
            _ => Secret::default(),
        }
    }

    fn usable(&self, kept: &KeptGrant, refused: Option<i64>, asked: Instant) -> Option<Token> {
        let is_refused = refused.is_some_and(|refused| kept.version <= refused);
        let access = kept.tokens.access.as_ref().filter(|_| !is_refused && kept.tokens.client == self.client)?;
        let token = Token::new(access.expose(), Some(kept.valid_for?), asked).ok()?;
        (!token.is_over()).then_some(token)
    }

    /// Asks the token endpoint, and keeps its answer.
    async fn renew(self, kept: KeptGrant, turn: Uuid) -> Result<KeptToken> {
        let _held = redaction::hold(&kept.tokens.refresh);
        let given = match self.ask(&kept.tokens.refresh).await {
            Ok(given) => given,
            Err(error) => {
                if let Err(unreleased) = oauth_grants::release(&self.db, &self.hash, turn).await {
                    tracing::warn!(error = %unreleased, "others wait {} s for a token that was refused", LEASE.as_secs());
                }
                return Err(error);
            }
        };
        let Given { access, valid_for, refresh } = given;
        let _held = refresh.as_ref().map(redaction::hold);
        let tokens = GrantTokens {
            refresh: refresh.unwrap_or(kept.tokens.refresh),
            access: access.as_ref().ok().map(|token| token.value().clone()),
            client: self.client.clone(),
        };
        // A new refresh token is kept also when the access token beside it cannot be used.
        let valid_for = if access.is_ok() { valid_for.unwrap_or(UNKNOWN_VALIDITY) } else { Duration::ZERO };
        // PostgreSQL has no time as far ahead as some servers say, and the answer could not be kept.
        let valid_for = valid_for.min(LONGEST_VALID);
        let version = self.keep(kept.version, &tokens, valid_for).await?;
        Ok(KeptToken { token: access?, version, is_new: true })
    }

    async fn ask(&self, refresh: &Secret) -> Result<Given> {
        let question = oauth2::question(&self.config, Some(refresh))?;
        let answer = timeout(ASK_WITHIN, self.endpoint.ask(&question)).await;
        let late = |_| HttpError::Silent { url: self.url.clone(), what: "gave no token within", after: ASK_WITHIN };
        oauth2::given(&question, &answer.map_err(late)??)
    }

    /// Keeps an answer, and tries again for a while, because a new refresh token would be lost otherwise.
    async fn keep(&self, version: i64, tokens: &GrantTokens, valid_for: Duration) -> Result<i64> {
        let started = Instant::now();
        loop {
            let grant = (self.hash.as_str(), version);
            match oauth_grants::keep(&self.db, &self.keys, grant, tokens, valid_for).await {
                Ok(Some(version)) => return Ok(version),
                // Its turn was over, and what another worker has kept since is newer.
                Ok(None) => return Ok(version + 1),
                Err(error) if started.elapsed() > KEEP_WITHIN => {
                    tracing::error!(%error, "could not keep what {} answered", self.url);
                    let within = KEEP_WITHIN.as_secs();
                    return Err(
                        self.not_kept(format!("the control database could not keep its successor within {within} s"))
                    );
                }
                Err(error) => {
                    tracing::warn!(%error, "could not keep what {} answered, trying again", self.url);
                    sleep(LOOK_EVERY).await;
                }
            }
        }
    }

    /// A failure of the control database before anything was asked, so that the same attempt can be made later.
    fn control(&self, source: sqlx::Error) -> HttpError {
        match DroppedKey::of(&source) {
            Some(reason) => self.not_kept(reason),
            None => HttpError::Control { url: self.url.clone(), source },
        }
    }

    fn not_kept(&self, error: impl std::fmt::Display) -> HttpError {
        HttpError::TokenNotKept { url: self.url.clone(), reason: error.to_string() }
    }
}
