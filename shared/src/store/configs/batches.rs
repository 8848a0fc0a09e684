//! Sealing config versions that earlier releases stored in clear, and the hashes that recognise a text.

use sqlx::{FromRow, PgConnection, PgExecutor, PgPool};

use super::{content_key_of, content_keys, lock};
use crate::config::Document;
use crate::secret::{CurrentKey, KeyRing, PLACEHOLDER, Sealed, Secret};
use crate::store::{reseal, sealed_tables, secret_keys};

/// How many versions are stored in clear.
pub async fn count_in_clear(db: impl PgExecutor<'_>) -> sqlx::Result<i64> {
    sqlx::query_scalar("select count(*) from config_history where yaml_content is not null").fetch_one(db).await
}

#[derive(FromRow)]
struct ClearRow {
    version: i32,
    yaml_content: String,
}

/// Seals up to `limit` versions that are stored in clear. Returns how many.
///
/// # Errors
/// When the database fails.
pub async fn seal_batch(db: &PgPool, keys: &KeyRing, limit: i64) -> sqlx::Result<u64> {
    let mut tx = db.begin().await?;
    lock(&mut tx).await?;
    let rows: Vec<ClearRow> = sqlx::query_as(
        "select version, yaml_content from config_history where yaml_content is not null order by id limit $1",
    )
    .bind(limit)
    .fetch_all(&mut *tx)
    .await?;
    if rows.is_empty() {
        return Ok(0);
    }
    let key = secret_keys::register(&mut *tx, keys).await?;
    let count = rows.len() as u64;
    for row in rows {
        let text = Secret::new(row.yaml_content);
        let shown = text.clone();
        let masked = tokio::task::spawn_blocking(move || masked(&shown)).await;
        let masked = masked.unwrap_or_else(|_| PLACEHOLDER.to_owned());
        write(&mut tx, (keys, &key), row.version, &text, &masked).await?;
    }
    reseal::note_rewrite(&mut tx, sealed_tables::CONFIGS.table).await?;
    tx.commit().await?;
    Ok(count)
}

/// A text that this release does not read shows nothing at all.
fn masked(text: &Secret) -> String {
    Document::parse(text.expose()).map_or_else(|_| PLACEHOLDER.to_owned(), |document| document.masked())
}

/// Replaces a text in clear by the sealed and the masked one.
async fn write(
    tx: &mut PgConnection,
    (keys, key): (&KeyRing, &CurrentKey),
    version: i32,
    text: &Secret,
    masked: &str,
) -> sqlx::Result<()> {
    let sealed = key.seal(&sealed_tables::CONFIGS.context(&version.to_string()), text.expose().as_bytes());
    sqlx::query(
        "update config_history set yaml_sealed = $2, key_id = $3, yaml_masked = $4, yaml_content = null
         where version = $1",
    )
    .bind(version)
    .bind(&sealed.bytes)
    .bind(&sealed.key_id)
    .bind(masked)
    .execute(&mut *tx)
    .await?;
    hash_again(tx, keys, &sealed, &version.to_string(), text.expose().as_bytes()).await
}

/// Makes the hash that recognises a text with the key that seals it now. `version` is the version's number.
pub(in crate::store) async fn hash_again(
    tx: &mut PgConnection,
    keys: &KeyRing,
    sealed: &Sealed,
    version: &str,
    text: &[u8],
) -> sqlx::Result<()> {
    let text = Secret::new(String::from_utf8_lossy(text));
    let content_key = content_key_of(&content_keys(keys, &text), sealed, keys, &text);
    // Two versions of one text exist when it was uploaded under two keys. Only the first of them is recognised by the
    // current key; the other one keeps its hash, because hashes are unique.
    sqlx::query(
        "update config_history this set content_key = $2
         where version = $1::text::integer and not exists (select from config_history other
                                                  where other.content_key = $2 and other.id <> this.id)",
    )
    .bind(version)
    .bind(content_key)
    .execute(tx)
    .await?;
    Ok(())
}
