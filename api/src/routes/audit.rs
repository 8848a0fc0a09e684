//! The audit: who did what, also when it was refused.

use axum::extract::State;
use chrono::{DateTime, Utc};
use elt_shared::store::audit::{self, AuditFilter, AuditRow};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::AppState;
use crate::auth::{Allowed, Manage};
use crate::error::{Problem, Result};
use crate::extract::{Json, Params};
use crate::page::{Page, PageQuery};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list))
}

/// One thing someone did.
#[derive(Serialize, ToSchema)]
struct AuditView {
    id: Uuid,
    at: DateTime<Utc>,
    /// Username; `-` for nobody.
    actor: String,
    /// Where from.
    ip: Option<String>,
    /// `POST /runs/{id}/stop`
    action: String,
    /// What it was done to: `run 0199…`.
    object: Option<String>,
    /// `done`, `denied` or `failed`.
    outcome: String,
    /// The answer's status and what else was noted.
    detail: Value,
    /// Finds the request's log lines.
    request_id: Option<String>,
}

impl From<AuditRow> for AuditView {
    fn from(row: AuditRow) -> Self {
        Self {
            id: row.id,
            at: row.at,
            actor: row.actor,
            ip: row.ip,
            action: row.action,
            object: row.object,
            outcome: row.outcome,
            detail: row.detail,
            request_id: row.request_id,
        }
    }
}

/// Which rows.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct AuditQuery {
    /// Only this user's.
    actor: Option<String>,
    /// Only actions with this text in them.
    action: Option<String>,
    /// `done`, `denied` or `failed`.
    outcome: Option<String>,
}

/// What was done, newest first.
#[utoipa::path(get, path = "/audit", tag = "audit", security(("token" = []), ("api_token" = ["admin"])), params(PageQuery, AuditQuery), responses(
    (status = 200, body = Page<AuditView>), (status = 401, body = Problem), (status = 403, body = Problem)))]
async fn list(
    State(state): State<AppState>,
    _caller: Allowed<Manage>,
    Params(page): Params<PageQuery>,
    Params(query): Params<AuditQuery>,
) -> Result<Json<Page<AuditView>>> {
    let filter = AuditFilter { actor: query.actor, action: query.action, outcome: query.outcome };
    let rows = audit::list(&state.db, &filter, page.after()?, page.fetch()).await?;
    Ok(Json(Page::of(rows, &page, |row| row.id, Into::into)))
}
