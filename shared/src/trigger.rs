//! Starting a pipeline: the one place where runs and schedules begin, for the API, `elt run` and the ticks alike.
//!
//! Everything happens in the caller's transaction: config version, run, ticket and schedule exist together or not at all.

use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde_json::Value;
use sqlx::PgConnection;

use crate::config::{PipelineConfig, ScheduleConfig};
use crate::cron::Cron;
use crate::job::ExecuteRun;
use crate::runs::{self, RunKind, lifecycle};
use crate::store::configs::ConfigVersion;
use crate::store::runs::{self as store, NewRun, Run};
use crate::store::schedules::{self, NewSchedule, Schedule, ScheduleState};

/// Member of [`Run::options`]: the folder relative paths of the config start from.
pub const OPTION_BASE: &str = "base";

/// Member of [`Run::options`] of a test of the connections: show the first rows of the sources as well. Its value is
/// [`PREVIEW_OF_CONFIG`] or [`PREVIEW_OF_URL`].
pub const OPTION_PREVIEW: &str = "preview";
/// The config was written by a person.
pub const PREVIEW_OF_CONFIG: &str = "config";
/// The config only carries a URL; a complete one is to be proposed.
pub const PREVIEW_OF_URL: &str = "url";

/// A request to run a pipeline, by a person or a program.
#[derive(Debug, Clone)]
pub struct Trigger<'a> {
    /// The stored config version that runs.
    pub config: &'a ConfigVersion,
    /// The same config as it was read from its text.
    pub pipeline: &'a PipelineConfig,
    /// Run at once, whatever `start_time` says.
    pub now: bool,
    /// Go on with monitoring and cron afterwards, as the config says; false: run once.
    pub monitor: bool,
    /// Where its tickets go.
    pub queue: &'a str,
    /// How early the run starts; `None`: as the config says.
    pub priority: Option<runs::Priority>,
    /// What the run needs beside the config.
    pub options: Value,
    /// W3C trace context of the caller.
    pub traceparent: Option<String>,
    /// Username.
    pub created_by: &'a str,
}

/// What a trigger started.
#[derive(Debug, Clone)]
pub struct Triggered {
    /// The run; it waits when its window has not opened yet.
    pub run: Run,
    /// What runs the pipeline from now on, if anything does.
    pub schedule: Option<Schedule>,
}

/// Starts a run, and the schedule its config asks for.
///
/// A pipeline has one live schedule: that of a newer version takes the place of an older one's. Triggering the same
/// version again runs it again and leaves its schedule as it is, or opens its window when asked to run now.
pub async fn trigger(db: &mut PgConnection, request: &Trigger<'_>) -> sqlx::Result<Triggered> {
    let now = clock(db).await?;
    let window = &request.pipeline.window;
    let opens = window.start.filter(|start| *start > now && !request.now);
    if !request.monitor {
        let run = enqueue_manual(db, request, None, opens, now).await?;
        return Ok(Triggered { run, schedule: None });
    }
    let live = schedules::find_live(db, &request.pipeline.name).await?;
    let same = live.filter(|live| live.config_id == request.config.id && live.queue == request.queue);
    let schedule = match same.filter(|live| live.state != ScheduleState::Stopping) {
        Some(live) if request.now && live.state == ScheduleState::Waiting => {
            schedules::announce(&mut *db).await?;
            schedules::open(&mut *db, live.id).await?
        }
        Some(live) => Some(live),
        None => {
            let plan = Plan {
                start: opens,
                end: window.end,
                timezone: window.timezone,
                cron: request.pipeline.schedule.as_ref(),
                monitor: request.pipeline.monitor.enabled,
                trigger: runs::Trigger::Manual,
                ..Plan::of(request)
            };
            plan.create(db, now).await?
        }
    };
    let waiting = match &schedule {
        Some(schedule) if request.now => lifecycle::start_waiting(db, schedule.id).await?,
        Some(schedule) => store::find_waiting(&mut *db, schedule.id).await?,
        None => None,
    };
    let run = match waiting {
        Some(run) => run,
        None => enqueue_manual(db, request, schedule.as_ref(), opens, now).await?,
    };
    Ok(Triggered { run, schedule })
}

/// A request for a schedule without a run of its own: `POST /schedules`.
#[derive(Debug, Clone)]
pub struct Plan<'a> {
    /// The stored config version that runs.
    pub config: &'a ConfigVersion,
    /// The same config as it was read from its text.
    pub pipeline: &'a PipelineConfig,
    /// It waits for this instant.
    pub start: Option<DateTime<Utc>>,
    /// It ends with this instant.
    pub end: Option<DateTime<Utc>>,
    /// The zone these were written in.
    pub timezone: Tz,
    /// The cron schedule. `None`: the schedule watches its sources.
    pub cron: Option<&'a ScheduleConfig>,
    /// Whether its ticks look for changes of the sources.
    pub monitor: bool,
    /// Where its tickets go.
    pub queue: &'a str,
    /// What its runs need beside the config.
    pub options: Value,
    /// See [`Schedule::trigger`].
    pub trigger: runs::Trigger,
    /// Username.
    pub created_by: &'a str,
}

/// Creates a schedule; its first tick runs the pipeline when its window is open. In place of the pipeline's live one.
///
/// A window that is already over makes a schedule that is `missed` from the start.
pub async fn schedule(db: &mut PgConnection, plan: &Plan<'_>) -> sqlx::Result<Schedule> {
    let now = clock(db).await?;
    schedules::find_live(db, &plan.pipeline.name).await?;
    match plan.create(db, now).await? {
        Some(schedule) => Ok(schedule),
        None => {
            let missed = plan.insert(db, now).await?;
            let (state, reason) = match plan.end {
                Some(end) if end <= now => (ScheduleState::Missed, "its window was over before it was made"),
                _ => (ScheduleState::Done, "it has nothing to fire"),
            };
            schedules::end(db, missed.id, state, reason).await?;
            Ok(Schedule { state, reason: Some(reason.into()), next_tick_at: None, ..missed })
        }
    }
}

