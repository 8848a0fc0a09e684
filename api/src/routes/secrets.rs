//! Stored secrets, which configs refer to as `${secret:NAME}`. Their values go in and never come out.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use elt_shared::explained::Code;
use elt_shared::secret::Secret;
use elt_shared::store::secrets::{self, SecretUse, StoredSecret};
use elt_shared::stored_secret::{self, ChangeSecret, SecretError};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::audit::AuditNote;
use crate::auth::{Allowed, Manage};
use crate::error::{Error, Problem, Result};
use crate::extract::{Json, Params, Path};
use crate::page::{Page, PageQuery};

/// Pipelines that the refusal of a removal names.
const NAMED_USES: usize = 20;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(put, remove))
}

/// A stored secret, without its value.
#[derive(Debug, Serialize, ToSchema)]
struct SecretView {
    /// As configs refer to it: `${secret:NAME}`.
    name: String,
    /// What the secret is used for, in the words of an admin.
    description: String,
    /// Names of the pipelines that may use it; `*` alone: all of them.
    pipelines: Vec<String>,
    /// Whether configs that no admin has uploaded may use it as well.
    usable_by_users: bool,
    /// Counts the values it has had.
    version: i64,
    created_at: DateTime<Utc>,
    /// A username, or `cli:` and an account of the operating system.
    created_by: String,
    /// When its value, description or grants changed last.
    updated_at: DateTime<Utc>,
    updated_by: String,
    /// Names of the pipelines whose newest config, or a config that a schedule runs, refers to it.
    used_by: Vec<String>,
}

impl SecretView {
    fn of(secret: StoredSecret, uses: &[SecretUse]) -> Self {
        let used_by = uses.iter().filter(|used| used.secret == secret.name).map(|used| used.pipeline.clone()).collect();
        Self {
            name: secret.name,
            description: secret.description,
            pipelines: secret.pipelines,
            usable_by_users: secret.usable_by_users,
            version: secret.version,
            created_at: secret.created_at,
            created_by: secret.created_by,
            updated_at: secret.updated_at,
            updated_by: secret.updated_by,
            used_by,
        }
    }
}

/// Stored secrets by name, without their values.
#[utoipa::path(get, path = "/secrets", tag = "secrets", security(("token" = []), ("api_token" = ["admin"])), params(PageQuery),
    responses((status = 200, body = Page<SecretView>)))]
async fn list(
    State(state): State<AppState>,
    _caller: Allowed<Manage>,
    Params(page): Params<PageQuery>,
) -> Result<Json<Page<SecretView>>> {
    let after: Option<String> = page.after()?;
    let rows = secrets::list(&state.db, after.as_deref(), page.fetch()).await?;
    let names: Vec<String> = rows.iter().map(|secret| secret.name.clone()).collect();
    let uses = secrets::uses(&state.db, &names).await?;
    Ok(Json(Page::of(rows, &page, |secret| secret.name.clone(), |secret| SecretView::of(secret, &uses))))
}

/// What to store of a secret. What is absent stays as it is; of a new secret it is empty.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PutSecret {
    /// 4 bytes to 64 KiB. It is stored sealed and never shown again. A new secret needs one.
    #[schema(value_type = Option<String>, write_only, format = Password)]
    value: Option<Secret>,
    /// What it is for: up to 500 characters, shown to admins.
    description: Option<String>,
    /// Names of the pipelines that may use it, up to 100; `*` alone: all of them. A new secret is granted to none.
    pipelines: Option<Vec<String>>,
    /// Whether configs that no admin has uploaded may use it as well. Users can then learn its value, because they choose
    /// where their configs send it.
    usable_by_users: Option<bool>,
}

/// Stores a secret, or changes its value, description or grants. The next run uses it.
#[utoipa::path(put, path = "/secrets/{name}", tag = "secrets", security(("token" = []), ("api_token" = ["admin"])),
    request_body = PutSecret, responses(
    (status = 200, body = SecretView), (status = 201, body = SecretView), (status = 409, body = Problem)))]
async fn put(
    State(state): State<AppState>,
    caller: Allowed<Manage>,
    note: AuditNote,
    Path(name): Path<String>,
    Json(request): Json<PutSecret>,
) -> Result<Response> {
    stored_secret::check_name(&name).map_err(|error| refused(&error))?;
    note.object("secret", &name);
    let PutSecret { value, description, pipelines, usable_by_users } = request;
    let change = ChangeSecret { value, description, pipelines, usable_by_users };
    let change = change.checked().map_err(|error| refused(&error))?;
    note.detail("value_changed", change.value.is_some());
    note.detail("description_changed", change.description.is_some());
    if let Some(pipelines) = &change.pipelines {
        note.detail("pipelines", pipelines.clone());
    }
    if let Some(usable_by_users) = change.usable_by_users {
        note.detail("usable_by_users", usable_by_users);
    }
    let mut tx = state.db.begin().await?;
    let stored = secrets::put(&mut tx, &state.keys, (&name, &change), caller.name()).await?;
    let (secret, is_new) = stored.map_err(|error| refused(&error))?;
    note.detail("version", secret.version);
    let uses = secrets::uses(&mut *tx, &[name]).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    note.commit(tx, status).await?;
    Ok((status, Json(SecretView::of(secret, &uses))).into_response())
}

fn refused(error: &SecretError) -> Error {
    match error {
        SecretError::TooMany => {
            Error::conflict(error.code(), error.to_string(), "Remove secrets that no pipeline uses any more.")
        }
        _ => Error::unprocessable(error.code(), error.to_string()),
    }
}

/// Whether to remove a secret that pipelines refer to.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct RemoveParameters {
    /// `true` removes it although pipelines refer to it. Their next runs fail.
    #[serde(default)]
    force: bool,
}

/// Removes a secret. Refused while the newest config of a pipeline, or one that a schedule runs, refers to it.
#[utoipa::path(delete, path = "/secrets/{name}", tag = "secrets", security(("token" = []), ("api_token" = ["admin"])),
    params(RemoveParameters), responses((status = 204),
    (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn remove(
    State(state): State<AppState>,
    _caller: Allowed<Manage>,
    note: AuditNote,
    Path(name): Path<String>,
    Params(parameters): Params<RemoveParameters>,
) -> Result<StatusCode> {
    stored_secret::check_name(&name).map_err(|error| refused(&error))?;
    note.object("secret", &name);
    note.detail("force", parameters.force);
    let mut tx = state.db.begin().await?;
    if !secrets::remove(&mut *tx, &name).await? {
        return Err(Error::NotFound(format!("secret {name}")));
    }
    let uses = secrets::uses(&mut *tx, &[name]).await?;
    if !uses.is_empty() && !parameters.force {
        // The transaction ends without a commit, so the secret stays.
        return Err(in_use(&uses));
    }
    note.detail("used_by", uses.iter().take(NAMED_USES).map(|used| used.pipeline.clone()).collect::<Vec<_>>());
    note.commit(tx, StatusCode::NO_CONTENT).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn in_use(uses: &[SecretUse]) -> Error {
    Error::conflict(
        Code::SecretInUse,
        format!("the secret is used by {}", secrets::pipelines_of(uses, NAMED_USES)),
        "Upload configs of these pipelines that do not refer to it and stop schedules that run an older one, or send \
         `?force=true`: their next runs then fail.",
    )
}
