//! The progress of a run, as people see it. Cheap to write from the loading threads, read a few times a second.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use elt_shared::explained::Code;
use elt_shared::redaction::Held;
use elt_shared::runs::{CheckResult, Rejections, RunProgress, RunReport, Stage};
use serde_json::{Value, json};

/// How far a run is. Shared between the pipeline, which writes, and its watcher, who reads [`Progress::snapshot`].
#[derive(Debug)]
pub struct Progress {
    started: Instant,
    rows_read: AtomicU64,
    bytes_read: AtomicU64,
    rows_sent: AtomicU64,
    /// Raised with everything that is read, also by a pass whose counts are not shown.
    activity: Arc<AtomicU64>,
    commit_sent: AtomicBool,
    place: Mutex<Place>,
    /// When the stage began, and how long the earlier ones took.
    stages: Mutex<(Instant, Vec<(Stage, Duration)>)>,
    rejections: Mutex<Rejections>,
    /// The results of the checks that keep the run from loading.
    checks: Mutex<Vec<CheckResult>>,
    /// The report of a run that fails although it has one.
    kept_report: Mutex<Option<Value>>,
    /// What hides the secrets of the run's config. The progress is there until the end of the attempt is recorded, which is
    /// later than the config.
    held: OnceLock<Arc<[Held]>>,
}

#[derive(Debug, Clone)]
struct Place {
    stage: Stage,
    files: usize,
    files_done: usize,
    file: Option<String>,
    /// Rows and bytes of the whole stage, as far as they are known.
    expected: Expected,
}

/// What a stage will have read at its end.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expected {
    /// Number of rows that the stage will read. `None`: not known before its end.
    pub rows: Option<u64>,
    /// Number of bytes that the stage will read. `None`: not known before its end.
    pub bytes: Option<u64>,
}

/// How far a run is at one moment, and what it rejected so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Written to the run's row about once a second.
    pub progress: RunProgress,
    /// Rows that broke the contract, `None` before the first one. Reports keep them; they are no part of the progress.
    pub rejected: Option<Rejections>,
    /// The results of the checks, if they keep the run from loading.
    pub checks: Vec<CheckResult>,
    /// The report that is kept although the run fails. `None`: only its rejected rows and checks are.
    pub kept_report: Option<Value>,
}

impl Snapshot {
    /// The report of a run that did not succeed: the one that was kept, or its rejected rows and the checks that kept it from
    /// loading. `None`: there are none.
    pub fn partial_report(&self) -> Option<Value> {
        if let Some(kept) = &self.kept_report {
            return Some(kept.clone());
        }
        if self.rejected.is_none() && self.checks.is_empty() {
            return None;
        }
        let mut report = json!({ "partial": true });
        if let Some(rejected) = &self.rejected {
            report["rejected"] = json!(rejected);
        }
        if !self.checks.is_empty() {
            report["checks"] = json!(self.checks);
        }
        Some(report)
    }
}

impl Default for Progress {
    fn default() -> Self {
        let place = Place { stage: Stage::Connect, files: 0, files_done: 0, file: None, expected: Expected::default() };
        let started = Instant::now();
        Self {
            started,
            stages: Mutex::new((started, Vec::new())),
            rows_read: AtomicU64::new(0),
            bytes_read: AtomicU64::new(0),
            rows_sent: AtomicU64::new(0),
            activity: Arc::default(),
            commit_sent: AtomicBool::new(false),
            place: Mutex::new(place),
            rejections: Mutex::default(),
            checks: Mutex::default(),
            kept_report: Mutex::default(),
            held: OnceLock::new(),
        }
    }
}

impl Progress {
    /// The progress of a pass that runs beside the one that people see. Its counts are not shown, but the run is not silent while
    /// it reads.
    pub fn beside(&self) -> Self {
        Self { activity: Arc::clone(&self.activity), ..Self::default() }
    }

    /// A number that is another one when something was read since.
    pub fn activity(&self) -> u64 {
        self.activity.load(Ordering::Relaxed)
    }

    /// A stage begins: its counts start at zero. A run that reads or loads its files again forgets the rows it rejected and sent
    /// before, because it does so again.
    pub fn enter(&self, stage: Stage, files: usize, expected: Expected) {
        if matches!(stage, Stage::Extract | Stage::Validate | Stage::Load) {
            *self.rejections() = Rejections::default();
            self.note_checks(Vec::new());
            self.rows_sent.store(0, Ordering::Relaxed);
        }
        let place = Place { stage, files, files_done: 0, file: None, expected };
        let before = std::mem::replace(&mut *self.place(), place);
        self.end_stage(before.stage);
        self.rows_read.store(0, Ordering::Relaxed);
        self.bytes_read.store(0, Ordering::Relaxed);
    }

    /// The number of rows that the stage will read has become known.
    pub fn expect_rows(&self, rows: u64) {
        self.place().expected.rows = Some(rows);
    }

