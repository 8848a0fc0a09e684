//! From what a person asks for to the windows of a backfill.

use chrono::{DateTime, Utc};

use super::suitable::require_suitable;
use super::windows::{Window, WindowSize, divide, instant, invalid};
use crate::config::PipelineConfig;
use crate::explained::Explained;

/// Windows that may be at work at the same time at most.
pub const MOST_PARALLEL: u16 = 50;

/// A backfill as it was asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The beginning: a day, or an instant.
    pub from: &'a str,
    /// The end, which is not loaded.
    pub to: &'a str,
    /// Length of a window: `30d`, `1mo`.
    pub window: &'a str,
    /// Windows that are at work at the same time.
    pub parallel: u16,
}

/// The windows of a backfill that can be started.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The whole range.
    pub range: Window,
    /// Length of a window.
    pub size: WindowSize,
    /// Windows that are at work at the same time.
    pub parallel: u16,
    /// The windows, the oldest first.
    pub windows: Vec<Window>,
    /// Sentences about what may not be as meant.
    pub warnings: Vec<String>,
}

impl Plan {
    /// Checks what was asked for. `now` is the time by which a range may not end in the future.
    ///
    /// # Errors
    /// `invalid_backfill` when it makes no windows; `not_for_backfill` when the config cannot be loaded in windows.
    pub fn of(pipeline: &PipelineConfig, asked: Asked<'_>, now: DateTime<Utc>) -> Result<Self, Explained> {
        let size = WindowSize::parse(asked.window)?;
        let range = Window { from: instant(asked.from, "the beginning")?, to: instant(asked.to, "the end")? };
        if !(1..=MOST_PARALLEL).contains(&asked.parallel) {
            return Err(invalid(
                format!("{} windows cannot be at work at the same time", asked.parallel),
                "Choose 1 to 50.",
            ));
        }
        let windows = divide(range, size)?;
        if range.to > now {
            return Err(invalid(
                format!("the range {range} ends in the future"),
                "Let it end now or earlier: what is not there yet would never be loaded, because a window is loaded once.",
            ));
        }
        let warnings = require_suitable(pipeline, &windows)?;
        Ok(Self { range, size, parallel: asked.parallel, windows, warnings })
    }
}
