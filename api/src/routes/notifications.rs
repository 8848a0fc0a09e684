//! The messages about pipelines: those that wait, that were sent, and that were given up.

use axum::extract::State;
use chrono::{DateTime, Utc};
use elt_shared::notifications::Event;
use elt_shared::store::notifications::{self, Notification, NotificationState};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::AppState;
use crate::auth::{Allowed, Manage};
use crate::error::Result;
use crate::extract::{Json, Params};
use crate::page::{Page, PageQuery};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list))
}

/// A message about a pipeline, or a test of a channel.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NotificationView {
    /// Receivers see it, too (`webhook-id`).
    id: Uuid,
    /// Name of the pipeline; empty for a test of a channel.
    pipeline: String,
    event: Event,
    /// What happened, in a sentence.
    title: String,
    /// The run that showed it.
    run_id: Option<Uuid>,
    /// Where it goes, without secrets.
    destination: String,
    state: NotificationState,
    /// Number of times that sending was tried.
    attempt: i32,
    created_at: DateTime<Utc>,
    /// When it is tried next; of a message that is being sent, when another worker takes it at the latest. `null` once it was sent
    /// or given up.
    next_try_at: Option<DateTime<Utc>>,
    /// When it was sent or given up.
    ended_at: Option<DateTime<Utc>>,
    /// Why the last try failed.
    error: Option<String>,
}

impl From<Notification> for NotificationView {
    fn from(row: Notification) -> Self {
        Self {
            id: row.id,
            pipeline: row.pipeline,
            event: row.event,
            title: row.title,
            run_id: row.run_id,
            destination: row.destination,
            next_try_at: (row.state == NotificationState::Waiting).then_some(row.next_try_at),
            state: row.state,
            attempt: row.attempt,
            created_at: row.created_at,
            ended_at: row.ended_at,
            error: row.error,
        }
    }
}

/// Which messages to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct NotificationQuery {
    /// Those about this pipeline only.
    pipeline: Option<String>,
    /// Those in this state only: `waiting`, `sent` or `given_up`.
    state: Option<NotificationState>,
}

/// Messages, newest first. Those that were sent or given up are deleted after `ELT_KEEP_NOTIFICATIONS_DAYS`.
#[utoipa::path(get, path = "/notifications", tag = "notifications", security(("token" = []), ("api_token" = ["admin"])),
    params(PageQuery, NotificationQuery), responses((status = 200, body = Page<NotificationView>)))]
async fn list(
    State(state): State<AppState>,
    _caller: Allowed<Manage>,
    Params(page): Params<PageQuery>,
    Params(query): Params<NotificationQuery>,
) -> Result<Json<Page<NotificationView>>> {
    let before: Option<Uuid> = page.after()?;
    let rows = notifications::list(&state.db, query.pipeline.as_deref(), query.state, before, page.fetch()).await?;
    Ok(Json(Page::of(rows, &page, |row| row.id, Into::into)))
}
