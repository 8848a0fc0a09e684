//! Sealing config versions in batches: rows of earlier releases, and rows sealed with an older key.

use sqlx::{FromRow, PgConnection, PgExecutor, PgPool};

use super::{ConfigVersion, content_key_of, content_keys, lock, place};
use crate::config::Document;
use crate::secret::{KeyRing, PLACEHOLDER, Secret};
use crate::store::secret_keys::SealError;

/// How many versions are stored in clear.
pub async fn count_in_clear(db: impl PgExecutor<'_>) -> sqlx::Result<i64> {
    sqlx::query_scalar("select count(*) from config_history where yaml_content is not null").fetch_one(db).await
}

#[derive(FromRow)]
struct ClearRow {
    id: i64,
    version: i32,
    yaml_content: String,
}

/// Seals up to `limit` versions that are stored in clear. Returns how many.
///
/// # Errors
/// When the database fails.
pub async fn seal_batch(db: &PgPool, keys: &KeyRing, limit: i64) -> Result<u64, SealError> {
    let mut tx = db.begin().await?;
    lock(&mut tx).await?;
    let rows: Vec<ClearRow> = sqlx::query_as(
        "select id, version, yaml_content from config_history where yaml_content is not null order by id limit $1",
    )
    .bind(limit)
    .fetch_all(&mut *tx)
    .await?;
    let count = rows.len() as u64;
    for row in rows {
        let text = Secret::new(row.yaml_content);
        let shown = text.clone();
        let masked = tokio::task::spawn_blocking(move || masked(&shown)).await;
        let masked = masked.unwrap_or_else(|_| PLACEHOLDER.to_owned());
        write(&mut tx, keys, (row.id, row.version), &text, Some(&masked)).await?;
    }
    tx.commit().await?;
    Ok(count)
}

/// A text that this release does not read shows nothing at all.
fn masked(text: &Secret) -> String {
    Document::parse(text.expose()).map_or_else(|_| PLACEHOLDER.to_owned(), |document| document.masked())
}

/// Seals up to `limit` versions with the current key that another key seals. Returns how many.
///
/// # Errors
/// When the database fails, or a version does not open: it stays as it is.
pub async fn seal_again_batch(db: &PgPool, keys: &KeyRing, limit: i64) -> Result<u64, SealError> {
    let mut tx = db.begin().await?;
    lock(&mut tx).await?;
    let rows: Vec<ConfigVersion> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select {} from config_history where key_id <> $1 order by id limit $2",
        super::COLUMNS
    )))
    .bind(keys.current_id())
    .bind(limit)
    .fetch_all(&mut *tx)
    .await?;
    for row in &rows {
        let text = row.open(keys).map_err(|source| {
            let what = format!("config version {}", row.version);
            SealError::Open { what, source }
        })?;
        write(&mut tx, keys, (row.id, row.version), &text, None).await?;
    }
    tx.commit().await?;
    Ok(rows.len() as u64)
}

/// Replaces what is stored of a text. `masked`: written too, when it is not there yet.
async fn write(
    tx: &mut PgConnection,
    keys: &KeyRing,
    (id, version): (i64, i32),
    text: &Secret,
    masked: Option<&str>,
) -> sqlx::Result<()> {
    let sealed = keys.seal(&place(version), text.expose().as_bytes());
    let content_key = content_key_of(&content_keys(keys, text), &sealed, keys, text);
    // Two versions of one text exist when it was uploaded under two keys. Only the first of them is recognised by the
    // current key; the other one keeps its hash, because hashes are unique.
    sqlx::query(
        "update config_history this
         set yaml_sealed = $2, key_id = $3, yaml_masked = coalesce($4, yaml_masked), yaml_content = null,
             content_key = case when exists (select from config_history other
                                             where other.content_key = $5 and other.id <> this.id)
                                then this.content_key else $5 end
         where id = $1",
    )
    .bind(id)
    .bind(sealed.bytes)
    .bind(sealed.key_id)
    .bind(masked)
    .bind(content_key)
    .execute(tx)
    .await?;
    Ok(())
}
