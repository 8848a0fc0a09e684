//! Messages that are being sent: processes take those that are due, and note what came of a try.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{AssertSqlSafe, FromRow, PgExecutor};
use uuid::Uuid;

use super::notifications::NotificationState;
use crate::notifications::Sends;

/// A message that this process is to send now.
#[derive(Debug, Clone, FromRow)]
pub struct TakenNotification {
    /// The receiver sees it, too.
    pub id: Uuid,
    /// Name of the pipeline.
    pub pipeline: String,
    /// The config version whose `notify:` asks for it. `None`: a test of a channel.
    pub config_id: Option<i64>,
    /// The item of `notify:`, counted from 0.
    pub entry: Option<i32>,
    /// The channel that it goes to. `None`: the item of the config has the address.
    pub channel: Option<String>,
    /// Where it goes, for people.
    pub destination: String,
    /// Body of the message as JSON.
    pub message: Value,
    /// Counts the tries. What comes of a try is written only while its number is the newest.
    pub attempt: i32,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// Whether it stands for a digest, of which it is the first message.
    pub is_digest: bool,
}

/// SQL: how long a message is tried after it is due.
pub(super) const TRIED_FOR: &str = "interval '24 hours'";

/// SQL condition: the process sends message `due`. `$1` is the queue whose messages it sends; null: it sends those that say that
/// there is no worker, and what goes out together with one that is due.
pub(super) const SENDS_IT: &str = "case when $1::text is not null then due.queue = $1
     else due.event = 'no_worker' or exists (select from notifications told
         where told.digest = due.digest and told.state = 'waiting' and told.event = 'no_worker' and told.next_try_at <= now()) end";

/// SQL: the messages `before` that must arrive before message `due`, so that the end of an incident never arrives before its
/// begin: the earlier ones of its incident to the same receiver.
pub(super) const EARLIER: &str = "from notifications before
     where before.incident_id = due.incident_id and before.destination = due.destination
       and (before.config_id is not distinct from due.config_id or before.channel = due.channel)
       and before.entry is not distinct from due.entry
       and before.state = 'waiting' and before.id < due.id";

/// Takes up to `limit` messages that are due, among those that the process sends: the first one of a digest for all of it.
/// Another process takes them again after `lease`, unless the result of the try was written by then.
pub async fn take_due(
    db: impl PgExecutor<'_>,
    sends: &Sends,
    limit: i64,
    lease: Duration,
) -> sqlx::Result<Vec<TakenNotification>> {
    sqlx::query_as(AssertSqlSafe(format!(
        "with chosen as (
             select id from notifications due
             where state = 'waiting' and next_try_at <= now() and (digest is null or digest_id = id) and {SENDS_IT}
               and not exists (select {EARLIER})
             order by next_try_at, id limit $2 for update skip locked),
         taken as (
             update notifications set attempt = attempt + 1, next_try_at = now() + make_interval(secs => $3)
             where state = 'waiting'
               and (id = any(array(select id from chosen)) or digest_id = any(array(select id from chosen)))
             returning id, pipeline, config_id, entry, channel, destination, message, attempt, created_at, digest_id)
         select *, digest_id is not null as is_digest from taken where digest_id is null or digest_id = id",
    )))
    .bind(sends.queue())
    .bind(limit)
    .bind(lease.as_secs_f64())
    .fetch_all(db)
    .await
}

/// SQL: the message of a try `$1` with the number `$2`, and those of its digest. Empty once another process has taken it. The
/// first message is locked before the others, in which order [`take_due`] does it as well, so that neither waits for the other.
const OF_TRY: &str = "with held as (
         select id from notifications where id = $1 and attempt = $2 and state = 'waiting' for update),
     tried as (
         select n.id from notifications n join held on n.id = held.id or n.digest_id = held.id where n.state = 'waiting')";

/// Notes that the receiver has taken a message, or a whole digest. Returns how many messages; 0: another worker has it by now,
/// or has sent it.
pub async fn note_sent(db: impl PgExecutor<'_>, taken: &TakenNotification) -> sqlx::Result<u64> {
    let noted = sqlx::query(AssertSqlSafe(format!(
        "{OF_TRY} update notifications set state = 'sent', ended_at = statement_timestamp(), error = null
         where id = any(array(select id from tried))",
    )))
    .bind(taken.id)
    .bind(taken.attempt)
    .execute(db)
    .await?;
    Ok(noted.rows_affected())
}

/// Notes that a try failed, and when the next one is. Returns the state of the message and of those of its digest: it is given up
/// when the next try would be too late. Empty: another worker has it by now.
pub async fn note_failed(
    db: impl PgExecutor<'_>,
    taken: &TakenNotification,
    error: &str,
    pause: Duration,
) -> sqlx::Result<Vec<NotificationState>> {
    sqlx::query_scalar(AssertSqlSafe(format!(
        "{OF_TRY} update notifications set error = $3, next_try_at = now() + make_interval(secs => $4),
                state = case when now() + make_interval(secs => $4) > give_up_at then 'given_up' else state end,
                ended_at = case when now() + make_interval(secs => $4) > give_up_at then statement_timestamp() end
         where id = any(array(select id from tried)) returning state",
    )))
    .bind(taken.id)
    .bind(taken.attempt)
    .bind(error)
    .bind(pause.as_secs_f64())
    .fetch_all(db)
    .await
}
