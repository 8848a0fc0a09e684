//! A look at everything in a folder or file.

use anyhow::Context;
use elt_worker::extract::{self, ExtractContext, Extracted};
use elt_worker::frame::dialect_proposal::{self, Proposal};
use elt_worker::input::nameable;
use tokio_util::sync::CancellationToken;

use super::text::{self, Found};
use super::{config_of, format};
use crate::exit::{Exit, refuse};

/// The config for what is in a folder or file.
pub async fn describe(path: &str, table: &str, target: &str, context: &ExtractContext) -> anyhow::Result<String> {
    let place = path.to_owned();
    let looking = tokio::task::spawn_blocking(move || format::lines(&place));
    let format = looking.await.context("could not look at the file")?;
    let format = format.map_err(|error| refuse(Exit::Failed, error.message, error.next_step))?;
    let extracted = extract(path, &format, context).await?;
    if extracted.files.is_empty() {
        return Err(refuse(
            Exit::Failed,
            "there is nothing to read",
            format!("Name a {}, or a place with such files.", nameable()),
        ));
    }
    let names: Vec<String> = extracted.files.iter().map(|file| file.name.clone()).collect();
    let files = extracted.files;
    let proposing = move || dialect_proposal::propose(&files, &CancellationToken::new());
    let Proposal { keys, profile } =
        tokio::task::spawn_blocking(proposing).await.context("could not look at the files")??;
    let unread = profile.files.iter().find_map(|file| file.error.as_ref());
    if let Some(error) = unread.filter(|_| profile.columns.is_empty()) {
        return Err(refuse(Exit::Failed, error.message.clone(), error.next_step.clone()));
    }
    let left_out = extracted.left_out.iter().map(|file| format!("{}: {}", file.name, file.reason));
    let unreadable = profile.files.iter().filter_map(|file| {
        let error = file.error.as_ref()?;
        Some(format!("{}: {}. {}", names[file.index], error.reason, error.next_step))
    });
    // Warnings of the extraction are about what is not read either, such as the other sheets of a workbook.
    let not_read = left_out.chain(unreadable).chain(extracted.warnings).collect();
    let found = Found { names: &names, profile: &profile, not_read, keys: &keys, format: &format };
    let text = text::write(path, table, target, &found);
    // What is written must run; a column name nobody thought of would show here.
    config_of(&text).context("could not write a config for what was found")?;
    Ok(text)
}

async fn extract(path: &str, format: &str, context: &ExtractContext) -> anyhow::Result<Extracted> {
    let source = text::source(path, &[], format);
    let config = config_of(&format!("sources:\n{source}target: {{table: t}}\n"))?;
    extract::extract(&config, context).await.with_context(|| format!("could not read {path}"))
}
