//! Lines kept in the database: a bounded channel, one writer that inserts in batches, and a marker for what was lost.
//!
//! Saying something never waits and never fails: when the channel is full the line is counted instead of kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::Utc;
use prometheus_client::metrics::counter::Counter;
use serde_json::json;
use sqlx::PgPool;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

use crate::backoff::doubled;
use crate::store::logs::{self, NewLine};

pub(super) const CHANNEL: usize = 8_192;
const BATCH: usize = 1_000;
/// Lines wait this long for company.
const GATHER: Duration = Duration::from_millis(50);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Makes the two ends: the layer sends, and the writer that is attached later receives.
pub(super) fn channel(process: String) -> (Lines, Attachment) {
    let (sender, receiver) = mpsc::channel(CHANNEL);
    let (lost, dropped) = (Arc::new(AtomicU64::new(0)), Counter::default());
    let lines = Lines { sender, lost: Arc::clone(&lost), dropped: dropped.clone() };
    let writer = Writer { process, receiver, lost, dropped: dropped.clone() };
    (lines, Attachment { writer: Some(writer), task: None, stop: CancellationToken::new(), dropped })
}

/// The sending end of the buffer of log lines, which the layer has.
#[derive(Debug)]
pub(super) struct Lines {
    sender: mpsc::Sender<NewLine>,
    /// Lines that were dropped since the last one that says so.
    lost: Arc<AtomicU64>,
    /// Lines that were dropped since the process started.
    dropped: Counter,
}

impl Lines {
    /// Keeps a line, or counts it as lost. Never waits.
    pub fn send(&self, line: NewLine) {
        if self.sender.try_send(line).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
            self.dropped.inc();
        }
    }
}

/// The receiving end of that buffer, until the process has a control database to write to.
#[derive(Debug)]
pub(super) struct Attachment {
    writer: Option<Writer>,
    task: Option<JoinHandle<()>>,
    stop: CancellationToken,
    /// Lines that were dropped since the process started.
    pub dropped: Counter,
}

impl Attachment {
    /// Starts writing to `db`, beginning with the lines that already wait.
    pub fn attach(&mut self, db: PgPool) {
        if let Some(writer) = self.writer.take() {
            self.task = Some(tokio::spawn(writer.run(db, self.stop.clone())));
        }
    }

    /// Writes what is on the way, unless that takes too long.
    pub async fn finish(self, patience: Duration) {
        self.stop.cancel();
        if let Some(task) = self.task {
            let _ = tokio::time::timeout(patience, task).await;
        }
    }
}

#[derive(Debug)]
struct Writer {
    process: String,
    receiver: mpsc::Receiver<NewLine>,
    lost: Arc<AtomicU64>,
    dropped: Counter,
}

impl Writer {
    async fn run(mut self, db: PgPool, stop: CancellationToken) {
        self.write(&db, &stop).await;
        db.close().await;
    }

    /// Until asked to stop, and then until nothing waits any more.
    async fn write(&mut self, db: &PgPool, stop: &CancellationToken) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                received = self.receiver.recv_many(&mut batch, BATCH) => if received == 0 { return },
                () = stop.cancelled() => {}
            }
            let _ = stop.run_until_cancelled(tokio::time::sleep(GATHER)).await;
            while batch.len() < BATCH
                && let Ok(line) = self.receiver.try_recv()
            {
                batch.push(line);
            }
            match self.lost.swap(0, Ordering::Relaxed) {
                0 if batch.is_empty() => return,
                0 => {}
                lost => batch.push(self.marker(lost)),
            }
            self.insert(db, &batch, stop).await;
            batch.clear();
        }
    }

    /// Stands for the lines that could not be kept.
    fn marker(&self, lost: u64) -> NewLine {
        NewLine {
            at: Utc::now(),
            level: tracing::Level::WARN.to_string(),
            target: module_path!().to_owned(),
            message: format!("{lost} lines dropped: they came faster than the database took them"),
            fields: json!({ "lost": lost }),
            run_id: None,
            trace_id: None,
            process: self.process.clone(),
        }
    }

    /// Inserts a batch, and waits for a database that is away; meanwhile the channel fills and then counts.
    async fn insert(&self, db: &PgPool, batch: &[NewLine], stop: &CancellationToken) {
        let mut failures = 0;
        loop {
            // What the driver says about this statement is not for the log: it would never end.
            let Err(error) = logs::append(db, batch).with_subscriber(NoSubscriber::new()).await else {
                return;
            };
            if is_refusal(&error) || stop.is_cancelled() {
                self.lost.fetch_add(batch.len() as u64, Ordering::Relaxed);
                self.dropped.inc_by(batch.len() as u64);
                return;
            }
            failures += 1;
            if failures == 1 {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "log lines wait: the database does not take them"
                );
            }
            let _ = stop.run_until_cancelled(tokio::time::sleep(doubled(FIRST_PAUSE, LONGEST_PAUSE, failures))).await;
        }
    }
}

/// Whether the database understood the lines and will refuse them again: classes 22 (data) and 23 (constraints).
fn is_refusal(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| code.starts_with("22") || code.starts_with("23"))
}

#[cfg(test)]
impl Attachment {
    /// The lines that wait for a writer.
    pub fn waiting(&mut self) -> impl Iterator<Item = NewLine> {
        let writer = self.writer.as_mut();
        writer.into_iter().flat_map(|writer| std::iter::from_fn(|| writer.receiver.try_recv().ok()))
    }

    /// How many lines found no place.
    pub fn lost(&self) -> u64 {
        self.writer.as_ref().map_or(0, |writer| writer.lost.load(Ordering::Relaxed))
    }
}
