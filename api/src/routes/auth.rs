//! Logging in and out.

use axum::extract::{DefaultBodyLimit, Extension, State};
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use elt_shared::password;
use elt_shared::secret::Secret;
use elt_shared::store::tokens;
use elt_shared::store::users::{self, Change, Login, Role, User};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use super::users::hash;
use crate::AppState;
use crate::audit::AuditNote;
use crate::auth::AnyUser;
use crate::client::ClientIp;
use crate::error::{Error, Problem, Result};
use crate::extract::Json;

/// A name and a password fit in this.
const MAX_LOGIN_BYTES: usize = 4 * 1024;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(login).layer(DefaultBodyLimit::max(MAX_LOGIN_BYTES)))
        .routes(routes!(change_password).layer(DefaultBodyLimit::max(MAX_LOGIN_BYTES)))
        .routes(routes!(logout))
        .routes(routes!(me))
}

/// Who wants in.
#[derive(Deserialize, ToSchema)]
struct LoginRequest {
    username: String,
    #[schema(value_type = String, format = Password)]
    password: Secret,
}

/// A token for the next hour.
#[derive(Serialize, ToSchema)]
struct LoginAnswer {
    /// Send it as `Authorization: Bearer …`.
    token: String,
    /// `admin` or `user`.
    #[schema(value_type = String)]
    role: Role,
    /// When it stops counting.
    expires_at: DateTime<Utc>,
}

/// Logs in. A wrong password and an unknown user look alike, and take alike.
#[utoipa::path(post, path = "/auth/login", tag = "auth", request_body = LoginRequest, responses(
    (status = 200, body = LoginAnswer), (status = 401, body = Problem), (status = 429, body = Problem)))]
async fn login(
    State(state): State<AppState>,
    Extension(ip): Extension<ClientIp>,
    note: AuditNote,
    Json(request): Json<LoginRequest>,
) -> Result<Json<LoginAnswer>> {
    let login = check_password(&state, ip, &request.username, request.password).await;
    if !matches!(login, Err(Error::TooMany { .. })) {
        // An attempt that was refused unchecked leaves no row, because a flood of them could fill the audit table.
        note.actor(&request.username);
    }
    let login = login?.ok_or_else(|| {
        Error::refused(
            StatusCode::UNAUTHORIZED,
            "invalid_credentials",
            "Invalid credentials",
            "Check name and password; an admin can set a new one.",
        )
    })?;
    Ok(Json(signed(&state, &login.user, login.now)?))
}

/// Returns the user with this name and password if they may log in. A failure counts against the name and the address.
///
/// # Errors
/// 429 when too many attempts failed before, or too many are being checked.
async fn check_password(state: &AppState, ip: ClientIp, username: &str, password: Secret) -> Result<Option<Login>> {
    let address = ip.network();
    // One attempt at a time for each name and address, because parallel attempts would all be checked before the first
    // failure is counted.
    let turn = state.login_turns.take(format!("{} {address}", username.to_lowercase())).await;
    let _turn = turn.ok_or(Error::TooMany { retry_after: 1 })?;
    let _place = state.login_queue.enter(&address).ok_or(Error::TooMany { retry_after: 1 })?;
    if let Some(retry_after) = tokens::must_wait(&state.db, username, &address).await? {
        return Err(Error::TooMany { retry_after });
    }
    let known = users::find_login(&state.db, username).await?;
    let hash = known.as_ref().map(|login| login.password_hash.clone());
    let matches = password::verify(password, hash).await;
    let login = known.filter(|login| matches && !login.user.disabled);
    if login.is_none() {
        tokens::note_failure(&state.db, username, &address).await?;
    }
    Ok(login)
}

fn signed(state: &AppState, user: &User, now: DateTime<Utc>) -> Result<LoginAnswer> {
    let (token, expires_at) = state.tokens.issue(user, now).map_err(|error| Error::internal("sign a token", error))?;
    Ok(LoginAnswer { token, role: user.role, expires_at })
}

/// A change of the caller's own password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangePassword {
    /// The current password.
    #[schema(value_type = String, format = Password)]
    old_password: Secret,
    /// 8 to 256 characters; common passwords are refused.
    #[schema(value_type = String, format = Password)]
    new_password: Secret,
}

/// Changes the caller's own password. All tokens of the caller become invalid at once; the answer contains a new one.
#[utoipa::path(post, path = "/auth/password", tag = "auth", security(("token" = [])), request_body = ChangePassword,
    responses((status = 200, body = LoginAnswer), (status = 401, body = Problem), (status = 403, body = Problem),
    (status = 422, body = Problem), (status = 429, body = Problem)))]
async fn change_password(
    State(state): State<AppState>,
    AnyUser(caller): AnyUser,
    Extension(ip): Extension<ClientIp>,
    note: AuditNote,
    Json(request): Json<ChangePassword>,
) -> Result<Json<LoginAnswer>> {
    note.object("user", caller.user.id);
    let login = check_password(&state, ip, caller.name(), request.old_password).await?.ok_or_else(|| {
        Error::refused(
            StatusCode::FORBIDDEN,
            "wrong_password",
            "the old password is wrong",
            "Send the password you log in with; an admin can set a new one.",
        )
    })?;
    let change = Change { password_hash: Some(hash(request.new_password).await?), ..Change::default() };
    let changed = users::change(&state.db, login.user.id, &change).await?;
    let user = changed.ok_or(Error::Unauthorized("the token is no longer valid: log in again"))?;
    note.detail("password_changed", true);
    // Signed at the instant of the change: older tokens are void, this one is not.
    Ok(Json(signed(&state, &user, user.tokens_after)?))
}

/// Logs out: the token stops counting at once, everywhere.
#[utoipa::path(post, path = "/auth/logout", tag = "auth", security(("token" = [])), responses(
    (status = 204), (status = 401, body = Problem)))]
async fn logout(State(state): State<AppState>, AnyUser(caller): AnyUser) -> Result<StatusCode> {
    let session = caller.session()?;
    tokens::revoke(&state.db, session.jti, session.expires_at()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whoever the token speaks for.
#[derive(Serialize, ToSchema)]
struct Me {
    username: String,
    /// `admin` or `user`.
    #[schema(value_type = String)]
    role: Role,
    /// When the token stops counting.
    expires_at: DateTime<Utc>,
}

/// Who the token speaks for.
#[utoipa::path(get, path = "/auth/me", tag = "auth", security(("token" = [])), responses(
    (status = 200, body = Me), (status = 401, body = Problem)))]
async fn me(AnyUser(caller): AnyUser) -> Json<Me> {
    Json(Me { expires_at: caller.expires_at(), role: caller.user.role, username: caller.user.username })
}
