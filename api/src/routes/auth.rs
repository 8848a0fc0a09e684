//! Logging in and out.

use axum::extract::{DefaultBodyLimit, Extension, State};
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use elt_shared::password;
use elt_shared::secret::Secret;
use elt_shared::store::tokens;
use elt_shared::store::users::{self, Role};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

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
    let username = request.username.replace('\0', "");
    note.actor(&username);
    let ip = ip.to_string();
    // One guess at a time: those made at once must not all be looked at before the first one is counted.
    let turn = state.login_turns.take(format!("{} {ip}", username.to_lowercase())).await;
    let _turn = turn.ok_or(Error::TooMany { retry_after: 1 })?;
    if let Some(retry_after) = tokens::must_wait(&state.db, &username, &ip).await? {
        return Err(Error::TooMany { retry_after });
    }
    let known = users::find_login(&state.db, &username).await?;
    let hash = known.as_ref().map(|login| login.password_hash.clone());
    let matches = password::verify(request.password, hash).await;
    let Some(login) = known.filter(|login| matches && !login.user.disabled) else {
        tokens::note_failure(&state.db, &username, &ip).await?;
        return Err(Error::refused(
            StatusCode::UNAUTHORIZED,
            "invalid_credentials",
            "Invalid credentials",
            "Check name and password; an admin can set a new one.",
        ));
    };
    let (token, expires_at) =
        state.tokens.issue(&login.user, login.now).map_err(|error| Error::internal("sign a token", error))?;
    Ok(Json(LoginAnswer { token, role: login.user.role, expires_at }))
}

/// Logs out: the token stops counting at once, everywhere.
#[utoipa::path(post, path = "/auth/logout", tag = "auth", security(("token" = [])), responses(
    (status = 204), (status = 401, body = Problem)))]
async fn logout(State(state): State<AppState>, AnyUser(caller): AnyUser) -> Result<StatusCode> {
    tokens::revoke(&state.db, caller.claims.jti, caller.claims.expires_at()).await?;
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
    Json(Me { expires_at: caller.claims.expires_at(), role: caller.user.role, username: caller.user.username })
}
