//! Configs: uploading YAMLs, and looking at what was uploaded.

mod history;
mod quota;
mod upload;
mod versions;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use elt_shared::store::configs::{self, ConfigVersion};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use upload::{YamlForm, check, keep_to_run};

use crate::AppState;
use crate::auth::{Caller, OnPipelines, Upload};
use crate::error::{Error, Result};

pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .merge(upload::router())
        .merge(history::router())
        .merge(versions::router())
        .merge(quota::router())
        .routes(routes!(schema))
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

/// The JSON Schema of a config, for editors.
#[utoipa::path(get, path = "/configs/schema", tag = "configs", security(("token" = []), ("api_token" = ["upload"])), responses(
    (status = 200, body = Object, content_type = "application/schema+json")))]
async fn schema(_caller: OnPipelines<Upload>) -> Response {
    let schema = elt_shared::config::json_schema();
    ([(header::CONTENT_TYPE, "application/schema+json")], schema.to_string()).into_response()
}
