//! Messages about incidents of pipelines, and what configs say about them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, FromRow, PgExecutor, PgPool};
use uuid::Uuid;

use super::outbox::TRIED_FOR;
use crate::notifications::{Event, NotifyConfig};
use crate::text_enum::text_enum;

/// What the config of a run says about messages.
#[derive(Debug, FromRow)]
pub(crate) struct RulesOfRun {
    pub config_id: i64,
    pub config: Json<NotifyConfig>,
    /// Whether an incident of the pipeline is open.
    pub has_open: bool,
}

/// What the config of a run says about messages; `None` for a run that does not load what the sources deliver, and for the run
/// of one table of several: the whole run speaks for all of them.
pub(crate) async fn rules_of_run(db: impl PgExecutor<'_>, run_id: Uuid) -> sqlx::Result<Option<RulesOfRun>> {
    sqlx::query_as(
        "select r.config_id, coalesce(c.notify, '{}') as config,
                exists (select from incidents i where i.pipeline = r.name and i.closed_at is null) as has_open
         from runs r join config_history c on c.id = r.config_id
         where r.id = $1 and r.kind = 'run' and r.part_of is null",
    )
    .bind(run_id)
    .fetch_optional(db)
    .await
}

/// What a config version says about messages. `None`: it was deleted, or an earlier release stored it.
pub(crate) async fn rules_of_config(db: impl PgExecutor<'_>, config_id: i64) -> sqlx::Result<Option<NotifyConfig>> {
    let found: Option<Json<NotifyConfig>> =
        sqlx::query_scalar("select notify from config_history where id = $1 and notify is not null")
            .bind(config_id)
            .fetch_optional(db)
            .await?;
    Ok(found.map(|config| config.0))
}

/// The median of the rows that the last ten runs before this one have read, which loaded; `None` when there are fewer than
/// three.
pub(crate) async fn usual_rows(db: impl PgExecutor<'_>, pipeline: &str, run_id: Uuid) -> sqlx::Result<Option<f64>> {
    sqlx::query_scalar(
        "select case when count(*) >= 3 then percentile_cont(0.5) within group (order by rows_read) end
         from (select coalesce(rows_read, (report ->> 'rows_read')::bigint) as rows_read from runs
               where name = $1 and id < $2 and kind = 'run' and state = 'succeeded' and backfill_id is null
                 and part_of is null and coalesce(rows_read, (report ->> 'rows_read')::bigint) is not null
               order by id desc limit 10) before",
    )
    .bind(pipeline)
    .bind(run_id)
    .fetch_one(db)
    .await
}

/// A message to be sent.
#[derive(Debug)]
pub(crate) struct NewNotification<'a> {
    /// `None`: a test of a channel.
    pub incident: Option<Uuid>,
    pub pipeline: &'a str,
    pub event: Event,
    pub run_id: Option<Uuid>,
    /// The queue whose workers send it.
    pub queue: &'a str,
    /// The config version and the item of its `notify:`, counted from 0, that ask for it.
    pub config: Option<(i64, i32)>,
    /// The channel that it goes to. `None`: the item of the config has the address.
    pub channel: Option<&'a str>,
    /// Where it goes, for people.
    pub destination: &'a str,
    pub message: &'a Value,
    /// When its receiver may get it: with the next digest, or when its quiet hours end. `None`: it is due at once.
    pub not_before: Option<DateTime<Utc>>,
    /// Tells which messages go out together with it. `None`: it goes out by itself.
    pub digest: Option<String>,
}

/// A message as people see it.
#[derive(Debug, Clone, FromRow)]
pub struct Notification {
    /// The receiver sees it, too.
    pub id: Uuid,
    /// Name of the pipeline; empty for a test of a channel.
    pub pipeline: String,
    /// Kind of event that the message is about.
    pub event: Event,
    /// What happened, in a sentence.
    pub title: String,
    /// The run that showed it.
    pub run_id: Option<Uuid>,
    /// Where it goes, without secrets.
    pub destination: String,
    /// Whether it waits, was sent, or was given up.
    pub state: NotificationState,
    /// Number of times that sending was tried.
    pub attempt: i32,
    /// When it is due, or when another worker takes it after the loss of the one that sends it.
    pub next_try_at: DateTime<Utc>,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// When it was sent or given up.
    pub ended_at: Option<DateTime<Utc>>,
    /// Why the last try failed.
    pub error: Option<String>,
}

