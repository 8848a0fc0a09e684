//! Digests: messages that go out as one.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{AssertSqlSafe, FromRow, PgPool};
use uuid::Uuid;

use super::outbox::{EARLIER, SENDS_IT, TRIED_FOR};
use crate::notifications::Sends;

/// Most messages that are gathered at once. The next digest has the others.
const MOST_GATHERED: i64 = 10_000;

/// SQL: the messages that are due and not part of a digest yet. A digest of theirs that has not arrived is waited for, so that
/// a receiver that was away gets one message about that time, and never the end of an incident before its begin.
fn due() -> String {
    format!(
        "from notifications due
         where state = 'waiting' and digest is not null and digest_id is null and next_try_at <= now() and {SENDS_IT}
           and not exists (select from notifications other where other.digest = due.digest and other.state = 'waiting'
                           and other.digest_id is not null)
           and not exists (select {EARLIER} and before.next_try_at > now())"
    )
}

/// Makes digests of the messages that are due, among those that the process sends.
pub(crate) async fn gather(db: &PgPool, sends: &Sends) -> sqlx::Result<()> {
    let queue = sends.queue();
    let any: bool = sqlx::query_scalar(AssertSqlSafe(format!("select exists (select {})", due())))
        .bind(queue)
        .fetch_one(db)
        .await?;
    if !any {
        return Ok(());
    }
    let mut tx = db.begin().await?;
    // Processes take turns, because two of them would make two digests of one. The lock has a statement of its own, because the
    // next one must see what the process before has committed.
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('elt.digests', 0))").execute(&mut *tx).await?;
    sqlx::query(AssertSqlSafe(format!(
        "with due as (select id, digest, attempt {due} order by digest, id limit $2),
              gathered as (select digest, (array_agg(id order by id))[1] as first, max(attempt) as attempt from due group by digest)
         update notifications n
         set digest_id = first, attempt = gathered.attempt, next_try_at = now(), give_up_at = now() + {TRIED_FOR}
         from due join gathered using (digest) where n.id = due.id",
        due = due(),
    )))
    .bind(queue)
    .bind(MOST_GATHERED)
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

/// A message of a digest.
#[derive(Debug, FromRow)]
pub(crate) struct DigestPart {
    pub id: Uuid,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// Body of the message as JSON.
    pub message: Value,
}

/// What is in a digest.
#[derive(Debug)]
pub(crate) struct DigestParts {
    /// Messages by pipeline, those of each in their order: all of them, or the first ones of each pipeline.
    pub parts: Vec<DigestPart>,
    /// Number of all messages.
    pub messages: u64,
    /// Number of pipelines that they are about.
    pub pipelines: u64,
}

/// The messages of a digest, at most `limit` of them. The same ones each time, because what was gathered stays together.
pub(crate) async fn parts(db: &PgPool, digest_id: Uuid, limit: i64) -> sqlx::Result<DigestParts> {
    let (messages, pipelines): (i64, i64) =
        sqlx::query_as("select count(*), count(distinct pipeline) from notifications where digest_id = $1")
            .bind(digest_id)
            .fetch_one(db)
            .await?;
    let parts = sqlx::query_as(
        "with numbered as (
             select id, row_number() over (partition by pipeline order by id) as place, pipeline
             from notifications where digest_id = $1),
         first as (select id from numbered order by place, pipeline limit $2)
         select n.id, n.created_at, n.message from notifications n join first using (id) order by n.pipeline, n.id",
    )
    .bind(digest_id)
    .bind(limit)
    .fetch_all(db)
    .await?;
    let number = |count: i64| u64::try_from(count).unwrap_or_default();
    Ok(DigestParts { parts, messages: number(messages), pipelines: number(pipelines) })
}
