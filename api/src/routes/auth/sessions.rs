//! Sessions: how they begin, which ones are open, and ending them.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use chrono::{DateTime, Utc};
use elt_shared::store::sessions::{self, Method, NewSession, Session};
use elt_shared::store::users::{Role, User};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::AppState;
use crate::audit::AuditNote;
use crate::auth::{Admin, AnyUser};
use crate::client::ClientIp;
use crate::error::{Error, Problem, Result};
use crate::extract::{Json, Path};
use crate::routes::users;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(own_sessions, end_other_sessions))
        .routes(routes!(end_session))
        .routes(routes!(sessions_of_user, end_sessions_of_user))
}

/// A token for the next hour.
#[derive(Serialize, ToSchema)]
pub(super) struct LoginAnswer {
    /// Send it as `Authorization: Bearer …`.
    token: String,
    /// `admin` or `user`.
    #[schema(value_type = String)]
    role: Role,
    /// When it expires.
    expires_at: DateTime<Utc>,
}

/// Where a login comes from: its address, and what the client calls itself.
pub(super) struct Device {
    ip: String,
    user_agent: Option<String>,
}

impl<S: Sync> FromRequestParts<S> for Device {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let user_agent = parts.headers.get(header::USER_AGENT);
        Ok(Self {
            ip: parts.extensions.get::<ClientIp>().map(ToString::to_string).unwrap_or_default(),
            user_agent: user_agent.map(|agent| String::from_utf8_lossy(agent.as_bytes()).into_owned()),
        })
    }
}

/// Begins a session. Its token is signed at `now`, by the database's clock.
pub(super) async fn begin(
    state: &AppState,
    db: &mut PgConnection,
    user: &User,
    now: DateTime<Utc>,
    method: Method,
    device: &Device,
) -> Result<LoginAnswer> {
    let (token, claims) = state.tokens.issue(user, now).map_err(|error| Error::internal("sign a token", error))?;
    let expires_at = claims.expires_at();
    let session = NewSession {
        id: claims.jti,
        user_id: user.id,
        method,
        expires_at,
        ip: &device.ip,
        user_agent: device.user_agent.as_deref(),
    };
    sessions::begin(db, &session).await?;
    Ok(LoginAnswer { token, role: user.role, expires_at })
}

/// A login whose token is valid.
#[derive(Serialize, ToSchema)]
struct SessionView {
    id: Uuid,
    /// The session of the token that asks.
    current: bool,
    /// `password` or `oidc`.
    #[schema(value_type = String)]
    method: &'static str,
    /// When the user logged in.
    created_at: DateTime<Utc>,
    /// When the token was last used, to the minute.
    last_seen_at: DateTime<Utc>,
    /// When the token expires.
    expires_at: DateTime<Utc>,
    /// Address of the login.
    ip: Option<String>,
    /// What the client called itself, at most 200 characters.
    user_agent: Option<String>,
}

impl SessionView {
    fn of(session: Session, current: Uuid) -> Self {
        Self {
            id: session.id,
            current: session.id == current,
            method: session.method.as_str(),
            created_at: session.created_at,
            last_seen_at: session.last_seen_at,
            expires_at: session.expires_at,
            ip: session.ip,
            user_agent: session.user_agent,
        }
    }
}

/// The caller's own sessions, those used last first.
#[utoipa::path(get, path = "/auth/sessions", tag = "auth", security(("token" = [])), responses(
    (status = 200, body = Vec<SessionView>)))]
async fn own_sessions(State(state): State<AppState>, AnyUser(caller): AnyUser) -> Result<Json<Vec<SessionView>>> {
    let sessions = sessions::list(&state.db, caller.user.id).await?;
    let own = caller.session()?.jti;
    Ok(Json(sessions.into_iter().map(|session| SessionView::of(session, own)).collect()))
}

/// Ends one of the caller's own sessions at once.
#[utoipa::path(delete, path = "/auth/sessions/{id}", tag = "auth", security(("token" = [])), responses(
    (status = 204), (status = 404, body = Problem)))]
async fn end_session(
    State(state): State<AppState>,
    AnyUser(caller): AnyUser,
    note: AuditNote,
    Path(id): Path<Uuid>,
) -> Result<StatusCode> {
    note.object("session", id);
    let mut tx = state.db.begin().await?;
    if !sessions::end(&mut *tx, caller.user.id, id).await? {
        return Err(Error::NotFound(format!("session {id} of yours")));
    }
    note.commit(tx, StatusCode::NO_CONTENT).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends all sessions of the caller at once, except the one of this token.
#[utoipa::path(delete, path = "/auth/sessions", tag = "auth", security(("token" = [])), responses(
    (status = 204)))]
async fn end_other_sessions(
    State(state): State<AppState>,
    AnyUser(caller): AnyUser,
    note: AuditNote,
) -> Result<StatusCode> {
    note.object("user", caller.user.id);
    let current = caller.session()?.jti;
    let mut tx = state.db.begin().await?;
    let ended = sessions::end_all(&mut *tx, caller.user.id, Some(current)).await?;
    note.detail("sessions_ended", ended);
    note.commit(tx, StatusCode::NO_CONTENT).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The sessions of a user, those used last first.
#[utoipa::path(get, path = "/users/{id}/sessions", tag = "users", security(("token" = [])), responses(
    (status = 200, body = Vec<SessionView>),
    (status = 404, body = Problem)))]
async fn sessions_of_user(
    State(state): State<AppState>,
    Admin(caller): Admin,
    Path(id): Path<Uuid>,
) -> Result<Json<Vec<SessionView>>> {
    users::require(&state, id).await?;
    let sessions = sessions::list(&state.db, id).await?;
    let own = caller.session()?.jti;
    Ok(Json(sessions.into_iter().map(|session| SessionView::of(session, own)).collect()))
}

/// Ends all sessions of a user at once.
#[utoipa::path(delete, path = "/users/{id}/sessions", tag = "users", security(("token" = [])), responses(
    (status = 204), (status = 404, body = Problem)))]
async fn end_sessions_of_user(
    State(state): State<AppState>,
    _admin: Admin,
    note: AuditNote,
    Path(id): Path<Uuid>,
) -> Result<StatusCode> {
    note.object("user", id);
    users::require(&state, id).await?;
    let mut tx = state.db.begin().await?;
    let ended = sessions::end_all(&mut *tx, id, None).await?;
    note.detail("sessions_ended", ended);
    note.commit(tx, StatusCode::NO_CONTENT).await?;
    Ok(StatusCode::NO_CONTENT)
}
