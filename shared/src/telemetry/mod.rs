//! What a process says about itself: lines on stderr, in `<data dir>/elt.log` and in the database, and traces.
//!
//! # Layout
//! - `line`: an event becomes a line, with the run and the trace it belongs to
//! - `json`: lines on stderr as JSON
//! - `filter`: which lines are written
//! - `file`: the log file, rotated by size
//! - `database`: lines kept in the database: bounded, batched, never in the way
//! - [`trace`]: OpenTelemetry, and the trace context that travels with a run

mod database;
mod file;
mod filter;
mod json;
mod line;
mod repeats;
pub mod trace;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use sqlx::PgPool;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::FilterExt;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::redaction::HidingWriters;
use crate::settings::{LogFormat, TelemetrySettings};
use filter::LineFilter;
use json::WithTrace;
use line::KeepLines;
pub use trace::{continue_trace, traceparent};

/// What is still to be written when a process ends gets this long.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What a process brings to its telemetry beside the settings.
#[derive(Debug)]
pub struct TelemetryOptions {
    /// What the process calls itself: `serve`, `worker`, …
    pub process: &'static str,
    /// Where `elt.log` is kept; without it there is no log file.
    pub data_dir: Option<PathBuf>,
    /// Where the lines for people go; stderr, unless something else draws there too.
    pub writer: BoxMakeWriter,
    /// Lines for people start at this level. File and database get what the settings say.
    pub writer_level: LevelFilter,
}

impl TelemetryOptions {
    /// Everything the settings let through, to stderr only.
    pub fn new(process: &'static str) -> Self {
        Self { process, data_dir: None, writer: BoxMakeWriter::new(std::io::stderr), writer_level: LevelFilter::TRACE }
    }
}

/// Why telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter of `ELT_LOG` cannot be read.
    #[error("ELT_LOG is not a list of levels like `info` or `info,elt_worker=debug`")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// The log file cannot be opened.
    #[error("could not open the log file {path}")]
    File {
        /// Where it should be.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// Traces cannot be sent to the endpoint.
    #[error("could not set up sending traces to OTEL_EXPORTER_OTLP_ENDPOINT")]
    Otlp(#[from] opentelemetry_otlp::ExporterBuildError),
    /// A process has one subscriber.
    #[error("telemetry was set up twice")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Keeps telemetry going. Call [`Telemetry::shutdown`] last: it writes and sends what is still on the way.
#[derive(Debug)]
pub struct Telemetry {
    database: database::Attachment,
    traces: trace::Traces,
}

/// Sets up logging and tracing for this process.
///
/// # Errors
/// When the filter is wrong, the log file cannot be opened or the endpoint makes no sense.
pub fn init(settings: &TelemetrySettings, options: TelemetryOptions) -> Result<Telemetry, TelemetryError> {
    let traces = trace::Traces::new(settings.otlp_endpoint.as_deref(), options.process)?;
    let log_file = options.data_dir.as_deref().map(file::LogFile::open).transpose()?;
    let process = format!("{}@{}", options.process, identity());
    let (lines, database) = database::channel(process.clone());

    let for_people = tracing_subscriber::fmt::layer().with_writer(HidingWriters(options.writer));
    let for_people = match settings.log_format {
        LogFormat::Human => for_people.with_target(false).with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => for_people.json().flatten_event(true).map_event_format(WithTrace).boxed(),
    };
    let kept = KeepLines::new(process, log_file, lines);
    tracing_subscriber::registry()
        .with(traces.layer().with_filter(LineFilter::new(&settings.log)?))
        .with(for_people.with_filter(LineFilter::new(&settings.log)?.and(options.writer_level)))
        .with(kept.with_filter(LineFilter::new(&settings.log)?))
        .try_init()?;
    Ok(Telemetry { database, traces })
}

impl Telemetry {
    /// From now on lines go to this database too, those since the start first. The pool is for the lines alone and
    /// is closed with them. Call within the runtime.
    pub fn attach_database(&mut self, db: PgPool) {
        self.database.attach(db);
    }

    /// Counts the lines that found no place in the database since the process started.
    pub fn dropped_lines(&self) -> Counter {
        self.database.dropped.clone()
    }

    /// Writes and sends what is still on the way, for a few seconds at most.
    pub async fn shutdown(self) {
        self.database.finish(LAST_WORDS).await;
        self.traces.finish(LAST_WORDS).await;
    }
}

/// `host:pid`.
fn identity() -> String {
    let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    format!("{}:{}", host.as_deref().unwrap_or("unknown"), std::process::id())
}

#[cfg(test)]
mod tests;
