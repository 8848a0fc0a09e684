//! From an uploaded text to a kept config version: the checks, the name, what is shown of it.

use sqlx::{PgConnection, PgExecutor};

use super::configs::{self, ConfigAuthor, ConfigVersion, NewConfig, Purpose};
use crate::config::{
    Checked, ConfigError, ConfigProblem, Document, InboxRules, NoReferences, PipelineConfig, TimeLimit, Warning,
};
use crate::notifications::NotifyConfig;
use crate::secret::{KeyRing, Secret};

/// A text that is one YAML mapping, and whether a run can be made of it.
#[derive(Debug)]
pub struct Upload {
    text: Secret,
    masked: String,
    document: Document,
    pipeline: Result<Checked<PipelineConfig>, Vec<ConfigProblem>>,
    warnings: Vec<Warning>,
}

impl Upload {
    /// Checks a text. Takes a while for a large text: not for an async thread.
    ///
    /// # Errors
    /// When it is not one YAML mapping within the limits.
    pub fn check(text: String) -> Result<Self, ConfigError> {
        Self::check_within(text, &TimeLimit::default())
    }

    /// Like [`Upload::check`], but stops once the time is up. The result must then be discarded.
    ///
    /// # Errors
    /// As [`Upload::check`], and when the time is up.
    pub fn check_within(text: String, time_limit: &TimeLimit) -> Result<Self, ConfigError> {
        let document = Document::parse_within(&text, time_limit)?;
        let pipeline = match document.pipeline_within(&NoReferences, time_limit) {
            Ok(checked) => Ok(checked),
            Err(ConfigError::NotRunnable(problems) | ConfigError::Secret { problems, .. }) => Err(problems),
            Err(syntax) => return Err(syntax),
        };
        let (warnings, masked) = (document.warnings_within(time_limit), document.masked());
        Ok(Self { text: text.into(), masked, document, pipeline, warnings })
    }

    /// The text itself.
    pub fn text(&self) -> &str {
        self.text.expose()
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
    pub async fn known(&self, db: impl PgExecutor<'_>, keys: &KeyRing) -> sqlx::Result<Option<ConfigVersion>> {
        configs::find_by_text(db, keys, &self.text).await
    }

    /// Keeps it as the next version, or finds the version it already is. The bool says whether it is new.
    pub async fn keep(
        &self,
        tx: &mut PgConnection,
        keys: &KeyRing,
        (username, author): (&str, ConfigAuthor),
        purpose: Purpose,
    ) -> sqlx::Result<(ConfigVersion, bool)> {
        let json = |value: Result<serde_json::Value, serde_json::Error>| {
            value.map_err(|error| sqlx::Error::Encode(error.into()))
        };
        let nothing = NotifyConfig::default();
        let new = NewConfig {
            name: &self.document.name(),
            yaml: &self.text,
            yaml_masked: &self.masked,
            yaml_preview: &self.document.preview(),
            runnable: self.pipeline.is_ok(),
            problems: json(serde_json::to_value(self.problems()))?,
            warnings: json(serde_json::to_value(self.warnings()))?,
            created_by: username,
            author,
            purpose,
            secret_names: self.document.secret_names().into_iter().collect(),
            start_rules: self.pipeline.as_ref().map(|checked| checked.value.start_rules).unwrap_or_default(),
            notify: self.pipeline.as_ref().map_or(&nothing, |checked| &checked.value.notify),
            inbox: self.pipeline.as_ref().ok().and_then(|checked| InboxRules::of(&checked.value.sources)),
        };
        configs::keep(tx, keys, new).await
    }
}
