//! A cache of the configs of runs and schedules. Otherwise a schedule that ticks every second would parse its YAML every
//! second. A config version never changes, so a cached one stays valid. Secrets are read each time, because their values and
//! grants change.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use elt_shared::config::{BucketLogin, ConfigError, Document, PipelineConfig, SourceConfig};
use elt_shared::inbox;
use elt_shared::redaction::Held;
use elt_shared::secret::KeyRing;
use elt_shared::store::configs::{self, ConfigAuthor};
use elt_shared::store::secrets::{self, ReadError};
use elt_shared::stored_secret::{Asker, GrantedSecrets, SecretReferences};
use sqlx::PgPool;

use crate::error::{PipelineError, Result};
use crate::extract::cloud::{CloudCredentials, LentCredentials};
use crate::settings::WorkerSettings;

/// Most configs that are kept. The cache is emptied when it is full.
const MOST_KEPT: usize = 256;

/// Configs by the id of their version. Clones share them.
#[derive(Clone, Default)]
pub struct ConfigCache(Arc<Mutex<HashMap<i64, Cached>>>);

/// The part of a config version that is cached.
#[derive(Clone)]
enum Cached {
    /// A config that refers to no secret, resolved.
    Resolved(ReadyConfig),
    /// The text of a config that refers to secrets.
    WithSecrets(Arc<Document>),
}

/// A config that can run here. Messages hide the secrets in it for as long as it, or a clone of it, is there.
#[derive(Clone)]
pub struct ReadyConfig {
    config: Arc<PipelineConfig>,
    held: Arc<[Held]>,
}

impl ReadyConfig {
    /// What hides its secrets, for a holder that outlives it.
    pub fn held(&self) -> Arc<[Held]> {
        Arc::clone(&self.held)
    }
}

impl Deref for ReadyConfig {
    type Target = PipelineConfig;

    fn deref(&self) -> &PipelineConfig {
        &self.config
    }
}

impl ConfigCache {
    /// The pipeline a config version describes, with the secrets as they are now.
    ///
    /// # Errors
    /// When it cannot run here: a reference that does not resolve on this worker, for example.
    pub async fn get(&self, db: &PgPool, settings: &Arc<WorkerSettings>, id: i64) -> Result<ReadyConfig> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        let known = match known {
            Some(known) => known,
            None => self.read(db, settings, id).await?,
        };
        match known {
            Cached::Resolved(config) => Ok(config),
            Cached::WithSecrets(document) => {
                let secrets = secrets_of(db, settings, id, &document).await?;
                resolve(settings, document, secrets).await
            }
        }
    }

    /// Reads a version and keeps it.
    async fn read(&self, db: &PgPool, settings: &Arc<WorkerSettings>, id: i64) -> Result<Cached> {
        let stored = configs::find(db, id).await.map_err(unread)?.ok_or_else(|| gone(id))?;
        let text = stored.open(keys(settings)?)?;
        let parsed = tokio::task::spawn_blocking(move || Document::parse(text.expose())).await;
        let document = Arc::new(parsed.map_err(|error| unexpected(&error))??);
        let known = if document.secret_names().is_empty() {
            Cached::Resolved(resolve(settings, document, GrantedSecrets::default()).await?)
        } else {
            Cached::WithSecrets(document)
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST_KEPT {
            all.clear();
        }
        all.insert(id, known.clone());
        Ok(known)
    }
}

/// What a config may use of the worker's own credentials: what the operator lends, when an admin vouches for the config.
///
/// # Errors
/// When the control database cannot be asked who vouches for it.
pub async fn lent_credentials(
    db: &PgPool,
    settings: &WorkerSettings,
    id: i64,
    config: &PipelineConfig,
) -> Result<CloudCredentials> {
    let asks = |source: &SourceConfig| match source {
        SourceConfig::S3(source) => matches!(source.login, BucketLogin::Environment | BucketLogin::Instance),
        _ => false,
    };
    if settings.cloud_credentials.is_empty() || !config.sources.iter().any(asks) {
        return Ok(CloudCredentials::Kept);
    }
    match configs::author(db, id).await.map_err(unread)?.ok_or_else(|| gone(id))? {
        ConfigAuthor::User => Ok(CloudCredentials::KeptFromUsers),
        ConfigAuthor::Admin => {
            let (environment, metadata) = (settings.lent_variables(), settings.lent_metadata());
            Ok(CloudCredentials::Lent(Arc::new(LentCredentials { environment, metadata })))
        }
    }
}

/// The secrets that a config gets now.
async fn secrets_of(db: &PgPool, settings: &WorkerSettings, id: i64, document: &Document) -> Result<GrantedSecrets> {
    let author = configs::author(db, id).await.map_err(unread)?.ok_or_else(|| gone(id))?;
    let pipeline = &document.name();
    let secrets = secrets::of_config(db, keys(settings)?, document, Asker { pipeline, author }).await;
    secrets.map_err(|error| match error {
        ReadError::Database(source) => PipelineError::Control { doing: "read the secrets of the run's config", source },
        ReadError::Open(error) => error.into(),
    })
}

async fn resolve(
    settings: &Arc<WorkerSettings>,
    document: Arc<Document>,
    secrets: GrantedSecrets,
) -> Result<ReadyConfig> {
    let settings = Arc::clone(settings);
    let resolved = tokio::task::spawn_blocking(move || {
        let references = SecretReferences { variables: Some(settings.variables()), secrets: &secrets };
        let mut config = document.pipeline(&references)?.value;
        // By the name of the pipeline as the API knows it: without `name:` it is the table as it is written, quotes included.
        config.read_inbox_at(&inbox::path(&settings.inboxes(), &document.name()));
        Ok::<_, ConfigError>(ReadyConfig { config: Arc::new(config), held: secrets.into_held().into() })
    });
    Ok(resolved.await.map_err(|error| unexpected(&error))??)
}

fn keys(settings: &WorkerSettings) -> Result<&KeyRing> {
    settings.keys.as_deref().ok_or_else(|| PipelineError::Internal("there is no secret key".into()))
}

fn unread(source: sqlx::Error) -> PipelineError {
    PipelineError::Control { doing: "read the run's config", source }
}

fn gone(id: i64) -> PipelineError {
    PipelineError::Internal(format!("config {id} is gone"))
}

fn unexpected(error: &tokio::task::JoinError) -> PipelineError {
    PipelineError::Internal(format!("reading the config: {error}"))
}
