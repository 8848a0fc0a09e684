//! `elt plan`: what would a run change?

use std::path::PathBuf;

use clap::Args;
use elt_shared::runs::{RunKind, RunReport};
use elt_shared::settings::{DatabaseSettings, SecretKeySettings, TelemetrySettings};
use elt_worker::settings::WorkerSettings;
use tracing::Instrument;

use crate::config_file::ConfigFile;
use crate::exit::Exit;
use crate::in_process::{InProcess, Setup};
use crate::out;
use crate::run::{Screen, Watch, exit_of, watch};
use crate::summary::report_of;
use crate::table::count;

/// Shows what a run would change, and changes nothing
///
/// Does everything a run does, in a transaction that is rolled back: reads the sources, decides types, compares rows.
/// Prints the statements that would change tables, the rows that would be new, and a few of them.
#[derive(Debug, Args)]
#[command(
    mut_arg("queue", |queue| queue.hide(true)),
    after_help = "\
Exit codes: 0 a run would change nothing; 2 it would change something; 1 it would fail; 3 the config cannot run;
4 nothing of what comes could be loaded.

Example:
  elt plan pipeline.yaml || test $? = 2"
)]
pub struct Plan {
    /// The config, a YAML file
    file: PathBuf,
    #[command(flatten)]
    worker: WorkerSettings,
    #[command(flatten)]
    secret_keys: SecretKeySettings,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    telemetry: TelemetrySettings,
}

impl Plan {
    pub async fn execute(self) -> anyhow::Result<Exit> {
        let file = ConfigFile::read(&self.file)?;
        let screen = Screen::default();
        let setup = Setup {
            worker: self.worker,
            secret_keys: self.secret_keys,
            database: self.database,
            telemetry: self.telemetry,
        };
        InProcess::during(setup, screen.telemetry("plan"), async |process| {
            plan(process, file, &screen).instrument(tracing::info_span!("elt plan", file = %self.file.display())).await
        })
        .await
    }
}

async fn plan(process: &InProcess<'_>, file: ConfigFile, screen: &Screen) -> anyhow::Result<Exit> {
    let run = process.enqueue(file.text, &file.config, RunKind::Plan).await?;
    let (run, _) = watch(process.db(), Watch { run: run.id, schedule: None }, screen, process.work(run.id)).await?;
    let exit = exit_of(&run);
    match report_of(&run) {
        Some(report) if matches!(exit, Exit::Done | Exit::NothingLoaded) => {
            out::print(&changes(&report));
            Ok(if exit == Exit::Done && changes_something(&report) { Exit::WouldChange } else { exit })
        }
        _ => Ok(exit),
    }
}

fn changes_something(report: &RunReport) -> bool {
    let mut of_tables = report.tables.iter().filter_map(|table| table.report.as_ref());
    of_tables.any(|report| changes_something(report))
        || !report.ddl.is_empty()
        || report.rows_inserted + report.rows_updated + report.rows_deleted > 0
}

fn changes(report: &RunReport) -> String {
    let mut text = String::new();
    for table in &report.tables {
        if let Some(report) = &table.report {
            text.push_str(&format!("\n  table {}\n{}\n", table.table, changes(report)));
        }
    }
    for statement in &report.ddl {
        text.push_str(&format!("\n  {statement}"));
    }
    for sample in &report.samples {
        let cells: Vec<&str> = sample.iter().map(|cell| cell.as_deref().unwrap_or("NULL")).collect();
        text.push_str(&format!("\n  + {}", cells.join(" | ")));
    }
    let verdict = if changes_something(report) {
        let counts = [report.rows_inserted, report.rows_updated, report.rows_deleted].map(count);
        format!("a run would insert {}, update {} and remove {} rows", counts[0], counts[1], counts[2])
    } else {
        "a run would change nothing".to_owned()
    };
    format!("{text}\n\n  {verdict}").trim_start_matches('\n').to_owned()
}
