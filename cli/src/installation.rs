//! The installation that a command works on: its control database and its keys.

use std::sync::Arc;

use clap::Args;
use elt_shared::secret::KeyRing;
use elt_shared::settings::{DatabaseSettings, SecretKeySettings, TelemetrySettings};
use sqlx::PgPool;

use crate::databases::{Databases, on_control_database};
use crate::keys;

/// The settings of commands that work on the control database directly.
#[derive(Debug, Args)]
pub struct Installation {
    #[command(flatten)]
    pub secret_keys: SecretKeySettings,
    #[command(flatten)]
    pub database: DatabaseSettings,
    #[command(flatten)]
    telemetry: TelemetrySettings,
}

impl Installation {
    /// The secret keys, as given or as they are in the data folder.
    pub fn keys(&self) -> anyhow::Result<Arc<KeyRing>> {
        keys::find_ring(&self.database.data_dir(), &self.secret_keys)
    }

    /// Opens the control database, which must have the tables of this version, for a command that ends by itself. `process`
    /// is the command's name.
    pub async fn open<T>(
        &self,
        process: &'static str,
        work: impl AsyncFnOnce(&Databases) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        on_control_database(process, &self.database, &self.telemetry, async |databases| {
            databases.require_migrated().await?;
            work(databases).await
        })
        .await
    }

    /// Like [`open`](Self::open), for a command that changes something: `work` also gets the keys that sign its audit row.
    pub async fn change<T>(
        &self,
        process: &'static str,
        work: impl AsyncFnOnce(&PgPool, &KeyRing) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let keys = self.keys()?;
        self.open(process, async |databases| {
            databases.require_keys_in_use(&keys).await?;
            work(&databases.control, &keys).await
        })
        .await
    }
}
