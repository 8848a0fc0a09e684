//! How requests identify elt to an API, beyond a fixed token in a header.
//!
//! # Layout
//! - [`Authenticator`]: what a request gets before it is sent, and what happens when an API refuses it
//! - [`oauth2`], [`assertion`]: the token request of OAuth 2.0; [`refresh_token`]: refresh tokens, which the control database keeps
//! - [`login`]: a login request of the config; [`signature`]: a signature over each request
//! - [`endpoint`]: one request to a token endpoint; [`token`]: a token it gave
//! - [`token_cache`]: what the extractions of one process share

mod assertion;
mod endpoint;
mod login;
mod oauth2;
mod refresh_token;
mod signature;
mod token;
mod token_cache;

use std::sync::Arc;

use elt_shared::config::{
    ApiAuth, ApiKey, ApiSource, Grant, LoginRequest, OAuth2, SendToken, SignRequests, TokenPlace, is_secret_name,
};
use elt_shared::redaction::{self, Held};
use elt_shared::secret::Secret;
use reqwest::Url;
use reqwest::header::{COOKIE, HeaderName, HeaderValue};
use sqlx::PgPool;
use tokio::sync::Mutex;

use self::endpoint::Endpoint;
use self::refresh_token::RefreshTokenGrant;
use self::token::Token;
use self::token_cache::Identity;
pub use self::token_cache::SourceTokens;
use super::client::Clients;
use super::cookies::Cookies;
use super::error::{HttpError, Result};
use super::limits::HttpLimits;
use super::request::Request;
use super::url::{shown, with_param};

/// Shorter secrets of a config are not hidden everywhere, because they may be words of other texts.
const SHORTEST_HIDDEN: usize = 8;

/// What a login needs of the extraction.
pub(super) struct Net<'a> {
    pub(super) clients: &'a Arc<Clients>,
    /// The URL of the source.
    pub(super) own: &'a Url,
    pub(super) limits: &'a HttpLimits,
    pub(super) control: &'a PgPool,
    pub(super) tokens: &'a SourceTokens,
}

/// Identifies the requests of one source.
pub(super) struct Authenticator<'a> {
    how: How<'a>,
    _held: Vec<Held>,
}

