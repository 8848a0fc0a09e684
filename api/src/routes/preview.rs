//! A look at sources before anything is loaded: the first rows of a config's sources, or of a URL with the config that is
//! proposed for it. A worker does it, as a test of the connections.

use std::collections::BTreeMap;

use axum::extract::{FromRequest, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use elt_shared::config::TableName;
use elt_shared::explained::Code;
use elt_shared::runs::RunKind;
use elt_shared::store::configs::Purpose;
use elt_shared::store::runs::live_previews_of;
use elt_shared::trigger::{OPTION_PREVIEW, PREVIEW_OF_CONFIG, PREVIEW_OF_URL};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::configs::{check, keep_to_run};
use super::runs::{Kind, RunView, accepted, of_config};
use crate::AppState;
use crate::audit::AuditNote;
use crate::auth::{OnPipelines, Trigger};
use crate::error::{Error, Problem, Result};
use crate::extract::{Json, UploadedFile};
use crate::idempotency::IdempotencyKey;

/// Name of the pipeline whose versions carry the URLs that were looked at. Each version is sealed like any other, because a
/// token may be in it.
const PIPELINE: &str = "Previews of URLs";
/// Most previews of one user that may be under way.
const AT_ONCE: i64 = 3;
/// `Retry-After` of a refused request, in seconds.
const RETRY_AFTER: u64 = 5;
/// Most bytes of a URL, and of a token.
const LONGEST: usize = 8 << 10;
/// Most headers that a preview of a URL may send.
const MOST_HEADERS: usize = 50;

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(preview))
}

/// A URL to look at.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PreviewUrl {
    /// `http://` or `https://`: the address of rows as JSON.
    #[schema(example = "https://api.example.com/v1/orders")]
    url: String,
    /// Sent as `Authorization: Bearer …`. The proposed config names a stored secret in its place. `${secret:NAME}` sends a
    /// stored secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// Further headers of the request.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    /// Table of the proposed config. Default: named for the end of the URL's path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    table: Option<String>,
}

impl PreviewUrl {
    /// The smallest config that reads the URL.
    fn config(&self) -> Result<String> {
        let too_long = self.url.len() > LONGEST || self.token.as_ref().is_some_and(|token| token.len() > LONGEST);
        if too_long || self.headers.len() > MOST_HEADERS {
            let detail =
                format!("a URL and a token may have {LONGEST} bytes each, and there may be {MOST_HEADERS} headers");
            return Err(Error::bad_request(Code::InvalidBody, detail, "Send less."));
        }
        let mut source = json!({ "type": "api", "url": self.url });
        if let Some(token) = self.token.as_ref().filter(|token| !token.trim().is_empty()) {
            source["auth_token"] = json!(token);
        }
        if !self.headers.is_empty() {
            source["headers"] = json!(self.headers);
        }
        let table = self.table.clone().filter(|table| !table.trim().is_empty());
        let table = table.unwrap_or_else(|| TableName::text_for(&self.url));
        // YAML reads what JSON writes.
        Ok(json!({ "name": PIPELINE, "sources": [source], "target": { "table": table } }).to_string())
    }
}

/// What to look at: JSON with a URL, or a config as YAML.
enum Subject {
    Url(PreviewUrl),
    Config(String),
}

impl<S: Send + Sync> FromRequest<S> for Subject {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if kind.trim_start().starts_with("application/json") {
            return Ok(Self::Url(Json::<PreviewUrl>::from_request(request, state).await?.0));
        }
        let file = UploadedFile::from_request(request, state).await?;
        file.text.map(Self::Config).ok_or_else(|| Error::no_file("No file part"))
    }
}

/// What is there to load? The run answered with shows it in `report.previews`: for each source the first hundred rows, the
/// types elt would decide from the first page or file, and for an API where the rows are, how it pages, what could be
/// loaded incrementally, its key and its rate limit, each with a reason. A URL gets a complete config in `yaml`. The
/// first page is read, and the second one to verify the paging; nothing is loaded. At most three previews of a user are
/// under way at a time.
#[utoipa::path(post, path = "/configs/preview", tag = "configs", security(("token" = []), ("api_token" = ["trigger"])),
    request_body(content((PreviewUrl = "application/json"), (super::configs::YamlForm = "multipart/form-data"), (String = "application/yaml"))),
    responses((status = 202, body = RunView), (status = 429, body = Problem)))]
async fn preview(
    State(state): State<AppState>,
    caller: OnPipelines<Trigger>,
    once: IdempotencyKey,
    note: AuditNote,
    subject: Subject,
) -> Result<Response> {
    let (text, of) = match subject {
        Subject::Url(url) => (url.config()?, PREVIEW_OF_URL),
        Subject::Config(text) => (text, PREVIEW_OF_CONFIG),
    };
    let upload = check(&state, text).await?;
    let pipeline = upload.pipeline()?;
    let mut tx = state.db.begin().await?;
    if let Some(known) = once.known(&mut tx, &caller, &(upload.text(), OPTION_PREVIEW)).await? {
        return Ok(known);
    }
    if live_previews_of(&mut tx, caller.name()).await? >= AT_ONCE {
        return Err(Error::TooMany { retry_after: RETRY_AFTER });
    }
    let config = keep_to_run(&state, &mut tx, &caller, &upload, Purpose::Trial).await?;
    let kind = Kind { options: json!({ OPTION_PREVIEW: of }), ..Kind::new(RunKind::TestConnection) };
    let run = of_config(&mut tx, &caller, &config, pipeline, kind).await?;
    note.object("run", run.id);
    note.detail("kind", OPTION_PREVIEW);
    accepted((&once, &note), tx, &caller, run).await
}
