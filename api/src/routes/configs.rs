//! Configs: uploading YAMLs, and looking at what was uploaded.

use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use elt_shared::api_token::Scope;
use elt_shared::config::{ConfigError, ConfigProblem, Document, NoReferences};
use elt_shared::store::configs::{self, ConfigVersion, HistoryRow};
use elt_shared::store::uploads::Upload;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::timing::Timing;
use super::{config_limits, runs};
use crate::AppState;
use crate::audit::{AuditNote, Origin};
use crate::auth::{Admin, Allowed, Caller, OnPipelines, Read, Upload as MayUpload};
use crate::error::{Error, FieldProblem, Problem, Result};
use crate::extract::{Json, Params, Path, UploadedFile};
use crate::once::Once;
use crate::page::{Page, PageQuery};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(upload))
        .routes(routes!(history))
        .routes(routes!(view))
        .routes(routes!(list))
        .routes(routes!(one))
        .routes(routes!(validate))
        .routes(routes!(diff))
        .routes(routes!(schema))
}

/// A form with a YAML in it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the form")]
pub struct YamlForm {
    /// The YAML.
    #[schema(value_type = String, format = Binary)]
    pub file: Vec<u8>,
}

/// What became of an upload.
#[derive(Serialize, ToSchema)]
struct UploadAnswer {
    /// `YAML uploaded successfully`
    message: &'static str,
    /// Which version it is.
    version: i32,
    /// Names the version in other calls.
    id: i64,
    /// False: the same YAML was there already.
    created: bool,
    /// Whether a run can be made of it.
    runnable: bool,
    /// Why not.
    problems: Vec<FieldProblem>,
    /// Everything worth knowing: the problems first, then unknown keys and other things that stop nothing.
    warnings: Vec<FieldProblem>,
}

/// Keeps a YAML as the next version. The same YAML again is the version it already was.
#[utoipa::path(post, path = "/upload-config", tag = "configs", security(("token" = []), ("api_token" = ["upload"])),
    request_body(content((YamlForm = "multipart/form-data"), (String = "application/yaml"))), responses(
    (status = 200, body = UploadAnswer), (status = 400, body = Problem), (status = 401, body = Problem),
    (status = 403, body = Problem), (status = 413, body = Problem)))]
async fn upload(
    State(state): State<AppState>,
    caller: OnPipelines<MayUpload>,
    once: Once,
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
    let (version, created) = upload.keep(&mut tx, &state.keys, (caller.name(), caller.author())).await?;
    if created {
        config_limits::check_quota(&state, &mut tx, &caller).await?;
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
    state.checks.run(move |effort| Upload::check_within(text, &effort)).await
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

fn timestamp(at: DateTime<Utc>) -> String {
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
    (status = 200, body = ConfigHistory), (status = 400, body = Problem), (status = 401, body = Problem),
    (status = 403, body = Problem)))]
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

/// A part of `{"configs":[…],"next":null}`: some versions, or the end when there are none.
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
    (status = 200, body = ConfigText), (status = 401, body = Problem), (status = 403, body = Problem),
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

/// A version that must exist, for a caller who may touch its pipeline.
///
/// # Errors
/// 404 when it does not exist, 403 when the caller's API token is bound to other pipelines.
pub async fn find(state: &AppState, caller: &Caller, id: i64) -> Result<ConfigVersion> {
    let config = configs::find(&state.db, id).await?.ok_or_else(|| Error::NotFound(format!("config {id}")))?;
    caller.reach(&config.name)?;
    Ok(config)
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
) -> Result<ConfigVersion> {
    caller.reach(&upload.document().name())?;
    caller.reach(&upload.pipeline()?.name)?;
    let (config, created) = upload.keep(tx, &state.keys, (caller.name(), caller.author())).await?;
    if created {
        // Refused after the fact, because only now it is known; the caller's transaction ends without a commit.
        caller.require(Scope::Upload)?;
    }
    Ok(config)
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
    /// Why not.
    problems: Vec<FieldProblem>,
    /// Unknown keys and other things that are no error.
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

/// Which versions.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ConfigQuery {
    /// Only versions with this text in their name, preview or author (in upper or lower case), or with this number.
    search: Option<String>,
}

/// Every version, newest first, with what was found when it was uploaded.
#[utoipa::path(get, path = "/configs", tag = "configs", security(("token" = []), ("api_token" = ["read"])), params(PageQuery, ConfigQuery),
    responses((status = 200, body = Page<ConfigView>), (status = 401, body = Problem), (status = 403, body = Problem)))]
async fn list(
    State(state): State<AppState>,
    caller: OnPipelines<Read>,
    Params(page): Params<PageQuery>,
    Params(query): Params<ConfigQuery>,
) -> Result<Json<Page<ConfigView>>> {
    let rows = match query.search.as_deref().map(str::trim) {
        None | Some("") => configs::list(&state.db, caller.pipelines(), page.after()?, page.fetch()).await?,
        Some(search) => configs::search(&state.db, search, caller.pipelines(), page.after()?, page.fetch()).await?,
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
    (status = 200, body = MaskedConfig), (status = 401, body = Problem), (status = 403, body = Problem),
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
    let masked = state.checks.run(move |effort| Ok(Document::parse_within(text.expose(), &effort)?.masked())).await;
    masked.map_err(|error| match error {
        Error::Config(error) => Error::internal("read a stored config", error),
        other => other,
    })
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
    /// What is wrong.
    problems: Vec<FieldProblem>,
    /// What to look at.
    warnings: Vec<FieldProblem>,
    /// When the config would run by itself; `null` when it cannot run.
    timing: Option<Timing>,
}

/// Checks a YAML and keeps nothing.
#[utoipa::path(post, path = "/configs/validate", tag = "configs", security(("token" = []), ("api_token" = ["upload"])),
    request_body(content((YamlForm = "multipart/form-data"), (String = "application/yaml"))), responses(
    (status = 200, body = Validation), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem)))]
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
    (status = 200, body = Diff), (status = 401, body = Problem), (status = 403, body = Problem),
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

/// The JSON Schema of a config, for editors.
#[utoipa::path(get, path = "/configs/schema", tag = "configs", security(("token" = []), ("api_token" = ["upload"])), responses(
    (status = 200, body = Object, content_type = "application/schema+json"), (status = 401, body = Problem),
    (status = 403, body = Problem)))]
async fn schema(_caller: OnPipelines<MayUpload>) -> Response {
    let schema = elt_shared::config::json_schema();
    ([(header::CONTENT_TYPE, "application/schema+json")], schema.to_string()).into_response()
}
