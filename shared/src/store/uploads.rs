//! From an uploaded text to a kept config version: the checks, the name, the key that recognises it, what lists show.

use sqlx::{PgConnection, PgExecutor};

use super::configs::{self, ConfigVersion, NewConfig};
use crate::config::{
    Checked, ConfigError, ConfigProblem, Document, Effort, NoReferences, PipelineConfig, Warning, content_key,
};
use crate::secret::Secret;

/// A text that is one YAML mapping, and whether a run can be made of it.
#[derive(Debug)]
pub struct Upload {
    text: String,
    content_key: [u8; 32],
    document: Document,
    pipeline: Result<Checked<PipelineConfig>, Vec<ConfigProblem>>,
    warnings: Vec<Warning>,
}

impl Upload {
    /// Checks a text. `key` makes "the same YAML" recognisable without keeping a plain hash of its secrets.
    /// Takes a while for a large text: not for an async thread.
    ///
    /// # Errors
    /// When it is not one YAML mapping within the limits.
    pub fn check(key: &Secret, text: String) -> Result<Self, ConfigError> {
        Self::check_within(key, text, &Effort::default())
    }

    /// Like [`Upload::check`], but stops once the effort is spent. The result must then be discarded.
    ///
    /// # Errors
    /// As [`Upload::check`], and when the effort is spent.
    pub fn check_within(key: &Secret, text: String, effort: &Effort) -> Result<Self, ConfigError> {
        let document = Document::parse_within(&text, effort)?;
        let pipeline = match document.pipeline_within(&NoReferences, effort) {
            Ok(checked) => Ok(checked),
            Err(ConfigError::NotRunnable(problems)) => Err(problems),
            Err(syntax) => return Err(syntax),
        };
        let content_key = content_key(key.expose().as_bytes(), &text);
        let warnings = document.warnings_within(effort);
        Ok(Self { text, content_key, document, pipeline, warnings })
    }

    /// The text itself.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text as a document.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// The pipeline it describes.
    ///
    /// # Errors
    /// Why no run can be made of it.
    pub fn pipeline(&self) -> Result<&PipelineConfig, ConfigError> {
        self.pipeline
            .as_ref()
            .map(|checked| &checked.value)
            .map_err(|problems| ConfigError::NotRunnable(problems.clone()))
    }

    /// Why no run can be made of it; empty when one can.
    pub fn problems(&self) -> &[ConfigProblem] {
        self.pipeline.as_ref().err().map_or(&[], Vec::as_slice)
    }

    /// What its author should look at, whether or not it can run: a misspelled key is often why it cannot.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The version it already is; `None` when it is not stored.
    pub async fn known(&self, db: impl PgExecutor<'_>) -> sqlx::Result<Option<ConfigVersion>> {
        configs::find_by_content(db, &self.content_key).await
    }

    /// Keeps it as the next version, or finds the version it already is. The bool says whether it is new.
    pub async fn keep(&self, tx: &mut PgConnection, username: &str) -> sqlx::Result<(ConfigVersion, bool)> {
        let json = |value: Result<serde_json::Value, serde_json::Error>| {
            value.map_err(|error| sqlx::Error::Encode(error.into()))
        };
        let new = NewConfig {
            name: &self.document.name(),
            yaml_content: &self.text,
            content_key: &self.content_key,
            yaml_preview: &self.document.preview(),
            runnable: self.pipeline.is_ok(),
            problems: json(serde_json::to_value(self.problems()))?,
            warnings: json(serde_json::to_value(self.warnings()))?,
            created_by: username,
        };
        configs::keep(tx, new).await
    }
}
