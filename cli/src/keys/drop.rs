//! `elt keys drop`: forgets an older key that seals nothing any more.

use anyhow::Context;
use clap::Args;
use elt_shared::secret::KeyRing;
use elt_shared::settings::SecretKeySettings;
use elt_shared::store::secret_keys;
use serde_json::json;
use sqlx::{PgConnection, PgPool};

use super::kept::KeptKeys;
use super::show::{ShownKey, collect};
use super::{are_given, check_current, find_missing, wrong_key};
use crate::audit::Deed;
use crate::databases::Databases;
use crate::exit::{Exit, refuse};
use crate::out;

#[derive(Debug, Args)]
pub struct Drop {
    /// The key's id, as `elt keys show` prints it
    pub(super) id: String,
    /// Drop it although rows of the audit are signed with it: you keep the key elsewhere, to verify them
    #[arg(long)]
    kept_elsewhere: bool,
}

impl Drop {
    pub(super) async fn execute(
        self,
        databases: &Databases,
        ring: &KeyRing,
        settings: &SecretKeySettings,
    ) -> anyhow::Result<Exit> {
        let id = self.id.as_str();
        let mut tx = databases.control.begin().await.context("could not reach the control database")?;
        // What is counted from here on stays true until the key is forgotten.
        secret_keys::lock(&mut tx).await.context("could not wait for what is being sealed and signed")?;
        let key = find(&mut tx, ring, id).await?;
        if key.state == "seals" {
            return Err(refuse(
                Exit::Failed,
                format!("the key {id} seals everything new, so it cannot be dropped"),
                "Run `elt keys rotate` first.",
            ));
        }
        require_unused(&key)?;
        if key.audit_rows > 0 && !self.kept_elsewhere {
            return Err(signs_the_audit(&key));
        }
        secret_keys::forget(&mut tx, id).await.context("could not forget the key")?;
        let detail = json!({ "audit_rows": key.audit_rows });
        Deed { action: "keys drop", object: format!("key {id}"), detail }.commit(tx, ring).await?;
        out::print(&format!("dropped the key {id}"));
        let is_removed = match KeptKeys::read(&databases.data_dir)? {
            Some(kept) if !are_given(settings) => kept.remove_secret_key(&databases.data_dir, id)?,
            _ => false,
        };
        if !is_removed {
            out::print("remove it from ELT_SECRET_KEY_OLD, or from the file in ELT_SECRET_KEY_FILE, in every process");
        }
        Ok(Exit::Done)
    }
}

/// Refuses to go on without keys that are needed beside the one to drop, which may be lost.
pub(super) async fn check_others(db: &PgPool, ring: &KeyRing, id: &str) -> anyhow::Result<()> {
    check_current(db, ring).await?;
    let Some(mut wrong) = find_missing(db, ring).await? else { return Ok(()) };
    wrong.missing.retain(|missing| missing != id);
    match wrong.missing.is_empty() {
        true => Ok(()),
        false => Err(wrong_key(&wrong)),
    }
}

async fn find(db: &mut PgConnection, ring: &KeyRing, id: &str) -> anyhow::Result<ShownKey> {
    let uses = secret_keys::uses(&mut *db).await.context("could not count what is sealed")?;
    let found = collect(db, ring, &uses).await?.into_iter().find(|key| key.id == id);
    found.ok_or_else(|| {
        refuse(Exit::Failed, format!("there is no secret key `{id}`"), "`elt keys show` lists the keys by their ids.")
    })
}

fn require_unused(key: &ShownKey) -> anyhow::Result<()> {
    let used = key.sealed.iter().filter(|(_, rows)| *rows > 0).map(|(what, rows)| format!("{rows} {what}"));
    let used: Vec<String> = used.collect();
    if used.is_empty() {
        return Ok(());
    }
    Err(refuse(
        Exit::Failed,
        format!("the key {} still seals {}, so it cannot be dropped", key.id, used.join(" and ")),
        "Restart the processes that still seal with it, and run `elt keys rotate`: it seals them with the current key.",
    ))
}

fn signs_the_audit(key: &ShownKey) -> anyhow::Error {
    let last = key.last_audit_row.map(|at| at.format("%Y-%m-%d").to_string()).unwrap_or_default();
    refuse(
        Exit::Failed,
        format!(
            "{} rows of the audit are signed with the key {}, the last one of {last}, and nobody could verify them without \
             the key",
            key.audit_rows, key.id
        ),
        "Leave the key where it is, because it only opens: retention removes these rows after ELT_AUDIT_RETENTION_DAYS. Or \
         store the key in a safe place and run it again with --kept-elsewhere: `elt audit verify` then needs the key in \
         ELT_SECRET_KEY_OLD.",
    )
}
