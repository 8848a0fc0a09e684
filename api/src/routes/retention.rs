//! Retention: how much is kept of what, and when workers last deleted what is old.

use std::collections::BTreeMap;

use axum::extract::State;
use chrono::{DateTime, Utc};
use elt_shared::queue::retention::{Kind, LATE_AFTER};
use elt_shared::store::retention_turns::{self as turns, TableSize, Turn};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::auth::{Allowed, Read};
use crate::error::Result;
use crate::extract::Json;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list))
}

/// One kind of things at one place.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "kind": "runs", "place": null, "rows": 74000, "bytes": 162_000_000, "oldest": "2026-08-31T04:00:00Z",
    "settings": { "ELT_KEEP_RUNS": 50, "ELT_KEEP_RUNS_DAYS": 90 }, "is_running": false,
    "started_at": "2026-11-29T14:00:00Z", "finished_at": "2026-11-29T14:00:02Z", "removed": 820,
    "removed_in_all": 226_000, "behind": false, "failure": null
}))]
struct RetentionView {
    /// What is deleted when it is old.
    kind: Kind,
    /// Where: a target (`host:port/database.schema`) or a data folder (`host:folder`). Null: the control database.
    place: Option<String>,
    /// How many there are, as PostgreSQL estimates it. Null: not known yet.
    rows: Option<i64>,
    /// Bytes on disk, with indexes. Null: not known, or part of another kind.
    bytes: Option<i64>,
    /// When the oldest of them was made. Null: not known.
    oldest: Option<DateTime<Utc>>,
    /// The settings that said what stays when a worker last deleted something, by their names.
    settings: BTreeMap<String, i64>,
    /// Whether a worker is deleting now.
    is_running: bool,
    /// When a worker last began to delete. Null: none has yet.
    started_at: Option<DateTime<Utc>>,
    /// When a worker was last done. Null: none was yet.
    finished_at: Option<DateTime<Utc>>,
    /// How many it deleted then.
    removed: i64,
    /// How many were ever deleted.
    removed_in_all: i64,
    /// Old things are left: the last worker was not done in time, failed, or was there too long ago.
    behind: bool,
    /// Why the last worker failed: a sentence. Null: it did not.
    failure: Option<String>,
}

impl RetentionView {
    /// A kind that no worker has looked at yet.
    fn untouched(kind: Kind) -> Self {
        Self {
            kind,
            place: None,
            rows: None,
            bytes: None,
            oldest: None,
            settings: BTreeMap::new(),
            is_running: false,
            started_at: None,
            finished_at: None,
            removed: 0,
            removed_in_all: 0,
            behind: false,
            failure: None,
        }
    }

    fn of(kind: Kind, turn: Turn) -> Self {
        Self {
            kind,
            place: Some(turn.place).filter(|place| !place.is_empty()),
            rows: turn.rows_left,
            bytes: turn.bytes_left,
            oldest: turn.oldest_left,
            settings: serde_json::from_value(turn.settings).unwrap_or_default(),
            is_running: turn.is_running,
            started_at: Some(turn.started_at),
            finished_at: turn.finished_at,
            removed: turn.removed,
            removed_in_all: turn.removed_in_all,
            behind: turn.behind,
            failure: turn.failure,
        }
    }

    /// Adds what the control database has of its kind now.
    fn with_sizes(self, sizes: &[TableSize], oldest: Option<DateTime<Utc>>) -> Self {
        // The first table has the things themselves, the others what belongs to them.
        let tables: Vec<_> =
            self.kind.tables().iter().filter_map(|name| sizes.iter().find(|size| size.name == **name)).collect();
        let bytes = (!tables.is_empty()).then(|| tables.iter().map(|size| size.bytes).sum());
        Self { rows: tables.first().and_then(|size| size.rows), bytes, oldest, ..self }
    }
}

/// What retention deletes: the kinds of the control database first, then those of targets and data folders.
#[derive(Serialize, ToSchema)]
struct RetentionList {
    data: Vec<RetentionView>,
}

/// How much is kept of what, which settings say so, and what was last deleted: first the control database, then targets and
/// data folders. Nothing is counted for this: sizes and numbers are what PostgreSQL knows of its tables.
#[utoipa::path(get, path = "/retention", tag = "retention", security(("token" = []), ("api_token" = ["read"])), responses(
    (status = 200, body = RetentionList)))]
async fn list(State(state): State<AppState>, _caller: Allowed<Read>) -> Result<Json<RetentionList>> {
    let mut turns = turns::list(&state.db, LATE_AFTER).await?;
    let tables: Vec<_> = Kind::OF_CONTROL.iter().flat_map(|kind| kind.tables()).copied().collect();
    let sizes = turns::table_sizes(&state.db, &tables).await?;
    let oldest = turns::oldest(&state.db).await?;
    let elsewhere = turns.split_off(turns.partition_point(|turn| turn.place.is_empty()));
    let mut data: Vec<_> = Kind::OF_CONTROL
        .into_iter()
        .map(|kind| {
            let turn = turns.iter().find(|turn| turn.kind == kind.name()).cloned();
            let view = turn.map_or_else(|| RetentionView::untouched(kind), |turn| RetentionView::of(kind, turn));
            let oldest = match kind {
                Kind::LogLines => oldest.log_lines,
                Kind::Runs => oldest.runs,
                Kind::IdempotencyKeys => oldest.idempotency_keys,
                _ => None,
            };
            view.with_sizes(&sizes, oldest)
        })
        .collect();
    // A kind of a newer release is left out.
    data.extend(elsewhere.into_iter().filter_map(|turn| Some(RetentionView::of(Kind::of_name(&turn.kind)?, turn))));
    Ok(Json(RetentionList { data }))
}
