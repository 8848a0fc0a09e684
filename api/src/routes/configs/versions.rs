//! The versions of configs: lists, their texts, and two of them side by side.

use axum::extract::State;
use chrono::{DateTime, Utc};
use elt_shared::config::{ConfigProblem, Document};
use elt_shared::store::configs::{self, ConfigVersion};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::runs;
use super::super::timing::Timing;
use super::find;
use super::history::timestamp;
use crate::AppState;
use crate::audit::Origin;
use crate::auth::{Admin, OnPipelines, Read};
use crate::error::{Error, FieldProblem, Problem, Result};
use crate::extract::{Json, Params, Path};
use crate::page::{Page, PageQuery};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(view)).routes(routes!(list)).routes(routes!(one)).routes(routes!(diff))
}

/// One version with its whole text.
#[derive(Serialize, ToSchema)]
struct ConfigText {
    id: i64,
    version: i32,
    /// `YYYY-MM-DD HH:MM`, UTC.
    timestamp: String,
    /// The text exactly as uploaded.
    yaml_content: String,
    created_at: DateTime<Utc>,
}

/// The exact text of a version. It may hold secrets: who looked is noted before it is shown.
#[utoipa::path(get, path = "/config/{id}", tag = "configs", security(("token" = [])), responses(
    (status = 200, body = ConfigText),
    (status = 404, body = Problem)))]
async fn view(
    State(state): State<AppState>,
    Admin(caller): Admin,
    origin: Origin,
    Path(id): Path<i64>,
) -> Result<Json<ConfigText>> {
    let config = find(&state, &caller, id).await?;
    let text = config.open(&state.keys)?;
    origin.note(&state, &caller, "GET /config/{id}", &format!("config {id}")).await?;
    Ok(Json(ConfigText {
        id,
        version: config.version,
        timestamp: timestamp(config.timestamp),
        yaml_content: text.expose().to_owned(),
        created_at: config.timestamp,
    }))
}

/// One version, without its secrets.
#[derive(Serialize, ToSchema)]
struct ConfigView {
    id: i64,
    version: i32,
    /// Pipeline name.
    name: String,
    created_at: DateTime<Utc>,
    created_by: String,
    /// The first 100 characters, secrets masked.
    yaml_preview: String,
    /// Whether a run can be made of it.
    runnable: bool,
    /// Why the version cannot run; empty when it can.
    problems: Vec<FieldProblem>,
    /// Unknown keys and other things that do not keep the config from running.
    warnings: Vec<FieldProblem>,
}

/// Problems as they were stored.
fn places(stored: Value) -> Vec<FieldProblem> {
    let stored: Vec<ConfigProblem> = serde_json::from_value(stored).unwrap_or_default();
    stored.iter().map(Into::into).collect()
}

impl From<ConfigVersion> for ConfigView {
    fn from(config: ConfigVersion) -> Self {
        Self {
            id: config.id,
            version: config.version,
            name: config.name,
            created_at: config.timestamp,
            created_by: config.created_by,
            yaml_preview: config.yaml_preview,
            runnable: config.runnable,
            problems: places(config.problems),
            warnings: places(config.warnings),
        }
    }
}

/// Filters of the versions. A version must match all of them.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ConfigQuery {
    /// Only versions with this text in their name, preview or author (in upper or lower case), or with this number.
    search: Option<String>,
    /// Only versions of this pipeline.
    name: Option<String>,
}

/// Every version, newest first, with what was found when it was uploaded.
#[utoipa::path(get, path = "/configs", tag = "configs", security(("token" = []), ("api_token" = ["read"])), params(PageQuery, ConfigQuery),
    responses((status = 200, body = Page<ConfigView>)))]
async fn list(
    State(state): State<AppState>,
    caller: OnPipelines<Read>,
    Params(page): Params<PageQuery>,
    Params(query): Params<ConfigQuery>,
) -> Result<Json<Page<ConfigView>>> {
    // A name out of the caller's reach has no versions, as in every list.
    let named: Option<Vec<String>> = query.name.map(|name| Vec::from_iter(caller.reaches(&name).then_some(name)));
    let names = named.as_deref().or(caller.pipelines());
    let rows = match query.search.as_deref().map(str::trim) {
        None | Some("") => configs::list(&state.db, names, page.after()?, page.fetch()).await?,
        Some(search) => configs::search(&state.db, search, names, page.after()?, page.fetch()).await?,
    };
    Ok(Json(Page::of(rows, &page, |config| config.version, Into::into)))
}

/// One version and its text, secrets masked.
#[derive(Serialize, ToSchema)]
struct MaskedConfig {
    #[serde(flatten)]
    config: ConfigView,
    /// The whole text, every secret `***`.
    yaml_masked: String,
    /// When the config runs by itself, according to its YAML; `null` when it cannot run.
    timing: Option<Timing>,
}

/// One version, secrets masked. `GET /config/{id}` shows the exact text.
#[utoipa::path(get, path = "/configs/{id}", tag = "configs", security(("token" = []), ("api_token" = ["read"])), responses(
    (status = 200, body = MaskedConfig),
    (status = 404, body = Problem)))]
async fn one(
    State(state): State<AppState>,
    caller: OnPipelines<Read>,
    Path(id): Path<i64>,
) -> Result<Json<MaskedConfig>> {
    let config = find(&state, &caller, id).await?;
    Ok(Json(MaskedConfig::of(&state, config).await?))
}

impl MaskedConfig {
    async fn of(state: &AppState, config: ConfigVersion) -> Result<Self> {
        let timing = match config.runnable {
            // A version kept by an earlier release may not be runnable any more: it then has no timing.
            true => runs::pipeline_of(state, &config).await.ok().map(Into::into),
            false => None,
        };
        let yaml_masked = masked(state, &config).await?;
        Ok(Self { config: config.into(), yaml_masked, timing })
    }
}

async fn masked(state: &AppState, config: &ConfigVersion) -> Result<String> {
    if let Some(masked) = config.masked() {
        return Ok(masked.to_owned());
    }
    let text = config.open(&state.keys)?;
    let masked =
        state.checks.run(move |time_limit| Ok(Document::parse_within(text.expose(), &time_limit)?.masked())).await;
    masked.map_err(|error| match error {
        Error::Config(error) => Error::internal("read a stored config", error),
        other => other,
    })
}

/// Which versions to compare.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct DiffQuery {
    /// Id of the older version.
    from: i64,
    /// Id of the newer version.
    to: i64,
}

/// Two versions side by side, secrets masked.
#[derive(Serialize, ToSchema)]
struct Diff {
    from: MaskedConfig,
    to: MaskedConfig,
    /// Whether the texts differ although what is shown is alike: then a secret was changed.
    secrets_differ: bool,
}

/// Two versions side by side, secrets masked.
#[utoipa::path(get, path = "/configs/diff", tag = "configs", security(("token" = []), ("api_token" = ["read"])), params(DiffQuery), responses(
    (status = 200, body = Diff),
    (status = 404, body = Problem)))]
async fn diff(
    State(state): State<AppState>,
    caller: OnPipelines<Read>,
    Params(query): Params<DiffQuery>,
) -> Result<Json<Diff>> {
    let (from, to) = (find(&state, &caller, query.from).await?, find(&state, &caller, query.to).await?);
    let texts_differ = from.differs_from(&to, &state.keys)?;
    let (from, to) = (MaskedConfig::of(&state, from).await?, MaskedConfig::of(&state, to).await?);
    let secrets_differ = from.yaml_masked == to.yaml_masked && texts_differ;
    Ok(Json(Diff { from, to, secrets_differ }))
}
