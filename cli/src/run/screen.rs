//! What a person sees while a run goes on: a line that moves on a terminal, plain lines elsewhere.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use elt_shared::telemetry::TelemetryOptions;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::out;

/// Where progress is drawn.
#[derive(Debug, Clone)]
pub struct Screen {
    bars: MultiProgress,
    moving: Option<ProgressBar>,
}

impl Default for Screen {
    fn default() -> Self {
        let bars = MultiProgress::new();
        let moving = io::stderr().is_terminal().then(|| {
            let bar = bars.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("{spinner:.green} {wide_msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { bars, moving }
    }
}

impl Screen {
    /// Telemetry that does not draw over the moving line. Log lines below a warning are for the file: the screen
    /// shows the same in its own words.
    pub fn telemetry(&self, process: &'static str) -> TelemetryOptions {
        let bars = self.bars.clone();
        TelemetryOptions {
            writer: BoxMakeWriter::new(move || Above { bars: bars.clone() }),
            writer_level: LevelFilter::WARN,
            ..TelemetryOptions::new(process)
        }
    }

    /// Shows where things are now. Where nothing moves, only what `worth_a_line` is printed.
    pub fn now(&self, text: &str, worth_a_line: bool) {
        match &self.moving {
            Some(bar) => bar.set_message(text.to_owned()),
            None if worth_a_line => out::problem(text),
            None => {}
        }
    }

    /// A line that stays, on stderr.
    pub fn note(&self, text: &str) {
        self.bars.suspend(|| out::problem(text));
    }

    /// A result, on stdout.
    pub fn result(&self, text: &str) {
        self.bars.suspend(|| out::print(text));
    }

    /// Takes the moving line away.
    pub fn clear(&self) {
        if let Some(bar) = &self.moving {
            bar.finish_and_clear();
        }
    }
}

/// Writes above the moving line.
struct Above {
    bars: MultiProgress,
}

impl Write for Above {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.bars.suspend(|| io::stderr().write_all(line))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
