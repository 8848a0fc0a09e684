//! Secret keys, by their ids: which ones seal something in the control database, and whether this process has them.

use chrono::{DateTime, Utc};
use sqlx::{Connection, FromRow, PgConnection, PgExecutor};

use super::audit;
use super::sealed_tables::TABLES;
use crate::explained::Code;
use crate::secret::{CurrentKey, KeyRing, Sealed, context};

/// What the canary of every key holds.
const CANARY: &[u8] = b"elt";

/// PostgreSQL's error code of a row that would be sealed or signed with a dropped key; a trigger raises it.
const DROPPED: &str = "KD001";

/// Rows that one key seals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUse {
    /// `configs`, `second factors`
    pub what: &'static str,
    /// `None`: stored in clear, by an earlier release.
    pub key_id: Option<String>,
    /// Number of rows that the key seals.
    pub rows: i64,
}

/// A key that is known here.
#[derive(Debug, Clone, FromRow)]
pub struct KnownKey {
    /// Id of the key.
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
    /// Ids of the keys that the process lacks.
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

/// The current key of a process was dropped with `elt keys drop`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the secret key {key_id} was dropped, so nothing is sealed or signed with it any more")]
pub struct DroppedKey {
    /// Id of the key.
    pub key_id: String,
}

impl DroppedKey {
    /// Stable code people can search for.
    pub const CODE: Code = Code::SecretKeyDropped;
    /// What the reader should do.
    pub const NEXT_STEP: &str = "Start the process again with the installation's current key as ELT_SECRET_KEY, or as the \
                                 first one in the file of ELT_SECRET_KEY_FILE. `elt keys show` lists the keys. Nothing was \
                                 changed.";

    /// The refusal in an error of the control database. `None`: it is another error.
    pub fn of(error: &sqlx::Error) -> Option<String> {
        let database = error.as_database_error().filter(|database| database.code().as_deref() == Some(DROPPED))?;
        Some(database.message().to_owned())
    }
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

/// Makes the current key known, and returns it. What the caller's transaction keeps is sealed with the key returned here,
/// because the ring's current key may have changed since. The key cannot be dropped until the transaction ends.
///
/// # Errors
/// When the key was dropped ([`DroppedKey::of`] recognises it), or when the database fails.
pub async fn register(db: impl PgExecutor<'_>, keys: &KeyRing) -> sqlx::Result<CurrentKey> {
    let key = keys.current();
    let canary = key.seal(&canary_context(), CANARY);
    sqlx::query("insert into secret_keys (key_id, canary) values ($1, $2) on conflict do nothing")
        .bind(canary.key_id)
        .bind(canary.bytes)
        .execute(db)
        .await?;
    Ok(key)
}

/// Makes the current key known if no key is known yet. Of several processes that start on a new control database with
/// different keys, one is the first, and [`check`] refuses the others.
///
/// # Errors
/// When the key was dropped, or when the database fails.
pub async fn claim(db: &mut PgConnection, keys: &KeyRing) -> sqlx::Result<()> {
    let mut tx = db.begin().await?;
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('elt.first_key', 0))").execute(&mut *tx).await?;
    if known(&mut tx).await?.is_empty() && audit::signer(&mut tx).await?.is_none() {
        register(&mut *tx, keys).await?;
    }
    tx.commit().await
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

/// Refuses a current key that was dropped. Changes nothing, and is also right before the first migration.
pub async fn check_current(db: &mut PgConnection, keys: &KeyRing) -> sqlx::Result<Result<(), DroppedKey>> {
    let exists: bool =
        sqlx::query_scalar("select to_regclass('elt.dropped_keys') is not null").fetch_one(&mut *db).await?;
    let key_id = keys.current_id();
    let is_dropped = match exists {
        true => {
            let found = sqlx::query_scalar("select exists (select from elt.dropped_keys where key_id = $1)");
            found.bind(&key_id).fetch_one(db).await?
        }
        false => false,
    };
    Ok(if is_dropped { Err(DroppedKey { key_id }) } else { Ok(()) })
}

/// Waits until every transaction has ended that registered a key or adds to the audit, and keeps others from it until the
/// caller's transaction ends.
///
/// What [`uses`] and [`audit::signed_rows`] count afterwards stays true until then.
pub async fn lock(tx: &mut PgConnection) -> sqlx::Result<()> {
    // In the order of every transaction that seals something: the keys first, the audit last.
    sqlx::query("lock table secret_keys in share row exclusive mode").execute(&mut *tx).await?;
    audit::lock(tx).await
}

/// Forgets a key that seals nothing any more, for good: nothing can be sealed or signed with it again. The caller holds the
/// [`lock`].
///
/// # Errors
/// A foreign key violation while something is sealed with it.
pub async fn forget(tx: &mut PgConnection, key_id: &str) -> sqlx::Result<()> {
    sqlx::query("delete from secret_keys where key_id = $1").bind(key_id).execute(&mut *tx).await?;
    let dropped = sqlx::query("insert into dropped_keys (key_id) values ($1) on conflict do nothing");
    dropped.bind(key_id).execute(tx).await?;
    Ok(())
}

/// Keeps other processes from changing keys until this connection is closed. Returns false when another one is at it.
pub async fn take_turn(db: impl PgExecutor<'_>) -> sqlx::Result<bool> {
    sqlx::query_scalar("select pg_try_advisory_lock(hashtextextended('elt.keys', 0))").fetch_one(db).await
}
