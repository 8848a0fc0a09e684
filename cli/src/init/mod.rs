//! `elt init`: a commented config for what lies in a place.
//!
//! # Layout
//! - `place`: a folder, a file or a URL becomes the source of a config
//! - `text`: what was found becomes a config people can read

mod place;
mod text;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use elt_shared::config::{Document, NoReferences, PipelineConfig};
use elt_shared::settings::NetworkSettings;
use elt_worker::extract::http::SourceTokens;
use elt_worker::extract::{self, ExtractContext, Extracted, YoungFiles};
use elt_worker::frame::profile;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio_util::sync::CancellationToken;

use crate::exit::{Exit, refuse};
use crate::out;
use place::Place;
use text::Found;

/// Writes a commented config for a folder, a file or a URL it looks at
///
/// Reads everything there is once, and writes the columns it found with their types as a schema. Needs no database.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  elt init ./incoming > incoming.yaml
  elt init https://api.example.com/orders --auth-token \"$TOKEN\" --table orders --output orders.yaml")]
pub struct Init {
    /// A folder, a file, or the URL of JSON
    place: String,
    /// Table to load into; by default named for the place
    #[arg(long)]
    table: Option<String>,
    /// Token to read the URL with; the config names a variable instead of it
    #[arg(long, hide_env_values = true)]
    auth_token: Option<String>,
    /// File to write, which must not exist; by default the config is printed
    #[arg(long, short)]
    output: Option<PathBuf>,
    #[command(flatten)]
    network: NetworkSettings,
}

impl Init {
    pub async fn execute(self) -> anyhow::Result<Exit> {
        let place = Place::of(&self.place, self.auth_token.is_some());
        let table = self.table.unwrap_or_else(|| place.table());
        let config = config_of(&place.source(self.auth_token.as_deref()), &table)?;
        let spool = tempdir()?;
        let extracted = extract(&config, spool.path(), self.network).await;
        let extracted = extracted.with_context(|| format!("could not read {}", self.place))?;
        let text = describe(&place, &table, extracted).await?;
        // What is written must run; a column name nobody thought of would show here.
        config_of_text(&text).context("could not write a config for what was found")?;
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

/// The smallest config that reads the place.
fn config_of(source: &str, table: &str) -> anyhow::Result<PipelineConfig> {
    config_of_text(&format!("sources:\n{source}target: {{table: {}}}\n", text::quoted(table)))
}

fn config_of_text(text: &str) -> anyhow::Result<PipelineConfig> {
    let document = Document::parse(text)?;
    Ok(document.pipeline(&NoReferences)?.value)
}

async fn extract(
    config: &PipelineConfig,
    spool: &std::path::Path,
    network: NetworkSettings,
) -> anyhow::Result<Extracted> {
    let context = ExtractContext {
        base: std::env::current_dir().context("could not find the working folder")?,
        spool: spool.to_owned(),
        roots: Vec::new().into(),
        never: Vec::new(),
        network: Arc::new(network),
        tokens: SourceTokens::default(),
        // Only SFTP asks the control database, for known hosts; this pool never connects.
        control: PgPoolOptions::new().connect_lazy_with(PgConnectOptions::new_without_pgpass()),
        stop: CancellationToken::new(),
        young: YoungFiles::Take,
        values: Vec::new(),
    };
    Ok(extract::extract(config, &context).await?)
}

async fn describe(place: &Place, table: &str, extracted: Extracted) -> anyhow::Result<String> {
    if extracted.files.is_empty() {
        return Err(refuse(
            Exit::Failed,
            "there is nothing to read",
            "Name a place with .csv, .json, .ndjson or .txt files (.gz and .zst of each too).",
        ));
    }
    let names: Vec<String> = extracted.files.iter().map(|file| file.name.clone()).collect();
    let files = extracted.files;
    let profiling = move || profile::profile(&files, &[], &CancellationToken::new());
    let profile = tokio::task::spawn_blocking(profiling).await.context("could not look at the files")??;
    let left_out = extracted.left_out.iter().map(|file| format!("{}: {}", file.name, file.reason));
    let unreadable = profile.files.iter().filter_map(|file| {
        let error = file.error.as_ref()?;
        Some(format!("{}: {error}", names[file.index]))
    });
    let not_read = left_out.chain(unreadable).collect();
    Ok(text::write(place, table, &Found { names: &names, profile: &profile, not_read }))
}

fn tempdir() -> anyhow::Result<tempfile::TempDir> {
    tempfile::tempdir().context("could not make a folder for what is read")
}
