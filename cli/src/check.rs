//! `elt check`: is this config right?

use std::path::PathBuf;

use clap::Args;

use crate::config_file::ConfigFile;
use crate::exit::Exit;
use crate::out;

/// Checks config files without running them
///
/// Needs no database. Every problem is one line, `file:line:column: error: key: message`, as compilers write them.
/// Exit code 0: all can run; 3: one cannot.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  elt check pipeline.yaml
  elt check --strict configs/*.yaml      # warnings count as errors")]
pub struct Check {
    /// YAML files
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Fail on warnings too
    #[arg(long)]
    strict: bool,
}

impl Check {
    pub fn execute(&self) -> anyhow::Result<Exit> {
        let mut exit = Exit::Done;
        for file in &self.files {
            match ConfigFile::read(file) {
                Ok(checked) => {
                    let (name, table) = (&checked.config.name, &checked.config.target.table);
                    let sources = checked.config.sources.len();
                    out::print(&format!("{}: `{name}` loads {sources} sources into {table}", file.display()));
                    if self.strict && checked.warnings > 0 {
                        exit = Exit::Config;
                    }
                }
                Err(error) => {
                    out::problem(&error.to_string());
                    exit = Exit::Config;
                }
            }
        }
        Ok(exit)
    }
}
