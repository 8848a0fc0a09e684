//! A config file named on the command line.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::Context;
use elt_shared::config::{ConfigError, ConfigProblem, Document, NoReferences, PipelineConfig, Warning};

use crate::exit::{Exit, refuse};
use crate::out;

/// Bytes that are read of a file: one more than a config may have, so that the parser can report a larger one.
const LIMIT: u64 = 256 * 1024;

/// A config that can run, with its text.
#[derive(Debug)]
pub struct ConfigFile {
    /// The file's text.
    pub text: String,
    /// What it says.
    pub config: PipelineConfig,
    /// How many things in it are probably not as meant; they were written to stderr.
    pub warnings: usize,
}

impl ConfigFile {
    /// Reads and checks a config. Warnings and problems go to stderr, one a line, as `file:line:column: message`.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = read(path)?;
        let checked = Document::parse(&text).and_then(|document| document.pipeline(&NoReferences));
        let checked = checked.map_err(|error| not_runnable(path, &error))?;
        for warning in &checked.warnings {
            out::problem(&warn(path, warning));
        }
        Ok(Self { text, config: checked.value, warnings: checked.warnings.len() })
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    let doing = || format!("could not read {}", path.display());
    let mut bytes = Vec::new();
    File::open(path).with_context(doing)?.take(LIMIT + 1).read_to_end(&mut bytes).with_context(doing)?;
    String::from_utf8(bytes).map_err(|_| {
        let message = format!("{} is not UTF-8", path.display());
        refuse(Exit::Config, message, "Save the file as UTF-8.")
    })
}

fn not_runnable(path: &Path, error: &ConfigError) -> anyhow::Error {
    for ConfigProblem { path: key, line, column, message } in error.problems() {
        out::problem(&place(path, *line, *column, "error", key, message));
    }
    refuse(Exit::Config, format!("{} cannot run", path.display()), "Correct the places named above.")
}

fn warn(path: &Path, warning: &Warning) -> String {
    place(path, warning.line, warning.column, "warning", &warning.path, &warning.message)
}

fn place(path: &Path, line: Option<usize>, column: Option<usize>, kind: &str, key: &str, message: &str) -> String {
    let place = match (line, column) {
        (Some(line), Some(column)) => format!("{}:{line}:{column}", path.display()),
        _ => path.display().to_string(),
    };
    let key = if key.is_empty() { String::new() } else { format!("{key}: ") };
    format!("{place}: {kind}: {key}{message}")
}
