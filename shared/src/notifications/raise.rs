//! Opening and closing incidents, with their messages.

use std::time::Duration;

use chrono::Utc;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Event, Message, NotifyConfig, NotifyRule, conditions, message};
use crate::job::{QUEUE, is_private};
use crate::redaction;
use crate::runs::End;
use crate::store::channels::Channel;
use crate::store::incidents::{self, Incident};
use crate::store::notifications::{self, NewNotification, Notification};
use crate::store::runs;
use crate::store::schedules::Schedule;
use crate::trigger;

/// Pipelines that one look for stale ones, or for those without a worker, finds.
const MOST_PIPELINES: i64 = 100;
/// Time that a run waits without a worker before a message says so. It is longer than a worker needs to start again.
const NO_WORKER_AFTER: Duration = Duration::from_secs(180);

/// Opens and closes incidents by the end of a run, and writes the messages about them. Part of the transaction that ends the
/// run, so that there is one message for an incident however often a process is killed.
///
/// Only runs that load what the sources deliver count: a plan or a replay says nothing about a pipeline.
pub(crate) async fn run_ended(db: &mut PgConnection, id: Uuid, end: &End) -> sqlx::Result<()> {
    let Some(found) = notifications::rules_of_run(&mut *db, id).await? else { return Ok(()) };
    let config = &found.config.0;
    if config.rules.is_empty() && !found.has_open {
        return Ok(());
    }
    let Some(run) = runs::find(&mut *db, id).await? else { return Ok(()) };
    // Two runs of a pipeline may end at the same moment, and must not wait for each other's incidents in a circle.
    incidents::lock(&mut *db, &run.name).await?;
    let usual = match config.volume.and_then(|volume| volume.max_drop) {
        Some(_) if run.backfill_id.is_none() => notifications::usual_rows(&mut *db, &run.name, id).await?,
        _ => None,
    };
    let shown = conditions::of_end(end, run.report.as_ref(), config, usual);
    let receivers = Receivers { config_id: found.config_id, config, queue: &run.queue, run_id: Some(id) };
    for condition in &shown {
        let (event, subject) = (condition.event, condition.subject.as_str());
        if !condition.is_wrong {
            if let Some(incident) = incidents::close(&mut *db, &run.name, event, subject, id).await? {
                let message = message::over(event, &run, incident.opened_at);
                receivers.write(db, &incident, &message, |rule| rule.hears_end(event, subject)).await?;
            }
        } else if config.rules.iter().any(|rule| rule.hears(event, subject))
            && let Some(incident) = incidents::open(&mut *db, &run.name, event, subject, Some(id)).await?
        {
            let message = message::begun(event, &run, incident.opened_at, usual);
            receivers.write(db, &incident, &message, |rule| rule.hears(event, subject)).await?;
        }
    }
    if matches!(end, End::Succeeded { .. }) {
        let kept = shown.iter().filter(|condition| condition.is_wrong);
        let kept: Vec<String> = kept.map(|condition| format!("{} {}", condition.event, condition.subject)).collect();
        incidents::close_others(&mut *db, &run.name, &kept, id).await?;
    }
    Ok(())
}

/// Opens incidents of pipelines in which no run has loaded for longer than their configs allow.
pub(crate) async fn open_stale(db: &mut PgConnection) -> sqlx::Result<()> {
    for stale in incidents::stale(&mut *db, MOST_PIPELINES).await? {
        let config = &stale.config.0;
        let text = match stale.loaded_at {
            Some(at) => format!("The last run that loaded ended at {}.", at.format("%Y-%m-%d %H:%M UTC")),
            None => "No run has loaded yet.".to_owned(),
        };
        let queue = stale.queue.as_deref().unwrap_or(QUEUE);
        let receivers = Receivers { config_id: stale.config_id, config, queue, run_id: None };
        receivers.open(db, Event::Stale, &stale.pipeline, text).await?;
    }
    Ok(())
}

