//! Host keys of SFTP servers: which are trusted, and which wait for an admin.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use elt_shared::store::known_hosts::{self, KnownHost};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::audit::AuditNote;
use crate::auth::{Allowed, Manage};
use crate::error::{Error, Problem, Result};
use crate::extract::{Json, Params};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list, forget)).routes(routes!(approve))
}

/// A key a server showed.
#[derive(Serialize, ToSchema)]
struct KnownHostView {
    host: String,
    port: i32,
    algorithm: String,
    /// `SHA256:…`, as `ssh-keygen -l` shows it.
    fingerprint: String,
    public_key: String,
    /// Whether runs may talk to a server with this key.
    trusted: bool,
    seen_at: DateTime<Utc>,
    /// The admin who trusted it; absent when it was the first key seen.
    approved_by: Option<String>,
}

impl From<KnownHost> for KnownHostView {
    fn from(key: KnownHost) -> Self {
        Self {
            host: key.host,
            port: key.port,
            algorithm: key.algorithm,
            fingerprint: key.fingerprint,
            public_key: key.public_key,
            trusted: key.trusted,
            seen_at: key.seen_at,
            approved_by: key.approved_by,
        }
    }
}

/// The keys of SSH servers that runs have met, trusted and not.
#[derive(Serialize, ToSchema)]
struct KnownHostList {
    data: Vec<KnownHostView>,
}

/// Every key of every server, those that wait for an admin first.
#[utoipa::path(get, path = "/known-hosts", tag = "known hosts", security(("token" = []), ("api_token" = ["admin"])), responses(
    (status = 200, body = KnownHostList)))]
async fn list(State(state): State<AppState>, _caller: Allowed<Manage>) -> Result<Json<KnownHostList>> {
    let keys = known_hosts::list(&state.db).await?;
    Ok(Json(KnownHostList { data: keys.into_iter().map(Into::into).collect() }))
}

/// One key of one server.
#[derive(Deserialize, ToSchema, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct KeyOfHost {
    host: String,
    port: u16,
    fingerprint: String,
}

impl KeyOfHost {
    fn named(&self, note: &AuditNote) {
        note.object("host key", format_args!("{}:{} {}", self.host, self.port, self.fingerprint));
    }

    fn missing(&self) -> Error {
        Error::NotFound(format!("key {} of {}:{}", self.fingerprint, self.host, self.port))
    }
}

/// Trusts a key that a server showed.
#[utoipa::path(post, path = "/known-hosts/approve", tag = "known hosts", security(("token" = []), ("api_token" = ["admin"])),
    request_body = KeyOfHost, responses(
    (status = 200, body = KnownHostView),
    (status = 404, body = Problem)))]
async fn approve(
    State(state): State<AppState>,
    caller: Allowed<Manage>,
    note: AuditNote,
    Json(key): Json<KeyOfHost>,
) -> Result<Json<KnownHostView>> {
    key.named(&note);
    let mut tx = state.db.begin().await?;
    let approved = known_hosts::approve(&mut *tx, &key.host, key.port, &key.fingerprint, caller.name()).await?;
    let approved = approved.ok_or_else(|| key.missing())?;
    note.commit(tx, StatusCode::OK).await?;
    Ok(Json(approved.into()))
}

/// Forgets a key: the server must be trusted anew.
#[utoipa::path(delete, path = "/known-hosts", tag = "known hosts", security(("token" = []), ("api_token" = ["admin"])), params(KeyOfHost),
    responses((status = 204),
    (status = 404, body = Problem)))]
async fn forget(
    State(state): State<AppState>,
    _caller: Allowed<Manage>,
    note: AuditNote,
    Params(key): Params<KeyOfHost>,
) -> Result<StatusCode> {
    key.named(&note);
    let mut tx = state.db.begin().await?;
    if !known_hosts::forget(&mut *tx, &key.host, key.port, &key.fingerprint).await? {
        return Err(key.missing());
    }
    note.commit(tx, StatusCode::NO_CONTENT).await?;
    Ok(StatusCode::NO_CONTENT)
}
