//! The audit layer: one row for every request of a logged-in user that changes something, even when it is refused.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use elt_shared::store::audit::{self, NewAuditRow};
use serde_json::{Map, Value, json};
use tracing::Instrument;

use crate::AppState;
use crate::auth::Caller;
use crate::client::{ClientIp, RequestId};
use crate::error::Error;

/// POSTs that change nothing: they only carry a body.
const READ_ONLY: [&str; 2] = ["/configs/validate", "/data-view"];

/// What a handler adds to the row of its call.
#[derive(Debug, Clone, Default)]
pub struct AuditNote(Arc<Mutex<Note>>);

#[derive(Debug, Default)]
struct Note {
    actor: Option<String>,
    object: Option<String>,
    detail: Map<String, Value>,
}

impl AuditNote {
    /// Who is calling.
    pub fn actor(&self, name: &str) {
        self.edit(|note| note.actor = Some(name.chars().take(100).collect()));
    }

    /// What it is done to: `run 0199…`.
    pub fn object(&self, kind: &str, id: impl std::fmt::Display) {
        self.edit(|note| note.object = Some(format!("{kind} {id}")));
    }

    /// Something else worth keeping; never a secret.
    pub fn detail(&self, key: &str, value: impl Into<Value>) {
        self.edit(|note| _ = note.detail.insert(key.into(), value.into()));
    }

    fn edit(&self, change: impl FnOnce(&mut Note)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn take(&self) -> Note {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S: Sync> FromRequestParts<S> for AuditNote {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

/// Where a request comes from: for reads that leave a row of their own, because they show what others may not see.
pub struct Origin {
    ip: Option<String>,
    request_id: Option<String>,
}

impl<S: Sync> FromRequestParts<S> for Origin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self {
            ip: parts.extensions.get::<ClientIp>().map(ToString::to_string),
            request_id: parts.extensions.get::<RequestId>().map(ToString::to_string),
        })
    }
}

impl Origin {
    /// Notes a read before anything is shown.
    ///
    /// # Errors
    /// When it cannot be noted: then nothing may be shown.
    pub async fn note(&self, state: &AppState, caller: &Caller, action: &str, object: &str) -> Result<(), Error> {
        let row = NewAuditRow {
            actor: caller.name(),
            ip: self.ip.as_deref(),
            action,
            object: Some(object),
            outcome: "done",
            detail: json!({}),
            request_id: self.request_id.as_deref(),
        };
        Ok(audit::append(&state.db, row).await?)
    }
}

/// Runs a changing request to its end and writes its row, even when the client disconnects meanwhile. A request without
/// a user leaves no row, because anyone could fill the audit table with such rows; the metrics count these requests.
pub async fn layer(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map_or_else(String::new, |path| path.as_str().to_owned());
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS)
        || path.is_empty()
        || READ_ONLY.contains(&path.as_str())
    {
        return next.run(request).await;
    }
    let note = AuditNote::default();
    let action = format!("{} {path}", request.method());
    let ip = request.extensions().get::<ClientIp>().map(ToString::to_string);
    let request_id = request.extensions().get::<RequestId>().map(ToString::to_string);
    request.extensions_mut().insert(note.clone());
    let call = async move {
        let response = next.run(request).await;
        write(&state, note.take(), &action, ip.as_deref(), request_id.as_deref(), response.status()).await;
        response
    };
    match tokio::spawn(call.in_current_span()).await {
        Ok(response) => response,
        Err(error) => Error::internal("answer the request", error).into_response(),
    }
}

async fn write(
    state: &AppState,
    note: Note,
    action: &str,
    ip: Option<&str>,
    request_id: Option<&str>,
    status: StatusCode,
) {
    let Some(actor) = note.actor else { return };
    let outcome = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS => "denied",
        status if status.is_client_error() || status.is_server_error() => "failed",
        _ => "done",
    };
    let mut detail = note.detail;
    detail.insert("status".into(), json!(status.as_u16()));
    let row = NewAuditRow {
        actor: &actor,
        ip,
        action,
        object: note.object.as_deref(),
        outcome,
        detail: Value::Object(detail),
        request_id,
    };
    if let Err(error) = audit::append(&state.db, row).await {
        tracing::error!(error = %error, action, "could not write the audit row");
    }
}
