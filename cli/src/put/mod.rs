//! `elt put`: uploads files to a pipeline through the API.
//!
//! # Layout
//! - [`server`]: the requests, and what their answers mean
//! - [`mod@file`]: the file that is uploaded, with its hash

mod file;
mod server;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use elt_shared::backoff::jittered;
use elt_shared::secret::Secret;
use elt_shared::settings::secret;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Url;

use crate::exit::{Exit, refuse};
use crate::out;
use file::LocalFile;
use server::{Answer, Options, Problem, Server};

/// The outcome of a file of which bytes are missing.
const PARTIAL: &str = "partial";
/// Attempts in a row in which no byte arrives.
const ATTEMPTS: u32 = 10;
/// First and longest pause between two attempts.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Uploads files to a pipeline, which loads them
///
/// The config of the pipeline has a source of `type: inbox`. Needs an API token with the scope `upload` (and `trigger` for
/// --run) in ELT_TOKEN, or in a file that ELT_TOKEN_FILE names. A broken connection is made again and goes on where it ended;
/// so does the same command later. A file that is there with the same content already is not sent again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  elt put orders.csv --pipeline orders                                    # the server on this machine
  elt put *.csv.gz --pipeline orders --run                                # and start a run afterwards
  elt put big.parquet --pipeline sales --server https://elt.example.com   # another server")]
pub struct Put {
    /// The files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Name of the pipeline
    #[arg(long, value_name = "NAME")]
    pipeline: String,
    /// Start a run of the pipeline when all files are there
    #[arg(long)]
    run: bool,
    /// Replace files of the same names that have another content
    #[arg(long)]
    replace: bool,
    /// Address of the API
    #[arg(long, env = "ELT_SERVER", default_value = "http://127.0.0.1:8080")]
    server: Url,
    /// The API token
    #[arg(long, env = "ELT_TOKEN", hide_env_values = true, value_parser = secret)]
    token: Option<Secret>,
}

impl Put {
    pub async fn execute(self) -> anyhow::Result<Exit> {
        let token = self.token.as_ref().ok_or_else(|| {
            refuse(
                Exit::Settings,
                "ELT_TOKEN is not set",
                "Make a token with `elt token create NAME --owner USER --scope upload --pipeline NAME` and set ELT_TOKEN to \
                 it, or ELT_TOKEN_FILE to a file that holds it.",
            )
        })?;
        let server = Server::new(&self.server, token, &self.pipeline)?;
        // Every file is looked at before the first one is sent, so that a mistyped name stops the command at once.
        let mut files = Vec::new();
        for path in &self.files {
            files.push(LocalFile::read(path).await?);
        }
        let last = files.len() - 1;
        for (number, file) in files.iter().enumerate() {
            let answer = self.upload(&server, file, self.run && number == last).await?;
            out::print(&told(&file.path, &answer));
        }
        Ok(Exit::Done)
    }

    /// Uploads one file, with as many attempts as it takes while bytes arrive.
    async fn upload(&self, server: &Server, file: &LocalFile, run: bool) -> anyhow::Result<Answer> {
        let (bar, options) = (bar(file), Options { replace: self.replace, run });
        let (mut failures, mut known) = (0, 0);
        loop {
            let problem = match attempt(server, file, options, (&bar, &mut known, &mut failures)).await {
                Ok(answer) => {
                    bar.finish_and_clear();
                    return Ok(answer);
                }
                Err(problem) => problem,
            };
            failures += 1;
            wait(&bar, problem, failures, file).await?;
        }
    }
}

/// Sends what is missing of a file. `known` is what had arrived before; when more has arrived, `failures` begins anew.
async fn attempt(
    server: &Server,
    file: &LocalFile,
    options: Options,
    (bar, known, failures): (&ProgressBar, &mut u64, &mut u32),
) -> Result<Answer, Problem> {
    let announced = server.announce(file, options).await?;
    if announced.outcome != PARTIAL {
        return Ok(announced);
    }
    if announced.received > *known {
        (*known, *failures) = (announced.received, 0);
    }
    server.send(file, announced.received, options, bar).await
}

/// Pauses before the next attempt, or ends the command when another one would not help.
async fn wait(bar: &ProgressBar, problem: Problem, failures: u32, file: &LocalFile) -> anyhow::Result<()> {
    let name = file.path.display();
    let Problem { message, next_step, exit, passes, pause } = problem;
    if !passes || failures >= ATTEMPTS {
        bar.finish_and_clear();
        return Err(refuse(exit, format!("{name} was not uploaded: {message}"), next_step));
    }
    let pause = pause.unwrap_or_else(|| jittered(LONGEST_PAUSE.min(PAUSE * 2_u32.pow(failures - 1))));
    bar.suspend(|| out::problem(&format!("{name}: {message}; trying again in {:.0} s", pause.as_secs_f32())));
    tokio::time::sleep(pause).await;
    Ok(())
}

/// A line that moves on a terminal; nothing elsewhere.
fn bar(file: &LocalFile) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(file.bytes).with_message(file.name.clone());
    let template = "{msg} {bytes}/{total_bytes} {wide_bar} {bytes_per_sec} {eta}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// What happened to a file, as a line.
fn told(path: &Path, answer: &Answer) -> String {
    let what = match answer.outcome.as_str() {
        "unchanged" => "was there already",
        "replaced" => "replaced another file",
        _ => "uploaded",
    };
    let hash = answer.hash.as_deref().unwrap_or_default();
    let run = answer.run_id.as_ref().map(|run| format!(", run {run}")).unwrap_or_default();
    format!("{}: {what}, {} bytes, hash {hash}{run}", path.display(), answer.bytes)
}
