//! Secret keys, by their ids: which ones seal something in the control database, and whether this process has them.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection, PgExecutor};

use super::audit;
use super::sealed::TABLES;
use crate::secret::{KeyRing, OpenError, Sealed, context};

/// What the canary of every key holds.
const CANARY: &[u8] = b"elt";

/// Rows that one key seals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUse {
    /// `configs`, `second factors`
    pub what: &'static str,
    /// `None`: stored in clear, by an earlier release.
    pub key_id: Option<String>,
    /// How many.
    pub rows: i64,
}

/// A key that is known here.
#[derive(Debug, Clone, FromRow)]
pub struct KnownKey {
    /// Its id.
    pub key_id: String,
    /// A known value, sealed with it.
    canary: Vec<u8>,
    /// When it first sealed something.
    pub added_at: DateTime<Utc>,
}

/// Keys that sealed or signed something here, and that a process does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "wrong_secret_key: the control database has values sealed with the secret key {}, and this process has only {}",
    missing.join(" and "), present.join(" and ")
)]
pub struct WrongKey {
    /// Their ids.
    pub missing: Vec<String>,
    /// The ids of the keys of this process.
    pub present: Vec<String>,
}

impl WrongKey {
    /// What the reader should do.
    pub const NEXT_STEP: &str = "Start with the key it was sealed with: as ELT_SECRET_KEY, as one of ELT_SECRET_KEY_OLD, \
                                 or in the keys.json of the data folder. `elt keys show` says what each key seals. \
                                 Nothing was changed.";
}

impl KnownKey {
    /// Whether the ring has this key.
    pub fn opens_with(&self, keys: &KeyRing) -> bool {
        let sealed = Sealed { key_id: self.key_id.clone(), bytes: self.canary.clone() };
        keys.open(&canary_context(), &sealed).is_ok_and(|canary| canary == CANARY)
    }
}

fn canary_context() -> Vec<u8> {
    context("secret_keys", "", "canary")
}

/// Makes the current key known, before something is sealed with it.
pub async fn register(db: impl PgExecutor<'_>, keys: &KeyRing) -> sqlx::Result<()> {
    let canary = keys.seal(&canary_context(), CANARY);
    sqlx::query("insert into secret_keys (key_id, canary) values ($1, $2) on conflict do nothing")
        .bind(canary.key_id)
        .bind(canary.bytes)
        .execute(db)
        .await?;
    Ok(())
}

/// The keys known here, the newest first.
pub async fn list(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<KnownKey>> {
    sqlx::query_as("select key_id, canary, added_at from secret_keys order by added_at desc, key_id")
        .fetch_all(db)
        .await
}

/// Whether these keys open everything that is sealed here, and can add to the audit. Changes nothing, and is also right
/// before the first migration.
pub async fn check(db: &mut PgConnection, keys: &KeyRing) -> sqlx::Result<Result<(), WrongKey>> {
    let mut missing: Vec<String> =
        known(db).await?.into_iter().filter(|known| !known.opens_with(keys)).map(|known| known.key_id).collect();
    let present = keys.ids();
    if let Some(signer) = audit::signer(&mut *db).await?
        && !present.contains(&signer)
        && !missing.contains(&signer)
    {
        missing.push(signer);
    }
    Ok(match missing.is_empty() {
        true => Ok(()),
        false => Err(WrongKey { missing, present }),
    })
}

/// Whether the current key already seals or signs something here, or nothing is sealed or signed yet.
///
/// Older keys of the ring may open everything although the current one is a mistake: what is sealed with that one then,
/// no other process opens.
pub async fn knows_current(db: &mut PgConnection, keys: &KeyRing) -> sqlx::Result<bool> {
    let mut ids: Vec<String> = known(db).await?.into_iter().map(|known| known.key_id).collect();
    ids.extend(audit::signer(&mut *db).await?);
    Ok(ids.is_empty() || ids.contains(&keys.current_id()))
}

/// The keys known here, the newest first. Also right before the first migration.
async fn known(db: &mut PgConnection) -> sqlx::Result<Vec<KnownKey>> {
    let exists: bool =
        sqlx::query_scalar("select to_regclass('elt.secret_keys') is not null").fetch_one(&mut *db).await?;
    if exists { list(db).await } else { Ok(Vec::new()) }
}

/// How many rows each key seals, a table after the other.
pub async fn uses(db: &mut PgConnection) -> sqlx::Result<Vec<KeyUse>> {
    let mut uses = Vec::new();
    for table in &TABLES {
        uses.extend(table.uses(&mut *db).await?);
    }
    Ok(uses)
}

/// Forgets a key that seals nothing any more. False: it is not known.
///
/// # Errors
/// A foreign key violation while something is sealed with it.
pub async fn forget(db: impl PgExecutor<'_>, key_id: &str) -> sqlx::Result<bool> {
    let forgotten = sqlx::query("delete from secret_keys where key_id = $1").bind(key_id).execute(db).await?;
    Ok(forgotten.rows_affected() == 1)
}

/// Keeps other processes from changing keys until this connection is closed. Returns false when another one is at it.
pub async fn take_turn(db: impl PgExecutor<'_>) -> sqlx::Result<bool> {
    sqlx::query_scalar("select pg_try_advisory_lock(hashtextextended('elt.keys', 0))").fetch_one(db).await
}

/// Why stored values could not be sealed again.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The control database failed.
    #[error("could not seal what is in the control database")]
    Database(#[from] sqlx::Error),
    /// A value does not open, and stays as it is.
    #[error("could not open {what}: {source}")]
    Open {
        /// Which one: `config version 12`.
        what: String,
        /// Why.
        source: OpenError,
    },
}
