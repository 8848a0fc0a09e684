//! The history of configs, as the first clients read it.

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use elt_shared::store::configs::{self, HistoryRow};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::auth::{Allowed, Read};
use crate::error::Result;
use crate::extract::{Json, Params};
use crate::page::{Page, PageQuery};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(history))
}

/// The versions, as the first clients read them.
#[derive(Serialize, ToSchema)]
struct ConfigHistory {
    configs: Vec<HistoryEntry>,
    /// Send it back as `cursor` to get older ones.
    next: Option<String>,
}

/// One version in the history.
#[derive(Serialize, ToSchema)]
struct HistoryEntry {
    id: i64,
    version: i32,
    /// `YYYY-MM-DD HH:MM`, UTC.
    timestamp: String,
    /// The first 100 characters, secrets masked.
    yaml_preview: String,
    created_at: DateTime<Utc>,
}

/// A time as the first clients read it: `YYYY-MM-DD HH:MM`, UTC.
pub(super) fn timestamp(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M").to_string()
}

impl From<HistoryRow> for HistoryEntry {
    fn from(row: HistoryRow) -> Self {
        Self {
            id: row.id,
            version: row.version,
            timestamp: timestamp(row.timestamp),
            yaml_preview: row.yaml_preview,
            created_at: row.timestamp,
        }
    }
}

/// Which page of the history.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct HistoryQuery {
    /// `next` of the previous page.
    cursor: Option<String>,
    /// Versions per page, up to 250. Without it the answer has every version.
    limit: Option<i64>,
}

/// Every version, newest first; with `limit`, a page of them.
#[utoipa::path(get, path = "/config-history", tag = "configs", security(("token" = []), ("api_token" = ["read"])), params(HistoryQuery), responses(
    (status = 200, body = ConfigHistory)))]
async fn history(
    State(state): State<AppState>,
    _caller: Allowed<Read>,
    Params(query): Params<HistoryQuery>,
) -> Result<Response> {
    let all = query.limit.is_none();
    let page = PageQuery { cursor: query.cursor, limit: query.limit.or(Some(i64::MAX)) };
    let before: Option<i32> = page.after()?;
    if all {
        return whole_history(state.db, before, page.limit()).await;
    }
    let rows = configs::history(&state.db, before, page.fetch()).await?;
    let page = Page::of(rows, &page, |config| config.version, Into::into);
    Ok(Json(ConfigHistory { configs: page.data, next: page.next }).into_response())
}

/// Streams the whole history, `at_once` versions at a time, because clients of the first release do not know the cursor
/// and there may be any number of versions.
async fn whole_history(db: PgPool, before: Option<i32>, at_once: i64) -> Result<Response> {
    // The first part is read before the answer begins, because a lost database can then still be answered with 503.
    let first = configs::history(&db, before, at_once).await?;
    let parts = futures::stream::try_unfold(Some((first, true)), move |part| {
        let db = db.clone();
        async move {
            let Some((rows, is_first)) = part else { return Ok(None) };
            let next = match rows.last() {
                Some(last) => Some((configs::history(&db, Some(last.version), at_once).await?, false)),
                None => None,
            };
            Ok::<_, Interrupted>(Some((json_part(rows, is_first)?, next)))
        }
    });
    Ok(([(header::CONTENT_TYPE, "application/json")], Body::from_stream(parts)).into_response())
}

/// Why the history ends early. The client sees that the answer was cut off.
type Interrupted = Box<dyn std::error::Error + Send + Sync>;

/// A part of `{"configs":[…],"next":null}`: some versions, or the end when no version is left.
fn json_part(rows: Vec<HistoryRow>, is_first: bool) -> Result<String, serde_json::Error> {
    let mut part = String::new();
    if is_first {
        part.push_str(r#"{"configs":["#);
    }
    if rows.is_empty() {
        part.push_str(r#"],"next":null}"#);
    }
    for (place, row) in rows.into_iter().enumerate() {
        if !(is_first && place == 0) {
            part.push(',');
        }
        part.push_str(&serde_json::to_string(&HistoryEntry::from(row))?);
    }
    Ok(part)
}
