//! From the token of a request to its caller.

use axum::extract::FromRef;
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use chrono::{TimeDelta, Utc};
use elt_shared::api_token::{self, Scope};
use elt_shared::explained::Code;
use elt_shared::store::api_tokens::{self, ApiToken};
use elt_shared::store::sessions;
use elt_shared::store::users::{self, SessionUser, User};
use uuid::Uuid;

use crate::AppState;
use crate::audit::AuditNote;
use crate::client::ClientIp;
use crate::error::{Error, Result};
use crate::metrics::RefusedToken;
use crate::session_tokens::Claims;

use super::caller::{Caller, Credential};
use super::ticket;

/// The caller, noted for the audit.
pub(super) async fn caller_of<S>(parts: &mut Parts, state: &S) -> Result<Caller>
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
    let Some(header) = parts.headers.get(AUTHORIZATION) else {
        let Some((address, ticket)) = ticket::of(parts) else {
            return Err(Error::Unauthorized("you are not logged in"));
        };
        let claims = state.tokens.check_ticket(ticket, address).map_err(Error::Unauthorized)?;
        return session(claims, state).await;
    };
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
    session(state.tokens.check(token).map_err(Error::Unauthorized)?, state).await
}

/// The person of a session that has not ended.
async fn session(claims: Claims, state: &AppState) -> Result<Caller> {
    let found = users::find_by_token(&state.db, &claims.sub, claims.jti).await?;
    let SessionUser { user, is_note_due } = found
        .filter(|found| session_counts(&found.user, &claims))
        .ok_or(Error::Unauthorized("the token is no longer valid: log in again"))?;
    if is_note_due {
        note_session(state, claims.jti).await;
    }
    Ok(Caller::new(user, Credential::Session(claims)))
}

/// Notes the use of a session. A use that cannot be noted is no reason to refuse the request.
async fn note_session(state: &AppState, id: Uuid) {
    if let Err(error) = sessions::note_use(&state.db, id).await {
        tracing::warn!(error = %error, "could not note that a session was used");
    }
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
            Code::SecondFactorMissing,
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
            .filter(|found| session_counts(&found.user, claims))
            .map(|found| Caller::new(found.user, Credential::Session(claims.clone()))),
        Credential::ApiToken(token) => match api_tokens::find(&state.db, token.id).await? {
            Some(token) => live_caller(state, token).await?.ok().map(|(caller, _)| caller),
            None => None,
        },
    };
    Ok(now.is_some_and(|caller| caller.has(scope)))
}
