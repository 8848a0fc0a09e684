//! Retrying many failed runs at once.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, Utc};
use elt_shared::explained::Code;
use elt_shared::runs::RunKind;
use elt_shared::runs::lifecycle::{self, BulkRetry, MOST_RETRIED, SkippedRetry};
use elt_shared::store::runs::{FailedFilter, FailedRun};
use elt_shared::telemetry::traceparent;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::AppState;
use crate::audit::AuditNote;
use crate::auth::{OnPipelines, Trigger};
use crate::error::{Error, Result};
use crate::extract::Json;
use crate::idempotency::IdempotencyKey;

/// Failed runs that one request retries, unless it says otherwise.
const RETRIED_BY_DEFAULT: u16 = 100;

/// Which failed runs to retry.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryRuns {
    /// Only runs that failed at this instant or later.
    #[schema(example = "2026-11-29T08:00:00Z")]
    since: DateTime<Utc>,
    /// Only runs that failed before this instant.
    until: Option<DateTime<Utc>>,
    /// Only of this pipeline.
    name: Option<String>,
    /// Only runs that failed with this code.
    #[schema(example = "target_unreachable")]
    code: Option<String>,
    /// How many failed runs to look at, the oldest first: 1 to 500. Default 100.
    #[schema(minimum = 1, maximum = 500)]
    limit: Option<u16>,
    /// Only say what would be retried.
    #[serde(default)]
    dry_run: bool,
}

/// What is retried, and what is not and why.
#[derive(Serialize, ToSchema)]
pub struct RetriedRuns {
    /// The runs that are retried, the oldest first.
    retried: Vec<RetriedRun>,
    /// Failed runs that are left alone.
    skipped: Vec<SkippedRun>,
    /// Whether more of the failed runs that match can be retried: send the request again, with another `Idempotency-Key`.
    more: bool,
}

/// A failed run that is retried.
#[derive(Serialize, ToSchema)]
pub struct RetriedRun {
    /// The failed run.
    run_id: Uuid,
    /// The run that repeats it; `null` for a dry run.
    new_run_id: Option<Uuid>,
    /// Pipeline name.
    name: String,
    /// What the run does: a run, replay or undo.
    kind: RunKind,
    /// Stable code of its failure.
    error_code: Option<String>,
    /// When it failed.
    failed_at: Option<DateTime<Utc>>,
}

/// A failed run that is left alone.
#[derive(Serialize, ToSchema)]
pub struct SkippedRun {
    /// The failed run.
    run_id: Uuid,
    /// Pipeline name.
    name: String,
    /// Stable code of the reason: `already_retried`, `already_undone`, `run_of_backfill` or `run_of_tables`.
    #[schema(example = "already_retried")]
    code: String,
    /// The reason as a sentence.
    reason: String,
}

impl From<(FailedRun, Option<Uuid>)> for RetriedRun {
    fn from((run, new_run_id): (FailedRun, Option<Uuid>)) -> Self {
        Self {
            run_id: run.id,
            new_run_id,
            name: run.name,
            kind: run.kind,
            error_code: run.error_code,
            failed_at: run.finished_at,
        }
    }
}

impl From<SkippedRetry> for SkippedRun {
    fn from(skipped: SkippedRetry) -> Self {
        let (run, code) = (skipped.run, skipped.code.as_str().to_owned());
        Self { run_id: run.id, name: run.name, code, reason: skipped.reason }
    }
}

impl From<BulkRetry> for RetriedRuns {
    fn from(all: BulkRetry) -> Self {
        let retried = all.retried.into_iter().map(|(run, new)| (run, new.map(|new| new.id)).into()).collect();
        Self { retried, skipped: all.skipped.into_iter().map(Into::into).collect(), more: all.more }
    }
}

/// Retries failed runs, after an outage for example, each as a new run. Runs that were retried already are left alone, and
/// so are plans, checks and connection tests.
#[utoipa::path(post, path = "/runs/retry", tag = "runs", security(("token" = []), ("api_token" = ["trigger"])), request_body = RetryRuns, responses(
    (status = 200, description = "What a dry run would retry", body = RetriedRuns),
    (status = 202, body = RetriedRuns)))]
pub async fn retry_failed(
    State(state): State<AppState>,
    caller: OnPipelines<Trigger>,
    once: IdempotencyKey,
    note: AuditNote,
    Json(request): Json<RetryRuns>,
) -> Result<Response> {
    let limit = request.limit.unwrap_or(RETRIED_BY_DEFAULT);
    if !(1..=MOST_RETRIED).contains(&limit) {
        return Err(Error::unprocessable(Code::InvalidBody, format!("`limit` is 1 to {MOST_RETRIED}")));
    }
    let filter = FailedFilter {
        since: Some(request.since),
        until: request.until,
        name: request.name.as_deref(),
        code: request.code.as_deref(),
        names: caller.pipelines(),
    };
    let mut tx = state.db.begin().await?;
    if let Some(known) = once.known(&mut tx, &caller, &request).await? {
        return Ok(known);
    }
    let by = (traceparent(), caller.name());
    let all = lifecycle::retry_failed(&mut tx, &filter, limit, request.dry_run, by).await?;
    let status = if request.dry_run { StatusCode::OK } else { StatusCode::ACCEPTED };
    note.object("runs", "failed");
    note.detail("filter", json!(request));
    note.detail("retried", all.retried.len());
    note.detail("skipped", all.skipped.len());
    let answer = once.answer(&mut tx, &caller, status, None, &RetriedRuns::from(all)).await?;
    note.commit(tx, status).await?;
    Ok(answer)
}