/// Opens incidents of pipelines whose runs wait although no worker of their queue takes runs.
///
/// # Errors
/// When the database fails.
pub async fn open_without_worker(db: &mut PgConnection) -> sqlx::Result<()> {
    for waiting in incidents::without_worker(&mut *db, NO_WORKER_AFTER, MOST_PIPELINES).await? {
        let queue = &waiting.queue;
        let text = format!(
            "A run is due, and no worker of the queue {queue} takes runs. Look at the page Workers; `elt worker --queue {queue}` \
             starts one."
        );
        let (config_id, config) = (waiting.config_id, &waiting.config.0);
        let receivers = Receivers { config_id, config, queue, run_id: None };
        receivers.open(db, Event::NoWorker, &waiting.pipeline, text).await?;
    }
    Ok(())
}

/// Opens an incident because a schedule left out a run, or because its window passed unseen; `text` says which.
pub async fn schedule_missed(db: &mut PgConnection, schedule: &Schedule, text: String) -> sqlx::Result<()> {
    let Some(config) = notifications::rules_of_config(&mut *db, schedule.config_id).await? else { return Ok(()) };
    let receivers = Receivers { config_id: schedule.config_id, config: &config, queue: &schedule.queue, run_id: None };
    receivers.open(db, Event::Missed, &schedule.name, text).await
}

/// Who gets messages: the items of a config.
struct Receivers<'a> {
    config_id: i64,
    config: &'a NotifyConfig,
    /// The queue of the pipeline's runs.
    queue: &'a str,
    run_id: Option<Uuid>,
}

impl Receivers<'_> {
    /// Opens an incident that no run showed, with its messages.
    async fn open(&self, db: &mut PgConnection, event: Event, pipeline: &str, text: String) -> sqlx::Result<()> {
        if !self.config.rules.iter().any(|rule| rule.hears(event, "")) {
            return Ok(());
        }
        incidents::lock(&mut *db, pipeline).await?;
        let Some(incident) = incidents::open(&mut *db, pipeline, event, "", None).await? else { return Ok(()) };
        let message = message::without_run(event, pipeline, incident.opened_at, text);
        self.write(db, &incident, &message, |rule| rule.hears(event, "")).await
    }

    /// Writes a message for each item that hears of it.
    async fn write(
        &self,
        db: &mut PgConnection,
        incident: &Incident,
        message: &Message,
        hears: impl Fn(&NotifyRule) -> bool,
    ) -> sqlx::Result<()> {
        let mut text = serde_json::to_value(message).map_err(|error| sqlx::Error::Encode(error.into()))?;
        redaction::hide_in(&mut text);
        let now = trigger::clock(&mut *db).await?;
        for (entry, rule) in (0i32..).zip(&self.config.rules).filter(|(_, rule)| hears(rule)) {
            // The process behind a private queue ends with its run.
            let queue = if is_private(self.queue) { QUEUE } else { self.queue };
            let new = NewNotification {
                incident: Some(incident.id),
                pipeline: &message.pipeline,
                event: message.event,
                run_id: self.run_id,
                queue,
                config: Some((self.config_id, entry)),
                channel: rule.channel.as_deref(),
                destination: &rule.destination,
                message: &text,
                not_before: rule.due(now),
                digest: rule.digest.map(|_| self.receiver(queue, entry, rule)),
            };
            notifications::create(&mut *db, &new).await?;
        }
        Ok(())
    }

    /// The key that the messages of one digest share: the queue whose workers send them, and the receiver. Two items
    /// with an address may have different receivers, because the address is known only when a message is sent.
    fn receiver(&self, queue: &str, entry: i32, rule: &NotifyRule) -> String {
        match &rule.channel {
            Some(channel) => format!("{queue} channel {channel}"),
            None => format!("{queue} config {}.{entry}", self.config_id),
        }
    }
}

/// Writes the message of a test of a channel, which a worker of the usual queue sends.
///
/// # Errors
/// When the database fails.
pub async fn test_channel(db: &mut PgConnection, channel: &Channel, by: &str) -> sqlx::Result<Notification> {
    let message = message::test(&channel.name, by, Utc::now());
    let message = serde_json::to_value(message).map_err(|error| sqlx::Error::Encode(error.into()))?;
    let new = NewNotification {
        incident: None,
        pipeline: "",
        event: Event::Test,
        run_id: None,
        queue: QUEUE,
        config: None,
        channel: Some(&channel.name),
        destination: &format!("channel {}", channel.name),
        message: &message,
        not_before: None,
        digest: None,
    };
    notifications::create(db, &new).await
}
