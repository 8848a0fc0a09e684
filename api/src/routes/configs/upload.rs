//! Uploading YAMLs, and checking them without storing anything.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use elt_shared::api_token::Scope;
use elt_shared::config::{ConfigError, NoReferences};
use elt_shared::store::configs::{ConfigVersion, Purpose};
use elt_shared::store::uploads::Upload;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::timing::Timing;
use super::quota;
use crate::AppState;
use crate::audit::AuditNote;
use crate::auth::{Caller, OnPipelines, Upload as MayUpload};
use crate::error::{Error, FieldProblem, Result};
use crate::extract::{Json, UploadedFile};
use crate::idempotency::IdempotencyKey;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(upload)).routes(routes!(validate))
}

/// A form with a YAML in it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the form")]
pub struct YamlForm {
    /// The text of the YAML, as bytes of a form field.
    #[schema(value_type = String, format = Binary)]
    pub file: Vec<u8>,
}

/// What became of an upload.
#[derive(Serialize, ToSchema)]
struct UploadAnswer {
    /// `YAML uploaded successfully`
    message: &'static str,
    /// Number of the version among those of its pipeline, from 1.
    version: i32,
    /// Names the version in other calls.
    id: i64,
    /// False: the same YAML was there already.
    created: bool,
    /// Whether a run can be made of it.
    runnable: bool,
    /// Why the config cannot run; empty when it can.
    problems: Vec<FieldProblem>,
    /// Everything worth knowing: the problems first, then unknown keys and other things that stop nothing.
    warnings: Vec<FieldProblem>,
}

/// Keeps a YAML as the next version. The same YAML again is the version it already was.
#[utoipa::path(post, path = "/upload-config", tag = "configs", security(("token" = []), ("api_token" = ["upload"])),
    request_body(content((YamlForm = "multipart/form-data"), (String = "application/yaml"))), responses(
    (status = 200, body = UploadAnswer)))]
async fn upload(
    State(state): State<AppState>,
    caller: OnPipelines<MayUpload>,
    once: IdempotencyKey,
    note: AuditNote,
    file: UploadedFile,
) -> Result<Response> {
    let text = file.text.ok_or_else(|| Error::no_file("No file uploaded"))?;
    let upload = check(&state, text).await?;
    caller.reach(&upload.document().name())?;
    let mut tx = state.db.begin().await?;
    if let Some(known) = once.known(&mut tx, &caller, &upload.text()).await? {
        return Ok(known);
    }
    let (version, created) = upload.keep(&mut tx, &state.keys, (caller.name(), caller.author()), Purpose::Use).await?;
    if created {
        quota::check_quota(&state, &mut tx, &caller).await?;
    }
    note.object("config", version.id);
    note.detail("version", version.version);
    let problems: Vec<FieldProblem> = upload.problems().iter().map(Into::into).collect();
    let answer = UploadAnswer {
        message: "YAML uploaded successfully",
        version: version.version,
        id: version.id,
        created,
        runnable: version.runnable,
        warnings: problems.iter().cloned().chain(upload.warnings().iter().map(Into::into)).collect(),
        problems,
    };
    let answer = once.answer(&mut tx, &caller, StatusCode::OK, None, &answer).await?;
    note.commit(tx, StatusCode::OK).await?;
    Ok(answer)
}

/// Checks a text off the async threads.
///
/// # Errors
/// When the text is not one YAML mapping, when no thread is free for the check, or when the check takes too long.
pub async fn check(state: &AppState, text: String) -> Result<Upload> {
    state.checks.run(move |time_limit| Upload::check_within(text, &time_limit)).await
}

/// Keeps a YAML as the next version, or finds the version it already is, for a caller who wants to run it.
///
/// # Errors
/// 403 when it is new and the caller's API token may not store configs, or when it is bound to other pipelines.
pub async fn keep_to_run(
    state: &AppState,
    tx: &mut PgConnection,
    caller: &Caller,
    upload: &Upload,
    purpose: Purpose,
) -> Result<ConfigVersion> {
    caller.reach(&upload.document().name())?;
    caller.reach(&upload.pipeline()?.name)?;
    let (config, created) = upload.keep(tx, &state.keys, (caller.name(), caller.author()), purpose).await?;
    if created {
        // Refused after the fact, because only now it is known; the caller's transaction ends without a commit.
        caller.require(Scope::Upload)?;
    }
    Ok(config)
}

/// What a check found.
#[derive(Serialize, ToSchema)]
struct Validation {
    /// Whether it is one YAML mapping: then it can be uploaded.
    valid: bool,
    /// Whether a run can be made of it.
    runnable: bool,
    /// Pipeline name.
    name: Option<String>,
    /// Every problem of the text, with its place; empty when it can run.
    problems: Vec<FieldProblem>,
    /// Warnings, which do not keep the config from running.
    warnings: Vec<FieldProblem>,
    /// When the config would run by itself; `null` when it cannot run.
    timing: Option<Timing>,
}

/// Checks a YAML and keeps nothing.
#[utoipa::path(post, path = "/configs/validate", tag = "configs", security(("token" = []), ("api_token" = ["upload"])),
    request_body(content((YamlForm = "multipart/form-data"), (String = "application/yaml"))), responses(
    (status = 200, body = Validation)))]
async fn validate(
    State(state): State<AppState>,
    _caller: OnPipelines<MayUpload>,
    file: UploadedFile,
) -> Result<Json<Validation>> {
    let text = file.text.ok_or_else(|| Error::no_file("No file uploaded"))?;
    let found = match check(&state, text).await {
        Ok(upload) => Validation {
            valid: true,
            runnable: upload.problems().is_empty(),
            name: Some(upload.document().name()),
            problems: upload.problems().iter().map(Into::into).collect(),
            warnings: upload.warnings().iter().map(Into::into).collect(),
            timing: upload.document().pipeline(&NoReferences).ok().map(|checked| checked.value.into()),
        },
        Err(Error::Config(ConfigError::Syntax(problem))) => Validation {
            valid: false,
            runnable: false,
            name: None,
            problems: vec![(&problem).into()],
            warnings: Vec::new(),
            timing: None,
        },
        Err(other) => return Err(other),
    };
    Ok(Json(found))
}
