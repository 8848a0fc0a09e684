//! Whether this program works with the schema of the control database, and bringing it up to date.

use anyhow::Context;
use elt_shared::secret::KeyRing;
use elt_shared::store::{self, MigrateError, Migrated, Schema, SchemaState, reseal};
use sqlx::PgPool;

use super::Databases;
use super::rights::{require_ownership, require_writable};
use crate::exit::{Exit, refuse, refuse_for_now};
use crate::keys;

/// Reason for probes while migrations are missing.
const NOT_MIGRATED: &str = "the control database is not migrated yet";

impl Databases {
    /// Brings the tables up to date, as their owner, and seals what an earlier release stored in clear. Without keys it does
    /// the first only, as long as nothing is in clear. Changes nothing in a database that a newer program migrated.
    ///
    /// # Errors
    /// When the login of migrations does not own the tables, nothing can be written, this program cannot work with the schema, a migration fails,
    /// or a key is missing. The keys are checked first, so that nothing changes when they do not open what is sealed.
    pub async fn migrate(&self, keys: Option<&KeyRing>) -> anyhow::Result<Migrated> {
        self.as_owner(async |owner| {
            require_ownership(owner).await?;
            require_writable(owner).await?;
            let state = look(owner).await?.state();
            match keys {
                Some(keys) => keys::check(owner, keys).await?,
                // Otherwise the newer program did this when it migrated.
                None if state != SchemaState::Newer => self.require_nothing_in_clear(owner).await?,
                None => {}
            }
            let migrated = migrate_tables(owner).await?;
            if migrated == Migrated::Newer {
                return Ok(migrated);
            }
            if let Some(keys) = keys {
                reseal::seal_clear_rows(owner, keys).await.context("could not seal the stored configs")?;
            }
            reseal::rewrite_tables(owner).await.context("could not find out which tables to rewrite")?;
            Ok(migrated)
        })
        .await
    }

    /// Refuses keys with which [`Self::migrate`] would not go on. Changes nothing.
    pub async fn check_keys_as_owner(&self, keys: &KeyRing) -> anyhow::Result<()> {
        self.as_owner(async |owner| {
            require_ownership(owner).await?;
            keys::check(owner, keys).await
        })
        .await
    }

    /// Refuses to go on without a key when an earlier release stored something in clear, which has to be sealed.
    async fn require_nothing_in_clear(&self, owner: &PgPool) -> anyhow::Result<()> {
        match reseal::is_any_in_clear(owner).await.context("could not look for configs in clear")? {
            true => Err(keys::missing("ELT_SECRET_KEY", &self.data_dir)),
            false => Ok(()),
        }
    }

    /// Brings the tables up to date, as their owner, for a command that works with nothing sealed.
    pub async fn migrate_tables(&self) -> anyhow::Result<Migrated> {
        self.as_owner(async |owner| {
            require_ownership(owner).await?;
            require_writable(owner).await?;
            migrate_tables(owner).await
        })
        .await
    }

    /// Refuses to go on with tables that are older than this program or too new for it, or that this login may not use.
    pub async fn require_migrated(&self) -> anyhow::Result<()> {
        let schema = self.schema().await?;
        match schema.state() {
            SchemaState::UpToDate => Ok(()),
            SchemaState::Newer => {
                tracing::info!(
                    "a newer elt migrated the control database ({} migrations that this one does not know), and this \
                     one works with it",
                    schema.unknown.len()
                );
                Ok(())
            }
            SchemaState::Behind => Err(refuse_for_now(
                Exit::Settings,
                NOT_MIGRATED,
                format!("the control database lacks {} migrations of this version of elt", schema.missing.len()),
                "Run `elt migrate` with the same DATABASE_URL or --data-dir first (`elt serve` and `elt worker` also take \
                 --migrate).",
            )),
            SchemaState::TooNew | SchemaState::Foreign => Err(refuse_unusable(&schema)),
        }
    }

    /// How the schema stands to this program. Changes nothing.
    ///
    /// # Errors
    /// When the database cannot be asked, or this login may not use it.
    pub async fn schema(&self) -> anyhow::Result<Schema> {
        self.require_rights().await?;
        match look(&self.control).await {
            // A migration may have made the schema between the two looks, and gives the rights at its end.
            Err(error) if lacks_rights(&error) => {
                self.require_rights().await?;
                look(&self.control).await
            }
            looked => looked,
        }
    }
}

/// Whether the database refused a statement because the login lacks a right.
fn lacks_rights(error: &anyhow::Error) -> bool {
    let refused = error.downcast_ref::<sqlx::Error>().and_then(|error| error.as_database_error());
    refused.and_then(|database| database.code()).is_some_and(|code| code == "42501")
}

async fn look(db: &PgPool) -> anyhow::Result<Schema> {
    let looked = async { Schema::of(&mut *db.acquire().await?).await };
    looked.await.context("could not look at the control database")
}

async fn migrate_tables(owner: &PgPool) -> anyhow::Result<Migrated> {
    match store::migrate(owner).await {
        Err(MigrateError::Unusable(schema)) => Err(refuse_unusable(&schema)),
        Err(error) => Err(anyhow::Error::new(error).context("could not bring the control database up to date")),
        Ok(Migrated::Newer) => {
            tracing::info!("a newer elt migrated the control database: there is nothing to do for this one");
            Ok(Migrated::Newer)
        }
        Ok(migrated) => Ok(migrated),
    }
}

/// The refusal of a schema that this program cannot work with.
pub fn refuse_unusable(schema: &Schema) -> anyhow::Error {
    let this = concat!("elt ", env!("CARGO_PKG_VERSION"));
    match (&schema.oldest, schema.state()) {
        (Some(oldest), SchemaState::TooNew) => refuse(
            Exit::SchemaTooNew,
            format!("the control database needs elt {} or newer, and this is {this}", oldest.release),
            "Install that release or a newer one here. To go back to this one, restore a backup made before the upgrade.",
        ),
        _ => refuse(
            Exit::SchemaTooNew,
            format!(
                "another build of elt made the control database: it has {} migrations that {this} does not know, and lacks \
                 {} that {this} has",
                schema.unknown.len(),
                schema.missing.len()
            ),
            "Use the build that made it, or an empty database or data folder for this one. Nothing was changed.",
        ),
    }
}
