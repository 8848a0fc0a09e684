//! How the sources of a schedule were looked at last, for the next look and for people.

use serde::{Deserialize, Serialize};
use sqlx::PgExecutor;
use sqlx::types::Json;
use utoipa::ToSchema;
use uuid::Uuid;

/// How a source is looked at for changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LookBy {
    /// A small request, `probe` of the config, whose answer is compared.
    Probe,
    /// One request for the first page of what changed since the cursor.
    Since,
    /// A conditional request, by the `ETag` or `Last-Modified` of the answer before.
    Condition,
    /// The only answer of the source is read and compared.
    Answer,
    /// Nothing shows in one request whether something changed, so that every look is a run.
    #[default]
    Run,
}

/// The last look at one API. Values that a later release adds are ignored by earlier ones.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceLook {
    /// Kind and place of the source, without secrets.
    pub source: String,
    /// How it was looked at.
    pub by: LookBy,
    /// What a look is, as a sentence.
    pub says: String,
    /// `ETag` of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// `Last-Modified` of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
    /// `Content-Length` of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<String>,
    /// Hash of what was there and is not loaded, of an incremental source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub news: Option<String>,
}

/// Keeps the last looks at the APIs of a schedule, in the order of the sources.
pub async fn note_looks(db: impl PgExecutor<'_>, id: Uuid, looks: &[SourceLook]) -> sqlx::Result<()> {
    sqlx::query("update schedules set looks = $2 where id = $1").bind(id).bind(Json(looks)).execute(db).await?;
    Ok(())
}
