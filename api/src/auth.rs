//! Who is calling: the extractors that every protected handler names in its arguments.
//!
//! | extractor | people | API tokens |
//! |---|---|---|
//! | [`AnyUser`] | every role | refused |
//! | [`Admin`] | admins | refused |
//! | [`Allowed<A>`](Allowed) | the role of `A` | with the scope of `A`, unless they are bound to pipelines |
//! | [`OnPipelines<A>`](OnPipelines) | the role of `A` | with the scope of `A`; the handler checks each pipeline |
//!
//! A handler that names none of them answers without a login.

use std::marker::PhantomData;
use std::ops::Deref;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use chrono::{DateTime, TimeDelta, Utc};
use elt_shared::api_token::{self, Scope};
use elt_shared::store::api_tokens::{self, ApiToken};
use elt_shared::store::configs::ConfigAuthor;
use elt_shared::store::users::{self, Role, User};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::AppState;
use crate::audit::AuditNote;
use crate::client::ClientIp;
use crate::error::{Error, Result};
use crate::metrics::RefusedToken;
use crate::tokens::Claims;

/// The user who is logged in, or in whose name an API token acts.
#[derive(Debug, Clone)]
pub struct Caller {
    /// As the database has them now.
    pub user: User,
    /// What they sent to prove it.
    pub credential: Credential,
    name: String,
}

/// What a caller sent to prove who they are.
#[derive(Debug, Clone)]
pub enum Credential {
    /// The token of a login.
    Session(Claims),
    /// An API token.
    ApiToken(ApiToken),
}

impl Caller {
    fn new(user: User, credential: Credential) -> Self {
        let name = match &credential {
            Credential::Session(_) => user.username.clone(),
            Credential::ApiToken(token) => format!("token:{}", token.name),
        };
        Self { user, credential, name }
    }

    /// Who did it, for people: the username, or `token:` and the name of the API token.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tells callers apart whose requests must not share anything. Unlike a name, it is never used again by another
    /// token.
    pub fn key(&self) -> String {
        match &self.credential {
            Credential::Session(_) => self.user.username.clone(),
            Credential::ApiToken(token) => format!("token:{}", token.id),
        }
    }

    /// What the audit keeps of an API token besides its name, which another token may have later.
    pub fn audit_detail(&self) -> Map<String, Value> {
        match &self.credential {
            Credential::Session(_) => Map::new(),
            Credential::ApiToken(token) => {
                Map::from_iter([("owner".into(), json!(token.owner)), ("token_id".into(), json!(token.id))])
            }
        }
    }

    /// The login, for what only people may do.
    ///
    /// # Errors
    /// 403 for an API token.
    pub fn session(&self) -> Result<&Claims> {
        match &self.credential {
            Credential::Session(claims) => Ok(claims),
            Credential::ApiToken(_) => Err(Error::refused(
                StatusCode::FORBIDDEN,
                "session_only",
                "an API token may not do this, whatever its scopes",
                "Log in as a person and do it there.",
            )),
        }
    }

    /// When the session or the API token ends by itself.
    pub fn expires_at(&self) -> DateTime<Utc> {
        match &self.credential {
            Credential::Session(claims) => claims.expires_at(),
            Credential::ApiToken(token) => token.expires_at,
        }
    }

    /// Whether a notification with this id is about the user, the session or the API token.
    pub fn is_about(&self, id: Uuid) -> bool {
        let credential = match &self.credential {
            Credential::Session(claims) => claims.jti,
            Credential::ApiToken(token) => token.id,
        };
        id == self.user.id || id == credential
    }

    /// Whether they own pipelines.
    pub fn is_admin(&self) -> bool {
        self.user.role == Role::Admin
    }

    /// Whether they may do what this scope stands for: people by their role, API tokens also by their scopes.
    pub fn has(&self, scope: Scope) -> bool {
        let granted = match &self.credential {
            Credential::Session(_) => true,
            Credential::ApiToken(token) => token.scopes.0.contains(&scope),
        };
        granted && scope.is_open_to(self.user.role)
    }

    /// As whose a config counts that they send: an admin's, or that of a user. An API token without the scope `admin`
    /// counts as a user, because a token that leaks should not reach secrets.
    pub fn author(&self) -> ConfigAuthor {
        ConfigAuthor::of(self.has(Scope::Admin))
    }

    /// # Errors
    /// 403 when [`Caller::has`] denies it.
    pub fn require(&self, scope: Scope) -> Result<()> {
        match (self.has(scope), &self.credential) {
            (true, _) => Ok(()),
            (false, Credential::ApiToken(_)) if scope.is_open_to(self.user.role) => Err(Error::refused(
                StatusCode::FORBIDDEN,
                "missing_scope",
                format!("this needs an API token with the scope `{scope}`"),
                "Create a token that has it.",
            )),
            (false, _) => Err(Error::Forbidden(Role::Admin.as_str())),
        }
    }

