//! Log lines: the last hundred as older clients read them, and searched by everyone else.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use elt_shared::explained::Code;
use elt_shared::store::logs::{self, Line, LineFilter};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::AppState;
use crate::auth::{Allowed, Read};
use crate::error::{Error, Problem, Result};
use crate::extract::{Json, Params};
use crate::page::{Page, PageQuery};

/// Lines of the classic answer.
const CLASSIC_LINES: i64 = 100;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(classic)).routes(routes!(search))
}

/// The last lines.
#[derive(Serialize, ToSchema)]
struct ClassicLogs {
    /// `2025-07-18 23:55:41,352 - INFO - message`, UTC, oldest first.
    logs: Vec<String>,
}

/// The last hundred lines of all processes, oldest first.
#[utoipa::path(get, path = "/logs", tag = "logs", security(("token" = []), ("api_token" = ["read"])), responses(
    (status = 200, body = ClassicLogs)))]
async fn classic(State(state): State<AppState>, _caller: Allowed<Read>) -> Result<Json<ClassicLogs>> {
    let lines = logs::list(&state.db, &LineFilter::default(), CLASSIC_LINES).await?;
    Ok(Json(ClassicLogs { logs: lines.iter().map(Line::classic).collect() }))
}

/// One log line.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LineView {
    /// Number of the line; greater numbers were written later.
    pub id: i64,
    /// When the line was written, by the clock of its process.
    pub at: DateTime<Utc>,
    /// `ERROR`, `WARN`, `INFO`, `DEBUG` or `TRACE`.
    pub level: String,
    /// Path of the Rust module that logged it: `elt_worker::jobs`.
    pub target: String,
    /// The message without its fields.
    pub message: String,
    /// Fields of the line, such as `rows`.
    pub fields: Value,
    /// The run it is about.
    pub run_id: Option<Uuid>,
    /// Id of the OpenTelemetry trace, 32 hexadecimal digits. `null`: the line belongs to no trace.
    pub trace_id: Option<String>,
    /// Process that wrote it, as `host:pid`.
    pub process: String,
}

impl From<Line> for LineView {
    fn from(line: Line) -> Self {
        Self {
            id: line.id,
            at: line.at,
            level: line.level,
            target: line.target,
            message: line.message,
            fields: line.fields,
            run_id: line.run_id,
            trace_id: line.trace_id,
            process: line.process,
        }
    }
}

/// Filters of the log. A line must match all of them.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LineQuery {
    /// Only about this run.
    pub run_id: Option<Uuid>,
    /// Only these levels, separated by commas: `ERROR,WARN`.
    pub level: Option<String>,
    /// Only lines with this text in the message, in any case.
    pub text: Option<String>,
    /// Only of this process.
    pub process: Option<String>,
    /// Only of this trace.
    pub trace_id: Option<String>,
    /// Only of the request with this id.
    pub request_id: Option<String>,
    /// Not older than this.
    pub since: Option<DateTime<Utc>>,
    /// Not newer than this.
    pub until: Option<DateTime<Utc>>,
}

impl LineQuery {
    /// As the store understands it.
    ///
    /// # Errors
    /// When a level is not one of the five.
    pub fn filter(self) -> Result<LineFilter> {
        let levels = self.level.unwrap_or_default();
        let levels = levels.split(',').map(|level| level.trim().to_ascii_uppercase()).filter(|level| !level.is_empty());
        let levels: Vec<String> =
            levels.map(|level| if level == "WARNING" { "WARN".to_owned() } else { level }).collect();
        if let Some(other) =
            levels.iter().find(|level| !["ERROR", "WARN", "INFO", "DEBUG", "TRACE"].contains(&level.as_str()))
        {
            return Err(Error::invalid_query(format!("level: {other} is not one of ERROR, WARN, INFO, DEBUG, TRACE")));
        }
        Ok(LineFilter {
            run_id: self.run_id,
            levels,
            text: self.text,
            process: self.process,
            trace_id: self.trace_id,
            request_id: self.request_id,
            since: self.since,
            until: self.until,
            ..LineFilter::default()
        })
    }
}

/// Lines that match, newest first; `next` leads to older ones. A search for a text or a process that would have to read too
/// many lines is ended after 5 s: narrow it with `since`, `until`, `level` or `run_id`.
#[utoipa::path(get, path = "/logs/search", tag = "logs", security(("token" = []), ("api_token" = ["read"])), params(PageQuery, LineQuery), responses(
    (status = 200, body = Page<LineView>), (status = 422, body = Problem)))]
async fn search(
    State(state): State<AppState>,
    _caller: Allowed<Read>,
    Params(page): Params<PageQuery>,
    Params(query): Params<LineQuery>,
) -> Result<Json<Page<LineView>>> {
    Ok(Json(newest_first(&state, query.filter()?, &page).await?))
}

/// A page of lines, newest first.
///
/// # Errors
/// When no page gave out the cursor, the search takes too long, or the database is away.
pub async fn newest_first(state: &AppState, filter: LineFilter, page: &PageQuery) -> Result<Page<LineView>> {
    let filter = LineFilter { before: page.after()?, ..filter };
    let found = logs::search(&state.db, &filter, page.fetch()).await?;
    let mut lines = found.ok_or_else(too_slow)?;
    lines.reverse();
    Ok(Page::of(lines, page, |line| line.id, Into::into))
}

fn too_slow() -> Error {
    Error::refused(
        StatusCode::UNPROCESSABLE_ENTITY,
        Code::SearchTooSlow,
        format!(
            "the search was ended after {} s, because too many lines had to be read",
            logs::SEARCH_WITHIN.as_secs()
        ),
        "Narrow the time span with `since` and `until`, or look for a level, a run or a request.",
    )
}
