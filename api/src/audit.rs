//! The audit layer: one row for every request of a logged-in user that changes something, even when it is refused.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use elt_shared::secret::KeyRing;
use elt_shared::store;
use elt_shared::store::audit::{self, NewAuditRow};
use serde_json::{Map, Value, json};
use sqlx::{PgConnection, Postgres, Transaction};
use tracing::Instrument;
use uuid::Uuid;

use crate::AppState;
use crate::auth::Caller;
use crate::client::{ClientIp, RequestId};
use crate::error::{Error, refused_key};
use crate::pool::NoConnection;

/// POSTs that change nothing: they only carry a body.
const READ_ONLY: [&str; 3] = ["/configs/validate", "/data-view", "/downloads"];

/// Reads of what others may not see. The layer notes a refusal. Handlers note what they show before they show it, apart
/// from that of `/secrets`, which shows no values.
const SECRET_READS: [&str; 7] = [
    "/config/{id}",
    "/runs/{id}/csv",
    "/quarantine/export",
    "/audit/export",
    "/data-view",
    "/secrets",
    "/shared-tables/{name}/export",
];

/// What a handler adds to the row of its call, and how it writes the row together with the change.
#[derive(Clone, Default)]
pub struct AuditNote(Arc<Mutex<Note>>);

#[derive(Default)]
struct Note {
    actor: Option<String>,
    object: Option<String>,
    detail: Map<String, Value>,
    /// What is known of the call itself. Missing where no row is written.
    call: Option<Call>,
    /// How far the row is.
    row: RowState,
}

/// What is known of a call before its handler runs.
#[derive(Clone)]
struct Call {
    /// Of the row, so that it is written once.
    id: Uuid,
    action: String,
    ip: Option<String>,
    request_id: Option<String>,
    keys: Arc<KeyRing>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum RowState {
    /// No row was written yet.
    #[default]
    Missing,
    /// The COMMIT was sent, and its answer was not received.
    Unknown,
    /// Committed together with the change.
    Written,
}

impl AuditNote {
    /// Notes the username of the caller, or `token:NAME`.
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

    /// Writes the row of this call in the transaction of its change and commits both. `status` is that of the answer.
    ///
    /// # Errors
    /// When the row cannot be written: then nothing is changed either.
    pub async fn commit(&self, mut tx: Transaction<'_, Postgres>, status: StatusCode) -> Result<(), Error> {
        if let Some((call, row)) = self.row(status) {
            row.write(&mut tx, &call).await?;
        }
        self.edit(|note| note.row = RowState::Unknown);
        tx.commit().await?;
        self.edit(|note| note.row = RowState::Written);
        Ok(())
    }

    /// Writes the row of a call whose handler did not write it: it was refused, failed, or changed nothing.
    async fn write_alone(&self, state: &AppState, status: StatusCode) -> sqlx::Result<()> {
        let Some((call, row)) = self.row(status) else { return Ok(()) };
        let is_unknown = match self.0.lock().unwrap_or_else(PoisonError::into_inner).row {
            RowState::Written => return Ok(()),
            RowState::Unknown => true,
            RowState::Missing => false,
        };
        let mut tx = state.db.begin().await?;
        if is_unknown && audit::exists(&mut *tx, call.id).await? {
            return Ok(());
        }
        row.write(&mut tx, &call).await?;
        tx.commit().await
    }

    /// The row as it would be written now. `None` without a user, because anyone could fill the audit with such rows.
    fn row(&self, status: StatusCode) -> Option<(Call, Row)> {
        let note = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (call, actor) = (note.call.clone()?, note.actor.clone()?);
        let outcome = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS => "denied",
            status if status.is_client_error() || status.is_server_error() => "failed",
            _ => "done",
        };
        let mut detail = note.detail.clone();
        detail.insert("status".into(), json!(status.as_u16()));
        Some((call, Row { actor, object: note.object.clone(), outcome, detail: Value::Object(detail) }))
    }

    fn edit(&self, change: impl FnOnce(&mut Note)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// What a note says of a call at its end.
struct Row {
    actor: String,
    object: Option<String>,
    outcome: &'static str,
    detail: Value,
}

impl Row {
    async fn write(self, tx: &mut PgConnection, call: &Call) -> sqlx::Result<()> {
        let row = NewAuditRow {
            actor: &self.actor,
            ip: call.ip.as_deref(),
            action: &call.action,
            object: self.object.as_deref(),
            outcome: self.outcome,
            detail: self.detail,
            request_id: call.request_id.as_deref(),
        };
        audit::append_as(tx, &call.keys, call.id, row).await
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
    /// Writes the audit row of a read, before anything is shown.
    ///
    /// # Errors
    /// When the row cannot be written: then nothing may be shown.
    pub async fn note(&self, state: &AppState, caller: &Caller, action: &str, object: &str) -> Result<(), Error> {
        let row = NewAuditRow {
            actor: caller.name(),
            ip: self.ip.as_deref(),
            action,
            object: Some(object),
            outcome: "done",
            detail: Value::Object(caller.audit_detail()),
            request_id: self.request_id.as_deref(),
        };
        let mut tx = state.db.begin().await?;
        audit::append(&mut tx, &state.keys, row).await?;
        Ok(tx.commit().await?)
    }
}

/// Runs a changing request to its end, even when the client disconnects meanwhile, and writes its row when the handler
/// did not write it with its change. A request without a user leaves no row, because anyone could fill the audit table
/// with such rows; the metrics count these requests.
pub async fn layer(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map_or_else(String::new, |path| path.as_str().to_owned());
    let only_reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let is_secret = SECRET_READS.contains(&path.as_str());
    if path.is_empty() || (only_reads && !is_secret) || (!only_reads && READ_ONLY.contains(&path.as_str())) {
        return next.run(request).await;
    }
    let note = AuditNote::default();
    if only_reads {
        note.detail("path", request.uri().path());
    }
    let call = Call {
        id: Uuid::now_v7(),
        action: format!("{} {path}", request.method()),
        ip: request.extensions().get::<ClientIp>().map(ToString::to_string),
        request_id: request.extensions().get::<RequestId>().map(ToString::to_string),
        keys: Arc::clone(&state.keys),
    };
    note.edit(|note| note.call = Some(call));
    request.extensions_mut().insert(note.clone());
    let answering = async move {
        let response = next.run(request).await;
        let was_refused = matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        if only_reads && !was_refused {
            return response;
        }
        // A request that got no connection would wait for one once more, and changed nothing. The log has it.
        if response.extensions().get::<NoConnection>().is_some() {
            return response;
        }
        match note.write_alone(&state, response.status()).await {
            Ok(()) => response,
            Err(error) => {
                tracing::error!(%error, "could not write the audit row of a request");
                match response.status().is_server_error() {
                    true => response,
                    false => not_noted(&error).into_response(),
                }
            }
        }
    };
    match tokio::spawn(answering.in_current_span()).await {
        Ok(response) => response,
        Err(error) => Error::internal("answer the request", error).into_response(),
    }
}

/// The answer to a request that changed nothing and whose row could not be written.
fn not_noted(error: &sqlx::Error) -> Error {
    if store::is_read_only(error) {
        return Error::read_only("the control database is read-only at the moment");
    }
    refused_key(error).unwrap_or(Error::Unavailable("the request could not be noted in the audit"))
}