    /// The checks of the config begin. The counts of the load stay, because checks read no file.
    pub fn enter_checks(&self) {
        let before = std::mem::replace(&mut self.place().stage, Stage::Check);
        self.end_stage(before);
    }

    fn end_stage(&self, stage: Stage) {
        let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let began = std::mem::replace(&mut stages.0, now);
        add(&mut stages.1, stage, now - began);
    }

    /// Keeps the results of the checks that keep the run from loading, so that people see them.
    pub fn note_checks(&self, results: Vec<CheckResult>) {
        *self.checks.lock().unwrap_or_else(PoisonError::into_inner) = results;
    }

    /// Time spent in each stage so far, the current one included. A stage that was repeated counts once, with all its
    /// time.
    pub fn stage_times(&self) -> Vec<(Stage, Duration)> {
        let stage = self.place().stage;
        let (began, mut times) = self.stages.lock().unwrap_or_else(PoisonError::into_inner).clone();
        add(&mut times, stage, began.elapsed());
        times
    }

    /// The stage begins with a file.
    pub fn file(&self, name: &str) {
        self.place().file = Some(name.to_owned());
    }

    /// The stage is done with a file.
    pub fn file_done(&self) {
        let mut place = self.place();
        place.files_done += 1;
        place.file = None;
    }

    /// Rows and bytes were read.
    pub fn read(&self, rows: u64, bytes: u64) {
        self.activity.fetch_add(1, Ordering::Relaxed);
        self.rows_read.fetch_add(rows, Ordering::Relaxed);
        self.bytes_read.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Rows went to the target.
    pub fn sent(&self, rows: u64) {
        self.rows_sent.fetch_add(rows, Ordering::Relaxed);
    }

    /// A row broke the contract; `reason` says why.
    pub fn rejected(&self, file: &str, line: u64, column: Option<&str>, code: Code, reason: &str) {
        self.rejections().add(file, line, column, code, reason);
    }

    /// The rows rejected so far; `None` before the first one.
    pub fn rejected_rows(&self) -> Option<Rejections> {
        self.rejections().clone().summary()
    }

    /// Keeps the report of a run that is going to fail.
    pub fn keep_report(&self, report: &RunReport) {
        // A report that cannot be stored must not hide why the run fails.
        let report = serde_json::to_value(report).ok();
        *self.kept_report.lock().unwrap_or_else(PoisonError::into_inner) = report;
    }

    /// The COMMIT is about to be sent, or the server refused it and has rolled back.
    pub fn note_commit(&self, sent: bool) {
        self.commit_sent.store(sent, Ordering::Release);
    }

    /// Whether the attempt may have committed its load: its COMMIT was sent and not refused.
    pub fn commit_sent(&self) -> bool {
        self.commit_sent.load(Ordering::Acquire)
    }

    /// Hides the secrets of the run's config in messages for as long as the progress is there.
    pub fn hide_until_recorded(&self, held: Arc<[Held]>) {
        self.held.get_or_init(|| held);
    }

    /// Where the run is now.
    pub fn snapshot(&self) -> Snapshot {
        let Place { stage, files, files_done, file, expected } = self.place().clone();
        let stage_began = self.stages.lock().unwrap_or_else(PoisonError::into_inner).0;
        let progress = RunProgress {
            stage,
            files: files as u64,
            files_done: files_done as u64,
            file,
            rows_read: self.rows_read.load(Ordering::Relaxed),
            bytes_read: self.bytes_read.load(Ordering::Relaxed),
            rows_sent: self.rows_sent.load(Ordering::Relaxed),
            rows_total: expected.rows,
            bytes_total: expected.bytes,
            seconds: self.started.elapsed().as_secs_f64(),
            stage_seconds: stage_began.elapsed().as_secs_f64(),
        };
        let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let kept_report = self.kept_report.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Snapshot { progress, rejected: self.rejected_rows(), checks, kept_report }
    }

    fn rejections(&self) -> MutexGuard<'_, Rejections> {
        self.rejections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds time to a stage.
fn add(times: &mut Vec<(Stage, Duration)>, stage: Stage, time: Duration) {
    match times.iter_mut().find(|(known, _)| *known == stage) {
        Some((_, sum)) => *sum += time,
        None => times.push((stage, time)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_that_was_repeated_counts_once() {
        let progress = Progress::default();
        for stage in [Stage::Extract, Stage::Validate, Stage::Extract, Stage::Validate, Stage::Load] {
            progress.enter(stage, 1, Expected::default());
        }
        let stages: Vec<Stage> = progress.stage_times().into_iter().map(|(stage, _)| stage).collect();
        assert_eq!(stages, [Stage::Connect, Stage::Extract, Stage::Validate, Stage::Load]);
        let total: Duration = progress.stage_times().into_iter().map(|(_, time)| time).sum();
        assert!(total <= progress.started.elapsed(), "no time counts twice");
    }
}