    /// The pipelines that an API token is bound to; `None`: all of them.
    pub fn pipelines(&self) -> Option<&[String]> {
        match &self.credential {
            Credential::Session(_) => None,
            Credential::ApiToken(token) => token.pipelines.as_deref(),
        }
    }

    /// Whether they may touch this pipeline, as far as it depends on its name.
    pub fn reaches(&self, pipeline: &str) -> bool {
        self.pipelines().is_none_or(|bound| bound.iter().any(|name| name == pipeline))
    }

    /// # Errors
    /// 403 for an API token that is bound to other pipelines.
    pub fn reach(&self, pipeline: &str) -> Result<()> {
        match self.reaches(pipeline) {
            true => Ok(()),
            false => Err(other_pipeline("the API token is bound to other pipelines")),
        }
    }
}

fn other_pipeline(detail: &str) -> Error {
    Error::refused(
        StatusCode::FORBIDDEN,
        "other_pipeline",
        detail,
        "Use a token that is bound to this pipeline, or one that is not bound.",
    )
}

/// Any person who is logged in. API tokens get a 403, everyone else a 401.
pub struct AnyUser(pub Caller);

/// An admin who is logged in. Other users and API tokens get a 403, everyone else a 401.
pub struct Admin(pub Caller);

/// What a handler asks of its callers.
pub trait Access {
    /// The role that a person, or the owner of an API token, needs.
    const ROLE: Role;
    /// The scope that an API token needs.
    const SCOPE: Scope;
}

macro_rules! access {
    ($($(#[$doc:meta])* $name:ident: $role:ident, $scope:ident;)+) => {$(
        $(#[$doc])*
        pub struct $name;

        impl Access for $name {
            const ROLE: Role = Role::$role;
            const SCOPE: Scope = Scope::$scope;
        }
    )+};
}

access! {
    /// Starting and stopping: admins, and tokens with the scope `trigger`.
    Trigger: Admin, Trigger;
    /// Looking at runs, schedules, configs and log lines: admins, and tokens with the scope `read`.
    Read: Admin, Read;
    /// Sending configs: every user, and tokens with the scope `upload`.
    Upload: User, Upload;
    /// Rows that every user may see: every user, and tokens with the scope `data`.
    Data: User, Data;
    /// Rows that only admins may see: admins, and tokens of admins with the scope `data`.
    AdminData: Admin, Data;
    /// The installation itself: admins, and tokens with the scope `admin`.
    Manage: Admin, Admin;
}

/// A caller with access `A` to the whole installation. API tokens that are bound to pipelines get a 403.
pub struct Allowed<A> {
    caller: Caller,
    access: PhantomData<A>,
}

/// A caller with access `A` to some pipelines. The handler checks the pipeline of everything it touches with
/// [`Caller::reach`], and shows only [`Caller::pipelines`] in lists.
pub struct OnPipelines<A> {
    caller: Caller,
    access: PhantomData<A>,
}

impl<A> Deref for Allowed<A> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl<A> Deref for OnPipelines<A> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl<S: Sync> FromRequestParts<S> for AnyUser
where
    AppState: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let caller = caller_of(parts, state).await?;
        caller.session()?;
        Ok(Self(caller))
    }
}

impl<S: Sync> FromRequestParts<S> for Admin
where
    AppState: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let AnyUser(caller) = AnyUser::from_request_parts(parts, state).await?;
        match caller.is_admin() {
            true => Ok(Self(caller)),
            false => Err(Error::Forbidden(Role::Admin.as_str())),
        }
    }
}

impl<S: Sync, A: Access> FromRequestParts<S> for OnPipelines<A>
where
    AppState: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let caller = caller_of(parts, state).await?;
        if A::ROLE == Role::Admin && !caller.is_admin() {
            return Err(Error::Forbidden(Role::Admin.as_str()));
        }
        caller.require(A::SCOPE)?;
        Ok(Self { caller, access: PhantomData })
    }
}

impl<S: Sync, A: Access> FromRequestParts<S> for Allowed<A>
where
    AppState: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let OnPipelines { caller, access } = OnPipelines::<A>::from_request_parts(parts, state).await?;
        match caller.pipelines() {
            None => Ok(Self { caller, access }),
            Some(_) => Err(other_pipeline("this concerns all pipelines, but the API token is bound to some of them")),
        }
    }
}

/// The caller, noted for the audit.
async fn caller_of<S>(parts: &mut Parts, state: &S) -> Result<Caller>
where
    AppState: FromRef<S>,
{
    let state = AppState::from_ref(state);
    let caller = authenticate(parts, &state).await?;
    if let Some(note) = parts.extensions.get::<AuditNote>() {
        note.actor(caller.name());
        caller.audit_detail().into_iter().for_each(|(key, value)| note.detail(&key, value));
    }
    // Checked after the caller is noted, so that a refusal leaves its row in the audit.
    require_second_factor(caller, parts, &state)
}

