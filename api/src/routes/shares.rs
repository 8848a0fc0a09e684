//! Shares: which users read the table of a pipeline. Admins grant and revoke them by name.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use elt_shared::explained::Code;
use elt_shared::store::shares::{self, Share};
use elt_shared::store::users::{self, Role, User};
use elt_shared::store::{configs, pipelines};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::audit::AuditNote;
use crate::auth::{Allowed, Manage};
use crate::error::{Error, Problem, Result};
use crate::extract::{Json, Params, Path};
use crate::page::{Page, PageQuery};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(grant, revoke))
}

/// A user who reads the table of a pipeline.
#[derive(Serialize, ToSchema)]
struct ShareView {
    /// Username.
    user: String,
    /// `user`, or `admin`, who reads the table without a share as well.
    #[schema(value_type = String)]
    role: Role,
    /// Whether the user is locked out, and reads nothing at the moment.
    disabled: bool,
    /// Username of the admin who shared the table.
    granted_by: String,
    granted_at: DateTime<Utc>,
}

impl From<Share> for ShareView {
    fn from(share: Share) -> Self {
        let Share { username, role, disabled, granted_by, granted_at } = share;
        Self { user: username, role, disabled, granted_by, granted_at }
    }
}

/// The users who read the table of a pipeline, by name.
#[utoipa::path(get, path = "/pipelines/{name}/shares", tag = "shares", security(("token" = []), ("api_token" = ["admin"])),
    params(PageQuery), responses((status = 200, body = Page<ShareView>), (status = 404, body = Problem)))]
async fn list(
    State(state): State<AppState>,
    _caller: Allowed<Manage>,
    Path(name): Path<String>,
    Params(page): Params<PageQuery>,
) -> Result<Json<Page<ShareView>>> {
    let after: Option<String> = page.after()?;
    if !pipelines::exists(&state.db, &name).await? {
        return Err(Error::NotFound(format!("pipeline {name}")));
    }
    let rows = shares::list(&state.db, &name, after.as_deref(), page.fetch()).await?;
    Ok(Json(Page::of(rows, &page, |share| share.username.clone(), Into::into)))
}

/// Shares the table of a pipeline with a user, who reads its rows from the next request on. The user gets neither the config nor
/// a password. Granting again changes nothing.
#[utoipa::path(put, path = "/pipelines/{name}/shares/{user}", tag = "shares", security(("token" = []), ("api_token" = ["admin"])),
    responses((status = 200, body = ShareView), (status = 201, body = ShareView), (status = 404, body = Problem),
    (status = 409, body = Problem)))]
async fn grant(
    State(state): State<AppState>,
    caller: Allowed<Manage>,
    note: AuditNote,
    Path((name, user)): Path<(String, String)>,
) -> Result<(StatusCode, Json<ShareView>)> {
    note.object("pipeline", &name);
    note.detail("user", user.clone());
    let mut tx = state.db.begin().await?;
    if !pipelines::exists(&mut *tx, &name).await? {
        return Err(Error::NotFound(format!("pipeline {name}")));
    }
    if configs::newest_by_admin(&mut *tx, &name).await?.is_none() {
        return Err(Error::conflict(
            Code::NotShareable,
            format!("no config of the pipeline {name} that an admin has uploaded is there"),
            "Look at the config and upload it as an admin.",
        ));
    }
    let user = named(&mut tx, &user).await?;
    let (share, is_new) = shares::grant(&mut tx, &name, user.id, caller.name()).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    note.commit(tx, status).await?;
    tracing::info!(pipeline = name, "{} shared the table of {name} with {}", caller.name(), user.username);
    Ok((status, Json(share.into())))
}

/// Ends a share. It counts from the user's next request on; the filters that the user has saved are deleted.
#[utoipa::path(delete, path = "/pipelines/{name}/shares/{user}", tag = "shares",
    security(("token" = []), ("api_token" = ["admin"])), responses((status = 204), (status = 404, body = Problem)))]
async fn revoke(
    State(state): State<AppState>,
    caller: Allowed<Manage>,
    note: AuditNote,
    Path((name, user)): Path<(String, String)>,
) -> Result<StatusCode> {
    note.object("pipeline", &name);
    note.detail("user", user.clone());
    let mut tx = state.db.begin().await?;
    let user = named(&mut tx, &user).await?;
    if !shares::revoke(&mut *tx, &name, user.id).await? {
        return Err(Error::NotFound(format!("share of the pipeline {name} with {}", user.username)));
    }
    note.commit(tx, StatusCode::NO_CONTENT).await?;
    tracing::info!(pipeline = name, "{} ended the share of {name} with {}", caller.name(), user.username);
    Ok(StatusCode::NO_CONTENT)
}

async fn named(tx: &mut PgConnection, name: &str) -> Result<User> {
    users::find_by_name(tx, name).await?.ok_or_else(|| Error::NotFound(format!("user {name}")))
}