enum How<'a> {
    /// By the headers of the source alone.
    Headers,
    /// By a fixed key.
    Key(&'a ApiKey),
    /// By a signature over each request.
    Sign(&'a SignRequests),
    /// By the result of a login.
    LogIn(Box<Logins<'a>>),
}

/// The login with which a request was sent. `None`: without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp(Option<u64>);

/// The logins of one extraction, one after the other.
struct Logins<'a> {
    with: LogInWith<'a>,
    send: &'a SendToken,
    endpoint: Endpoint,
    tokens: SourceTokens,
    /// A hash of everything that a login needs.
    identity: Identity,
    /// Locked while a login is under way, so that concurrent requests wait for it instead of each logging in.
    state: Mutex<State>,
}

enum LogInWith<'a> {
    OAuth2(&'a OAuth2),
    RefreshToken(Box<RefreshTokenGrant>),
    Request(&'a LoginRequest),
}

#[derive(Default)]
struct State {
    current: Option<Login>,
    /// Number of the login that got the token, so that only the first of several refused requests logs in again.
    number: u64,
    /// The newest answer of a kept grant whose token was refused.
    refused: Option<i64>,
}

struct Login {
    /// `None`: the login's cookies are sent.
    token: Option<Arc<Token>>,
    /// The number of the kept answer that the token came with.
    version: Option<i64>,
    /// Whether the API has accepted it, or may have: it was accepted once in this extraction, or is older than it. Only such
    /// a login is renewed when the API refuses it; another one would not be accepted either.
    was_good: bool,
}

impl<'a> Authenticator<'a> {
    pub(super) fn of(source: &'a ApiSource, net: &Net<'_>) -> Result<Self> {
        let Some(auth) = &source.auth else { return Ok(Self { how: How::Headers, _held: Vec::new() }) };
        let secrets = secrets(auth);
        let held =
            secrets.iter().filter(|secret| secret.expose().len() >= SHORTEST_HIDDEN).map(redaction::hold).collect();
        let endpoint =
            || Endpoint { clients: Arc::clone(net.clients), own: net.own.clone(), limits: net.limits.clone() };
        let how = match auth {
            ApiAuth::ApiKey(key) => How::Key(key),
            ApiAuth::Hmac(config) => How::Sign(config),
            ApiAuth::OAuth2(config) => {
                let with = match &config.grant {
                    Grant::RefreshToken(_) => LogInWith::RefreshToken(Box::new(RefreshTokenGrant::new(
                        config,
                        endpoint(),
                        net.control,
                        net.tokens,
                    )?)),
                    _ => LogInWith::OAuth2(config),
                };
                How::LogIn(Box::new(Logins::new(with, &config.send, endpoint(), net.tokens, identity(source, auth))))
            }
            ApiAuth::Login(config) => {
                let with = LogInWith::Request(config);
                How::LogIn(Box::new(Logins::new(with, &config.send, endpoint(), net.tokens, identity(source, auth))))
            }
        };
        Ok(Self { how, _held: held })
    }

    /// Whether requests need more than the headers of the source.
    pub(super) fn is_needed(&self) -> bool {
        !matches!(self.how, How::Headers)
    }

    /// Adds to a request what identifies elt. The request must be for the source's own host.
    ///
    /// # Errors
    /// When no token can be got.
    pub(super) async fn identify(&self, request: &mut Request, cookies: &Cookies) -> Result<Stamp> {
        match &self.how {
            How::Headers => {}
            How::Key(key) => put(&key.send, key.key.expose().trim(), request)?,
            How::Sign(config) => signature::sign(config, request)?,
            How::LogIn(logins) => {
                let mut state = logins.state.lock().await;
                if let Some(token) = logins.current(&mut state, &request.url, cookies).await? {
                    put(logins.send, token.value().expose(), request)?;
                }
                return Ok(Stamp(Some(state.number)));
            }
        }
        Ok(Stamp(None))
    }

    /// Notes that the API has accepted a request.
    pub(super) async fn note_accepted(&self, stamp: Stamp) {
        if let (How::LogIn(logins), Stamp(Some(number))) = (&self.how, stamp) {
            let mut state = logins.state.lock().await;
            let is_current = number == state.number;
            if let Some(login) = state.current.as_mut().filter(|_| is_current) {
                login.was_good = true;
            }
        }
    }

    /// Gives up the login with which the API has refused a request, so that the next request logs in again. Returns false
    /// when that would not help: the login is new, and the API has accepted nothing with it.
    pub(super) async fn give_up(&self, stamp: Stamp) -> bool {
        let (How::LogIn(logins), Stamp(Some(number))) = (&self.how, stamp) else { return false };
        let mut state = logins.state.lock().await;
        // Another request has been refused as well, and the login was renewed since, or is about to be.
        if number != state.number || state.current.is_none() {
            return true;
        }
        let Some(login) = state.current.take_if(|login| login.was_good) else { return false };
        if let Some(token) = &login.token {
            logins.tokens.forget(logins.identity, token);
        }
        state.refused = login.version.or(state.refused);
        true
    }
}

impl<'a> Logins<'a> {
    fn new(
        with: LogInWith<'a>,
        send: &'a SendToken,
        endpoint: Endpoint,
        tokens: &SourceTokens,
        identity: Identity,
    ) -> Self {
        Self { with, send, endpoint, tokens: tokens.clone(), identity, state: Mutex::default() }
    }

    /// The token for a request to `rows`, which may be a new one. `None`: the login's cookies are sent.
    async fn current(&self, state: &mut State, rows: &Url, cookies: &Cookies) -> Result<Option<Arc<Token>>> {
        let is_valid = |login: &&Login| login.token.as_ref().is_none_or(|token| !token.is_over());
        if let Some(login) = state.current.as_ref().filter(is_valid) {
            return Ok(login.token.clone());
        }
        state.current = None;
        let login = self.log_in(state.refused, rows, cookies).await?;
        state.number += 1;
        Ok(state.current.insert(login).token.clone())
    }

    async fn log_in(&self, refused: Option<i64>, rows: &Url, cookies: &Cookies) -> Result<Login> {
        if let LogInWith::RefreshToken(kept) = &self.with {
            let got = kept.access(refused).await?;
            return Ok(Login { token: Some(Arc::new(got.token)), version: Some(got.version), was_good: !got.is_new });
        }
        if let Some(token) = self.tokens.find(self.identity) {
            return Ok(Login { token: Some(token), version: None, was_good: true });
        }
        let token = match &self.with {
            LogInWith::Request(config) => login::log_in(config, &self.endpoint, cookies, rows).await?,
            LogInWith::OAuth2(config) => {
                let question = oauth2::question(config, None)?;
                let answer = self.endpoint.ask(&question).await?;
                Some(oauth2::given(&question, &answer)?.access?)
            }
            LogInWith::RefreshToken(_) => None,
        };
        let token = token.map(Arc::new);
        if let Some(token) = &token {
            self.tokens.remember(self.identity, token);
        }
        Ok(Login { token, version: None, was_good: false })
    }
}

/// The texts of a config's authentication that are secret.
fn secrets(auth: &ApiAuth) -> Vec<Secret> {
    match auth {
        ApiAuth::ApiKey(key) => vec![key.key.clone()],
        ApiAuth::Hmac(config) => vec![config.secret.clone()],
        ApiAuth::Login(config) => {
            let mut secrets: Vec<Secret> = config.basic.iter().map(|(_, password)| password.clone()).collect();
            let headers = config.headers.iter().filter(|(name, _)| is_secret_name(name));
            secrets.extend(headers.map(|(_, value)| Secret::new(value.written())));
            secrets.extend(sent(config).into_iter().filter(|text| looks_unique(text.expose())));
            secrets
        }
        ApiAuth::OAuth2(config) => {
            let mut secrets: Vec<Secret> = config.client_secret.iter().cloned().collect();
            let params = config.params.iter().filter(|(name, _)| is_secret_name(name));
            secrets.extend(params.map(|(_, value)| value.clone()));
            match &config.grant {
                Grant::ClientCredentials => {}
                Grant::RefreshToken(token) => secrets.push(token.clone()),
                Grant::Password { password, .. } => secrets.push(password.clone()),
                Grant::JwtBearer(claims) => secrets.push(claims.key.clone()),
            }
            secrets
        }
    }
}

/// The texts in the body of a login request.
fn sent(config: &LoginRequest) -> Vec<Secret> {
    let mut texts = Vec::new();
    if let Some(body) = &config.body {
        body.each(&mut |template| texts.push(Secret::new(template.written())));
    }
    texts
}

/// Whether a text can hardly be found elsewhere, so that nothing else is hidden with it.
fn looks_unique(text: &str) -> bool {
    text.len() >= SHORTEST_HIDDEN
        && text.contains(|c: char| c.is_ascii_digit())
        && text.contains(|c: char| c.is_ascii_alphabetic())
}

/// A hash of everything that a login needs, secrets included.
fn identity(source: &ApiSource, auth: &ApiAuth) -> Identity {
    // What is not secret is in the debug output, with all its names.
    let mut parts = vec![Secret::new(format!("{auth:?}"))];
    parts.extend(secrets(auth));
    // A login on the source's own host is made with its certificates.
    parts.extend(source.certificates.authorities.iter().cloned());
    if let Some((certificate, key)) = &source.certificates.own {
        parts.extend([certificate.clone(), key.clone()]);
    }
    match auth {
        ApiAuth::OAuth2(config) => {
            parts.push(config.token_url.clone());
            parts.extend(config.params.iter().map(|(_, value)| value.clone()));
        }
        ApiAuth::Login(config) => {
            parts.push(config.url.clone());
            parts.extend(config.headers.iter().map(|(_, value)| Secret::new(value.written())));
            parts.extend(login::body_of(config));
        }
        ApiAuth::ApiKey(_) | ApiAuth::Hmac(_) => {}
    }
    Identity::of(parts.iter().map(Secret::expose))
}

/// Puts a token into a request.
fn put(send: &SendToken, token: &str, request: &mut Request) -> Result<()> {
    let text = match &send.scheme {
        Some(scheme) => format!("{scheme} {token}"),
        None => token.to_owned(),
    };
    let refuse = || HttpError::BadHeader { url: shown(&request.url), what: "token".to_owned() };
    let mut value = HeaderValue::try_from(&text).map_err(|_| refuse())?;
    value.set_sensitive(true);
    match send.place {
        TokenPlace::Header => {
            let name = HeaderName::try_from(&send.name).map_err(|_| refuse())?;
            request.headers.insert(name, value);
        }
        TokenPlace::Query => request.url = with_param(&request.url, &send.name, &text),
        TokenPlace::Cookie => {
            let before = request.headers.get(COOKIE).and_then(|value| value.to_str().ok()).unwrap_or_default();
            let separator = if before.is_empty() { "" } else { "; " };
            let mut value =
                HeaderValue::try_from(format!("{before}{separator}{}={text}", send.name)).map_err(|_| refuse())?;
            value.set_sensitive(true);
            request.headers.insert(COOKIE, value);
        }
    }
    Ok(())
}
