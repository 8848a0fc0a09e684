//! One pipeline: its newest version and run, its sources and target, its receivers of messages, and its open incidents.

use axum::extract::State;
use chrono::{DateTime, Utc};
use elt_shared::config::PipelineConfig;
use elt_shared::notifications::Event;
use elt_shared::store::incidents::{self, OpenIncident};
use elt_shared::store::{configs, pipelines};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::super::runs;
use super::lineage::Lineage;
use super::view::PipelineView;
use crate::AppState;
use crate::auth::{OnPipelines, Read};
use crate::error::{Error, Problem, Result};
use crate::extract::{Json, Path};

/// Most incidents shown.
const INCIDENTS: i64 = 50;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(one))
}

/// A pipeline as a whole.
#[derive(Serialize, ToSchema)]
struct PipelineDetail {
    #[serde(flatten)]
    pipeline: PipelineView,
    /// What it is made of, as its newest version says it; `null` when that cannot run.
    lineage: Option<Lineage>,
    /// The items of `notify:` of its newest version.
    notify: Vec<Notify>,
    /// What is wrong with it now, the newest first and at most 50. Pipelines without `notify:` have no incidents.
    incidents: Vec<IncidentView>,
}

/// A receiver of messages, and the events that send them.
#[derive(Serialize, ToSchema)]
struct Notify {
    /// Where its messages go, without secrets.
    destination: String,
    /// The channel that an admin defined; `null` when the config has the address.
    channel: Option<String>,
    /// The events it listens to.
    on: Vec<Event>,
}

/// Something that is wrong with a pipeline.
#[derive(Serialize, ToSchema)]
struct IncidentView {
    event: Event,
    opened_at: DateTime<Utc>,
    /// The run that showed it; `null` when no run did. It may have been deleted.
    run_id: Option<Uuid>,
}

impl From<OpenIncident> for IncidentView {
    fn from(incident: OpenIncident) -> Self {
        Self { event: incident.event, opened_at: incident.opened_at, run_id: incident.opened_by }
    }
}

/// One pipeline: its newest version and run, its sources and target, its receivers of messages, and its open incidents.
#[utoipa::path(get, path = "/pipelines/{name}", tag = "pipelines", security(("token" = []), ("api_token" = ["read"])), responses(
    (status = 200, body = PipelineDetail), (status = 404, body = Problem)))]
async fn one(
    State(state): State<AppState>,
    caller: OnPipelines<Read>,
    Path(name): Path<String>,
) -> Result<Json<PipelineDetail>> {
    caller.reach(&name)?;
    let missing = || Error::NotFound(format!("pipeline {name}"));
    let pipeline = pipelines::find(&state.db, &name).await?.ok_or_else(missing)?;
    let config = if pipeline.runnable { config_of(&state, pipeline.config_id).await? } else { None };
    let incidents = incidents::open_incidents(&state.db, &name, INCIDENTS).await?;
    let rules = config.as_ref().map(|config| config.notify.rules.clone()).unwrap_or_default();
    let notify =
        rules.into_iter().map(|rule| Notify { destination: rule.destination, channel: rule.channel, on: rule.on });
    Ok(Json(PipelineDetail {
        pipeline: pipeline.into(),
        lineage: config.as_ref().map(Lineage::of),
        notify: notify.collect(),
        incidents: incidents.into_iter().map(Into::into).collect(),
    }))
}

/// What a version describes. `None`: it was deleted meanwhile, or an earlier release stored it and it is not valid any more.
async fn config_of(state: &AppState, id: i64) -> Result<Option<PipelineConfig>> {
    let Some(version) = configs::find(&state.db, id).await? else { return Ok(None) };
    Ok(runs::pipeline_of(state, &version).await.ok())
}