const COLUMNS: &str = "id, pipeline, event, message ->> 'title' as title, run_id, destination, state, attempt, next_try_at, \
                       created_at, ended_at, error";

/// Writes a message that any worker of its queue sends afterwards.
pub(crate) async fn create(db: impl PgExecutor<'_>, new: &NewNotification<'_>) -> sqlx::Result<Notification> {
    let (config_id, entry) = new.config.unzip();
    sqlx::query_as(AssertSqlSafe(format!(
        "insert into notifications (id, incident_id, pipeline, event, run_id, queue, config_id, entry, channel, destination,
                                    message, next_try_at, give_up_at, digest)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,
                 coalesce($12, now()), coalesce($12, now()) + {TRIED_FOR}, $13)
         returning {COLUMNS}"
    )))
    .bind(Uuid::now_v7())
    .bind(new.incident)
    .bind(new.pipeline)
    .bind(new.event)
    .bind(new.run_id)
    .bind(new.queue)
    .bind(config_id)
    .bind(entry)
    .bind(new.channel)
    .bind(new.destination)
    .bind(new.message)
    .bind(new.not_before)
    .bind(&new.digest)
    .fetch_one(db)
    .await
}

/// Messages, newest first, those before `before` when given: about one pipeline, and in one state, when given.
pub async fn list(
    db: impl PgExecutor<'_>,
    pipeline: Option<&str>,
    state: Option<NotificationState>,
    before: Option<Uuid>,
    limit: i64,
) -> sqlx::Result<Vec<Notification>> {
    sqlx::query_as(AssertSqlSafe(format!(
        "select {COLUMNS} from notifications
         where ($1::text is null or pipeline = $1) and ($2::text is null or state = $2) and ($3::uuid is null or id < $3)
         order by id desc limit $4"
    )))
    .bind(pipeline)
    .bind(state)
    .bind(before)
    .bind(limit)
    .fetch_all(db)
    .await
}

/// Keeps what `notify:` of a config version says, where an earlier release has stored the version without it.
pub async fn note_rules(db: impl PgExecutor<'_>, config_id: i64, rules: &NotifyConfig) -> sqlx::Result<()> {
    sqlx::query("update config_history set notify = $2 where id = $1 and notify is null")
        .bind(config_id)
        .bind(Json(rules))
        .execute(db)
        .await?;
    Ok(())
}

text_enum! {
    /// What became of a message.
    pub enum NotificationState {
        /// It waits to be sent, or to be sent again.
        Waiting = "waiting",
        /// The receiver has taken it.
        Sent = "sent",
        /// The receiver did not take it for a day.
        GivenUp = "given_up",
    }
}

/// Gives up messages whose time is over, and removes those that were sent or given up this long ago, at most `limit` of them,
/// and incidents that were over by then and have no messages any more. Returns how many messages and incidents: call again while
/// it is `limit` or more.
pub async fn remove_old(db: &PgPool, age: Duration, limit: i64) -> sqlx::Result<u64> {
    // No worker tries, and so gives up, the messages of a queue that has none any more.
    sqlx::query(
        "update notifications set state = 'given_up', ended_at = clock_timestamp(),
                error = coalesce(error, 'no worker of its queue has tried to send it')
         where id = any(array(select id from notifications
             where state = 'waiting' and give_up_at < now() - interval '1 hour' order by give_up_at limit $1))",
    )
    .bind(limit)
    .execute(db)
    .await?;
    let messages = sqlx::query(
        "delete from notifications where id = any(array(
             select id from notifications where ended_at < now() - make_interval(secs => $1) order by ended_at limit $2))",
    )
    .bind(age.as_secs_f64())
    .bind(limit)
    .execute(db)
    .await?;
    let incidents = sqlx::query(
        "delete from incidents where id = any(array(
             select id from incidents i where closed_at < now() - make_interval(secs => $1)
                and not exists (select from notifications n where n.incident_id = i.id) order by closed_at limit $2))",
    )
    .bind(age.as_secs_f64())
    .bind(limit)
    .execute(db)
    .await?;
    Ok(messages.rows_affected() + incidents.rows_affected())
}
