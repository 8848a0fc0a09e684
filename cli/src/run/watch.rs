//! Follows a run and the runs after it, and prints what happens to them.

use std::time::{Duration, Instant};

use anyhow::Context;
use elt_shared::runs::{RunProgress, RunState, Stage};
use elt_shared::store::runs::{self, Run, RunFilter};
use elt_shared::store::schedules::{self, ScheduleState};
use sqlx::PgPool;
use uuid::Uuid;

use super::Screen;
use crate::summary;
use crate::table::{bytes, count, seconds};

const LOOK: Duration = Duration::from_millis(200);
/// Where nothing moves, a long stage says this often that it goes on.
const REMINDER: Duration = Duration::from_secs(10);

/// What to follow.
#[derive(Debug, Clone, Copy)]
pub struct Watch {
    /// The first run.
    pub run: Uuid,
    /// What makes more of them.
    pub schedule: Option<Uuid>,
}

/// Tells what happens until `work` is done. Returns the first run, and the last one when more followed.
pub async fn watch(
    db: &PgPool,
    what: Watch,
    screen: &Screen,
    work: impl Future<Output = anyhow::Result<Run>>,
) -> anyhow::Result<(Run, Option<Run>)> {
    let mut teller = Teller { db, what, screen, told: None, stage: None, since: Instant::now(), waiting: None };
    let mut work = std::pin::pin!(work);
    let first = loop {
        tokio::select! {
            done = &mut work => break done?,
            () = tokio::time::sleep(LOOK) => teller.look().await,
        }
    };
    screen.clear();
    teller.look().await;
    let last = teller.last().await?;
    Ok((first, last.filter(|last| last.id != what.run)))
}

struct Teller<'a> {
    db: &'a PgPool,
    what: Watch,
    screen: &'a Screen,
    /// The newest run whose end was printed.
    told: Option<Uuid>,
    /// The run, stage and file of the last line.
    stage: Option<(Uuid, Option<Stage>, Option<String>)>,
    since: Instant,
    waiting: Option<String>,
}

impl Teller<'_> {
    /// One look. If the control database is away, the next look finds out more: the worker reports the outage.
    async fn look(&mut self) {
        let Ok(runs) = self.untold().await else { return };
        let mut open = false;
        for run in runs {
            if run.finished_at.is_some() {
                self.told = Some(run.id);
                self.screen.result(&summary::of(&run));
                continue;
            }
            open = true;
            if run.state == RunState::Running {
                self.tell(&run);
            } else if let Some(reason) = &run.waits_for {
                // A person cannot know how long it takes until something is back, so they are told how to end it.
                let since = run.outage_since.map(|since| format!(" since {}", since.format("%H:%M:%S UTC")));
                let way_out = since.as_ref().map_or("", |_| "; Ctrl-C stops");
                self.wait(format!("waits for {reason}{}{way_out}", since.as_deref().unwrap_or_default()));
            }
        }
        if !open && self.told.is_some() {
            self.idle().await;
        }
    }

    /// Runs whose end was not printed yet, the oldest first.
    async fn untold(&self) -> sqlx::Result<Vec<Run>> {
        let mut runs: Vec<Run> = runs::find(self.db, self.what.run).await?.into_iter().collect();
        if let Some(schedule) = self.what.schedule {
            let filter = RunFilter { schedule_id: Some(schedule), ..RunFilter::default() };
            let newest = runs::list(self.db, &filter, None, 20).await?;
            runs.extend(newest.into_iter().rev().filter(|run| run.id != self.what.run));
        }
        // UUIDv7: ids sort by time.
        runs.retain(|run| self.told.is_none_or(|told| told < run.id));
        Ok(runs)
    }

    fn tell(&mut self, run: &Run) {
        let progress: RunProgress =
            run.progress.clone().and_then(|progress| serde_json::from_value(progress).ok()).unwrap_or_default();
        let text = sentence(run.stage, &progress);
        let place = Some((run.id, run.stage, progress.file));
        let news = self.stage != place || self.since.elapsed() > REMINDER;
        if news {
            (self.stage, self.since) = (place, Instant::now());
        }
        self.waiting = None;
        self.screen.now(&text, news);
    }

    fn wait(&mut self, text: String) {
        let news = self.waiting.as_ref() != Some(&text);
        self.screen.now(&text, news);
        self.waiting = Some(text);
    }

    async fn idle(&mut self) {
        let Some(schedule) = self.what.schedule else { return };
        let Ok(Some(schedule)) = schedules::find(self.db, schedule).await else { return };
        let every = schedule.interval_seconds.map_or_else(String::new, |seconds| format!(" every {seconds} s"));
        let trouble =
            schedule.last_tick_error.map_or_else(String::new, |error| format!("; the last look failed: {error}"));
        match schedule.state {
            ScheduleState::Active if schedule.monitor => {
                self.wait(format!("watching the sources for changes{every}{trouble}"))
            }
            ScheduleState::Active | ScheduleState::Waiting => {
                self.wait(format!("waiting for the next time to run{trouble}"))
            }
            ScheduleState::Stopping | ScheduleState::Stopped | ScheduleState::Missed | ScheduleState::Done => {}
        }
    }

    async fn last(&self) -> anyhow::Result<Option<Run>> {
        let Some(told) = self.told else { return Ok(None) };
        runs::find(self.db, told).await.context("could not look at the last run")
    }
}

/// `load  42 %  2/3 files  orders.csv  1,000 rows  1.2 MB  500 rows/s  about 30.00 s left`
fn sentence(stage: Option<Stage>, progress: &RunProgress) -> String {
    let mut parts = vec![stage.map_or("", Stage::as_str).to_owned()];
    parts.extend(progress.share().map(|share| format!("{:.0} %", (share * 100.0).floor())));
    if progress.files > 0 {
        parts.push(format!("{}/{} files", progress.files_done, progress.files));
    }
    parts.extend(progress.file.clone());
    let rows = if stage == Some(Stage::Load) { progress.rows_sent } else { progress.rows_read };
    if rows > 0 {
        parts.push(format!("{} rows", count(rows)));
    }
    if progress.bytes_read > 0 {
        parts.push(bytes(progress.bytes_read));
    }
    if rows > 0 && progress.stage_seconds > 0.5 {
        parts.push(format!("{} rows/s", count((rows as f64 / progress.stage_seconds) as u64)));
    }
    parts.extend(progress.seconds_left().map(|left| format!("about {} left", seconds(left))));
    parts.join("  ")
}
