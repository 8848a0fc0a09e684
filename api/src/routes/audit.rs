//! The audit: who did what, also when it was refused.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use elt_shared::explained::Code;
use elt_shared::store::audit::{self, AuditFilter, AuditRow, ExportFormat};
use futures::stream;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Semaphore;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::AppState;
use crate::audit::Origin;
use crate::auth::{Allowed, Manage};
use crate::error::{Error, Problem, Result};
use crate::extract::{Json, Params};
use crate::page::{Page, PageQuery};

/// Rows read at a time for an export.
const EXPORT_PAGE: i64 = 1_000;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(verify)).routes(routes!(export))
}

/// One thing someone did.
#[derive(Serialize, ToSchema)]
struct AuditView {
    id: Uuid,
    at: DateTime<Utc>,
    /// Username; `-` for nobody.
    actor: String,
    /// IP address of the client. `null`: a command at the terminal.
    ip: Option<String>,
    /// Method and path template of the request, such as `POST /runs/{id}/stop`; or a command, such as `user add`.
    action: String,
    /// What it was done to: `run 0199…`.
    object: Option<String>,
    /// `done`, `denied` or `failed`.
    outcome: String,
    /// The answer's status and what else was noted.
    detail: Value,
    /// Finds the request's log lines.
    request_id: Option<String>,
    /// Place in the chain; absent for rows from before there was a chain.
    seq: Option<i64>,
    /// Hash of this row and the one before it, hexadecimal; absent for rows from before there was a chain.
    hash: Option<String>,
    /// Id of the secret key that the hash was made with.
    key_id: Option<String>,
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
            seq: row.seq,
            hash: row.hash,
            key_id: row.key_id,
        }
    }
}

/// Filters of the audit. A row must match all of them.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct AuditQuery {
    /// Only this user's.
    actor: Option<String>,
    /// Only actions with this text in them.
    action: Option<String>,
    /// `done`, `denied` or `failed`.
    outcome: Option<String>,
    /// Only objects with this text in them.
    object: Option<String>,
    /// Only rows from this instant on.
    from: Option<DateTime<Utc>>,
    /// Only rows before this instant.
    to: Option<DateTime<Utc>>,
}

impl From<AuditQuery> for AuditFilter {
    fn from(query: AuditQuery) -> Self {
        Self {
            actor: query.actor,
            action: query.action,
            outcome: query.outcome,
            object: query.object,
            from: query.from,
            to: query.to,
        }
    }
}

/// What was done, newest first.
#[utoipa::path(get, path = "/audit", tag = "audit", security(("token" = []), ("api_token" = ["admin"])), params(PageQuery, AuditQuery), responses(
    (status = 200, body = Page<AuditView>)))]
async fn list(
    State(state): State<AppState>,
    _caller: Allowed<Manage>,
    Params(page): Params<PageQuery>,
    Params(query): Params<AuditQuery>,
) -> Result<Json<Page<AuditView>>> {
    let rows = audit::list(&state.db, &query.into(), page.after()?, page.fetch()).await?;
    Ok(Json(Page::of(rows, &page, |row| row.id, Into::into)))
}

/// Whether every row is there and as it was written.
#[derive(Serialize, ToSchema)]
struct Verification {
    /// When it was verified.
    at: DateTime<Utc>,
    /// Whether every row is there and as it was written.
    intact: bool,
    /// Rows that are as they were written, up to the first problem.
    verified: i64,
    /// Rows from before the audit was chained; only their number is known.
    unchained: i64,
    /// Place of the last row that retention removed; 0 when it removed none.
    removed_up_to: i64,
    /// Place and hash of the last verified row. Kept elsewhere, it proves later that the row is still there.
    head: String,
    /// Stable code of the first problem.
    #[schema(value_type = Option<String>)]
    code: Option<Code>,
    /// The first problem as a sentence.
    problem: Option<String>,
    /// What to do about it.
    next_step: Option<String>,
}

/// Verifies the whole audit now: that no row was changed, added or removed by another program.
#[utoipa::path(get, path = "/audit/verification", tag = "audit", security(("token" = []), ("api_token" = ["admin"])), responses(
    (status = 200, body = Verification),
    (status = 503, body = Problem)))]
async fn verify(State(state): State<AppState>, _caller: Allowed<Manage>) -> Result<Json<Verification>> {
    // One at a time, because each reads and hashes every row.
    static TURN: Semaphore = Semaphore::const_new(1);
    let _turn = TURN.try_acquire().map_err(|_| Error::Unavailable("the audit is being verified already"))?;
    let mut connection = state.db.acquire().await?;
    let verdict = audit::verify(&mut connection, &state.keys, None).await?;
    Ok(Json(Verification {
        at: Utc::now(),
        intact: verdict.problem.is_none(),
        verified: verdict.verified,
        unchained: verdict.unchained,
        removed_up_to: verdict.anchor,
        head: verdict.head,
        code: verdict.problem.as_ref().map(|problem| problem.code()),
        problem: verdict.problem.as_ref().map(ToString::to_string),
        next_step: verdict.problem.as_ref().map(|problem| problem.next_step().to_owned()),
    }))
}

/// Format and range of an export.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ExportQuery {
    /// `ndjson`, one JSON object a line, or `csv`. Default `ndjson`.
    format: Option<String>,
}

/// The rows that match, oldest first, as a file. The export is noted in the audit before it begins.
#[utoipa::path(get, path = "/audit/export", tag = "audit", security(("token" = []), ("api_token" = ["admin"])), params(AuditQuery, ExportQuery),
    responses((status = 200, body = String, content_type = "application/x-ndjson")))]
async fn export(
    State(state): State<AppState>,
    allowed: Allowed<Manage>,
    origin: Origin,
    Params(query): Params<AuditQuery>,
    Params(export): Params<ExportQuery>,
) -> Result<Response> {
    let name = export.format.as_deref().unwrap_or("ndjson");
    let format = ExportFormat::named(name).ok_or_else(|| Error::invalid_query("`format` is `ndjson` or `csv`"))?;
    origin.note(&state, &allowed, "GET /audit/export", "audit").await?;
    let (db, filter) = (state.db.clone(), AuditFilter::from(query));
    let pages = stream::try_unfold(Some(None), move |place: Option<Option<Uuid>>| {
        let (db, filter) = (db.clone(), filter.clone());
        async move {
            let Some(after) = place else { return Ok::<_, sqlx::Error>(None) };
            let rows = audit::oldest_first(&db, &filter, after, EXPORT_PAGE).await?;
            let header = if after.is_none() { format.header() } else { "" };
            let text = rows.iter().fold(header.to_owned(), |text, row| text + &format.line(row));
            let is_last = (rows.len() as i64) < EXPORT_PAGE;
            let next = rows.last().filter(|_| !is_last).map(|last| Some(last.id));
            Ok(Some((Bytes::from(text), next)))
        }
    });
    let media_type = match format {
        ExportFormat::Ndjson => "application/x-ndjson",
        ExportFormat::Csv => "text/csv; charset=utf-8",
    };
    let headers = [
        (header::CONTENT_TYPE, media_type.to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"audit.{name}\"")),
    ];
    Ok((headers, Body::from_stream(pages)).into_response())
}
