//! Answers given for an `Idempotency-Key`, kept a day, in the transaction that did the work.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use sqlx::{FromRow, PgConnection, PgExecutor};

/// An answer that was given before.
#[derive(Debug, Clone, FromRow)]
pub struct KnownAnswer {
    /// Hash of the request it was given for.
    pub request: Vec<u8>,
    /// HTTP status of the answer that was kept.
    pub status: i32,
    /// Body and the headers worth repeating.
    pub answer: Value,
}

/// What tells two requests apart that carry the same key. Keyed, for a request may hold secrets.
pub fn request_hash(key: &[u8], route: &str, body: &[u8]) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.chain_update(route).chain_update([0]).chain_update(body).finalize().into_bytes().to_vec()
}

/// Takes a key for the caller's transaction, or finds the answer it already has.
///
/// While another transaction holds the key this waits for it: then it finds that one's answer, or takes its place.
pub async fn claim(
    tx: &mut PgConnection,
    username: &str,
    key: &str,
    request: &[u8],
) -> sqlx::Result<Option<KnownAnswer>> {
    let claimed = sqlx::query(
        "insert into idempotency_keys as known (username, key, request, status, answer) values ($1, $2, $3, 0, 'null')
         on conflict (username, key) do update
             set request = excluded.request, status = excluded.status, answer = excluded.answer, created_at = now()
             where known.created_at < now() - interval '1 day'",
    )
    .bind(username)
    .bind(key)
    .bind(request)
    .execute(&mut *tx)
    .await?;
    if claimed.rows_affected() == 1 {
        return Ok(None);
    }
    sqlx::query_as("select request, status, answer from idempotency_keys where username = $1 and key = $2")
        .bind(username)
        .bind(key)
        .fetch_optional(tx)
        .await
}

/// Keeps the answer of a claimed key.
pub async fn keep(tx: &mut PgConnection, username: &str, key: &str, status: u16, answer: &Value) -> sqlx::Result<()> {
    sqlx::query("update idempotency_keys set status = $3, answer = $4 where username = $1 and key = $2")
        .bind(username)
        .bind(key)
        .bind(i32::from(status))
        .bind(answer)
        .execute(tx)
        .await?;
    Ok(())
}

/// Removes keys that are older than a day, at most `limit` of them. Returns how many: call again while it is `limit`.
pub async fn remove_old(db: impl PgExecutor<'_>, limit: i64) -> sqlx::Result<u64> {
    let removed = sqlx::query(
        "delete from idempotency_keys where ctid = any(array(
             select ctid from idempotency_keys where created_at < now() - interval '1 day'
             order by created_at limit $1 for update skip locked))",
    )
    .bind(limit)
    .execute(db)
    .await?;
    Ok(removed.rows_affected())
}
