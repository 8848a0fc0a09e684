//! Trying a YAML out: what a run would change, and whether its sources and its target can be used. A worker does it,
//! as a run that loads nothing.

use axum::extract::State;
use axum::response::Response;
use elt_shared::runs::RunKind;
use elt_shared::store::configs::Purpose;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::configs::{YamlForm, check, keep_to_run};
use super::runs::{Kind, RunView, accepted, of_config};
use crate::AppState;
use crate::audit::AuditNote;
use crate::auth::{Caller, OnPipelines, Trigger};
use crate::error::{Error, Result};
use crate::extract::UploadedFile;
use crate::idempotency::IdempotencyKey;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(plan)).routes(routes!(test_connection))
}

/// What would a run change? The run answered with says it in its report: statements, rows, samples, types and why.
/// The YAML is kept as a version; nothing is loaded.
#[utoipa::path(post, path = "/configs/plan", tag = "configs", security(("token" = []), ("api_token" = ["trigger"])),
    request_body(content((YamlForm = "multipart/form-data"), (String = "application/yaml"))), responses(
    (status = 202, body = RunView)))]
async fn plan(
    State(state): State<AppState>,
    caller: OnPipelines<Trigger>,
    once: IdempotencyKey,
    note: AuditNote,
    file: UploadedFile,
) -> Result<Response> {
    try_out(&state, &caller, (once, note), file, RunKind::Plan).await
}

/// Can every source and the target be used? The run answered with says it for each in its report. The YAML is kept as
/// a version; nothing is loaded.
#[utoipa::path(post, path = "/configs/test-connection", tag = "configs", security(("token" = []), ("api_token" = ["trigger"])),
    request_body(content((YamlForm = "multipart/form-data"), (String = "application/yaml"))), responses(
    (status = 202, body = RunView)))]
async fn test_connection(
    State(state): State<AppState>,
    caller: OnPipelines<Trigger>,
    once: IdempotencyKey,
    note: AuditNote,
    file: UploadedFile,
) -> Result<Response> {
    try_out(&state, &caller, (once, note), file, RunKind::TestConnection).await
}

/// Keeps the YAML as a version and enqueues a run of this kind of it.
async fn try_out(
    state: &AppState,
    caller: &Caller,
    (once, note): (IdempotencyKey, AuditNote),
    file: UploadedFile,
    kind: RunKind,
) -> Result<Response> {
    let text = file.text.ok_or_else(|| Error::no_file("No file part"))?;
    let upload = check(state, text).await?;
    let pipeline = upload.pipeline()?;
    let mut tx = state.db.begin().await?;
    if let Some(known) = once.known(&mut tx, caller, &(upload.text(), kind)).await? {
        return Ok(known);
    }
    let config = keep_to_run(state, &mut tx, caller, &upload, Purpose::Trial).await?;
    let run = of_config(&mut tx, caller, &config, pipeline, Kind::new(kind)).await?;
    note.object("run", run.id);
    note.detail("kind", kind.as_str());
    accepted((&once, &note), tx, caller, run).await
}
