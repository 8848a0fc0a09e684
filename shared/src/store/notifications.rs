//! Incidents of pipelines, and the messages about them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, FromRow, PgExecutor, PgPool};
use uuid::Uuid;

use super::outbox::TRIED_FOR;
use super::queues::TAKES_RUNS;
use crate::notifications::{Event, NotifyConfig};
use crate::runs::leases::LEASE;
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

/// Keeps other transactions from changing incidents of a pipeline until the caller's transaction ends.
pub(crate) async fn lock(db: impl PgExecutor<'_>, pipeline: &str) -> sqlx::Result<()> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('elt.incidents ' || $1, 0))")
        .bind(pipeline)
        .execute(db)
        .await?;
    Ok(())
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

/// A pipeline in which no run has loaded for longer than its newest config allows.
#[derive(Debug, FromRow)]
pub(crate) struct StalePipeline {
    pub pipeline: String,
    /// The config version that decides.
    pub config_id: i64,
    pub config: Json<NotifyConfig>,
    /// When the last run that loaded ended. `None`: there was none, and the config is that old.
    pub loaded_at: Option<DateTime<Utc>>,
    /// The queue of that run.
    pub queue: Option<String>,
}

/// Stale pipelines whose incident is not open yet. Their newest version decides that an admin has uploaded or started, because
/// a config of a user does nothing before.
pub(crate) async fn stale(db: impl PgExecutor<'_>, limit: i64) -> sqlx::Result<Vec<StalePipeline>> {
    sqlx::query_as(
        "select c.name as pipeline, c.id as config_id, c.notify as config, loaded.at as loaded_at,
                loaded.queue
         from (select distinct name from config_history where notify ? 'freshness_seconds') named
         join lateral (select v.id, v.name, v.notify, v.\"timestamp\" from config_history v
                       where v.name = named.name
                         and (v.by_admin and v.only_tried is null or exists (select from runs r where r.config_id = v.id and r.kind = 'run')
                              or exists (select from schedules s where s.config_id = v.id))
                       order by v.version desc limit 1) c
           on c.notify ? 'freshness_seconds' and jsonb_path_exists(c.notify, '$.rules[*].on[*] ? (@ == \"stale\")')
         left join lateral (select finished_at as at, queue from runs
                            where name = c.name and kind = 'run' and state = 'succeeded' and part_of is null
                              and outcome is distinct from 'nothing_loaded'
                            order by id desc limit 1) loaded on true
         where coalesce(loaded.at, c.\"timestamp\") < now() - make_interval(secs => (c.notify ->> 'freshness_seconds')::float8)
           and not exists (select from incidents i
                           where i.pipeline = c.name and i.event = 'stale' and i.closed_at is null)
         order by c.name limit $1",
    )
    .bind(limit)
    .fetch_all(db)
    .await
}

/// A pipeline whose run waits although no worker of its queue takes runs.
#[derive(Debug, FromRow)]
pub(crate) struct WaitingPipeline {
    pub pipeline: String,
    /// The config version of the run.
    pub config_id: i64,
    pub config: Json<NotifyConfig>,
    pub queue: String,
}

/// Pipelines whose runs have waited for `after` although no worker of their queue takes runs, and whose incident is not open
/// yet. Runs that are held or paused wait for something else.
pub(crate) async fn without_worker(
    db: impl PgExecutor<'_>,
    after: Duration,
    limit: i64,
) -> sqlx::Result<Vec<WaitingPipeline>> {
    sqlx::query_as(AssertSqlSafe(format!(
        "select distinct on (r.name) r.name as pipeline, r.config_id, c.notify as config, r.queue
         from runs r join config_history c on c.id = r.config_id
         where r.state = 'queued' and r.kind = 'run' and r.part_of is null and r.held is null
           and r.queue not like 'elt-run-%'
           and greatest(r.created_at, r.not_before) < now() - make_interval(secs => $1)
           and jsonb_path_exists(c.notify, '$.rules[*].on[*] ? (@ == \"no_worker\")')
           and not exists (select from workers w
                           where w.queue = r.queue and {TAKES_RUNS}
                             and w.heartbeat_at > now() - make_interval(secs => $2))
           and not exists (select from pauses p
                           where p.scope = 'all' or (p.scope = 'queue' and p.name = r.queue)
                              or (p.scope = 'pipeline' and p.name = r.name))
           and not exists (select from incidents i
                           where i.pipeline = r.name and i.event = 'no_worker' and i.closed_at is null)
         order by r.name, r.id limit $3",
    )))
    .bind(after.as_secs_f64())
    .bind(LEASE.as_secs_f64())
    .bind(limit)
    .fetch_all(db)
    .await
}

/// An incident that was opened or closed just now.
#[derive(Debug, FromRow)]
pub(crate) struct Incident {
    pub id: Uuid,
    pub opened_at: DateTime<Utc>,
}

/// An incident that is not over, as people see it.
#[derive(Debug, Clone, FromRow)]
pub struct OpenIncident {
    /// Kind of event that the message is about.
    pub event: Event,
    /// When it began.
    pub opened_at: DateTime<Utc>,
    /// The run that showed it, which may have been deleted. `None`: no run did.
    pub opened_by: Option<Uuid>,
}

/// The incidents of a pipeline that are not over, the newest first.
pub async fn open_incidents(db: impl PgExecutor<'_>, pipeline: &str, limit: i64) -> sqlx::Result<Vec<OpenIncident>> {
    sqlx::query_as(
        "select event, opened_at, opened_by from incidents
         where pipeline = $1 and closed_at is null order by opened_at desc, id limit $2",
    )
    .bind(pipeline)
    .bind(limit)
    .fetch_all(db)
    .await
}

/// Opens an incident. `None`: it is open already.
pub(crate) async fn open(
    db: impl PgExecutor<'_>,
    pipeline: &str,
    event: Event,
    subject: &str,
    run_id: Option<Uuid>,
) -> sqlx::Result<Option<Incident>> {
    // The unique index decides, because two runs of a pipeline may end at the same moment.
    sqlx::query_as(
        "insert into incidents (id, pipeline, event, subject, opened_by) values ($1, $2, $3, $4, $5)
         on conflict (pipeline, event, subject) where closed_at is null do nothing
         returning id, opened_at",
    )
    .bind(Uuid::now_v7())
    .bind(pipeline)
    .bind(event)
    .bind(subject)
    .bind(run_id)
    .fetch_optional(db)
    .await
}

/// Closes an incident. `None`: it is not open.
pub(crate) async fn close(
    db: impl PgExecutor<'_>,
    pipeline: &str,
    event: Event,
    subject: &str,
    run_id: Uuid,
) -> sqlx::Result<Option<Incident>> {
    sqlx::query_as(
        "update incidents set closed_at = clock_timestamp(), closed_by = $4
         where pipeline = $1 and event = $2 and subject = $3 and closed_at is null
         returning id, opened_at",
    )
    .bind(pipeline)
    .bind(event)
    .bind(subject)
    .bind(run_id)
    .fetch_optional(db)
    .await
}

/// Closes the incidents about rows and columns that a run did not show, `kept` aside: differences of columns that are gone, and
/// limits that the config does not have any more. There is no message about it.
pub(crate) async fn close_others(
    db: impl PgExecutor<'_>,
    pipeline: &str,
    kept: &[String],
    run_id: Uuid,
) -> sqlx::Result<()> {
    sqlx::query(
        "update incidents set closed_at = clock_timestamp(), closed_by = $3
         where pipeline = $1 and event in ('rejects', 'drift') and closed_at is null
           and event || ' ' || subject <> all($2)",
    )
    .bind(pipeline)
    .bind(kept)
    .bind(run_id)
    .execute(db)
    .await?;
    Ok(())
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
