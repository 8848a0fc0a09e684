//! Removing the oldest rows, so that the chain still verifies.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use super::chain::Ends;
use crate::secret::KeyRing;

/// Removes one batch of the rows from before `before`. The database keeps rows younger than 30 days whatever is asked.
/// Returns how many were removed.
pub async fn remove_old(db: &PgPool, keys: &KeyRing, before: DateTime<Utc>, most: i32) -> sqlx::Result<u64> {
    let mut tx = db.begin().await?;
    let mut ends = Ends::lock(&mut tx).await?;
    let (chained, unchained, last_seq, last_hash): (i64, i64, Option<i64>, Option<Vec<u8>>) =
        sqlx::query_as("select chained, unchained, last_seq, last_hash from elt.remove_old_audit($1, $2)")
            .bind(before)
            .bind(most)
            .fetch_one(&mut *tx)
            .await?;
    if chained + unchained == 0 {
        tx.rollback().await?;
        return Ok(0);
    }
    ends.change(keys, |ends| {
        ends.unchained -= unchained;
        if let (Some(seq), Some(hash)) = (last_seq, last_hash) {
            (ends.anchor_seq, ends.anchor_hash) = (seq, hash);
        }
    });
    ends.write(&mut tx).await?;
    tx.commit().await?;
    Ok((chained + unchained).unsigned_abs())
}
