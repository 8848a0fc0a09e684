//! Starting a run of a kept config: to load, to plan, to check, to test the connections, to undo, to verify.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use elt_shared::config::{Document, LoadMode, NoReferences, PipelineConfig};
use elt_shared::explained::Code;
use elt_shared::job::QUEUE;
use elt_shared::runs::lifecycle::{self, VerifyAnswer};
use elt_shared::runs::{self, Priority, RunKind, RunState};
use elt_shared::store::configs::ConfigVersion;
use elt_shared::store::runs::{NewRun, Run, RunFilter, list, lock_retries};
use elt_shared::telemetry::traceparent;
use elt_shared::trigger::{self, Trigger, enqueue};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::{PgConnection, Postgres, Transaction};
use utoipa::ToSchema;
use uuid::Uuid;

use super::view::RunView;
use super::{configs, find, unknown};
use crate::AppState;
use crate::audit::AuditNote;
use crate::auth::{Caller, OnPipelines, Trigger as MayTrigger};
use crate::error::{Error, Problem, Result};
use crate::extract::{Json, Path};
use crate::idempotency::IdempotencyKey;

/// The config version to run, and how.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartRun {
    /// The config version.
    config_id: i64,
    /// `run` (default), `plan`, `check` or `test_connection`.
    #[serde(default)]
    kind: StartKind,
    /// Run at once, whatever `start_time` says.
    #[serde(default)]
    now: bool,
    /// How early it starts among the runs that wait: `high`, `normal` or `low`; as its config says when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    priority: Option<Priority>,
}

/// What a run does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StartKind {
    /// Extract, validate, load.
    #[default]
    Run,
    /// The same without loading: what would change.
    Plan,
    /// Read the sources and check them against the contract.
    Check,
    /// Reach every source and the target.
    TestConnection,
}

impl From<StartKind> for RunKind {
    fn from(kind: StartKind) -> Self {
        match kind {
            StartKind::Run => Self::Run,
            StartKind::Plan => Self::Plan,
            StartKind::Check => Self::Check,
            StartKind::TestConnection => Self::TestConnection,
        }
    }
}

/// Runs a config version once, without monitoring. Also plans, checks and connection tests: a worker does them.
#[utoipa::path(post, path = "/runs", tag = "runs", security(("token" = []), ("api_token" = ["trigger"])), request_body = StartRun, responses(
    (status = 202, body = RunView), (status = 404, body = Problem)))]
pub async fn start(
    State(state): State<AppState>,
    caller: OnPipelines<MayTrigger>,
    once: IdempotencyKey,
    note: AuditNote,
    Json(request): Json<StartRun>,
) -> Result<Response> {
    let config = configs::find(&state, &caller, request.config_id).await?;
    let pipeline = pipeline_of(&state, &config).await?;
    caller.reach(&pipeline.name)?;
    let mut tx = state.db.begin().await?;
    if let Some(known) = once.known(&mut tx, &caller, &request).await? {
        return Ok(known);
    }
    let run = match request.kind {
        StartKind::Run => {
            let trigger = Trigger {
                config: &config,
                pipeline: &pipeline,
                now: request.now,
                monitor: false,
                queue: QUEUE,
                priority: request.priority,
                options: json!({}),
                traceparent: traceparent(),
                created_by: caller.name(),
            };
            trigger::trigger(&mut tx, &trigger).await?.run
        }
        kind => of_config(&mut tx, &caller, &config, &pipeline, Kind::new(kind.into())).await?,
    };
    note.object("run", run.id);
    note.detail("kind", RunKind::from(request.kind).as_str());
    accepted((&once, &note), tx, &caller, run).await
}

