//! Channels, which messages about pipelines go to. Their addresses go in and never come out.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use elt_shared::notifications::{self, ChannelAddress, ChannelError};
use elt_shared::secret::Secret;
use elt_shared::store::channels::{self, Channel};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::notifications::NotificationView;
use crate::AppState;
use crate::audit::AuditNote;
use crate::auth::{Allowed, Manage};
use crate::error::{Error, Problem, Result};
use crate::extract::{Json, Params, Path};
use crate::page::{Page, PageQuery};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(put, remove)).routes(routes!(test))
}

/// A channel, without its address.
#[derive(Debug, Serialize, ToSchema)]
struct ChannelView {
    /// As configs name it: `notify: [{channel: NAME}]`.
    name: String,
    /// The address without secrets: `webhook https://hooks.example.com`.
    destination: String,
    created_at: DateTime<Utc>,
    created_by: String,
    /// When its address changed last.
    updated_at: DateTime<Utc>,
    updated_by: String,
}

impl From<Channel> for ChannelView {
    fn from(channel: Channel) -> Self {
        let Channel { name, destination, created_at, created_by, updated_at, updated_by } = channel;
        Self { name, destination, created_at, created_by, updated_at, updated_by }
    }
}

/// Channels by name, without their addresses.
#[utoipa::path(get, path = "/channels", tag = "channels", security(("token" = []), ("api_token" = ["admin"])), params(PageQuery),
    responses((status = 200, body = Page<ChannelView>)))]
async fn list(
    State(state): State<AppState>,
    _caller: Allowed<Manage>,
    Params(page): Params<PageQuery>,
) -> Result<Json<Page<ChannelView>>> {
    let after: Option<String> = page.after()?;
    let rows = channels::list(&state.db, after.as_deref(), page.fetch()).await?;
    Ok(Json(Page::of(rows, &page, |channel| channel.name.clone(), Into::into)))
}

/// Where the messages of a channel go: the keys of an item of `notify:`. It is stored sealed and never shown again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PutChannel {
    /// The address that gets a POST request for each message.
    #[schema(value_type = Option<String>, write_only, format = Password)]
    webhook: Option<Secret>,
    /// What the request's body looks like: `generic`, `slack`, `teams` or `discord`. Default: by the host of the address.
    format: Option<String>,
    /// Signs the requests: `whsec_` and base64, or any text of 16 characters or more.
    #[schema(value_type = Option<String>, write_only, format = Password)]
    secret: Option<Secret>,
    /// The addresses that get an e-mail for each message, up to 20, in place of `webhook`.
    email: Option<Vec<String>>,
    /// The sender of e-mails.
    from: Option<String>,
    /// The mail server: `smtps://USER:PASSWORD@HOST`, or `smtp://` with STARTTLS.
    #[schema(value_type = Option<String>, write_only, format = Password)]
    smtp: Option<Secret>,
    /// The only authorities that may have signed the mail server's certificate, in PEM form.
    #[schema(value_type = Option<String>, write_only, format = Password)]
    smtp_ca: Option<Secret>,
}

impl PutChannel {
    fn keys(&self) -> Value {
        let secret = |secret: &Option<Secret>| secret.as_ref().map(|secret| json!(secret.expose()));
        let given = [
            ("webhook", secret(&self.webhook)),
            ("format", self.format.as_ref().map(|format| json!(format))),
            ("secret", secret(&self.secret)),
            ("email", self.email.as_ref().map(|email| json!(email))),
            ("from", self.from.as_ref().map(|from| json!(from))),
            ("smtp", secret(&self.smtp)),
            ("smtp_ca", secret(&self.smtp_ca)),
        ];
        let given = given.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        Value::Object(given.collect::<Map<_, _>>())
    }
}

/// Stores a channel, or gives it another address. The next message goes there.
#[utoipa::path(put, path = "/channels/{name}", tag = "channels", security(("token" = []), ("api_token" = ["admin"])),
    request_body = PutChannel, responses(
    (status = 200, body = ChannelView), (status = 201, body = ChannelView), (status = 409, body = Problem)))]
async fn put(
    State(state): State<AppState>,
    caller: Allowed<Manage>,
    note: AuditNote,
    Path(name): Path<String>,
    Json(request): Json<PutChannel>,
) -> Result<Response> {
    check_name(&name)?;
    note.object("channel", &name);
    let address = ChannelAddress::checked(&request.keys()).map_err(|error| refused(&error))?;
    note.detail("destination", address.destination.clone());
    let mut tx = state.db.begin().await?;
    let stored = channels::put(&mut tx, &state.keys, (&name, &address), caller.name()).await?;
    let (channel, is_new) = stored.map_err(|error| refused(&error))?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    note.commit(tx, status).await?;
    Ok((status, Json(ChannelView::from(channel))).into_response())
}

fn check_name(name: &str) -> Result<()> {
    if notifications::is_channel_name(name) { Ok(()) } else { Err(refused(&ChannelError::Name)) }
}

fn refused(error: &ChannelError) -> Error {
    match error {
        ChannelError::TooMany => {
            Error::conflict(error.code(), error.to_string(), "Remove channels that no config names any more.")
        }
        ChannelError::Name | ChannelError::Address(_) => Error::unprocessable(error.code(), error.to_string()),
    }
}

/// Removes a channel. Messages to it are tried for a day and then given up.
#[utoipa::path(delete, path = "/channels/{name}", tag = "channels", security(("token" = []), ("api_token" = ["admin"])),
    responses((status = 204), (status = 404, body = Problem)))]
async fn remove(
    State(state): State<AppState>,
    _caller: Allowed<Manage>,
    note: AuditNote,
    Path(name): Path<String>,
) -> Result<StatusCode> {
    check_name(&name)?;
    note.object("channel", &name);
    let mut tx = state.db.begin().await?;
    if !channels::remove(&mut *tx, &name).await? {
        return Err(Error::NotFound(format!("channel {name}")));
    }
    note.commit(tx, StatusCode::NO_CONTENT).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Writes a message that says that the channel works. A worker sends it; `GET /notifications` shows what came of it.
#[utoipa::path(post, path = "/channels/{name}/test", tag = "channels", security(("token" = []), ("api_token" = ["admin"])),
    responses((status = 202, body = NotificationView), (status = 404, body = Problem)))]
async fn test(
    State(state): State<AppState>,
    caller: Allowed<Manage>,
    note: AuditNote,
    Path(name): Path<String>,
) -> Result<(StatusCode, Json<NotificationView>)> {
    check_name(&name)?;
    note.object("channel", &name);
    let mut tx = state.db.begin().await?;
    let Some(channel) = channels::find(&mut *tx, &name).await? else {
        return Err(Error::NotFound(format!("channel {name}")));
    };
    let message = notifications::test_channel(&mut tx, &channel, caller.name()).await?;
    note.commit(tx, StatusCode::ACCEPTED).await?;
    Ok((StatusCode::ACCEPTED, Json(message.into())))
}
