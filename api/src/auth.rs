//! Who is calling: the role extractors every protected handler names in its arguments.

use axum::extract::{FromRef, FromRequestParts};
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use elt_shared::store::users::{self, Role, User};

use crate::AppState;
use crate::audit::AuditNote;
use crate::error::{Error, Result};
use crate::tokens::Claims;

/// Whoever is logged in.
#[derive(Debug, Clone)]
pub struct Caller {
    /// As the database has them now.
    pub user: User,
    /// What their token says.
    pub claims: Claims,
}

impl Caller {
    /// Their name.
    pub fn name(&self) -> &str {
        &self.user.username
    }

    /// Whether their token still counts, as the database has them now.
    pub fn still_counts(&self, now: &User) -> bool {
        !now.disabled && self.claims.issued_at() >= now.tokens_after
    }

    /// Whether they own pipelines.
    pub fn is_admin(&self) -> bool {
        self.user.role == Role::Admin
    }
}

/// Any logged-in user. Everyone else gets a 401.
pub struct AnyUser(pub Caller);

/// A logged-in admin. Other users get a 403, everyone else a 401.
pub struct Admin(pub Caller);

impl<S: Sync> FromRequestParts<S> for AnyUser
where
    AppState: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let caller = authenticate(parts, &AppState::from_ref(state)).await?;
        if let Some(note) = parts.extensions.get::<AuditNote>() {
            note.actor(caller.name());
        }
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
        if !caller.is_admin() {
            return Err(Error::Forbidden(Role::Admin.as_str()));
        }
        Ok(Self(caller))
    }
}

/// Role, lock-out and logout are read from the database at every request: they count at once.
async fn authenticate(parts: &Parts, state: &AppState) -> Result<Caller> {
    let header = parts.headers.get(AUTHORIZATION).ok_or(Error::Unauthorized("you are not logged in"))?;
    let token = header
        .to_str()
        .ok()
        .and_then(|header| header.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .ok_or(Error::Unauthorized("send the token as `Authorization: Bearer …`"))?;
    let claims = state.tokens.check(token).map_err(Error::Unauthorized)?;
    let user = users::find_by_token(&state.db, &claims.sub, claims.jti).await?;
    user.map(|user| Caller { user, claims })
        .filter(|caller| caller.still_counts(&caller.user))
        .ok_or(Error::Unauthorized("the token is no longer valid: log in again"))
        .and_then(|caller| require_second_factor(caller, parts, state))
}

/// Closes everything but a user's own account until the second factor is set up, if the settings ask for one.
fn require_second_factor(caller: Caller, parts: &Parts, state: &AppState) -> Result<Caller> {
    let is_missing = state.settings.require_totp.covers(&caller.user) && !caller.user.second_factor;
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
