//! OAuth grants: the newest refresh token and access token of each, sealed, and whose turn it is to renew them.
//!
//! A refresh token may work once only. One worker at a time therefore takes a lease, sends it to the token endpoint, and
//! keeps the answer here before it uses it; the others wait for that answer.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgExecutor, PgPool};
use uuid::Uuid;

use super::{sealed_tables, secret_keys};
use crate::secret::{KeyRing, OpenError, Sealed, Secret};

/// Days after which a grant that was not renewed is forgotten.
const DAYS_KEPT: i32 = 400;
/// Most grants that are forgotten at once.
const FORGOTTEN_AT_ONCE: i64 = 100;

/// The tokens of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantTokens {
    /// The next one to send.
    pub refresh: Secret,
    /// The newest access token. `None`: there was no answer yet.
    pub access: Option<Secret>,
    /// SHA-256 of the client's secret, scopes and parameters with which the access token was got, in hexadecimal.
    pub client: String,
}

/// A grant as it is kept.
#[derive(Debug)]
pub struct KeptGrant {
    /// Newest tokens of the grant.
    pub tokens: GrantTokens,
    /// Counts the answers of the token endpoint.
    pub version: i64,
    /// How long the access token is still valid, by the database's clock. `None`: it has expired, or was not got yet.
    pub valid_for: Option<Duration>,
}

/// What cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// The control database failed.
    #[error("the control database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The tokens do not open.
    #[error("they are sealed, and {0}")]
    Open(#[from] OpenError),
}

/// The tokens as they are sealed.
#[derive(Serialize, Deserialize)]
struct Plain {
    refresh: String,
    access: Option<String>,
    client: String,
}

#[derive(FromRow)]
struct Row {
    sealed: Vec<u8>,
    key_id: String,
    version: i64,
    valid_for: Option<f64>,
}

impl GrantTokens {
    fn plain(&self) -> Vec<u8> {
        let access = self.access.as_ref().map(|token| token.expose().to_owned());
        let plain = Plain { refresh: self.refresh.expose().to_owned(), access, client: self.client.clone() };
        serde_json::to_vec(&plain).unwrap_or_default()
    }

    fn opened(bytes: &[u8]) -> Option<Self> {
        let Plain { refresh, access, client } = serde_json::from_slice(bytes).ok()?;
        Some(Self { refresh: refresh.into(), access: access.map(Secret::new), client })
    }
}

/// The grant of this hash. A missing one is made with the tokens in `first`.
///
/// # Errors
/// When the database fails, or the tokens do not open.
pub async fn find_or_add(
    db: &PgPool,
    keys: &KeyRing,
    hash: &str,
    first: &GrantTokens,
) -> Result<KeptGrant, GrantError> {
    if let Some(found) = find(db, keys, hash).await? {
        return Ok(found);
    }
    let mut tx = db.begin().await?;
    let key = secret_keys::register(&mut *tx, keys).await?;
    let sealed = key.seal(&sealed_tables::OAUTH_GRANTS.context(hash), &first.plain());
    sqlx::query("insert into oauth_grants (grant_hash, sealed, key_id) values ($1, $2, $3) on conflict do nothing")
        .bind(hash)
        .bind(sealed.bytes)
        .bind(sealed.key_id)
        .execute(&mut *tx)
        .await?;
    remove_old(&mut *tx).await?;
    tx.commit().await?;
    // Another worker may have added it first.
    find(db, keys, hash).await?.ok_or_else(|| sqlx::Error::RowNotFound.into())
}

async fn find(db: &PgPool, keys: &KeyRing, hash: &str) -> Result<Option<KeptGrant>, GrantError> {
    let row: Option<Row> = sqlx::query_as(
        "select sealed, key_id, version, extract(epoch from expires_at - clock_timestamp())::float8 as valid_for
         from oauth_grants where grant_hash = $1",
    )
    .bind(hash)
    .fetch_optional(db)
    .await?;
    let Some(Row { sealed, key_id, version, valid_for }) = row else { return Ok(None) };
    let sealed = Sealed { key_id, bytes: sealed };
    let opened = GrantTokens::opened(&keys.open(&sealed_tables::OAUTH_GRANTS.context(hash), &sealed)?);
    let tokens = opened.ok_or(OpenError::Damaged { key_id: sealed.key_id })?;
    let valid_for = valid_for.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    Ok(Some(KeptGrant { tokens, version, valid_for }))
}

/// Takes the turn to renew a grant as it was read, for as long as `lease`. Returns false when another worker has the turn,
/// or has kept an answer since. The caller's key is known to be usable afterwards, so that the answer can be kept.
///
/// # Errors
/// When the database fails, or the current key was dropped.
pub async fn claim(
    db: &PgPool,
    keys: &KeyRing,
    (hash, version): (&str, i64),
    (by, lease): (Uuid, Duration),
) -> sqlx::Result<bool> {
    let mut tx = db.begin().await?;
    secret_keys::register(&mut *tx, keys).await?;
    let claimed = sqlx::query(
        "update oauth_grants set renewed_by = $3, renewed_until = clock_timestamp() + make_interval(secs => $4)
         where grant_hash = $1 and version = $2 and (renewed_until is null or renewed_until < clock_timestamp())",
    )
    .bind(hash)
    .bind(version)
    .bind(by)
    .bind(lease.as_secs_f64())
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(claimed.rows_affected() == 1)
}

/// Keeps an answer of the token endpoint, and ends the turn. Returns the new version. `None`: another worker has kept an
/// answer since the grant was read.
///
/// # Errors
/// When the database fails.
pub async fn keep(
    db: &PgPool,
    keys: &KeyRing,
    (hash, version): (&str, i64),
    tokens: &GrantTokens,
    valid_for: Duration,
) -> sqlx::Result<Option<i64>> {
    let mut tx = db.begin().await?;
    let key = secret_keys::register(&mut *tx, keys).await?;
    let sealed = key.seal(&sealed_tables::OAUTH_GRANTS.context(hash), &tokens.plain());
    // Whose turn it is does not matter here: the answer to the newest refresh token must not be lost, also when it came late.
    let kept = sqlx::query_scalar(
        "update oauth_grants
         set sealed = $3, key_id = $4, version = version + 1, expires_at = clock_timestamp() + make_interval(secs => $5), kept_at = now(),
             renewed_by = null, renewed_until = null
         where grant_hash = $1 and version = $2 returning version",
    )
    .bind(hash)
    .bind(version)
    .bind(sealed.bytes)
    .bind(sealed.key_id)
    .bind(valid_for.as_secs_f64())
    .fetch_optional(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(kept)
}

/// Gives up the turn without an answer.
///
/// # Errors
/// When the database fails. The turn then ends with its lease.
pub async fn release(db: impl PgExecutor<'_>, hash: &str, by: Uuid) -> sqlx::Result<()> {
    sqlx::query(
        "update oauth_grants set renewed_by = null, renewed_until = null where grant_hash = $1 and renewed_by = $2",
    )
    .bind(hash)
    .bind(by)
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets grants that no run has renewed for a long time. Refresh tokens do not live that long.
async fn remove_old(db: impl PgExecutor<'_>) -> sqlx::Result<()> {
    sqlx::query(
        "delete from oauth_grants where grant_hash in
             (select grant_hash from oauth_grants where kept_at < now() - make_interval(days => $1)
              order by kept_at limit $2 for update skip locked)",
    )
    .bind(DAYS_KEPT)
    .bind(FORGOTTEN_AT_ONCE)
    .execute(db)
    .await?;
    Ok(())
}
