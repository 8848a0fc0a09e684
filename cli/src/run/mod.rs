//! `elt run`: one config, in this process, for the person at the terminal.
//!
//! # Layout
//! - `watch`: what happens, as it happens
//! - `screen`: a line that moves on a terminal, plain lines elsewhere
//! - `keyboard`: `g` and Enter

mod keyboard;
mod screen;
mod watch;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use elt_shared::runs::{Outcome, RunState};
use elt_shared::settings::{DatabaseSettings, SecretKeySettings, TelemetrySettings};
use elt_shared::store::runs::Run as RunRow;
use elt_worker::settings::WorkerSettings;
use tracing::Instrument;

use crate::config_file::ConfigFile;
use crate::exit::Exit;
use crate::in_process::{InProcess, Setup};
pub use screen::Screen;
pub use watch::{Watch, watch};

/// Runs one config here, and watches its sources for changes
///
/// Needs no server: it uses DATABASE_URL or the private cluster in the data folder, and works only this config. After
/// the first run it looks at the sources again every minute (or as `monitor:` says) and runs when something changed.
/// `g` and Enter, or Ctrl-C, stop at the next batch boundary; nothing is left half-loaded. Relative paths start here.
#[derive(Debug, Args)]
#[command(
    mut_arg("queue", |queue| queue.hide(true)),
    after_help = "\
Exit codes: 0 loaded (also with warnings), or stopped as asked; 1 the last run failed; 3 the config cannot run;
4 the last run ended, but none of its data could be loaded.

Examples:
  elt run pipeline.yaml                  # run, then watch until stopped
  elt run --once pipeline.yaml           # run and end
  elt run --now --once pipeline.yaml     # do not wait for start_time
  elt run --interval 10 pipeline.yaml    # look for changes every 10 seconds"
)]
pub struct Run {
    /// The config, a YAML file
    file: PathBuf,
    /// Run once and end; no watching
    #[arg(long, visible_alias = "no-monitor")]
    once: bool,
    /// Seconds between two looks at the sources, whatever the config says
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    interval: Option<u32>,
    /// Run at once, whatever `start_time` says
    #[arg(long)]
    now: bool,
    #[command(flatten)]
    worker: WorkerSettings,
    #[command(flatten)]
    secret_keys: SecretKeySettings,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    telemetry: TelemetrySettings,
}

impl Run {
    pub async fn execute(self) -> anyhow::Result<Exit> {
        let mut file = ConfigFile::read(&self.file)?;
        if let Some(seconds) = self.interval {
            file.config.monitor.interval = Some(Duration::from_secs(seconds.into()));
        }
        let screen = Screen::default();
        let setup = Setup {
            worker: self.worker,
            secret_keys: self.secret_keys,
            database: self.database,
            telemetry: self.telemetry,
        };
        InProcess::during(setup, screen.telemetry("run"), async |process| {
            run(process, file, self.now, !self.once, &screen)
                .instrument(tracing::info_span!("elt run", file = %self.file.display()))
                .await
        })
        .await
    }
}

async fn run(
    process: &InProcess<'_>,
    file: ConfigFile,
    now: bool,
    monitor: bool,
    screen: &Screen,
) -> anyhow::Result<Exit> {
    let started = process.trigger(file.text, &file.config, now, monitor).await?;
    if keyboard::listen(process.stop.gracefully.clone()) {
        screen.note("g and Enter stops");
    }
    let what = Watch { run: started.run.id, schedule: started.schedule.map(|schedule| schedule.id) };
    // The watcher ends with the worker, after a last look.
    let (first, last) = watch(process.db(), what, screen, process.work(started.run.id)).await?;
    Ok(exit_of(&last.unwrap_or(first)))
}

/// How the command ends after this run.
pub fn exit_of(run: &RunRow) -> Exit {
    match run.state {
        RunState::Succeeded if run.outcome == Some(Outcome::NothingLoaded) => Exit::NothingLoaded,
        RunState::Succeeded | RunState::Stopped => Exit::Done,
        _ if matches!(run.error_code.as_deref(), Some("config" | "unknown_secret" | "secret_not_granted")) => {
            Exit::Config
        }
        _ => Exit::Failed,
    }
}
