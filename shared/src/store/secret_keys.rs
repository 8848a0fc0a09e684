//! Secret keys, by their ids: which ones seal something in the control database, and whether this process has them.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection, PgExecutor};

use crate::secret::{KeyRing, OpenError, Sealed, context};

/// What the canary of every key holds.
const CANARY: &[u8] = b"elt";

/// Tables whose rows name the key that seals them, and what people call these rows.
const SEALED: [(&str, &str); 3] =
    [("config_history", "configs"), ("second_factors", "second factors"), ("secrets", "secrets")];

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

/// Keys that sealed something which this process cannot open.
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

/// Whether these keys open everything that is sealed here. Changes nothing.
pub async fn check(db: impl PgExecutor<'_>, keys: &KeyRing) -> sqlx::Result<Result<(), WrongKey>> {
    let opens = |known: &KnownKey| {
        let sealed = Sealed { key_id: known.key_id.clone(), bytes: known.canary.clone() };
        keys.open(&canary_context(), &sealed).is_ok_and(|canary| canary == CANARY)
    };
    let missing: Vec<String> =
        list(db).await?.into_iter().filter(|known| !opens(known)).map(|known| known.key_id).collect();
    Ok(match missing.is_empty() {
        true => Ok(()),
        false => Err(WrongKey { missing, present: keys.ids() }),
    })
}

/// How many rows each key seals.
pub async fn uses(db: &mut PgConnection) -> sqlx::Result<Vec<KeyUse>> {
    let mut uses = Vec::new();
    for (table, what) in SEALED {
        let counted: Vec<(Option<String>, i64)> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "select key_id, count(*) from {table} group by key_id order by key_id"
        )))
        .fetch_all(&mut *db)
        .await?;
        uses.extend(counted.into_iter().map(|(key_id, rows)| KeyUse { what, key_id, rows }));
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
