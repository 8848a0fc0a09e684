//! `elt check`: is this config right, and can what it names be used?

use std::path::PathBuf;

use clap::Args;
use elt_shared::runs::RunKind;
use elt_shared::settings::{DatabaseSettings, SecretKeySettings, TelemetrySettings};
use elt_worker::settings::WorkerSettings;

use crate::config_file::ConfigFile;
use crate::exit::Exit;
use crate::in_process::{InProcess, Setup};
use crate::out;
use crate::run::{Screen, Watch, exit_of, watch};
use crate::summary::report_of;

/// Checks config files without running them
///
/// Needs no database, unless it should try the connections too. Every problem is one line, `file:line:column: error:
/// key: message`, as compilers write them.
#[derive(Debug, Args)]
#[command(
    mut_arg("queue", |queue| queue.hide(true)),
    after_help = "\
Exit codes: 0 all can run; 3 one cannot; 1 with --connect: a source or the target cannot be used.

Examples:
  elt check pipeline.yaml
  elt check --strict configs/*.yaml      # warnings count as errors
  elt check --connect pipeline.yaml      # also try every source and the target"
)]
pub struct Check {
    /// YAML files
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Fail on warnings too
    #[arg(long)]
    strict: bool,
    /// Try every source and the target: reachable, authenticated, readable, and what is there. Loads nothing
    #[arg(long)]
    connect: bool,
    #[command(flatten)]
    worker: WorkerSettings,
    #[command(flatten)]
    secret_keys: SecretKeySettings,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    telemetry: TelemetrySettings,
}

impl Check {
    pub async fn execute(self) -> anyhow::Result<Exit> {
        let mut exit = Exit::Done;
        let mut runnable = Vec::new();
        for path in &self.files {
            match ConfigFile::read(path) {
                Ok(file) => {
                    let (name, table) = (&file.config.name, &file.config.target.table);
                    let sources = counted(file.config.sources.len());
                    out::print(&format!("{}: `{name}` loads {sources} into {table}", path.display()));
                    if self.strict && file.warnings > 0 {
                        exit = Exit::Config;
                    }
                    runnable.push(file);
                }
                Err(error) => {
                    out::problem(&error.to_string());
                    exit = Exit::Config;
                }
            }
        }
        if !self.connect || runnable.is_empty() {
            return Ok(exit);
        }
        let setup = Setup {
            worker: self.worker,
            secret_keys: self.secret_keys,
            database: self.database,
            telemetry: self.telemetry,
        };
        let connected = connect_all(setup, runnable).await?;
        Ok(if exit == Exit::Done { connected } else { exit })
    }
}

fn counted(sources: usize) -> String {
    if sources == 1 { "1 source".to_owned() } else { format!("{sources} sources") }
}

/// Tries the connections of each config.
async fn connect_all(setup: Setup, files: Vec<ConfigFile>) -> anyhow::Result<Exit> {
    let screen = Screen::default();
    InProcess::during(setup, screen.telemetry("check"), async |process| try_each(process, files, &screen).await).await
}

async fn try_each(process: &InProcess<'_>, files: Vec<ConfigFile>, screen: &Screen) -> anyhow::Result<Exit> {
    let mut exit = Exit::Done;
    for file in files {
        if process.stop.gracefully.is_cancelled() {
            break;
        }
        match connect(process, file, screen).await? {
            Exit::Done => {}
            failed => exit = failed,
        }
    }
    Ok(exit)
}

async fn connect(process: &InProcess<'_>, file: ConfigFile, screen: &Screen) -> anyhow::Result<Exit> {
    let run = process.enqueue(file.text, &file.config, RunKind::TestConnection).await?;
    let (run, _) = watch(process.db(), Watch { run: run.id, schedule: None }, screen, process.work(run.id)).await?;
    let usable = report_of(&run).is_none_or(|report| report.connections.iter().all(|tried| tried.usable));
    Ok(if usable { exit_of(&run) } else { Exit::Failed })
}
