//! Whether the keys of this process are those of the installation, at its start and later.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use elt_shared::secret::KeyRing;

use super::Databases;
use crate::{exit, keys};

/// How often a running process looks.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How often a line says the same again.
const SAY_EVERY: Duration = Duration::from_secs(60);

impl Databases {
    /// Refuses keys that do not open what is sealed here. Changes nothing.
    pub async fn check_keys(&self, keys: &KeyRing) -> anyhow::Result<()> {
        keys::check(&self.control, keys).await
    }

    /// Refuses keys that do not open what is sealed here. When no process has used a key yet, the current one is the
    /// installation's from now on.
    pub async fn claim_keys(&self, keys: &KeyRing) -> anyhow::Result<()> {
        keys::claim(&self.control, keys).await
    }

    /// Refuses keys with which a command may not change anything: those that do not open what is sealed here, and a
    /// current key that nothing here is sealed or signed with. Changes nothing.
    pub async fn require_keys_in_use(&self, keys: &KeyRing) -> anyhow::Result<()> {
        self.check_keys(keys).await?;
        keys::require_known_current(&self.control, keys).await
    }

    /// Logs an error while other processes seal with a key that this one does not have. Never returns.
    ///
    /// The process goes on, because it still opens what was sealed before.
    pub async fn watch_keys(&self, keys: &KeyRing) -> Infallible {
        let mut said: Option<Instant> = None;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let Err(error) = self.check_keys(keys).await else { continue };
            // A database that is away says nothing about keys.
            let is_about_keys = exit::awaited(&error).is_none();
            if is_about_keys && said.is_none_or(|at| at.elapsed() >= SAY_EVERY) {
                tracing::error!(
                    "{error}. Another process was started with another ELT_SECRET_KEY: what it seals, this one cannot open. \
                     Start all of them with the same keys"
                );
                said = Some(Instant::now());
            }
        }
    }
}