impl<'a> Plan<'a> {
    fn of(request: &Trigger<'a>) -> Self {
        Self {
            config: request.config,
            pipeline: request.pipeline,
            start: None,
            end: None,
            timezone: Tz::UTC,
            cron: None,
            monitor: false,
            queue: request.queue,
            options: request.options.clone(),
            trigger: runs::Trigger::Schedule,
            created_by: request.created_by,
        }
    }

    /// Ends the pipeline's live schedule and makes the new one; `None`: there is nothing to wait for or to repeat.
    async fn create(&self, db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<Option<Schedule>> {
        if let Some(live) = schedules::find_live(db, &self.pipeline.name).await? {
            let reason = format!("replaced by version {} of this pipeline", self.config.version);
            crate::end_schedules::replace(db, live.id, &reason).await?;
        }
        let over = self.end.is_some_and(|end| end <= now);
        let waits = self.start.is_some_and(|start| start > now);
        if over || !(self.monitor || self.cron.is_some() || waits) {
            return Ok(None);
        }
        let schedule = self.insert(db, now).await?;
        schedules::announce(db).await?;
        Ok(Some(schedule))
    }

    async fn insert(&self, db: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<Schedule> {
        let first = self.start.filter(|start| *start > now);
        let zone = self.cron.map_or(self.timezone, |cron| cron.timezone);
        let fires = self.cron.and_then(|cron| Cron::parse(&cron.cron).ok());
        let interval = self.pipeline.monitor.interval.map(|interval| interval.as_secs().max(1));
        let new = NewSchedule {
            config_id: self.config.id,
            name: &self.pipeline.name,
            trigger: self.trigger,
            start_at: self.start,
            end_at: self.end,
            timezone: zone.name(),
            cron: self.cron.map(|cron| cron.cron.as_str()),
            overlap: self.cron.map(|cron| cron.overlap).unwrap_or_default(),
            catch_up: self.cron.map(|cron| cron.catch_up).unwrap_or_default(),
            monitor: self.monitor,
            interval_seconds: interval.map(|seconds| i32::try_from(seconds).unwrap_or(i32::MAX)),
            next_run_at: fires.and_then(|cron| cron.next(first.unwrap_or(now), zone)),
            next_tick_at: first.unwrap_or(now),
            queue: self.queue,
            options: self.options.clone(),
            target_table: &self.pipeline.target.table.to_string(),
            max_attempts: self.pipeline.retry.max_attempts,
            created_by: self.created_by,
        };
        schedules::create(db, new).await
    }
}

/// Creates a run and its ticket, which is delivered when the run is due by the database's clock.
pub async fn enqueue(db: &mut PgConnection, new: NewRun<'_>) -> sqlx::Result<Run> {
    let delay = match new.not_before {
        Some(due) => (due - clock(db).await?).to_std().unwrap_or(Duration::ZERO),
        None => Duration::ZERO,
    };
    let run = store::create(&mut *db, new).await?;
    ExecuteRun { run_id: run.id }.enqueue_after(db, &run.queue, delay).await?;
    Ok(run)
}

/// Creates a run of a schedule, for a tick; `trigger` says why.
pub async fn from_schedule(db: &mut PgConnection, schedule: &Schedule, trigger: runs::Trigger) -> sqlx::Result<Run> {
    let new = NewRun {
        kind: RunKind::Run,
        config_id: schedule.config_id,
        name: &schedule.name,
        target_table: &schedule.target_table,
        trigger,
        schedule_id: Some(schedule.id),
        subject_id: None,
        retry_of: None,
        window: None,
        queue: &schedule.queue,
        options: schedule.options.clone(),
        not_before: None,
        not_after: schedule.end_at,
        priority: None,
        waits_for: None,
        max_attempts: schedule.max_attempts.unsigned_abs(),
        traceparent: crate::telemetry::traceparent(),
        created_by: &schedule.created_by,
    };
    enqueue(db, new).await
}

async fn enqueue_manual(
    db: &mut PgConnection,
    request: &Trigger<'_>,
    schedule: Option<&Schedule>,
    opens: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> sqlx::Result<Run> {
    let window = &request.pipeline.window;
    let waits = opens.map(|start| {
        let local = start.with_timezone(&window.timezone);
        format!("its start time, {} {}", local.format("%Y-%m-%d %H:%M:%S"), window.timezone)
    });
    let new = NewRun {
        kind: RunKind::Run,
        config_id: request.config.id,
        name: &request.pipeline.name,
        target_table: &request.pipeline.target.table.to_string(),
        trigger: runs::Trigger::Manual,
        schedule_id: schedule.map(|schedule| schedule.id),
        subject_id: None,
        retry_of: None,
        window: None,
        queue: request.queue,
        options: request.options.clone(),
        not_before: opens,
        // A window that is over does not keep a person from running it once.
        not_after: window.end.filter(|end| *end > now),
        priority: request.priority,
        waits_for: waits,
        max_attempts: request.pipeline.retry.max_attempts,
        traceparent: request.traceparent.clone(),
        created_by: request.created_by,
    };
    enqueue(db, new).await
}

/// The database's clock: the one all processes agree on.
pub async fn clock(db: &mut PgConnection) -> sqlx::Result<DateTime<Utc>> {
    sqlx::query_scalar("select now()").fetch_one(db).await
}
