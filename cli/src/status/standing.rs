//! What is known about the installation, and which of it needs attention.

use std::path::PathBuf;
use std::time::Duration;

use elt_shared::store::api_processes::{self, ApiProcess};
use elt_shared::store::gauges::Gauge;
use elt_shared::store::status::{FailingPipeline, RetentionBehind, ScheduleInNeed};
use elt_shared::store::workers::{Worker, version_skew};
use serde::Serialize;
use serde_json::{Value, json};

use super::api::Api;
use super::words::age;

/// A schedule, or a due run, that waits for longer needs attention.
pub const LATE: Duration = Duration::from_secs(300);
/// A disk with less of it free needs attention.
const LEAST_FREE: f64 = 0.1;

/// What is known about the installation.
#[derive(Debug, Default)]
pub struct Standing {
    pub database: Database,
    pub api: Api,
    pub gauges: Vec<Gauge>,
    /// API processes that are connected to the control database.
    pub servers: Vec<ApiProcess>,
    pub workers: Vec<Worker>,
    pub failing: Vec<FailingPipeline>,
    pub schedules: Vec<ScheduleInNeed>,
    pub retention: Vec<RetentionBehind>,
    pub disk: Option<Disk>,
}

/// The control database.
#[derive(Debug, Default, Serialize)]
pub struct Database {
    /// Version of its server.
    pub server_version: String,
    /// Migrations of this program that it lacks.
    pub missing_migrations: usize,
    /// Why it cannot be written to, as a sentence. `None`: it can.
    pub read_only: Option<&'static str>,
}

/// The disk of the data folder on this machine.
#[derive(Debug, Serialize)]
pub struct Disk {
    /// The data folder.
    pub folder: PathBuf,
    /// Bytes in all.
    pub size: i64,
    /// Bytes that are free for elt.
    pub free: i64,
}

impl Disk {
    pub fn is_low(&self) -> bool {
        (self.free as f64) < self.size as f64 * LEAST_FREE
    }
}

/// A part of the installation: a line of the screen, and the part that something to attend to belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Database,
    Api,
    Workers,
    Queue,
    Runs,
    Schedules,
    Retention,
    Disk,
}

/// Something that needs attention.
#[derive(Debug, Serialize)]
pub struct Attention {
    /// Part of the installation that needs attention.
    pub part: Part,
    /// What needs attention, as a sentence.
    pub what: String,
}

impl Standing {
    /// What is known as long as the tables of this program may be missing.
    pub fn of_old_database(database: Database) -> Self {
        Self { database, ..Self::default() }
    }

    /// Whether the numbers could be read.
    pub fn has_numbers(&self) -> bool {
        self.database.missing_migrations == 0
    }

    /// The value of a gauge; 0 when it is not there.
    pub fn gauge(&self, name: &str, label: Option<&str>) -> f64 {
        let gauge = self.gauges.iter().find(|gauge| gauge.name == name && gauge.label.as_deref() == label);
        gauge.map_or(0.0, |gauge| gauge.value)
    }

    /// A gauge that counts.
    pub fn count(&self, name: &str, label: Option<&str>) -> u64 {
        self.gauge(name, label) as u64
    }

