//! `elt coverage`: how much of the code the tests run.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use elt_shared::settings::{DatabaseSettings, TelemetrySettings};
use elt_shared::store::coverage;
use serde_json::Value;

use crate::databases::on_control_database;
use crate::exit::Exit;
use crate::out;

/// Keeps coverage reports of the tests
///
/// Needs DATABASE_URL, or the --data-dir of an `elt up`.
#[derive(Debug, Args)]
pub struct Coverage {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    telemetry: TelemetrySettings,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Import a report: what `cargo llvm-cov --json` or coverage.py's `json` wrote
    ///
    /// The newest is served at /coverage-report and shown in the dashboard; the others are its history.
    Import {
        file: PathBuf,
        /// The commit it is about
        #[arg(long)]
        commit: Option<String>,
    },
}

impl Coverage {
    pub async fn execute(self) -> anyhow::Result<Exit> {
        let Action::Import { file, commit } = self.action;
        let report = read(&file)?;
        on_control_database("coverage", &self.database, &self.telemetry, async |databases| {
            databases.migrate_tables().await?;
            let imported = coverage::import(&databases.control, &report, commit.as_deref()).await;
            imported.context("could not keep the report")
        })
        .await?;
        let (covered, all) = (report.covered_lines, report.num_statements);
        out::print(&format!("imported: {covered} of {all} lines, {:.1} %", report.percent_covered()));
        Ok(Exit::Done)
    }
}

fn read(path: &Path) -> anyhow::Result<coverage::Report> {
    let text = fs::read(path).with_context(|| format!("could not read {}", path.display()))?;
    let mut report: Value = serde_json::from_slice(&text).with_context(|| format!("{} is not JSON", path.display()))?;
    let here = std::env::current_dir().context("could not find the working folder")?;
    shorten(&mut report, &here);
    coverage::Report::read(&report).with_context(|| format!("could not use {}", path.display()))
}

/// llvm-cov writes absolute paths: those below the working folder become relative to it.
fn shorten(report: &mut Value, here: &Path) {
    let files = report.pointer_mut("/data/0/files").and_then(Value::as_array_mut);
    for file in files.into_iter().flatten() {
        let name = file["filename"].as_str().and_then(|name| Path::new(name).strip_prefix(here).ok());
        if let Some(name) = name.map(|name| name.display().to_string()) {
            file["filename"] = name.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_below_the_working_folder_become_relative() {
        let mut report = json!({"data": [{"files": [{"filename": "/src/a.rs"}, {"filename": "/other/b.rs"}]}]});
        shorten(&mut report, Path::new("/src"));
        assert_eq!(report, json!({"data": [{"files": [{"filename": "a.rs"}, {"filename": "/other/b.rs"}]}]}));
    }
}
