//! `elt init`: a commented config for what lies in a place.
//!
//! # Layout
//! - `place`: a folder, a file or a URL becomes the source of a config
//! - `files`: a look at everything in a folder or file
//! - `format`: what one file needs whose suffix does not say everything
//! - `url`: a look at the first pages of an API
//! - `target`: the server that `--target` names
//! - `text`: what was found in files becomes a config people can read

mod files;
mod format;
mod place;
mod target;
mod text;
mod url;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use elt_shared::config::{Document, NoReferences, PipelineConfig, TableName};
use elt_shared::settings::NetworkSettings;
use elt_worker::extract::http::SourceTokens;
use elt_worker::extract::{ExtractContext, YoungFiles};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio_util::sync::CancellationToken;

use crate::exit::{Exit, refuse};
use crate::out;
use place::Place;

/// Writes a commented config for a folder, a file or a URL it looks at
///
/// Of a URL it reads the first page, and the second one to see whether it recognised the paging: the config says where the
/// rows are, how to get the next page, and why. Of a folder or a file it reads everything once, and writes the columns it
/// found with their types as a schema. Needs no database.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  elt init ./incoming > incoming.yaml
  elt init https://api.example.com/orders --token \"$TOKEN\" --output orders.yaml
  elt init https://api.example.com/v2/orders --header 'X-API-Key: …' --header 'Accept: application/json'")]
pub struct Init {
    /// A folder, a file, or the URL of JSON
    place: String,
    /// Table to load into; by default named for the place
    #[arg(long)]
    table: Option<String>,
    /// Token to read the URL with; the config names a variable instead of it
    #[arg(long, visible_alias = "auth-token", hide_env_values = true)]
    token: Option<String>,
    /// Header to read the URL with, `Name: value`; may be repeated. The config names a variable instead of a value that may
    /// be a secret
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Server to load into, `postgres://user@host/database`; by default ELT_TARGET_URL of the workers. The config names a
    /// variable instead of a password
    #[arg(long, value_name = "URL")]
    target: Option<String>,
    /// File to write, which must not exist; by default the config is printed
    #[arg(long, short)]
    output: Option<PathBuf>,
    #[command(flatten)]
    network: NetworkSettings,
}

impl Init {
    pub async fn execute(self) -> anyhow::Result<Exit> {
        let place = Place::of(&self.place);
        let table = self.table.clone().unwrap_or_else(|| place.table());
        if let Err(expected) = table.parse::<TableName>() {
            let message = format!("--table is wrong: expected {expected}");
            return Err(refuse(Exit::Usage, message, "Write it like orders, or like analytics.orders."));
        }
        let target = self.target.as_deref().map(target::lines).transpose()?.unwrap_or_default();
        if let Some(path) = &self.output {
            refuse_existing(path)?;
        }
        let spool = tempfile::tempdir().context("could not make a folder for what is read")?;
        let context = context(spool.path(), self.network)?;
        let text = match &place {
            Place::Path(path) => {
                if self.token.is_some() || !self.headers.is_empty() {
                    let next_step = "Leave --token and --header out, or name a URL.";
                    return Err(refuse(Exit::Usage, format!("{path} is not a URL, so it needs no token"), next_step));
                }
                files::describe(path, &table, &target, &context).await?
            }
            Place::Url(address) => {
                let look = url::Look { address, token: self.token.as_deref(), headers: &self.headers };
                look.describe(&table, &target, &context).await?
            }
        };
        match self.output {
            None => out::print(text.trim_end()),
            Some(path) => {
                let write = || {
                    let mut file = OpenOptions::new().write(true).create_new(true).open(&path)?;
                    file.write_all(text.as_bytes())
                };
                write().with_context(|| format!("could not write {}", path.display()))?;
                out::problem(&format!("wrote {}; `elt run {}` runs it", path.display(), path.display()));
            }
        }
        Ok(Exit::Done)
    }
}

/// Refuses to write over a file, before anything is read or asked for. Creating it later checks the same again.
fn refuse_existing(path: &Path) -> anyhow::Result<()> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    Err(refuse(
        Exit::Failed,
        format!("could not write {}: it exists", path.display()),
        "Name another file with --output, or move this one away.",
    ))
}

/// A text that was written here as a config.
fn config_of(text: &str) -> anyhow::Result<PipelineConfig> {
    Ok(Document::parse(text)?.pipeline(&NoReferences)?.value)
}

fn context(spool: &Path, network: NetworkSettings) -> anyhow::Result<ExtractContext> {
    Ok(ExtractContext {
        base: std::env::current_dir().context("could not find the working folder")?,
        spool: spool.to_owned(),
        roots: Vec::new().into(),
        never: Vec::new(),
        network: Arc::new(network),
        default_target: None,
        ssh_agent: None,
        cloud: Default::default(),
        tokens: SourceTokens::default(),
        // Only SFTP asks the control database, for known hosts; this pool never connects.
        control: PgPoolOptions::new().connect_lazy_with(PgConnectOptions::new_without_pgpass()),
        stop: CancellationToken::new(),
        progress: Arc::default(),
        young: YoungFiles::Take,
        files: Default::default(),
        unpack: Default::default(),
        values: Vec::new(),
        old_below: Vec::new(),
        read_before: Vec::new(),
    })
}
