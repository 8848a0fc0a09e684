//! A look at everything in a folder or file.

use std::io::Read;

use anyhow::Context;
use elt_worker::extract::{self, ExtractContext, Extracted};
use elt_worker::frame::profile;
use elt_worker::input::{Compression, Format, InputFile, nameable};
use tokio_util::sync::CancellationToken;

use super::text::{self, Found};
use super::{config_of, format};
use crate::exit::{Exit, refuse};

/// Bytes of a file by which its encoding is judged.
const HEAD_BYTES: u64 = 1 << 20;
/// The encoding that is proposed for text that is not UTF-8: each byte is a character in it, and Windows writes it.
const OLD_ENCODING: &str = "windows-1252";

/// The config for what is in a folder or file.
pub async fn describe(path: &str, table: &str, target: &str, context: &ExtractContext) -> anyhow::Result<String> {
    let place = path.to_owned();
    let looking = tokio::task::spawn_blocking(move || format::lines(&place));
    let format = looking.await.context("could not look at the file")?;
    let format = format.map_err(|error| refuse(Exit::Failed, error.message, error.next_step))?;
    let mut encoding = None;
    let mut extracted = extract(path, encoding, &format, context).await?;
    if extracted.files.iter().any(is_in_old_encoding) {
        encoding = Some(OLD_ENCODING);
        extracted = extract(path, encoding, &format, context).await?;
    }
    if extracted.files.is_empty() {
        return Err(refuse(
            Exit::Failed,
            "there is nothing to read",
            format!("Name a {}, or a place with such files.", nameable()),
        ));
    }
    let names: Vec<String> = extracted.files.iter().map(|file| file.name.clone()).collect();
    let files = extracted.files;
    let profiling = move || profile::profile(&files, &[], &CancellationToken::new());
    let profile = tokio::task::spawn_blocking(profiling).await.context("could not look at the files")??;
    let left_out = extracted.left_out.iter().map(|file| format!("{}: {}", file.name, file.reason));
    let unreadable = profile.files.iter().filter_map(|file| {
        let error = file.error.as_ref()?;
        Some(format!("{}: {}. {}", names[file.index], error.reason, error.next_step))
    });
    // Warnings of the extraction are about what is not read either, such as the other sheets of a workbook.
    let not_read = left_out.chain(unreadable).chain(extracted.warnings).collect();
    let text = text::write(
        path,
        table,
        target,
        &Found { names: &names, profile: &profile, not_read, encoding, format: &format },
    );
    // What is written must run; a column name nobody thought of would show here.
    config_of(&text).context("could not write a config for what was found")?;
    Ok(text)
}

async fn extract(
    path: &str,
    encoding: Option<&str>,
    format: &str,
    context: &ExtractContext,
) -> anyhow::Result<Extracted> {
    let source = text::source(path, encoding, format);
    let config = config_of(&format!("sources:\n{source}target: {{table: t}}\n"))?;
    extract::extract(&config, context).await.with_context(|| format!("could not read {path}"))
}

/// Whether a text file has bytes that are no UTF-8, and no mark that says what it is.
fn is_in_old_encoding(file: &InputFile) -> bool {
    let is_plain_text = matches!(file.format, Format::Csv | Format::Txt) && file.compression == Compression::None;
    let mut head = Vec::new();
    let read = || file.open()?.take(HEAD_BYTES).read_to_end(&mut head);
    if !is_plain_text || { read }().is_err() || head.starts_with(&[0xFF, 0xFE]) || head.starts_with(&[0xFE, 0xFF]) {
        return false;
    }
    // A character may be cut in two at the end of the head.
    std::str::from_utf8(&head).is_err_and(|error| error.error_len().is_some())
}
