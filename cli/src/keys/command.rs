//! `elt keys`: the secret keys of an installation.

use anyhow::Context;
use clap::{Args, Subcommand};
use elt_shared::secret::KeyRing;
use elt_shared::store::secret_keys;
use serde_json::json;
use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres};

use super::drop::{self, Drop};
use super::{rotate, show};
use crate::audit::Deed;
use crate::exit::{Exit, refuse};
use crate::installation::Installation;

/// Shows, rotates and drops the keys that seal secrets
///
/// Works on the control database directly and needs no login: name the database with DATABASE_URL, or the --data-dir of
/// an `elt up`. Needs the installation's keys: ELT_SECRET_KEY or ELT_SECRET_KEY_FILE with ELT_SECRET_KEY_OLD, or the data
/// folder's. Servers and workers may go on meanwhile. Every change leaves a row in the audit.
#[derive(Debug, Args)]
pub struct Command {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    installation: Installation,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the keys by their ids, and what each of them seals
    Show {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Seal everything with a new key: one that is made now in the data folder, or the one in ELT_SECRET_KEY
    ///
    /// With keys in the data folder, makes a new key, which seals from now on, and keeps the one before, which still
    /// opens. With keys given by settings, first set ELT_SECRET_KEY to the new key and ELT_SECRET_KEY_OLD to the one
    /// before, in every process. A rotation that was interrupted goes on when it is repeated.
    Rotate,
    /// Forget an older key that seals nothing any more
    Drop(Drop),
}

impl Command {
    pub async fn execute(self) -> anyhow::Result<Exit> {
        let ring = self.installation.keys()?;
        self.installation
            .open("keys", async |databases| {
                let (db, settings) = (&databases.control, &self.installation.secret_keys);
                match self.action {
                    Action::Show { json } => show::show(db, &ring, json).await,
                    Action::Rotate => {
                        databases.require_ownership().await?;
                        databases.check_keys(&ring).await?;
                        let _turn = take_turn(db).await?;
                        let done = rotate::rotate(databases, &ring, settings).await;
                        noted(done, db, &ring, ("keys rotate", ring.current_id())).await
                    }
                    Action::Drop(drop) => {
                        databases.require_ownership().await?;
                        drop::check_others(db, &ring, &drop.id).await?;
                        let _turn = take_turn(db).await?;
                        let id = drop.id.clone();
                        let done = drop.execute(databases, &ring, settings).await;
                        noted(done, db, &ring, ("keys drop", id)).await
                    }
                }
            })
            .await
    }
}

/// Keeps other processes from changing keys while the connection is held.
async fn take_turn(db: &PgPool) -> anyhow::Result<PoolConnection<Postgres>> {
    let mut connection = db.acquire().await.context("could not reach the control database")?;
    match secret_keys::take_turn(&mut *connection).await.context("could not reach the control database")? {
        true => Ok(connection),
        false => Err(refuse(
            Exit::Failed,
            "another `elt keys` is changing the keys of this installation",
            "Wait until it has ended, and run it again.",
        )),
    }
}

/// Adds a row to the audit for an action on a key that failed.
async fn noted(
    done: anyhow::Result<Exit>,
    db: &PgPool,
    ring: &KeyRing,
    (action, id): (&str, String),
) -> anyhow::Result<Exit> {
    if done.is_err() {
        let failed = Deed { action, object: format!("key {id}"), detail: json!({}) };
        failed.note_failure(db, ring).await;
    }
    done
}
