//! `elt keys rotate`: seals everything with a new key.

use anyhow::Context;
use elt_shared::secret::KeyRing;
use elt_shared::settings::SecretKeySettings;
use elt_shared::store::sealed_tables::SealedAgain;
use elt_shared::store::{reseal, secret_keys};
use serde_json::{Value, json};

use super::kept::{FILE, KeptKeys};
use super::{are_given, missing};
use crate::audit::Deed;
use crate::databases::Databases;
use crate::exit::{Exit, refuse};
use crate::out;
use crate::table::count;

/// Seals everything with the current key when an earlier rotation left something, otherwise with a new one.
pub(super) async fn rotate(
    databases: &Databases,
    ring: &KeyRing,
    settings: &SecretKeySettings,
) -> anyhow::Result<Exit> {
    let current = ring.current_id();
    // An earlier release, still running during an upgrade, stores configs in clear.
    reseal::seal_clear_rows(&databases.control, ring).await.context("could not seal the stored configs")?;
    let left = sealed_by_others(databases, &current).await?;
    if left > 0 {
        out::problem(&format!("sealing {} values with the key {current}", count(left.unsigned_abs())));
        let done = seal_all(databases, ring).await?;
        // Values that do not open must not keep a new key away, so only other ones make this the rotation before.
        if done.rows > 0 || are_given(settings) {
            return finish(databases, ring, done).await;
        }
    }
    if are_given(settings) {
        out::print(&format!(
            "everything is sealed with the key {current}, the first one in your settings\n\
             for a new key, set ELT_SECRET_KEY to the output of `openssl rand -hex 32`, and ELT_SECRET_KEY_OLD to the key \
             before, in every process; then run it again"
        ));
        return Ok(Exit::Done);
    }
    add_key(databases, ring)?;
    let done = seal_all(databases, ring).await?;
    finish(databases, ring, done).await
}

/// Makes a new key in the data folder. The ring notices it, as those of all other processes do.
fn add_key(databases: &Databases, ring: &KeyRing) -> anyhow::Result<()> {
    let (before, data_dir) = (ring.current_id(), &databases.data_dir);
    KeptKeys::read(data_dir)?.ok_or_else(|| missing("ELT_SECRET_KEY", data_dir))?.add_secret_key(data_dir)?;
    let current = ring.current_id();
    if current == before {
        // The reason was logged when the file was read.
        return Err(refuse(
            Exit::Failed,
            format!("the new key in {} cannot be used", data_dir.join(FILE).display()),
            "Restore the file from a backup, and run it again.",
        ));
    }
    out::problem(&format!("the new key is {current}: sealing everything with it"));
    Ok(())
}

/// Seals everything with the current key. The audit has a row of it first, which that key signs.
async fn seal_all(databases: &Databases, ring: &KeyRing) -> anyhow::Result<SealedAgain> {
    let mut tx = databases.control.begin().await.context("could not reach the control database")?;
    secret_keys::register(&mut *tx, ring).await.context("could not make the key known")?;
    deed(ring, json!({ "step": "begun", "older_keys": older_ids(ring) })).commit(tx, ring).await?;
    let done = reseal::seal_again(&databases.control, ring).await;
    done.context("the rotation was interrupted: run `elt keys rotate` again, and it goes on")
}

/// How many values are sealed with other keys than `current`.
async fn sealed_by_others(databases: &Databases, current: &str) -> anyhow::Result<i64> {
    let mut connection = databases.control.acquire().await.context("could not reach the control database")?;
    let uses = secret_keys::uses(&mut connection).await.context("could not count what is sealed")?;
    let others = uses.iter().filter(|usage| usage.key_id.as_ref().is_some_and(|id| id != current));
    Ok(others.map(|usage| usage.rows).sum())
}

/// Notes what came of it, rewrites the tables' files, and says what is left to do.
async fn finish(databases: &Databases, ring: &KeyRing, done: SealedAgain) -> anyhow::Result<Exit> {
    let current = ring.current_id();
    let left = sealed_by_others(databases, &current).await?;
    let detail = json!({ "step": "ended", "sealed": done.rows, "unopened": done.unopened, "left": left });
    let tx = databases.control.begin().await.context("could not reach the control database")?;
    deed(ring, detail).commit(tx, ring).await?;
    let unwritten = reseal::rewrite_tables(&databases.control).await.context("could not rewrite the tables")?;
    if unwritten > 0 {
        out::problem(
            "the files of the control database still hold values as they were sealed before: run `elt migrate` when it \
             is less busy",
        );
    }
    out::print(&format!("sealed {} values with the key {current}", count(done.rows)));
    if let Some(problem) = done.first_problem {
        return Err(refuse(
            Exit::Failed,
            format!("{} values stay as they are; the first: {problem}", count(done.unopened)),
            "Restore them from a backup, or write them again. Everything else is sealed with the new key.",
        ));
    }
    if left > 0 {
        return Err(refuse(
            Exit::Failed,
            format!("{} values were sealed with another key meanwhile", count(left.unsigned_abs())),
            "Set the new key as the first one in every process, restart those that seal with another one, and run it again.",
        ));
    }
    for older in older_ids(ring) {
        out::print(&format!("the key {older} still opens; `elt keys drop {older}` forgets it"));
    }
    out::print("back the new key up, apart from the database: without it nothing that is sealed opens");
    Ok(Exit::Done)
}

/// Ids of the keys that only open.
fn older_ids(ring: &KeyRing) -> Vec<String> {
    ring.ids().into_iter().skip(1).collect()
}

fn deed(ring: &KeyRing, detail: Value) -> Deed<'static> {
    Deed { action: "keys rotate", object: format!("key {}", ring.current_id()), detail }
}
