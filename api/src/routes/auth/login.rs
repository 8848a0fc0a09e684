//! Logging in with a password, and logging out.

use axum::extract::{DefaultBodyLimit, Extension, State};
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use elt_shared::explained::Code;
use elt_shared::password;
use elt_shared::secret::Secret;
use elt_shared::store::login_failures;
use elt_shared::store::sessions::{self, Method};
use elt_shared::store::users::{self, Login, Role};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use super::MAX_LOGIN_BYTES;
use super::sessions::{Device, LoginAnswer, begin};
use super::totp::require_code;
use crate::AppState;
use crate::audit::AuditNote;
use crate::auth::AnyUser;
use crate::client::ClientIp;
use crate::error::{Error, Problem, Result};
use crate::extract::Json;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(login).layer(DefaultBodyLimit::max(MAX_LOGIN_BYTES)))
        .routes(routes!(logout))
        .routes(routes!(me))
}

/// Username, password and, with a second factor, a code.
#[derive(Deserialize, ToSchema)]
struct LoginRequest {
    username: String,
    #[schema(value_type = String, format = Password)]
    password: Secret,
    /// A code of the authenticator app, or a recovery code: for users with a second factor.
    #[schema(value_type = Option<String>, format = Password)]
    code: Option<Secret>,
}

/// Logs in. A wrong password and an unknown user look alike, and take alike.
#[utoipa::path(post, path = "/auth/login", tag = "auth", request_body = LoginRequest, responses(
    (status = 200, body = LoginAnswer), (status = 401, body = Problem), (status = 429, body = Problem)))]
async fn login(
    State(state): State<AppState>,
    Extension(ip): Extension<ClientIp>,
    device: Device,
    note: AuditNote,
    Json(request): Json<LoginRequest>,
) -> Result<Json<LoginAnswer>> {
    let login = check_password(&state, ip, &request.username, request.password).await;
    // An attempt that was refused unchecked leaves no row, because a flood of them could fill the audit table. No user has
    // a reserved name, and a row with one would look like that of an API token or of the command line.
    if !matches!(login, Err(Error::TooMany { .. })) && !users::is_reserved(&request.username) {
        note.actor(&request.username);
    }
    let login = login?.ok_or_else(|| {
        Error::refused(
            StatusCode::UNAUTHORIZED,
            Code::InvalidCredentials,
            "Invalid credentials",
            "Check name and password; an admin can set a new one.",
        )
    })?;
    require_code(&state, ip, &login.user, request.code.as_ref()).await?;
    let mut tx = state.db.begin().await?;
    let answer = begin(&state, &mut tx, &login.user, login.now, Method::Password, &device).await?;
    note.commit(tx, StatusCode::OK).await?;
    Ok(Json(answer))
}

/// Returns the user with this name and password if they may log in. A failure counts against the name and the address.
///
/// # Errors
/// 429 when too many attempts failed before, or too many are being checked.
pub(super) async fn check_password(
    state: &AppState,
    ip: ClientIp,
    username: &str,
    password: Secret,
) -> Result<Option<Login>> {
    let address = ip.network();
    // One attempt at a time for each name and address, because parallel attempts would all be checked before the first
    // failure is counted.
    let lock = state.login_mutex.lock(format!("{} {address}", username.to_lowercase())).await;
    let _lock = lock.ok_or(Error::TooMany { retry_after: 1 })?;
    let _place = state.login_queue.enter(&address).ok_or(Error::TooMany { retry_after: 1 })?;
    if let Some(retry_after) = login_failures::must_wait(&state.db, username, &address).await? {
        return Err(Error::TooMany { retry_after });
    }
    let known = users::find_login(&state.db, username).await?;
    let hash = known.as_ref().and_then(|login| login.password_hash.clone());
    let matches = password::verify(password, hash).await;
    let login = known.filter(|login| matches && !login.user.disabled);
    if login.is_none() {
        login_failures::note(&state.db, username, &address).await?;
    }
    Ok(login)
}

/// Logs out: the session ends at once, everywhere.
#[utoipa::path(post, path = "/auth/logout", tag = "auth", security(("token" = [])), responses(
    (status = 204)))]
async fn logout(State(state): State<AppState>, AnyUser(caller): AnyUser, note: AuditNote) -> Result<StatusCode> {
    let session = caller.session()?.jti;
    note.object("session", session);
    let mut tx = state.db.begin().await?;
    sessions::end(&mut *tx, caller.user.id, session).await?;
    note.commit(tx, StatusCode::NO_CONTENT).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The user of a token.
#[derive(Serialize, ToSchema)]
struct Me {
    username: String,
    /// `admin` or `user`.
    #[schema(value_type = String)]
    role: Role,
    /// When the token expires.
    expires_at: DateTime<Utc>,
    /// Whether logins of the user need a code of an authenticator app.
    second_factor: bool,
    /// Whether the user must set a second factor up before anything else.
    second_factor_missing: bool,
    /// Whether the user logs in at the identity provider, and has no password here.
    external: bool,
}

/// The user whose token this is.
#[utoipa::path(get, path = "/auth/me", tag = "auth", security(("token" = [])), responses(
    (status = 200, body = Me)))]
async fn me(State(state): State<AppState>, AnyUser(caller): AnyUser) -> Json<Me> {
    Json(Me {
        expires_at: caller.expires_at(),
        role: caller.user.role,
        second_factor: caller.user.second_factor,
        second_factor_missing: state.settings.require_totp.covers(&caller.user) && !caller.user.second_factor,
        external: caller.user.issuer.is_some(),
        username: caller.user.username,
    })
}
