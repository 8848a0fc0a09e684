//! A look at everything in a folder or file.

use anyhow::Context;
use elt_worker::extract::{self, ExtractContext, Extracted};
use elt_worker::frame::dialect_proposal::{self, Proposal};
use tokio_util::sync::CancellationToken;

use super::config_of;
use super::text::{self, Found};
use crate::exit::{Exit, refuse};

/// The config for what is in a folder or file.
pub async fn describe(path: &str, table: &str, target: &str, context: &ExtractContext) -> anyhow::Result<String> {
    let extracted = extract(path, context).await?;
    if extracted.files.is_empty() {
        return Err(refuse(
            Exit::Failed,
            "there is nothing to read",
            "Name a place with .csv, .json, .ndjson or .txt files (.gz and .zst of each too).",
        ));
    }
    let names: Vec<String> = extracted.files.iter().map(|file| file.name.clone()).collect();
    let files = extracted.files;
    let proposing = move || dialect_proposal::propose(&files, &CancellationToken::new());
    let Proposal { keys, profile } =
        tokio::task::spawn_blocking(proposing).await.context("could not look at the files")??;
    let left_out = extracted.left_out.iter().map(|file| format!("{}: {}", file.name, file.reason));
    let unreadable = profile.files.iter().filter_map(|file| {
        let error = file.error.as_ref()?;
        Some(format!("{}: {error}", names[file.index]))
    });
    let not_read = left_out.chain(unreadable).collect();
    let text = text::write(path, table, target, &Found { names: &names, profile: &profile, not_read, keys: &keys });
    // What is written must run; a column name nobody thought of would show here.
    config_of(&text).context("could not write a config for what was found")?;
    Ok(text)
}

async fn extract(path: &str, context: &ExtractContext) -> anyhow::Result<Extracted> {
    let source = text::source(path, &[]);
    let config = config_of(&format!("sources:\n{source}target: {{table: t}}\n"))?;
    extract::extract(&config, context).await.with_context(|| format!("could not read {path}"))
}