/// Role, lock-out, logout and revocation are read from the database at every request: they count at once.
async fn authenticate(parts: &Parts, state: &AppState) -> Result<Caller> {
    let header = parts.headers.get(AUTHORIZATION).ok_or(Error::Unauthorized("you are not logged in"))?;
    let token = header
        .to_str()
        .ok()
        .and_then(|header| header.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .ok_or(Error::Unauthorized("send the token as `Authorization: Bearer …`"))?;
    if token.starts_with(api_token::PREFIX) {
        return program(token, parts.extensions.get::<ClientIp>().copied(), state).await;
    }
    let claims = state.tokens.check(token).map_err(Error::Unauthorized)?;
    let user = users::find_by_token(&state.db, &claims.sub, claims.jti).await?;
    user.filter(|user| session_counts(user, &claims))
        .map(|user| Caller::new(user, Credential::Session(claims)))
        .ok_or(Error::Unauthorized("the token is no longer valid: log in again"))
}

/// Closes everything but a user's own account until the second factor is set up, if the settings ask for one.
fn require_second_factor(caller: Caller, parts: &Parts, state: &AppState) -> Result<Caller> {
    // A token whose owner lacks it was refused already.
    let is_missing = lacks_second_factor(&caller.user, state);
    let is_own_account = parts.uri.path().starts_with("/auth/");
    match is_missing && !is_own_account {
        false => Ok(caller),
        true => Err(Error::refused(
            StatusCode::FORBIDDEN,
            "second_factor_missing",
            "this installation asks for a second factor, and you have none yet",
            "Set it up on the page Account, or with POST /auth/second-factor.",
        )),
    }
}

/// Whether the settings ask a user for a second factor that the user has not set up. A service account cannot log in and
/// has none.
fn lacks_second_factor(user: &User, state: &AppState) -> bool {
    state.settings.require_totp.covers(user) && !user.second_factor && !user.is_service
}

fn session_counts(user: &User, claims: &Claims) -> bool {
    !user.disabled && claims.issued_at() >= user.tokens_after
}

/// The program that sent an API token. A wrong token costs at most one hash and one look into an index, and nothing is
/// written because of it.
async fn program(token: &str, ip: Option<ClientIp>, state: &AppState) -> Result<Caller> {
    let known = match api_token::hash(token) {
        Some(hash) => api_tokens::find_by_hash(&state.db, &hash).await?,
        None => None,
    };
    let live = match known {
        Some(token) => live_caller(state, token).await?,
        None => Err(RefusedToken::Unknown),
    };
    let (caller, id) = live.map_err(|reason| {
        state.metrics.refused_token(reason);
        Error::TokenRefused(reason)
    })?;
    if let Some(retry_after) = state.token_limits.take(id) {
        state.metrics.refused_token(RefusedToken::Limited);
        return Err(Error::TooManyRequests { retry_after });
    }
    note_use(state, &caller, ip).await;
    Ok(caller)
}

/// The caller of a token that was found, with the token's id, or why the token does not count.
async fn live_caller(state: &AppState, token: ApiToken) -> Result<Result<(Caller, Uuid), RefusedToken>> {
    if token.revoked_at.is_some() {
        return Ok(Err(RefusedToken::Revoked));
    }
    if token.expired {
        return Ok(Err(RefusedToken::Expired));
    }
    let owner = users::find(&state.db, token.owner_id).await?.filter(|owner| !owner.disabled);
    // A token can do no more than its owner, who can do nothing before the second factor is set up.
    if owner.as_ref().is_some_and(|owner| lacks_second_factor(owner, state)) {
        return Ok(Err(RefusedToken::NoSecondFactor));
    }
    let id = token.id;
    let caller = owner.map(|owner| (Caller::new(owner, Credential::ApiToken(token)), id));
    Ok(caller.ok_or(RefusedToken::OwnerDisabled))
}

/// Notes the use of a token once a minute. A use that cannot be noted is no reason to refuse the request.
async fn note_use(state: &AppState, caller: &Caller, ip: Option<ClientIp>) {
    let Credential::ApiToken(token) = &caller.credential else { return };
    let minute_ago = Utc::now() - TimeDelta::minutes(1);
    if token.last_used_at.is_some_and(|used| used > minute_ago) {
        return;
    }
    let ip = ip.map(|ip| ip.to_string());
    if let Err(error) = api_tokens::note_use(&state.db, token.id, ip.as_deref()).await {
        tracing::warn!(error = %error, "could not note that an API token was used");
    }
}

/// Whether a caller may still do what this scope stands for: their session or API token is looked up again.
///
/// # Errors
/// When the database is away.
pub async fn still_may(state: &AppState, caller: &Caller, scope: Scope) -> Result<bool> {
    let now = match &caller.credential {
        Credential::Session(claims) => users::find_by_token(&state.db, &claims.sub, claims.jti)
            .await?
            .filter(|user| session_counts(user, claims))
            .map(|user| Caller::new(user, Credential::Session(claims.clone()))),
        Credential::ApiToken(token) => match api_tokens::find(&state.db, token.id).await? {
            Some(token) => live_caller(state, token).await?.ok().map(|(caller, _)| caller),
            None => None,
        },
    };
    Ok(now.is_some_and(|caller| caller.has(scope)))
}
