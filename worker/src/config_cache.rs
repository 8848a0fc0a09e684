//! A cache of the configs of runs and schedules, checked and with their references resolved. Otherwise a schedule that ticks
//! every second would parse its YAML every second. A config version never changes, so a cached one stays valid.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use elt_shared::config::{ConfigError, Document, PipelineConfig};
use elt_shared::store::configs;
use sqlx::PgPool;

use crate::error::{PipelineError, Result};
use crate::settings::WorkerSettings;

/// Most configs that are kept. The cache is emptied when it is full.
const MOST_KEPT: usize = 256;

/// Configs by the id of their version. Clones share them.
#[derive(Clone, Default)]
pub struct ConfigCache(Arc<Mutex<HashMap<i64, Arc<PipelineConfig>>>>);

impl ConfigCache {
    /// The pipeline a config version describes.
    ///
    /// # Errors
    /// When it cannot run here: a reference that does not resolve on this worker, for example.
    pub async fn get(&self, db: &PgPool, settings: &Arc<WorkerSettings>, id: i64) -> Result<Arc<PipelineConfig>> {
        if let Some(known) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&id) {
            return Ok(Arc::clone(known));
        }
        let kept = configs::find(db, id)
            .await
            .map_err(|source| PipelineError::Control { doing: "read the run's config", source })?
            .ok_or_else(|| PipelineError::Internal(format!("config {id} is gone")))?;
        let keys = settings.keys.as_deref().ok_or_else(|| PipelineError::Internal("there is no secret key".into()))?;
        let text = kept.open(keys)?;
        let settings = Arc::clone(settings);
        let parsed = tokio::task::spawn_blocking(move || {
            let document = Document::parse(text.expose())?;
            Ok::<_, ConfigError>(document.pipeline(&settings.references())?.value)
        });
        let config =
            parsed.await.map_err(|error| PipelineError::Internal(format!("reading the config: {error}")))??;
        let config = Arc::new(config);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_KEPT {
            known.clear();
        }
        known.insert(id, Arc::clone(&config));
        Ok(config)
    }
}