/// Takes back what a run loaded. Skipped rows may load again afterwards.
#[utoipa::path(post, path = "/runs/{id}/undo", tag = "runs", security(("token" = []), ("api_token" = ["trigger"])), responses(
    (status = 202, body = RunView),
    (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn undo(
    State(state): State<AppState>,
    caller: OnPipelines<MayTrigger>,
    once: IdempotencyKey,
    note: AuditNote,
    Path(id): Path<Uuid>,
) -> Result<Response> {
    note.object("run", id);
    let run = find(&state, &caller, id).await?;
    let config = configs::find(&state, &caller, run.config_id).await?;
    let mut pipeline = pipeline_of(&state, &config).await?;
    pipeline.target = pipeline.target.of_run(&run.target_table);
    let mut tx = state.db.begin().await?;
    if let Some(known) = once.known(&mut tx, &caller, &id).await? {
        return Ok(known);
    }
    can_be_undone(&mut tx, &run, &pipeline).await?;
    let kind = Kind { subject: Some(id), ..Kind::new(RunKind::Undo) };
    let undo = of_config(&mut tx, &caller, &config, &pipeline, kind).await?;
    accepted((&once, &note), tx, &caller, undo).await
}

/// Compares the table and the sources with what a run loaded, as a run of the kind `verify`. It changes nothing.
#[utoipa::path(post, path = "/runs/{id}/verify", tag = "runs", security(("token" = []), ("api_token" = ["trigger"])), responses(
    (status = 202, body = RunView),
    (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn verify(
    State(state): State<AppState>,
    caller: OnPipelines<MayTrigger>,
    once: IdempotencyKey,
    note: AuditNote,
    Path(id): Path<Uuid>,
) -> Result<Response> {
    note.object("run", id);
    refuse_whole(&find(&state, &caller, id).await?)?;
    let mut tx = state.db.begin().await?;
    if let Some(known) = once.known(&mut tx, &caller, &id).await? {
        return Ok(known);
    }
    match lifecycle::verify(&mut tx, id, traceparent(), caller.name()).await? {
        Some(VerifyAnswer::Started(run)) => accepted((&once, &note), tx, &caller, *run).await,
        Some(VerifyAnswer::Unfinished(run)) => {
            let what = format!("the run is still {}", run.state);
            Err(Error::conflict(Code::NotFinished, what, "Wait until it ends, or stop it."))
        }
        Some(VerifyAnswer::LoadedNothing(run)) => {
            let what = format!("a {} that has {} loaded nothing that could be verified", run.kind, run.state);
            Err(Error::conflict(Code::CannotVerify, what, "Choose a run that loaded rows."))
        }
        None => Err(Error::NotFound(format!("run {id}"))),
    }
}

/// Refuses what is about the rows of one table, for a run with several.
///
/// # Errors
/// 409 when the run has made a run for each of its tables.
pub fn refuse_whole(run: &Run) -> Result<()> {
    match run.divided_at {
        Some(_) => Err(Error::conflict(
            Code::RunOfTables,
            "each table of the run was loaded by a run of its own",
            "Use the run of the table: the report of this run names it.",
        )),
        None => Ok(()),
    }
}

async fn can_be_undone(tx: &mut PgConnection, run: &Run, pipeline: &PipelineConfig) -> Result<()> {
    refuse_whole(run)?;
    if run.is_unknown() {
        return Err(unknown(run));
    }
    if run.finished_at.is_none() {
        let what = format!("the run is still {}", run.state);
        return Err(Error::conflict(Code::NotFinished, what, "Wait until it ends, or stop it."));
    }
    if !matches!(run.kind, RunKind::Run | RunKind::Replay) || run.state != RunState::Succeeded {
        let what = format!("a {} that has {} loaded nothing that could be undone", run.kind, run.state);
        return Err(Error::conflict(Code::NothingToUndo, what, "Choose a run that loaded rows."));
    }
    if pipeline.load.mode != LoadMode::Append {
        return Err(Error::conflict(
            Code::CannotUndo,
            "a run that merges or replaces overwrote rows, and what they were before is not kept",
            "Restore the table from a backup, or load the older files again.",
        ));
    }
    refuse_second_undo(tx, run.id).await
}

/// Keeps others from undoing the run, too, until the transaction ends.
///
/// # Errors
/// 409 when an undo of the run is under way or succeeded.
pub async fn refuse_second_undo(tx: &mut PgConnection, undone: Uuid) -> Result<()> {
    lock_retries(&mut *tx).await?;
    let filter = RunFilter { subject_id: Some(undone), kinds: Some(&[RunKind::Undo]), ..RunFilter::default() };
    let undos = list(&mut *tx, &filter, None, 100).await?;
    match undos.iter().find(|undo| !matches!(undo.state, RunState::Failed | RunState::Stopped)) {
        Some(undo) => Err(Error::conflict(
            Code::AlreadyUndone,
            format!("the run {} undoes it already", undo.id),
            "Look at that run.",
        )),
        None => Ok(()),
    }
}

/// What a run does beside loading.
pub struct Kind {
    /// Any but [`RunKind::Run`].
    pub name: RunKind,
    /// The run that a replay or an undo is about.
    pub subject: Option<Uuid>,
    /// What it needs beside the config.
    pub options: Value,
}

impl Kind {
    /// About no other run, and needs nothing else.
    pub fn new(name: RunKind) -> Self {
        Self { name, subject: None, options: json!({}) }
    }
}

/// Enqueues a run of another kind than loading.
///
/// # Errors
/// When the database is away.
pub async fn of_config(
    tx: &mut PgConnection,
    caller: &Caller,
    config: &ConfigVersion,
    pipeline: &PipelineConfig,
    kind: Kind,
) -> Result<Run> {
    let new = NewRun {
        kind: kind.name,
        config_id: config.id,
        name: &pipeline.name,
        target_table: &pipeline.target.table.to_string(),
        trigger: runs::Trigger::Manual,
        schedule_id: None,
        subject_id: kind.subject,
        retry_of: None,
        window: None,
        queue: QUEUE,
        options: kind.options,
        not_before: None,
        not_after: None,
        priority: None,
        waits_for: None,
        max_attempts: pipeline.retry.max_attempts,
        traceparent: traceparent(),
        created_by: caller.name(),
    };
    Ok(enqueue(tx, new).await?)
}

/// Answers with a run that was enqueued, and commits.
///
/// # Errors
/// When the database is away.
pub async fn accepted(
    (once, note): (&IdempotencyKey, &AuditNote),
    mut tx: Transaction<'_, Postgres>,
    caller: &Caller,
    run: Run,
) -> Result<Response> {
    let location = format!("/runs/{}", run.id);
    let answer = once.answer(&mut tx, caller, StatusCode::ACCEPTED, Some(location), &RunView::from(run)).await?;
    note.commit(tx, StatusCode::ACCEPTED).await?;
    Ok(answer)
}

/// The pipeline a version describes.
///
/// # Errors
/// Why no run can be made of it.
pub async fn pipeline_of(state: &AppState, config: &ConfigVersion) -> Result<PipelineConfig> {
    let text = config.open(&state.keys)?;
    let checked = tokio::task::spawn_blocking(move || Document::parse(text.expose())?.pipeline(&NoReferences)).await;
    Ok(checked.map_err(|error| Error::internal("check the YAML", error))??.value)
}
