//! What is shown of a pipeline in a list of them.

use chrono::{DateTime, Utc};
use elt_shared::runs::{Outcome, Priority, RunState};
use elt_shared::store::pipelines::{self, Pipeline};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::queues::PauseView;

/// All config versions and runs that share one name.
#[derive(Serialize, ToSchema)]
pub(super) struct PipelineView {
    /// Pipeline name.
    pub(super) name: String,
    /// Id of the newest config version.
    config_id: i64,
    /// Number of that version, counted over all configs.
    version: i32,
    /// When that version was uploaded.
    uploaded_at: DateTime<Utc>,
    /// Who uploaded it.
    uploaded_by: String,
    /// Whether that version can run.
    runnable: bool,
    /// Target table of the newest run; `null` before the first run.
    target_table: Option<String>,
    /// The newest run of kind `run`; `null` before the first one.
    last_run: Option<LastRun>,
    /// Runs, replays and undos of it that may be at work at the same time, as `concurrency` of the newest version says;
    /// `null`: any number.
    concurrency: Option<i32>,
    /// How early its runs start among those that wait.
    priority: Priority,
    /// Its own pause; without one, that of everything; `null` when its runs may start.
    pause: Option<PauseView>,
    /// The live schedule; `null` when the pipeline has none.
    schedule_id: Option<Uuid>,
    /// When the cron expression of that schedule fires next; `null` without one and while the schedule is paused.
    next_run_at: Option<DateTime<Utc>>,
    /// The newest run that loaded: one that succeeded with another outcome than `nothing_loaded`.
    loaded_run_id: Option<Uuid>,
    /// When that run ended.
    loaded_at: Option<DateTime<Utc>>,
    /// `freshness` of the newest version, in seconds; `null` when it is not written.
    freshness_seconds: Option<i64>,
    /// Whether more time than `freshness` has passed since the end of that run, or since the upload of the newest version when
    /// no run has loaded; `null` without `freshness`.
    stale: Option<bool>,
    /// Rows that the newest run which succeeded rejected; `null` before the first one.
    rejected_rows: Option<i64>,
    /// Its newest runs, the oldest first; empty unless `runs` asks for them.
    recent_runs: Vec<RecentRun>,
}

/// The newest run of a pipeline.
#[derive(Serialize, ToSchema)]
struct LastRun {
    /// Run id, for `GET /runs/{id}`.
    id: Uuid,
    /// Waiting, at work, or how it ended.
    state: RunState,
    /// What a run that succeeded achieved; `null` in other states.
    outcome: Option<Outcome>,
    /// When it was requested.
    created_at: DateTime<Utc>,
}

/// A run of a pipeline in a list.
#[derive(Serialize, ToSchema)]
struct RecentRun {
    /// Run id, for `GET /runs/{id}`.
    id: Uuid,
    /// Waiting, at work, or how it ended.
    state: RunState,
    /// What a run that succeeded achieved; `null` in other states.
    outcome: Option<Outcome>,
    /// Rows that it added; `null` before its end.
    rows_inserted: Option<i64>,
    /// When it was requested.
    created_at: DateTime<Utc>,
}

impl From<pipelines::RecentRun> for RecentRun {
    fn from(run: pipelines::RecentRun) -> Self {
        Self {
            id: run.id,
            state: run.state,
            outcome: run.outcome,
            rows_inserted: run.rows_inserted,
            created_at: run.created_at,
        }
    }
}

impl From<Pipeline> for PipelineView {
    fn from(pipeline: Pipeline) -> Self {
        let last_run = match (pipeline.last_run_id, pipeline.last_run_state, pipeline.last_run_at) {
            (Some(id), Some(state), Some(created_at)) => {
                Some(LastRun { id, state, outcome: pipeline.last_run_outcome, created_at })
            }
            _ => None,
        };
        Self {
            name: pipeline.name,
            config_id: pipeline.config_id,
            version: pipeline.version,
            uploaded_at: pipeline.uploaded_at,
            uploaded_by: pipeline.uploaded_by,
            runnable: pipeline.runnable,
            target_table: pipeline.target_table,
            last_run,
            concurrency: pipeline.concurrency,
            priority: pipeline.priority.unwrap_or_default(),
            pause: pipeline.pause.map(|pause| pause.0.into()),
            schedule_id: pipeline.schedule_id,
            next_run_at: pipeline.next_run_at,
            loaded_run_id: pipeline.loaded_run_id,
            loaded_at: pipeline.loaded_at,
            freshness_seconds: pipeline.freshness_seconds,
            stale: pipeline.stale,
            rejected_rows: pipeline.rejected_rows,
            recent_runs: pipeline.recent_runs.0.into_iter().map(Into::into).collect(),
        }
    }
}