    /// The values of a gauge with a label, except zeros.
    pub fn counts<'s>(&'s self, name: &'s str) -> impl Iterator<Item = (&'s str, u64)> {
        let gauges = self.gauges.iter().filter(move |gauge| gauge.name == name && gauge.value > 0.0);
        gauges.filter_map(|gauge| Some((gauge.label.as_deref()?, gauge.value as u64)))
    }

    /// Everything that needs attention, in the order of the screen.
    pub fn attention(&self) -> Vec<Attention> {
        let mut found = Vec::new();
        let mut note = |part, what: String| found.push(Attention { part, what });
        if let Some(reason) = self.database.read_only {
            note(Part::Database, reason.to_owned());
        }
        if self.database.missing_migrations > 0 {
            let missing = self.database.missing_migrations;
            note(Part::Database, format!("the control database lacks {missing} migrations: run `elt migrate`"));
        }
        if let Some(reason) = self.api.reason.as_ref().filter(|_| self.api.is_required || self.api.answers) {
            note(Part::Api, format!("the API at {} is not ready: {reason}", self.api.url));
        }
        if let Some(skew) = api_processes::version_skew(&self.servers, env!("CARGO_PKG_VERSION")) {
            note(Part::Api, skew);
        }
        if self.has_numbers() {
            self.note_workers(&mut note);
            self.note_runs(&mut note);
            self.note_schedules(&mut note);
            for behind in self.retention.iter().filter(|behind| behind.failure.is_some()) {
                note(Part::Retention, format!("old {} could not be deleted", behind.kind));
            }
        }
        if let Some(disk) = self.disk.as_ref().filter(|disk| disk.is_low()) {
            note(Part::Disk, format!("less than a tenth of the disk of {} is free", disk.folder.display()));
        }
        found
    }

    fn note_workers(&self, note: &mut impl FnMut(Part, String)) {
        if self.count("elt_workers_alive", None) == 0 {
            note(Part::Workers, "no worker takes runs".into());
        }
        match self.count("elt_workers", Some("takes_nothing")) {
            0 => {}
            1 => note(Part::Workers, "one worker takes nothing, because its machine is not well".into()),
            workers => {
                note(Part::Workers, format!("{workers} workers take nothing, because their machines are not well"))
            }
        }
        if let Some(skew) = version_skew(&self.workers, env!("CARGO_PKG_VERSION")) {
            note(Part::Workers, skew);
        }
    }

    fn note_runs(&self, note: &mut impl FnMut(Part, String)) {
        let oldest = self.gauge("elt_oldest_queued_seconds", None);
        if oldest > LATE.as_secs_f64() {
            note(Part::Queue, format!("a run has been due for {}", age(oldest)));
        }
        match self.count("elt_runs_silent", None) {
            0 => {}
            1 => note(Part::Queue, "one running run hears nothing from its target or source".into()),
            runs => note(Part::Queue, format!("{runs} running runs hear nothing from their targets or sources")),
        }
        match self.count("elt_runs_unknown", None) {
            0 => {}
            1 => note(Part::Queue, "of one run it is unknown whether it loaded".into()),
            runs => note(Part::Queue, format!("of {runs} runs it is unknown whether they loaded")),
        }
        for pipeline in self.failing.iter().filter(|pipeline| !pipeline.recovered) {
            let code = pipeline.error_code.as_deref().unwrap_or("see its last run");
            note(Part::Runs, format!("{} fails: {code}", pipeline.name));
        }
        match self.count("elt_host_keys_waiting", None) {
            0 => {}
            keys => note(Part::Runs, format!("{keys} host keys wait for an admin")),
        }
    }

    fn note_schedules(&self, note: &mut impl FnMut(Part, String)) {
        for schedule in &self.schedules {
            match &schedule.error {
                Some(_) => {
                    note(Part::Schedules, format!("the schedule of {} cannot look at its sources", schedule.name))
                }
                None => {
                    let late = age(schedule.late_by_seconds);
                    note(Part::Schedules, format!("the schedule of {} is {late} late", schedule.name));
                }
            }
        }
    }

    /// Everything as one JSON document.
    pub fn as_json(&self, attention: &[Attention]) -> Value {
        let numbers = |name| self.gauges.iter().filter(move |gauge: &&Gauge| gauge.name == name);
        let by_label = |name| -> Value {
            numbers(name).filter_map(|gauge| Some((gauge.label.clone()?, json!(gauge.value as u64)))).collect()
        };
        json!({
            "well": attention.is_empty(),
            "attention": attention,
            "version": env!("CARGO_PKG_VERSION"),
            "database": self.database,
            "api": self.api,
            "api_processes": self.servers,
            "workers": self.workers,
            "workers_by_state": by_label("elt_workers"),
            "slots": { "total": self.count("elt_slots", None), "used": self.count("elt_slots_used", None) },
            "queue": {
                "running": self.count("elt_runs", Some("running")),
                "queued": self.count("elt_runs", Some("queued")),
                "oldest_due_seconds": self.gauge("elt_oldest_queued_seconds", None),
                "waiting_for": by_label("elt_runs_waiting"),
                "unknown": self.count("elt_runs_unknown", None),
                "silent": self.count("elt_runs_silent", None),
            },
            "last_24_hours": {
                "runs": by_label("elt_runs_finished_24h"),
                "rows_inserted": self.count("elt_rows_inserted_24h", None),
                "failing_pipelines": self.failing,
            },
            "schedules": { "live": by_label("elt_schedules"), "in_need": self.schedules },
            "retention_behind": self.retention,
            "host_keys_waiting": self.count("elt_host_keys_waiting", None),
            "disk": self.disk,
        })
    }
}
