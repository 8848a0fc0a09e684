//! Triggering: a YAML becomes a run, and keeps running as it says.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use elt_shared::explained::Code;
use elt_shared::job::QUEUE;
use elt_shared::runs::Priority;
use elt_shared::store::configs::Purpose;
use elt_shared::telemetry::traceparent;
use elt_shared::trigger::{Trigger, trigger};
use serde::Serialize;
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::configs::{YamlForm, check, keep_to_run};
use crate::AppState;
use crate::audit::AuditNote;
use crate::auth::{OnPipelines, Trigger as MayTrigger};
use crate::error::{Error, FieldProblem, Result};
use crate::extract::UploadedFile;
use crate::idempotency::IdempotencyKey;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(trigger_job))
}

/// What a trigger started.
#[derive(Serialize, ToSchema)]
struct TriggerAnswer {
    /// `ELT job triggered successfully!`
    message: &'static str,
    /// The run; it waits when its window has not opened yet.
    run_id: Uuid,
    /// The config version it executes.
    config_id: i64,
    /// Its version number.
    version: i32,
    /// What runs the pipeline from now on, if anything does.
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule_id: Option<Uuid>,
    /// Unknown keys and other things that do not keep the config from running.
    warnings: Vec<FieldProblem>,
}

/// How to trigger. Also understood as fields of the form.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters")]
struct TriggerParameters {
    /// `true` runs at once, whatever `start_time` says.
    now: Option<bool>,
    /// How early the run starts among those that wait; as its config says when it is left out.
    priority: Option<Priority>,
}

/// Runs a YAML, and keeps running it when its sources change or its cron expression fires.
#[utoipa::path(post, path = "/trigger-job", tag = "runs", security(("token" = []), ("api_token" = ["trigger"])), params(TriggerParameters),
    request_body(content((YamlForm = "multipart/form-data"), (String = "application/yaml"))), responses(
    (status = 200, body = TriggerAnswer)))]
async fn trigger_job(
    State(state): State<AppState>,
    caller: OnPipelines<MayTrigger>,
    once: IdempotencyKey,
    note: AuditNote,
    file: UploadedFile,
) -> Result<Response> {
    let now = file.field("now") == Some("true");
    let priority = file.field("priority").map(priority).transpose()?;
    let upload = check(&state, yaml_of(file)?).await?;
    let pipeline = upload.pipeline()?;
    let mut tx = state.db.begin().await?;
    if let Some(known) = once.known(&mut tx, &caller, &(upload.text(), now, priority)).await? {
        return Ok(known);
    }
    let config = keep_to_run(&state, &mut tx, &caller, &upload, Purpose::Use).await?;
    let request = Trigger {
        config: &config,
        pipeline,
        now,
        monitor: true,
        queue: QUEUE,
        priority,
        options: json!({}),
        traceparent: traceparent(),
        created_by: caller.name(),
    };
    let started = trigger(&mut tx, &request).await?;
    note.object("run", started.run.id);
    note.detail("config_id", config.id);
    let answer = TriggerAnswer {
        message: "ELT job triggered successfully!",
        run_id: started.run.id,
        config_id: config.id,
        version: config.version,
        schedule_id: started.schedule.map(|schedule| schedule.id),
        warnings: upload.warnings().iter().map(Into::into).collect(),
    };
    let answer = once.answer(&mut tx, &caller, StatusCode::OK, None, &answer).await?;
    note.commit(tx, StatusCode::OK).await?;
    tracing::info!(run.id = %started.run.id, "{} triggered {} (version {})", caller.name(), config.name, config.version);
    Ok(answer)
}

fn priority(text: &str) -> Result<Priority> {
    text.parse().map_err(|_| {
        Error::bad_request(
            Code::BadRequest,
            format!("priority is {text:?}, which is not a priority"),
            "Write high, normal or low, or leave it out.",
        )
    })
}

/// The YAML of a form as the first clients send it. Anything else is refused in the words that they expect.
fn yaml_of(file: UploadedFile) -> Result<String> {
    let text = file.text.ok_or_else(|| Error::no_file("No file part"))?;
    match file.file_name.as_deref().map(str::to_ascii_lowercase) {
        Some(name) if name.is_empty() => Err(Error::no_file("No selected file")),
        Some(name) if !name.ends_with(".yaml") && !name.ends_with(".yml") => Err(Error::bad_request(
            Code::InvalidFileFormat,
            "Invalid file format",
            "Send a file whose name ends in .yaml or .yml.",
        )),
        _ => Ok(text),
    }
}
